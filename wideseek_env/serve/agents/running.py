"""Runs an ASGI application in this process until a signal stops it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from wideseek_env.errors import MissingDependencyError, extra_hint
from wideseek_env.serve.run import _bind


def run_app(
    app: Any,
    *,
    host: str,
    port: int,
    grace: float,
    path: str = "",
    announce: Callable[[str], None] | None = None,
) -> None:
    """Serve `app` until SIGINT or SIGTERM.

    Args:
        app: The ASGI application.
        host: Address to listen on.
        port: Port to listen on. 0 means any free port.
        grace: Maximum seconds for requests in flight to finish after the signal.
        path: Path that is appended to the announced URL.
        announce: Called with the URL when clients can connect.

    Raises:
        ConfigError: The address cannot be used.
    """
    try:
        import uvicorn
    except ImportError as error:
        raise MissingDependencyError(f"serving needs uvicorn ({error}); {extra_hint('serve')}") from None
    from wideseek_env.serve.http import http_options

    with _bind(host, port) as listening:
        listening.listen(
            2048
        )  # clients can connect as soon as they know the address, and wait for the first answer
        if announce is not None:
            name = f"[{host}]" if ":" in host else host
            announce(f"http://{name}:{listening.getsockname()[1]}{path}")
        config = uvicorn.Config(
            app,
            log_level="warning",
            access_log=False,
            server_header=False,
            timeout_graceful_shutdown=max(1, round(grace)),
            **http_options(),
        )
        uvicorn.Server(config).run(sockets=[listening])
