"""Reads numbers as people write them in tables: separators, signs, percentages, units and words for powers of ten."""

from __future__ import annotations

import math
import re
import unicodedata
from typing import NamedTuple

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

_SIGNS = str.maketrans({**dict.fromkeys("−﹣－–‐‑", "-"), **dict.fromkeys("’‘＇", "'"), "×": "x", "⁄": "/"})
_SUPERSCRIPT = re.compile("[⁺⁻]?[⁰¹²³⁴⁵⁶⁷⁸⁹]+")
_NUMBER = re.compile(
    r"(?P<sign>(?<![\w.)])[-+](?=[\d.a-z$€£¥₹₩]))?(?P<currency>(?:us|hk|nt|a|c)?[$€£¥₹₩]\s?)?"
    r"(?P<digits>\d{1,3}(?:[ ']\d{3})+(?![\d'])(?:[.,]\d+)?|\d(?:[\d.,]*\d)?|\.\d+)"
    r"(?:\s?[x*]\s?10\s?\^\s?(?P<power>[-+]?\d{1,3})|e(?P<exponent>[-+]?\d{1,3})(?!\w))?"
    r"(?:(?P<letter>(?-i:[kKMBT]))(?![\w.]))?"
    r"(?:\s?(?P<scale>" + _SCALE + r"))?"
    r"(?:\s?(?P<unit>" + "|".join(sorted(_UNITS, key=len, reverse=True)) + r")(?![a-z]))?",
    re.IGNORECASE,
)
_MAX_DIGITS = 400
_MAX_LENGTH = 2000  # longer cells are prose
_PLAIN = re.compile(r"-?(?:\d{1,15}|\d{1,3}(?:,\d{3}){1,4})(?:\.\d{1,15})?", re.ASCII)
_WESTERN = re.compile(r"\d{1,3}(?:,\d{3})+|\d{1,2}(?:,\d{2})*,\d{3}")
_DOTTED = re.compile(r"\d{1,3}(?:\.\d{3}){2,}")
_VULGAR = re.compile(r"(\d{0,15})\s?([¼½¾⅐-⅞])")


@memoised
def parse_number(cell: str) -> Number | None:
    """The first number in `cell`. None when the cell has no digit or more than 2000 characters.

    ``1,234.5``, ``1 234,5``, ``1.234.567`` and ``12,34,567`` are read by the pattern of their separators. A single
    comma that does not separate thousands is a decimal comma. ``1.2 million``, ``3.5bn``, ``5K``, ``1.2万`` and
    ``6×10^23`` become the full number.
    """
    if _PLAIN.fullmatch(cell) is not None:
        return Number(float(cell.replace(",", "")))
    if len(cell) > _MAX_LENGTH:
        return None
    text = plain_text(cell)
    if not text.isascii():
        text = _VULGAR.sub(_fraction, _SUPERSCRIPT.sub(_power, text.translate(_SIGNS)))
        text = unicodedata.normalize("NFKC", text)
    found = _NUMBER.search(text)
    if found is None or len(found["digits"]) > _MAX_DIGITS:
        return None
    try:
        value = float(_decimal(found["digits"]))
        exponent = found["power"] or found["exponent"]
        if exponent:
            value *= 10.0 ** int(exponent)
    except (ValueError, OverflowError):
        return None
    value *= _LETTER_SCALES.get(found["letter"] or "", 1.0) * _SCALES.get((found["scale"] or "").lower(), 1.0)
    if (found["sign"] or "").startswith("-"):
        value = -value
    if not math.isfinite(value):
        return None
    before = text[: found.start()]
    unit = 0.01 if before.endswith("百分之") else _UNITS.get((found["unit"] or "").lower(), 1.0)
    rest = f"{before.removesuffix('百分之')}{found['currency'] or ''} {text[found.end() :]}"
    return Number(value, unit, " ".join(rest.lower().split()))


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


def _power(match: re.Match[str]) -> str:
    return "^" + unicodedata.normalize("NFKC", match[0]).replace("−", "-")


def _fraction(match: re.Match[str]) -> str:
    whole = int(match[1]) if match[1] else 0
    return f"{whole + unicodedata.numeric(match[2]):.12g}"


def _decimal(digits: str) -> str:
    """`digits` without thousands separators and with a point before the decimals."""
    digits = digits.replace(" ", "").replace("'", "")
    if "," not in digits:
        if digits.count(".") < 2:
            return digits
        if _DOTTED.fullmatch(digits) is not None:
            return digits.replace(".", "")
        return ".".join(digits.split(".")[:2])
    if "." in digits:
        if digits.rfind(",") > digits.rfind(".") and digits.count(",") == 1:
            return digits.replace(".", "").replace(",", ".")
        return ".".join(digits.replace(",", "").split(".")[:2])
    if _WESTERN.fullmatch(digits) is not None:
        return digits.replace(",", "")
    head, *tail = digits.split(",")
    return f"{head}.{tail[0]}" if len(tail) == 1 else head
