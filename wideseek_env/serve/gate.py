"""`Gate`: a layer around the application. The gate checks where a request comes from, the API key, the number of
requests in flight, and the type and size of the body. It counts requests. The module uses only the ASGI interface and
no framework.

A web page in a browser on this machine can send requests to a service on a loopback address. Such a request names the
page as its ``Origin``, or it is for a host name of the page's owner, or its body is not declared as JSON. All of these
are refused.
"""

from __future__ import annotations

import asyncio
import hmac
import json
import time
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

from wideseek_env.serve.metrics import Metrics
from wideseek_env.serve.settings import ServeSettings, is_loopback

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
Application = Callable[[Message, Receive, Send], Awaitable[None]]

OPEN = frozenset(("/health",))
"""Paths that need no key. A health check should not need the key of the service."""


def plain_error(status: int, error: str) -> dict[str, Any]:
    """The body of an error in the form of the retrieval service: `{"error": "…"}`."""
    return {"error": error}


class Gate:
    """Wraps an ASGI application. The gate itself only answers with errors.

    `error_body` makes the body of an error from a status and a sentence.
    """

    def __init__(
        self,
        app: Application,
        settings: ServeSettings,
        metrics: Metrics,
        key: str | None,
        error_body: Callable[[int, str], dict[str, Any]] = plain_error,
    ) -> None:
        self._app, self._settings, self._metrics = app, settings, metrics
        self._error_body = error_body
        self._key = key.encode() if key is not None else None
        self._under_way = 0

    async def __call__(self, scope: Message, receive: Receive, send: Send) -> None:
        """Handle one request of the ASGI server."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        path = scope["path"]
        start = time.perf_counter()
        status = 500
        answered = False

        async def watched(message: Message) -> None:
            nonlocal status, answered
            if message["type"] == "http.response.start":
                status, answered = message["status"], True
            await send(message)

        async def refuse(code: int, error: str, *headers: tuple[bytes, bytes]) -> None:
            # The rest of the body is not read, so the connection cannot be used again.
            await _refuse(watched, code, self._error_body(code, error), (*headers, (b"connection", b"close")))

        self._metrics.in_flight(1)
        self._under_way += 1
        try:
            stranger = self._stranger(scope)
            if stranger is not None:
                await refuse(*stranger)
            elif self._key is not None and path not in OPEN and not self._knows(scope):
                await refuse(401, "a valid API key is needed, as a bearer token or in X-API-Key")
            elif self._under_way > self._settings.max_in_flight and path not in OPEN:
                await refuse(503, "too many requests under way; try again", (b"retry-after", b"1"))
            else:
                await self._pass(scope, receive, watched, refuse)
        except Exception:
            if answered:
                raise
            await _refuse(watched, 500, self._error_body(500, "the service failed; its log says why"), ())
            raise
        finally:
            self._under_way -= 1
            self._metrics.in_flight(-1)
            self._metrics.request(path, status, time.perf_counter() - start)

    async def _pass(
        self, scope: Message, receive: Receive, send: Send, refuse: Callable[[int, str], Awaitable[None]]
    ) -> None:
        limit = self._settings.max_body_bytes
        too_long = f"the body is longer than {limit} bytes; send less at a time"
        kind = _header(scope, b"content-type").partition(b";")[0].strip().lower()
        declared = _header(scope, b"content-length")
        if declared.isdigit() and int(declared) > limit:
            await refuse(413, too_long)
            return
        try:
            body = await asyncio.wait_for(_body(receive, limit), self._settings.timeout)
        except TimeoutError:
            await refuse(408, "the body did not arrive in time")
            return
        except _TooLong:
            await refuse(413, too_long)
            return
        if body is None:
            return  # the client has disconnected
        if body and kind != b"application/json" and not kind.endswith(b"+json"):
            await refuse(415, "the body must be JSON: send the header `Content-Type: application/json`")
            return
        rest: list[Message] = [{"type": "http.request", "body": body, "more_body": False}]

        async def replay() -> Message:
            return rest.pop() if rest else await receive()

        await self._app(scope, replay, send)

    def _stranger(self, scope: Message) -> tuple[int, str] | None:
        """Status and error for a request that a web page has sent, or that is for another host. None otherwise."""
        settings = self._settings
        origin = _header(scope, b"origin").decode("latin-1")
        if origin and origin not in settings.origins:
            return 403, "requests of web pages are refused, except of those whose origin is in `origins`"
        host = _host(_header(scope, b"host").decode("latin-1"))
        if host and settings.hosts is not None and host not in settings.hosts and not is_loopback(host):
            return 421, f"this service does not answer for the host {host[:80]!r}"
        return None

    def _knows(self, scope: Message) -> bool:
        bearer = _header(scope, b"authorization")
        given = bearer[7:].strip() if bearer[:7].lower() == b"bearer " else _header(scope, b"x-api-key")
        # This comparison takes the same time wherever the first difference is.
        return self._key is not None and hmac.compare_digest(given, self._key)


class _TooLong(Exception):
    """The body is longer than allowed."""


async def _body(receive: Receive, limit: int) -> bytes | None:
    """The whole body. None if the client has disconnected."""
    body = bytearray()
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            return None
        body += message.get("body", b"")
        if len(body) > limit:
            raise _TooLong
        if not message.get("more_body", False):
            return bytes(body)


def _header(scope: Message, name: bytes) -> bytes:
    return next((bytes(value) for key, value in scope["headers"] if key == name), b"")


def _host(authority: str) -> str:
    """The host of ``host:port`` in lower case, without the brackets of an address."""
    name = authority.strip().lower()
    name = name[1:].partition("]")[0] if name.startswith("[") else name.partition(":")[0]
    return name.rstrip(".")


async def _refuse(
    send: Send, status: int, content: dict[str, Any], headers: tuple[tuple[bytes, bytes], ...]
) -> None:
    body = json.dumps(content).encode()
    facts = [(b"content-type", b"application/json"), (b"content-length", str(len(body)).encode()), *headers]
    await send({"type": "http.response.start", "status": status, "headers": facts})
    await send({"type": "http.response.body", "body": body})
