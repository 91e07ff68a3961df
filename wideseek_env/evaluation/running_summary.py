"""`RunningSummary`: how a run stands while it is under way, as running means with the intervals of its summary."""

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
"""An interval that took a second is not computed anew for twenty: a view costs a run at most a twentieth."""


@dataclass(frozen=True, slots=True)
class Mean:
    """A mean over tasks of the means over their trials, and its 95 % bootstrap interval over tasks."""

    mean: float
    low: float
    high: float


class Ended(NamedTuple):
    """The figures of an ended episode that a view needs; `tokens` are those that were generated."""

    task_id: str
    trial: int
    item_f1: float
    reward: float
    failed: bool
    tokens: float | None
    calls: float | None

    @classmethod
    def of(cls, record: EpisodeRecord) -> Ended:
        """Those of a recorded episode."""
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
    """The generated tokens that a usage holds; None where it does not say."""
    return usage.get("completion_tokens") if usage is not None else None


class RunningSummary:
    """Gathers episodes; one that is added again (the same task and trial) replaces the earlier one.

    Args:
        seed: Of the bootstrap; with that of the run the last intervals are those of its summary.
        clock: Seconds, to hold back intervals that take long.
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
        """Count one episode."""
        trials = self._tasks.setdefault(ended.task_id, {})
        self.episodes += ended.trial not in trials
        # Not even one value that is no number may spoil the view of all others; the summary shows it.
        trials[ended.trial] = (_finite(ended.item_f1), _finite(ended.reward))
        pair = (ended.task_id, ended.trial)
        (self._failed.add if ended.failed else self._failed.discard)(pair)
        self._changed = True

    @property
    def failed(self) -> int:
        """Episodes that failed, and have not been played again."""
        return len(self._failed)

    def means(self, *, exact: bool = False) -> tuple[Mean, Mean] | None:
        """Item-F1 and reward; None without episodes.

        Where there are so many tasks that an interval takes long, the one of a moment ago is given, unless `exact`:
        as wide as it was, around the mean of now.
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
                Mean(mean, low + (mean - centre), high + (mean - centre))
                for mean, centre, (low, high) in zip(
                    _column_means(rows), self._centres, self._intervals.tolist(), strict=True
                )
            )
            self._means = f1, reward
        return self._means


def _column_means(rows: NDArray[np.float64]) -> list[float]:
    return [fsum(column) / len(column) for column in rows.T.tolist()]


def _finite(value: float) -> float:
    return value if math.isfinite(value) else 0.0
