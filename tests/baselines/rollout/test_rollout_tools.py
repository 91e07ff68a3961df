"""The tool pool: batches, threads and failures."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Sequence

import pytest
from rollout_games import game, play_all, team

from wideseek_baselines.rollout.tools import ToolLostError, ToolPool
from wideseek_env.corpus.base import Page, SearchHit
from wideseek_env.errors import CorpusError
from wideseek_env.messages import ToolCall, ToolResult
from wideseek_env.tools.executor import CorpusTools


def search(number: int) -> ToolCall:
    return ToolCall(f"a/{number}/0", "a", "search", {"query": f"q{number}", "count": 3})


def browse(number: int) -> ToolCall:
    return ToolCall(f"b/{number}/0", "b", "browse", {"url": f"u{number}", "chunk": 1, "focus": ""})


class Noting:
    """Notes every batch and the threads; `blocking` as told. The first batch waits for `gate`."""

    def __init__(self, blocking: bool, failing: dict[str, Exception] | None = None) -> None:
        self.blocking = blocking
        self.failing = failing or {}
        self.batches: list[list[str]] = []
        self.threads: set[str] = set()
        self.gate = threading.Event()
        self.beside = self.most = 0
        self.lock = threading.Lock()

    def run(self, calls: Sequence[ToolCall]) -> list[ToolResult]:
        with self.lock:
            first = not self.batches
            self.batches.append([call.id for call in calls])
            self.threads.add(threading.current_thread().name)
            self.beside += 1
            self.most = max(self.most, self.beside)
        if first:
            assert self.gate.wait(30)
        with self.lock:
            self.beside -= 1
        for call in calls:
            if call.id in self.failing:
                raise self.failing[call.id]
        return [ToolResult(f"of {call.id}") for call in calls]

    def close(self) -> None:
        pass


async def run_all(
    pool: ToolPool, tools: Noting, calls: Sequence[ToolCall]
) -> list[ToolResult | BaseException]:
    """Ask for everything while the first batch is held, then let it go."""
    tasks = [asyncio.ensure_future(pool.run(call)) for call in calls]
    while not tools.batches:
        await asyncio.sleep(0.001)
    tools.gate.set()
    results = await asyncio.gather(*tasks, return_exceptions=True)
    await pool.close()
    return results


def test_what_queued_goes_together_and_on_one_thread() -> None:
    tools = Noting(blocking=False)
    calls = [call for n in range(20) for call in (search(n), browse(n))]

    async def main() -> list[ToolResult | BaseException]:
        return await run_all(ToolPool(tools, batch=16), tools, calls)

    assert asyncio.run(main()) == [ToolResult(f"of {call.id}") for call in calls]
    sizes = [len(batch) for batch in tools.batches]
    assert sum(sizes) == 40
    assert sizes[0] <= 16
    assert max(sizes) == 16
    assert len(sizes) <= 4
    assert [name for batch in tools.batches for name in batch] == [call.id for call in calls]
    assert len(tools.threads) == 1
    assert tools.most == 1


def test_over_a_corpus_that_waits_browses_run_alone_and_side_by_side() -> None:
    tools = Noting(blocking=True)
    calls = [*(browse(n) for n in range(6)), *(search(n) for n in range(30))]

    async def main() -> list[ToolResult | BaseException]:
        return await run_all(ToolPool(tools, batch=8), tools, calls)

    assert asyncio.run(main()) == [ToolResult(f"of {call.id}") for call in calls]
    assert all(len(batch) == 1 for batch in tools.batches if batch[0].startswith("b/"))
    assert 1 < max(len(batch) for batch in tools.batches) <= 8
    assert len(tools.threads) > 1


@pytest.mark.parametrize("blocking", [True, False])
def test_a_request_that_makes_the_executor_raise_spoils_no_other(blocking: bool) -> None:
    tools = Noting(blocking, {"a/3/0": RuntimeError("oh no")})
    calls = [search(n) for n in range(8)]

    async def main() -> list[ToolResult | BaseException]:
        return await run_all(ToolPool(tools), tools, calls)

    results = asyncio.run(main())
    expected = [ToolResult(f"of {call.id}") for call in calls]
    expected[3] = ToolResult("Error: the tool failed (RuntimeError: oh no)", ok=False)
    assert results == expected


def test_a_lost_executor_is_no_result() -> None:
    tools = Noting(False, {f"a/{n}/0": CorpusError("the index is gone") for n in range(5)})

    async def main() -> list[ToolResult | BaseException]:
        return await run_all(ToolPool(tools), tools, [search(n) for n in range(5)])

    results = asyncio.run(main())
    assert all(isinstance(result, ToolLostError) and "the index is gone" in str(result) for result in results)


def test_custom_tools_do_not_hold_up_searches() -> None:
    release = threading.Event()

    class Mixed(Noting):
        def run(self, calls: Sequence[ToolCall]) -> list[ToolResult]:
            if calls[0].name == "slow":
                assert release.wait(30)
            return [ToolResult(call.name) for call in calls]

    async def main() -> list[str]:
        pool = ToolPool(Mixed(False))
        slow = asyncio.ensure_future(pool.run(ToolCall("c/0/0", "c", "slow")))
        first = await pool.run(search(0))
        assert not slow.done()
        release.set()
        texts = [first.text, (await slow).text]
        await pool.close()
        return texts

    assert asyncio.run(main()) == ["search", "slow"]


def test_requests_of_agents_that_are_gone_are_not_run() -> None:
    tools = Noting(False)

    async def main() -> None:
        pool = ToolPool(tools, batch=1)
        tasks = [asyncio.ensure_future(pool.run(search(n))) for n in range(5)]
        while not tools.batches:
            await asyncio.sleep(0.001)
        for task in tasks[1:4]:
            task.cancel()
        await asyncio.sleep(0)
        tools.gate.set()
        assert (await tasks[4]).text == "of a/4/0"
        await pool.close()

    asyncio.run(main())
    assert tools.batches == [["a/0/0"], ["a/4/0"]]


class Slow:
    """A corpus behind a network that never answers in time."""

    name = "slow"
    blocking = True

    def search(self, queries: Sequence[str], k: int) -> list[list[SearchHit]]:
        time.sleep(1)
        return [[] for _ in queries]

    def fetch(self, url: str) -> Page | None:
        return None

    def close(self) -> None:
        pass


def test_time_outs_are_results() -> None:
    async def main() -> ToolResult:
        pool = ToolPool(CorpusTools(Slow(), timeout=0.05))
        result = await pool.run(search(0))
        await pool.close()
        return result

    result = asyncio.run(main())
    assert not result.ok
    assert "within 0.05 seconds" in result.text


class Lost:
    """Loses its index at the first request for one task, and answers the rest."""

    def __init__(self, inner: CorpusTools, word: str) -> None:
        self.inner = inner
        self.word = word

    def run(self, calls: Sequence[ToolCall]) -> list[ToolResult]:
        if any(self.word in str(call.arguments) for call in calls):
            raise CorpusError("damaged")
        return self.inner.run(calls)

    def close(self) -> None:
        self.inner.close()


def test_a_lost_executor_fails_the_episodes_that_ask() -> None:
    from rollout_games import corpus

    setup = game(3, executor=Lost(CorpusTools(corpus()), "useum"))
    finished = play_all(team(), setup)
    errors = {f.job.task.id: f.error for f in finished}
    museums = [name for name in errors if "museum" in name]
    assert museums
    assert all("ToolLostError" in errors[name] and "damaged" in errors[name] for name in museums)
