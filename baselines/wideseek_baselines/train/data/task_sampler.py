"""`TaskSampler` decides the order of tasks. The order depends only on the seed, so a run can resume at any position."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from wideseek_baselines.rollout.jobs import RolloutJob
from wideseek_env.errors import ConfigError
from wideseek_env.evaluation.run import episode_seed
from wideseek_env.task import Task


class TaskSampler:
    """An endless sequence of tasks. Every pass over the tasks has each task once, in a new order.

    Args:
        tasks: The tasks, at least one.
        seed: Seed of the orders and of the episodes.
        widths: The tasks use these widths one after the other. Empty means the width of the rules.
        total: The number of tasks of the whole run, for rewards that change during training. None means that no job
            knows its progress.

    Raises:
        ConfigError: There are no tasks.
    """

    def __init__(
        self, tasks: Sequence[Task], seed: int, widths: Sequence[int] = (), total: int | None = None
    ) -> None:
        if not len(tasks):
            raise ConfigError("there are no tasks to train on")
        self._tasks = list(tasks)
        self._seed = seed
        self._widths = tuple(widths)
        self._total = total
        self._shuffled: tuple[int, list[int]] = (-1, [])

    def __getitem__(self, position: int) -> Task:
        number, place = divmod(position, len(self._tasks))
        if self._shuffled[0] != number:
            order = np.random.default_rng([self._seed, 3, number]).permutation(len(self._tasks))
            self._shuffled = (number, order.tolist())
        return self._tasks[self._shuffled[1][place]]

    def jobs(self, position: int, count: int, group: int) -> list[RolloutJob]:
        """The jobs of `count` tasks from a position on: a group of `group` jobs for each task. No seed is used
        twice.
        """
        jobs: list[RolloutJob] = []
        for at in range(position, position + count):
            task = self[at]
            width = self._widths[at % len(self._widths)] if self._widths else None
            progress = min(1.0, at / self._total) if self._total else None
            for member in range(group):
                trial = at * group + member
                seed = episode_seed(self._seed, task.id, trial)
                name = f"{at}:{task.id}"
                jobs.append(RolloutJob(task, seed, trial, name, group, width, progress))
        return jobs
