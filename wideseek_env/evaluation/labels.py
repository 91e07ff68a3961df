"""Labels of tasks, by which metrics can be grouped. They depend only on the task."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping
from itertools import pairwise
from typing import TypeAlias

from wideseek_env.errors import ConfigError
from wideseek_env.task import Task
from wideseek_env.tasks.jsonl import task_to_dict

Label: TypeAlias = str | int | float | bool

NONE = "(none)"
"""The group of tasks that do not have the label."""

SIZE = "size"
SIZES = (5, 10, 20, 50, 100, 200)
"""The largest number of rows of each size group. Larger tables form one more group."""

DEFAULT_BY = ("language", SIZE)

_OWN = ("language", "source", "form", "rows", "columns")
_ASIDE = ("format", "source", "meta")  # these change neither the question nor the right answers
_TEXT = 200


def task_labels(task: Task) -> dict[str, Label]:
    """The labels of `task`: language, source, form ("table" or "short answer"), rows, columns, and entries of `meta`.

    An entry of `meta` is a label if it is a text, a number or a truth value. Its name must not be the name of another
    label.
    """
    labels: dict[str, Label] = {
        "language": task.language,
        "source": task.source or NONE,
        "form": "table" if task.gold is not None else "short answer",
        "rows": len(task.gold.rows) if task.gold is not None else 0,
        "columns": len(task.columns),
    }
    for key, value in task.meta.items():
        if key not in labels and key != SIZE and isinstance(value, str | int | float | bool):
            labels[key] = value[:_TEXT] if isinstance(value, str) else value
    return labels


def label(labels: Mapping[str, Label], key: str) -> str:
    """The group of a task with these `labels`, if tasks are grouped by `key`.

    The key "size" groups tasks by the number of rows of their gold table.
    """
    if key == SIZE:
        return _size(labels)
    value = labels.get(key, NONE)
    return str(value).lower() if isinstance(value, bool) else str(value)


def group_order(key: str, groups: Iterable[str]) -> list[str]:
    """`groups` sorted for a table: sizes and numbers by value, then texts, then the group without the label."""

    def place(group: str) -> tuple[int, float, str]:
        if group == NONE:
            return 3, 0.0, ""
        if key == SIZE:
            return 0, float(_SIZE_NAMES.index(group)), group
        try:
            return 1, float(group), group
        except ValueError:
            return 2, 0.0, group

    return sorted(groups, key=place)


def check_keys(keys: Iterable[str], labels: Iterable[Mapping[str, Label]]) -> None:
    """Check that each key is a label of at least one task.

    Raises:
        ConfigError: A key is not a label of any task. The message lists the labels that exist.
    """
    known = dict.fromkeys((SIZE, *_OWN))
    for each in labels:
        known.update(dict.fromkeys(each))
    for key in keys:
        if key not in known:
            raise ConfigError(f"no task has the label {key!r} to group by; labels are: {', '.join(known)}")


def task_digest(task: Task) -> str:
    """A hash of the question and its right answers. Two runs share a task if their hashes are equal."""
    content = {key: value for key, value in task_to_dict(task).items() if key not in _ASIDE}
    text = json.dumps(content, sort_keys=True, ensure_ascii=False)
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:16]


_SHORT = "short answer"
_SIZE_NAMES = (
    _SHORT,
    f"up to {SIZES[0]} rows",
    *(f"{before + 1}–{last} rows" for before, last in pairwise(SIZES)),
    f"over {SIZES[-1]} rows",
)


def _size(labels: Mapping[str, Label]) -> str:
    rows = labels.get("rows")
    if labels.get("form") != "table" or not isinstance(rows, int):
        return _SHORT if labels.get("form") == _SHORT else NONE
    return _SIZE_NAMES[1 + sum(rows > size for size in SIZES)]
