"""Third stage: decides which queries make good tasks, and gives the reason why each other query is dropped."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from typing import Literal

from wideseek_env.corpus.hybridqa.pages import page_size
from wideseek_env.corpus.hybridqa.values import normalize
from wideseek_env.scoring.text import lenient_key
from wideseek_env.tasks.hybridqa.columns import Column
from wideseek_env.tasks.hybridqa.evidence import Evidence
from wideseek_env.tasks.hybridqa.material import Material
from wideseek_env.tasks.hybridqa.queries import Query
from wideseek_env.tasks.hybridqa.selection import label_of
from wideseek_env.tasks.hybridqa.subjects import unclear_key

Reason = Literal[
    "few rows", "unclear rows", "repeated keys", "constant column", "ambiguous values", "too easy", "unreachable",
    "unreadable", "near-duplicate",
]  # fmt: skip
REASONS: Mapping[Reason, str] = {
    "few rows": "fewer rows than asked for",
    "unclear rows": "a key column that does not say what the rows are",
    "repeated keys": "two rows whose keys scoring takes for the same",
    "constant column": "a column with one value for nearly all rows",
    "ambiguous values": "pages that state another value which the column could have",
    "too easy": "all rows on one page, or all values on the list's first page or in another list",
    "unreachable": "the list is not found by search, or a page does not show a cell",
    "unreadable": "the question cannot be read back to what is asked",
    "near-duplicate": "nearly the same cells as a task that is kept",
}
"""The reasons why a query is dropped, in the order in which they are checked."""

RIVALS = 0.25
"""The largest share of a column's cells that may have a rival on their page. A rival is another value on the page that
would fit the column. A column in a condition may have no rivals."""

OVERLAP = 0.75
"""Two tasks are near-duplicates if their cells overlap at least this much (intersection over union)."""


def verdict(
    material: Material,
    evidence: Evidence,
    query: Query,
    columns: Sequence[Column],
    rows: Sequence[int],
    least_rows: int,
    readable: bool,
) -> Reason | None:
    """The reason why `query`, which selects `rows`, is not a good task, or None when it is one.

    This function does not look for near-duplicates. `Duplicates` does.
    """
    plan = material.plan
    asked = {*query.columns, *query.hidden}
    by_index = {column.index: column for column in columns}
    if len(rows) < least_rows:
        return "few rows"
    if unclear_key(material.table, plan.key):
        return "unclear rows"
    keys = [material.table.rows[plan.rows[place]][plan.key].text for place in rows]
    if len({lenient_key(key) for key in keys}) < len(keys):
        return "repeated keys"
    for index in query.columns:
        counts = Counter(normalize(by_index[index].values[place]) for place in rows)
        if max(counts.values()) > 0.9 * len(rows):
            return "constant column"
    for index in query.columns:
        if sum((place, index) in evidence.rivals for place in rows) > RIVALS * len(rows):
            return "ambiguous values"
    # A condition must be decidable for every row of the list, including the rows that it excludes.
    about = _about(query, columns)
    if any(column in about for _, column in evidence.rivals):
        return "ambiguous values"
    if plan.mode == "pages":
        if set(query.columns) <= set(evidence.told):
            return "too easy"
    elif not about and len({place // page_size(len(plan.rows)) for place in rows}) < 2:
        return "too easy"
    needed = range(len(plan.rows)) if about else rows
    if not evidence.rank or any((place, column) in evidence.absent for place in needed for column in asked):
        return "unreachable"
    if any((place, plan.key) in evidence.absent for place in range(len(plan.rows))):
        return "unreachable"
    return None if readable else "unreadable"


def _about(query: Query, columns: Sequence[Column]) -> set[int]:
    labels = {condition.label for condition in query.selection.conditions}
    if query.selection.part is not None and query.selection.part.label:
        labels.add(query.selection.part.label)
    return {column.index for column in columns if label_of(column.header) in labels}


class Duplicates:
    """Finds tasks that ask for nearly the same cells as an earlier task, which may be from another table.

    A cell is a header, a key and a value. The overlap is computed exactly. An index from cells to tasks makes this
    fast.
    """

    def __init__(self, overlap: float = OVERLAP) -> None:
        self._overlap = overlap
        self._tasks: dict[int, list[int]] = defaultdict(list)
        self._sizes: list[int] = []
        self._names: dict[tuple[str, str, str], int] = {}

    def keep(self, header: Sequence[str], rows: Sequence[Sequence[str]]) -> bool:
        """Keep the task with this gold table and return True, or return False when it is a near-duplicate.

        The key is the first column.
        """
        names = [normalize(name) for name in header]
        cells = {
            self._names.setdefault((name, key, value), len(self._names))
            for row in rows
            for key in (normalize(row[0]),)
            for name, value in zip(names[1:], map(normalize, row[1:]), strict=True)
        }
        shared = Counter(task for cell in cells for task in self._tasks[cell])
        for task, many in shared.items():
            if many >= self._overlap * (len(cells) + self._sizes[task] - many):
                return False
        for cell in cells:
            self._tasks[cell].append(len(self._sizes))
        self._sizes.append(len(cells))
        return True
