"""`ToolPool` runs the tool calls of all episodes on threads, in batches.

An executor computes, or waits for its tools. If it ran on the event loop, every agent would have to wait for it. While
a batch of searches runs, new searches queue. They form the next batch. If the corpus computes (``blocking`` is False),
searches and browses share one thread. If the corpus waits, batches of searches and single browses run in parallel. With
a summariser, browses wait for a model, so they have separate threads.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field

from wideseek_env.errors import ServiceError, WideSeekError
from wideseek_env.messages import ToolCall, ToolResult
from wideseek_env.tools.executor import Executor, checked_results

BLOCKING_WORKERS = 16
BLOCKING_SEARCHES = 4
SUMMARY_WORKERS = 64
"""The most pages that are summarised at the same time."""
"""The largest number of search batches in flight, for a corpus that waits."""


class ToolLostError(ServiceError):
    """The executor can run no more calls. The episode that made the call fails."""


@dataclass(slots=True)
class _Lane:
    """A queue of calls that go to the executor in batches of at most `most`, with at most `width` batches at a time."""

    most: int
    width: int
    queue: deque[tuple[ToolCall, asyncio.Future[ToolResult]]] = field(default_factory=deque)
    running: int = 0


class ToolPool:
    """Runs the tool calls of any number of episodes with one executor.

    The executor must be thread-safe if its corpus waits.

    Args:
        executor: Runs the calls. The attribute `blocking` of its corpus tells whether the corpus waits. If the executor
            has no corpus, the attribute of the executor counts. Without the attribute, the executor counts as one that
            computes.
        batch: The largest number of searches in one call of the executor.
        workers: Number of threads. None means 1 if the executor computes, and 16 if it waits.
    """

    def __init__(self, executor: Executor, *, batch: int = 64, workers: int | None = None) -> None:
        self._executor = executor
        corpus = getattr(executor, "corpus", executor)
        blocking = bool(getattr(corpus, "blocking", False))
        threads = workers if workers is not None else BLOCKING_WORKERS if blocking else 1
        self._threads = ThreadPoolExecutor(threads, thread_name_prefix="wideseek-tools")
        # Custom tools may wait even if the corpus computes, so they get separate threads.
        self._others = ThreadPoolExecutor(workers or BLOCKING_WORKERS, thread_name_prefix="wideseek-custom")
        self._search = _Lane(batch, min(BLOCKING_SEARCHES, threads) if blocking else 1)
        self._pages: ThreadPoolExecutor | None = None
        if getattr(executor, "summariser", None) is not None:
            self._pages = ThreadPoolExecutor(workers or SUMMARY_WORKERS, thread_name_prefix="wideseek-pages")
            self._browse = _Lane(1, workers or SUMMARY_WORKERS)
        else:
            self._browse = _Lane(1, threads) if blocking else self._search
        self._custom = _Lane(1, workers or BLOCKING_WORKERS)
        self._tasks: set[asyncio.Task[None]] = set()
        self.batches = 0
        """The number of calls of the executor so far."""
        self.requests = 0
        """The number of tool calls in these calls of the executor."""

    async def run(self, call: ToolCall) -> ToolResult:
        """Run one tool call, and return its result. Raises `ToolLostError` if the executor no longer works."""
        lane = {"search": self._search, "browse": self._browse}.get(call.name, self._custom)
        future: asyncio.Future[ToolResult] = asyncio.get_running_loop().create_future()
        lane.queue.append((call, future))
        self._pump(lane)
        return await future

    async def close(self) -> None:
        """Drop the queued calls. Threads finish the calls that they are running."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        for pool in (self._threads, self._others, self._pages):
            if pool is not None:
                pool.shutdown(wait=False, cancel_futures=True)

    def _pump(self, lane: _Lane) -> None:
        if lane.running < lane.width and lane.queue:
            lane.running += 1
            task = asyncio.get_running_loop().create_task(self._work(lane))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    async def _work(self, lane: _Lane) -> None:
        """Run batches until the lane is empty."""
        try:
            while lane.queue:
                batch: list[tuple[ToolCall, asyncio.Future[ToolResult]]] = []
                while lane.queue and len(batch) < lane.most:
                    call, future = lane.queue.popleft()
                    if not future.done():  # its agent may have ended
                        batch.append((call, future))
                if batch:
                    self._pump(lane)  # starts another batch in parallel if the lane is wide enough
                    await self._batch(lane, batch)
        finally:
            lane.running -= 1

    async def _batch(self, lane: _Lane, batch: Sequence[tuple[ToolCall, asyncio.Future[ToolResult]]]) -> None:
        answers = await self._call(lane, [call for call, _ in batch])
        if isinstance(answers, Exception) and len(batch) > 1 and not isinstance(answers, WideSeekError):
            for single in batch:  # one call must not fail others of its batch
                await self._batch(lane, [single])
            return
        for at, (call, future) in enumerate(batch):
            if future.done():
                continue
            if not isinstance(answers, Exception):
                future.set_result(answers[at])
            elif isinstance(answers, WideSeekError):
                future.set_exception(ToolLostError(f"the tool {call.name} is lost: {answers}"))
            else:
                text = f"Error: the tool failed ({type(answers).__name__}: {answers})"
                future.set_result(ToolResult(text[:500], ok=False))

    async def _call(self, lane: _Lane, calls: list[ToolCall]) -> list[ToolResult] | Exception:
        pool = self._others if lane is self._custom else self._threads
        if lane is self._browse and self._pages is not None:
            pool = self._pages
        self.batches += 1
        self.requests += len(calls)
        try:
            results = await asyncio.get_running_loop().run_in_executor(pool, self._executor.run, calls)
            return checked_results(self._executor, calls, results)
        except Exception as error:
            return error
