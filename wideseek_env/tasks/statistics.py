"""Counts over a set of tasks: sizes, metrics, languages, and the values in their `meta`."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from wideseek_env.task import Task

_SAID = ("kind", "split", "mode", "values", "domain", "style")


@dataclass(frozen=True, slots=True)
class TaskStatistics:
    """Counts over some tasks.

    `rows` and `columns` count broad tasks by the number of rows and columns of their gold table. `metrics` counts
    columns by the metric that compares their cells. `said` counts tasks by the values of kind, split, mode, values,
    domain and style in their `meta`. `selection` counts tasks by what restricts the rows (``whole list``, ``1
    condition``, ``part of the list``, ``extremes``). `relations` counts conditions. `rank` counts tasks by the position
    of their list among the hits of a search for its title. For wide tasks, `lists` counts tasks by the number of lists
    that have rows of the answer, `list_pages` by the number of pages of all named lists, and `families` is the number
    of families of articles.
    """

    tasks: int
    broad: int
    rows: Counter[int] = field(default_factory=Counter)
    columns: Counter[int] = field(default_factory=Counter)
    metrics: Counter[str] = field(default_factory=Counter)
    languages: Counter[str] = field(default_factory=Counter)
    selection: Counter[str] = field(default_factory=Counter)
    relations: Counter[str] = field(default_factory=Counter)
    rank: Counter[int] = field(default_factory=Counter)
    said: Mapping[str, Counter[str]] = field(default_factory=dict)
    tables: int = 0
    lists: Counter[int] = field(default_factory=Counter)
    list_pages: Counter[int] = field(default_factory=Counter)
    families: int = 0


def count_tasks(tasks: Sequence[Task]) -> TaskStatistics:
    """The statistics of `tasks`. If no task has a key in its `meta`, the count over this key is empty."""
    found = TaskStatistics(
        len(tasks),
        sum(task.gold is not None for task in tasks),
        said={name: Counter() for name in _SAID},
        tables=len({str(name) for task in tasks for name in _tables(task)}),
        families=len({str(task.meta["family"]) for task in tasks if "family" in task.meta}),
    )
    for task in tasks:
        found.languages[task.language] += 1
        for name in _SAID:
            if name in task.meta:
                found.said[name][str(task.meta[name])] += 1
        if isinstance(rank := task.meta.get("rank"), int):
            found.rank[rank] += 1
        for count, name in ((found.lists, "lists"), (found.list_pages, "list_pages")):
            if isinstance(many := task.meta.get(name), int):
                count[many] += 1
        if task.gold is None:
            continue
        found.rows[len(task.gold.rows)] += 1
        found.columns[len(task.columns)] += 1
        found.metrics.update("+".join(task.spec(column).metrics) for column in task.columns)
        if "kind" in task.meta:
            name, relations = _selection(task)
            found.selection[name] += 1
            found.relations.update(relations)
    return found


def _tables(task: Task) -> Sequence[object]:
    several = task.meta.get("tables")
    if isinstance(several, (list, tuple)):
        return several
    return (task.meta["table"],) if "table" in task.meta else ()


def _selection(task: Task) -> tuple[str, list[str]]:
    selection = task.meta.get("selection")
    if not isinstance(selection, Mapping):
        return "whole list", []
    part = selection.get("part")
    if isinstance(part, Mapping):
        return ("part of the list" if part.get("kind") == "rows" else "extremes"), []
    conditions = [str(condition.get("relation")) for condition in selection.get("conditions", ())]
    return f"{len(conditions)} condition{'s' if len(conditions) > 1 else ''}", conditions
