"""The facts about a task that strict scoring needs, computed once: gold texts as pandas reads them, and distinct
keys."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from wideseek_env.errors import TaskError
from wideseek_env.scoring.widesearch.infer import column_texts
from wideseek_env.scoring.widesearch.metrics import preprocess
from wideseek_env.scoring.widesearch.verdicts import Texts
from wideseek_env.task import ColumnSpec, Task

TYPED = "gold_is_typed"
"""A true value under this name in a task's ``meta`` means that gold cells are compared unchanged, without type
inference."""

_KEPT_TASKS = 64
_kept: dict[int, tuple[Task, Gold]] = {}


@dataclass(frozen=True, slots=True)
class Gold:
    """The gold table of a task.

    `names` are the normalised required columns. `places` maps each name to its column. `keys` are the positions of the
    key columns. `specs` has one entry per column. `rows` are the positions of the used rows in the task's table. Of
    several rows with the same key, only the first is used. `texts` has the cells of these rows by column before
    preprocessing, and `cells` has them after preprocessing. `cells` leaves out the columns in `dated`, because their
    preprocessing depends on the day of the call.
    """

    names: tuple[str, ...]
    places: dict[str, int]
    keys: tuple[int, ...]
    specs: tuple[ColumnSpec, ...]
    rows: tuple[int, ...]
    texts: tuple[Texts, ...]
    cells: tuple[Texts, ...]
    dated: frozenset[int]


def norm_column(name: str) -> str:
    """A column name in the form for comparison: in lower case, without spaces."""
    return name.strip().lower().replace(" ", "")


def gold_of(task: Task) -> Gold:
    """The `Gold` of a broad task, cached for the latest tasks. Raises `TaskError` when two names are the same."""
    known = _kept.get(id(task))
    if known is not None and known[0] is task:
        return known[1]
    gold = _prepare(task)
    while len(_kept) >= _KEPT_TASKS:
        _kept.pop(next(iter(_kept), 0), None)
    _kept[id(task)] = (task, gold)
    return gold


def first_rows(columns: Sequence[Texts]) -> list[int]:
    """The positions of the rows that differ from every earlier row in at least one of `columns`."""
    seen: dict[object, int] = {}
    keys: Iterable[object] = columns[0] if len(columns) == 1 else zip(*columns, strict=True)
    for at, key in enumerate(keys):
        seen.setdefault(key, at)
    return list(seen.values())


def _prepare(task: Task) -> Gold:
    if task.gold is None:
        raise TaskError(f"task {task.id} has no gold table; use score_response for short answers")
    columns = tuple(dict.fromkeys(task.columns))
    names = tuple(map(norm_column, columns))
    places = {name: at for at, name in enumerate(names)}
    if len(places) < len(names):
        raise TaskError(
            f"task {task.id}: two of the columns {columns} have names that differ only in case and spaces"
        )
    specs = tuple(map(task.spec, columns))
    keys = tuple(dict.fromkeys(places[norm_column(name)] for name in task.key_columns))
    by_place = list(zip(*task.gold.rows, strict=True)) or [()] * len(task.gold.header)
    raw = [by_place[task.gold.header.index(name)] for name in columns]
    texts = [list(column) if task.meta.get(TYPED) else column_texts(column) for column in raw]
    rows = first_rows([texts[at] for at in keys])
    kept = tuple([column[row] for row in rows] for column in texts)
    dated = frozenset(at for at, spec in enumerate(specs) if "norm_date" in spec.preprocess)
    cells = tuple(
        column if at in dated else preprocess(column, spec, None)
        for at, (column, spec) in enumerate(zip(kept, specs, strict=True))
    )
    return Gold(names, places, keys, specs, tuple(rows), kept, cells, dated)
