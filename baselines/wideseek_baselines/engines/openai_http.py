"""HTTP requests to an OpenAI-compatible server from asyncio, with retries, limits and a count of usage.

The API key never appears in messages or logs.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from random import Random
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from wideseek_baselines.engines.base import EngineError, EngineLostError
from wideseek_env.addresses import without_keys
from wideseek_env.errors import BudgetError, MissingDependencyError, baselines_hint
from wideseek_env.llm.budget import TokenBudget
from wideseek_env.llm.exchange import Exchange, GivenUpError, RefusedRequestError, TransientError, encode_body
from wideseek_env.llm.key import ApiKey
from wideseek_env.llm.retry import RetryPolicy
from wideseek_env.llm.usage import Meter

if TYPE_CHECKING:
    import httpx

T = TypeVar("T")

_LARGEST_REPLY = 64 << 20
_CONNECT_SECONDS = 30.0


class RefusedError(EngineError):
    """The server refused this request, and would refuse it again."""

    def __init__(self, message: str, status: int, said: str) -> None:
        super().__init__(message)
        self.status = status
        self.said = said


@dataclass(frozen=True, slots=True)
class Reply(Generic[T]):
    """The `value` in an answer, the seconds that the request `queued` in this process, and the seconds of the
    server.
    """

    value: T
    queued: float
    working: float


class Link:
    """Sends requests to one server, at most `concurrency` at the same time. `retry` decides when to repeat failed ones.

    Use a link on the event loop on which it was opened. It reads the key from the environment variable `api_key_env`
    for each request. It does not follow redirects, so it sends the key to no other address. If a request is cancelled,
    its connection is closed, which tells the server to stop.
    """

    def __init__(
        self,
        base_url: str,
        *,
        api_key_env: str,
        timeout: float,
        concurrency: int,
        retry: RetryPolicy,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self.base_url = base_url
        self.shown = without_keys(base_url)
        """The address for messages: without parts that have the form of a key."""
        self.meter = Meter()
        self.token_budget: TokenBudget | None = None
        self._key = ApiKey(api_key_env)
        self._timeout = timeout
        self._retry = retry
        self._sleep = sleep
        self._slots = asyncio.Semaphore(concurrency)
        self._random = Random()  # only for jitter, which must differ between processes
        self._client: httpx.AsyncClient | None = None

    @property
    def is_open(self) -> bool:
        """Whether requests can be sent."""
        return self._client is not None

    def open(self) -> None:
        """Create the connection pool, without sending anything. Raises `MissingDependencyError` if httpx is not
        installed.
        """
        try:
            import httpx
        except ImportError as error:
            raise MissingDependencyError(
                f"the OpenAI engine needs httpx; {baselines_hint('openai')}"
            ) from error
        self._client = httpx.AsyncClient(
            timeout=httpx.Timeout(None, connect=min(self._timeout, _CONNECT_SECONDS)),
            limits=httpx.Limits(max_connections=None, max_keepalive_connections=1024),  # the slots limit them
            follow_redirects=False,
        )

    async def close(self) -> None:
        """Close the connections. Requests in flight fail with `EngineLostError`."""
        client, self._client = self._client, None
        if client is not None:
            await client.aclose()

    async def ask(
        self, method: str, path: str, read: Callable[[Any], T], body: Mapping[str, Any] | None = None
    ) -> Reply[T]:
        """Send a request, and repeat it until `read` can read the JSON of the answer.

        An attempt fails if the answer is not JSON, or if `read` raises one of `UNREADABLE`.

        Raises:
            RefusedError: The server refuses the request.
            EngineError: All attempts failed or took too long, or the token budget is used up.
            EngineLostError: The server does not answer, or the account has no credit left.
        """
        data = None if body is None else encode_body(body)
        exchange = Exchange(self.base_url, self._key, self._retry, self._random)
        began = time.monotonic()
        while True:
            try:
                async with self._slots:
                    start = time.monotonic()
                    if self.token_budget is not None:
                        self.token_budget.check()
                    self.meter.add(exchange.sending)
                    status, headers, content = await self._send(exchange, method, path, data)
                    value = exchange.read(status, headers, content, read, "answer of the expected form")
                    return Reply(value, start - began, time.monotonic() - start)
            except TransientError as fault:
                try:
                    wait = exchange.wait(fault)
                except GivenUpError as error:
                    raise (EngineLostError if error.silent else EngineError)(str(error)) from None
                await self._sleep(wait)
            except BudgetError as error:
                # Not `EngineLostError`: requests in flight are paid for, and their answers may end an episode.
                raise EngineError(str(error)) from error
            except RefusedRequestError as error:
                if error.spent:
                    raise EngineLostError(
                        f"{self.shown} no longer serves this account (status {error.status}): {error.said}"
                    ) from None
                raise RefusedError(str(error), error.status, error.said) from None

    async def _send(
        self, exchange: Exchange, method: str, path: str, data: bytes | None
    ) -> tuple[int, Mapping[str, str], bytes]:
        """Send one request and read the whole answer, within the timeout. Returns its status, headers and content."""
        import httpx

        if self._client is None:
            raise EngineLostError(f"the engine for {self.shown} is closed: start another one")
        headers = {"Content-Type": "application/json"} if data is not None else {}
        if key := self._key.read():
            headers["Authorization"] = f"Bearer {key}"
        content = bytearray()
        try:
            async with (
                asyncio.timeout(self._timeout),
                self._client.stream(
                    method, f"{self.base_url}{path}", content=data, headers=headers
                ) as response,
            ):
                async for chunk in response.aiter_bytes():
                    content += chunk
                    if len(content) > _LARGEST_REPLY:
                        raise EngineError(exchange.oversized(_LARGEST_REPLY))
        except (TimeoutError, httpx.TimeoutException):
            raise exchange.late(self._timeout) from None
        except httpx.TransportError as error:
            raise exchange.unreachable(str(error) or type(error).__name__) from None
        except (httpx.HTTPError, httpx.InvalidURL, RuntimeError) as error:
            if self._client is None:  # `close` was called meanwhile, which httpx reports in several ways
                raise EngineLostError(f"the engine for {self.shown} was closed") from None
            raise EngineError(exchange.unsendable(error)) from None
        return response.status_code, response.headers, bytes(content)
