"""`SimulatedEngine`: an engine without a model, for tests of drivers and for planning capacity.

A function that you pass writes the messages. A latency model decides how long each generation takes, and faults can be
injected. So a simulation shows how drivers and queues behave. It shows nothing about real models. On a
`wideseek_baselines.engines.virtual_time.VirtualLoop` a simulation is exact, repeatable and takes no real time.
"""

from __future__ import annotations

import asyncio
import math
import random
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal, Protocol, TypeAlias

from wideseek_baselines.engines.base import (
    EngineError,
    EngineInfo,
    EngineLostError,
    FinishReason,
    Generation,
    Request,
    Weights,
)
from wideseek_baselines.engines.toy_tokens import BEGIN, END, decode_text, encode_text
from wideseek_env.errors import ConfigError
from wideseek_env.messages import count_characters

Answer: TypeAlias = "Callable[[Request], str]"
"""A function that writes the assistant's text for a request."""


class Latency(Protocol):
    """The time that a generation takes."""

    def __call__(self, prompt: int, completion: int, running: int, dice: random.Random) -> float:
        """Seconds for a generation.

        Args:
            prompt: Number of prompt tokens that are not cached.
            completion: Number of generated tokens.
            running: Number of requests that run at the same time, including this one.
            dice: Source of random numbers.
        """
        ...


@dataclass(frozen=True, slots=True)
class LogNormal:
    """The time of a generation is log-normal with mean `mean` in seconds. `sigma` is the standard deviation of the
    logarithm of the time.

    Turns of agents have such times, because most turns are short calls and a few are long texts.
    """

    mean: float = 1.0
    sigma: float = 0.8

    def __call__(self, prompt: int, completion: int, running: int, dice: random.Random) -> float:
        """Seconds for a generation. They do not depend on its length."""
        return dice.lognormvariate(math.log(self.mean) - self.sigma**2 / 2, self.sigma)


@dataclass(frozen=True, slots=True)
class Speed:
    """The time of a generation is computed from its number of tokens.

    The engine reads `prefill` prompt tokens per second. Each request generates `decode` tokens per second. If all
    running requests together would exceed `total` tokens per second, they share `total`.
    """

    prefill: float = 10_000.0
    decode: float = 50.0
    total: float = 2_000.0

    def __call__(self, prompt: int, completion: int, running: int, dice: random.Random) -> float:
        """Seconds for reading the prompt and generating the completion."""
        return prompt / self.prefill + completion * max(1 / self.decode, running / self.total)


@dataclass(frozen=True, slots=True)
class Faults:
    """The probabilities of faults, for each request."""

    error: float = 0.0
    """The request raises `EngineError` after its usual time."""
    malformed: float = 0.0
    """The text is cut off in the middle, with finish reason "stop"."""
    cut: float = 0.0
    """The text is cut off in the middle, with finish reason "length"."""
    hang: float = 0.0
    """The request never gets an answer."""
    loss: float = 0.0
    """The engine is lost: this and every other request raises `EngineLostError`."""

    def __post_init__(self) -> None:
        rates = (self.error, self.malformed, self.cut, self.hang, self.loss)
        if any(rate < 0 for rate in rates) or sum(rates) > 1:
            raise ConfigError(f"fault rates must be 0 or more and at most 1 together, not {rates}")

    def draw(self, dice: random.Random) -> str:
        """Draw a fault and return its name, or "" for no fault."""
        point = dice.random()
        for name in ("error", "malformed", "cut", "hang", "loss"):
            point -= getattr(self, name)
            if point < 0:
                return name
        return ""


class SimulatedEngine:
    """An engine without a model. The function `answer` writes its texts, and `latency` decides how long they take.

    Args:
        answer: Callable that writes the text for each request.
        takes: "messages", or "tokens" for the toy tokenization of `wideseek_baselines.engines.toy_tokens`. With
            "tokens", each id has an invented log-probability, which depends on the id and its position.
        latency: How long generations take. The random numbers depend on `seed` and on the request's seed and prompt,
            not on the order of requests. So two drivers get the same times.
        faults: The probability of each kind of fault. Faults are drawn in the order in which requests are processed.
        seed: Seed of latencies and faults.
        context: The largest number of tokens of one request that `info` reports.
        kv_tokens: The capacity of the key-value cache in tokens that `info` reports.
        max_requests: The largest number of requests that are processed at the same time. Further requests wait in order
            of arrival.
        prefix_cache: Whether a conversation counts as cached up to its last assistant message.
    """

    def __init__(
        self,
        answer: Answer,
        *,
        takes: Literal["tokens", "messages"] = "messages",
        latency: Latency = LogNormal(),
        faults: Faults = Faults(),
        seed: int = 0,
        context: int | None = None,
        kv_tokens: int | None = None,
        max_requests: int | None = None,
        prefix_cache: bool = True,
    ) -> None:
        self._answer = answer
        self._latency = latency
        self._faults = faults
        self._seed = seed
        self._dice = random.Random(seed)
        self._prefix_cache = prefix_cache
        self._info = EngineInfo("simulated", "simulated", takes, context, kv_tokens, max_requests)
        self._version = 0
        self._lost = False
        self._started = False
        self._slots: asyncio.Semaphore | None = None
        self._working = asyncio.Event()
        self._under_way: dict[str, asyncio.Future[None]] = {}
        self._running = 0

    @property
    def info(self) -> EngineInfo:
        """Facts about the engine, as given to the constructor."""
        return self._info

    @property
    def version(self) -> int:
        """The policy version: 0 at first, then the version of the latest `update_weights`."""
        return self._version

    @property
    def under_way(self) -> list[str]:
        """The ids of the requests that are being processed."""
        return list(self._under_way)

    async def start(self) -> None:
        """Start the engine. Does nothing if it has started."""
        if not self._started:
            self._started = True
            if self._info.max_requests is not None:
                self._slots = asyncio.Semaphore(self._info.max_requests)
            self._working.set()

    async def generate(self, request: Request) -> Generation:
        """Generate one turn. Raises `EngineError` or `EngineLostError` when a fault is drawn."""
        self._check()
        if request.id in self._under_way:
            raise EngineError(f"a request {request.id!r} is already in flight: give each request another id")
        arrived = asyncio.get_running_loop().time()
        if self._slots is None:
            return await self._work(request, arrived)
        async with self._slots:
            return await self._work(request, arrived)

    async def _work(self, request: Request, arrived: float) -> Generation:
        loop = asyncio.get_running_loop()
        await self._working.wait()
        self._check()
        fault = self._faults.draw(self._dice)
        if fault == "loss":
            self._lose()
            self._check()
        text = self._answer(request)
        if fault in ("malformed", "cut"):
            text = text[: len(text) // 2]
        prompt, cached, key = self._measure(request)
        ids = encode_text(text)
        reason: FinishReason = (
            "length" if fault == "cut" or len(ids) >= request.sampling.max_tokens else "stop"
        )
        tokens = self._info.takes == "tokens"
        if reason == "length":
            ids = ids[: request.sampling.max_tokens]
            text = decode_text(ids) if tokens or len(ids) == request.sampling.max_tokens else text
        else:
            ids.append(END)
        size = len(ids) if tokens else max(1, len(text) // 4)
        dice = random.Random(f"{self._seed}/{request.sampling.seed}/{prompt}/{key}")
        began, version = loop.time(), self._version
        await self._pass_time(
            request.id,
            None if fault == "hang" else self._latency(prompt - cached, size, self._running + 1, dice),
        )
        await self._working.wait()
        if fault == "error":
            raise EngineError(f"the simulated engine failed on {request.id}")
        return Generation(
            finish_reason=reason,
            ids=ids if tokens else None,
            logprobs=[toy_logprob(token, at) for at, token in enumerate(ids)] if tokens else None,
            message=None if tokens else _message(text, reason),
            versions=_versions(version, self._version, size),
            prompt_tokens=prompt,
            completion_tokens=size,
            cached_tokens=cached,
            queued=began - arrived,
            generating=loop.time() - began,
        )

    async def _pass_time(self, request_id: str, seconds: float | None) -> None:
        loop = asyncio.get_running_loop()
        done: asyncio.Future[None] = loop.create_future()
        timer = None if seconds is None else loop.call_later(seconds, _finish, done)
        self._under_way[request_id] = done
        self._running += 1
        try:
            await done
        finally:
            self._running -= 1
            del self._under_way[request_id]
            if timer is not None:
                timer.cancel()

    def _measure(self, request: Request) -> tuple[int, int, int]:
        """The number of prompt tokens, the number of cached ones, and a hash of the prompt."""
        if self._info.takes == "tokens":
            ids = request.ids
            cached = 0
            if self._prefix_cache:  # everything up to the end of the last generated turn
                begin = next(
                    (at for at in range(len(ids) - 2, -1, -1) if ids[at] == BEGIN["assistant"]), None
                )
                cached = 0 if begin is None else ids.index(END, begin) + 1
            return len(ids), cached, zlib.crc32(repr(ids).encode())
        sizes = [count_characters(message) for message in request.messages]
        last = max((at for at, m in enumerate(request.messages) if m["role"] == "assistant"), default=-1)
        cached = sum(sizes[: last + 1]) // 4 if self._prefix_cache else 0
        return sum(sizes) // 4, cached, zlib.crc32(request.messages[-1]["content"].encode())

    def _check(self) -> None:
        if self._lost:
            raise EngineLostError("the simulated engine is lost")
        if not self._started:
            raise EngineError("the engine has not been started: await start() first")

    def _lose(self) -> None:
        self._lost = True
        for done in self._under_way.values():
            if not done.done():
                done.set_exception(EngineLostError("the simulated engine was lost"))

    async def update_weights(self, weights: Weights, version: int) -> None:
        """Set the version. `weights` are ignored."""
        self._check()
        self._version = version

    async def pause(self) -> None:
        """Stop processing requests. Requests in flight and new requests wait until `resume`."""
        self._working.clear()

    async def resume(self) -> None:
        """Continue after `pause`."""
        self._working.set()

    async def sleep(self) -> None:
        """Does nothing."""

    async def wake(self) -> None:
        """Does nothing."""

    async def close(self) -> None:
        """End the engine. Requests in flight raise `EngineLostError`."""
        self._lose()
        self._working.set()


def toy_logprob(token: int, position: int) -> float:
    """The invented log-probability of a sampled id, in nats."""
    return -((token * 31 + position * 7) % 97) / 100


def _message(text: str, reason: FinishReason) -> dict[str, str]:
    message = {"role": "assistant", "content": text}
    return {**message, "finish_reason": reason} if reason == "length" else message


def _versions(before: int, after: int, size: int) -> tuple[tuple[int, int], ...]:
    if before == after or size < 2:
        return ((after, size),)
    return ((before, size // 2), (after, size - size // 2))


def _finish(done: asyncio.Future[None]) -> None:
    if not done.done():
        done.set_result(None)
