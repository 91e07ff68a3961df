"""Limits per host: how many requests to one host may be in flight, and how much time passes between two starts."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from wideseek_env.errors import ConfigError
from wideseek_env.net.errors import FetchError

_MOST_HOSTS = 4096


class _Host:
    __slots__ = ("active", "free_at", "waiting")

    def __init__(self) -> None:
        self.active = 0
        self.waiting = 0
        self.free_at = float("-inf")  # the earliest start of the next request


class Pace:
    """Limits per host, which the threads of a process share.

    Args:
        per_host: The most requests to one host at the same time.
        per_second: The most requests to one host per second, evenly spaced. 0 for no limit.
        clock: The monotonic time in seconds.
        sleep: Waits a number of seconds.
    """

    def __init__(
        self,
        per_host: int = 4,
        per_second: float = 0.0,
        *,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        if per_host < 1 or not per_second >= 0:
            raise ConfigError("per_host must be at least 1, and per_second must be 0 or more")
        self._most = per_host
        self._gap = 1.0 / per_second if per_second else 0.0
        self._clock = clock
        self._sleep = sleep
        self._hosts: dict[str, _Host] = {}
        self._changed = threading.Condition()

    @contextmanager
    def turn(self, host: str, patience: float) -> Iterator[None]:
        """A context in which one request to `host` may be sent. Raises `FetchError` of kind "busy" when the limits
        allow no request within `patience` seconds."""
        wait = self._enter(host, self._clock() + patience)
        try:
            if wait > 0:
                self._sleep(wait)
            yield
        finally:
            with self._changed:
                self._hosts[host].active -= 1
                self._changed.notify_all()

    def _enter(self, host: str, deadline: float) -> float:
        """Take a place among the requests in flight. Returns the seconds until the request may start."""
        with self._changed:
            state = self._state(host)
            state.waiting += 1
            try:
                while state.active >= self._most:
                    left = deadline - self._clock()
                    if left <= 0 or not self._changed.wait(left):
                        raise _busy()
            finally:
                state.waiting -= 1
            now = self._clock()
            start = max(now, state.free_at)
            if start > deadline:
                raise _busy()
            state.active += 1
            state.free_at = start + self._gap
            return start - now

    def _state(self, host: str) -> _Host:
        if host not in self._hosts and len(self._hosts) >= _MOST_HOSTS:
            now = self._clock()
            self._hosts = {
                name: state
                for name, state in self._hosts.items()
                if state.active or state.waiting or state.free_at > now
            }
        return self._hosts.setdefault(host, _Host())


def _busy() -> FetchError:
    return FetchError("busy", "Too many requests to this site are under way; try again later.")
