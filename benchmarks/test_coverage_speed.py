"""Time to find where the gold rows of one episode were lost: `pytest -o addopts= benchmarks/test_coverage_speed.py`.

- *episode*: an episode of the scripted team with 8 subagents, whose policy takes almost no time.
- *coverage*: `coverage_of` on the same episode.
- *text*: `Mentions.given` on a report of 100,000 or 1,000,000 characters about 200 rows.
"""

from __future__ import annotations

import pytest
from pytest_benchmark.fixture import BenchmarkFixture

from wideseek_env import GameConfig, make_policy
from wideseek_env.episode_run import run_episode
from wideseek_env.evaluation import coverage_of
from wideseek_env.game import Game
from wideseek_env.scoring.mentions import Mentions
from wideseek_env.task import Table, Task


@pytest.fixture(scope="module")
def game() -> Game:
    return GameConfig(tasks="synthetic", split="test", rules="width-benchmark", width=8).open()


def test_episode(benchmark: BenchmarkFixture, game: Game) -> None:
    policy = make_policy("scripted")
    benchmark(run_episode, game, policy, game.tasks[0])


def test_coverage(benchmark: BenchmarkFixture, game: Game) -> None:
    trajectory = run_episode(game, make_policy("scripted"), game.tasks[0]).trajectory(trial=0)
    found = benchmark(coverage_of, trajectory)
    assert found is not None


@pytest.mark.parametrize("characters", [100_000, 1_000_000])
def test_text(benchmark: BenchmarkFixture, characters: int) -> None:
    rows = tuple((f"Museum of Things {n}", f"City {n % 17}", str(1000 + n)) for n in range(200))
    task = Task(
        "bench", "Which?", ("Name", "City", "Visitors"), ("Name",), Table(("Name", "City", "Visitors"), rows)
    )
    lines = [f"- {name} has a page of its own, but nobody looked at it yet." for name, _, _ in rows]
    text = "\n".join(lines * (characters // len("\n".join(lines)) + 1))[:characters]
    benchmark(Mentions(task).given, text)
