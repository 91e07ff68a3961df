"""The driver for ordinary code, in this process: `run_jobs`, `run_rollout_jobs` and `LocalRollouts`."""

from __future__ import annotations

from collections.abc import Generator, Iterable
from contextlib import closing
from types import TracebackType
from typing import Self

from wideseek_baselines.agents.base import TeamPolicy
from wideseek_baselines.background import LoopThread, background
from wideseek_baselines.engines.base import Weights
from wideseek_baselines.rollout.config import RolloutConfig
from wideseek_baselines.rollout.driver import Driver
from wideseek_baselines.rollout.jobs import Finished
from wideseek_baselines.rollout.options import DriverOptions
from wideseek_env.game import Game
from wideseek_env.policy import EpisodeResult, Job


def run_rollout_jobs(
    policy: TeamPolicy,
    game: Game,
    jobs: Iterable[Job],
    *,
    options: DriverOptions | None = None,
    loop: LoopThread | None = None,
) -> Generator[Finished, None, None]:
    """Play jobs and give each back when it has ended; leaving early, or Ctrl-C, cancels the rest.

    Args:
        policy: Its engines must belong to `loop`, or not have started yet.
        game: What is played.
        jobs: See `Driver.run`; they are taken on the loop's thread.
        options: See `DriverOptions`.
        loop: Where the driver runs; by default the one that all of this process share.
    """
    thread = loop or background()
    driver = Driver(policy, game, options=options)
    yield from thread.iterate(driver.run(jobs))


def run_jobs(
    policy: TeamPolicy,
    game: Game,
    jobs: Iterable[Job],
    *,
    options: DriverOptions | None = None,
    loop: LoopThread | None = None,
) -> Generator[EpisodeResult, None, None]:
    """As `run_rollout_jobs`, without the records for training."""
    with closing(run_rollout_jobs(policy, game, jobs, options=options, loop=loop)) as finished:
        for each in finished:
            yield EpisodeResult(each.job, each.trajectory, each.error)


class LocalRollouts:
    """Plays in this process, on its background loop."""

    def __init__(self, config: RolloutConfig) -> None:
        self.config = config
        self.policy, self.game = config.open()
        self.driver = Driver(self.policy, self.game, options=config.driver)

    def run(self, jobs: Iterable[Job]) -> Generator[Finished, None, None]:
        """See `Rollouts`."""
        yield from background().iterate(self.driver.run(jobs))

    def update_weights(self, weights: Weights, version: int) -> None:
        """See `Rollouts`."""
        background().run(self.driver.update_weights(weights, version))

    def sleep(self) -> None:
        """See `Rollouts`."""
        background().run(self._each("sleep"))

    def wake(self) -> None:
        """See `Rollouts`."""
        background().run(self._each("wake"))

    def close(self) -> None:
        """See `Rollouts`."""
        background().run(self._each("close"))

    async def _each(self, method: str) -> None:
        for engine in self.driver.engines:
            await getattr(engine, method)()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()
