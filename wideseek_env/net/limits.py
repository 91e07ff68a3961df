"""The limits of one fetch: seconds, bytes, redirects, attempts."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from random import Random
from typing import Any

from wideseek_env.errors import ConfigError


@dataclass(frozen=True, slots=True)
class Limits:
    """The limits of one fetch. Time limits include redirects and retries."""

    connect: float = 8.0
    """The most seconds for looking up a host's name, and also for each attempt to connect."""
    read: float = 12.0
    """The most seconds between two pieces of data from the server."""
    total: float = 20.0
    """The most seconds for the whole fetch: waiting for the host's limits, retries, redirects and the whole body."""
    body: int = 5_000_000
    """The largest body as sent, in bytes."""
    unpacked: int = 20_000_000
    """The largest body once decompressed, in bytes."""
    headers: int = 65_536
    """The largest size of all response headers, in bytes."""
    redirects: int = 5
    """The most redirects that are followed."""

    def __post_init__(self) -> None:
        for field in dataclasses.fields(self):
            _at_least(self, field.name, 0 if field.name == "redirects" else 1e-3)


@dataclass(frozen=True, slots=True)
class Retries:
    """When and how often a failed attempt is repeated."""

    attempts: int = 3
    """The number of attempts, the first included."""
    base: float = 0.5
    """The upper limit of the first wait, in seconds. This limit doubles with each further wait."""
    longest: float = 8.0
    """The longest wait, in seconds. If a server asks for a longer wait (Retry-After), the request is not repeated."""

    def __post_init__(self) -> None:
        _at_least(self, "attempts", 1)
        _at_least(self, "base", 0)
        _at_least(self, "longest", 0)

    def wait(self, attempt: int, asked: float | None, dice: Random) -> float | None:
        """The seconds to wait after failed attempt number `attempt` (from 1), or None to give up.

        `asked` is the wait that the server asks for, in seconds. If it is None, the wait is random, between half and
        the whole of the current upper limit.
        """
        if attempt >= self.attempts:
            return None
        if asked is not None:
            return asked if asked <= self.longest else None
        step = min(self.longest, self.base * 2.0 ** (attempt - 1))
        return step * (0.5 + 0.5 * dice.random())


def retry_after(value: str | None, now: float) -> float | None:
    """The seconds in a Retry-After header, which is a number or a date. None when the header is neither.

    `now` is in seconds since the epoch.
    """
    if value is None:
        return None
    value = value.strip()
    if value.isascii() and value.isdecimal():
        return float(value[:12])
    try:
        moment = parsedate_to_datetime(value)
    except ValueError:
        return None
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=UTC)
    return max(0.0, (moment - datetime.fromtimestamp(now, UTC)).total_seconds())


def _at_least(settings: object, name: str, least: float) -> None:
    value: Any = getattr(settings, name)
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not value >= least:
        raise ConfigError(f"{name} must be a number of at least {least:g}, not {value!r}")
