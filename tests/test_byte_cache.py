"""Caches of outside texts: their memory has a limit whatever the size of one text."""

from __future__ import annotations

import copy
import pickle
import sys
from collections.abc import Sequence

import pytest

from wideseek_env.byte_cache import ByteCache, short_cache, size_of_texts
from wideseek_env.corpus.base import Page, SearchHit
from wideseek_env.errors import ConfigError
from wideseek_env.messages import ToolCall
from wideseek_env.scoring.judging import MemoryCache
from wideseek_env.tools.executor import CorpusTools


def test_the_values_used_least_recently_are_dropped() -> None:
    cache: ByteCache[str] = ByteCache(4000, sys.getsizeof)
    for name in "abc":
        cache.put(name, name * 800)
    assert cache.get("a") == "a" * 800
    cache.put("d", "d" * 800)
    assert [name for name, _ in cache.items()] == ["c", "a", "d"]
    assert cache.get("b") is None
    assert cache.size <= 4000


def test_a_value_that_is_too_large_is_not_kept_and_drops_nothing_else() -> None:
    cache: ByteCache[str] = ByteCache(4000, sys.getsizeof)
    cache.put("a", "a" * 100)
    cache.put("b", "ü€" * 4000)
    assert [name for name, _ in cache.items()] == ["a"]
    cache.put("a", "a" * 5000)  # the earlier value is out of date
    assert len(cache) == cache.size == 0


def test_a_replaced_value_counts_once() -> None:
    cache: ByteCache[str] = ByteCache(4000, sys.getsizeof)
    for size in range(1000, 3000, 100):
        cache.put("a", "a" * size)
    assert (len(cache), cache.get("a")) == (1, "a" * 2900)
    assert 2900 < cache.size < 4000
    cache.clear()
    assert cache.size == 0
    ByteCache(0, sys.getsizeof).put("a", "")
    with pytest.raises(ConfigError):
        ByteCache(-1, sys.getsizeof)


def test_copies_and_pickles() -> None:
    cache: ByteCache[Sequence[str]] = ByteCache(4000, size_of_texts, 2)
    for name in "abc":
        cache.put(name, [name])
    other = cache.copy()
    other.put("d", ["d"])
    assert [name for name, _ in cache.items()] == ["b", "c"]
    assert [name for name, _ in other.items()] == ["c", "d"]
    again = pickle.loads(pickle.dumps(cache))
    assert len(again) == len(copy.deepcopy(cache)) == 0
    for name in "abc":
        again.put(name, [name])
    assert len(again) == 2


def test_results_for_long_texts_are_not_kept() -> None:
    calls: list[str] = []

    @short_cache(10, 5)
    def seen(text: str, other: str = "") -> int:
        calls.append(text)
        return len(text)

    for text in ("short", "short", "too long", "too long"):
        assert seen(text) == len(text)
    assert calls == ["short", "too long", "too long"]


class BigPages:
    """A corpus whose pages have a million characters."""

    name, blocking = "big", False

    def __init__(self) -> None:
        self.opened: list[str] = []

    def search(self, queries: Sequence[str], k: int) -> list[list[SearchHit]]:
        return [[] for _ in queries]

    def fetch(self, url: str) -> Page:
        self.opened.append(url)
        return Page(url, "A", f"<p>{'word ' * (200_000 if 'big' in url else 20)}</p>")


def browse(tools: CorpusTools, url: str) -> None:
    (result,) = tools.run([ToolCall("c", "lead", "browse", {"url": url, "chunk": 1, "focus": ""})])
    assert result.ok


def test_opened_pages_are_bounded_in_bytes() -> None:
    corpus = BigPages()
    tools = CorpusTools(corpus, cached_bytes=5_000_000)  # two pages, as Markdown and in chunks
    for number in range(6):
        browse(tools, f"https://big.example/{number}")
    assert tools._documents.size <= 5_000_000
    browse(tools, "https://big.example/5")
    assert len(corpus.opened) == 6
    browse(tools, "https://big.example/0")
    assert len(corpus.opened) == 7
    small = CorpusTools(corpus, cached_bytes=100_000)
    for url in ("https://small.example/", "https://big.example/7", "https://small.example/"):
        browse(small, url)
    assert corpus.opened[7:] == ["https://small.example/", "https://big.example/7"]
    assert len(pickle.loads(pickle.dumps(tools._documents))) == 0
    with pytest.raises(ConfigError):
        CorpusTools(corpus, cached_bytes=-1)


def test_verdicts_in_memory_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("wideseek_env.scoring.judging.cache._MEMORY_BYTES", 10_000)
    cache = MemoryCache()
    cache.put_many({str(number): "x" * 1000 for number in range(100)})
    assert 0 < len(cache.get_many(map(str, range(100)))) < 10
