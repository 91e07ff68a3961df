"""The driver for synchronous code in this process: `run_jobs`, `run_rollout_jobs` and `LocalRollouts`."""

from __future__ import annotations

from collections.abc import Collection, Generator, Iterable
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
from wideseek_env.messages import Role
from wideseek_env.policy import EpisodeResult, Job


def run_rollout_jobs(
    policy: TeamPolicy,
    game: Game,
    jobs: Iterable[Job],
    *,
    options: DriverOptions | None = None,
    loop: LoopThread | None = None,
) -> Generator[Finished, None, None]:
    """Run jobs. Yields each result when its episode has ended. Leaving the loop early or pressing Ctrl-C cancels the
    rest.

    Args:
        policy: The policy. Its engines must run on `loop`, or not have started yet.
        game: The game.
        jobs: The jobs. The iterable may be endless. It is read on the loop's thread, so it must not block.
        options: Settings of the driver.
        loop: The loop on which the driver runs. Default: the shared background loop of this process.
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
    """Like `run_rollout_jobs`, but without the records for training."""
    with closing(run_rollout_jobs(policy, game, jobs, options=options, loop=loop)) as finished:
        for each in finished:
            yield EpisodeResult(each.job, each.trajectory, each.error)


class LocalRollouts:
    """Runs episodes in this process, on its background loop."""

    def __init__(self, config: RolloutConfig) -> None:
        self.config = config
        self.policy, self.game = config.open()
        self.driver = Driver(self.policy, self.game, options=config.driver)

    def run(self, jobs: Iterable[Job]) -> Generator[Finished, None, None]:
        """Run every job. Yields the result of each job exactly once, when its episode has ended."""
        yield from background().iterate(self.driver.run(jobs))

    def update_weights(self, weights: Weights, version: int, roles: Collection[Role] = ()) -> None:
        """Replace the weights of the engines of `roles`. By default this affects all engines."""
        engines = self.driver.engines_of(roles)
        background().run(self.driver.update_weights(weights, version, engines=engines))

    def sleep(self) -> None:
        """Let the engines release their accelerator memory, if they can. No request may be in flight."""
        background().run(self._each("sleep"))

    def wake(self) -> None:
        """Let the engines take their memory again after `sleep`."""
        background().run(self._each("wake"))

    def close(self) -> None:
        """End the engines. A second call does nothing."""
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
