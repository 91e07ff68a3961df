"""Connects only to checked addresses: a name is looked up once, its address is checked, and that address is used.

`GuardedAdapter` is a transport adapter for one request of `requests`. Its connections do not resolve names again, so a
second, different DNS answer (DNS rebinding) has no effect. Its connections ignore proxies. TLS still verifies the
certificate for the host of the URL. A connection is closed after one request, so surplus bytes of a server cannot
become the answer to another request. When the time limit has passed, another thread shuts the connection down. So a
server that sends single bytes slowly cannot block a thread.
"""

from __future__ import annotations

import os
import socket
import ssl
import struct
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Any, TypeAlias, TypeVar

import requests
from requests.adapters import HTTPAdapter
from requests.utils import DEFAULT_CA_BUNDLE_PATH
from urllib3 import HTTPConnectionPool, HTTPSConnectionPool
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.util.ssl_ import create_urllib3_context

from wideseek_env.net.address import AddressPolicy, refused
from wideseek_env.net.errors import FetchError
from wideseek_env.net.urls import WebUrl

Resolver: TypeAlias = Callable[[str, int], Sequence[str]]
"""Maps a host name and port to IP addresses, best first. Raises `OSError` when there are none."""

_MOST_ADDRESSES = 4  # the most addresses that are tried
T = TypeVar("T")


def system_resolver(host: str, port: int) -> list[str]:
    """The operating system's answer for a name."""
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return list(dict.fromkeys(str(address[0]) for *_, address in found))


def too_late() -> FetchError:
    """The error for a time limit that has passed."""
    return FetchError("timeout", "The page could not be loaded in time.")


def trust(ca_file: str | None = None) -> ssl.SSLContext:
    """The certificate authorities to trust: those in `ca_file`, or those that `requests` trusts.

    Loading the authorities takes about 10 ms, so a fetcher loads them once for all its connections.
    """
    context = create_urllib3_context()
    context.verify_mode = ssl.CERT_REQUIRED
    context.check_hostname = True
    context.load_verify_locations(ca_file or DEFAULT_CA_BUNDLE_PATH)
    return context


class Guard:
    """Makes the one connection of a request to `target`, and ends it when `seconds` have passed.

    Use the guard as a context manager around the request and the reading of the response's body. `expired` tells
    whether the time limit caused an error.
    """

    def __init__(
        self, target: WebUrl, policy: AddressPolicy, resolver: Resolver, connect: float, seconds: float
    ) -> None:
        self.target = target
        self.expired = False
        self._policy = policy
        self._resolver = resolver
        self._connect = min(connect, seconds)
        self._end = time.monotonic() + seconds
        self._lock = threading.Lock()
        self._wire: socket.socket | None = None
        self._timer = threading.Timer(seconds, self._expire)
        self._timer.daemon = True

    def __enter__(self) -> Guard:
        self._timer.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._timer.cancel()
        with self._lock:
            if self._wire is not None:
                self._wire.close()
                self._wire = None

    def open(self, host: str) -> socket.socket:
        """A connected socket to a checked address of `host`."""
        target = self.target
        if host.strip("[]").lower() != target.host:
            raise refused()  # the client parsed the URL differently
        error: OSError | None = None
        for address in addresses(target, self._policy, self._resolver, self._connect)[:_MOST_ADDRESSES]:
            if self.expired:
                break
            try:
                return self._keep(self._dial(address, target.port), address)
            except OSError as failed:
                error = failed
        if self.expired or isinstance(error, TimeoutError):
            raise too_late()
        raise FetchError("connect", "The server of this address could not be reached.")

    def _dial(self, address: str, port: int) -> socket.socket:
        family = socket.AF_INET6 if ":" in address else socket.AF_INET
        connection = socket.socket(family, socket.SOCK_STREAM)
        try:
            connection.settimeout(max(1e-3, min(self._connect, self._end - time.monotonic())))
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            connection.connect((address, port))
        except BaseException:
            connection.close()
            raise
        return connection

    def _keep(self, connection: socket.socket, address: str) -> socket.socket:
        """Remember the connection so that it can be shut down. A duplicate is kept, because TLS will take over the
        socket object."""
        try:
            self._policy.check_addresses(self.target.host, self.target.port, [connection.getpeername()[0]])
        except BaseException:
            connection.close()
            raise
        with self._lock:
            if self.expired:
                connection.close()
                raise too_late()
            self._wire = socket.socket(
                connection.family, connection.type, connection.proto, os.dup(connection.fileno())
            )
        return connection

    def _expire(self) -> None:
        with self._lock:
            self.expired = True
            if self._wire is not None:
                with suppress(OSError):  # the other side may have closed it
                    # Send the closing message, but do not wait for data that is still arriving.
                    self._wire.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                    self._wire.shutdown(socket.SHUT_RDWR)


def addresses(target: WebUrl, policy: AddressPolicy, resolver: Resolver, seconds: float) -> list[str]:
    """The checked addresses of a URL's host. Raises `FetchError` when the host has no address or has one that is not
    allowed."""
    policy.check_host(target.host, target.port)
    if ":" in target.host or target.host.rpartition(".")[2].isdigit():
        return policy.check_addresses(target.host, target.port, [target.host])
    try:
        found = _within(seconds, lambda: list(resolver(target.host, target.port)))
    except (OSError, UnicodeError):
        found = []
    if not found:
        raise FetchError("dns", "There is no website at this address: its name is not known.")
    return policy.check_addresses(target.host, target.port, found)


def _within(seconds: float, work: Callable[[], T]) -> T:
    """The result of `work`, or a timeout error.

    `work` cannot be interrupted. After a timeout it continues on its thread, and its result is ignored.
    """
    outcome: list[T] = []
    failure: list[BaseException] = []

    def run() -> None:
        try:
            outcome.append(work())
        except BaseException as error:  # raised in the caller's thread
            failure.append(error)

    thread = threading.Thread(target=run, name="wideseek-resolve", daemon=True)
    thread.start()
    thread.join(seconds)
    if failure:
        raise failure[0]
    if not outcome:
        raise too_late()
    return outcome[0]


class _GuardedHTTP(HTTPConnection):
    def __init__(self, *args: Any, guard: Guard, **kwargs: Any) -> None:
        self._guard = guard
        super().__init__(*args, **kwargs)

    def _new_conn(self) -> socket.socket:
        return self._guard.open(self.host)


class _GuardedHTTPS(HTTPSConnection):
    def __init__(self, *args: Any, guard: Guard, **kwargs: Any) -> None:
        self._guard = guard
        super().__init__(*args, **kwargs)

    def _new_conn(self) -> socket.socket:
        return self._guard.open(self.host)


class _HTTPPool(HTTPConnectionPool):
    ConnectionCls = _GuardedHTTP


class _HTTPSPool(HTTPSConnectionPool):
    ConnectionCls = _GuardedHTTPS


class GuardedAdapter(HTTPAdapter):
    """The transport of one request. It uses a single connection that `guard` makes, with no proxy and no reuse."""

    def __init__(self, guard: Guard, trust: ssl.SSLContext | None) -> None:
        self._guard = guard
        self._trust = trust
        self._pool: HTTPConnectionPool | None = None
        super().__init__(pool_connections=1, pool_maxsize=1, max_retries=0)

    def get_connection_with_tls_context(
        self, request: requests.PreparedRequest, verify: Any, proxies: Any = None, cert: Any = None
    ) -> Any:
        """A pool that can make only the guarded connection, whatever `requests` would choose."""
        if proxies or cert:
            raise ValueError("proxies and client certificates are not supported")
        target = self._guard.target
        if target.scheme == "http":
            self._pool = _HTTPPool(target.host, target.port, maxsize=1, guard=self._guard)
        else:
            assert self._trust is not None
            self._pool = _HTTPSPool(
                target.host,
                target.port,
                maxsize=1,
                guard=self._guard,
                ssl_context=self._trust,
                cert_reqs="CERT_REQUIRED",
            )
        return self._pool

    def cert_verify(self, conn: Any, url: str, verify: Any, cert: Any) -> None:
        """Do nothing: the pool has a context that verifies certificates."""

    def close(self) -> None:
        """Close the connection."""
        if self._pool is not None:
            self._pool.close()
        super().close()
