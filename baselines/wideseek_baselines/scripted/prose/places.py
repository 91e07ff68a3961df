"""Finds places in prose, such as "Wilkes-Barre, Pennsylvania, United States", and takes the part that a column
needs."""

from __future__ import annotations

import re
from collections.abc import Iterator

from wideseek_baselines.scripted.prose.gazetteer import (
    COUNTRIES,
    LANGUAGES,
    NATIONALITIES,
    OTHER_STATES,
    STATES,
)
from wideseek_env.byte_cache import short_cache

_WORD = r"(?:(?:St\.|Mt\.|Ft\.|[A-ZÀ-ÖØ-ÞĀ-ŽȘȚ][\w'’.-]*[\w'’]|[A-Z])|D\.C\.)"
_NAME = (
    rf"{_WORD}(?: (?:(?:of|and|the|de|da|do|del|di|la|le|upon|on|am|an der|sur|y) (?:the )?)?{_WORD}){{0,7}}"
)
_CHAIN = re.compile(
    r"\b(?P<where>in|near|from|at|of|serves|serving|outside|around|to)\s+(?:the\s+)?"
    r"(?P<what>(?:\w+ly |central |northern |southern |eastern |western |north|south|east|west){0,3}"
    r"(?:(?:capital |port |coastal |suburban )?(?:city|town|village|municipality|suburb|borough|state|province|"
    r"community|capital|district|neighbou?rhood|parish|county) of )?)(?:the )?"
    rf"(?P<names>{_NAME}(?:, {_NAME}){{0,5}})"
)
_KINDS = (
    "county|province|district|region|prefecture|state|department|governorate|oblast|municipality|canton|parish|"
    "voivodeship|township|borough|territory"
)
_VENUE = re.compile(
    r"\b(?:Stadium|Arena|Park|Center|Centre|Hall|University|College|School|Club|Course|Airport|Station|League|"
    r"Championships?|Olympics|Cup|Tour|Division|Museum|Church|Register|Islands?|River|Lake|Mountains?|Games|Gymnasium|"
    r"Association|Street|Avenue|Road|Places)\b"
)
_TIME = re.compile(
    r"(?:January|February|March|April|May|June|July|August|September|October|November|December|Spring|Summer|Winter)\b"
)

_COUNTRY = re.compile(rf"\b(?:{'|'.join(sorted(COUNTRIES, key=lambda name: (-len(name), name)))})\b")


@short_cache(2048, 2000)
def chains(text: str) -> tuple[tuple[str, str, tuple[str, ...]], ...]:
    """The places in `text`, in order. Each is a preposition, the kind of place before the names, and a chain of
    names.
    """
    found = []
    for match in _CHAIN.finditer(text):
        names = tuple(n.strip() for n in match["names"].split(", "))
        if _TIME.match(names[0]) or names[0] in NATIONALITIES or names[0] in LANGUAGES:
            continue
        found.append((match["where"], match["what"].strip(), names))
    return tuple(found)


def _towns(text: str) -> Iterator[tuple[str, ...]]:
    """The chains that begin with a town, the likeliest first."""
    later = []
    for where, what, names in chains(text):
        while names and (_VENUE.search(names[0]) or names[0].endswith(" County")) and len(names) > 1:
            names = names[1:]
        if not names or _VENUE.search(names[0]) or names[0] in COUNTRIES or names[0] in STATES:
            continue
        if where in ("of", "to", "at") and "of" not in what and len(names) == 1:
            later.append(names)
        else:
            yield names
    yield from later


def country(text: str) -> str:
    """The first country that the text names."""
    match = _COUNTRY.search(text)
    return match[0] if match else ""


def state(text: str) -> str:
    """The first known state that the text names, or the first name that the text calls a state."""
    for _, what, names in chains(text):
        if what.endswith("state of"):
            return names[0]
        for name in names:
            if name in STATES or name in OTHER_STATES:
                return name
    for match in re.finditer(_NAME, text):
        if match[0] in STATES or match[0] in OTHER_STATES:
            return match[0]
    return division(text, "state") or next((n[1] for _, _, n in chains(text) if len(n) > 1), "")


def city(text: str) -> str:
    """The likeliest town in the text."""
    return next((names[0] for names in _towns(text)), "")


def city_and_state(text: str) -> str:
    """The town with the name after it, which is usually its state. Only the town if no other name follows."""
    for names in _towns(text):
        if len(names) > 1:
            return f"{names[0]}, {names[1]}"
    return city(text)


def location(text: str) -> str:
    """The place in the form that tables use: a town with its state in North America, only the town elsewhere."""
    for names in _towns(text):
        if len(names) > 1 and names[1] in STATES:
            return f"{names[0]}, {names[1]}"
        return names[0]
    return state(text) if any(n in STATES for _, _, names in chains(text) for n in names) else country(text)


def division(text: str, kind: str) -> str:
    """The name of a county, province, district or similar in the text, without that word."""
    word = kind if re.fullmatch(_KINDS, kind) else _KINDS
    for pattern in (rf"\b(?:{word}) of (?:the )?({_NAME})", rf"({_NAME}),? (?i:(?:{word}))\b"):
        for match in re.finditer(pattern, text):
            name = re.sub(r"^(?:The|In) ", "", match[1])
            if name not in NATIONALITIES:
                return name
    return ""
