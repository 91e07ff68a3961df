"""Reads and checks conditions on rows, such as "founded before 1900" or "with a length of more than 40 km"."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from wideseek_baselines.scripted.words import plain

Relation = Literal["before", "after", "more", "less", "at_least", "at_most", "is", "is_not", "given"]
ABSENT = "–"
"""The cell of a value that was looked for and is not there."""

_NEXT = r"(?= and (?:with|whose|[a-z]+(?: [a-z]+)? (?:before|after)) |[,.:;?!)，。：；？！）”]|$)"
_LABEL = r"[A-Za-z](?:(?! is )[A-Za-z' -])*?"
_THAN = r"more than|less than|at least|at most"
_FIGURE = r"\d+(?:,\d{3})*(?:\.\d+)?"
_CONDITION = re.compile(
    r"(?:,? and)? ?(?:that (?:were|was|are) |which (?:were|was|are) )?(?:"
    r"(?P<when>[a-z]+(?: [a-z]+)?) (?P<side>before|after) (?P<year>\d{3,4})"
    rf"|with an? (?P<size>{_LABEL}) of (?P<than>{_THAN}) "
    rf"(?P<number>{_FIGURE}(?: [^\s,.:;?)，。）”]+)*?)"
    rf"|with (?P<many>{_THAN}) (?P<how_many>{_FIGURE}) (?P<things>{_LABEL})"
    rf"|whose (?P<dated>{_LABEL}) is (?P<dated_side>before|after) (?P<dated_year>\d{{3,4}})"
    rf"|whose (?P<what>{_LABEL}) is (?P<no>not )?(?P<option>(?:\([^()]*\)|[^,.:;?()，。）”])+?)"
    rf"){_NEXT}"
)
_EVERY = re.compile(r"\b(?:every|each)\b(?P<clause>[^,.:;?!“”]*)", re.IGNORECASE)
_CHINESE = re.compile(r"（条件：(.*?)）")
_CHINESE_CONDITION = re.compile(r"(.+?) ?(不为|为|早于|晚于|不小于|不大于|大于|小于) ?(.+)")
_RELATIONS: Mapping[str, Relation] = {
    "more than": "more",
    "less than": "less",
    "at least": "at_least",
    "at most": "at_most",
    "before": "before",
    "after": "after",
    "为": "is",
    "不为": "is_not",
    "早于": "before",
    "晚于": "after",
    "大于": "more",
    "小于": "less",
    "不小于": "at_least",
    "不大于": "at_most",
}
_YEAR = re.compile(r"(?<!\d)\d{4}(?!\d)")
_NUMBER = re.compile(r"\d[\d,]*(?:\.\d+)?")


@dataclass(frozen=True, slots=True)
class Condition:
    """A condition on the cell in `column`: before or after a year, above or below a number, equal to a text or not, or
    that there is a value. In a column of dates, a year alone is no value.
    """

    column: str
    relation: Relation
    value: str

    def holds(self, cell: str) -> bool | None:
        """Whether a row with this cell passes the condition. None if that cannot be seen from the cell."""
        if self.relation == "given":
            partial = self.column.casefold().startswith("date ") and re.fullmatch(r"\d{4}", cell)
            return cell != ABSENT and not partial if cell.strip() else None
        if self.relation in ("is", "is_not"):
            return (plain(cell) == plain(self.value)) == (self.relation == "is") if cell.strip() else None
        if self.relation in ("before", "after"):
            years = _YEAR.findall(cell)
            if not years:
                return None
            year, limit = int(years[-1]), int(self.value)
            return year < limit if self.relation == "before" else year > limit
        size, bound = number_in(cell), number_in(self.value)
        if size is None or bound is None:
            return None
        if size == bound:
            return self.relation in ("at_least", "at_most")
        return (size > bound) == (self.relation in ("more", "at_least"))


def read_conditions(text: str, position: int) -> tuple[Condition, ...]:
    """The conditions that begin at `position` in `text`, joined by "and"."""
    found: list[Condition] = []
    while match := _CONDITION.match(text, position):
        position = match.end()
        found.append(_condition(match))
    return tuple(found)


def find_conditions(text: str) -> tuple[Condition, ...]:
    """The conditions after the first "every …" in `text`, or between （条件： and ）."""
    for block in _CHINESE.findall(text):
        parts = [_CHINESE_CONDITION.fullmatch(part.strip()) for part in block.split("，且")]
        return tuple(Condition(label_of(m[1]), _RELATIONS[m[2]], m[3]) for m in parts if m)
    every = _EVERY.search(text)
    for place in range(every.start("clause"), every.end("clause")) if every else ():
        match = _CONDITION.match(text, place) if text[place] == " " else None
        # In "conference founded after 1930" only "founded" belongs to the condition; "conference" is the subject.
        if match and " " not in (match["when"] or ""):
            return read_conditions(text, place)
    return ()


def label_of(words: str) -> str:
    """The name of a column. Questions write it with a small first letter: `founded` gives `Founded`."""
    return words[:1].upper() + words[1:]


def number_in(text: str) -> float | None:
    """The first number in a cell, or None."""
    match = _NUMBER.search(text)
    return float(match[0].replace(",", "")) if match else None


def _condition(match: re.Match[str]) -> Condition:
    if match["when"]:
        return Condition(label_of(match["when"]), _RELATIONS[match["side"]], match["year"])
    if match["size"]:
        return Condition(label_of(match["size"]), _RELATIONS[match["than"]], match["number"])
    if match["many"]:
        return Condition(label_of(match["things"]), _RELATIONS[match["many"]], match["how_many"])
    if match["dated"]:
        return Condition(label_of(match["dated"]), _RELATIONS[match["dated_side"]], match["dated_year"])
    return Condition(label_of(match["what"]), "is_not" if match["no"] else "is", match["option"].strip())
