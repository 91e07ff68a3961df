"""An engine that uses an OpenAI-compatible server. It works with messages, or with token ids if the server is vLLM."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path
from typing import Any

from wideseek_baselines.engines.base import (
    EngineError,
    EngineInfo,
    EngineLostError,
    Generation,
    Request,
    Sampling,
    Weights,
)
from wideseek_baselines.engines.openai_http import Link, RefusedError, Reply
from wideseek_baselines.engines.openai_probe import Found, check_tokens, look
from wideseek_baselines.engines.openai_wire import (
    ChatAnswer,
    Counts,
    TokenAnswer,
    chat_messages,
    read_chat,
    read_tokens,
    sampling_fields,
    token_fields,
)
from wideseek_env.errors import ConfigError
from wideseek_env.llm.budget import CHARACTERS_PER_TOKEN, Endpoint, TokenBudget
from wideseek_env.llm.retry import RetryPolicy
from wideseek_env.llm.usage import Prices, Usage
from wideseek_env.llm.wire import checked_address

_TOO_LONG = re.compile(
    r"context[_ ]length|context[_ ]window|maximum context|prompt (?:is|was) too long|too many (?:input )?tokens",
    re.IGNORECASE,
)
_ALL_WILL_FAIL = (401, 402, 403, 404)
_MIN_TEMPERATURE = 0.01  # vLLM silently raises smaller ones to this


class OpenAIEngine:
    """An `Engine` that sends requests to ``{base_url}/completions`` or ``{base_url}/chat/completions``.

    With a `tokenizer`, the engine takes tokens and needs a vLLM server. It sends prompts as ids and gets the sampled
    ids with their log-probabilities, which a trainer can use. `start` checks that the server works with token ids and
    has the same tokenizer.

    Without a `tokenizer`, the engine takes messages and works with any server. It sends the tools of a request in the
    field `tools`. `Generation.ids` is None.

    At most `concurrency` requests are in flight. Other requests wait in the order of arrival. `Request.priority` has no
    effect.
    """

    def __init__(
        self,
        base_url: str,
        model: str,
        *,
        api_key_env: str = "OPENAI_API_KEY",
        tokenizer: str | Path | None = None,
        concurrency: int = 64,
        timeout: float = 600.0,
        retry: RetryPolicy | None = None,
        prices: Prices | None = None,
        fields: Mapping[str, Any] | None = None,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        """Check the settings. The engine sends nothing before `start`.

        Args:
            base_url: Address of the API, such as ``http://127.0.0.1:8000/v1``.
            model: The name of the model at the server.
            api_key_env: Environment variable with the API key. The engine reads the variable for each request. Local
                servers need no key.
            tokenizer: Folder or hub name of the model's tokenizer. With it, the engine works with token ids. With None,
                it works with messages.
            concurrency: The largest number of requests in flight at the same time.
            timeout: Largest number of seconds of one attempt, from sending the request to the last byte of the answer.
            retry: When to send failed requests again. None means `RetryPolicy()`.
            prices: Prices from which `usage` computes the cost. With None, the cost is 0.
            fields: Additional fields of every request, such as ``{"reasoning_effort": "low"}``. They override the
                engine's fields. A value of None removes a field that the server does not know.
            sleep: Function that waits between attempts. Tests replace it.

        Raises:
            ConfigError: The address is invalid or contains credentials, or a limit is not positive.
        """
        if not model:
            raise ConfigError("an engine needs the name of the model that the server serves")
        if not 0 < timeout < float("inf") or concurrency < 1:
            raise ConfigError("timeout must be a positive number of seconds and concurrency at least 1")
        self._link = Link(
            checked_address(base_url),
            api_key_env=api_key_env,
            timeout=timeout,
            concurrency=concurrency,
            retry=retry or RetryPolicy(),
            sleep=sleep,
        )
        self._model = model
        self._tokenizer = tokenizer
        self._concurrency = concurrency
        self._prices = prices or Prices()
        self._fields = dict(fields or {})
        self._found = Found(False, None)
        self._after_temperature = False
        self._limit_name = "max_tokens"
        self._thought_field = ""
        self._returns_thoughts = True
        self._starting = asyncio.Lock()
        self._going = asyncio.Event()
        self._going.set()
        self._started = False

    def __repr__(self) -> str:
        return f"OpenAIEngine({self._link.shown!r}, {self._model!r})"

    @property
    def info(self) -> EngineInfo:
        """Facts about the engine. `context` is set after `start`, if the server reports it."""
        return EngineInfo(
            "openai",
            self._model,
            "messages" if self._tokenizer is None else "tokens",
            context=self._found.context,
            max_requests=self._concurrency,
        )

    @property
    def version(self) -> int:
        """Always 0, because the engine cannot change the server's weights."""
        return 0

    @property
    def usage(self) -> Usage:
        """The usage of all requests of this engine so far."""
        return self._link.meter.total

    @property
    def endpoints(self) -> tuple[Endpoint, ...]:
        """The service that this engine uses."""
        return (Endpoint.of(self._link.base_url, self._model),)

    def limit_tokens(self, budget: TokenBudget) -> None:
        """Count tokens in `budget`. When it is used up, `generate` raises `EngineError`."""
        self._link.token_budget = budget

    async def start(self) -> None:
        """Find out what the server can do.

        Raises:
            ConfigError: The server refuses the key, serves other models, or cannot work with token ids and this
                `tokenizer`.
            EngineLostError: No server answers at the address.
        """
        async with self._starting:
            if self._started:
                return
            self._link.open()
            try:
                self._found = await look(self._link, self._model)
                if self._tokenizer is not None:
                    from wideseek_baselines.tokens.loading import load_tokenizer

                    tokenizer = await asyncio.to_thread(load_tokenizer, self._tokenizer)
                    self._after_temperature = await check_tokens(self._link, self._model, tokenizer)
            except BaseException:
                await self._link.close()
                raise
            self._started = True

    async def generate(self, request: Request) -> Generation:
        """Generate one turn, from token ids with a `tokenizer` and from messages without.

        Raises:
            EngineError: The request is too long, or the server refused it, or all attempts failed.
            EngineLostError: The server does not answer any more, or it no longer accepts the key or the account.
        """
        if not self._started:
            raise EngineLostError(f"the engine for {self._link.shown} is not running: await start() first")
        await self._going.wait()
        try:
            if self._tokenizer is None:
                return await self._chat(request)
            return await self._complete(request)
        except RefusedError as error:
            if error.status in _ALL_WILL_FAIL:
                raise EngineLostError(str(error)) from None
            if _TOO_LONG.search(error.said):
                raise EngineError(
                    f"request {request.id} is too long for {self._model}: shorten the prompt or lower max_tokens "
                    f"({error.said})"
                ) from None
            raise

    async def update_weights(self, weights: Weights, version: int) -> None:
        """Not possible for a server. Always raises `ConfigError`."""
        raise ConfigError(
            f"the weights of the server at {self._link.shown} cannot be replaced from here: restart it with the "
            "new ones, or train with the vLLM engine, which runs in this process"
        )

    async def pause(self) -> None:
        """Send no new requests. The server finishes the requests in flight."""
        self._going.clear()

    async def resume(self) -> None:
        """Continue after `pause`."""
        self._going.set()

    async def sleep(self) -> None:
        """Does nothing, because the memory belongs to the server."""

    async def wake(self) -> None:
        """Does nothing, like `sleep`."""

    async def close(self) -> None:
        """Close the connections. This ends the requests in flight. The server keeps running."""
        self._started = False
        await self._link.close()

    async def _complete(self, request: Request) -> Generation:
        """Generate one turn from token ids."""
        prompt, sampling, context = len(request.ids), request.sampling, self._found.context
        if not prompt:
            raise EngineError(f"request {request.id} has no prompt: this engine takes Request.ids")
        if context is not None and prompt >= context:
            raise EngineError(
                f"request {request.id} is too long: its prompt has {prompt} tokens, and the context of {context} "
                "leaves no room for an answer: shorten it"
            )
        self._check_temperature(sampling)
        body = token_fields(request.ids, sampling)
        if context is not None:
            body["max_tokens"] = min(sampling.max_tokens, context - prompt)
        reply = await self._ask("/completions", body, read_tokens)
        answer: TokenAnswer = reply.value
        self._count(answer.counts, prompt * CHARACTERS_PER_TOKEN, len(answer.ids) * CHARACTERS_PER_TOKEN)
        if answer.counts.prompt not in (0, prompt):
            raise EngineError(
                f"the server read {answer.counts.prompt} prompt tokens, but {prompt} were sent: it changes prompts, so "
                "its answers cannot be used for training; use a server that does not"
            )
        return Generation(
            answer.finish_reason,
            ids=answer.ids,
            logprobs=answer.logprobs,
            versions=((0, len(answer.ids)),),
            prompt_tokens=prompt,
            completion_tokens=len(answer.ids),
            cached_tokens=answer.counts.cached,
            queued=reply.queued,
            generating=reply.working,
        )

    def _check_temperature(self, sampling: Sampling) -> None:
        temperature = sampling.temperature
        if 0 < temperature < _MIN_TEMPERATURE:
            raise EngineError(
                f"vLLM samples with temperature 0 or at least {_MIN_TEMPERATURE}, not {temperature}"
            )
        plain = sampling.unbiased and temperature == 1
        if not (plain or temperature == 0 or self._after_temperature):
            raise EngineError(
                "this server reports log-probabilities before temperature, top-p and top-k: start vLLM with "
                "--logprobs-mode processed_logprobs, sample with temperature 1 alone, or leave the tokenizer out"
            )

    async def _chat(self, request: Request) -> Generation:
        """Generate one turn from messages."""
        if not request.messages:
            raise EngineError(f"request {request.id} has no messages: this engine takes Request.messages")
        sampling, vllm, context = request.sampling, self._found.vllm, self._found.context
        body: dict[str, Any] = sampling_fields(sampling, every=vllm)
        if context is not None:
            body["max_tokens"] = min(sampling.max_tokens, context)
        if vllm:
            body["skip_special_tokens"] = False  # markers of calls are special tokens in some model families
        if vllm and sampling.stop_ids:
            body["stop_token_ids"] = list(sampling.stop_ids)
        if request.tools:
            body["tools"] = [dict(tool) for tool in request.tools]
        reply = await self._ask_chat(request, body)
        answer: ChatAnswer = reply.value
        self._thought_field = self._thought_field or answer.thought_field
        self._count(answer.counts, len(str(request.messages)) + len(str(body)), len(str(answer.message)))
        return Generation(
            answer.finish_reason,
            message=answer.message,
            prompt_tokens=answer.counts.prompt,
            completion_tokens=answer.counts.completion,
            cached_tokens=answer.counts.cached,
            queued=reply.queued,
            generating=reply.working,
        )

    async def _ask_chat(self, request: Request, body: Mapping[str, Any]) -> Reply[Any]:
        """Send a chat request. If the server refuses a field that another server needs, send it without this field."""
        while True:
            limit_name = self._limit_name
            field = self._thought_field if self._returns_thoughts else ""
            messages = chat_messages(request.messages, self._thought_field)
            if self._thought_field and not field:
                messages = [
                    {key: value for key, value in message.items() if key != self._thought_field}
                    for message in messages
                ]
            try:
                return await self._ask("/chat/completions", {"messages": messages, **body}, read_chat)
            except RefusedError as error:
                # Newer models of OpenAI accept the limit under its new name only.
                if "max_completion_tokens" in error.said and limit_name == "max_tokens":
                    self._limit_name = "max_completion_tokens"
                elif field and field in error.said:
                    self._returns_thoughts = False
                else:
                    raise

    async def _ask(self, path: str, body: Mapping[str, Any], read: Callable[[Any], Any]) -> Reply[Any]:
        renamed = {self._limit_name if name == "max_tokens" else name: value for name, value in body.items()}
        whole = {"model": self._model, **renamed, **self._fields}
        return await self._link.ask(
            "POST", path, read, {name: value for name, value in whole.items() if value is not None}
        )

    def _count(self, counts: Counts, asked: int, wrote: int) -> None:
        """Count a reply. `asked` and `wrote` are the characters of request and reply."""
        if self._link.token_budget is not None:
            self._link.token_budget.add(counts.prompt, counts.completion, asked=asked, wrote=wrote)
        cost = (counts.prompt * self._prices.prompt + counts.completion * self._prices.completion) / 1e6
        unmetered = 0 if counts.prompt or counts.completion else 1
        self._link.meter.add(
            Usage(
                prompt_tokens=counts.prompt,
                completion_tokens=counts.completion,
                cost=cost,
                unmetered=unmetered,
            )
        )
