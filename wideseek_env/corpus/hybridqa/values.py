"""Finds the kind of value in a cell (a year, a number, a date, words), and whether a text states a value."""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import date
from typing import Literal

Kind = Literal["year", "number", "date", "text"]

MONTHS = (
    "january february march april may june july august september october november december".split()
)  # fmt: skip

_EMPTY = {
    "",
    "-",
    "--",
    "—",
    "–",
    "?",
    "n/a",
    "na",
    "none",
    "nan",
    "null",
    "tba",
    "tbd",
    "tbc",
    "unknown",
    "...",
}
_YEAR = re.compile(r"(?:1[0-9]|20)\d\d")
_NUMBER = re.compile(r"(?:US|A|C|NZ)?[$£€¥₹₩]?\s?[+−-]?(?:0|[1-9]\d{0,2}(?:,\d{3})+|[1-9]\d*)(?:\.\d+)?\s?%?")
_DAY_FIRST = re.compile(r"(\d{1,2}) ([A-Za-z]{3,9}),? (\d{4})")
_MONTH_FIRST = re.compile(r"([A-Za-z]{3,9})\.? (\d{1,2}),? (\d{4})")
_ISO = re.compile(r"(\d{4})-(\d{2})-(\d{2})")
_THOUSANDS = re.compile(r",(?<=\d,)(?=\d{3}(?!\d))")
_SEPARATORS = re.compile(r"[^\w ]+")
_ASCII_WORDS = bytes(byte if chr(byte).isalnum() else 32 for byte in range(128)) + bytes(range(128, 256))


def is_empty(value: str) -> bool:
    """Whether a cell has no information: blank, a dash, `N/A` and the like."""
    return value.strip().casefold() in _EMPTY


def normalize(text: str) -> str:
    """`text` without case, punctuation and thousands separators: words between single spaces, and one space at each
    end."""
    text = _THOUSANDS.sub("", text.casefold())
    if text.isascii():  # most text is ASCII, and this takes a third of the time
        text = text.encode().translate(_ASCII_WORDS).decode()
    else:
        text = _SEPARATORS.sub(" ", text.replace("_", " "))
    return f" {' '.join(text.split())} "


def parse_date(value: str) -> date | None:
    """The date in `value`, given to the day with the month in letters or in ISO form. The result is None for any other
    text.

    Forms such as 6/7/2015 are refused, because it is unclear which number is the month.
    """
    if match := _DAY_FIRST.fullmatch(value):
        day, month, year = match.groups()
    elif match := _MONTH_FIRST.fullmatch(value):
        month, day, year = match.groups()
    elif match := _ISO.fullmatch(value):
        year, month, day = match.groups()
    else:
        return None
    if month.isdigit():
        number = int(month)
    else:
        starts = [i for i, name in enumerate(MONTHS, 1) if name.startswith(month.casefold())]
        number = starts[0] if len(starts) == 1 else 0
    try:
        return date(int(year), number, int(day))
    except ValueError:
        return None


def column_kind(values: Sequence[str]) -> Kind:
    """The kind of all values, or `text` when they differ. There must be at least one value."""
    if all(_YEAR.fullmatch(v) for v in values):
        return "year"
    if all(_NUMBER.fullmatch(v) for v in values) and len({v.endswith("%") for v in values}) == 1:
        return "number"
    if all(parse_date(v) for v in values):
        return "date"
    return "text"


def forms(value: str, kind: Kind) -> tuple[str, ...]:
    """The normalised spellings in which a text may state `value`. The result is empty when the value is so short that a
    match proves nothing.

    A value of words needs at least three letters or digits, with at least one letter. A number needs at least three
    digits. Shorter values occur by chance in any text.
    """
    if kind == "date":
        day = parse_date(value)
        if day is None:
            return ()
        month = MONTHS[day.month - 1]
        spellings = (f"{month} {day.day} {day.year}", f"{day.day} {month} {day.year}", day.isoformat())
        return tuple(normalize(spelling) for spelling in spellings)
    form = normalize(value)
    characters = len(form.replace(" ", ""))
    if kind == "text" and (characters < 3 or not any(c.isalpha() for c in form)):
        return ()
    if kind == "number" and sum(c.isdigit() for c in form) < 3:
        return ()
    return (form,)


def states(normalized: str, value: str, kind: Kind) -> bool:
    """Whether a text, already normalised by `normalize`, states `value` in one of its `forms`."""
    return any(form in normalized for form in forms(value, kind))
