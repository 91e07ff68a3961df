"""`RolloutPrefetcher`: the batches of episodes that a run trains on, played before each step or during the step before it.

Played ahead, a batch is one policy version old when it is trained on: the engines play step n + 1 with the weights that
step n begins with. They get new weights only when the batch is complete, so no episode mixes two policies.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import Future, wait
from types import TracebackType
from typing import Any, Generic, Self, TypeVar

from wideseek_baselines.tokens.record import Rollout
from wideseek_baselines.train import distributed
from wideseek_baselines.train.config.run import RunConfig
from wideseek_baselines.train.loop import Run
from wideseek_baselines.train.rollouts.manager import RolloutManager
from wideseek_baselines.train.rollouts.metrics import version_lag

T = TypeVar("T")

PATIENCE = 60.0
"""Seconds that a run which ends early waits for the end of what was under way."""


class RolloutPrefetcher(Generic[T]):
    """Plays the batches of a run's steps one after the other.

    What is played ahead counts as drawn only when it is taken, so a checkpoint's position in the data is that of the
    steps that are trained: a run that goes on from one plays the batch that was under way again.

    Args:
        draw: Plays a batch from ``state["drawn"]`` on, in the order of tasks, and moves it to the batch's end.
        players: Who plays; put to sleep for the time of training where the configuration says so.
        config: Of the run.
        run: Whose `state` says where to begin, and which steps are left.
    """

    def __init__(
        self, draw: Callable[[dict[str, Any]], T], players: RolloutManager, config: RunConfig, run: Run
    ) -> None:
        self._draw = draw
        self._players = players
        self._config = config
        self._run = run
        self._ahead: Future[tuple[T, int, float]] | None = None
        self.seconds = 0.0
        """That playing the batch taken last took."""
        self.waited = 0.0
        """Seconds of this step in which training stood still for episodes."""

    def take(self) -> T:
        """The batch of the step that is trained next; with `max_off_policy_steps` that of the step after it is begun.

        Raises:
            RolloutError: No episode could be played.
            EngineError: The engine is lost.
        """
        began = time.perf_counter()
        if self._ahead is None:
            batch, drawn, self.seconds = self._play(self._run.state["drawn"])
        else:
            ahead, self._ahead = self._ahead, None
            batch, drawn, self.seconds = ahead.result()
        self.waited = time.perf_counter() - began
        self._run.state["drawn"] = drawn
        if self._config.max_off_policy_steps and self._run.step + 1 < self._config.steps:
            self._ahead = _begun(lambda: self._play(drawn))
        elif self._config.engine.sleep:
            self._players.sleep()
        return batch

    def wait(self) -> None:
        """Wait until nobody plays, so that the engines can be given new weights. What failed is raised by `take`."""
        began = time.perf_counter()
        if self._ahead is not None:
            wait([self._ahead])
        self.waited += time.perf_counter() - began

    def figures(self, rollouts: Sequence[Rollout]) -> dict[str, float]:
        """How long the batch taken last took, and with `max_off_policy_steps` how much older than the policy it is.

        Args:
            rollouts: Of that batch.
        """
        generated = sum(rollout.tokens for rollout in rollouts)
        figures = {
            "rollout_seconds": self.seconds,
            "generated_tokens_per_second": generated / self.seconds,
        }
        if self._config.max_off_policy_steps:
            figures |= {"wait_seconds": self.waited, "version_lag": version_lag(rollouts, self._run.step)}
        return figures

    def _play(self, position: int) -> tuple[T, int, float]:
        """Play the batch that begins at a position; also where it ends, and the seconds it took."""
        began = time.perf_counter()
        state = {"drawn": position}
        batch = self._draw(state)
        return batch, state["drawn"], time.perf_counter() - began

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._ahead is None or self._ahead.done():
            return
        self._players.close()  # ends the episodes under way, for which nobody waits any more
        if distributed.size() == 1:  # several would wait for each other here, until torchrun ends them
            wait([self._ahead], timeout=PATIENCE)


def _begun(make: Callable[[], T]) -> Future[T]:
    """Make something on a thread of its own, which does not outlive the program."""
    made: Future[T] = Future()

    def work() -> None:
        try:
            made.set_result(make())
        except BaseException as error:
            made.set_exception(error)

    threading.Thread(target=work, name="wideseek-ahead", daemon=True).start()
    return made
