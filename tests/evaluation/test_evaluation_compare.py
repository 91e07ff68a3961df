"""Two runs side by side: differences, intervals, the paired test, and what is refused."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from toy_team import ToyTeam, town_setup, town_task

from wideseek_env.errors import ConfigError
from wideseek_env.evaluation import (
    EpisodeRecord,
    RecordedRun,
    RunFolder,
    SummaryAccumulator,
    compare_runs,
    evaluate_game,
    read_run,
    run_settings,
)
from wideseek_env.task import Table


def record(task: str, f1: float, trial: int = 0, **changes: Any) -> EpisodeRecord:
    base = EpisodeRecord(
        task_id=task, trial=trial, success=float(f1 == 1), precision_by_row=f1, recall_by_row=f1, f1_by_row=f1,
        precision_by_item=f1, recall_by_item=f1, f1_by_item=f1, reward=f1, turns=10, critical_path=4,
        tool_calls={"search": 2}, subagents=1, answered=True, ending="answered", errors=0, failed=False, seconds=1.0,
        task_digest="same",
    )  # fmt: skip
    return dataclasses.replace(base, **changes)


def run(name: str, *records: EpisodeRecord, **settings: Any) -> RecordedRun:
    accumulator = SummaryAccumulator()
    for each in records:
        accumulator.add(each)
    return RecordedRun(name, settings, accumulator)


def test_differences_are_of_means_over_tasks() -> None:
    first = run("a", record("x", 0.2), record("x", 0.4, 1), record("y", 1.0), record("only a", 0.0))
    second = run("b", record("x", 0.8), record("y", 0.9, turns=20), record("only b", 0.0))
    found = compare_runs(first, second)
    assert (found.tasks, found.only_first, found.only_second) == (2, 1, 1)
    item = found.metrics["f1_by_item"]
    assert (item.first, item.second, item.difference) == (0.65, 0.85, 0.2)
    assert (item.rose, item.fell, item.same) == (1, 1, 0)
    assert (item.low, item.high) == (-0.1, 0.5)
    assert item.p == 1.0  # of four sign flips two are as far out and two are nearer: 0.4 and 0.6
    assert found.metrics["turns"].difference == 5.0
    assert found.metrics["tool_calls"].first == 2.0
    assert [dataclasses.astuple(change) for change in found.changes] == [("x", 0.3, 0.8), ("y", 1.0, 0.9)]
    assert found.notes == (
        "the runs have 1–2 and 1 trials per task; each task's mean over its trials is compared",
    )


def test_a_clear_difference_is_clear_and_none_is_none() -> None:
    rng = np.random.default_rng(0)
    level = rng.uniform(0.2, 0.6, size=80)
    noise = rng.normal(0, 0.02, size=(2, 80))
    runs = [
        run(name, *(record(f"t{n}", float(value)) for n, value in enumerate(values)))
        for name, values in (("a", level), ("b", level + 0.1 + noise[0]), ("c", level + noise[1]))
    ]
    clear, none = compare_runs(runs[0], runs[1]), compare_runs(runs[0], runs[2])
    assert clear.metrics["f1_by_item"].low > 0.09
    assert clear.metrics["f1_by_item"].p < 0.001
    assert none.metrics["f1_by_item"].low < 0 < none.metrics["f1_by_item"].high
    assert none.metrics["f1_by_item"].p > 0.05
    assert clear == compare_runs(runs[0], runs[1])
    assert clear.metrics["f1_by_item"] != compare_runs(runs[0], runs[1], seed=1).metrics["f1_by_item"]


def test_pairing_sees_what_two_intervals_hide() -> None:
    level = [n / 40 for n in range(40)]
    first = run("a", *(record(f"t{n}", value) for n, value in enumerate(level)))
    second = run("b", *(record(f"t{n}", value + 0.01) for n, value in enumerate(level)))
    intervals = [each.accumulator.summary() for each in (first, second)]
    assert intervals[0].item_f1_high > intervals[1].item_f1_low
    assert compare_runs(first, second).metrics["f1_by_item"].low == pytest.approx(0.01)


def test_the_opposite_order_gives_the_opposite_sign() -> None:
    first = run("a", *(record(f"t{n}", n / 10) for n in range(10)))
    second = run("b", *(record(f"t{n}", (n * 3 % 10) / 10) for n in range(10)))
    there, back = compare_runs(first, second), compare_runs(second, first)
    for name, metric in there.metrics.items():
        other = back.metrics[name]
        assert (metric.difference, metric.p, metric.rose) == (-other.difference, other.p, other.fell)


def test_the_most_changed_tasks_by_another_metric() -> None:
    first = run("a", *(record(f"t{n}", 0.9) for n in range(4)))
    second = run("b", *(record(f"t{n}", 1.0 if n == 2 else 0.1 * n) for n in range(4)))
    assert [c.task_id for c in compare_runs(first, second, top=2).changes] == ["t0", "t1"]
    assert [c.task_id for c in compare_runs(first, second, changed_by="score").changes] == ["t2"]
    assert compare_runs(first, second, top=0).changes == ()
    with pytest.raises(ConfigError, match="unknown metric 'turns'"):
        compare_runs(first, second, changed_by="turns")


def test_other_content_under_the_same_ids_is_refused() -> None:
    first = run("runs/a", *(record(f"t{n}", 1.0) for n in range(6)))
    second = run("runs/b", *(record(f"t{n}", 1.0, task_digest="other" if n else "same") for n in range(6)))
    told = r"runs/a and runs/b did not run on the same tasks: 5 of 6 tasks .* \(t1, t2, t3 and 2 more\)"
    with pytest.raises(ConfigError, match=told):
        compare_runs(first, second)
    with pytest.raises(ConfigError, match="have no task in common"):
        compare_runs(first, run("runs/c", record("z", 1.0)))


def test_what_a_reader_should_know_is_noted() -> None:
    strict = run("a", record("x", 0.5, judge="offline-1"), strict=True)
    lenient = run("b", record("x", 0.5, judge="openai:m@v1", failed=True), strict=False)
    assert compare_runs(strict, lenient).notes == (
        "one run is scored strictly and the other is not: their scores are not comparable",
        "different judges decided cells: offline-1 and openai:m@v1",
        "1 episodes of b failed and count with score 0",
    )


def test_settings_that_differ_are_named() -> None:
    first = run("a", record("x", 0.5), policy="p", rules={"width": 2, "context": 5}, tasks_digest="1")
    second = run("b", record("x", 0.5), policy="q", rules={"width": 4, "context": 5}, tasks_digest="2")
    assert compare_runs(first, second).settings == (("policy", "p", "q"), ("rules.width", 2, 4))


def test_tokens_are_compared_when_all_are_known() -> None:
    usage = {"prompt_tokens": 100, "completion_tokens": 10}
    first = run("a", record("x", 0.5, usage=usage), record("y", 0.5, usage=usage))
    second = run("b", record("x", 0.5, usage={**usage, "prompt_tokens": 50}), record("y", 0.5, usage=usage))
    metrics = compare_runs(first, second).metrics
    assert metrics["prompt_tokens"].difference == -25
    assert metrics["completion_tokens"].p == 1.0
    assert "cost" not in metrics
    unknown = run("c", record("x", 0.5), record("y", 0.5, usage=usage))
    assert "prompt_tokens" not in compare_runs(first, unknown).metrics


def test_answers_made_elsewhere_have_no_metrics_of_play() -> None:
    first = run("a", record("x", 0.5))
    second = run("b", record("x", 1.0), kind="responses")
    assert list(compare_runs(first, second).metrics) == ["f1_by_item", "f1_by_row", "score"]


def test_runs_that_were_played(tmp_path: Path) -> None:
    for width in (1, 2):
        game = town_setup(count=3, width=width)
        with RunFolder.open(tmp_path / str(width), run_settings(game, "toy")) as folder:
            evaluate_game(game, ToyTeam(), folder=folder)
    found = compare_runs(read_run(tmp_path / "1"), read_run(tmp_path / "2"))
    assert found.metrics["f1_by_item"].difference == pytest.approx(2 / 3 - 0.4, abs=1e-6)
    assert found.metrics["f1_by_item"].p == 0.25
    assert found.settings == (("rules.width", 1, 2),)
    assert json.loads(json.dumps(found.to_dict()))["settings"] == [
        {"name": "rules.width", "first": 1, "second": 2}
    ]


def test_another_gold_value_is_another_task(tmp_path: Path) -> None:
    task = town_task(0)
    assert task.gold is not None
    changed = dataclasses.replace(task, gold=Table(task.gold.header, (*task.gold.rows[:-1], ("Hazel", "0"))))
    moved = dataclasses.replace(task, source="a copy", meta={"note": 1})
    for name, each in (("task", task), ("changed", changed), ("moved", moved)):
        game = dataclasses.replace(town_setup(), tasks=type(town_setup().tasks)([each]))
        with RunFolder.open(tmp_path / name, {}) as folder:
            evaluate_game(game, ToyTeam(), folder=folder)
    with pytest.raises(ConfigError, match="did not run on the same tasks"):
        compare_runs(read_run(tmp_path / "task"), read_run(tmp_path / "changed"))
    assert compare_runs(read_run(tmp_path / "task"), read_run(tmp_path / "moved")).tasks == 1
