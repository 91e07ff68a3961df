"""One attempt of a request to a retrieval service, with limits for the whole time and for the size of the answer."""

from __future__ import annotations

import os
import socket
import threading
import time
from collections.abc import Mapping
from contextlib import closing, suppress
from typing import Any, NamedTuple

import requests
import urllib3
from requests.adapters import HTTPAdapter
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.connectionpool import HTTPConnectionPool, HTTPSConnectionPool

from wideseek_env.net.body import ACCEPTED, read_body
from wideseek_env.net.errors import FetchError
from wideseek_env.net.limits import Limits

LARGEST_ANSWER = 32 << 20
"""The most bytes of an answer, as sent and once decompressed."""

MOST_SIGNS = 2_000_000
"""The most brackets, braces and quotation marks of an answer. Decoded, an empty list needs 25 times its JSON."""

_LIMITS = Limits(body=LARGEST_ANSWER, unpacked=LARGEST_ANSWER)


class Answer(NamedTuple):
    """An answer that arrived whole."""

    status: int
    headers: Mapping[str, str]
    body: bytes


class LateError(Exception):
    """The answer was not complete in time."""


class LostError(Exception):
    """The connection failed. `str()` says how."""


class OversizedError(Exception):
    """The answer has more than `LARGEST_ANSWER` bytes or `MOST_SIGNS` signs."""


class Transport:
    """Sends requests over at most `connections` connections. A fork gets its own connections.

    Args:
        connections: The most connections that are kept open.
        timeout: The seconds that one request may take, from the start to the last byte of the answer. The limit for
            connecting is a third of this time.
    """

    def __init__(self, connections: int, timeout: float) -> None:
        self._connections = connections
        self._timeout = timeout
        self._pid = os.getpid()
        self._session = _session(connections)

    def send(
        self, method: str, url: str, body: Mapping[str, Any] | None, headers: Mapping[str, str]
    ) -> Answer:
        """The answer to one request.

        Raises:
            LateError: The answer was not complete in time.
            LostError: The connection failed.
            OversizedError: The answer is too large.
        """
        if os.getpid() != self._pid:  # a fork must not share its parent's connections
            self._session, self._pid = _session(self._connections), os.getpid()
        with _Watch(self._timeout) as watch:
            try:
                answer = self._attempt(method, url, body, headers)
            except OversizedError:
                raise  # the service is the same at the next attempt
            except Exception as error:
                # A service may cause any error in the libraries. Each byte that arrives resets their time-out, so the
                # watch ends an answer that arrives too slowly, which looks like a broken connection here.
                if watch.expired or isinstance(error, requests.Timeout):
                    raise LateError from None
                raise LostError(
                    str(error) if isinstance(error, LostError) else type(error).__name__
                ) from None
            if watch.expired:  # a broken connection also ends an answer without a stated length
                raise LateError
            return answer

    def _attempt(
        self, method: str, url: str, body: Mapping[str, Any] | None, headers: Mapping[str, str]
    ) -> Answer:
        response = self._session.request(
            method,
            url,
            json=body,
            headers={**headers, "Accept-Encoding": ACCEPTED},
            timeout=(self._timeout / 3, self._timeout),
            allow_redirects=False,
            stream=True,
        )
        with closing(response):
            try:
                content = read_body(
                    response.raw,
                    response.headers.get("content-encoding", ""),
                    response.headers.get("content-length"),
                    _LIMITS,
                )
            except FetchError as error:
                raise (OversizedError if error.kind == "too_large" else LostError)(error.kind) from None
            if sum(map(content.count, (b"[", b"{", b'"'))) > MOST_SIGNS:
                raise OversizedError
            return Answer(response.status_code, response.headers, content)

    def close(self) -> None:
        """Close the connections."""
        self._session.close()


class _Watch:
    """Breaks the connection that this thread uses when `seconds` have passed."""

    _now = threading.local()

    def __init__(self, seconds: float) -> None:
        self._wire: socket.socket | None = None
        self._end = time.monotonic() + seconds
        self._timer = threading.Timer(seconds, self._break)
        self._timer.daemon = True

    @property
    def expired(self) -> bool:
        """Whether the time has passed."""
        return time.monotonic() >= self._end

    def __enter__(self) -> _Watch:
        _Watch._now.watch = self
        self._timer.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._timer.cancel()
        self._wire = _Watch._now.watch = None

    @staticmethod
    def uses(wire: socket.socket | None) -> None:
        """Say which socket this thread waits for."""
        watch: _Watch | None = getattr(_Watch._now, "watch", None)
        if watch is not None:
            watch._wire = wire

    def _break(self) -> None:
        wire = self._wire
        if wire is not None:
            with suppress(OSError):
                wire.shutdown(socket.SHUT_RDWR)


class _Connection(HTTPConnection):
    def getresponse(self) -> Any:
        _Watch.uses(self.sock)
        return super().getresponse()


class _SecureConnection(HTTPSConnection):
    def getresponse(self) -> Any:
        _Watch.uses(self.sock)
        return super().getresponse()


class _Pool(HTTPConnectionPool):
    ConnectionCls = _Connection


class _SecurePool(HTTPSConnectionPool):
    ConnectionCls = _SecureConnection


class _Adapter(HTTPAdapter):
    def init_poolmanager(self, *args: Any, **kwargs: Any) -> None:
        super().init_poolmanager(*args, **kwargs)
        manager: urllib3.PoolManager = self.poolmanager
        manager.pool_classes_by_scheme = {"http": _Pool, "https": _SecurePool}


def _session(connections: int) -> requests.Session:
    session = requests.Session()
    # Proxies and .netrc in the environment are for the web, not for the user's service. A .netrc would also replace the
    # key.
    session.trust_env = False
    adapter = _Adapter(pool_connections=1, pool_maxsize=connections, max_retries=0)
    session.mount("http://", adapter)
    session.mount("https://", adapter)
    return session
