"""`EnginePool`: the engines of a driver. It queues requests until an engine has room, and replaces lost engines."""

from __future__ import annotations

import asyncio
import dataclasses
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

from wideseek_baselines.agents.base import GenerationRequest
from wideseek_baselines.engines.base import Engine, EngineError, EngineLostError, Generation, Weights
from wideseek_baselines.rollout.admission import RequestGate
from wideseek_env.messages import count_characters

OnLost = Callable[[Engine], Awaitable[Engine | None]]
"""A function that is called with a lost engine. It returns another engine with the same weights, or None."""

CHARACTERS_PER_TOKEN = 4
"""Used to estimate the tokens of a request that has no ids."""


class EnginePool:
    """The engines of one policy, each with a gate for its requests. Use the pool on the event loop of the engines.

    Args:
        policy_engines: The engines that requests name. If an engine is lost, its replacement answers the requests for
            it.
        timeout: Timeout of a generation in seconds. None sets no limit.
        on_lost: A function that is called for a replacement when an engine is lost. With None, lost engines are not
            replaced.
    """

    def __init__(
        self, policy_engines: Sequence[Engine], *, timeout: float | None, on_lost: OnLost | None = None
    ) -> None:
        self._named = policy_engines
        self._timeout = timeout
        self._on_lost = on_lost
        self._on_gone: Callable[[EngineLostError], None] | None = None
        self._replaced: dict[int, Engine] = {}
        self._gone: dict[int, EngineLostError] = {}
        self._gates: dict[int, RequestGate] = {}
        self._replacing = asyncio.Lock()

    @property
    def engines(self) -> list[Engine]:
        """The policy's engines, or the engines that replaced them."""
        return [self.engine(engine) for engine in self._named]

    @property
    def waiting(self) -> int:
        """The number of requests that wait for an engine."""
        return sum(gate.waiting for gate in self._gates.values())

    async def start(self) -> None:
        """Start the engines for a new run."""
        self._gone = {}
        for engine in self.engines:
            await engine.start()
        self._gates = {id(engine): RequestGate(self.engine(engine).info) for engine in self._named}

    def tell(self, on_gone: Callable[[EngineLostError], None] | None) -> None:
        """Set the function to call when an engine is lost and not replaced."""
        self._on_gone = on_gone

    async def generate(self, ask: GenerationRequest, number: int, attempt: int) -> tuple[Generation, float]:
        """Send a request to its engine. Requests of episodes with lower numbers come first.

        Returns the generation, and the seconds that the request waited.

        Raises:
            EngineError: The engine failed or took too long.
            EngineLostError: The engine was lost and not replaced.
        """
        request = dataclasses.replace(ask.request, id=f"{number}.{attempt}/{ask.request.id}", priority=number)
        loop = asyncio.get_running_loop()
        since, tokens = loop.time(), request_tokens(ask)
        while True:
            async with self._gates[id(ask.engine)].turn(number, tokens):
                waited = loop.time() - since
                engine = self.engine(ask.engine)
                try:
                    async with asyncio.timeout(self._timeout) as limit:
                        return await engine.generate(request), waited
                except TimeoutError as error:
                    if not limit.expired():
                        raise
                    raise EngineError(
                        f"{engine.info.name} did not answer within {self._timeout:g} seconds"
                    ) from error
                except EngineLostError as error:
                    lost = error
            await self._replace(ask.engine, engine, lost)

    async def update_weights(
        self, weights: Weights, version: int, *, engines: Sequence[Engine] | None = None
    ) -> None:
        """Replace the weights of the policy's engines, between runs or during a run. By default this affects all
        engines.

        During the replacement, the pool sends no new requests. Requests in flight continue with the new weights. Their
        records tell which version generated which tokens. If an engine raises an `EngineError`, this method raises it
        after all engines have finished.
        """
        chosen = list(self._named if engines is None else engines)
        if len(chosen) > 1 and not isinstance(weights, Path):
            weights = list(weights)
        async with self._held(chosen):
            updates = (self.engine(engine).update_weights(weights, version) for engine in chosen)
            for outcome in await asyncio.gather(*updates, return_exceptions=True):
                if isinstance(outcome, BaseException):
                    raise outcome

    @asynccontextmanager
    async def paused(self) -> AsyncIterator[None]:
        """Pause all engines during an ``async with`` block. Requests in flight continue after it."""
        async with self._held(self._named), AsyncExitStack() as stack:
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

    def engine(self, asked: Engine) -> Engine:
        """The engine that answers requests for `asked`: itself, or its replacement."""
        return self._replaced.get(id(asked), asked)

    async def _replace(self, asked: Engine, lost: Engine, error: EngineLostError) -> None:
        """Replace a lost engine, once for all requests that noticed the loss. If there is no replacement, the run
        ends.
        """
        async with self._replacing:
            if self.engine(asked) is not lost:
                return
            if id(lost) in self._gone:  # an earlier request already ended everything
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
            if self._on_gone is not None:
                self._on_gone(error)
            raise error


def request_tokens(ask: GenerationRequest) -> int:
    """The number of tokens that a request's prompt needs in the cache. It is an estimate if the request has no ids."""
    request = ask.request
    if request.ids:
        return len(request.ids)
    return sum(count_characters(message) for message in request.messages) // CHARACTERS_PER_TOKEN


def context_tokens(ask: GenerationRequest, generation: Generation) -> int:
    """The number of tokens of a conversation after this generation."""
    return (generation.prompt_tokens or request_tokens(ask)) + generation.completion_tokens
