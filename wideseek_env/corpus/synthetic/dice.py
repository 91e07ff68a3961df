"""`Dice`: random choices that are the same on every machine and under every Python version.

Only `random.Random.random` is guaranteed to always give the same sequence. So every choice uses one such number, one
multiplication and a truncation. Seeds are SHA-256 digests of their parts, never `hash()`.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from random import Random
from typing import TypeVar

T = TypeVar("T")


class Dice:
    """A stream of choices that depends only on `parts`. The seed is computed from the `str` forms of the parts."""

    __slots__ = ("_next",)

    def __init__(self, *parts: object) -> None:
        digest = hashlib.sha256("\x1f".join(map(str, parts)).encode()).digest()
        self._next = Random(int.from_bytes(digest[:8], "big")).random

    def below(self, n: int) -> int:
        """An integer from 0 to n − 1. `n` must be at least 1."""
        return int(self._next() * n)

    def between(self, low: int, high: int) -> int:
        """An integer from `low` to `high`, both included."""
        return low + int(self._next() * (high - low + 1))

    def chance(self, share: float) -> bool:
        """True with probability `share`."""
        return self._next() < share

    def pick(self, items: Sequence[T]) -> T:
        """One of `items`. All are equally likely."""
        return items[int(self._next() * len(items))]

    def pick_early(self, items: Sequence[T]) -> T:
        """One of `items`. Early items are more likely: of five items, the first is chosen about half the time."""
        n = len(items)
        return items[min(int(self._next() * n), int(self._next() * n), int(self._next() * n))]

    def low(self, low: int, high: int) -> int:
        """An integer from `low` to `high`. Small integers are more likely, because the choice uses the square of a
        uniform number."""
        u = self._next()
        return low + int(u * u * (high - low + 1))

    def shuffled(self, items: Sequence[T]) -> list[T]:
        """`items` in random order (Fisher and Yates)."""
        out = list(items)
        for last in range(len(out) - 1, 0, -1):
            other = int(self._next() * (last + 1))
            out[last], out[other] = out[other], out[last]
        return out

    def sample(self, items: Sequence[T], k: int) -> list[T]:
        """`k` different items in random order, or all of them when there are fewer."""
        return self.shuffled(items)[:k]
