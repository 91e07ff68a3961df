"""Reads dates in the forms that people write, and represents them as spans of days. The result does not depend on the
day of the call."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import NamedTuple

from wideseek_env.scoring.characters import fold
from wideseek_env.scoring.markup import plain_text
from wideseek_env.scoring.text import memoised


class Span(NamedTuple):
    """The days `first` to `last` (inclusive) that a date may mean, counted from 1970-01-01.

    A full date spans one day, ``May 2020`` a month, ``2020`` a year, ``1990s`` ten years. A date without a year (``3
    May``) is stored in the year 4, so it equals only other dates without a year.
    """

    first: int
    last: int
    yearless: bool = False


_MONTHS = {
    name: number
    for number, names in enumerate(
        (
            "january jan",
            "february feb",
            "march mar",
            "april apr",
            "may",
            "june jun",
            "july jul",
            "august aug",
            "september sept sep",
            "october oct",
            "november nov",
            "december dec",
        ),
        start=1,
    )
    for name in names.split()
}
_MONTH_LENGTH = (31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31)
_NAME = "(?:" + "|".join(sorted(_MONTHS, key=len, reverse=True)) + r")(?![a-z])\.?"
_CHINESE_MONTHS = {
    "十一": "11",
    "十二": "12",
    **dict(zip("一二三四五六七八九十", map(str, range(1, 11)), strict=True)),
}

_MAX_LENGTH = 400  # longer cells are prose
_ISO = re.compile(r"(\d{4})-(\d{1,2})-(\d{1,2})(?:[t ]\d{1,2}:.*)?", re.ASCII | re.IGNORECASE)
_HYPHENS = str.maketrans({"‐": "-", "‑": "-", "−": "-", "，": ",", "／": "/"})
_PARENTHESES = re.compile(r"\([^()]*+\)")
_TIME = re.compile(
    r"(?:^|[t ]|(?<=日))\d{1,2}:\d{2}(?::\d{2}(?:\.\d+)?)?(?: ?[ap]\.?m\.?)?(?: ?(?:z|utc|gmt)\b)?"
)
_WEEKDAY = re.compile(
    r"\b(?:mon|tues?|wed(?:nes)?|thu(?:rs)?|fri|sat(?:ur)?|sun)(?:day)?\b\.?,?|星期[一二三四五六日天]"
)
_ORDINAL = re.compile(r"(?<=\d)(?:st|nd|rd|th)\b")
_ABOUT = re.compile(r"\b(?:circa|ca?\.|about|around|approximately|approx\.?)\s?|^[~≈]\s?|大?约")
_BEFORE_CHRIST = re.compile(r"\b(?:b\.?\s?c\.?(?:\s?e\.?)?)(?!\w)|(?:公元)?前(?=\d)")
_AFTER_CHRIST = re.compile(r"\b(?:a\.?d\.?|c\.?e\.?)(?!\w)|公元")
_SHORT_YEAR = re.compile(r"(?<!\d)\d{1,3}(?=年|$)", re.ASCII)
_JOINING = re.compile(r"\b(?:of|the|on|in)\b|,")
_CHINESE_MONTH = re.compile(r"(十[一二]|[一二三四五六七八九十])(?=月)")
_NOTE = re.compile(r"(?<=\w)\^\d{1,2}(?!\d)")
# Another day next to the one date in a text, which is replaced by "@": "5 or @", "May 5/6, @".
_OTHER_DAY = re.compile(
    r"(?<!\d)\d{1,2}(?:st|nd|rd|th)?\.? ?(?:or|and|[-/&+|]) ?(?:@|\d{1,2}(?!\d))|@ ?(?:or|and|[/&+|]) ?\d"
)
_RANGE = re.compile(r"[–—~～]|\bto\b|\buntil\b|至|到| - |;|/ ")


def _form(pattern: str) -> re.Pattern[str]:
    return re.compile(pattern.replace("NAME", _NAME), re.ASCII)


# One row per form, with the named groups y, m (a number), n (a name) and d. The first that fits the whole text is
# taken.
_FORMS = tuple(
    _form(pattern)
    for pattern in (
        r"(?P<y>\d{4})(?P<sep>[-/.])(?P<m>\d{1,2})(?P=sep)(?P<d>\d{1,2})",
        r"(?P<n>NAME) ?(?P<d>\d{1,2}) (?P<y>\d{2,4})",
        r"(?P<d>\d{1,2})[ -]?(?P<n>NAME)[ -]?(?P<y>\d{2,4})",
        r"(?P<n>NAME)[ -]?(?P<y>\d{3,4})",
        r"(?P<y>\d{3,4})[ -]?(?P<n>NAME)(?:[ -]?(?P<d>\d{1,2}))?",
        r"(?P<y>\d{1,4}) ?年(?: ?(?P<m>\d{1,2}) ?月(?: ?(?P<d>\d{1,2}) ?[日号]?)?)?",
        r"(?P<y>\d{4})[-/.](?P<m>\d{1,2})",
        r"(?P<m>\d{1,2})[-/.](?P<y>\d{4})",
        r"(?P<y>[12]\d{3})(?P<m>\d{2})(?P<d>\d{2})",
        r"(?P<y>\d{3,4})",
        r"(?P<n>NAME) (?P<d>\d{1,2})",
        r"(?P<d>\d{1,2})[ -](?P<n>NAME)",
        r"(?P<m>\d{1,2}) ?月 ?(?P<d>\d{1,2}) ?[日号]?",
    )
)
# The common forms are tried first, alone, because most cells need no cleaning.
_ENGLISH = _form(r"(?:(?P<n>NAME) (?P<d>\d{1,2})|(?P<d2>\d{1,2}) (?P<n2>NAME)),? (?P<y>\d{4})")
_DIGIT = re.compile(r"\d", re.ASCII)
_NUMERIC = re.compile(r"(\d{1,2})([-/.])(\d{1,2})\2(\d{4}|\d{2})", re.ASCII)
_DECADE = re.compile(r"(\d{2,3})0'?s|(\d{2,3})0 ?年代", re.ASCII)
_CENTURY = re.compile(r"(\d{1,2}) ?(?:century|世纪)", re.ASCII)
_ANYWHERE = _form(
    r"(?<![\d./-])(?:\d{4}-\d{1,2}-\d{1,2}|(?:\d{1,2} )?\b(?:NAME)(?: \d{1,2})? \d{4}"
    r"|\d{4} ?年(?: ?\d{1,2} ?月(?: ?\d{1,2} ?日)?)?|(?:1\d|20)\d\d)(?![\d/-]|\.\d)"
)


@memoised
def parse_dates(cell: str) -> tuple[Span, ...]:
    """The possible meanings of `cell` as a date. There may be none, one, or two (for a purely numeric date such as
    ``05/03/2020``).

    These forms are understood:

    * ISO dates with or without a time;
    * English month names in any order, and ``Y年M月D日``;
    * numeric dates, with the month or the day first (with dots, only with the day first);
    * month and year, year, decade, century, and years before Christ;
    * a single date within a text of at most 400 characters.

    A range (``2010–2015``) is not a date.
    """
    if len(cell) > _MAX_LENGTH:
        return ()
    if (iso := _ISO.fullmatch(cell.strip())) is not None:
        return _spans(int(iso[1]), int(iso[2]), int(iso[3]))
    # Most cells have no markup, so the cell itself is tried first.
    english = _ENGLISH.fullmatch(cell.lower()) or _ENGLISH.fullmatch(text := plain_text(cell).lower())
    if english is not None:
        month, day = english["n"] or english["n2"], english["d"] or english["d2"]
        return _spans(int(english["y"]), _MONTHS[month.rstrip(".")], int(day))
    if not text.isascii():
        text = fold(text.translate(_HYPHENS)).casefold()
    if _DIGIT.search(text) is None:
        return ()
    if "^" in text:
        text = _NOTE.sub("", text)
    text = _clean(text)
    before_christ = _BEFORE_CHRIST.search(text) is not None
    without_era = _AFTER_CHRIST.sub(" ", _BEFORE_CHRIST.sub(" ", text))
    if without_era != text:
        text = _SHORT_YEAR.sub(lambda year: year[0].zfill(4), " ".join(without_era.split()))
    found = _whole(text, before_christ)
    if found or before_christ or _RANGE.search(text) is not None:
        return found
    inside = _ANYWHERE.findall(text)
    if len(inside) != 1 or _OTHER_DAY.search(_ANYWHERE.sub("@", text)) is not None:
        return ()
    return _whole(inside[0], False)


def dates_near(predicted: tuple[Span, ...], gold: tuple[Span, ...], days: float = 0.0) -> bool:
    """Whether a possible meaning of `predicted` and a possible meaning of `gold` differ by at most `days`.

    If gold is a day or a month, every day that the prediction may mean must be within `days` of gold. So a year alone
    does not agree with a full date. If gold is a year or longer, the prediction must be inside it, and `days` has no
    effect.
    """
    for span in predicted:
        for gold_span in gold:
            if _near(span, gold_span, days):
                return True
    return False


def _near(predicted: Span, gold: Span, days: float) -> bool:
    if predicted.yearless != gold.yearless:
        return False
    if gold.last - gold.first > 31:
        days = 0.0
    return predicted.first >= gold.first - days and predicted.last <= gold.last + days


def _clean(text: str) -> str:
    """`text` without the parts that do not belong to the date: remarks in parentheses, times, weekdays, ``of``,
    ordinals."""
    without = _PARENTHESES.sub(" ", text) if "(" in text else text
    text = without if any(map(str.isdigit, without)) else text
    if ":" in text:
        text = _TIME.sub(" ", text)
    for pattern in (_WEEKDAY, _ORDINAL, _ABOUT, _JOINING):
        text = pattern.sub(" ", text)
    if "月" in text:
        text = _CHINESE_MONTH.sub(lambda match: _CHINESE_MONTHS[match[1]], text)
    return " ".join(text.split()).rstrip(".")


def _whole(text: str, before_christ: bool) -> tuple[Span, ...]:
    """The readings of `text` when all of it is a date."""
    year_of: Callable[[str], int] = (lambda year: 1 - int(year)) if before_christ else _year
    for form in _FORMS:
        if (found := form.fullmatch(text)) is not None:
            parts = found.groupdict()
            year = parts.get("y")
            name = parts.get("n")
            month = _MONTHS[name.rstrip(".")] if name else int(parts["m"]) if parts.get("m") else None
            day = int(parts["d"]) if parts.get("d") else None
            spans = _spans(None if year is None else year_of(year), month, day)
            if spans:
                return spans
    if (numeric := _NUMERIC.fullmatch(text)) is not None:
        return _numeric(int(numeric[1]), int(numeric[3]), numeric[4], numeric[2])
    if (decade := _DECADE.fullmatch(text)) is not None:
        start = int(decade[1] or decade[2]) * 10
        return (Span(_day(start, 1, 1), _day(start + 10, 1, 1) - 1),)
    if (century := _CENTURY.fullmatch(text)) is not None and not before_christ:
        start = int(century[1]) * 100 - 99
        return (Span(_day(start, 1, 1), _day(start + 100, 1, 1) - 1),)
    return ()


def _year(digits: str) -> int:
    """The year that these digits mean. Two digits mean a year from 1970 to 2069, independent of the current date."""
    year = int(digits)
    return year if len(digits) != 2 else year + (2000 if year < 70 else 1900)


def _numeric(one: int, two: int, year: str, separator: str) -> tuple[Span, ...]:
    full = _year(year)
    day_first = _spans(full, two, one)
    if separator == ".":
        return day_first or _spans(full, one, two)
    month_first = _spans(full, one, two)
    return month_first if month_first == day_first else month_first + day_first


def _spans(year: int | None, month: int | None, day: int | None) -> tuple[Span, ...]:
    """The span of a date, in a tuple. The tuple is empty when there is no such date."""
    if year is None:
        if month is None or day is None or not 1 <= month <= 12 or not 1 <= day <= _length(4, month):
            return ()
        number = _day(4, month, day)
        return (Span(number, number, True),)
    if month is None:
        return (Span(_day(year, 1, 1), _day(year + 1, 1, 1) - 1),)
    if not 1 <= month <= 12:
        return ()
    if day is None:
        first = _day(year, month, 1)
        return (Span(first, first + _length(year, month) - 1),)
    if not 1 <= day <= _length(year, month):
        return ()
    number = _day(year, month, day)
    return (Span(number, number),)


def _length(year: int, month: int) -> int:
    leap = year % 4 == 0 and (year % 100 != 0 or year % 400 == 0)
    return 29 if month == 2 and leap else _MONTH_LENGTH[month - 1]


def _day(year: int, month: int, day: int) -> int:
    """Days from 1970-01-01 in the proleptic Gregorian calendar. The years before 1 are 0, -1, …

    `datetime` begins at the year 1, so this function cannot use it. In this computation a year begins in March. Then
    the days before a month follow one linear formula, and the leap day is the last day.
    """
    if month <= 2:
        year -= 1
        month += 12
    return 365 * year + year // 4 - year // 100 + year // 400 + (153 * (month - 3) + 2) // 5 + day - 719_469
