"""HTTP requests to an OpenAI-compatible server from asyncio, with retries, limits and a count of usage.

The API key never appears in messages or logs.
"""

from __future__ import annotations

import asyncio
import json
import logging
import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from random import Random
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from wideseek_baselines.engines.base import EngineError, EngineLostError
from wideseek_env.errors import MissingDependencyError
from wideseek_env.llm.key import ApiKey
from wideseek_env.llm.retry import RETRIED_STATUSES, RetryPolicy, retry_after
from wideseek_env.llm.usage import Meter, Usage
from wideseek_env.llm.wire import is_spent

if TYPE_CHECKING:
    import httpx

T = TypeVar("T")

_LOG = logging.getLogger(__name__)
_LARGEST_REPLY = 64 << 20
_CONNECT_SECONDS = 30.0
UNREADABLE = (ValueError, TypeError, KeyError, IndexError, AttributeError, RecursionError)
"""The exceptions of reading an answer that does not have the expected form."""


class RefusedError(EngineError):
    """The server refused this request. Sending it again would change nothing."""

    def __init__(self, message: str, status: int, said: str) -> None:
        super().__init__(message)
        self.status = status
        self.said = said


class _TransientError(Exception):
    """A failure after which the same request is sent again. `status` is None if there was no answer."""

    def __init__(self, message: str, status: int | None = None, asked: float | None = None) -> None:
        super().__init__(message)
        self.status = status
        self.asked = asked
        """Seconds that the server asked to wait before the next request."""


class _SlowError(_TransientError):
    """There was no complete answer before the timeout. The server may still be running."""


@dataclass(frozen=True, slots=True)
class Reply(Generic[T]):
    """The value read from an answer, the seconds that the request waited here, and the seconds that the server took."""

    value: T
    queued: float
    working: float


class Link:
    """Sends requests to one server, at most `concurrency` at a time, and repeats failed ones as `retry` says.

    It must be used on the event loop on which it was opened. It reads the key from the environment variable
    `api_key_env` for each request. It does not follow redirects, so the key goes to no other address. Cancelling a
    request closes its connection, which tells the server to stop.
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
        self.meter = Meter()
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
        """Create the connection pool without sending anything. Raises `MissingDependencyError` if httpx is missing."""
        try:
            import httpx
        except ImportError as error:
            raise MissingDependencyError(
                "the OpenAI engine needs httpx: pip install 'wideseek-baselines[openai]'"
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
            EngineError: All attempts failed or took too long.
            EngineLostError: The server does not answer, or the account has no credit left.
        """
        data = None if body is None else json.dumps(body).encode()
        failures = 0
        began = time.monotonic()
        while True:
            try:
                async with self._slots:
                    start = time.monotonic()
                    self.meter.add(Usage(requests=1, retries=1 if failures else 0))
                    value = await self._try(method, path, data, read)
                    return Reply(value, start - began, time.monotonic() - start)
            except _TransientError as fault:
                failures += 1
                wait = self._retry.wait(failures, fault.asked, self._random)
                if wait is None:
                    raise self._failed(failures, fault) from None
                _LOG.info("%s: %s; trying again in %.1f s", self.base_url, fault, wait)
                await self._sleep(wait)

    def _failed(self, failures: int, fault: _TransientError) -> EngineError:
        why = f"; it asks to wait {fault.asked:.0f} s" if fault.asked else ""
        times = "once" if failures == 1 else f"{failures} times"
        lost = fault.status is None and not isinstance(fault, _SlowError)
        return (EngineLostError if lost else EngineError)(
            f"{self.base_url} failed {times}: {fault}{why}; check that the server runs, or try later"
        )

    async def _try(self, method: str, path: str, data: bytes | None, read: Callable[[Any], T]) -> T:
        import httpx

        if self._client is None:
            raise EngineLostError(f"the engine for {self.base_url} is closed: start another one")
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
                        raise EngineError(f"{self.base_url} sent a reply of more than {_LARGEST_REPLY} bytes")
        except (TimeoutError, httpx.TimeoutException):
            raise _SlowError(f"no complete reply within {self._timeout:g} s") from None
        except httpx.TransportError as error:
            raise _TransientError(
                f"no connection ({self._key.clean(error or type(error).__name__)})"
            ) from None
        except (httpx.HTTPError, httpx.InvalidURL, RuntimeError) as error:
            if self._client is None:  # `close` was called meanwhile, which httpx reports in several ways
                raise EngineLostError(f"the engine for {self.base_url} was closed") from None
            raise EngineError(f"cannot ask {self.base_url}: {self._key.clean(error)}") from None
        return self._value(response.status_code, response.headers, bytes(content), read)

    def _value(self, status: int, headers: Mapping[str, str], content: bytes, read: Callable[[Any], T]) -> T:
        """The result of `read` on an answer. Raises `_TransientError` or `RefusedError` if the answer is an error."""
        text = content.decode("utf-8", "replace")
        if status != 200:
            said = self._key.clean(text)
            if is_spent(content):
                raise EngineLostError(
                    f"{self.base_url} no longer serves this account (status {status}): {said}"
                )
            if status in RETRIED_STATUSES:
                raise _TransientError(f"status {status}: {said}", status, retry_after(headers))
            if 300 <= status < 400:
                said = f"it redirects to {self._key.clean(headers.get('location', ''))}: use that address"
            raise RefusedError(self._key.refusal(self.base_url, status, said), status, said)
        try:
            return read(json.loads(content))
        except UNREADABLE as error:
            raise _TransientError(
                f"unreadable reply ({type(error).__name__}): {self._key.clean(text)}", status
            ) from None
