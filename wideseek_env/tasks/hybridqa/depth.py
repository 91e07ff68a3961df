"""Depth tasks (tasks with a short answer) from the same tables. A question asks for one cell. To find it, an agent
needs one or two steps.

There are four styles. ``page``: the question asks for a value on the page of a named entity. ``cell``: it asks for a
value in a list, for a named entry. ``reverse``: the question identifies an entry by one value and asks for another
value. ``bridge``: the question identifies an entry by a value in one list and asks for a value on the entry's page. The
pipeline knows the value on that page from a second list.
"""

from __future__ import annotations

import hashlib
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from random import Random
from typing import Any, Literal

from wideseek_env.corpus.hybridqa.values import Kind, is_empty, normalize
from wideseek_env.task import Language
from wideseek_env.tasks.hybridqa.columns import Column
from wideseek_env.tasks.hybridqa.evidence import Evidence
from wideseek_env.tasks.hybridqa.filtering import Reason
from wideseek_env.tasks.hybridqa.material import Material
from wideseek_env.tasks.hybridqa.queries import NO_LABEL
from wideseek_env.tasks.hybridqa.selection import PARTICIPLES, label_of
from wideseek_env.tasks.hybridqa.wording import row_noun

Style = Literal["page", "cell", "reverse", "bridge"]
HOPS: Mapping[Style, int] = {"page": 1, "cell": 1, "reverse": 2, "bridge": 2}
PER_TABLE = 12

_GOOD_VALUE = re.compile(r"[\w(][^“”|]{1,59}")
_UNSPECIFIC = frozenset(
    "yes no n y male female m f won lost win loss nominated winner both active retired".split()
)
_ENGLISH: Mapping[Style, tuple[str, ...]] = {
    "page": (
        "The list on {place}, has an entry “{entry}”. According to the page of its own, what is its {label}?",
        "Go to the list on {place}, and from there to the page of “{entry}”. What is its {label}?",
    ),
    "cell": (
        "In the list on {place}, what is given as {label} for “{entry}”?",
        "Open the list on {place}, and look up “{entry}”. What is its {label}?",
    ),
    "reverse": (
        "In the list on {place}, one {noun} has “{given}” as its {by}. What is its {label}?",
        "Go through the list on {place}, to the {noun} whose {by} is given as “{given}”. What is its {label}?",
    ),
    "bridge": (
        "In the list on {place}, one {noun} has “{given}” as its {by}. According to the page of its own, what is its "
        "{label}?",
        "Go through the list on {place}, to the {noun} whose {by} is given as “{given}”, and open its own page. What "
        "is its {label}?",
    ),
}  # fmt: skip
_CHINESE: Mapping[Style, str] = {
    "page": "{place}的列表中有一项“{entry}”。根据该项自己的页面，它的 {label} 是什么？",
    "cell": "在{place}的列表中，“{entry}”的 {label} 是什么？",
    "reverse": "在{place}的列表中，有一项（{noun}）的 {by} 为“{given}”。该项的 {label} 是什么？",
    "bridge": "在{place}的列表中，有一项（{noun}）的 {by} 为“{given}”。根据该项自己的页面，它的 {label} 是什么？",
}
_BOXED = {"en": "Give a short answer in \\boxed{}.", "zh": "请在 \\boxed{} 中给出简短的答案。"}


@dataclass(frozen=True, slots=True)
class Ask:
    """The cell that a question asks for: in row `place`, column `label`, with the value `answer`.

    `by` and `given` are the column and the value that identify the row when the question does not name its key.
    """

    uid: str
    number: int
    style: Style
    place: int
    label: str
    answer: str
    kind: Kind
    by: str = ""
    given: str = ""

    @property
    def name(self) -> str:
        """A name of ten hexadecimal digits that depend only on the cell and on how the question identifies the cell."""
        content = f"{self.uid}|{self.style}|{self.place}|{self.label}|{self.by}"
        return hashlib.sha256(content.encode()).hexdigest()[:10]

    def to_dict(self) -> dict[str, Any]:
        """The JSON form."""
        return asdict(self)

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Ask:
        """The inverse of `to_dict`."""
        return cls(**data)


def propose_asks(material: Material, columns: Sequence[Column], seed: int) -> list[Ask]:
    """Cells of one table that questions can ask for, at most `PER_TABLE`. Their order depends on `seed`."""
    dice = Random(f"asks {seed} {material.plan.uid}")
    columns = [column for column in columns if _is_noun(column.header)]
    asks: list[tuple[Style, int, str, str, Kind, str, str]] = []
    identifying = [
        (column.header, place, value) for column in columns for place, value in _unique_values(column)
    ]
    for column in columns:
        for place, value in enumerate(column.values):
            if material.plan.mode == "pages":
                asks.append(("page", place, column.header, value, column.kind, "", ""))
            else:
                asks.append(("cell", place, column.header, value, column.kind, "", ""))
    if material.plan.mode == "table":
        by_index = {column.header: column for column in columns}
        for header, place, value in identifying:
            for column in columns:
                if column.header != header:
                    asks.append(
                        ("reverse", place, column.header, column.values[place], column.kind, header, value)
                    )
        for bridge in filter(lambda bridge: _is_noun(bridge.header), material.bridges):
            for header, place, value in identifying:
                if place == bridge.place and header in by_index:
                    asks.append(("bridge", place, bridge.header, bridge.value, bridge.kind, header, value))
    good = [ask for ask in asks if _is_answer(ask[3])]
    # One question of each style in turn, because the style `cell` is far more frequent than the others.
    groups: dict[str, list[tuple[Style, int, str, str, Kind, str, str]]] = {}
    for ask in dice.sample(good, len(good)):
        groups.setdefault(ask[0], []).append(ask)
    ordered = [
        groups[style][turn]
        for turn in range(PER_TABLE)
        for style in ("bridge", "reverse", "page", "cell")
        if turn < len(groups.get(style, ()))
    ]
    return [Ask(material.plan.uid, number, *ask) for number, ask in enumerate(ordered[:PER_TABLE])]


def _is_noun(header: str) -> bool:
    """Whether this header fits into the question "What is its …?"."""
    return NO_LABEL.fullmatch(header) is None and header.casefold() not in PARTICIPLES


def _unique_values(column: Column) -> list[tuple[int, str]]:
    names = [normalize(value) for value in column.values]
    return [
        (place, value)
        for place, value in enumerate(column.values)
        if _is_answer(value) and sum(names[place] in name for name in names) == 1
    ]


def _is_answer(value: str) -> bool:
    return (
        _GOOD_VALUE.fullmatch(value) is not None
        and not is_empty(value)
        and value.casefold() not in _UNSPECIFIC
    )


def ask_verdict(material: Material, evidence: Evidence, ask: Ask, columns: Sequence[Column]) -> Reason | None:
    """The reason why `ask` is not a good task, or None when it is one."""
    by_label = {column.header: column.index for column in columns}
    index = by_label.get(ask.label)
    key = material.table.rows[material.plan.rows[ask.place]][material.plan.key].text
    if index is not None and (ask.place, index) in evidence.rivals:
        return "ambiguous values"
    if normalize(ask.answer) in normalize(key) or normalize(ask.answer) == normalize(ask.given):
        return "too easy"
    if ask.style == "bridge" and material.entity(ask.place) is None:
        return "unreachable"
    counts = Counter(normalize(column.header) for column in columns)
    if any(many > 1 for many in counts.values()):
        return "unreadable"
    if not evidence.rank or (index is not None and (ask.place, index) in evidence.absent):
        return "unreachable"
    return None


def ask_question(material: Material, ask: Ask, language: Language) -> str:
    """The question as text. Its wording depends only on `ask`."""
    table = material.table
    values = {
        "entry": table.rows[material.plan.rows[ask.place]][material.plan.key].text,
        "noun": row_noun(table.header[material.plan.key]),
        "label": label_of(ask.label),
        "by": label_of(ask.by) if ask.by else "",
        "given": ask.given,
    }
    if language == "zh":
        place = f"维基百科页面“{table.title}”" + (f"的“{table.section}”部分" if table.section else "")
        return _CHINESE[ask.style].format(place=place, **values) + _BOXED["zh"]
    place = f"the Wikipedia page “{table.title}”" + (f", section “{table.section}”" if table.section else "")
    templates = _ENGLISH[ask.style]
    return f"{templates[int(ask.name, 16) % len(templates)].format(place=place, **values)} {_BOXED['en']}"
