"""Finds the numbers in a text, each with its unit."""

from __future__ import annotations

import re
from dataclasses import dataclass

from wideseek_env.scoring.numbers import NUMBER, is_power, scale_of, value_of
from wideseek_env.scoring.units import HOUR, NO_UNIT, PERCENT, PERMILLE, SECOND, Unit, unit_at

_TOKEN = re.compile(
    r"(?P<clock>[-+]?(?<![\d:.,])\d{1,3}:[0-5]\d(?::[0-5]\d)?(?:\.\d{1,3})?(?![\d:]))(?:\s?(?P<half>[ap]\.?m\b\.?))?|"
    + NUMBER.pattern,
    re.IGNORECASE,
)
_ORDINAL = re.compile(r"(?:st|nd|rd|th)(?![^\W\d_])", re.IGNORECASE)
_MONEY_SCALE = re.compile(r"\s?(mm?|b|k)(?![^\W\d_])", re.IGNORECASE)
_MONEY_SCALES = {"k": 1e3, "m": 1e6, "mm": 1e6, "b": 1e9}
_DIRECTION = re.compile(r"\s?([NSEW])(?!\w)")
_INCHES = re.compile(r"\s*(?:$|[-,;:/()\[\]|+]|(?:x|by|and|to|or)\s)")

YEARS = range(1000, 3000)
"""Numbers of four digits that may be years."""


@dataclass(slots=True)
class Token:
    """A number as it was found, before it becomes a `Value` or a part of one."""

    number: float
    digits: str
    start: int
    end: int
    sign: str = ""
    unit: Unit = NO_UNIT
    name: str = ""  # of the unit, as written
    scale: float = 1.0
    places: int = 0
    ratio: tuple[float, float] | None = None
    plain: bool = False
    scalable: bool = False  # it has no power of ten yet
    clock: bool = False
    direction: str = ""
    base: float | None = None  # of values in mixed units
    attached: bool = False  # to a letter before it: H2O


def find_tokens(text: str) -> list[Token] | None:
    """The numbers in `text`, a folded text. None when one of them is too large."""
    tokens: list[Token] = []
    at = 0
    while (found := _TOKEN.search(text, at)) is not None:
        token = _clock(found) if found["clock"] else _number(found)
        if token is None:
            return None
        before = text[token.start - 1 : token.start]
        in_word = token.start > at and before.isalpha() and before < "\u2e80"
        in_word = in_word and (before not in "xX" or at == 0 or text[at : token.start].strip() not in "xX")
        token.attached = in_word and not found["currency"]
        if text.endswith("百分之", 0, token.start):
            token.unit, token.start, token.plain = PERCENT, token.start - 3, False
        _take_unit(token, text)
        tokens.append(token)
        at = max(token.end, found.end())
    return tokens


def _clock(found: re.Match[str]) -> Token:
    parts = found["clock"].lstrip("+-").split(":")
    value: float = 0
    for part in parts:
        value = value * 60 + (float(part) if "." in part else int(part))
    half = (found["half"] or "").lower()
    if half and len(parts) == 2 and int(parts[0]) <= 12:
        value += (720 if half.startswith("p") else 0) - (720 if int(parts[0]) == 12 else 0)
    sign = found["clock"][0] if found["clock"][0] in "+-" else ""
    number = -value if sign == "-" else value
    return Token(number, found["clock"], found.start(), found.end(), sign, SECOND, "clock", clock=True)


def _number(found: re.Match[str]) -> Token | None:
    value = value_of(found)
    if value is None:
        return None
    digits, scale = found["digits"], scale_of(found)
    unit = NO_UNIT
    if sign := (found["unit"] or "").lower():
        unit = PERMILLE if sign in ("‰", "permille") else PERCENT
    elif found["currency"]:
        money = unit_at(found["currency"].strip().lower(), 0)
        unit = money[0] if money is not None else NO_UNIT
    raised = found["raised"] is not None and is_power(found)
    exponent = found["power"] or found["exponent"]
    scalable = exponent is None and not raised and scale == 1
    if value == 0 and found["letter"]:
        return Token(
            0, digits, found.start(), found.start("letter"), found["sign"] or "", plain=True
        )  # 0-6-0T
    point = max(digits.rfind("."), digits.rfind(","))
    places = len(digits) - point - 1 if point >= 0 and not float(value).is_integer() else 0
    return Token(
        value, digits, found.start(), found.end(), found["sign"] or "", unit, sign or found["currency"] or "", scale,
        places, plain=scalable and unit is NO_UNIT, scalable=scalable,
    )  # fmt: skip


def _take_unit(token: Token, text: str) -> None:
    """Add the unit that follows the number."""
    end = token.end
    if token.unit.dimension and token.unit.factor == 0:
        if token.scale == 1 and (short := _MONEY_SCALE.match(text, end)) is not None:
            token.scale = _MONEY_SCALES[short[1].lower()]
            token.number *= token.scale
            token.end, token.plain = short.end(), False
        return
    if token.unit.dimension == "share":
        return
    ordinal = _ORDINAL.match(text, end) if not token.places else None
    is_first = token.number % 10 == 1 and token.number % 100 != 11  # otherwise "st" is a stone
    if ordinal is not None and (ordinal[0].lower() != "st" or is_first):
        token.end, token.plain = ordinal.end(), False
        return
    found = unit_at(text, end)
    if found is None and text[end : end + 1] == " ":
        found = unit_at(text, end + 1)
        if found is not None and found[1][0] in "'\"":
            found = None
    if found is None:
        return
    unit, name, stop = found
    if (
        name[0] in "'\""
        and text[stop : stop + 1].isalpha()
        and text[stop] < "\u2e80"
        and text[stop] not in "xNSEW"
    ):
        return
    if name.lower() == "in" and _INCHES.match(text, stop) is None:
        return
    if (
        name == "s"
        and stop == end + 1
        and not token.clock
        and len(token.digits) > 2
        and token.digits[-1] == "0"
    ):
        return  # the 1990s
    if name == "年" and token.number in YEARS:
        token.end = stop
        return
    if token.clock:
        if unit.dimension != "time":
            return
        if unit == HOUR and token.digits.count(":") == 1:
            token.number *= 60
        token.end = stop
        return
    token.unit, token.name, token.end, token.plain = unit, name, stop, False
    if name.isalpha() and text[stop : stop + 1] == "." and not text[stop + 1 : stop + 2].isdigit():
        token.end = stop + 1
    is_angle = unit.dimension == "angle" or name[0] in "'\""
    if is_angle and (direction := _DIRECTION.match(text, stop)) is not None:
        token.direction, token.end = direction[1], direction.end()
