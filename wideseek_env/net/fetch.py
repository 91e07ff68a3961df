"""`Fetcher`: fetches one document by URL, with redirects and retries. If a limit is exceeded or the fetch fails, it
raises a `FetchError`."""

from __future__ import annotations

import logging
import ssl
import time
from collections.abc import Callable, Mapping
from contextlib import closing
from dataclasses import dataclass, field
from http import HTTPStatus
from pathlib import Path
from random import Random
from typing import Any

import requests

from wideseek_env.errors import ConfigError
from wideseek_env.hiding import hide
from wideseek_env.net.address import AddressPolicy
from wideseek_env.net.body import ACCEPTED, read_body
from wideseek_env.net.connect import Guard, GuardedAdapter, Resolver, system_resolver, too_late, trust
from wideseek_env.net.errors import FetchError
from wideseek_env.net.limits import Limits, Retries, retry_after
from wideseek_env.net.pace import Pace
from wideseek_env.net.secrets import Secret, keys_of
from wideseek_env.net.urls import WebUrl, join_url, parse_url

_log = logging.getLogger(__name__)

USER_AGENT = "wideseek-env (research agent)"
_KNOWN = frozenset(int(status) for status in HTTPStatus)
_REDIRECTS = frozenset((301, 302, 303, 307, 308))


@dataclass(frozen=True, slots=True)
class Request:
    """A request for one document. Headers whose values are `Secret`s are sent only to the origin of `url`.

    A request with a `body` is a POST. `content_type` is the type of the body. Redirects of a POST are not followed.
    """

    url: str
    headers: Mapping[str, str | Secret] = field(default_factory=dict)
    body: bytes | None = None
    content_type: str = "application/json"
    accept: str = "text/html, application/xhtml+xml, text/markdown;q=0.9, text/plain;q=0.8, */*;q=0.1"
    redirects: bool = True


@dataclass(frozen=True, slots=True)
class Response:
    """A document that arrived whole, with status 200 to 299. `url` is the URL after redirects.

    If the request had keys in its headers, the response has `[key]` in place of each of them.
    """

    url: str
    status: int
    content_type: str
    body: bytes


class Fetcher:
    """Fetches documents. It is safe to use from several threads and keeps no cookies and no connections.

    Args:
        policy: Decides to which addresses connections are allowed.
        limits: The limits of one fetch.
        retries: When and how often a failed attempt is repeated.
        pace: The limits for each host. Fetchers with the same `Pace` object count their requests together.
        resolver: Looks names up.
        user_agent: The User-Agent header.
        ca_file: A file with certificate authorities to trust instead of the usual ones.
        clock: The monotonic time in seconds.
        now: The seconds since the epoch.
        sleep: Waits a number of seconds.
        dice: Draws the jitter of waits.
    """

    def __init__(
        self,
        *,
        policy: AddressPolicy | None = None,
        limits: Limits | None = None,
        retries: Retries | None = None,
        pace: Pace | None = None,
        resolver: Resolver = system_resolver,
        user_agent: str = USER_AGENT,
        ca_file: Path | str | None = None,
        clock: Callable[[], float] = time.monotonic,
        now: Callable[[], float] = time.time,
        sleep: Callable[[float], None] = time.sleep,
        dice: Random | None = None,
    ) -> None:
        if not user_agent.isascii() or not user_agent.isprintable():
            raise ConfigError("user_agent must be printable ASCII")
        if ca_file is not None and not Path(ca_file).is_file():
            raise ConfigError(f"there is no file {ca_file} with certificate authorities")
        self.policy = policy or AddressPolicy()
        self.limits = limits or Limits()
        self.retries = retries or Retries()
        self.pace = pace or Pace(clock=clock, sleep=sleep)
        self.resolver = resolver
        self.user_agent = user_agent
        self._trust: ssl.SSLContext | None = None
        if ca_file is not None:
            try:
                self._trust = trust(str(ca_file))
            except (OSError, ssl.SSLError) as error:
                raise ConfigError(f"{ca_file} holds no certificate authorities: {error}") from None
        self._clock = clock
        self._now = now
        self._sleep = sleep
        self._dice = dice or Random()

    def fetch(self, request: Request, before: Callable[[WebUrl], None] | None = None) -> Response:
        """The document at `request.url`. Raises `FetchError` for every failure.

        `before` is called with every URL before it is requested, redirects included. `before` may raise an error, which
        then ends the fetch.
        """
        deadline = self._clock() + self.limits.total
        target = parse_url(request.url)
        origin = target.origin
        seen = {target.text}
        for _ in range(self.limits.redirects + 1):
            self.policy.check_host(target.host, target.port)
            if before is not None:
                before(target)
            result = self._persist(request, target, target.origin == origin, deadline)
            if isinstance(result, Response):
                return result
            target = result
            if target.text in seen:
                raise FetchError("redirects", "The page cannot be opened: it redirects in a circle.")
            seen.add(target.text)
        raise FetchError("redirects", "The page cannot be opened: it redirects too often.")

    def _persist(
        self, request: Request, target: WebUrl, same_origin: bool, deadline: float
    ) -> Response | WebUrl:
        """The response of one URL, or the URL that it redirects to. Failed attempts are repeated up to the limit."""
        attempt = 1
        while True:
            try:
                with self.pace.turn(target.host, deadline - self._clock()):
                    return self._attempt(request, target, same_origin, deadline)
            except FetchError as error:
                wait = self.retries.wait(attempt, error.retry_after, self._dice) if error.transient else None
                _log.debug("attempt %d at %s: %s (%s)", attempt, target.host, error.kind, error)
                if wait is None or self._clock() + wait >= deadline:
                    raise
                attempt += 1
                self._sleep(wait)

    def _attempt(
        self, request: Request, target: WebUrl, same_origin: bool, deadline: float
    ) -> Response | WebUrl:
        left = deadline - self._clock()
        if left <= 0:
            raise too_late()
        guard = Guard(target, self.policy, self.resolver, self.limits.connect, left)
        if target.scheme == "https" and self._trust is None:
            self._trust = trust()
        with guard, closing(GuardedAdapter(guard, self._trust)) as adapter:
            try:
                response = adapter.send(
                    self._prepared(request, target, same_origin),
                    stream=True,
                    timeout=(self.limits.connect, min(self.limits.read, left)),
                )
                with closing(response):
                    result = self._read(request, target, response)
                if guard.expired:  # the body may have been cut off by the time limit
                    raise too_late()
                return result
            except FetchError:
                if guard.expired:
                    raise too_late() from None
                raise
            except Exception as error:  # a hostile server may cause any error in the libraries
                # The messages of these errors may contain addresses, headers or received bytes, so only the kind is
                # kept.
                raise too_late() if guard.expired else _explained(error) from None

    def _prepared(self, request: Request, target: WebUrl, same_origin: bool) -> requests.PreparedRequest:
        headers = {
            "User-Agent": self.user_agent,
            "Accept": request.accept,
            "Accept-Encoding": ACCEPTED,
            "Connection": "close",
        }
        if request.body is not None:
            headers["Content-Type"] = request.content_type
        for name, value in request.headers.items():
            if isinstance(value, str):
                headers[name] = value
            elif same_origin:
                headers[name] = value.reveal()
        prepared = requests.PreparedRequest()
        method = "GET" if request.body is None else "POST"
        prepared.prepare(method=method, url=target.text, headers=headers, data=request.body)
        prepared.url = target.text  # the URL as this module parsed it, not as the library would rewrite it
        return prepared

    def _read(self, request: Request, target: WebUrl, response: requests.Response) -> Response | WebUrl:
        headers = response.headers
        if sum(len(name) + len(value) for name, value in headers.items()) > self.limits.headers:
            raise FetchError("too_large", "The server's response headers are too large.")
        status = response.status_code
        location = headers.get("location")
        if status in _REDIRECTS and location is not None:
            if request.body is not None or not request.redirects:
                raise FetchError("redirects", "The server redirects where no redirect is followed.", 502)
            return join_url(target, hide(_utf8(location), keys_of(request.headers)))
        if not 200 <= status <= 299:
            raise _failed(status, response.headers.get("retry-after"), self._now())
        body = read_body(
            response.raw, headers.get("content-encoding", ""), headers.get("content-length"), self.limits
        )
        keys = keys_of(request.headers)  # a server may repeat a key, and its text is stored and shown
        kind = hide(headers.get("content-type", ""), keys)
        return Response(target.text, status, kind, hide(body, keys))


def _utf8(header: str) -> str:
    """A header that was decoded as Latin-1, decoded as UTF-8 instead if it is valid UTF-8."""
    try:
        return header.encode("latin-1").decode("utf-8")
    except UnicodeError:
        return header


def _failed(status: int, asked: str | None, now: float) -> FetchError:
    phrase = f" ({HTTPStatus(status).phrase})" if status in _KNOWN else ""
    message = f"The server answered with status {status}{phrase}."
    return FetchError("http", message, status if 300 <= status <= 599 else 502, retry_after(asked, now))


def _explained(error: Exception) -> FetchError:
    names = {type(cause).__name__ for cause in _causes(error)}
    if names & {"SSLError", "SSLCertVerificationError", "CertificateError"}:
        return FetchError(
            "tls", "The server of this address could not prove that it is the one it claims to be."
        )
    if names & {"ReadTimeoutError", "ReadTimeout", "ConnectTimeout", "TimeoutError"}:
        return FetchError("timeout", "The server stopped answering.")
    if "IncompleteRead" in names:
        return FetchError("truncated", "The page arrived incomplete.")
    if names & {"ConnectionResetError", "BrokenPipeError", "RemoteDisconnected", "ConnectionAbortedError"}:
        return FetchError("connect", "The server broke the connection.")
    return FetchError("protocol", "The server's answer could not be understood.")


def _causes(error: BaseException) -> list[BaseException]:
    """An exception and the exceptions that the HTTP libraries have wrapped in it."""
    found: list[BaseException] = []
    queue: list[Any] = [error]
    while queue and len(found) < 20:
        item = queue.pop()
        if isinstance(item, BaseException) and item not in found:
            found.append(item)
            queue += [*item.args, item.__cause__, item.__context__, getattr(item, "reason", None)]
    return found
