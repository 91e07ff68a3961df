"""`ByteCache`: values of outside texts in memory, bounded in bytes. `short_cache`: results for short texts.

A number of entries is no bound where others choose the size of an entry. One page may take as much memory as a
thousand usual ones.
"""

from __future__ import annotations

import sys
import threading
from collections import OrderedDict
from collections.abc import Callable, Iterable
from functools import lru_cache, wraps
from typing import Any, Generic, ParamSpec, TypeVar

from wideseek_env.errors import ConfigError

Value = TypeVar("Value")
Parameters = ParamSpec("Parameters")

_OVERHEAD = 300  # bytes of an entry in addition to its key and its value


def size_of_texts(texts: Iterable[str]) -> int:
    """The memory of texts, in bytes."""
    return sum(map(sys.getsizeof, texts))


class ByteCache(Generic[Value]):
    """A mapping that drops the values used least recently when all together need more than `most_bytes` of memory.

    A value that alone needs more is not kept. Several threads may use the object at the same time. A pickle has the
    limit and no values.

    Args:
        most_bytes: The most memory, in bytes. 0 keeps nothing.
        size: The memory of a value, in bytes. It is called once when a value is kept.
        most_entries: The most values. None for no further limit.

    Raises:
        ConfigError: `most_bytes` is negative.
    """

    def __init__(
        self, most_bytes: int, size: Callable[[Value], int], most_entries: int | None = None
    ) -> None:
        if most_bytes < 0:
            raise ConfigError(f"the memory of a cache must be 0 bytes or more, not {most_bytes}")
        self._most = most_bytes
        self._size = size
        self._most_entries = sys.maxsize if most_entries is None else most_entries
        self._entries: OrderedDict[str, tuple[Value, int]] = OrderedDict()
        self._bytes = 0
        self._lock = threading.Lock()

    def get(self, key: str) -> Value | None:
        """The value of `key`, or None. The value counts as used."""
        with self._lock:
            entry = self._entries.get(key)
            if entry is None:
                return None
            self._entries.move_to_end(key)
            return entry[0]

    def put(self, key: str, value: Value) -> None:
        """Keep `value` in place of an earlier value of `key`."""
        size = self._size(value) + sys.getsizeof(key) + _OVERHEAD
        with self._lock:
            if key in self._entries:
                self._bytes -= self._entries.pop(key)[1]
            if size > self._most:
                return
            self._entries[key] = value, size
            self._bytes += size
            while self._bytes > self._most or len(self._entries) > self._most_entries:
                _, (_, gone) = self._entries.popitem(last=False)
                self._bytes -= gone

    def clear(self) -> None:
        """Drop all values."""
        with self._lock:
            self._entries.clear()
            self._bytes = 0

    def items(self) -> list[tuple[str, Value]]:
        """The keys and values, those used least recently first."""
        with self._lock:
            return [(key, value) for key, (value, _) in self._entries.items()]

    @property
    def size(self) -> int:
        """The memory of all entries in bytes, an estimate."""
        return self._bytes

    def __reduce__(self) -> tuple[Any, ...]:
        return ByteCache, (self._most, self._size, self._most_entries)

    def __len__(self) -> int:
        return len(self._entries)

    def copy(self) -> ByteCache[Value]:
        """A cache with the same values. Later changes of one are not seen in the other."""
        other: ByteCache[Value] = ByteCache(self._most, self._size, self._most_entries)
        with self._lock:
            other._entries, other._bytes = self._entries.copy(), self._bytes
        return other


def short_cache(
    maxsize: int, longest: int
) -> Callable[[Callable[Parameters, Value]], Callable[Parameters, Value]]:
    """Cache the last `maxsize` results of a function, like `functools.lru_cache`.

    A call with a text of more than `longest` characters is not cached. So the keys need at most about `maxsize` times
    `longest` characters.
    """

    def decorate(function: Callable[Parameters, Value]) -> Callable[Parameters, Value]:
        cached = lru_cache(maxsize)(function)

        @wraps(function)
        def call(*args: Parameters.args, **kwargs: Parameters.kwargs) -> Value:
            for each in args:
                if isinstance(each, str) and len(each) > longest:
                    return function(*args, **kwargs)
            return cached(*args, **kwargs)  # type: ignore[arg-type]

        return call

    return decorate
