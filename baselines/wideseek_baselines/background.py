"""An asyncio loop on a thread of its own, and the bridge from ordinary code to it.

Engines live on the loop that started them, while policies, evaluations and notebooks are ordinary code. Both meet on
the loop that `background` gives: `run(coroutine)` and `iterate(async_iterator)` wait for what happens there. An
interrupt (Ctrl-C) in the waiting thread cancels what it waits for and is raised once that has ended.
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
    """One event loop that runs on a daemon thread from its creation until `close`.

    Args:
        factory: Makes the loop; one with a virtual clock, for example.
        name: Of the thread.
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
        """Whether the caller is on the loop's own thread, where waiting for it would never end."""
        return threading.current_thread() is self._thread

    @property
    def closed(self) -> bool:
        """Whether `close` was called."""
        return not self._thread.is_alive() or self.loop.is_closed()

    def run(self, coroutine: Coroutine[Any, Any, T]) -> T:
        """Run a coroutine on the loop and return what it returns, or raise what it raises.

        Raises:
            RuntimeError: When called on the loop's own thread (await it there) or after `close`.
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
            else:  # The interrupt came before `begin` was even scheduled.
                coroutine.close()
                done.cancel()

        try:
            self.loop.call_soon_threadsafe(begin)
            return done.result()
        except BaseException:
            if not done.done():  # The wait was interrupted, not the coroutine.
                self.loop.call_soon_threadsafe(cancel)
                _wait(done)
            raise

    def iterate(self, items: AsyncIterator[T]) -> Iterator[T]:
        """Go through an asynchronous iterator from ordinary code; leaving early closes it and waits for that."""
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
        if self.inside:  # A forgotten iterator that the garbage collector ends on the loop's thread.
            self.loop.create_task(_call(aclose))
        else:
            self.run(_call(aclose))

    def close(self) -> None:
        """Cancel what runs on the loop and end its thread; harmless when closed."""
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
    """The loop that policies and drivers of this process share; made on first use, and anew after a fork."""
    global _shared
    with _sharing:
        if _shared is None or _shared[0] != os.getpid() or _shared[1].closed:
            thread = LoopThread()
            atexit.register(thread.close)
            _shared = (os.getpid(), thread)
        return _shared[1]


def run(coroutine: Coroutine[Any, Any, T]) -> T:
    """`LoopThread.run` on the shared loop."""
    return background().run(coroutine)


def iterate(items: AsyncIterator[T]) -> Iterator[T]:
    """`LoopThread.iterate` on the shared loop."""
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
    """Wait until it is done, whatever it ends with; a second interrupt ends the wait."""
    finished = threading.Event()
    done.add_done_callback(lambda _: finished.set())
    finished.wait()
