"""`ChatClient`: sends conversations to an OpenAI-compatible endpoint, with retries, limits and a record of usage."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from random import Random
from typing import Any, NamedTuple

import requests

from wideseek_env.addresses import without_keys
from wideseek_env.errors import ConfigError, ServiceError
from wideseek_env.llm.budget import Endpoint, TokenBudget
from wideseek_env.llm.exchange import Exchange, GivenUpError, RefusedRequestError, TransientError, encode_body
from wideseek_env.llm.key import ApiKey
from wideseek_env.llm.retry import RetryPolicy
from wideseek_env.llm.usage import Meter, Prices, Usage
from wideseek_env.llm.wire import ChatReply, Message, checked_address, reply_of

_LARGEST_REPLY = 32 << 20
_CHUNK = 1 << 16


class _Bearer(requests.auth.AuthBase):
    """Adds the API key to a request, if there is one. Because it is an auth object, `requests` does not read a key from
    a .netrc file."""

    def __init__(self, key: str) -> None:
        self._key = key

    def __call__(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
        if self._key:
            request.headers["Authorization"] = f"Bearer {self._key}"
        return request


class _Runtime(NamedTuple):
    """The state that belongs to one process and is neither copied nor pickled."""

    pid: int
    session: requests.Session
    slots: threading.BoundedSemaphore


class ChatClient:
    """Sends conversations to ``{base_url}/chat/completions``. Several threads may use the object at the same time. The
    object can be pickled.

    For each request the client reads the API key from the environment variable `api_key_env`. The key is not stored. If
    the variable is not set, requests have no key. Local servers often need none. The key appears in no error, log or
    representation.

    Failed connections, timeouts, statuses such as 429 and 503, and replies that are not chat completions are retried
    according to `retry`. ``Retry-After`` is respected. All other error statuses raise `ServiceError` at once.
    """

    def __init__(
        self,
        base_url: str,
        model: str,
        *,
        api_key_env: str = "OPENAI_API_KEY",
        timeout: float = 120.0,
        concurrency: int = 8,
        retry: RetryPolicy | None = None,
        prices: Prices | None = None,
        sleep: Callable[[float], None] = time.sleep,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Make a client. Nothing is sent yet.

        Args:
            base_url: The URL of the API, such as ``http://127.0.0.1:8000/v1``.
            model: The name of the model on the server.
            api_key_env: The name of the environment variable with the key.
            timeout: The seconds that one request may take, from sending it to the last byte of the reply.
            concurrency: The most requests in flight at the same time, over all threads.
            retry: When failed requests are sent again. None means `RetryPolicy()`.
            prices: The prices from which the cost in `usage` is computed. None means that tokens cost nothing.
            sleep: Waits a number of seconds, for tests.
            clock: The monotonic time in seconds, for tests.

        Raises:
            ConfigError: The URL is invalid or contains credentials, or a limit is not positive.
        """
        self.base_url = checked_address(base_url)
        if not model:
            raise ConfigError("a chat client needs the name of a model")
        if not 0 < timeout < float("inf") or concurrency < 1:
            raise ConfigError("timeout must be a positive number of seconds and concurrency at least 1")
        self.model = model
        self.api_key_env = api_key_env
        self._key = ApiKey(api_key_env)
        self.timeout = timeout
        self.concurrency = concurrency
        self.retry = retry or RetryPolicy()
        self.prices = prices or Prices()
        self._sleep, self._clock = sleep, clock
        self._meter = Meter()
        self.token_budget: TokenBudget | None = None
        self._random = Random()  # for jitter only, which must differ between processes
        self._lock = threading.Lock()
        self._runtime: _Runtime | None = None

    def __repr__(self) -> str:
        return f"ChatClient({without_keys(self.base_url)!r}, {self.model!r})"

    def __getstate__(self) -> dict[str, Any]:
        return {
            name: value
            for name, value in vars(self).items()
            if name not in ("_meter", "_lock", "_runtime", "token_budget")
        }

    def __setstate__(self, state: dict[str, Any]) -> None:
        vars(self).update(state)
        self._meter, self._lock, self._runtime = Meter(), threading.Lock(), None
        self.token_budget = None

    @property
    def endpoints(self) -> tuple[Endpoint, ...]:
        """The service that this client uses."""
        return (Endpoint.of(self.base_url, self.model),)

    def limit_tokens(self, budget: TokenBudget) -> None:
        """Count tokens in `budget`. When it is used up, `chat` raises `BudgetError`. A copy has no budget."""
        self.token_budget = budget

    @property
    def usage(self) -> Usage:
        """What this client has used since it was made. In a copied or unpickled client, the counts start at zero."""
        return self._meter.total

    def close(self) -> None:
        """Close the connections. The client can still be used after that and then opens new connections."""
        with self._lock:
            runtime, self._runtime = self._runtime, None
        if runtime is not None and runtime.pid == os.getpid():
            runtime.session.close()

    def chat(
        self,
        messages: Sequence[Message],
        fields: Mapping[str, Any] | None = None,
        *,
        within: float | None = None,
    ) -> ChatReply:
        """The model's reply to one conversation.

        `fields` is added to the request (``temperature``, ``max_tokens``, ``response_format``, …). A field with the
        value None is left out. After `within` seconds, a failed request is not sent again. Raises `ServiceError` when
        the server refuses or all retries fail.
        """
        return self._chat(messages, fields, threading.Event(), within)

    def chat_many(
        self,
        conversations: Sequence[Sequence[Message]],
        fields: Sequence[Mapping[str, Any]] | None = None,
        on_reply: Callable[[int, ChatReply], None] | None = None,
    ) -> list[ChatReply]:
        """The replies to several conversations, sent concurrently, in the order of `conversations`.

        `fields` has one entry per conversation. As each reply arrives, `on_reply` is called in this thread with the
        index of the conversation and the reply, so that paid replies can be stored. The first `ServiceError` ends the
        call. Requests that are not yet sent are dropped.
        """
        extra = fields if fields is not None else [{}] * len(conversations)
        if len(extra) != len(conversations):
            raise ConfigError(
                f"{len(extra)} sets of fields were given for {len(conversations)} conversations"
            )
        replies: dict[int, ChatReply] = {}

        def keep(number: int, reply: ChatReply) -> None:
            replies[number] = reply
            if on_reply is not None:
                on_reply(number, reply)

        if len(conversations) < 2:
            for number, messages in enumerate(conversations):
                keep(number, self.chat(messages, extra[number]))
            return [replies[number] for number in range(len(conversations))]
        stop = threading.Event()
        pool = ThreadPoolExecutor(min(self.concurrency, len(conversations)), "chat")
        try:
            jobs = {
                pool.submit(self._chat, messages, extra[number], stop): number
                for number, messages in enumerate(conversations)
            }
            for job in as_completed(jobs):
                keep(jobs[job], job.result())
        finally:
            stop.set()
            pool.shutdown(wait=False, cancel_futures=True)
        return [replies[number] for number in range(len(conversations))]

    def _chat(
        self,
        messages: Sequence[Message],
        fields: Mapping[str, Any] | None,
        stop: threading.Event,
        within: float | None = None,
    ) -> ChatReply:
        deadline = self._clock() + within if within is not None else None
        body = {"model": self.model, "messages": list(messages), **(fields or {})}
        data = encode_body({name: value for name, value in body.items() if value is not None})
        exchange = Exchange(self.base_url, self._key, self.retry, self._random)
        while not stop.is_set():
            try:
                with self._open().slots:
                    if self.token_budget is not None:
                        self.token_budget.check()
                    self._meter.add(exchange.sending)
                    response, content = self._post(exchange, data)
                    reply = exchange.read(
                        response.status_code, response.headers, content, reply_of, "chat completion"
                    )
            except TransientError as fault:
                try:
                    wait = exchange.wait(fault)
                except GivenUpError as error:
                    raise ServiceError(str(error), error.status) from None
                if deadline is not None and self._clock() + wait >= deadline:
                    raise ServiceError(f"{fault}; another try would not begin within {within:g} s") from None
                self._sleep(wait)
            except RefusedRequestError as error:
                raise ServiceError(str(error), error.status) from None
            else:
                self._count(reply, len(data))
                return reply
        raise ServiceError(
            f"a request to {without_keys(self.base_url)} was cancelled because another one failed"
        )

    def _open(self) -> _Runtime:
        with self._lock:
            if (
                self._runtime is None or self._runtime.pid != os.getpid()
            ):  # forked processes must not share sockets
                session = requests.Session()
                adapter = requests.adapters.HTTPAdapter(pool_maxsize=self.concurrency)
                session.mount("http://", adapter)
                session.mount("https://", adapter)
                self._runtime = _Runtime(os.getpid(), session, threading.BoundedSemaphore(self.concurrency))
            return self._runtime

    def _post(self, exchange: Exchange, data: bytes) -> tuple[requests.Response, bytes]:
        """Send one request and read the reply to its end, within the timeout."""
        start = self._clock()
        try:
            with self._open().session.post(
                f"{self.base_url}/chat/completions",
                data=data,
                headers={"Content-Type": "application/json"},
                auth=_Bearer(self._key.read()),
                timeout=self.timeout,
                allow_redirects=False,
                stream=True,
            ) as response:
                content = bytearray()
                for chunk in response.iter_content(_CHUNK):
                    content += chunk
                    if self._clock() - start > self.timeout:  # each byte resets the socket's timeout
                        raise exchange.late(self.timeout)
                    if len(content) > _LARGEST_REPLY:
                        raise ServiceError(exchange.oversized(_LARGEST_REPLY))
                return response, bytes(content)
        except requests.Timeout:
            raise exchange.late(self.timeout) from None
        except (requests.ConnectionError, requests.exceptions.ChunkedEncodingError) as error:
            raise exchange.unreachable(error) from None
        except requests.RequestException as error:
            raise ServiceError(exchange.unsendable(error)) from None

    def _count(self, reply: ChatReply, asked: int) -> None:
        """Add the tokens of a reply to the usage. `asked` is the number of bytes of the request."""
        prompt, completion = reply.prompt_tokens, reply.completion_tokens
        if self.token_budget is not None:
            self.token_budget.add(prompt, completion, asked=asked, wrote=len(str(reply.message)))
        cost = (prompt * self.prices.prompt + completion * self.prices.completion) / 1e6
        self._meter.add(
            Usage(
                prompt_tokens=prompt,
                completion_tokens=completion,
                cost=cost,
                unmetered=0 if prompt or completion else 1,
            )
        )
