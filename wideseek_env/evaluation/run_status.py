"""`RunStatus`: the current state of a run of episodes, for a view in this process and for ``progress.json``."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

from wideseek_env.errors import BudgetError
from wideseek_env.evaluation.progress import ProgressFile, State, progress_file
from wideseek_env.evaluation.record import Pair
from wideseek_env.evaluation.running_summary import Ended, Mean, RunningSummary
from wideseek_env.policy import Job

AnyJob = TypeVar("AnyJob", bound=Job)

_SHOWN = 16  # the file lists at most this number of running episodes, those that have run longest


class RunStatus:
    """Follows the episodes of one run. Its methods may be called from any thread.

    Args:
        title: A title of the run for people, such as policy and tasks.
        total: Number of episodes of the run, including those recorded before.
        kind: The kind of run, for ``progress.json``.
        seed: Seed of the confidence intervals.
        clock: Returns seconds since an arbitrary moment.
        wall: Returns seconds since 1970.
    """

    def __init__(
        self,
        title: str = "",
        total: int = 0,
        *,
        kind: str = "eval",
        seed: int = 0,
        clock: Callable[[], float] = time.monotonic,
        wall: Callable[[], float] = time.time,
    ) -> None:
        self.title = title
        self.total = total
        self.kind = kind
        self._clock = clock
        self._wall = wall
        self._lock = threading.Lock()
        self._so_far = RunningSummary(seed)
        self._under_way: dict[Pair, tuple[float, int | None]] = {}
        self._began = clock()
        self._ended = 0
        self._tokens: float | None = None
        self._calls: float | None = None
        self._over = False
        self._file: ProgressFile | None = None

    @property
    def done(self) -> int:
        """The number of ended episodes, including those that were recorded before."""
        return self._so_far.episodes

    def record_in(self, run: Path) -> None:
        """Write the progress file of the run at `run` (its folder or file) from now on, until `close`."""
        if self._file is None:
            self._file = ProgressFile(progress_file(run), self.look)

    def add(self, ended: Ended) -> None:
        """Add an episode that was recorded earlier."""
        with self._lock:
            self._so_far.add(ended)

    def jobs(self, jobs: Iterable[AnyJob]) -> Iterator[AnyJob]:
        """Yield the jobs unchanged. Each job counts as running when it is taken."""
        for job in jobs:
            with self._lock:
                self._under_way[job.task.id, job.trial] = (self._clock(), None)
            self._changed()
            yield job

    def turns(self, job: Job, turns: int) -> None:
        """Set the number of turns that all agents of a running episode have taken."""
        pair = (job.task.id, job.trial)
        with self._lock:
            if pair in self._under_way:
                self._under_way[pair] = (self._under_way[pair][0], turns)
        self._changed()

    def end(self, ended: Ended) -> None:
        """Add an episode that has just ended."""
        with self._lock:
            self._under_way.pop((ended.task_id, ended.trial), None)
            self._so_far.add(ended)
            self._ended += 1
            self._tokens = _sum(self._tokens, ended.tokens)
            self._calls = _sum(self._calls, ended.calls)
        self._changed()

    def look(self) -> dict[str, Any]:
        """The current state as JSON values: the fields of ``progress.json``."""
        now, wall = self._clock(), self._wall()
        with self._lock:
            oldest = sorted(self._under_way.items(), key=lambda item: item[1][0])
            means = self._so_far.means(exact=self._over)
            return {
                "kind": self.kind,
                "title": self.title,
                "total": self.total,
                "done": self._so_far.episodes,
                "failed": self._so_far.failed,
                "item_f1": _as_dict(means[0]) if means is not None else None,
                "reward": _as_dict(means[1]) if means is not None else None,
                "session": {
                    "seconds": round(now - self._began, 3),
                    "episodes": self._ended,
                    "tokens": self._tokens,
                    "calls": self._calls,
                },
                "under_way": len(oldest),
                "slowest": [
                    {"task": task, "trial": trial, "since": round(wall - (now - since), 3), "turns": turns}
                    for (task, trial), (since, turns) in oldest[:_SHOWN]
                ],
            }

    def close(self, state: State) -> None:
        """End the tracking. `state` says how the run ended. No episode is running any more."""
        with self._lock:
            self._under_way.clear()
            self._over = True
        if self._file is not None:
            self._file.close(state)

    def _changed(self) -> None:
        if self._file is not None:
            self._file.changed()


@contextmanager
def announcing(status: RunStatus, run: Path | None) -> Iterator[None]:
    """Keep the progress file of the run at `run` (its folder or file; None for no file) during a block.

    The way in which the block ends decides the last state: finished, interrupted or failed.
    """
    if run is not None:
        status.record_in(run)
    state: State = "failed"
    try:
        yield
        state = "finished"
    except (KeyboardInterrupt, BudgetError):
        state = "interrupted"
        raise
    finally:
        status.close(state)


def _sum(before: float | None, more: float | None) -> float | None:
    return before if more is None else (before or 0.0) + more


def _as_dict(mean: Mean) -> Mapping[str, float]:
    return {"mean": round(mean.mean, 6), "low": round(mean.low, 6), "high": round(mean.high, 6)}
