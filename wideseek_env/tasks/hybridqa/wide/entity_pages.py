"""`PageValues`: what the pages of the entities of a list state, read from the same pages that an agent gets.

Only the pages of the entities state the values of a list in mode `pages`. If they state another form of a value, or use
its words for something else, a reader of these pages would give another answer than the gold table. Such columns are
*doubtful*.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from html import unescape
from itertools import pairwise
from typing import Any

from wideseek_env.corpus.base import Corpus
from wideseek_env.corpus.hybridqa.values import Kind, forms, normalize, states
from wideseek_env.tasks.hybridqa.material import Material
from wideseek_env.tasks.hybridqa.page_facts import FACTS, FULL_DATE, Fact

STATED = 0.4
"""A fact counts for a list if at least this share of the rows have it."""

DATED = 0.1
"""A column of years is doubtful if this share of the pages give a full date of that year."""
_LONGER_BEFORE = re.compile(
    r"(?:(?<![.!?;:] )(?<!^)\b(?:[A-Z][\w'’.]*|U\.S\.) (?:of |and )?|[A-Z][\w'’.-]* (?:and|&) |\w-)$"
)
"""The value is the end of a longer name, as in "United States Army" or "University of Bergen", or one of two names."""
_LONGER_AFTER = re.compile(
    r"-[A-Z]|'s [A-Z]|,? (?:and|&) (?:[A-Z]|his|her|others)| [A-Z][a-z]| (?:of|de|at) [A-Z]"
)
"""The value is the begin of a longer name, as in "Patriot League" or "Aitkin County", or one of two names."""
_ANY_PLACE = re.compile(
    r"location|place|venue|headquarter|hometown|origin|residence|site\b|based|area|from\b", re.IGNORECASE
)
"""Headers that do not say whether a value is a city, a state or a country."""
_PLACE_BEFORE, _PLACE_AFTER = re.compile(r"[A-Z]\w*, $"), re.compile(r", [A-Z]")
_UNDECIDED = re.compile(r"\b(?:original|first|former|previous|last|conference|league)", re.IGNORECASE)
"""Headers of facts that change, so a page names several, or that have a long and a short form."""

MOST_YEARS = 25
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
    It is also left out if one date is far from all others, because some links lead to another person. `doubtful` are
    the normalised headers of the doubtful columns.
    """

    uid: str
    facts: Mapping[str, tuple[str, ...]]
    doubtful: tuple[str, ...] = ()

    def to_dict(self) -> dict[str, Any]:
        """The JSON form."""
        facts = {header: list(values) for header, values in self.facts.items()}
        return {"uid": self.uid, "facts": facts, "doubtful": list(self.doubtful)}

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> PageValues:
        """The inverse of `to_dict`."""
        facts = {header: tuple(values) for header, values in data["facts"].items()}
        return cls(data["uid"], facts, tuple(data["doubtful"]))


def page_values(materials: Sequence[Material], corpus: Corpus) -> list[PageValues]:
    """The facts on the pages of the entities of several lists."""
    return [_of_list(material, corpus) for material in materials]


def _of_list(material: Material, corpus: Corpus) -> PageValues:
    headers = material.table.header
    open_facts = [fact for fact in FACTS if not any(fact.repeats.search(header) for header in headers)]
    rows = range(len(material.plan.rows))
    on_pages = material.plan.mode == "pages"
    texts = [page_text(material.entity(place), corpus) for place in rows] if open_facts or on_pages else []
    found: dict[str, tuple[str, ...]] = {}
    for fact in open_facts:
        values = [_value(fact, texts[place], material, place) for place in rows]
        clear = tuple(value for value in values if value is not None)
        enough = len(clear) == len(values) and sum(map(bool, clear)) >= STATED * len(values)
        if enough and not has_stranger(clear):
            found[fact.header] = clear
    doubtful = _doubtful(material, texts) if on_pages else ()
    return PageValues(material.table.uid, found, doubtful)


def _doubtful(material: Material, texts: Sequence[str]) -> tuple[str, ...]:
    plan, table = material.plan, material.table
    names = [table.rows[row][plan.key].text for row in plan.rows]
    found: list[str] = []
    for column, kind in zip(plan.attributes, plan.kinds, strict=True):
        header = table.header[column]
        values = [table.rows[row][column].text for row in plan.rows]
        if is_doubtful(header, kind, values, names, texts):
            found.append(normalize(header))
    return tuple(found)


def is_doubtful(
    header: str, kind: Kind, values: Sequence[str], names: Sequence[str], texts: Sequence[str]
) -> bool:
    """Whether a reader of the pages would write other values than these.

    Args:
        header: The name of the column.
        kind: The kind of its values.
        values: The value of each row.
        names: The name of the entity of each row.
        texts: The text of its page.
    """
    rows = list(zip(values, names, texts, strict=True))
    if kind == "year":
        dated = sum(any(value in date for date in FULL_DATE.findall(text)) for value, _, text in rows)
        return "year" not in header.casefold() and dated >= DATED * len(rows)
    if kind != "text":
        return False
    return _UNDECIDED.search(header) is not None or not all(
        _is_stated(value, header, name, text) for value, name, text in rows
    )


def _is_stated(value: str, header: str, name: str, text: str) -> bool:
    """Whether the page states exactly this value: as a whole name, as the only one, and not within another name."""
    # A name that contains the value states nothing about the entity.
    rest = text.replace(name, " ; ") if value != name else text
    alone = _ANY_PLACE.search(header) is not None
    for found in _whole(value).finditer(rest):
        before, after = rest[: found.start()], rest[found.end() :]
        is_name = found[0][:1].isupper() and not after.startswith("-language")
        if is_name and (_LONGER_BEFORE.search(before) or _LONGER_AFTER.match(after)):
            continue
        if alone and (_PLACE_BEFORE.search(before) or _PLACE_AFTER.match(after)):
            continue
        return True
    return False


@lru_cache(4096)
def _whole(value: str) -> re.Pattern[str]:
    words = r"[\s,]+".join(map(re.escape, value.split()))
    return re.compile(rf"(?<!\w){words}(?!\w)", re.IGNORECASE)


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
