"""Finds other facts in prose: words of a fixed list, numbers, codes, titles in another language."""

from __future__ import annotations

import re

from wideseek_baselines.scripted.prose.gazetteer import LANGUAGES, NATIONALITIES
from wideseek_baselines.scripted.prose.names import PROPER
from wideseek_baselines.scripted.prose.subject import Reader, Subject, first

SPORTS = (
    "athletics|archery|badminton|baseball|basketball|biathlon|bobsleigh|boxing|canoeing|cricket|cross-country skiing|"
    "curling|cycling|diving|equestrian|fencing|field hockey|figure skating|football|freestyle skiing|golf|gymnastics|"
    "handball|ice hockey|judo|luge|rowing|rugby|sailing|shooting|ski jumping|snowboarding|speed skating|swimming|"
    "table tennis|taekwondo|tennis|triathlon|volleyball|water polo|weightlifting|wrestling|soccer"
)
POSITIONS = (
    "quarterback|running back|wide receiver|tight end|linebacker|defensive end|defensive tackle|defensive back|"
    "offensive tackle|offensive guard|cornerback|safety|fullback|halfback|center|guard|tackle|end|placekicker|punter|"
    "pitcher|catcher|outfielder|infielder|shortstop|first baseman|second baseman|third baseman|goalkeeper|defender|"
    "midfielder|forward|striker|winger|goaltender|defenceman|defenseman|point guard|small forward|power forward"
)
BRANCHES = "army|navy|air force|marine corps|coast guard"
_PARTIES = (
    "Democratic|Republican|Liberal|Conservative|Labour|Whig|Federalist|Socialist|Green|Independent|New Democratic|"
    "Progressive Conservative"
)
_UNITS = {
    "m": "(?:m|metres|meters)",
    "ft": "(?:ft|feet)",
    "km": "(?:km|kilometres|kilometers)",
    "km2": "(?:km²|km2|square kilometres)",
    "mi": "(?:mi|miles)",
}


def one_of(options: str) -> Reader:
    """A reader that returns the first of these words, with a capital letter."""

    def read(subject: Subject) -> str:
        found = first(rf"(?i)\b({options})\b", f"{subject.title} {subject.text}")
        return found[:1].upper() + found[1:]

    return read


def nationality(subject: Subject) -> str:
    """The nationality, such as "American" in "is a former American player"."""
    for match in re.finditer(r"\b(?:is|was|are|were) (?:an?|the) ([^.;]{0,80})", subject.text):
        words = match[1].split()
        for length in (2, 1):
            for start in range(6):
                name = " ".join(words[start : start + length])
                if name in NATIONALITIES:
                    return name
    return ""


def language(subject: Subject) -> str:
    """The language of a film or book."""
    names, text = "|".join(LANGUAGES), subject.text
    return (
        first(rf"\b({names})[- ]language", text)
        or first(rf"\b(?:is|was) an? (?:\d{{4}} )?(?:Indian )?({names})\b", text)
        or first(rf"\b({names})\b", text)
    )


def foreign_title(subject: Subject) -> str:
    """A title in another language, as in "(German: Das Boot)". An original title may be the page's title."""
    asked = next((word for word in subject.column.split() if word in LANGUAGES), "")
    text = subject.text
    if asked:
        return first(rf"\b{asked}: ([^;,)(]+)", text) or first(r"^([^(,]+?) (?:is|was|\()", text)
    marks = "|".join(("original title", "originally titled", *LANGUAGES))
    found = first(rf"\b(?:{marks}): ?([^;,)(]+(?:\([^()]*\))?)", text)
    if not found and subject.column.casefold().startswith("original"):
        found = re.sub(r" \([^()]*\)$", "", subject.title)
    return found


def party(subject: Subject) -> str:
    """The name of a political party, without the word "Party"."""
    known = first(rf"\b({_PARTIES})(?: Party| member| politician| representative|[,. ])", subject.text)
    return known or first(
        r"\b(?:member|candidate|leader|politician) (?:of|for|from|with) (?:the )?"
        r"([A-Z][\w' -]*?)(?: Party)?(?= [a-z]|[,.;])",
        subject.text,
    )


def number(subject: Subject) -> str:
    """If the column's name has a unit in brackets, the number before that unit. Otherwise the number after the first
    word of the name.
    """
    figure = r"(\d[\d,]*(?:\.\d+)?)"
    unit = first(r"\(([^)]+)\)", subject.column)
    if unit:
        return first(rf"{figure} ?{_UNITS.get(unit, re.escape(unit))}\b", subject.text)
    word = re.escape(subject.column.split()[0]) if subject.column.split() else ""
    return first(rf"(?i)\b{word}\b[^.;]{{0,60}}?{figure}", subject.text)


def scientific_name(subject: Subject) -> str:
    """The two or three Latin words after a common name."""
    return first(r"\(([A-Z][a-z]+ [a-z]+(?: [a-z]+)?)[,);]", subject.text) or first(
        r"\b([A-Z][a-z]+ [a-z]{4,})\b(?=, (?:also|commonly|or)|is)", subject.text
    )


def labelled(subject: Subject) -> str:
    """The value that the text introduces with the column's name, as in "ICAO: FVMA" or "diocese of Armagh"."""
    name = subject.column.strip()
    column = re.escape(name)
    found = first(rf"\b{column}: ?([\w-]+)", subject.text)
    if found or len(name) < 4:
        return found
    found = first(rf"(?i:\b{column}) (?:is|was|of|by|to|at|in) (?:the )?({PROPER})", subject.text)
    if found or name.casefold().endswith(" by"):
        return found
    return first(rf"\b({PROPER}) (?i:{column})\b", subject.text)
