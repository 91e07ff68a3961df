"""`TaskSet`: a named, immutable sequence of tasks, with access by id."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import overload

from wideseek_env.errors import TaskError
from wideseek_env.reprs import short
from wideseek_env.task import Task


class TaskSet(Sequence[Task]):
    """Tasks in a fixed order with unique ids.

    `name` gives the origin and the split of the tasks, for example ``synthetic:seed=0/test``.
    """

    def __init__(self, tasks: Iterable[Task], name: str = "tasks") -> None:
        self.name = name
        self._tasks = tuple(tasks)
        self._by_id = {task.id: task for task in self._tasks}
        if len(self._by_id) != len(self._tasks):
            seen: set[str] = set()
            twice = next(t.id for t in self._tasks if t.id in seen or seen.add(t.id))  # type: ignore[func-returns-value]
            raise TaskError(f"{name}: the task id {twice!r} occurs more than once")

    @overload
    def __getitem__(self, index: int) -> Task: ...
    @overload
    def __getitem__(self, index: slice) -> TaskSet: ...
    def __getitem__(self, index: int | slice) -> Task | TaskSet:
        if isinstance(index, slice):
            return TaskSet(self._tasks[index], self.name)
        return self._tasks[index]

    def __len__(self) -> int:
        return len(self._tasks)

    def __iter__(self) -> Iterator[Task]:
        return iter(self._tasks)

    def __repr__(self) -> str:
        return f"TaskSet({short(self.name)}, {len(self)} tasks)"

    @property
    def ids(self) -> tuple[str, ...]:
        """The ids, in order."""
        return tuple(self._by_id)

    def get(self, task_id: str) -> Task:
        """The task with this id. Raises `TaskError` when there is no such task."""
        try:
            return self._by_id[task_id]
        except KeyError:
            example = f" (one that exists: {self._tasks[0].id!r})" if self._tasks else ""
            raise TaskError(f"{self.name} has no task {task_id!r}{example}") from None
