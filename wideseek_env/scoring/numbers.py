"""Reads numbers as people write them in tables: separators, signs, percentages, units and words for powers of ten."""

from __future__ import annotations

import math
import re
from typing import NamedTuple

from wideseek_env.scoring.characters import fold
from wideseek_env.scoring.markup import plain_text
from wideseek_env.scoring.text import memoised


class Number(NamedTuple):
    """A number read from a cell.

    `value` is the written number, powers of ten included. `unit` is 0.01 for a percentage, 0.001 for a permille and 1
    otherwise. `rest` is the text around the number (a currency, a unit of measure), in lower case.
    """

    value: float
    unit: float = 1.0
    rest: str = ""


_SCALES = {
    "hundred": 1e2,
    "thousand": 1e3,
    "lakh": 1e5,
    "million": 1e6,
    "millions": 1e6,
    "mn": 1e6,
    "mln": 1e6,
    "crore": 1e7,
    "billion": 1e9,
    "billions": 1e9,
    "bn": 1e9,
    "trillion": 1e12,
    "trillions": 1e12,
    "tn": 1e12,
    "百": 1e2,
    "万": 1e4,
    "萬": 1e4,
    "十万": 1e5,
    "百万": 1e6,
    "百萬": 1e6,
    "千万": 1e7,
    "千萬": 1e7,
    "亿": 1e8,
    "億": 1e8,
    "十亿": 1e9,
    "百亿": 1e10,
    "千亿": 1e11,
    "万亿": 1e12,
    "萬億": 1e12,
    "千": 1e3,
    "兆": 1e12,
}
# One letter is a power of ten only if it is attached to the digits. A small m is a metre or a minute.
_LETTER_SCALES = {"k": 1e3, "K": 1e3, "M": 1e6, "B": 1e9, "T": 1e12}
_UNITS = {"%": 0.01, "percent": 0.01, "per cent": 0.01, "pct": 0.01, "‰": 0.001, "permille": 0.001}

# 千米, 千克, 千瓦, 兆瓦 are units (kilo-, mega-), not numbers in thousands.
_SCALE = "|".join(sorted(_SCALES, key=len, reverse=True)) + ")(?![a-z米克瓦卡赫帕]"

SIGNS = str.maketrans(
    {**dict.fromkeys("−﹣－–—―‐‑‒", "-"), **dict.fromkeys("’‘＇′‛`", "'"), "“": '"', "”": '"', "⁄": "/"}
)
"""Maps the kinds of dashes, minus signs, quotes and slashes to one of each."""

_CURRENCY = (
    r"(?:(?:us|hk|nt|nz|au|ca|jp|cn|a|c|r|s)?[$€£¥₹₩₽]|(?<![a-z])(?:usd|eur|gbp|cny|rmb|jpy|inr|rs\.?))\s?"
)
NUMBER = re.compile(
    r"(?P<sign>(?<![\w.)])[-+](?=[\d.a-z$€£¥₹₩₽]))?(?P<currency>" + _CURRENCY + ")?"
    r"(?P<digits>\d{1,3}(?:[ ']\d{3})+(?![\d'])(?:[.,]\d+)?|\d(?:[\d.,]*\d)?|\.\d+)"
    r"(?:\s?(?:[x*·⋅]|\\times|\\cdot)\s?10\s?(?:\^|\*\*)\s?\{?(?P<power>[-+]?\d{1,3})\}?"
    r"|\s?(?:\^|\*\*)\s?\{?(?P<raised>[-+]?\d{1,3})\}?"
    r"|e(?P<exponent>[-+]?\d{1,3})(?!\w))?"
    r"(?:(?P<letter>(?-i:[kKMBT]))(?![\w.]))?"
    r"(?:\s?(?P<scale>" + _SCALE + r"))?"
    r"(?:\s?(?P<unit>" + "|".join(sorted(_UNITS, key=len, reverse=True)) + r")(?![a-z]))?",
    re.IGNORECASE,
)
"""A number with its sign, currency, power of ten and percent sign, in text in which `fold` and `SIGNS` were used."""

_MAX_DIGITS = 400
MAX_LENGTH = 2000
"""The length of a cell in characters above which it is prose and not a number."""

PLAIN = re.compile(r"-?(?:\d{1,15}|\d{1,3}(?:,\d{3}){1,4})(?:\.\d{1,15})?", re.ASCII)
WESTERN = re.compile(r"\d{1,3}(?:,\d{3})+|\d{1,2}(?:,\d{2})*,\d{3}")
DOTTED = re.compile(r"\d{1,3}(?:\.\d{3}){2,}")
_FRACTION = re.compile(r"(?<![\d.,/])(?:(\d{1,9}) )?(\d{1,3})/(\d{1,9})(?![\d/])", re.ASCII)


@memoised
def parse_number(cell: str) -> Number | None:
    """The first number in `cell`. None when the cell has no digit or more than 2000 characters.

    ``1,234.5``, ``1 234,5``, ``1.234.567`` and ``12,34,567`` are read by the pattern of their separators. A single
    comma that does not separate thousands is a decimal comma. ``1.2 million``, ``3.5bn``, ``5K``, ``1.2万``, ``10⁶``,
    ``6×10^23`` and ``1 1/2`` become the full number.
    """
    if PLAIN.fullmatch(cell) is not None:
        return Number(float(cell.replace(",", "")))
    if len(cell) > MAX_LENGTH:
        return None
    text = _FRACTION.sub(_decimal_fraction, fold(plain_text(cell)).translate(SIGNS))
    found = NUMBER.search(text)
    value = None if found is None else value_of(found)
    if found is None or value is None:
        return None
    before = text[: found.start()]
    unit = 0.01 if before.endswith("百分之") else _UNITS.get((found["unit"] or "").lower(), 1.0)
    rest = f"{before.removesuffix('百分之')}{found['currency'] or ''} {text[found.end() :]}"
    return Number(float(value), unit, " ".join(rest.lower().split()))


def value_of(found: re.Match[str]) -> float | None:
    """The value of a match of `NUMBER`, powers of ten included and percent signs not. It is an `int` if it was written
    as one. None if the number is too large.

    A raised number is an exponent if the number under it is 10 or has one digit. Otherwise the raised number is the
    mark of a note.
    """
    digits = found["digits"]
    if len(digits) > _MAX_DIGITS:
        return None
    try:
        text = _decimal(digits)
        value: float = int(text) if text.isdigit() else float(text)
        if (exponent := found["power"] or found["exponent"]) is not None:
            value *= 10.0 ** int(exponent)
        elif found["raised"] and is_power(found):
            value = float(value) ** int(found["raised"])
        if (scale := scale_of(found)) != 1:
            value *= scale
        if not math.isfinite(value):
            return None
    except (ValueError, OverflowError, ZeroDivisionError):
        return None
    return -value if (found["sign"] or "").startswith("-") else value


def scale_of(found: re.Match[str]) -> float:
    """The value of the word or letter for a power of ten (``million``, ``万``, ``K``) in a match of `NUMBER`, or 1."""
    if (letter := found["letter"]) is not None:
        return _LETTER_SCALES[letter] * _SCALES.get((found["scale"] or "").lower(), 1.0)
    return _SCALES[found["scale"].lower()] if found["scale"] is not None else 1.0


def is_power(found: re.Match[str]) -> bool:
    """Whether the raised number of a match of `NUMBER` is an exponent and not the mark of a note."""
    return found["digits"] == "10" or len(found["digits"]) == 1


def numbers_near(predicted: Number, gold: Number, tolerance: float = 0.0) -> bool:
    """Whether `predicted` is within `tolerance` (relative to `gold`) of `gold`.

    If gold is 0, only 0 agrees. If one number is a percentage and the other has no sign, the number without a sign may
    be a share or a percentage. So both 0.5 and 50 agree with 50 %.
    """
    if _near(predicted.value * predicted.unit, gold.value * gold.unit, tolerance):
        return True
    return predicted.unit != gold.unit and _near(predicted.value, gold.value, tolerance)


def _near(predicted: float, gold: float, tolerance: float) -> bool:
    return abs(predicted - gold) <= (tolerance + 1e-9) * abs(gold)


def _decimal_fraction(fraction: re.Match[str]) -> str:
    whole, over, under = int(fraction[1] or 0), int(fraction[2]), int(fraction[3])
    if under == 0 or (fraction[1] is not None and over >= under):
        return fraction[0]
    return f"{whole + over / under:.12f}".rstrip("0").rstrip(".")


def _decimal(digits: str) -> str:
    """`digits` without thousands separators and with a point before the decimals."""
    digits = digits.replace(" ", "").replace("'", "")
    if "," not in digits:
        if digits.count(".") < 2:
            return digits
        if DOTTED.fullmatch(digits) is not None:
            return digits.replace(".", "")
        return ".".join(digits.split(".")[:2])
    if "." in digits:
        if digits.rfind(",") > digits.rfind(".") and digits.count(",") == 1:
            return digits.replace(".", "").replace(",", ".")
        return ".".join(digits.replace(",", "").split(".")[:2])
    if WESTERN.fullmatch(digits) is not None:
        return digits.replace(",", "")
    head, *tail = digits.split(",")
    return f"{head}.{tail[0]}" if len(tail) == 1 else head
