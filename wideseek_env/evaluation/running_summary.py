"""`RunningSummary`: the mean scores of a run while it is running, with their confidence intervals."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from math import fsum
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from wideseek_env.evaluation.record import EpisodeRecord, Pair
from wideseek_env.evaluation.statistics import bootstrap_intervals

_RARELY = 20.0
"""If the computation of the confidence intervals took t seconds, the next one waits at least 20 t seconds.

So a live view spends at most about 1/20 of the run's time on the intervals.
"""


@dataclass(frozen=True, slots=True)
class Mean:
    """A mean with its 95 % bootstrap interval over tasks. The trials of a task are averaged first, then the tasks."""

    mean: float
    low: float
    high: float


class Ended(NamedTuple):
    """The metrics of a finished episode that a view needs. `tokens` is the number of generated tokens."""

    task_id: str
    trial: int
    item_f1: float
    reward: float
    failed: bool
    tokens: float | None
    calls: float | None

    @classmethod
    def of(cls, record: EpisodeRecord) -> Ended:
        """The metrics of a recorded episode."""
        return cls(
            record.task_id,
            record.trial,
            record.f1_by_item,
            record.reward,
            record.failed,
            tokens_of(record.usage),
            float(sum(record.tool_calls.values())),
        )


def tokens_of(usage: Mapping[str, float] | None) -> float | None:
    """The number of generated tokens that a policy reported in `usage`. None if the number is not known."""
    return usage.get("completion_tokens") if usage is not None else None


class RunningSummary:
    """Collects episodes and computes running means. A second episode of a task and trial replaces the first.

    Args:
        seed: Seed of the bootstrap. With the seed of the run, the final intervals equal those of its summary.
        clock: Returns seconds. It measures how long the computation of the intervals takes. If it is slow, the
            intervals are computed less often.
    """

    def __init__(self, seed: int = 0, clock: Callable[[], float] = time.perf_counter) -> None:
        self._seed = seed
        self._clock = clock
        self._tasks: dict[str, dict[int, tuple[float, float]]] = {}
        self._failed: set[Pair] = set()
        self._changed = True
        self._means: tuple[Mean, Mean] | None = None
        self._intervals: NDArray[np.float64] | None = None
        self._centres: list[float] = []
        self._again = 0.0
        self.episodes = 0

    def add(self, ended: Ended) -> None:
        """Add one episode."""
        trials = self._tasks.setdefault(ended.task_id, {})
        self.episodes += ended.trial not in trials
        # If one value is not a number, the mean would not be a number either. So the value counts as 0 here.
        trials[ended.trial] = (_finite(ended.item_f1), _finite(ended.reward))
        pair = (ended.task_id, ended.trial)
        (self._failed.add if ended.failed else self._failed.discard)(pair)
        self._changed = True

    @property
    def failed(self) -> int:
        """The number of episodes that failed and have not been run again."""
        return len(self._failed)

    def means(self, *, exact: bool = False) -> tuple[Mean, Mean] | None:
        """The means of item-F1 and reward. None without episodes.

        With many tasks, the computation of the intervals is slow and does not happen after every episode. Between two
        computations, the last intervals are moved by the change of the mean. With `exact`, they are always computed.
        """
        if not self._tasks:
            return None
        if self._means is None or self._changed:
            rows = np.array(
                [
                    [fsum(column) / len(trials) for column in zip(*trials.values(), strict=True)]
                    for trials in (self._tasks[task] for task in sorted(self._tasks))
                ]
            )
            if self._intervals is None or exact or self._clock() >= self._again:
                began = self._clock()
                self._intervals = bootstrap_intervals(rows, seed=self._seed)
                self._centres = _column_means(rows)
                self._changed = False
                self._again = self._clock() + _RARELY * (self._clock() - began)
            f1, reward = (
                _moved(mean, low + (mean - centre), high + (mean - centre), column)
                for mean, centre, (low, high), column in zip(
                    _column_means(rows), self._centres, self._intervals.tolist(), rows.T, strict=True
                )
            )
            self._means = f1, reward
        return self._means


def _moved(mean: float, low: float, high: float, values: NDArray[np.float64]) -> Mean:
    """A mean with its moved interval, which may have left the range of the values. A mean cannot leave it."""
    return Mean(mean, min(mean, max(low, float(values.min()))), max(mean, min(high, float(values.max()))))


def _column_means(rows: NDArray[np.float64]) -> list[float]:
    return [fsum(column) / len(column) for column in rows.T.tolist()]


def _finite(value: float) -> float:
    return value if math.isfinite(value) else 0.0
