"""The simulated engine and the virtual clock: they keep what they promise, or nothing measured with them counts."""

from __future__ import annotations

import asyncio
import random
import statistics
import threading
import time

import pytest
from rollout_games import in_virtual_time

from wideseek_baselines.engines.base import (
    Engine,
    EngineError,
    EngineLostError,
    Generation,
    Request,
    Sampling,
)
from wideseek_baselines.engines.simulated import Faults, LogNormal, SimulatedEngine, Speed, toy_logprob
from wideseek_baselines.engines.toy_tokens import BEGIN, END, decode_text, encode_messages
from wideseek_env.errors import ConfigError

TEXT = "Grüße: " + "x" * 93


def chat(name: str, text: str = "hello", seed: int = 0, max_tokens: int = 1000) -> Request:
    return Request(name, Sampling(max_tokens, seed=seed), messages=[{"role": "user", "content": text}])


def ids(name: str, text: str = "hello", max_tokens: int = 1000) -> Request:
    prompt = [*encode_messages([{"role": "user", "content": text}]), BEGIN["assistant"]]
    return Request(name, Sampling(max_tokens, seed=0), ids=prompt)


def answers(engine: SimulatedEngine, requests: list[Request]) -> list[Generation | BaseException]:
    """What comes of requests that are made at once, in virtual time."""

    async def main() -> list[Generation | BaseException]:
        await engine.start()
        return await asyncio.gather(*(engine.generate(r) for r in requests), return_exceptions=True)

    return in_virtual_time(main)


def test_it_is_an_engine() -> None:
    assert isinstance(SimulatedEngine(lambda request: TEXT), Engine)


def test_tokens_in_and_tokens_out() -> None:
    whole, cut = answers(
        SimulatedEngine(lambda request: TEXT, takes="tokens"), [ids("a"), ids("b", max_tokens=10)]
    )
    assert isinstance(whole, Generation)
    assert isinstance(cut, Generation)
    assert whole.ids is not None
    assert cut.ids is not None
    assert (whole.finish_reason, cut.finish_reason) == ("stop", "length")
    assert decode_text(whole.ids) == TEXT
    assert whole.ids[-1] == END
    assert cut.ids == whole.ids[:10]
    assert whole.logprobs == [toy_logprob(token, at) for at, token in enumerate(whole.ids)]
    assert (whole.completion_tokens, whole.prompt_tokens) == (len(whole.ids), 8)
    assert whole.message is None


def test_messages_in_and_messages_out() -> None:
    (answer,) = answers(SimulatedEngine(lambda request: TEXT), [chat("a")])
    assert isinstance(answer, Generation)
    assert answer.message == {"role": "assistant", "content": TEXT}
    assert (answer.ids, answer.logprobs) == (None, None)


def test_latency_depends_on_the_request_and_not_on_the_order() -> None:
    requests = [chat(f"r{n}", seed=n) for n in range(2000)]

    def times(order: list[Request]) -> dict[str, float]:
        engine = SimulatedEngine(lambda request: TEXT, latency=LogNormal(2.0, 0.7), seed=4)
        found = answers(engine, order)
        return {r.id: g.generating for r, g in zip(order, found, strict=True) if isinstance(g, Generation)}

    first = times(requests)
    assert times(requests[::-1]) == pytest.approx(first)
    assert statistics.mean(first.values()) == pytest.approx(2.0, rel=0.05)
    assert len(set(first.values())) == 2000


def test_requests_beyond_its_slots_wait() -> None:
    engine = SimulatedEngine(lambda request: TEXT, latency=Speed(1e9, 25.0, 1e9), max_requests=2)
    found = [g for g in answers(engine, [chat(f"r{n}") for n in range(6)]) if isinstance(g, Generation)]
    assert [round(g.queued, 3) for g in found] == [0, 0, 1, 1, 2, 2]
    assert [round(g.generating, 3) for g in found] == [1] * 6


def test_a_full_engine_is_slower_for_each() -> None:
    speed = Speed(prefill=100.0, decode=10.0, total=100.0)
    dice = random.Random(0)
    assert speed(50, 20, 1, dice) == pytest.approx(0.5 + 2.0)
    assert speed(50, 20, 40, dice) == pytest.approx(0.5 + 8.0)


def test_faults_come_as_often_as_they_should() -> None:
    faults = Faults(error=0.1, malformed=0.2, cut=0.3)
    found = answers(SimulatedEngine(lambda r: TEXT, faults=faults), [chat(f"r{n}") for n in range(2000)])
    messages = [g.message for g in found if isinstance(g, Generation) and g.message is not None]
    broken = [m for m in messages if len(m["content"]) == len(TEXT) // 2]
    cut = [m for m in broken if m.get("finish_reason") == "length"]
    assert sum(isinstance(g, EngineError) for g in found) / 2000 == pytest.approx(0.1, abs=0.03)
    assert len(cut) / 2000 == pytest.approx(0.3, abs=0.03)
    assert (len(broken) - len(cut)) / 2000 == pytest.approx(0.2, abs=0.03)
    with pytest.raises(ConfigError, match="fault rates"):
        Faults(error=0.6, hang=0.6)


def test_a_request_that_hangs_can_be_cancelled() -> None:
    engine = SimulatedEngine(lambda request: TEXT, faults=Faults(hang=1.0), max_requests=1)

    async def main() -> None:
        await engine.start()
        task = asyncio.ensure_future(engine.generate(chat("a")))
        await asyncio.sleep(10_000)
        assert engine.under_way == ["a"]
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        assert engine.under_way == []

    in_virtual_time(main)


def test_a_loss_ends_all_requests() -> None:
    engine = SimulatedEngine(lambda request: TEXT, faults=Faults(loss=0.05), seed=2)
    found = answers(engine, [chat(f"r{n}") for n in range(100)])
    assert all(isinstance(g, EngineLostError) for g in found)


def test_what_it_refuses() -> None:
    async def main() -> None:
        engine = SimulatedEngine(lambda request: TEXT)
        with pytest.raises(EngineError, match="not been started"):
            await engine.generate(chat("a"))
        await engine.start()
        task = asyncio.ensure_future(engine.generate(chat("a")))
        await asyncio.sleep(0)
        with pytest.raises(EngineError, match="already in flight"):
            await engine.generate(chat("a"))
        await engine.close()
        with pytest.raises(EngineLostError):
            await task

    in_virtual_time(main)


def test_new_weights_show_in_the_versions() -> None:
    engine = SimulatedEngine(lambda request: TEXT, latency=LogNormal(10.0, 0.01))

    async def main() -> tuple[tuple[int, int], ...]:
        await engine.start()
        task = asyncio.ensure_future(engine.generate(chat("a")))
        await asyncio.sleep(1)
        await engine.update_weights([], 7)
        return (await task).versions

    versions = in_virtual_time(main)
    assert [version for version, _ in versions] == [0, 7]
    assert engine.version == 7


def test_the_virtual_clock_jumps_and_threads_take_no_time_of_it() -> None:
    async def main() -> tuple[float, str]:
        loop = asyncio.get_running_loop()
        await asyncio.sleep(86_400)
        name = await loop.run_in_executor(None, lambda: threading.current_thread().name)
        with pytest.raises(ZeroDivisionError):
            await loop.run_in_executor(None, lambda: 1 // 0)
        return loop.time(), name

    began = time.monotonic()
    now, name = in_virtual_time(main)
    assert now == pytest.approx(86_400)
    assert name == "wideseek-loop"
    assert time.monotonic() - began < 3600
