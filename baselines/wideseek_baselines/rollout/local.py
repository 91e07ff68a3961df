"""`run_jobs`: the driver for ordinary code, as `EpisodeRunner.play` wants it."""

from __future__ import annotations

from collections.abc import Generator, Iterable
from contextlib import closing

from wideseek_baselines.agents.base import TeamPolicy
from wideseek_baselines.background import LoopThread, background
from wideseek_baselines.rollout.driver import Driver
from wideseek_baselines.rollout.options import DriverOptions, Finished
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
