"""`EngineSummariser`: an engine of the rollout summarises pages.

It may be the policy's engine (the summariser ``engine`` of a game) or the engine of another model. Its requests go to
the engine together, which batches them with the turns of agents. The tokens of summaries are in no record for training.
"""

from __future__ import annotations

import asyncio
import itertools
import logging
import os
import threading
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Sequence
from concurrent.futures import Future
from contextlib import asynccontextmanager, contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn, TypeAlias

from wideseek_baselines.agents.base import GenerationRequest
from wideseek_baselines.agents.model import AgentModel
from wideseek_baselines.background import background
from wideseek_baselines.engines.base import Engine, EngineError, Generation, Request, Sampling
from wideseek_baselines.tokens import ChatTemplate, Thread
from wideseek_baselines.tokens.record import TurnRecord
from wideseek_env.errors import ConfigError, CopyError
from wideseek_env.llm.usage import Meter, Usage
from wideseek_env.policy import make_policy
from wideseek_env.reprs import short
from wideseek_env.summaries.base import Summary, SummaryRequest
from wideseek_env.summaries.cache import CACHE_BYTES, SummaryCache, request_key
from wideseek_env.summaries.failures import FailureLog
from wideseek_env.summaries.prompts import SummaryTexts, conversation, summary_of

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

Generate: TypeAlias = Callable[[GenerationRequest], Awaitable[Generation]]
"""Sends a request to its engine."""

LEAST_TOKENS = 64
"""The fewest tokens that are kept for a summary if the page is long."""

_CUTS = 8
_POLL = 1.0
_LOG = logging.getLogger(__name__)
_numbers = itertools.count()


class EngineSummariser:
    """Summarises pages with an engine.

    Threads call `summarise`. The engine runs on an event loop of another thread, so no loop ever waits for a summary.
    Summaries are cached by the whole request, the model and its policy version. A page that does not fit into the
    context of the model is cut, if the engine takes tokens.

    Args:
        model: An engine or an `AgentModel`. The chat template of an `AgentModel` is used without thinking.
        tokenizer: For engines that take tokens: a tokenizer, its folder or its hub name. None uses that of the model.
        texts: The texts of the requests.
        max_tokens: The most tokens of a summary.
        temperature: Temperature of sampling.
        timeout: The seconds that one summary may take, waits in queues included.
        cache_bytes: The most memory of cached summaries, in bytes.

    Raises:
        ConfigError: A setting is out of range, or there is no such tokenizer.
    """

    def __init__(
        self,
        model: Engine | AgentModel,
        *,
        tokenizer: str | Path | PreTrainedTokenizerBase | None = None,
        texts: SummaryTexts | None = None,
        max_tokens: int = 1024,
        temperature: float = 0.0,
        timeout: float = 120.0,
        cache_bytes: int = CACHE_BYTES,
    ) -> None:
        if not timeout > 0:
            raise ConfigError(f"the time limit of a summary must be above 0 seconds, not {timeout}")
        self._model = model if isinstance(model, AgentModel) else AgentModel(model, tokenizer=tokenizer)
        self.engine = self._model.engine
        template = self._model.template
        self._template: ChatTemplate | None = None
        if template is not None:
            self._template = ChatTemplate(template.tokenizer, thinking=False)
            self._template.stop_ids = template.stop_ids  # also those that only the model's folder names
        stops = template.stop_ids if template is not None else ()
        self._sampling = Sampling(max_tokens, temperature, seed=0, stop_ids=stops)
        self.texts = texts if texts is not None else SummaryTexts()
        self.timeout = timeout
        name = self.engine.info.model
        self.name = f"engine:{Path(name).name or name}"
        self._cache = SummaryCache(cache_bytes)
        self._meter = Meter()
        self._failures = FailureLog(_LOG)
        self._owned = False
        self._lock = threading.Lock()
        self._route: tuple[asyncio.AbstractEventLoop, Generate, Callable[[], Engine]] | None = None
        self._users = 0
        self._tasks: set[asyncio.Task[Summary]] = set()
        self._held = 0
        self._free: asyncio.Event | None = None

    def __repr__(self) -> str:
        return f"<EngineSummariser on {short(self.engine.info.name)}, {short(self.name)}>"

    def __copy__(self) -> EngineSummariser:
        return self

    def __deepcopy__(self, memo: dict[int, Any]) -> EngineSummariser:
        return self

    def __reduce__(self) -> NoReturn:
        raise CopyError(
            "a summariser with a live engine cannot be pickled or sent to another process: write summariser='engine', "
            "or name a function that makes it, module:name, such as wideseek_baselines.agents.summariser:model,…"
        )

    @property
    def usage(self) -> Usage:
        """The requests and tokens of all summaries so far."""
        return self._meter.total

    @property
    def pending(self) -> int:
        """The number of summaries that the engine is making, or that wait for it."""
        return len(self._tasks)

    # --- on any thread --------------------------------------------------------------------------------------------

    def summarise(self, requests: Sequence[SummaryRequest]) -> list[Summary]:
        """One summary for each request. A request that fails or takes too long gives a `Summary` with an error.

        Raises:
            ConfigError: The calling thread runs the event loop of the engine.
        """
        with self._lock:
            route = self._route
        if route is None:
            loop = background().loop
            route = (loop, self._alone, lambda: self.engine)
        loop, generate, engine = route
        if _running_loop() is loop:
            raise ConfigError(
                "summaries cannot be awaited on the event loop of their engine: use another thread"
            )
        version = engine().version
        asked = [(request, conversation(self.texts, request)) for request in requests]
        about = (self.engine.info.model, version, self._sampling.max_tokens, self._sampling.temperature)
        keys = [request_key("engine", *about, messages) for _, messages in asked]

        def run(numbers: list[int]) -> list[Summary]:
            chosen = [requests[number] for number in numbers]
            return _wait(asyncio.run_coroutine_threadsafe(self._all(chosen, generate), loop), loop)

        return self._cache.answer(keys, run, keep=lambda: engine().version == version)

    def close(self) -> None:
        """End the engine if `model` made it. The policy closes its engine itself."""
        if self._owned:
            background().run(self.engine.close())

    # --- on the engine's loop -------------------------------------------------------------------------------------

    @contextmanager
    def through(self, generate: Generate, engine: Callable[[], Engine]) -> Iterator[None]:
        """Send requests through `generate` on the running loop during a ``with`` block. A driver uses this.

        `engine` returns the engine that answers now. At the end of the block, pending summaries are cancelled.
        """
        with self._lock:
            if self._route is None:
                self._route = (asyncio.get_running_loop(), generate, engine)
            self._users += 1
        try:
            yield
        finally:
            with self._lock:
                self._users -= 1
                last = not self._users
                if last:
                    self._route = None
            if last:
                for task in list(self._tasks):
                    task.cancel()

    @asynccontextmanager
    async def held(self) -> AsyncIterator[None]:
        """Wait until all pending summaries have ended, and begin no other during an ``async with`` block.

        The weights change in such a block, so one version of the policy makes each whole summary. The wait is at most
        the time limit of a summary.
        """
        self._held += 1
        self._event().clear()
        try:
            while self._tasks:
                await asyncio.wait(list(self._tasks))
            yield
        finally:
            self._held -= 1
            if not self._held:
                self._event().set()

    def _event(self) -> asyncio.Event:
        if self._free is None:
            self._free = asyncio.Event()
            self._free.set()
        return self._free

    async def _all(self, requests: Sequence[SummaryRequest], generate: Generate) -> list[Summary]:
        while self._held:
            await self._event().wait()
        loop = asyncio.get_running_loop()
        tasks = [loop.create_task(self._one(request, generate)) for request in requests]
        self._tasks.update(tasks)
        for task in tasks:
            task.add_done_callback(self._tasks.discard)
        ended = await asyncio.gather(*tasks, return_exceptions=True)
        return [
            each if isinstance(each, Summary) else Summary("", error="the run has ended") for each in ended
        ]

    async def _one(self, request: SummaryRequest, generate: Generate) -> Summary:
        try:
            async with asyncio.timeout(self.timeout):
                return await self._made(request, generate)
        except TimeoutError:
            summary = Summary("", error=f"no summary within {self.timeout:g} seconds")
        except Exception as error:
            summary = Summary("", error=f"{type(error).__name__}: {error}"[:500])
        self._failures.tell(self.name, summary.error)
        return summary

    async def _made(self, request: SummaryRequest, generate: Generate) -> Summary:
        name = f"summary-{os.getpid()}-{next(_numbers)}"
        if self._template is None:
            asked = Request(name, self._sampling, messages=conversation(self.texts, request))
            generation = await generate(GenerationRequest(self.engine, asked))
            answer = str((generation.message or {}).get("content") or "")
        else:
            thread, ids, room = self._fitted(self._template, request)
            sampling = replace(self._sampling, max_tokens=room)
            asked = Request(name, sampling, ids=ids, adapter=self._model.adapter)
            generation = await generate(GenerationRequest(self.engine, asked))
            if generation.ids is None:
                raise EngineError(f"the engine {self.engine.info.name} returned no ids")
            # The message begins with the tag of a thought if the prompt leaves one open.
            thread.add(generation.ids, TurnRecord(0, 0, 0, [], (), generation.finish_reason))
            answer = str(thread.message["content"])
        self._meter.add(
            Usage(
                requests=1,
                prompt_tokens=generation.prompt_tokens,
                completion_tokens=generation.completion_tokens,
            )
        )
        tokens = generation.prompt_tokens, generation.completion_tokens, generation.cached_tokens
        return summary_of(answer, generation.finish_reason, *tokens)

    def _fitted(self, template: ChatTemplate, request: SummaryRequest) -> tuple[Thread, list[int], int]:
        """The conversation, its prompt and the room for the summary in tokens. The page is cut until both fit into the
        context."""
        context, wanted = self._model.context, self._sampling.max_tokens
        for _ in range(_CUTS):
            thread = template.thread()
            ids = thread.prompt(conversation(self.texts, request))
            room = wanted if context is None else context - len(ids)
            if room >= min(LEAST_TOKENS, wanted):
                return thread, ids, min(wanted, room)
            share = max(0.1, 0.9 - (LEAST_TOKENS - room) / len(ids))
            request = replace(request, page=request.page[: int(len(request.page) * share)])
        raise EngineError(f"the page does not fit into the model's context of {context} tokens")

    async def _alone(self, ask: GenerationRequest) -> Generation:
        await ask.engine.start()
        return await ask.engine.generate(ask.request)


def model(policy: str = "vllm", **options: Any) -> EngineSummariser:
    """A summariser with the engine of another model, which starts with the first summary.

    Name it in a configuration: ``wideseek_baselines.agents.summariser:model,policy=vllm,model=models/qwen3-4b``.

    Args:
        policy: The name of a language-model policy: vllm, openai or transformers.
        options: Options of the policy, such as ``model``.

    Raises:
        ConfigError: There is no such policy, or it has no engine.
    """
    made = make_policy(policy, **options)
    summariser = getattr(made, "summariser", None)
    if not isinstance(summariser, EngineSummariser):
        raise ConfigError(
            f"the policy {short(policy)} has no engine that can summarise pages; use vllm or openai"
        )
    summariser._owned = True
    return summariser


def _wait(future: Future[list[Summary]], loop: asyncio.AbstractEventLoop) -> list[Summary]:
    """The result of a coroutine on another loop. If that loop ends first, a failure."""
    while True:
        try:
            return future.result(_POLL)
        except TimeoutError:
            if loop.is_closed() or not loop.is_running():
                raise EngineError("the event loop of the engine has ended") from None


def _running_loop() -> asyncio.AbstractEventLoop | None:
    try:
        return asyncio.get_running_loop()
    except RuntimeError:
        return None
