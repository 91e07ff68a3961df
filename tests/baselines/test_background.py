"""The background loop: values, errors, interrupts and iterators across threads."""

from __future__ import annotations

import asyncio
import gc
import os
import signal
import threading
from collections.abc import AsyncIterator, Iterator

import pytest

from wideseek_baselines.background import LoopThread, background, iterate, run


@pytest.fixture
def loop() -> Iterator[LoopThread]:
    with LoopThread() as thread:
        yield thread


async def value(what: int) -> int:
    await asyncio.sleep(0)
    return what


async def numbers(ended: list[str], count: int = 1000) -> AsyncIterator[int]:
    try:
        for number in range(count):
            await asyncio.sleep(0)
            yield number
    finally:
        await asyncio.sleep(0)
        ended.append("numbers")


def test_values_and_errors_come_back() -> None:
    async def broken() -> None:
        raise LookupError("here")

    assert run(value(3)) == 3
    with pytest.raises(LookupError, match="here"):
        run(broken())
    assert background() is background()


def test_several_threads_wait_for_one_loop(loop: LoopThread) -> None:
    found: list[int] = []
    threads = [threading.Thread(target=lambda n=n: found.append(loop.run(value(n)))) for n in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(found) == list(range(8))


def test_all_items_of_an_iterator() -> None:
    ended: list[str] = []
    assert list(iterate(numbers(ended, 5))) == [0, 1, 2, 3, 4]
    assert ended == ["numbers"]


def test_leaving_an_iterator_early_ends_it_before_going_on(loop: LoopThread) -> None:
    ended: list[str] = []
    items = loop.iterate(numbers(ended))
    assert next(items) == 0
    items.close()  # type: ignore[attr-defined]
    assert ended == ["numbers"]


def test_an_iterator_that_is_dropped_is_ended(loop: LoopThread) -> None:
    ended: list[str] = []
    items = loop.iterate(numbers(ended))
    assert next(items) == 0
    del items
    gc.collect()
    assert ended == ["numbers"]


def test_an_interrupt_cancels_and_waits() -> None:
    ended: list[str] = []

    async def long() -> None:
        try:
            os.kill(os.getpid(), signal.SIGINT)
            await asyncio.sleep(3600)
        finally:
            await asyncio.sleep(0.01)
            ended.append("long")

    with pytest.raises(KeyboardInterrupt):
        run(long())
    assert ended == ["long"]


def test_waiting_where_it_would_never_end_is_refused(loop: LoopThread) -> None:
    async def inside() -> None:
        loop.run(value(1))

    async def closing() -> None:
        loop.close()

    with pytest.raises(RuntimeError, match="its own thread"):
        loop.run(inside())
    with pytest.raises(RuntimeError, match="its own thread"):
        loop.run(closing())


def test_closing_cancels_what_is_left() -> None:
    ended: list[str] = []
    thread = LoopThread()

    async def begin() -> asyncio.Task[None]:
        async def forever() -> None:
            try:
                await asyncio.Event().wait()
            finally:
                ended.append("forever")

        task = asyncio.create_task(forever())
        await asyncio.sleep(0)
        return task

    thread.run(begin())
    thread.close()
    thread.close()
    assert ended == ["forever"]
    with pytest.raises(RuntimeError, match="closed"):
        thread.run(value(1))
