"""Time to score one answer, strictly and leniently: `pytest -o addopts= benchmarks/test_widesearch_speed.py`.

Each round scores cells that no earlier round had.

- *cold*: a new task and a new answer, so the gold table is prepared too.
- *group*: a new answer to a gold table that was used before, as in a group (several rollouts of the same task).
- *warm*: the same answer again.

A table has a key, a date, a number and three text columns, or the same without dates. One cell in nine is wrong. On a
busy machine add `--benchmark-timer=time.thread_time`.
"""

from __future__ import annotations

import datetime
import itertools

import pytest
from pytest_benchmark.fixture import BenchmarkFixture

from wideseek_env.scoring import score_response
from wideseek_env.task import ColumnSpec, Table, Task

COLUMNS = ("name", "opened", "visitors", "city", "architect", "style")
TEXT = ColumnSpec(("exact_match",), ("norm_str",))
SPECS = {
    **dict.fromkeys(COLUMNS, TEXT),
    "opened": ColumnSpec(("date_near",), ("norm_date",)),
    "visitors": ColumnSpec(("number_near",), ("extract_number",), 0.05),
}
FORMS = (
    "{0:%B} {0.day}, {0.year}",
    "{0.day} {0:%b} {0.year}",
    "{0:%Y/%m/%d}",
    "{0.year}年{0.month}月{0.day}日",
)
_counter = itertools.count()


def task_and_answer(rows: int, dates: bool, answer_only: int | None = None) -> tuple[Task, str]:
    """A task of `rows` rows and an answer to it. If `answer_only` is given, the task is that of the
    earlier round `answer_only`."""
    fresh = next(_counter)
    base = fresh if answer_only is None else answer_only
    gold: list[tuple[str, ...]] = []
    answer: list[tuple[str, ...]] = []
    for number in range(rows):
        day = datetime.date(1000, 1, 1) + datetime.timedelta(days=(base * 211 + number * 1597) % 370_000)
        near = day + datetime.timedelta(days=fresh % 17)
        name, size = f"Museum of Things {base}-{number}", 100_000 + base * 1000 + number
        texts = (f"City {base}.{number % 17}", f"Architect No. {base}/{number % 23}", f"Neo-Baroque {base}")
        wrong = f"Nowhere {fresh}"
        gold.append((name, day.isoformat(), str(size), *texts))
        written = (FORMS[number % len(FORMS)].format(near), f"{size + fresh % 13:,}")
        answer.append((f"**{name}**", *written, wrong if number % 2 == 0 else texts[0], *texts[1:]))
    columns = COLUMNS if dates else tuple(name for name in COLUMNS if name != "opened")
    places = [COLUMNS.index(name) for name in columns]
    cut = [
        Table(columns, tuple(tuple(row[at] for at in places) for row in table)) for table in (gold, answer)
    ]
    task = Task("bench", "Which?", columns, ("name",), cut[0], {name: SPECS[name] for name in columns})
    return task, f"I found:\n\n```markdown\n{cut[1].to_markdown()}\n```\n"


@pytest.mark.parametrize("temperature", ["cold", "group", "warm"])
@pytest.mark.parametrize("mode", ["strict", "lenient"])
@pytest.mark.parametrize(("rows", "dates"), [(50, True), (200, True), (50, False), (200, False)])
def test_score(benchmark: BenchmarkFixture, rows: int, dates: bool, mode: str, temperature: str) -> None:
    strict = mode == "strict"
    day = datetime.date(2026, 6, 1)
    known = next(_counter)
    task, answer = task_and_answer(rows, dates, known)
    score_response(answer, task, strict=strict, today=day)

    def setup() -> tuple[tuple[str, Task], dict[str, object]]:
        if temperature == "warm":
            return (answer, task), {"strict": strict, "today": day}
        if temperature == "group":
            return (task_and_answer(rows, dates, known)[1], task), {"strict": strict, "today": day}
        new_task, new_answer = task_and_answer(rows, dates)
        return (new_answer, new_task), {"strict": strict, "today": day}

    score = benchmark.pedantic(score_response, setup=setup, rounds=60, warmup_rounds=3)
    assert 0.8 < score.f1_by_item < 1.0
