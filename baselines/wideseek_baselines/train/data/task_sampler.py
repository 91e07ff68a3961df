"""`TaskSampler`: which tasks come when. It follows from a seed and a position alone, so that a run can go on anywhere."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from wideseek_baselines.rollout.jobs import RolloutJob
from wideseek_env.errors import ConfigError
from wideseek_env.evaluation.run import episode_seed
from wideseek_env.tasks.task import Task


class TaskSampler:
    """Every task once in each pass, each pass in another order, without end.

    Args:
        tasks: At least one.
        seed: Of the orders and of the episodes.
        widths: Subagents that a delegation may start, which the tasks take in turn; none leaves it to the rules.
    """

    def __init__(self, tasks: Sequence[Task], seed: int, widths: Sequence[int] = ()) -> None:
        if not len(tasks):
            raise ConfigError("there are no tasks to train on")
        self._tasks = list(tasks)
        self._seed = seed
        self._widths = tuple(widths)
        self._shuffled: tuple[int, list[int]] = (-1, [])

    def __getitem__(self, position: int) -> Task:
        number, place = divmod(position, len(self._tasks))
        if self._shuffled[0] != number:
            order = np.random.default_rng([self._seed, 3, number]).permutation(len(self._tasks))
            self._shuffled = (number, order.tolist())
        return self._tasks[self._shuffled[1][place]]

    def jobs(self, position: int, count: int, group: int) -> list[RolloutJob]:
        """The episodes of `count` tasks from a position on: a group of `group` for each, no seed used twice."""
        jobs: list[RolloutJob] = []
        for at in range(position, position + count):
            task = self[at]
            width = self._widths[at % len(self._widths)] if self._widths else None
            for member in range(group):
                trial = at * group + member
                seed = episode_seed(self._seed, task.id, trial)
                jobs.append(RolloutJob(task, seed, trial, group=f"{at}:{task.id}", size=group, width=width))
        return jobs
