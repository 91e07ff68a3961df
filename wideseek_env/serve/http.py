"""How a service reads HTTP: with a limit for everything in a request that is not its body."""

from __future__ import annotations

from typing import Any

try:
    from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol
except ImportError:  # without httptools, uvicorn reads HTTP with h11, which has such a limit
    HttpToolsProtocol = None  # type: ignore[assignment, misc]

MAX_HEAD_BYTES = 1 << 16
"""Maximum bytes of a request's first line and headers."""

_FRAME = 8
"""Bytes that a chunk of a body may need for its length."""

if HttpToolsProtocol is not None:

    class BoundedProtocol(HttpToolsProtocol):
        """uvicorn's fast protocol, which closes a connection whose headers or trailers are too long.

        uvicorn itself would keep all of them in memory, before any application sees the request.
        """

        _head = 0
        _body = 0
        _begun = 0

        def on_message_begin(self) -> None:
            """A request begins."""
            super().on_message_begin()
            self._begun += 1

        def on_body(self, body: bytes) -> None:
            """A part of a body has arrived."""
            self._body += len(body)
            super().on_body(body)

        def data_received(self, data: bytes) -> None:
            """Read what has arrived, and count what is not a body."""
            begun, body = self._begun, self._body
            super().data_received(data)
            if self._begun == begun:
                self._head += len(data) - (self._body - body)
            else:  # the data is the end of one request and the begin of another, and at most one read long
                self._head, self._body = 0, self._body - body
            if self._head > MAX_HEAD_BYTES + _FRAME * self._body and not self.transport.is_closing():
                self.send_400_response(f"The headers are longer than {MAX_HEAD_BYTES} bytes.")


def http_options() -> dict[str, Any]:
    """Arguments for `uvicorn.Config` that limit the size of headers. There are no WebSockets."""
    bounded = HttpToolsProtocol is not None
    return {
        "http": BoundedProtocol if bounded else "h11",
        "h11_max_incomplete_event_size": MAX_HEAD_BYTES,
        "ws": "none",
    }
