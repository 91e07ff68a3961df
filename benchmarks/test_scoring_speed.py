"""Time to score one answer: `pytest -o addopts= benchmarks/test_scoring_speed.py`.

Each answer has a key, a date, a number and three text columns. Dates and numbers have another format than in the gold
table, and one text cell in nine is wrong.

- *cold*: the cache of cells is cleared before each call, as if no cell was seen before.
- *warm*: the same answer is scored again, as happens to a gold table when several rollouts of the same task are scored.
"""

from __future__ import annotations

import datetime
import gc
from functools import _lru_cache_wrapper

import pytest
from pytest_benchmark.fixture import BenchmarkFixture

from wideseek_env.scoring import score_response
from wideseek_env.task import ColumnSpec, Table, Task

COLUMNS = ("Name", "Opened", "Visitors", "City", "Architect", "Style")
SPECS = {
    "Opened": ColumnSpec(("date_near",), ("norm_date",)),
    "Visitors": ColumnSpec(("number_near",), (), 0.05),
}


def task_and_answer(rows: int) -> tuple[Task, str]:
    """A task with `rows` rows and 6 columns, and an answer with prose and a fenced table."""
    gold: list[tuple[str, ...]] = []
    answer: list[tuple[str, ...]] = []
    for number in range(rows):
        day = datetime.date(1900, 1, 1) + datetime.timedelta(days=97 * number)
        name, city = f"Museum of Things {number}", f"City {number % 17}"
        texts = (city, f"Architect No. {number % 23}", "Neo-Baroque")
        gold.append((name, day.isoformat(), str(1000 + 37 * number), *texts))
        written = (f"{day:%B} {day.day}, {day.year}", f"{1000 + 37 * number:,}")
        answer.append((f"**{name}**", *written, "Nowhere" if number % 3 == 0 else city, *texts[1:]))
    table = Table(COLUMNS, tuple(gold))
    text = Table(COLUMNS, tuple(answer)).to_markdown()
    return Task(
        "bench", "Which museums?", COLUMNS, ("Name",), table, SPECS
    ), f"I found:\n\n```markdown\n{text}\n```\n"


@pytest.mark.parametrize("rows", [50, 200])
def test_score_warm(benchmark: BenchmarkFixture, rows: int) -> None:
    task, answer = task_and_answer(rows)
    score = benchmark(score_response, answer, task)
    assert 0.9 < score.f1_by_item < 1.0


@pytest.mark.parametrize("rows", [50, 200])
def test_score_cold(benchmark: BenchmarkFixture, rows: int) -> None:
    task, answer = task_and_answer(rows)
    caches = [
        item
        for item in gc.get_objects()
        if isinstance(item, _lru_cache_wrapper)
        and getattr(item, "__module__", "").startswith("wideseek_env.scoring")
    ]

    def setup() -> None:
        for cache in caches:
            cache.cache_clear()

    score = benchmark.pedantic(score_response, args=(answer, task), setup=setup, rounds=200)
    assert 0.9 < score.f1_by_item < 1.0
