"""`run_server`: serves a corpus from this machine, with several worker processes that share one memory-mapped index."""

from __future__ import annotations

import socket
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from wideseek_env.corpus.base import Corpus
from wideseek_env.errors import ConfigError, MissingDependencyError, extra_hint
from wideseek_env.serve.parent import end_with_parent
from wideseek_env.serve.settings import ServeSettings
from wideseek_env.temporary import temporary_folder

if TYPE_CHECKING:
    from fastapi import FastAPI


@dataclass(frozen=True)
class AppFactory:
    """Makes the application in the process that calls it. The factory can be pickled if its corpus can be pickled.

    A `StoredCorpus` is pickled as its path. So every worker opens the same files, and the operating system keeps only
    one copy of them in memory.
    """

    corpus: Corpus
    settings: ServeSettings = field(default_factory=ServeSettings)
    metrics_folder: Path | None = None

    def __call__(self) -> FastAPI:
        """The application, which closes the corpus when it stops. A worker process stops when its parent dies."""
        from wideseek_env.serve.app import create_app

        end_with_parent(self.settings.grace)
        return create_app(self.corpus, self.settings, metrics_folder=self.metrics_folder, close_corpus=True)


def run_server(
    corpus: Corpus,
    settings: ServeSettings | None = None,
    *,
    host: str = "127.0.0.1",
    port: int = 8000,
    workers: int = 1,
    announce: Callable[[str], None] | None = None,
    log_level: str = "warning",
) -> None:
    """Serve until SIGINT or SIGTERM, then finish the requests in flight. A worker that dies is replaced.

    Call this function from the main thread. With several workers, the main module must be importable (``if __name__ ==
    "__main__":``).

    Args:
        corpus: The corpus to serve.
        settings: Limits and key. None means the defaults of `ServeSettings`.
        host: Address to listen on.
        port: Port to listen on. 0 means any free port.
        workers: Number of worker processes.
        announce: Called with the URL of the service, before the service answers requests.
        log_level: Log level of uvicorn.

    Raises:
        ConfigError: The address cannot be used, `workers` is below 1, or a required key is missing.
    """
    try:
        import uvicorn
        from uvicorn.supervisors import Multiprocess
    except ImportError as error:
        raise MissingDependencyError(
            f"serving a corpus needs uvicorn ({error}); {extra_hint('serve')}"
        ) from None
    import wideseek_env.serve.app  # noqa: F401  (says at once, and not in every worker, when FastAPI is missing)
    from wideseek_env.serve.http import http_options

    limits = (settings or ServeSettings()).for_address(host)
    limits.key()
    if workers < 1:
        raise ConfigError(f"workers must be at least 1, not {workers}")
    listening = _bind(host, port)
    with listening, temporary_folder("wideseek-serve-") as metrics:
        config = uvicorn.Config(
            AppFactory(corpus, limits, metrics),
            factory=True,
            workers=workers,
            log_level=log_level,
            access_log=False,
            server_header=False,
            timeout_graceful_shutdown=max(1, round(limits.grace)),
            backlog=2048,
            **http_options(),
        )
        if announce is not None:
            name = f"[{host}]" if ":" in host else host
            announce(f"http://{name}:{listening.getsockname()[1]}")
        if workers == 1:
            uvicorn.Server(config).run(sockets=[listening])
        else:
            Multiprocess(config, sockets=[listening]).run()


def _bind(host: str, port: int) -> socket.socket:
    # asyncio disables Nagle's algorithm (40 ms per answer) only if the protocol of the socket is given.
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listening = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    try:
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listening.bind((host, port))
        listening.set_inheritable(True)
    except (OSError, OverflowError) as error:
        listening.close()
        raise ConfigError(f"cannot serve at {host}, port {port}: {error}") from None
    return listening
