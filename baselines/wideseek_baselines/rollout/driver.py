"""`Driver`: plays many episodes at once over a policy's engines, each agent as fast as its own turns allow.

No agent waits for another and no episode for another, but for what the game itself makes it wait for: a lead for its
subagents' reports. What an episode leaves is the same as under the lock-step driver for the same generations.
"""

from __future__ import annotations

import asyncio
import dataclasses
from collections.abc import AsyncIterable, AsyncIterator, Awaitable, Callable, Iterable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

from wideseek_baselines.agents.base import GenerationRequest, TeamPolicy
from wideseek_baselines.engines.base import Engine, EngineError, EngineLostError, Generation, Weights
from wideseek_baselines.rollout.admission import RequestGate
from wideseek_baselines.rollout.crowd import Scheduler
from wideseek_baselines.rollout.options import DriverOptions, Finished
from wideseek_env.game import Game
from wideseek_env.policy import Job

OnLost = Callable[[Engine], Awaitable[Engine | None]]
"""Called with an engine that was lost; gives one that takes its place with the same weights, or None."""


class Driver:
    """Plays jobs with a policy. Its methods are called on the event loop on which its engines run or will start.

    Args:
        policy: Decides, through its engines.
        game: What is played. The driver does not close its tools.
        options: See `DriverOptions`.
        on_lost: What to do when an engine is lost; by default everything ends with `EngineLostError`. With a
            replacement the requests that were under way are asked again there.
    """

    def __init__(
        self,
        policy: TeamPolicy,
        game: Game,
        *,
        options: DriverOptions | None = None,
        on_lost: OnLost | None = None,
    ) -> None:
        self.policy = policy
        self.game = game
        self.options = options or DriverOptions()
        self._on_lost = on_lost
        self._replaced: dict[int, Engine] = {}
        self._gone: dict[int, EngineLostError] = {}
        self._gates: dict[int, RequestGate] = {}
        self._replacing = asyncio.Lock()
        self._crowd: Scheduler | None = None
        self._running = False

    @property
    def engines(self) -> list[Engine]:
        """The policy's engines, or what has replaced them."""
        return [self._engine(engine) for engine in self.policy.engines]

    async def run(self, jobs: Iterable[Job] | AsyncIterable[Job]) -> AsyncIterator[Finished]:
        """Play every job and give each back when it has ended, in the order of their ends.

        Jobs are taken one group at a time as there is room, from an iterable that may be endless; a plain one must
        not wait. Closing this iterator cancels what is under way.

        Raises:
            EngineLostError: An engine was lost and not replaced; the episodes under way have been given back with
                that error before, the other jobs have not been played.
            RuntimeError: This driver runs already.
        """
        if self._running:
            raise RuntimeError("this driver runs already: make another one for other jobs")
        self._running = True
        self._gone = {}
        try:
            for engine in self.engines:
                await engine.start()
            self._gates = {
                id(engine): RequestGate(self._engine(engine).info) for engine in self.policy.engines
            }
            self._crowd = crowd = Scheduler(
                self.policy,
                self.game,
                self.options,
                [engine.info for engine in self.engines],
                self._generate,
            )
            crowd.begin(jobs)
            while (finished := await crowd.next()) is not None:
                yield finished
        finally:
            if self._crowd is not None:
                await self._crowd.close()
            self._crowd = None
            self._running = False

    def cancel(self, job: Job) -> bool:
        """End a job that is under way; it comes back with the error "cancelled". False when it is not under way."""
        return self._crowd is not None and self._crowd.cancel(job)

    @property
    def waiting(self) -> int:
        """Requests that wait in the driver for their turn at an engine."""
        return sum(gate.waiting for gate in self._gates.values())

    async def update_weights(
        self, weights: Weights, version: int, *, engines: Sequence[Engine] | None = None
    ) -> None:
        """Give new weights to engines of the policy (by default all), between runs or in the middle of one.

        No request goes out meanwhile; those under way go on with the new weights, and their tokens say which version
        made them. `EngineError` from an engine is passed on when all have ended.
        """
        chosen = list(self.policy.engines if engines is None else engines)
        if len(chosen) > 1 and not isinstance(weights, Path):
            weights = list(weights)
        async with self._held(chosen):
            updates = (self._engine(engine).update_weights(weights, version) for engine in chosen)
            for outcome in await asyncio.gather(*updates, return_exceptions=True):
                if isinstance(outcome, BaseException):
                    raise outcome

    @asynccontextmanager
    async def paused(self) -> AsyncIterator[None]:
        """Stop all engines' work for the time of an ``async with`` block; what is under way goes on after it."""
        async with self._held(self.policy.engines), AsyncExitStack() as stack:
            for engine in self.engines:
                await engine.pause()
                stack.push_async_callback(engine.resume)
            yield

    @asynccontextmanager
    async def _held(self, engines: Sequence[Engine]) -> AsyncIterator[None]:
        gates = [self._gates[id(engine)] for engine in engines if id(engine) in self._gates]
        for gate in gates:
            gate.hold()
        try:
            yield
        finally:
            for gate in gates:
                gate.release()

    def _engine(self, asked: Engine) -> Engine:
        return self._replaced.get(id(asked), asked)

    async def _generate(
        self, ask: GenerationRequest, number: int, attempt: int, tokens: int
    ) -> tuple[Generation, float]:
        """Ask an engine when it is the turn of episode `number`; also the seconds waited for that."""
        request = dataclasses.replace(ask.request, id=f"{number}.{attempt}/{ask.request.id}", priority=number)
        loop = asyncio.get_running_loop()
        since = loop.time()
        while True:
            async with self._gates[id(ask.engine)].turn(number, tokens):
                waited = loop.time() - since
                engine = self._engine(ask.engine)
                try:
                    async with asyncio.timeout(self.options.request_timeout) as limit:
                        return await engine.generate(request), waited
                except TimeoutError as error:
                    if not limit.expired():
                        raise
                    seconds = self.options.request_timeout
                    raise EngineError(
                        f"{engine.info.name} did not answer within {seconds:g} seconds"
                    ) from error
                except EngineLostError as error:
                    lost = error
            await self._replace(ask.engine, engine, lost)

    async def _replace(self, asked: Engine, lost: Engine, error: EngineLostError) -> None:
        """Put another engine in place of a lost one, once for all who noticed; ends everything when there is none."""
        async with self._replacing:
            if self._engine(asked) is not lost:
                return
            if id(lost) in self._gone:  # whoever asked before has ended everything
                raise self._gone[id(lost)]
            try:
                new = await self._on_lost(lost) if self._on_lost is not None else None
                if new is not None:
                    await new.start()
                    self._replaced[id(asked)] = new
                    return
            except Exception as failure:
                why = f"{error}; it could not be replaced: {type(failure).__name__}: {failure}"
                error = EngineLostError(why)
                error.__cause__ = failure
            self._gone[id(lost)] = error
            if self._crowd is not None:
                self._crowd.lose(error)
            raise error
