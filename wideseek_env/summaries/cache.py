"""`SummaryCache`: summaries by the hash of their request, bounded in bytes.

Equal requests at the same time are sent once.
"""

from __future__ import annotations

import hashlib
import json
import logging
import threading
from collections import OrderedDict
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from dataclasses import replace
from typing import Any

from wideseek_env.errors import ConfigError, WideSeekError
from wideseek_env.scoring.judging.cache import Cache
from wideseek_env.summaries.base import Summary

CACHE_BYTES = 64 << 20
"""The most memory of the cached summaries, in bytes."""

_OVERHEAD = 300  # bytes of an entry besides its text
_LOG = logging.getLogger(__name__)


def request_key(*parts: Any) -> str:
    """The key of a request: a hash of everything on which the summary depends, as JSON values."""
    return hashlib.sha256(json.dumps(parts, sort_keys=True, default=repr).encode()).hexdigest()


class SummaryCache:
    """Summaries in the memory of this process. The summaries that were used least recently are dropped first.

    Args:
        most_bytes: The most memory, in bytes. 0 keeps no summary.
        store: A further cache, which other processes may share, such as a `JudgeCache` file. Summaries that are not in
            memory are looked up in it.
    """

    def __init__(self, most_bytes: int = CACHE_BYTES, store: Cache | None = None) -> None:
        if most_bytes < 0:
            raise ConfigError(f"the memory for summaries must be 0 bytes or more, not {most_bytes}")
        self._most = most_bytes
        self._store = store
        self._start()

    def _start(self) -> None:
        self._lock = threading.Lock()
        self._texts: OrderedDict[str, str] = OrderedDict()
        self._bytes = 0
        self._running: dict[str, Future[Summary]] = {}

    def __getstate__(self) -> dict[str, Any]:
        return {"_most": self._most, "_store": self._store}

    def __setstate__(self, state: dict[str, Any]) -> None:
        vars(self).update(state)
        self._start()

    def __len__(self) -> int:
        return len(self._texts)

    @property
    def size(self) -> int:
        """The bytes of the cached summaries, an estimate."""
        return self._bytes

    def answer(
        self,
        keys: Sequence[str],
        run: Callable[[list[int]], Sequence[Summary]],
        keep: Callable[[], bool] = lambda: True,
    ) -> list[Summary]:
        """One summary for each key, in their order.

        Args:
            keys: The keys of the requests (`request_key`).
            run: Gets the indices of the requests that nobody has answered or is answering, and returns a summary for
                each of them. It has a time limit, because other threads wait for it.
            keep: Called after `run`. If it returns False, the summaries are returned but not cached.
        """
        distinct = {key: number for number, key in reversed(list(enumerate(keys)))}
        stored = self._from_store([key for key in distinct if key not in self._texts])
        known: dict[str, Summary] = {}
        others: dict[str, Future[Summary]] = {}
        mine: dict[str, Future[Summary]] = {}
        with self._lock:
            for key in distinct:
                if key in self._texts:
                    self._texts.move_to_end(key)
                    known[key] = Summary(self._texts[key], cached=True)
                elif key in stored:
                    self._remember(key, stored[key])
                    known[key] = Summary(stored[key], cached=True)
                elif key in self._running:
                    others[key] = self._running[key]
                else:
                    mine[key] = self._running[key] = Future()
        if mine:
            known |= self._run(mine, distinct, run, keep)
        for key, future in others.items():
            summary = future.result()
            known[key] = Summary(summary.text, cached=not summary.error, error=summary.error)
        return [
            known[key] if distinct[key] == number or known[key].error else _again(known[key])
            for number, key in enumerate(keys)
        ]

    def _run(
        self,
        mine: dict[str, Future[Summary]],
        distinct: dict[str, int],
        run: Callable[[list[int]], Sequence[Summary]],
        keep: Callable[[], bool],
    ) -> dict[str, Summary]:
        try:
            answered = dict(zip(mine, run([distinct[key] for key in mine]), strict=True))
        except BaseException as error:
            with self._lock:
                for key, future in mine.items():
                    del self._running[key]
                    future.set_result(Summary("", error=f"{type(error).__name__}: {error}"[:500]))
            raise
        good = {key: summary.text for key, summary in answered.items() if not summary.error}
        if not keep():
            good = {}
        with self._lock:
            for key, text in good.items():
                self._remember(key, text)
            for key, future in mine.items():
                del self._running[key]
                future.set_result(answered[key])
        self._to_store(good)
        return answered

    def _remember(self, key: str, text: str) -> None:
        size = len(text.encode("utf-8", "surrogatepass")) + _OVERHEAD
        if key in self._texts or size > self._most:
            return
        self._texts[key] = text
        self._bytes += size
        while self._bytes > self._most:
            _, gone = self._texts.popitem(last=False)
            self._bytes -= len(gone.encode("utf-8", "surrogatepass")) + _OVERHEAD

    def _from_store(self, keys: list[str]) -> dict[str, str]:
        if self._store is None or not keys:
            return {}
        try:
            return self._store.get_many(keys)
        except WideSeekError as error:
            _LOG.warning("the cache of summaries is not used: %s", error)
            return {}

    def _to_store(self, texts: dict[str, str]) -> None:
        if self._store is None or not texts:
            return
        try:
            self._store.put_many(texts)
        except WideSeekError as error:
            _LOG.warning("the cache of summaries is not used: %s", error)


def _again(summary: Summary) -> Summary:
    """The summary for a second request of one call, which cost nothing."""
    return replace(summary, prompt_tokens=0, completion_tokens=0, cached_tokens=0, cached=True)
