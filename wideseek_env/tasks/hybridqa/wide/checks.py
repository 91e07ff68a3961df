"""Decides which wide queries make good tasks, and gives the reason why each other query is dropped."""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from typing import Literal

from wideseek_env.corpus.hybridqa.plan import Plans
from wideseek_env.corpus.hybridqa.values import normalize
from wideseek_env.scoring.text import lenient_key
from wideseek_env.tasks.hybridqa.evidence import Evidence
from wideseek_env.tasks.hybridqa.filtering import RIVALS
from wideseek_env.tasks.hybridqa.wide.entity_pages import PageValues
from wideseek_env.tasks.hybridqa.wide.unions import WideQuery

Reason = Literal[
    "one list", "marked names", "repeated keys", "same rows", "doubtful values", "ambiguous values", "too easy",
    "unreachable", "unreadable", "shared rows", "near-duplicate",
]  # fmt: skip
REASONS: Mapping[Reason, str] = {
    "one list": "one list has nearly all rows",
    "marked names": "names with marks of the list, such as † or (2)",
    "repeated keys": "two rows with the same name or page that no edition tells apart",
    "same rows": "the lists show many of the same rows with the same values",
    "doubtful values": "pages that give the values of a column in another form, or their words for something else",
    "ambiguous values": "pages that state another value which the column could have",
    "too easy": "another list of the corpus names most rows",
    "unreachable": "a list is not found by search, or a page does not show a cell",
    "unreadable": "the question cannot be read back to what it asks for",
    "shared rows": "more than half of the rows are in a task that is kept",
    "near-duplicate": "nearly the same cells as a task that is kept",
}
"""The reasons why a query is dropped, in the order in which they are checked."""

ONE_LIST = 0.8
"""The largest share of the rows that one list may have."""
SAME = 0.3
"""The largest share of the rows whose name and values other rows have too."""
TOLD = 0.6
"""The largest share of the rows that another list of the corpus may name."""
SHARED = 0.5
"""The largest share of its rows that a task may have in common with another task."""


MARKED = re.compile(
    r"[†‡§¶♦◊●▲▼◆★☆*^#]|\(\d+\)$|\([^()]*\b(?:demolished|burned|destroyed|removed|defunct|closed)\b[^()]*\)$",
    re.IGNORECASE,
)
"""Names with marks of the list, which some readers leave out."""


class Namers:
    """Finds the lists of the corpus that name given pages."""

    def __init__(self, plans: Plans) -> None:
        self._named: dict[str, list[str]] = defaultdict(list)
        for table in plans.tables:
            for link in {link for row in table.rows for cell in row for link in cell.links}:
                self._named[link].append(table.uid)

    def most(self, links: Sequence[str | None], others: frozenset[str]) -> int:
        """How many of the `links` one list names. The lists `others` do not count."""
        counts = Counter(uid for link in links if link for uid in self._named[link] if uid not in others)
        return max(counts.values(), default=0)


def verdict(
    query: WideQuery,
    evidence: Mapping[str, Evidence],
    pages: Mapping[str, PageValues],
    namers: Namers,
    readable: bool,
) -> Reason | None:
    """The reason why `query` is not a good task, or None. It does not look at other tasks."""
    union, rows = query.union, query.rows
    places = [union.places[row] for row in rows]
    counts = Counter(number for number, _ in places)
    if len(counts) < 2 or max(counts.values()) > ONE_LIST * len(rows):
        return "one list"
    if any(MARKED.search(union.keys[row]) for row in rows):
        return "marked names"
    if (query.edition and not query.edition_name) or union.repeats(rows, query.edition):
        return "repeated keys"
    told = {
        (
            lenient_key(union.keys[row]),
            *(union.columns[c].values[row] for c in query.columns),
            *(column.values[row] for column in query.told),
        )
        for row in rows
    }
    if len(told) < (1 - SAME) * len(rows):
        return "same rows"
    known = [evidence[member.table.uid] for member in union.members]
    for column in query.columns:
        indices = union.shared[column].places
        many = sum((place, indices[number]) in known[number].rivals for number, place in places)
        if many > RIVALS * len(rows):
            return "ambiguous values"
    about = _about(query)
    headers = {normalize(union.shared[column].header) for column in (*query.columns, *about)}
    if any(headers.intersection(pages[member.table.uid].doubtful) for member in union.members):
        return "doubtful values"
    # A condition must be decidable for every row of the lists, including the rows that it excludes.
    deciding = [(number, shared) for c in about for number, shared in enumerate(union.shared[c].places)]
    if any(column == shared for number, shared in deciding for _, column in known[number].rivals):
        return "ambiguous values"
    links = [union.links[row] for row in rows]
    if namers.most(links, frozenset(member.table.uid for member in union.members)) > TOLD * len(rows):
        return "too easy"
    needed = union.places if about else places
    asked: list[list[int | None]] = []
    for number, member in enumerate(union.members):
        own = [member.edition] if query.edition == "own" else []
        asked.append(
            [member.plan.key, *own, *(union.shared[c].places[number] for c in {*query.columns, *about})]
        )
    if any(not seen.rank for seen in known) or any(
        (place, column) in known[number].absent for number, place in needed for column in asked[number]
    ):
        return "unreachable"
    return None if readable else "unreadable"


def _about(query: WideQuery) -> set[int]:
    """The columns of the conditions."""
    labels = {condition.label for condition in query.selection.conditions}
    return {column.index for column in query.union.columns if column.label in labels}


class SharedRows:
    """Finds tasks that share more than half of their rows with an earlier task.

    Two rows are the same if all cells of their lists are the same.
    """

    def __init__(self) -> None:
        self._tasks: dict[str, list[int]] = defaultdict(list)
        self._sizes: list[int] = []

    def keep(self, query: WideQuery) -> bool:
        """Keep the task and return True, or return False when it shares too much with an earlier one."""
        rows = {self._row(query, row) for row in query.rows}
        shared = Counter(task for row in rows for task in self._tasks[row])
        if any(many > SHARED * min(len(rows), self._sizes[task]) for task, many in shared.items()):
            return False
        for row in rows:
            self._tasks[row].append(len(self._sizes))
        self._sizes.append(len(rows))
        return True

    def _row(self, query: WideQuery, row: int) -> str:
        number, place = query.union.places[row]
        member = query.union.members[number]
        cells = member.table.rows[member.plan.rows[place]]
        return "|".join(
            (normalize(member.table.header[member.plan.key]), *(normalize(cell.text) for cell in cells))
        )
