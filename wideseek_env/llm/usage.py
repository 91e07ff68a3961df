"""Counts the use of a model: number of requests, tokens and cost."""

from __future__ import annotations

import threading
from dataclasses import dataclass, fields
from typing import Self

from wideseek_env.errors import ConfigError


@dataclass(frozen=True, slots=True)
class Prices:
    """The prices of a million tokens, in any currency."""

    prompt: float = 0.0
    completion: float = 0.0

    def __post_init__(self) -> None:
        if not (0 <= self.prompt < float("inf") and 0 <= self.completion < float("inf")):
            raise ConfigError(f"prices (for a million tokens) must be 0 or more, not {self}")


@dataclass(frozen=True, slots=True)
class Usage:
    """Sums over requests.

    requests: requests sent, failed ones included.
    retries: requests that repeated a failed one.
    prompt_tokens, completion_tokens: tokens as the server counted them.
    cost: the cost of these tokens, in the currency of the prices.
    unmetered: replies without a token count. Tokens and cost do not include them.
    """

    requests: int = 0
    retries: int = 0
    prompt_tokens: int = 0
    completion_tokens: int = 0
    cost: float = 0.0
    unmetered: int = 0

    def __add__(self, other: Self) -> Self:
        return type(self)(*(getattr(self, item.name) + getattr(other, item.name) for item in fields(self)))

    def __sub__(self, other: Self) -> Self:
        return type(self)(*(getattr(self, item.name) - getattr(other, item.name) for item in fields(self)))


class Meter:
    """A `Usage` that several threads add to."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._total = Usage()

    def add(self, usage: Usage) -> None:
        """Add `usage` to the sum."""
        with self._lock:
            self._total += usage

    @property
    def total(self) -> Usage:
        """The sum so far."""
        with self._lock:
            return self._total
