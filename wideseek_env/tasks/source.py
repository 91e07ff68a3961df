"""`TaskSource`: the interface of custom task sources, and how a source is opened by name."""

from __future__ import annotations

import inspect
from collections.abc import Iterable
from typing import Any, Protocol, runtime_checkable

from wideseek_env.errors import ConfigError, TaskError
from wideseek_env.plugins import call, find_part
from wideseek_env.task import Task
from wideseek_env.tasks.taskset import TaskSet


@runtime_checkable
class TaskSource(Protocol):
    """A callable that returns the tasks of a split. A plain function is enough.

    Every call with the same split must return the same tasks in the same order. Splits must share no tasks. The
    callable may have an attribute `corpus` with the name of the corpus for the tasks.
    """

    def __call__(self, split: str) -> Iterable[Task]:
        """The tasks of the split "train", "validation" or "test"."""
        ...


def tasks_of_source(name: str, split: str) -> tuple[TaskSet, str | None]:
    """The tasks of the source called `name` (`wideseek_env.plugins`), and the name of its corpus, if it has one.

    The source may be a `TaskSource`, a class whose objects are task sources, or a `TaskSet`, which has no splits. The
    options in the name are passed to the class. If the source is a function, they are passed to it together with
    `split`.

    Raises:
        ConfigError: There is no such source.
        TaskError: The source gives something other than tasks.
    """
    source, options = find_part("tasks", name)
    if inspect.isclass(source):
        source, options = call("tasks", name, source, options), {}
    if isinstance(source, TaskSet):
        return source, _corpus_of(source)
    if not callable(source):
        raise ConfigError(
            f"the tasks {name!r} are {source!r:.80}; give a function of the split, or a TaskSet"
        )
    found = call("tasks", name, source, {"split": split, **options})
    if isinstance(found, TaskSet):
        return found, _corpus_of(source)
    if not isinstance(found, Iterable) or isinstance(found, str | bytes):
        raise TaskError(f"the task source {name!r} gave {found!r:.80} for {split}, not tasks")
    tasks = list(found)
    for task in tasks:
        if not isinstance(task, Task):
            raise TaskError(
                f"the task source {name!r} gave {task!r:.80} among its tasks, which is not a Task"
            )
    return TaskSet(tasks, f"{name}/{split}"), _corpus_of(source)


def _corpus_of(source: Any) -> str | None:
    corpus = getattr(source, "corpus", None)
    return corpus if isinstance(corpus, str) else None
