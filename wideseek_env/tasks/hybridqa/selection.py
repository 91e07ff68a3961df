"""The rows of a table that a question asks for, described in English or Chinese that a program can parse.

Where headers allow it, conditions have the wording of the synthetic tasks: ``founded before 1900``, ``whose country is
Norway``, ``with an attendance of more than 10,000``.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, Literal, get_args

from wideseek_env.task import Language

Relation = Literal["is", "is_not", "before", "after", "more", "less", "at_least", "at_most"]
PartKind = Literal["rows", "highest", "lowest", "latest", "earliest"]

_COMPARISONS = {"more": "more than", "less": "less than", "at_least": "at least", "at_most": "at most"}
_RELATIONS_ZH: Mapping[str, str] = {
    "is": "为",
    "is_not": "不为",
    "before": "早于",
    "after": "晚于",
    "more": "大于",
    "less": "小于",
    "at_least": "不小于",
    "at_most": "不大于",
}
_PARTS_ZH: Mapping[str, str] = {"highest": "最高", "lowest": "最低", "latest": "最晚", "earliest": "最早"}
PARTICIPLES = frozenset(
    "abolished acquired adopted appointed arrived awarded born built closed commissioned completed constructed "
    "created decommissioned dedicated demolished designated disbanded discovered dissolved elected erected "
    "established finished formed founded inaugurated incorporated inducted installed introduced joined launched "
    "listed opened ordained organized published released retired started".split()
)
"""Headers that say when something happened. Conditions use them as participles."""
_PROPER = frozenset(
    "English French German Spanish Italian Chinese Japanese Korean Russian Latin Indian American Welsh Irish British "
    "Olympic Billboard Oscar Arabic Hebrew Greek Persian".split()
)
_NUMBER = r"\d[\d,]*(?:\.\d+)?"
_LABEL = r"[A-Za-z](?:(?! is )[A-Za-z' -])*?"
_NEXT = (
    rf"(?= and (?:whose |with (?:an? {_LABEL} of )?(?:more|less|at) "
    rf"|(?:{'|'.join(sorted(PARTICIPLES))}) (?:before|after) )|[,.:;?]|$)"
)
_CONDITION = re.compile(
    r"\b(?:"
    rf"whose (?P<year_label>{_LABEL}) is (?P<year_side>before|after) (?P<year>\d{{3,4}})"
    rf"|(?P<when>{'|'.join(sorted(PARTICIPLES))}) (?P<side>before|after) (?P<when_year>\d{{3,4}})"
    rf"|with an? (?P<size>{_LABEL}) of (?P<than>more than|less than|at least|at most) (?P<number>{_NUMBER})"
    rf"|with (?P<many>more than|less than|at least|at most) (?P<how_many>{_NUMBER}) (?P<things>{_LABEL})"
    rf"|whose (?P<what>{_LABEL}) is (?P<no>not )?(?P<value>[^,.:;?]+?)"
    rf"){_NEXT}"
)
_CONDITIONS_ZH = re.compile(r"（条件：(.*?)）")
_CONDITION_ZH = re.compile(r"(.+?) (不为|为|早于|晚于|不小于|不大于|大于|小于) (.+)")
_PART = re.compile(
    r"Only (?:"
    r"the (?P<end>first|last) (?P<many>\d+) entries of the list"
    r"|entries (?P<from>\d+) to (?P<to>\d+) of the list"
    r"|the (?P<top>\d+) entries with the (?P<side>highest|lowest|most|fewest|latest|earliest) (?P<label>[^.]+?)"
    r") count"
)
_PART_ZH = re.compile(
    r"只取(?:列表中的(?:(?P<end>前|最后) (?P<many>\d+) 项|第 (?P<from>\d+) 至 (?P<to>\d+) 项)"
    r"| (?P<label>.+?) (?P<side>最高|最低|最晚|最早)的 (?P<top>\d+) 项)"
)


@dataclass(frozen=True, slots=True)
class Condition:
    """A condition on the value in the column `label`: equal (or not equal) to a text, before or after a year, or above
    or below a number.

    `label` is the column's name in the form that questions use (`label_of`). `before` and `after` exclude the year
    itself. `at_least` and `at_most` include the number itself.
    """

    label: str
    relation: Relation
    value: str

    def phrase(self, language: Language = "en") -> str:
        """The condition as a phrase that follows the noun of the rows."""
        if language == "zh":
            return f"{self.label} {_RELATIONS_ZH[self.relation]} {self.value}"
        if self.relation == "is":
            return f"whose {self.label} is {self.value}"
        if self.relation == "is_not":
            return f"whose {self.label} is not {self.value}"
        if self.relation in ("before", "after"):
            if self.label in PARTICIPLES:
                return f"{self.label} {self.relation} {self.value}"
            return f"whose {self.label} is {self.relation} {self.value}"
        words = _COMPARISONS[self.relation]
        if is_plural(self.label):
            return f"with {words} {self.value} {self.label}"
        article = "an" if self.label[0].lower() in "aeiou" else "a"
        return f"with {article} {self.label} of {words} {self.value}"


@dataclass(frozen=True, slots=True)
class Part:
    """A part of a list: rows `first` to `last`, or the rows with the highest or lowest values, `last` in number.

    Rows count from 1. Negative numbers count from the end. `label` is empty for the `kind` ``rows``. For the other
    kinds it names the column that is compared.
    """

    kind: PartKind
    first: int
    last: int
    label: str = ""

    def phrase(self, language: Language = "en") -> str:
        """The part as a sentence."""
        if self.kind != "rows":
            if language == "zh":
                return f"只取 {self.label} {_PARTS_ZH[self.kind]}的 {self.last} 项。"
            side: str = self.kind
            if is_plural(self.label):
                side = {"highest": "most", "lowest": "fewest"}.get(side, side)
            return f"Only the {self.last} entries with the {side} {self.label} count."
        if self.first < 0:
            many = -self.first
            return (
                f"只取列表中的最后 {many} 项。"
                if language == "zh"
                else f"Only the last {many} entries of the list count, in its order."
            )
        if language == "zh":
            which = f"前 {self.last}" if self.first == 1 else f"第 {self.first} 至 {self.last}"
            return f"只取列表中的{which} 项。"
        which = (
            f"the first {self.last} entries" if self.first == 1 else f"entries {self.first} to {self.last}"
        )
        return f"Only {which} of the list count, in its order."


@dataclass(frozen=True, slots=True)
class Selection:
    """The rows that a question asks for: those that pass every condition, or a part of the list."""

    conditions: tuple[Condition, ...] = ()
    part: Part | None = None

    def to_dict(self) -> dict[str, Any]:
        """The JSON form. Empty fields are left out."""
        data: dict[str, Any] = {}
        if self.conditions:
            data["conditions"] = [asdict(condition) for condition in self.conditions]
        if self.part is not None:
            data["part"] = asdict(self.part)
        return data

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Selection:
        """The inverse of `to_dict`."""
        part = data.get("part")
        return cls(
            tuple(Condition(**c) for c in data.get("conditions", ())), None if part is None else Part(**part)
        )


def label_of(header: str) -> str:
    """A column's name in the form for sentences: in lower case, except for proper names and abbreviations."""
    return " ".join(
        word.lower() if re.fullmatch(r"[A-Z][a-z]+|A", word) and word not in _PROPER else word
        for word in header.split()
    )


def is_plural(label: str) -> bool:
    """Whether a label takes the form "with 10 …" rather than "with a … of 10"."""
    return re.search(r"(?<![siu'])s$", label) is not None and not label.endswith("series")


def read_selection(text: str) -> Selection:
    """The selection that a question of this package describes. Text between quotation marks (titles) is ignored."""
    text = re.sub(r"“[^”]*”", "“”", text.partition("Background:")[0].partition("Answer with one")[0])
    found: list[Condition] = []
    for block in _CONDITIONS_ZH.findall(text):
        relations = {zh: name for name, zh in _RELATIONS_ZH.items()}
        for phrase in block.split("，且 "):
            if match := _CONDITION_ZH.fullmatch(phrase):
                found.append(Condition(match[1], _relation(relations[match[2]]), match[3]))
    for match in _CONDITION.finditer(text):
        found.append(_condition(match))
    return Selection(tuple(found), _part(text))


def _condition(match: re.Match[str]) -> Condition:
    comparisons = {words: name for name, words in _COMPARISONS.items()}
    if match["year"]:
        return Condition(match["year_label"], _relation(match["year_side"]), match["year"])
    if match["when"]:
        return Condition(match["when"], _relation(match["side"]), match["when_year"])
    if match["size"]:
        return Condition(match["size"], _relation(comparisons[match["than"]]), match["number"])
    if match["many"]:
        return Condition(match["things"], _relation(comparisons[match["many"]]), match["how_many"])
    return Condition(match["what"], "is_not" if match["no"] else "is", match["value"])


def _relation(name: str) -> Relation:
    return next(relation for relation in get_args(Relation) if relation == name)


def _part(text: str) -> Part | None:
    match = _PART.search(text) or _PART_ZH.search(text)
    if match is None:
        return None
    if match["end"]:
        many = int(match["many"])
        return Part("rows", 1, many) if match["end"] in ("first", "前") else Part("rows", -many, -1)
    if match["from"]:
        return Part("rows", int(match["from"]), int(match["to"]))
    kinds: dict[str, PartKind] = {"most": "highest", "fewest": "lowest"}
    kinds.update({side: side for side in ("highest", "lowest", "latest", "earliest")})
    kinds.update({zh: kinds[kind] for kind, zh in _PARTS_ZH.items()})
    return Part(kinds[match["side"]], 1, int(match["top"]), match["label"])
