"""`RolloutWorker`: one process of a Ray cluster that runs episodes with its engine.

A worker is an asynchronous actor. Its engine, its driver and all calls share the actor's event loop. It returns every
episode when the episode has ended.
"""

from __future__ import annotations

import asyncio
import os
import socket
from collections.abc import AsyncIterator, Collection, Mapping, Sequence
from typing import Any

from wideseek_baselines.engines.base import EngineLostError
from wideseek_baselines.rollout.config import RolloutConfig
from wideseek_baselines.rollout.driver import Driver
from wideseek_baselines.rollout.jobs import Finished, RolloutJob
from wideseek_env.messages import Role
from wideseek_env.scoring.judged import quiet


class RolloutWorker:
    """Runs groups of jobs. Call `start` first, then `run_group` for each group and `answer` for each job.

    A call of `run_group` has a whole group, because Ray may change the order of calls. `answer` returns the result of
    one job. It may even be called before `run_group`.
    """

    def __init__(self, config: RolloutConfig) -> None:
        self._config = config
        self._groups: asyncio.Queue[Sequence[RolloutJob]] = asyncio.Queue()
        self._jobs: dict[int, tuple[int, RolloutJob]] = {}
        self._answers: dict[int, asyncio.Future[Finished]] = {}
        self._driver: Driver | None = None
        self._running: asyncio.Task[None] | None = None

    async def start(self) -> dict[str, Any]:
        """Open policy and game, and start the engines. Returns the host and process id. Raises `ConfigError` if
        `config` is wrong.
        """
        with quiet():  # the driver's process has warned; the context goes to the thread
            policy, game = await asyncio.to_thread(self._config.open)
        self._driver = Driver(policy, game, options=self._config.driver)
        for engine in self._driver.engines:
            await engine.start()
        self._running = asyncio.create_task(self._run(self._driver))
        return {"host": socket.gethostname(), "pid": os.getpid()}

    async def run_group(self, group: Mapping[int, RolloutJob]) -> None:
        """Start the jobs of a group together. The keys of `group` are the numbers of the jobs. Each number is used only
        once.
        """
        for number, job in group.items():
            self._jobs[id(job)] = (number, job)
        self._groups.put_nowait(tuple(group.values()))

    async def answer(self, number: int) -> Finished:
        """Wait for the job with this number and return its result. Call it once per job.

        Raises `EngineLostError` if this worker has lost its engine.
        """
        if self._running is None or self._running.done():
            raise EngineLostError("this worker has lost its engine")
        try:
            return await self._answer(number)
        finally:
            del self._answers[number]

    async def cancel_all(self) -> None:
        """Cancel all jobs. They are returned with the error "cancelled"."""
        driver = self._opened()
        while not self._groups.empty():
            self._groups.get_nowait()
        for number, job in list(self._jobs.values()):
            if not driver.cancel(job):  # it has not started
                self._settle(number, job, Finished(job, None, None, "cancelled"))

    async def update_weights(self, weights: Any, version: int, roles: Collection[Role] = ()) -> None:
        """Replace the weights of the engines of `roles`, or by default of all engines. Jobs may be running."""
        driver = self._opened()
        await driver.update_weights(weights, version, engines=driver.engines_of(roles))

    async def each_engine(self, method: str) -> None:
        """Call a method without arguments of every engine: "sleep", "wake" or "close"."""
        for engine in self._opened().engines:
            await getattr(engine, method)()

    async def close(self) -> None:
        """End the jobs and the engines."""
        if self._running is not None:
            self._running.cancel()
            await asyncio.gather(self._running, return_exceptions=True)
            await self.each_engine("close")

    def _opened(self) -> Driver:
        if self._driver is None:
            raise EngineLostError("this worker has not started")
        return self._driver

    def _answer(self, number: int) -> asyncio.Future[Finished]:
        if number not in self._answers:
            self._answers[number] = asyncio.get_running_loop().create_future()
        return self._answers[number]

    def _settle(self, number: int, job: RolloutJob, outcome: Finished | EngineLostError) -> None:
        self._jobs.pop(id(job), None)
        answer = self._answer(number)
        if answer.done():
            return
        if isinstance(outcome, Finished):
            answer.set_result(outcome)
        else:
            answer.set_exception(outcome)

    async def _run(self, driver: Driver) -> None:
        lost = EngineLostError("this worker has stopped")
        try:
            async for finished in driver.run(self._arriving()):
                known = self._jobs.get(id(finished.job))
                if known is None:  # cancelled before it started
                    continue
                if finished.error.startswith(EngineLostError.__name__):
                    lost = EngineLostError(finished.error)
                self._settle(
                    *known, lost if finished.error.startswith(EngineLostError.__name__) else finished
                )
        except EngineLostError as error:
            lost = error
        finally:
            for number, job in list(self._jobs.values()):
                self._settle(number, job, lost)
            for answer in self._answers.values():
                if not answer.done():  # `answer` was called before its job came
                    answer.set_exception(lost)

    async def _arriving(self) -> AsyncIterator[RolloutJob]:
        while True:
            for job in await self._groups.get():
                yield job
