"""Selects tasks by their properties: ``mode=pages``, ``rows>=10``, ``language!=zh``."""

from __future__ import annotations

import operator
import re
from collections.abc import Callable, Iterable, Sequence
from typing import Any

from wideseek_env.errors import ConfigError
from wideseek_env.task import Task
from wideseek_env.tasks.taskset import TaskSet

_FORM = re.compile(r"\s*([\w.-]+)\s*(!=|>=|<=|=|>|<)\s*(.*?)\s*\Z")
_COMPARE: dict[str, Callable[[Any, Any], bool]] = {
    "=": operator.eq,
    "!=": operator.ne,
    ">=": operator.ge,
    "<=": operator.le,
    ">": operator.gt,
    "<": operator.lt,
}


def where(tasks: TaskSet, conditions: Sequence[str]) -> TaskSet:
    """The tasks that meet all conditions, in their order.

    A condition is a key, one of ``= != >= <= > <``, and a value. A key is one of `Task.meta`, or `id`, `language`,
    `source`, `rows` or `columns`. `rows` and `columns` are the numbers of rows and columns of the gold table. Numbers
    compare as numbers, other values as text.

    Raises:
        ConfigError: A condition has another form, no task has its key, or it orders values that are not numbers.
    """
    chosen: list[Task] = list(tasks)
    for condition in conditions:
        match = _FORM.match(condition)
        if match is None:
            raise ConfigError(f"{condition!r} is not a condition; write one like mode=pages or 'rows>=10'")
        key, sign, text = match.groups()
        values = [(task, _value(task, key)) for task in tasks]
        if all(value is None for _, value in values):
            raise ConfigError(f"no task of {tasks.name} has {key!r}; they have: {', '.join(_keys(tasks))}")
        meets = {
            task.id for task, value in values if value is not None and _holds(value, sign, text, condition)
        }
        chosen = [task for task in chosen if task.id in meets]
    return TaskSet(chosen, f"{tasks.name}[{','.join(conditions)}]") if conditions else tasks


def _holds(value: object, sign: str, text: str, condition: str) -> bool:
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        try:
            return _COMPARE[sign](value, float(text))
        except ValueError:
            raise ConfigError(
                f"{condition!r}: {text!r} is not a number, but the tasks have numbers for this key"
            ) from None
    if sign not in ("=", "!="):
        raise ConfigError(f"{condition!r}: only numbers have an order; use = or !=")
    shown = str(value).lower() if isinstance(value, bool) else str(value)
    return _COMPARE[sign](shown, text)


def _value(task: Task, key: str) -> object:
    if key in task.meta:
        value: object = task.meta[key]
        return value
    if key in ("id", "language", "source"):
        return getattr(task, key)
    if key == "rows" and task.gold is not None:
        return len(task.gold.rows)
    if key == "columns" and task.gold is not None:
        return len(task.columns)
    return None


def _keys(tasks: Iterable[Task]) -> list[str]:
    return sorted({"id", "language", "source", "rows", "columns"}.union(*(task.meta for task in tasks)))
