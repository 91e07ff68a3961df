"""Runs a server of the Model Context Protocol (MCP) over stdio or over HTTP. Over HTTP, the same `Gate` as for all
services checks requests."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from wideseek_env.serve.agents.desk import EpisodeDesk
from wideseek_env.serve.agents.mcp_server import session_key
from wideseek_env.serve.agents.running import run_app
from wideseek_env.serve.gate import Application, Gate, Message, Receive, Send
from wideseek_env.serve.metrics import Metrics
from wideseek_env.serve.settings import ServeSettings

if TYPE_CHECKING:
    from mcp.server import Server

PATH = "/mcp"


def run_stdio(server: Server[Any]) -> None:
    """Serve the client that is connected to stdin and stdout, until the client closes them."""
    import anyio
    from mcp.server.stdio import stdio_server

    async def main() -> None:
        async with stdio_server() as (reading, writing):
            await server.run(reading, writing, server.create_initialization_options())

    anyio.run(main)


def http_app(
    server: Server[Any],
    desk: EpisodeDesk | None = None,
    settings: ServeSettings | None = None,
    *,
    host: str = "127.0.0.1",
    max_sessions: int = 64,
    idle: float = 1_800.0,
) -> Application:
    """An ASGI application that serves `server` at ``/mcp``. ``/health`` needs no key.

    When a client ends its session, the session's episode in `desk` ends too. If `host` is a loopback address, only
    requests for a loopback name are answered. So a web page in a browser cannot reach the service through another host
    name.

    Raises:
        ConfigError: A key is required and the environment variable is not set.
    """
    limits = (settings or ServeSettings()).for_address(host)
    app = server.streamable_http_app(
        streamable_http_path=PATH,
        max_request_body_size=limits.max_body_bytes,
        session_idle_timeout=idle,
        max_sessions=max_sessions,
        host=host,
    )
    return Gate(_Sessions(app, desk), limits, Metrics(), limits.key())


class _Sessions:
    """Closes the episodes of sessions that end, and answers ``/health``."""

    def __init__(self, app: Any, desk: EpisodeDesk | None) -> None:
        self._app, self._desk = app, desk

    async def __call__(self, scope: Message, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        if scope["path"] == "/health":
            await send(
                {
                    "type": "http.response.start",
                    "status": 200,
                    "headers": [(b"content-type", b"application/json")],
                }
            )
            await send({"type": "http.response.body", "body": b'{"status": "ok"}'})
            return
        ended = False

        async def watched(message: Message) -> None:
            nonlocal ended
            if message["type"] == "http.response.start":
                ended = scope["method"] == "DELETE" and message["status"] < 300
            await send(message)

        await self._app(scope, receive, watched)
        if ended and self._desk is not None:
            names = [value for name, value in scope["headers"] if name == b"mcp-session-id"]
            for name in names:
                await asyncio.to_thread(self._desk.close, session_key(name.decode("latin-1")))


def run_http(
    server: Server[Any],
    desk: EpisodeDesk | None = None,
    settings: ServeSettings | None = None,
    *,
    host: str = "127.0.0.1",
    port: int = 8000,
    max_sessions: int = 64,
    idle: float = 1_800.0,
    announce: Callable[[str], None] | None = None,
) -> None:
    """Serve the application of `http_app` until SIGINT or SIGTERM.

    Raises:
        ConfigError: The address cannot be used, or a key is required and the environment variable is not set.
    """
    limits = settings or ServeSettings()
    app = http_app(server, desk, limits, host=host, max_sessions=max_sessions, idle=idle)
    run_app(app, host=host, port=port, grace=limits.grace, path=PATH, announce=announce)
