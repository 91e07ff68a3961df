"""Games, teams and runs that the tests of the driver share."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Sequence
from functools import cache
from typing import Any, TypeVar

from wideseek_baselines.background import LoopThread
from wideseek_baselines.engines.virtual_time import VirtualLoop
from wideseek_baselines.rollout.driver import Driver
from wideseek_baselines.rollout.jobs import Finished
from wideseek_baselines.rollout.options import DriverOptions
from wideseek_baselines.rollout.simulation import SimulatedTeam
from wideseek_baselines.scripted import ScriptedPolicy
from wideseek_env.corpus.stored import MemoryCorpus
from wideseek_env.corpus.synthetic import SyntheticWorld
from wideseek_env.game import Game, GameConfig
from wideseek_env.policy import Job
from wideseek_env.tasks.synthetic import synthetic_tasks

T = TypeVar("T")
WORLD = SyntheticWorld.from_spec("synthetic:seed=11,pages=900,rows=20-30")


@cache
def corpus() -> MemoryCorpus:
    """The pages of the world."""
    return WORLD.corpus()


def game(count: int = 4, **settings: Any) -> Game:
    """`count` tasks of the world on a small budget."""
    settings = {"rules": "width-benchmark", "width": 4, **settings}
    if "executor" not in settings:
        settings["corpus"] = corpus()
    return GameConfig(tasks=synthetic_tasks(WORLD, "test", count), **settings).open()


def jobs_of(setup: Game, trials: int = 1) -> list[Job]:
    """Every task of a setup, each with seeds of its own."""
    return [
        Job(task, seed=100 * number + trial, trial=trial)
        for trial in range(trials)
        for number, task in enumerate(setup.tasks)
    ]


def team(**engine: Any) -> SimulatedTeam:
    """The scripted team behind a simulated engine."""
    return SimulatedTeam(ScriptedPolicy(), **engine)


@contextlib.contextmanager
def virtual() -> Iterator[LoopThread]:
    """A loop in virtual time."""
    with LoopThread(VirtualLoop) as loop:
        yield loop


def in_virtual_time(main: Callable[[], Awaitable[T]]) -> T:
    """Run a coroutine function to its end in virtual time."""

    async def run() -> T:
        return await main()

    with virtual() as loop:
        return loop.run(run())


async def collect(driver: Driver, jobs: Sequence[Job] | AsyncIterator[Job]) -> list[Finished]:
    """Everything a run gives."""
    return [finished async for finished in driver.run(jobs)]


def play_all(
    policy: SimulatedTeam, setup: Game, jobs: Sequence[Job] | None = None, **options: Any
) -> list[Finished]:
    """Play jobs to their ends in virtual time."""

    async def main() -> list[Finished]:
        driver = Driver(policy, setup, options=DriverOptions(**options))
        return await collect(driver, jobs_of(setup) if jobs is None else jobs)

    return in_virtual_time(main)
