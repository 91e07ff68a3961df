"""`RolloutWorker`: one process of a Ray cluster that plays episodes over an engine of its own.

It is an asynchronous actor: its engine, its driver and all calls share the actor's event loop, and every episode is one
call that is answered when the episode has ended.
"""

from __future__ import annotations

import asyncio
import os
import socket
from collections.abc import AsyncIterator
from typing import Any

from wideseek_baselines.engines.base import EngineLostError
from wideseek_baselines.rollout.config import RolloutConfig
from wideseek_baselines.rollout.driver import Driver
from wideseek_baselines.rollout.options import Finished, RolloutJob


class RolloutWorker:
    """Plays what `play` is called with. Nothing happens before `start`, which says what is wrong with `config`."""

    def __init__(self, config: RolloutConfig) -> None:
        self._config = config
        self._jobs: asyncio.Queue[RolloutJob] = asyncio.Queue()
        self._open: dict[int, tuple[RolloutJob, asyncio.Future[Finished]]] = {}
        self._driver: Driver | None = None
        self._running: asyncio.Task[None] | None = None

    async def start(self) -> dict[str, Any]:
        """Open policy and game and start the engines; returns where this worker is."""
        policy, setup = await asyncio.to_thread(self._config.open)
        self._driver = Driver(policy, setup, options=self._config.driver)
        for engine in self._driver.engines:
            await engine.start()
        self._running = asyncio.create_task(self._run(self._driver))
        return {"host": socket.gethostname(), "pid": os.getpid()}

    async def play(self, job: RolloutJob) -> Finished:
        """Play one job to its end. `EngineLostError` when this worker can play nothing any more."""
        if self._running is None or self._running.done():
            raise EngineLostError("this worker has lost its engine")
        answer: asyncio.Future[Finished] = asyncio.get_running_loop().create_future()
        self._open[id(job)] = (job, answer)
        self._jobs.put_nowait(job)
        try:
            return await answer
        finally:
            del self._open[id(job)]
            if answer.cancelled() and self._driver is not None:
                self._driver.cancel(job)

    async def cancel_all(self) -> None:
        """End all jobs; they come back with the error "cancelled"."""
        driver = self._opened()
        while not self._jobs.empty():
            self._jobs.get_nowait()
        for job, answer in list(self._open.values()):
            if not driver.cancel(job) and not answer.done():
                answer.set_result(Finished(job, None, None, "cancelled"))

    async def update_weights(self, weights: Any, version: int) -> None:
        """Replace the weights of all engines; see `Driver.update_weights`."""
        await self._opened().update_weights(weights, version)

    async def each_engine(self, method: str) -> None:
        """Call a method without arguments on every engine: "sleep", "wake" or "close"."""
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

    async def _run(self, driver: Driver) -> None:
        lost = EngineLostError("this worker has stopped")
        try:
            async for finished in driver.run(self._arriving()):
                _, answer = self._open.get(id(finished.job), (None, None))
                if answer is None or answer.done():
                    continue
                if finished.error.startswith(EngineLostError.__name__):
                    lost = EngineLostError(finished.error)
                    answer.set_exception(lost)
                else:
                    answer.set_result(finished)
        except EngineLostError as error:
            lost = error
        finally:
            for _, answer in list(self._open.values()):
                if not answer.done():
                    answer.set_exception(lost)

    async def _arriving(self) -> AsyncIterator[RolloutJob]:
        while True:
            yield await self._jobs.get()
