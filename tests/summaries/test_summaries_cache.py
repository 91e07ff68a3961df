"""The cache of summaries: bounds, threads and failures."""

from __future__ import annotations

import pickle
import threading
from collections.abc import Sequence

import pytest

from wideseek_env.errors import ConfigError
from wideseek_env.summaries.base import Summary
from wideseek_env.summaries.cache import SummaryCache, request_key


def answering(texts: Sequence[str], asked: list[list[int]]):  # type: ignore[no-untyped-def]
    def run(numbers: list[int]) -> list[Summary]:
        asked.append(numbers)
        return [Summary(texts[number], 1, 2) for number in numbers]

    return run


def test_keys_depend_on_every_part() -> None:
    base = ("engine", "model", 0, [{"role": "user", "content": "x"}])
    keys = {request_key(*base)}
    for at, other in enumerate(("openai", "model2", 1, [])):
        keys.add(request_key(*base[:at], other, *base[at + 1 :]))
    assert len(keys) == 5
    assert request_key(*base) in keys


def test_only_unknown_keys_are_run() -> None:
    cache, asked = SummaryCache(), []
    run = answering("abcd", asked)
    assert [each.text for each in cache.answer(["k0", "k1", "k0"], run)] == ["a", "b", "a"]
    assert [each.cached for each in cache.answer(["k1", "k2"], answering(["?", "c"], asked))] == [True, False]
    assert asked == [[0, 1], [1]]
    assert cache.answer([], run) == []


def test_the_oldest_summaries_are_dropped() -> None:
    cache, asked = SummaryCache(most_bytes=3 * 1300), []
    text = "x" * 1000
    for number in range(10):
        cache.answer([f"k{number}"], answering([text], asked))
        assert cache.size <= 3 * 1300
    assert len(cache) == 3
    cache.answer(["k7"], answering([text], asked))  # used again, so it stays
    cache.answer(["k10"], answering([text], asked))
    assert cache.answer(["k7"], answering([text], asked))[0].cached
    assert not cache.answer(["k8"], answering([text], asked))[0].cached


@pytest.mark.parametrize("most", [0, 100])
def test_a_summary_that_is_too_large_is_not_kept(most: int) -> None:
    cache = SummaryCache(most_bytes=most)
    assert cache.answer(["k"], answering(["x" * 1000], []))[0].text == "x" * 1000
    assert (len(cache), cache.size) == (0, 0)


def test_sizes_are_in_bytes() -> None:
    cache = SummaryCache()
    cache.answer(["k"], answering(["灯" * 100], []))
    assert cache.size >= 300


def test_summaries_of_other_weights_are_not_kept() -> None:
    cache = SummaryCache()
    assert cache.answer(["k"], answering(["a"], []), keep=lambda: False)[0].text == "a"
    assert not cache.answer(["k"], answering(["b"], []))[0].cached


def test_an_exception_frees_those_who_wait() -> None:
    cache, began, go = SummaryCache(), threading.Event(), threading.Event()

    def failing(numbers: list[int]) -> list[Summary]:
        began.set()
        assert go.wait(30)
        raise ValueError("broken")

    errors: list[BaseException] = []

    def first() -> None:
        try:
            cache.answer(["k"], failing)
        except ValueError as error:
            errors.append(error)

    owner = threading.Thread(target=first)
    owner.start()
    assert began.wait(30)
    waiting: list[Summary] = []
    other = threading.Thread(target=lambda: waiting.extend(cache.answer(["k"], answering(["x"], []))))
    other.start()
    go.set()
    owner.join(30)
    other.join(30)
    assert len(errors) == 1
    assert waiting[0].text in ("", "x")  # it failed with the owner, or ran afterwards
    assert cache.answer(["k"], answering(["x"], []))[0].text == "x"


def test_a_thread_runs_what_is_its_own_before_it_waits_for_others() -> None:
    cache, began, other_began = SummaryCache(), threading.Event(), threading.Event()

    def run_b(numbers: list[int]) -> list[Summary]:
        began.set()
        assert other_began.wait(30)
        return [Summary("b") for _ in numbers]

    def run_a(numbers: list[int]) -> list[Summary]:
        other_began.set()
        return [Summary("a") for _ in numbers]

    owner = threading.Thread(target=cache.answer, args=(["b"], run_b))
    owner.start()
    assert began.wait(30)
    found = cache.answer(["a", "b"], run_a)
    assert [(each.text, each.cached) for each in found] == [("a", False), ("b", True)]
    owner.join(30)


def test_a_pickle_has_no_summaries() -> None:
    cache = SummaryCache(1234)
    cache.answer(["k"], answering(["a"], []))
    assert len(pickle.loads(pickle.dumps(cache))) == 0


def test_a_negative_size_is_refused() -> None:
    with pytest.raises(ConfigError, match="0 bytes or more"):
        SummaryCache(-1)
