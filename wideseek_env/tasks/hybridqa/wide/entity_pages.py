"""`PageValues`: what the pages of the entities of a list state, read from the same pages that an agent gets."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from html import unescape
from itertools import pairwise
from typing import Any

from wideseek_env.corpus.base import Corpus
from wideseek_env.corpus.hybridqa.values import forms, normalize, states
from wideseek_env.tasks.hybridqa.material import Material
from wideseek_env.tasks.hybridqa.page_facts import FACTS, Fact

STATED = 0.4
"""A fact counts for a list if at least this share of the rows have it."""

MOST_YEARS = 40
"""A person who was born or died so many years before or after all others of a list is another person of this name."""

_PARAGRAPH = re.compile(r"<p>(.*?)</p>", re.DOTALL)
_TAG = re.compile(r"<[^>]+>")
_YEAR = re.compile(r"\d{4}")
_BRACKETS = re.compile(r"\([^()]*\)")
_EVENT = re.compile(
    r"/wiki/(?:Murders?|Killings?|Deaths?|Assassination|Disappearance|Kidnapping|Shooting|Trial)_of_"
)
"""Pages that begin with the dates of a person, and are about an event."""


@dataclass(frozen=True, slots=True)
class PageValues:
    """The facts that a question about the list `uid` can ask for.

    `facts` has one value for each row of the plan: "" for a row without a page, or whose page does not give the fact. A
    fact is left out if some page is unclear, if the list already has it, or if fewer than `STATED` of the rows have it.
    It is also left out if one date is far from all others, because some links lead to another person.
    """

    uid: str
    facts: Mapping[str, tuple[str, ...]]

    def to_dict(self) -> dict[str, Any]:
        """The JSON form."""
        return {"uid": self.uid, "facts": {header: list(values) for header, values in self.facts.items()}}

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> PageValues:
        """The inverse of `to_dict`."""
        return cls(data["uid"], {header: tuple(values) for header, values in data["facts"].items()})


def page_values(materials: Sequence[Material], corpus: Corpus) -> list[PageValues]:
    """The facts on the pages of the entities of several lists."""
    return [_of_list(material, corpus) for material in materials]


def _of_list(material: Material, corpus: Corpus) -> PageValues:
    headers = material.table.header
    open_facts = [fact for fact in FACTS if not any(fact.repeats.search(header) for header in headers)]
    rows = range(len(material.plan.rows))
    texts = [page_text(material.entity(place), corpus) for place in rows] if open_facts else []
    found: dict[str, tuple[str, ...]] = {}
    for fact in open_facts:
        values = [_value(fact, texts[place], material, place) for place in rows]
        clear = tuple(value for value in values if value is not None)
        enough = len(clear) == len(values) and sum(map(bool, clear)) >= STATED * len(values)
        if enough and not has_stranger(clear):
            found[fact.header] = clear
    return PageValues(material.table.uid, found)


def _value(fact: Fact, text: str, material: Material, place: int) -> str | None:
    """What a page says. None if that is not clear, if the list shows it too, or if the page is about something else."""
    value = fact.read(text) if text else ""
    if not value:
        return value
    row = material.table.rows[material.plan.rows[place]]
    key = row[material.plan.key]
    shown = normalize(" | ".join(cell.text for cell in row))
    if not states(normalize(text), value, fact.kind) or any(
        form in shown for form in forms(value, fact.kind)
    ):
        return None
    return value if is_about(key.text, key.links[0], text) else None


def has_stranger(dates: Sequence[str]) -> bool:
    """Whether the first or the last of these dates is more than `MOST_YEARS` years away from all others."""
    years = sorted(int(year) for date in dates for year in _YEAR.findall(date))
    gaps = [later - earlier for earlier, later in pairwise(years)]
    return bool(gaps) and max(gaps[0], gaps[-1]) > MOST_YEARS


def is_about(name: str, path: str, text: str) -> bool:
    """Whether the page at `path` is about the person called `name`: most words of the name are in its title or before
    the first verb of its `text`."""
    if _EVENT.match(path):
        return False
    opening = re.split(r" (?:is|was|are|were) ", text, maxsplit=1)[0]
    words = normalize(_BRACKETS.sub(" ", name)).split()
    known = set(normalize(f"{path.removeprefix('/wiki/')} {opening}").split())
    return sum(word in known for word in words) > 0.5 * len(words)


def page_text(url: str | None, corpus: Corpus) -> str:
    """The paragraphs of the page at `url` before its first list, as one line. It is "" without a page."""
    page = corpus.fetch(url) if url is not None else None
    if page is None:
        return ""
    opening = re.split(r"<h2|<table", page.html, maxsplit=1)[0]
    return " ".join(unescape(_TAG.sub("", part)) for part in _PARAGRAPH.findall(opening))
