"""Decides when an episode may start and when a request may be sent to an engine.

The engine keeps the conversations of running episodes in its key-value cache. A turn is cheap only while its
conversation is in the cache. So it is better to finish a running episode than to begin another one.

`EpisodeGate` starts an episode when the cache has room for its expected size. `RequestGate` sends only as many requests
to the engine as the engine can process. Requests of the oldest episode come first. Both gates work strictly in order.
If a group or request does not fit yet, all later ones wait too. So none waits forever.
"""

from __future__ import annotations

import asyncio
import heapq
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

from wideseek_baselines.engines.base import EngineInfo
from wideseek_baselines.rollout.options import UNLIMITED_KV_EPISODES

SMOOTHING = 0.1
"""The weight of the latest episode in the running mean of peaks. A peak is the largest size of an episode in tokens."""


class EpisodeGate:
    """Lets groups of episodes start, in order. A group starts when there is room for all its episodes.

    Args:
        engines: Facts about the engines. The sizes of their caches are added up. If the size of one cache is unknown,
            the caches set no limit.
        concurrency: The largest number of episodes in flight.
        headroom: The share of the caches that episodes may use.
        expected: First guess of an episode's tokens at its peak.
    """

    def __init__(
        self, engines: Sequence[EngineInfo], *, concurrency: int | None, headroom: float, expected: int
    ) -> None:
        caches = [info.kv_tokens for info in engines]
        self.capacity = None if None in caches else int(sum(kv for kv in caches if kv is not None) * headroom)
        if concurrency is None and self.capacity is None:
            concurrency = UNLIMITED_KV_EPISODES
        self._concurrency = concurrency
        self.expected = float(expected)
        self._ended = 0
        self._live: dict[int, int] = {}
        self._peaks: dict[int, int] = {}
        self._changed = asyncio.Event()

    @property
    def active(self) -> int:
        """The number of episodes in flight."""
        return len(self._live)

    def fits(self, size: int) -> bool:
        """Whether `size` more episodes may start. If no episode is running, a group of any size may start."""
        if not self._live:
            return True
        if self._concurrency is not None and len(self._live) + size > self._concurrency:
            return False
        if self.capacity is None:
            return True
        taken = sum(max(live, self.expected) for live in self._live.values())
        return taken + size * self.expected <= self.capacity

    async def room(self, size: int) -> None:
        """Wait until `size` more episodes may start. Call `begin` for them at once."""
        while not self.fits(size):
            await self.changed()

    async def changed(self) -> None:
        """Wait until an episode has ended or `look` is called."""
        self._changed.clear()
        await self._changed.wait()

    def begin(self, episode: int) -> None:
        """Tell the gate that an episode has started."""
        self._live[episode] = self._peaks[episode] = 0

    def grown(self, episode: int, tokens: int) -> None:
        """Tell the gate that the live conversations of an episode now have `tokens` tokens."""
        self._live[episode] = tokens
        self._peaks[episode] = max(self._peaks[episode], tokens)

    def end(self, episode: int) -> None:
        """Tell the gate that an episode has ended. The gate then updates the peak that it expects of later episodes."""
        del self._live[episode]
        peak = self._peaks.pop(episode)
        if peak:
            self._ended += 1
            self.expected += max(SMOOTHING, 1 / (self._ended + 1)) * (peak - self.expected)
        self.look()

    def look(self) -> None:
        """Let everything that waits in `room` check again."""
        self._changed.set()


class RequestGate:
    """Lets requests go to one engine, those with the lowest priority number first, then in order of arrival.

    The engine gets at most 1.125 times its `max_requests`, so that it never waits for the next request. The tokens of
    these requests must also fit into its cache. A request that is alone always goes.
    """

    def __init__(self, info: EngineInfo) -> None:
        most = info.max_requests
        self._limit = None if most is None else most + max(1, most // 8)
        self._tokens = info.kv_tokens
        self._running = 0
        self._held = 0
        self._used = 0
        self._waiting: list[tuple[int, int, int, asyncio.Future[None]]] = []
        self._arrivals = 0

    @property
    def waiting(self) -> int:
        """The number of requests that have not gone to the engine yet."""
        return sum(not future.done() for *_, future in self._waiting)

    @property
    def running(self) -> int:
        """The number of requests at the engine."""
        return self._running

    @asynccontextmanager
    async def turn(self, priority: int, tokens: int) -> AsyncIterator[None]:
        """Wait until the request may be sent, and reserve `tokens` tokens of the cache until the block ends."""
        await self._enter(priority, tokens)
        try:
            yield
        finally:
            self._leave(tokens)

    def hold(self) -> None:
        """Let no request through until `release` is called. Each `hold` needs one `release`."""
        self._held += 1

    def release(self) -> None:
        """Undo one `hold`."""
        self._held -= 1
        self._admit()

    async def _enter(self, priority: int, tokens: int) -> None:
        future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._arrivals += 1
        heapq.heappush(self._waiting, (priority, self._arrivals, tokens, future))
        self._admit()
        try:
            await future
        except asyncio.CancelledError:
            if future.cancelled():
                self._admit()  # this request may have held others back
            else:
                self._leave(tokens)
            raise

    def _leave(self, tokens: int) -> None:
        self._running -= 1
        self._used -= tokens
        self._admit()

    def _admit(self) -> None:
        while self._waiting:
            _, _, tokens, future = self._waiting[0]
            if not future.done():
                if not self._fits(tokens):
                    return
                self._running += 1
                self._used += tokens
                future.set_result(None)
            heapq.heappop(self._waiting)

    def _fits(self, tokens: int) -> bool:
        if self._held:
            return False
        if not self._running:
            return True
        if self._limit is not None and self._running >= self._limit:
            return False
        return self._tokens is None or self._used + tokens <= self._tokens
