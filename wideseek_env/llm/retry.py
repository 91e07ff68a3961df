"""Decides when a failed request is sent again: after an exponential wait with jitter (a random part), or after the wait
that the server asks for."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from random import Random

from wideseek_env.errors import ConfigError

RETRIED_STATUSES = frozenset((408, 409, 425, 429, 500, 502, 503, 504, 520, 521, 522, 523, 524, 529))
"""The HTTP statuses after which the same request may succeed."""


@dataclass(frozen=True, slots=True)
class RetryPolicy:
    """How many times a request is tried, and how long the waits between are.

    attempts: the number of tries, the first included (1 or more).
    first_wait: the seconds before the second try. The wait doubles for each further try. longest_wait: the longest
    wait, in seconds. If a server asks for a longer wait, the request fails at once.
    """

    attempts: int = 6
    first_wait: float = 0.5
    longest_wait: float = 60.0

    def __post_init__(self) -> None:
        if self.attempts < 1 or not 0 <= self.first_wait <= self.longest_wait < float("inf"):
            raise ConfigError(
                f"retries need at least 1 attempt and 0 <= first_wait <= longest_wait, not {self}"
            )

    def wait(self, failures: int, asked: float | None, random: Random) -> float | None:
        """The seconds to wait after `failures` failed tries, or None to give up.

        `asked` is the wait that the server asks for. The result is never shorter than `asked`. If `asked` is None, the
        wait doubles with each failure up to `longest_wait`, and a random part of up to half is subtracted. So the
        retries of several clients do not arrive at the same moment.
        """
        if failures >= self.attempts:
            return None
        if asked is not None:
            return asked + random.uniform(0, self.first_wait) if asked <= self.longest_wait else None
        doubled = self.first_wait * 2.0 ** min(failures - 1, 64)
        return min(self.longest_wait, doubled) * random.uniform(0.5, 1.0)


def retry_after(headers: Mapping[str, str], now: datetime | None = None) -> float | None:
    """The seconds that a response asks clients to wait: ``retry-after-ms``, or ``Retry-After`` in seconds or as a date.

    None when the response has no such header or its value cannot be read. A date is compared with `now` (by default the
    current time).
    """
    for name, unit in (("retry-after-ms", 1e-3), ("retry-after", 1.0)):
        value = headers.get(name, "").strip()
        try:
            seconds = float(value) * unit
        except ValueError:
            continue
        if 0 <= seconds < float("inf"):
            return seconds
    try:
        at = parsedate_to_datetime(headers.get("retry-after", ""))
    except ValueError:
        return None
    at = at if at.tzinfo is not None else at.replace(tzinfo=UTC)
    return max(0.0, (at - (now or datetime.now(UTC))).total_seconds())
