"""Reads dates as dateparser 1.2 does: common forms directly, all others with dateparser.

The benchmark calls ``dateparser.parse`` with ``PREFER_DAY_OF_MONTH: first``, which takes a millisecond or more per
cell. This module reads the forms below itself. For them, tests show that the result is the same on any day, except that
a year alone gets the current month. dateparser is imported only for a text in another form.
"""

from __future__ import annotations

import datetime
import re
from functools import lru_cache
from typing import Any

from wideseek_env.byte_cache import short_cache
from wideseek_env.errors import MissingDependencyError, extra_hint

_MONTHS = {
    name: number
    for number, names in enumerate(
        (
            *("january jan", "february feb", "march mar", "april apr", "may", "june jun", "july jul"),
            *("august aug", "september sep sept", "october oct", "november nov", "december dec"),
        ),
        start=1,
    )
    for name in names.split()
}
_NAME = "(" + "|".join(sorted(_MONTHS, key=len, reverse=True)) + ")"
_YEAR = "([1-9][0-9]{3})"
_ISO = re.compile(rf"{_YEAR}([-/.])([0-9]{{1,2}})(?:\2([0-9]{{1,2}}))?")
_MONTH_FIRST = re.compile(rf"{_NAME}\.? ?([0-9]{{1,2}})(?:st|nd|rd|th)?(?:, ?| ){_YEAR}")
_DAY_FIRST = re.compile(rf"([0-9]{{1,2}})(?:(?:st|nd|rd|th) | ?){_NAME}\.?,? ?{_YEAR}")
_MONTH_ONLY = re.compile(rf"{_NAME}\.?,? ?{_YEAR}")
_NUMERIC = re.compile(rf"([0-9]{{1,2}})/([0-9]{{1,2}})/{_YEAR}")
_CHINESE = re.compile(rf"{_YEAR}年(?:([0-9]{{1,2}})月([0-9]{{1,2}})日|([1-9][0-9]?)月)")
_YEAR_ONLY = re.compile(_YEAR)
_NO_DATE = re.compile(r"[1-9][0-9]{3}\.0|[1-9][0-9]{4,8}")
_SETTINGS = {"PREFER_DAY_OF_MONTH": "first"}

_CACHED_LENGTH = 256
_CACHED_TEXTS = 1 << 16


class Failure(Exception):
    """dateparser raised an error on this text."""


def parse_date(text: str, today: datetime.date | None = None) -> datetime.datetime | None:
    """The date in `text`, or None when dateparser finds none. Missing parts are taken from `today`.

    Args:
        text: The text of a cell.
        today: The moment from which relative dates are counted: a datetime, or a date, which means its midnight. None
            means now.

    Raises:
        Failure: dateparser raises an error.
        MissingDependencyError: dateparser is needed and not installed.
    """
    result = _read.get(text, _UNREAD)
    if result is _UNREAD:
        result = _quick(text)
        _remember(text, result)
    if result is None or isinstance(result, datetime.datetime):
        return result
    if isinstance(result, int):
        return datetime.datetime(result, (today or datetime.date.today()).month, 1)
    if today is not None:
        return _kept(text, today) if len(text) <= _CACHED_LENGTH else _slow(text, today)[0]
    known = _kept_today.get(text)
    day = datetime.date.today()
    if known is not None and known[0] == day:
        return known[1]
    value, lasting = _slow(text, None)
    if lasting and len(text) <= _CACHED_LENGTH:
        if len(_kept_today) >= _CACHED_TEXTS:
            _kept_today.clear()
        _kept_today[text] = (day, value)
    return value


def norm_date(text: str, today: datetime.date | None = None) -> str:
    """The date in `text` as ``YYYY-MM-DD``, or `text` itself when it has no date. Raises the same errors as
    `parse_date`."""
    if (known := _normal.get(text)) is not None:
        return known
    date = parse_date(text, today)
    if date is None:
        return text
    if date.year < 1000:
        return date.strftime("%Y-%m-%d")  # some systems write the year without leading zeros
    iso = date.isoformat()[:10]
    if iso not in _read:
        _remember(iso, datetime.datetime(date.year, date.month, date.day))
    if _read.get(text) is date:  # this result does not depend on the day of the call
        if len(_normal) >= _CACHED_TEXTS:
            _normal.clear()
        _normal[text] = iso
    return iso


_UNDECIDED: Any = object()
_UNREAD: Any = object()
_read: dict[str, Any] = {}
_normal: dict[str, str] = {}
_kept_today: dict[str, tuple[datetime.date, datetime.datetime | None]] = {}


def _remember(text: str, result: Any) -> None:
    if len(text) <= _CACHED_LENGTH:
        if len(_read) >= _CACHED_TEXTS:
            _read.clear()
        _read[text] = result


def _quick(text: str) -> Any:
    """The date of a text in a common form, or the year if the text is only a year, or `_UNDECIDED` for other forms."""
    if len(text) == 10 and text[4] == text[7] == "-" and text[0] != "0" and text.isascii() and text[5] != "W":
        try:
            return datetime.datetime.fromisoformat(text)
        except ValueError:
            return _UNDECIDED
    lower = text.lower()
    year = month = day = ""
    if match := _MONTH_FIRST.fullmatch(lower):
        month, day, year = match.groups()
    elif match := _DAY_FIRST.fullmatch(lower):
        day, month, year = match.groups()
    elif match := _ISO.fullmatch(lower):
        year, separator, month, day = match.groups()
        if day is None and separator == ".":
            return _UNDECIDED
        day = day or "1"
    elif match := _MONTH_ONLY.fullmatch(lower):
        month, year = match.groups()
        day = "1"
    elif match := _YEAR_ONLY.fullmatch(lower):
        return int(match[1])
    elif match := _CHINESE.fullmatch(lower):
        year, month, day, alone = match.groups()
        month, day = (month, day) if alone is None else (alone, "1")
    elif match := _NUMERIC.fullmatch(lower):
        month, day, year = match.groups()
        if int(month) > 12:
            month, day = day, month
    elif _NO_DATE.fullmatch(lower):
        return None
    else:
        return _UNDECIDED
    try:
        return datetime.datetime(int(year), _MONTHS.get(month) or int(month), int(day))
    except ValueError:
        return _UNDECIDED


@short_cache(1 << 15, 300)
def _kept(text: str, today: datetime.date) -> datetime.datetime | None:
    return _slow(text, today)[0]


def _slow(text: str, today: datetime.date | None) -> tuple[datetime.datetime | None, bool]:
    """The result of dateparser, and whether this result is the same for the rest of the day."""
    settings: dict[str, Any] = dict(_SETTINGS)
    if today is not None:
        moment = today if isinstance(today, datetime.datetime) else datetime.datetime(*today.timetuple()[:3])
        settings["RELATIVE_BASE"] = moment
    parse = _dateparser()
    try:
        value = parse(text, settings=settings)
    except Exception as error:
        raise Failure(f"{type(error).__name__}: {error}") from error
    # A date that is counted from now has the microseconds of now.
    return value, value is None or value.microsecond == 0


@lru_cache(maxsize=1)
def _dateparser() -> Any:
    try:
        from dateparser import parse  # type: ignore[import-untyped,unused-ignore]
    except ImportError as error:
        raise MissingDependencyError(
            "to read this date as the WideSearch benchmark does, dateparser is needed; "
            + extra_hint("widesearch")
        ) from error
    return parse
