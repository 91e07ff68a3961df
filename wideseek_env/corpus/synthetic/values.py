"""Makes the values of attributes: current values, the older values of archived copies, and the wrong values of
unchecked pages."""

from __future__ import annotations

from typing import NamedTuple

from wideseek_env.corpus.synthetic.attributes import Attribute
from wideseek_env.corpus.synthetic.dice import Dice
from wideseek_env.corpus.synthetic.names import base_name, person_name

MONTHS = ("January", "February", "March", "April", "May", "June", "July", "August", "September", "October",
          "November", "December")  # fmt: skip


class Value(NamedTuple):
    """A value: its text on pages, and an integer for comparison.

    `order` is the year of a year, yyyymmdd of a date, and the number of a number. If the attribute has decimals, this
    number is in tenths. `order` is 0 for any other value.
    """

    text: str
    order: int = 0


def draw(dice: Dice, attribute: Attribute) -> Value:
    """A random value for a year, date, number, category or text."""
    a = attribute
    if a.type == "year":
        return _year(dice.between(a.low, a.high))
    if a.type == "date":
        return _date(dice.between(a.low, a.high), dice.between(1, 12), dice.between(1, 28))
    if a.type == "number":
        return _number(a, dice.low(a.low, a.high) // a.step * a.step or a.step)
    if a.type == "category":
        return Value(dice.pick_early(a.options))
    if a.type == "text":
        return Value(_text(dice, dice.pick(a.options)))
    raise AssertionError(f"{a.label}: a {a.type} is not drawn but linked")


def year_of(attribute: Attribute, value: Value) -> int:
    """The year of a value that is a year or a date."""
    return value.order // 10000 if attribute.type == "date" else value.order


def older(dice: Dice, attribute: Attribute, value: Value) -> Value:
    """The value of some years ago: a smaller number, or another person's name."""
    if attribute.type == "number":
        n = value.order * dice.between(45, 88) // 100 // attribute.step * attribute.step
        return (
            _number(attribute, n) if 0 < n < value.order else _number(attribute, value.order + attribute.step)
        )
    return _another(dice, attribute, value)


def wrong(dice: Dice, attribute: Attribute, value: Value) -> Value:
    """A plausible value of the same type that is not `value`. A number differs by more than 10 %."""
    a = attribute
    if a.type == "year":
        return _year(value.order + dice.between(3, 40))
    if a.type == "date":
        return _date(value.order // 10000 + dice.between(2, 30), dice.between(1, 12), dice.between(1, 28))
    if a.type == "number":
        n = value.order * dice.between(115, 170) // 100 // a.step * a.step
        return _number(a, max(n, value.order + a.step))
    return _another(dice, a, value)


def _another(dice: Dice, attribute: Attribute, value: Value) -> Value:
    while (other := draw(dice, attribute)).text == value.text:
        pass
    return other


def _year(year: int) -> Value:
    return Value(str(year), year)


def _date(year: int, month: int, day: int) -> Value:
    return Value(f"{day} {MONTHS[month - 1]} {year}", year * 10000 + month * 100 + day)


def _number(attribute: Attribute, n: int) -> Value:
    shown = f"{n // 10:,}.{n % 10}" if attribute.decimals else f"{n:,}"
    return Value(f"{shown} {attribute.unit}" if attribute.unit else shown, n)


def _text(dice: Dice, form: str) -> str:
    if form == "{person}":
        return person_name(dice)
    if form == "{river}":
        return f"River {base_name(dice)}"
    return form.replace("{b}", base_name(dice))
