"""`ViewServer`: serves the page to this machine. It makes the page again when the runs have grown."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from wideseek_env.errors import ConfigError, WideSeekError
from wideseek_env.viewer.page import page, policy
from wideseek_env.viewer.runs import RunReader, to_json

ADDRESS = "127.0.0.1"


class ViewServer:
    """Serves the page of `runs` at `url`, to this machine only. Port 0 takes a free port.

    ``/`` is the page. ``/state`` is a short text that changes when the runs change. An open page polls it.

    Raises:
        ConfigError: The port cannot be used.
    """

    def __init__(self, runs: Sequence[RunReader], port: int = 0) -> None:
        self._runs = runs
        self._lock = threading.Lock()
        self._version = 0
        self._problem = ""
        self._page: tuple[str, bytes] = ("", b"")
        self._refresh()
        if self._problem:
            raise WideSeekError(self._problem)
        try:
            self._server = ThreadingHTTPServer((ADDRESS, port), self._handler())
        except OSError as error:
            raise ConfigError(
                f"port {port} cannot be used ({error.strerror}); give another port, or 0 for a free one"
            ) from error
        self._server.daemon_threads = True
        self.port = int(self._server.server_address[1])
        self.url = f"http://{ADDRESS}:{self.port}/"

    def serve_forever(self) -> None:
        """Answer requests until Ctrl-C, or until another thread calls `shutdown`."""
        self._server.serve_forever(poll_interval=0.2)

    def shutdown(self) -> None:
        """Make `serve_forever` return."""
        self._server.shutdown()

    def close(self) -> None:
        """Release the port."""
        self._server.server_close()

    def _refresh(self) -> None:
        try:
            grown = [run.refresh() for run in self._runs]
            if any(grown):
                self._version += 1
            self._problem = ""
        except WideSeekError as error:  # the episodes that were read before stay on the page
            self._problem = str(error)

    def _state(self) -> bytes:
        with self._lock:
            self._refresh()
            return to_json({"state": f"v{self._version}", "problem": self._problem}).encode()

    def _html(self) -> bytes:
        with self._lock:
            self._refresh()
            state = f"v{self._version}"
            if self._page[0] != state:
                self._page = state, "".join(page(self._runs, live=state)).encode()
            return self._page[1]

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        outer = self

        class Handler(BaseHTTPRequestHandler):
            server_version = "wideseek"
            sys_version = ""

            def do_GET(self) -> None:
                host = self.headers.get("Host", "")
                if host not in (f"{ADDRESS}:{outer.port}", f"localhost:{outer.port}"):
                    # A web site whose domain name resolves to this machine must not read the page (DNS rebinding).
                    self._send(HTTPStatus.FORBIDDEN, "text/plain", b"not served under this name\n")
                elif self.path == "/":
                    self._send(HTTPStatus.OK, "text/html", outer._html())
                elif self.path == "/state":
                    self._send(HTTPStatus.OK, "application/json", outer._state())
                else:
                    self._send(HTTPStatus.NOT_FOUND, "text/plain", b"there is only /\n")

            def _send(self, status: HTTPStatus, kind: str, body: bytes) -> None:
                self.send_response(status)
                for name, value in (
                    ("Content-Type", f"{kind}; charset=utf-8"),
                    ("Content-Length", str(len(body))),
                    ("Cache-Control", "no-store"),
                    ("X-Content-Type-Options", "nosniff"),
                    ("Referrer-Policy", "no-referrer"),
                    ("Cross-Origin-Resource-Policy", "same-origin"),
                    ("Content-Security-Policy", f"{policy(live=True)}; frame-ancestors 'none'"),
                ):
                    self.send_header(name, value)
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, format: str, *args: object) -> None:
                """Do not log requests."""

        return Handler
