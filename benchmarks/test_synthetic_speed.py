"""Time to write and to index a synthetic world.

    pytest benchmarks/test_synthetic_speed.py --benchmark-enable --benchmark-only

`extra_info` of each result has the pages per second.
"""

from __future__ import annotations

import pytest
from pytest_benchmark.fixture import BenchmarkFixture

from wideseek_env.corpus.synthetic import SyntheticWorld, WorldConfig
from wideseek_env.tasks.synthetic import synthetic_tasks


def _world(pages: int) -> SyntheticWorld:
    return SyntheticWorld(0, WorldConfig(pages=pages))


def _note_rate(benchmark: BenchmarkFixture, pages: int) -> None:
    if benchmark.stats is not None:  # None if benchmarks are disabled
        benchmark.extra_info["pages_per_second"] = round(pages / benchmark.stats.stats.median)


@pytest.mark.parametrize("pages", [2_000, 10_000])
def test_write_pages(benchmark: BenchmarkFixture, pages: int) -> None:
    benchmark.pedantic(lambda world: world.pages, setup=lambda: ((_world(pages),), {}), rounds=5)
    _note_rate(benchmark, pages)


@pytest.mark.parametrize("pages", [2_000, 10_000])
def test_write_and_index(benchmark: BenchmarkFixture, pages: int) -> None:
    benchmark.pedantic(lambda world: world.corpus(), setup=lambda: ((_world(pages),), {}), rounds=5)
    _note_rate(benchmark, pages)


def test_tasks_of_the_default_world(benchmark: BenchmarkFixture) -> None:
    world = SyntheticWorld()
    assert world.regions  # computed once, outside the measurement
    benchmark.pedantic(synthetic_tasks, (world, "train"), rounds=5)
