"""Finds years and dates in prose. Dates of birth and death are in brackets after a name, dates of events after a
verb."""

from __future__ import annotations

import re

from wideseek_baselines.scripted.prose.gazetteer import MONTHS
from wideseek_baselines.scripted.prose.subject import Subject, first

_YEAR = r"(?<![\d$£€.,-])(?:1[0-9]|20)\d\d(?![\d%]|,\d| ?(?:metres|meters|m|ft|feet|km|people)\b)"
_DATE = rf"(?:(?:{MONTHS}) \d{{1,2}},? \d{{4}}|\d{{1,2}} (?:{MONTHS}),? \d{{4}})"
_HIDDEN = re.compile(r"\(\d{4}-\d\d-\d\d\) ?")
_VERBS = (
    ("birth", "born"),
    ("born", "born"),
    ("death", "died"),
    ("died", "died"),
    ("record", "recorded"),
    ("publish", "(?:first )?published"),
    ("releas", "released"),
    ("open", "opened"),
    ("built", "built|constructed"),
    ("complet", "completed"),
    ("found", "founded|established"),
    ("establish", "established|founded"),
    ("construct", "constructed|built"),
    ("premier", "premiered|aired"),
    ("launch", "launched"),
)
"""For a part of a column's name, the words that describe the event in sentences."""


def year(subject: Subject) -> str:
    """The year of the event that the column names. If the column names no event, the year of publication."""
    verb, text = _verb(subject.column), subject.text
    if verb == "born":
        return first(rf"\(.{{0,120}}?\b({_YEAR})", text) or first(rf"\bborn\b.{{0,60}}?({_YEAR})", text)
    if verb == "died":
        return first(rf"\([^)]*?{_YEAR}[^)]*?({_YEAR})", text) or first(rf"\bdied\b.{{0,60}}?({_YEAR})", text)
    if verb and (found := first(rf"\b(?:{verb})\b[^.;]{{0,60}}?({_YEAR})", text)):
        return found
    return (
        first(rf"\b(?:is|was|are|were) (?:an?|the) ({_YEAR})", text)
        or first(rf"\b(?:released|premiered|aired|published|recorded)\b[^.;]{{0,80}}?({_YEAR})", text)
        or first(rf"({_YEAR})", text)
        or first(rf"\(({_YEAR})", subject.title)
    )


def date(subject: Subject) -> str:
    """The date of the event that the column names, or the first date in the text. If there is no date, only the
    year.
    """
    verb, text = _verb(subject.column), subject.text
    if verb == "born":
        found = _birth(_HIDDEN.sub("", text))
    elif verb == "died":
        found = first(rf"{_DATE}[^)]{{0,40}}?[-–—] ?[^)]{{0,40}}?({_DATE})", text)
        found = found or first(rf"\bdied\b.{{0,80}}?({_DATE})", text)
    else:
        found = first(rf"\b(?:{verb})\b[^.;]{{0,80}}?({_DATE})", text) if verb else ""
        found = found or first(rf"({_DATE})", text)
    return found or year(subject)


def _birth(text: str) -> str:
    """The first date in the brackets after a name. In "(1895 - 27 September 1964)" it is the date of death."""
    match = re.search(rf"\(([^)]*?)({_DATE})", text)
    if match:
        return "" if re.search(rf"{_YEAR}[^)]*[-–—−]", match[1]) else match[2]
    return first(rf"\bborn\b.{{0,60}}?({_DATE})", text)


def _verb(column: str) -> str:
    name = column.casefold()
    return next((verb for part, verb in _VERBS if part in name), "")
