"""An asyncio event loop on a separate thread, and functions to use the loop from synchronous code.

An engine runs on the loop that started it, but policies, evaluations and notebooks are synchronous code. `background`
returns one loop for the whole process. `run(coroutine)` and `iterate(async_iterator)` run a coroutine or an iterator on
that loop and wait for its results. Ctrl-C in the waiting thread cancels the coroutine. When the coroutine has ended,
`KeyboardInterrupt` is raised.
"""

from __future__ import annotations

import asyncio
import atexit
import os
import threading
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator
from concurrent.futures import Future
from typing import Any, TypeVar

T = TypeVar("T")

_shared: tuple[int, LoopThread] | None = None
_sharing = threading.Lock()


class LoopThread:
    """An event loop that runs on a daemon thread from its creation until `close`.

    Args:
        factory: Creates the loop, for example one with a virtual clock.
        name: Name of the thread.
    """

    def __init__(
        self,
        factory: Callable[[], asyncio.AbstractEventLoop] = asyncio.new_event_loop,
        *,
        name: str = "wideseek-loop",
    ) -> None:
        self.loop = factory()
        self._thread = threading.Thread(target=self._main, name=name, daemon=True)
        self._thread.start()

    def _main(self) -> None:
        asyncio.set_event_loop(self.loop)
        try:
            self.loop.run_forever()
        finally:
            self._cancel_all()
            self.loop.run_until_complete(self.loop.shutdown_asyncgens())
            self.loop.close()

    def _cancel_all(self) -> None:
        tasks = asyncio.all_tasks(self.loop)
        for task in tasks:
            task.cancel()
        if tasks:
            self.loop.run_until_complete(asyncio.gather(*tasks, return_exceptions=True))

    @property
    def inside(self) -> bool:
        """Whether the caller is on the loop's thread. There, waiting for the loop would never end."""
        return threading.current_thread() is self._thread

    @property
    def closed(self) -> bool:
        """Whether the loop has ended."""
        return not self._thread.is_alive() or self.loop.is_closed()

    def run(self, coroutine: Coroutine[Any, Any, T]) -> T:
        """Run a coroutine on the loop, wait for it, and return its result or raise its error.

        Raises:
            RuntimeError: The method was called after `close`, or on the loop's thread. On that thread, use `await`.
        """
        if self.inside or self.closed:
            coroutine.close()
            reason = "it is awaited on its own thread" if self.inside else "it is closed"
            raise RuntimeError(f"the background loop cannot be waited for: {reason}")
        done: Future[T] = Future()
        tasks: list[asyncio.Task[T]] = []

        def begin() -> None:
            task = self.loop.create_task(coroutine)
            tasks.append(task)
            task.add_done_callback(lambda ended: _settle(ended, done))

        def cancel() -> None:
            if tasks:
                tasks[0].cancel()
            else:  # The interrupt came before `begin` ran.
                coroutine.close()
                done.cancel()

        try:
            self.loop.call_soon_threadsafe(begin)
            return done.result()
        except BaseException:
            if not done.done():  # The wait was interrupted, but the coroutine still runs.
                self.loop.call_soon_threadsafe(cancel)
                _wait(done)
            raise

    def iterate(self, items: AsyncIterator[T]) -> Iterator[T]:
        """Iterate over an asynchronous iterator from synchronous code. Leaving the loop early closes the iterator."""
        ended = object()

        async def following() -> T | object:
            return await anext(items, ended)

        try:
            while (item := self.run(following())) is not ended:
                yield item  # type: ignore[misc]
        finally:
            self._finish(items)

    def _finish(self, items: AsyncIterator[Any]) -> None:
        aclose = getattr(items, "aclose", None)
        if aclose is None or self.closed:
            return
        if self.inside:  # The garbage collector ends a forgotten iterator on the loop's thread.
            self.loop.create_task(_call(aclose))
        else:
            self.run(_call(aclose))

    def close(self) -> None:
        """Cancel all tasks of the loop and end its thread. A second call does nothing."""
        if self.inside:
            raise RuntimeError("the background loop cannot be closed from its own thread")
        if not self.closed:
            self.loop.call_soon_threadsafe(self.loop.stop)
        self._thread.join()

    def __enter__(self) -> LoopThread:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def background() -> LoopThread:
    """The loop that all policies and drivers of this process share. A forked process gets a new loop."""
    global _shared
    with _sharing:
        if _shared is None or _shared[0] != os.getpid() or _shared[1].closed:
            thread = LoopThread()
            atexit.register(thread.close)
            _shared = (os.getpid(), thread)
        return _shared[1]


def run(coroutine: Coroutine[Any, Any, T]) -> T:
    """Run a coroutine on the shared loop, wait for it, and return its result."""
    return background().run(coroutine)


def iterate(items: AsyncIterator[T]) -> Iterator[T]:
    """Iterate over an asynchronous iterator that runs on the shared loop."""
    return background().iterate(items)


async def _call(aclose: Callable[[], Coroutine[Any, Any, None]]) -> None:
    await aclose()


def _settle(task: asyncio.Task[T], done: Future[T]) -> None:
    if task.cancelled():
        done.set_exception(asyncio.CancelledError())
    elif (error := task.exception()) is not None:
        done.set_exception(error)
    else:
        done.set_result(task.result())


def _wait(done: Future[Any]) -> None:
    """Wait until `done` has a result or an error. A second interrupt ends the wait."""
    finished = threading.Event()
    done.add_done_callback(lambda _: finished.set())
    finished.wait()
