"""`RolloutPrefetcher` plays the batch of episodes of each step: before the step, or while the previous step is trained.

A prefetched batch comes from a policy that is one version old when the batch is trained on. The engines play the batch
of step n + 1 with the weights at the beginning of step n. The engines get new weights only when that batch is complete.
So one version of the policy plays each whole episode.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import Future, wait
from types import TracebackType
from typing import Generic, Self, TypeVar

from wideseek_baselines.tokens.record import Rollout
from wideseek_baselines.train import distributed
from wideseek_baselines.train.config.run import RunConfig
from wideseek_baselines.train.loop import Run
from wideseek_baselines.train.rollouts.manager import RolloutManager
from wideseek_baselines.train.rollouts.metrics import version_lag

T = TypeVar("T")

PATIENCE = 60.0
"""If a run ends early, it waits at most this number of seconds for episodes in flight."""
POLL = 0.5
"""How often a waiting run looks whether it must stop, in seconds."""


class RolloutPrefetcher(Generic[T]):
    """Plays the batches of a run's steps one after the other.

    A prefetched batch counts only when `take` returns it. So a checkpoint has the position after the last trained
    batch. A resumed run plays a batch again that was in flight.

    Args:
        draw: Plays the batch that begins at a position in the order of tasks. Returns the batch and the position after
            it.
        manager: Plays the episodes. Its engines sleep during training if the configuration says so.
        config: The settings.
        run: The run. Its `state["drawn"]` is the position of the next batch.
    """

    def __init__(
        self, draw: Callable[[int], tuple[T, int]], manager: RolloutManager, config: RunConfig, run: Run
    ) -> None:
        self._draw = draw
        self._manager = manager
        self._config = config
        self._run = run
        self._ahead: Future[tuple[T, int, float]] | None = None
        self.seconds = 0.0
        """The seconds that it took to play the last batch that `take` returned."""
        self.waited = 0.0
        """The seconds in this step in which training waited for episodes."""

    def take(self) -> T:
        """The batch of the next step. With `max_off_policy_steps=1`, the engines then start to play the batch after
        that one.

        Raises:
            RolloutError: All episodes failed because of the engine or the tools.
            EngineError: The engine is lost.
        """
        began = time.perf_counter()
        if self._ahead is None:
            batch, after, self.seconds = self._timed(self._run.state["drawn"])
        else:
            ahead, self._ahead = self._ahead, None
            batch, after, self.seconds = ahead.result()
        self.waited = time.perf_counter() - began
        self._run.state["drawn"] = after
        if self._config.max_off_policy_steps and self._run.step + 1 < self._config.steps:
            self._ahead = _on_thread(lambda: self._timed(after))
        elif self._config.engine.sleep:
            self._manager.sleep()
        return batch

    def wait(self) -> None:
        """Wait until no episode is in flight, so that the engines can get new weights. `take` raises the errors.

        Do not wait for the end of these episodes if the run is about to stop.
        """
        began = time.perf_counter()
        while self._ahead is not None and not self._ahead.done() and not self._run.stopping.soon:
            wait([self._ahead], timeout=POLL)
        self.waited += time.perf_counter() - began

    def metrics(self, rollouts: Sequence[Rollout]) -> dict[str, float]:
        """Metrics of time for the last batch that `take` returned. With `max_off_policy_steps=1`, also the age of its
        policy.

        Args:
            rollouts: The rollouts of that batch.
        """
        generated = sum(rollout.tokens for rollout in rollouts)
        metrics = {
            "rollout_seconds": self.seconds,
            "generated_tokens_per_second": generated / self.seconds,
        }
        if self._config.max_off_policy_steps:
            metrics |= {
                "wait_seconds": self.waited,
                "version_lag": version_lag(rollouts, self._run.step, self._config.moving_roles),
            }
        return metrics

    def _timed(self, position: int) -> tuple[T, int, float]:
        """Play the batch that begins at a position. Returns the batch, the position after it, and the seconds that it
        took.
        """
        began = time.perf_counter()
        batch, after = self._draw(position)
        return batch, after, time.perf_counter() - began

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._ahead is None or self._ahead.done():
            return
        self._manager.close()  # ends the episodes in flight, which are no longer needed
        if (
            distributed.size() == 1
        ):  # several processes would wait for each other here, until torchrun ends them
            wait([self._ahead], timeout=PATIENCE)


def _on_thread(make: Callable[[], T]) -> Future[T]:
    """Call a function on a new thread. The thread ends when the program ends."""
    made: Future[T] = Future()

    def work() -> None:
        try:
            made.set_result(make())
        except BaseException as error:
            made.set_exception(error)

    threading.Thread(target=work, name="wideseek-prefetch", daemon=True).start()
    return made
