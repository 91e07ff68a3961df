"""The search index on HybridQA's 170,846 passages: time to build, open and search it, and quality of the results.

    pytest benchmarks/test_index_speed.py --benchmark-enable --benchmark-only -o addopts=""

Queries and right answers are those of `hybridqa_queries.py`, drawn with seed 0. Every round opens the index again, so
that nothing is cached. hit@1 and hit@5 are in the benchmark's `extra_info`, and must not fall.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from hybridqa_queries import Asked, Passages, draws, hits_at, urls
from hybridqa_queries import passages as all_passages

from wideseek_env.corpus.index import SearchIndex

QUERIES = 2_000


@pytest.fixture(scope="module")
def passages() -> Passages:
    try:
        return all_passages()
    except FileNotFoundError as error:
        pytest.skip(str(error))


@pytest.fixture(scope="module")
def built(passages: Passages, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("bench") / "index"
    SearchIndex.build(passages, path).close()
    return path


@pytest.fixture(scope="module")
def queries(passages: Passages) -> Asked:
    (asked,) = draws({url for url, _, _ in passages}, [0], QUERIES)
    return asked


def test_build(benchmark: Any, passages: Passages, tmp_path: Path) -> None:
    benchmark.pedantic(
        lambda: SearchIndex.build(passages, tmp_path / "index", overwrite=True).close(),
        rounds=1,
        iterations=1,
    )


def test_open(benchmark: Any, built: Path) -> None:
    benchmark.pedantic(lambda: SearchIndex.open(built).close(), rounds=5, iterations=1)


@pytest.mark.parametrize("batched", [False, True], ids=["one_by_one", "batched"])
def test_search(benchmark: Any, built: Path, queries: Asked, batched: bool) -> None:
    texts = [query for query, _ in queries]
    opened: list[SearchIndex] = []

    def fresh() -> None:
        while opened:
            opened.pop().close()
        opened.append(SearchIndex.open(built))

    def search() -> Any:
        return opened[0].search(texts, 5) if batched else [opened[0].search([text], 5)[0] for text in texts]

    found = urls(benchmark.pedantic(search, setup=fresh, rounds=3))
    opened.pop().close()
    benchmark.extra_info |= {f"hit@{k}": hits_at(k, found, queries) for k in (1, 5)}
    if stats := benchmark.stats:
        benchmark.extra_info["queries_per_second"] = round(QUERIES / stats.stats.min)
    assert hits_at(5, found, queries) >= 0.83
    assert hits_at(1, found, queries) >= 0.72
