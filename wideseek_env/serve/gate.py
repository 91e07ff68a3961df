"""`Gate`: a layer around the application. The gate checks the API key, the number of requests in flight and the size of
the body, and counts requests. The module uses only the ASGI interface and no framework.
"""

from __future__ import annotations

import asyncio
import hmac
import json
import time
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

from wideseek_env.serve.metrics import Metrics
from wideseek_env.serve.settings import ServeSettings

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
            if self._key is not None and path not in OPEN and not self._knows(scope):
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
        rest: list[Message] = [{"type": "http.request", "body": body, "more_body": False}]

        async def replay() -> Message:
            return rest.pop() if rest else await receive()

        # Bodies are always read as JSON, whatever type a client declares: `curl -d` declares a form.
        headers = [(name, value) for name, value in scope["headers"] if name != b"content-type"]
        scope = {**scope, "headers": [*headers, (b"content-type", b"application/json")]}
        await self._app(scope, replay, send)

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


async def _refuse(
    send: Send, status: int, content: dict[str, Any], headers: tuple[tuple[bytes, bytes], ...]
) -> None:
    body = json.dumps(content).encode()
    facts = [(b"content-type", b"application/json"), (b"content-length", str(len(body)).encode()), *headers]
    await send({"type": "http.response.start", "status": status, "headers": facts})
    await send({"type": "http.response.body", "body": body})
