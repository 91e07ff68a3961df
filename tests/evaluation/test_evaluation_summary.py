"""Summaries: means, intervals and counts over episodes."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from toy_team import ToyTeam, town_setup

from wideseek_env.episode_run import run_episode
from wideseek_env.errors import ConfigError
from wideseek_env.evaluation import (
    EpisodeRecord,
    RunFolder,
    Summary,
    SummaryAccumulator,
    evaluate_game,
    read_run,
    summarise,
)
from wideseek_env.evaluation.labels import check_keys, label, task_labels
from wideseek_env.evaluation.run import episode_seed
from wideseek_env.evaluation.statistics import bootstrap_interval
from wideseek_env.llm import Usage
from wideseek_env.messages import Message
from wideseek_env.policy import Turn
from wideseek_env.task import Table, Task
from wideseek_env.trajectory import Trajectory, TrajectoryWriter, iter_trajectories


def record(task: str = "a", trial: int = 0, f1: float = 0.5, **changes: object) -> EpisodeRecord:
    base = EpisodeRecord(
        task_id=task, trial=trial, success=float(f1 == 1), precision_by_row=f1, recall_by_row=f1, f1_by_row=f1,
        precision_by_item=f1, recall_by_item=f1, f1_by_item=f1, reward=f1, turns=10, critical_path=4,
        tool_calls={"search": 2}, subagents=1, answered=True, ending="answered", errors=0, failed=False, seconds=1.0,
    )  # fmt: skip
    return dataclasses.replace(base, **changes)  # type: ignore[arg-type]


def summary_of(*records: EpisodeRecord) -> Summary:
    accumulator = SummaryAccumulator()
    for each in records:
        accumulator.add(each)
    return accumulator.summary()


def test_means_and_counts() -> None:
    summary = summary_of(
        record("a", f1=1.0, turns=10, tool_calls={"search": 3, "browse": 1}),
        record("b", f1=0.5, turns=20, critical_path=6),
        record("c", f1=0.0, answered=False, ending="out_of_turns", errors=3, turns=30, critical_path=5),
    )
    assert (summary.episodes, summary.tasks, summary.failed) == (3, 3, 0)
    assert summary.item_f1 == summary.row_f1 == summary.reward == summary.item_f1_best == 0.5
    assert summary.success == summary.success_any == pytest.approx(1 / 3, abs=1e-6)
    assert (summary.turns, summary.critical_path, summary.errors) == (20.0, 5.0, 1.0)
    assert summary.answered == pytest.approx(2 / 3, abs=1e-6)
    assert summary.tool_calls == {"browse": 0.333333333, "search": 2.333333333}
    assert summary.endings == {"answered": 2, "out_of_turns": 1}


def test_trials_are_averaged_within_a_task_first_for_the_interval() -> None:
    summary = summary_of(record("a", 0, 0.0), record("a", 1, 1.0), record("b", 0, 0.5), record("b", 1, 0.5))
    assert (summary.episodes, summary.tasks) == (4, 2)
    assert summary.item_f1 == summary.item_f1_low == summary.item_f1_high == 0.5
    assert summary.item_f1_best == 0.75
    assert (summary.success, summary.success_any) == (0.25, 0.5)


def test_a_later_record_of_the_same_episode_replaces_the_earlier() -> None:
    accumulator = SummaryAccumulator()
    accumulator.add(record("a", f1=0.0, failed=True, ending="failed"))
    accumulator.add(record("b", f1=0.5))
    assert accumulator.finished() == {("b", 0)}
    accumulator.add(record("a", f1=1.0))
    assert accumulator.finished() == {("a", 0), ("b", 0)}
    assert len(accumulator) == 2
    assert accumulator.item_f1 == 0.75
    assert accumulator.summary().failed == 0


def test_the_order_of_episodes_does_not_matter() -> None:
    records = [record(f"t{n}", f1=(7 * n % 10) / 10) for n in range(20)]
    assert summary_of(*records) == summary_of(*reversed(records))


def test_nothing_played() -> None:
    assert summary_of() == Summary()
    assert SummaryAccumulator().item_f1 == 0


def test_the_interval_is_seeded_and_holds_the_mean() -> None:
    values = list(np.random.default_rng(1).uniform(size=200))
    low, high = bootstrap_interval(values, seed=3)
    assert (low, high) == bootstrap_interval(values, seed=3)
    assert (low, high) != bootstrap_interval(values, seed=4)
    assert low < np.mean(values) < high
    # The normal approximation of the same interval, which 200 values come close to.
    half = 1.96 * np.std(values) / np.sqrt(200)
    assert high - low == pytest.approx(2 * half, rel=0.1)


def test_summary_of_a_file(tmp_path: Path) -> None:
    game = town_setup(count=3, width=3)
    with TrajectoryWriter(tmp_path / "t.jsonl") as writer:
        for task in game.tasks:
            writer.write(run_episode(game, ToyTeam(), task).trajectory(trial=0))
    summary = summarise(iter_trajectories(tmp_path / "t.jsonl"))
    assert summary.episodes == 3
    assert summary.item_recall == 0.75
    assert summary.item_f1 == pytest.approx(6 / 7, abs=1e-6)
    assert summary.tool_calls == {"delegate": 3.0, "search": 6.0}
    assert (summary.turns, summary.critical_path, summary.subagents) == (8.0, 4.0, 3.0)
    assert json.loads(json.dumps(summary.to_dict())) == summary.to_dict()


def test_figures_of_a_trajectory_survive_being_written(tmp_path: Path) -> None:
    game = town_setup(width=2)
    trajectory = run_episode(game, ToyTeam(), game.tasks[0]).trajectory(trial=4)
    again = Trajectory.from_dict(json.loads(trajectory.to_json()))
    assert EpisodeRecord.of(again) == EpisodeRecord.of(trajectory)
    assert EpisodeRecord.of(again).pair == ("towns-0", 4)


def test_episode_seeds_depend_on_all_three_and_on_nothing_else() -> None:
    assert episode_seed(0, "a", 0) == 1424302773
    assert len({episode_seed(s, t, n) for s in (0, 1) for t in ("a", "b") for n in (0, 1)}) == 8
    assert all(0 <= episode_seed(s, "t", 0) < 2**31 for s in range(100))


# --- trials --------------------------------------------------------------------------------------------------------


def test_avg_max_and_min_of_trials_have_intervals() -> None:
    records = [record(f"t{n:02}", k, f1=((3 * n + k) % 7) / 7) for n in range(30) for k in range(3)]
    summary = summary_of(*records)
    item = summary.metrics["f1_by_item"]
    assert (summary.trials, summary.incomplete) == (3, 0)
    assert item.min < item.avg < item.max
    assert item.avg_low < item.avg < item.avg_high
    assert item.max_low < item.max < item.max_high
    assert item.min_low < item.min < item.min_high
    assert (summary.item_f1, summary.item_f1_best, summary.item_f1_low) == (item.avg, item.max, item.avg_low)
    by_task = [[((3 * n + k) % 7) / 7 for k in range(3)] for n in range(30)]
    assert (item.avg_low, item.avg_high) == pytest.approx(
        bootstrap_interval([sum(each) / 3 for each in by_task]), abs=1e-9
    )


def test_pass_at_k_ends_at_the_best_of_all_trials() -> None:
    records = [record(f"t{n}", k, f1=float(k < n)) for n in range(5) for k in range(4)]
    summary = summary_of(*records)
    assert list(summary.pass_at) == ["1", "2", "3", "4"]
    assert summary.pass_at["1"] == summary.success == 0.5
    assert summary.pass_at["4"] == summary.metrics["score"].max == 0.8
    assert summary.metrics["score"].min == 0.2
    assert summary.pass_at["1"] < summary.pass_at["2"] < summary.pass_at["3"] < summary.pass_at["4"]


def test_a_task_with_more_trials_weighs_no_more() -> None:
    summary = summary_of(record("a", 0, 1.0), record("a", 1, 1.0), record("a", 2, 1.0), record("b", 0, 0.0))
    assert (summary.item_f1, summary.incomplete, summary.trials) == (0.5, 1, 3)
    assert list(summary.pass_at) == ["1"]


# --- parts ---------------------------------------------------------------------------------------------------------


def test_parts_by_label() -> None:
    def labelled(task: str, f1: float, **labels: object) -> EpisodeRecord:
        return record(task, f1=f1, labels={"form": "table", "language": "en", **labels})

    accumulator = SummaryAccumulator()
    for each in (
        labelled("a", 1.0, rows=5, hard=True, year=9),
        labelled("b", 0.5, rows=6, hard=False, year=10),
        labelled("c", 0.0, rows=201, language="zh"),
        labelled("d", 0.2, rows=0, form="short answer"),
    ):
        accumulator.add(each)
    parts = accumulator.by(("size", "language", "hard", "year"))
    assert list(parts) == ["size", "language", "hard", "year"]
    assert {name: part.item_f1 for name, part in parts["size"].items()} == {
        "short answer": 0.2, "up to 5 rows": 1.0, "6–10 rows": 0.5, "over 200 rows": 0.0,
    }  # fmt: skip
    assert list(parts["size"]) == ["short answer", "up to 5 rows", "6–10 rows", "over 200 rows"]
    assert [(name, part.tasks) for name, part in parts["language"].items()] == [("en", 3), ("zh", 1)]
    assert list(parts["hard"]) == ["false", "true", "(none)"]
    assert list(parts["year"]) == ["9", "10", "(none)"]


@pytest.mark.parametrize(
    ("rows", "group"),
    [
        (0, "up to 5 rows"), (10, "6–10 rows"), (11, "11–20 rows"), (50, "21–50 rows"), (51, "51–100 rows"),
        (200, "101–200 rows"),
    ],
)  # fmt: skip
def test_sizes(rows: int, group: str) -> None:
    assert label({"form": "table", "rows": rows}, "size") == group


def test_labels_of_a_task() -> None:
    gold = Table(("A", "B"), (("x", "1"), ("y", "2")))
    meta = {
        "difficulty": "hard",
        "hops": 2,
        "list": ["no"],
        "rows": 99,
        "size": 3,
        "none": None,
        "long": "x" * 999,
    }
    broad = Task("t", "?", gold.header, ("A",), gold, language="zh", source="s", meta=meta)
    assert task_labels(broad) == {
        "language": "zh", "source": "s", "form": "table", "rows": 2, "columns": 2, "difficulty": "hard", "hops": 2,
        "long": "x" * 200,
    }  # fmt: skip
    short = Task("t", "?", answers=("x",))
    assert task_labels(short)["form"] == "short answer"
    assert label(task_labels(short), "size") == "short answer"
    assert label(task_labels(short), "source") == "(none)"
    check_keys(("size", "hops", "form"), [task_labels(broad)])
    with pytest.raises(
        ConfigError,
        match=r"no task has the label 'colour'.*size, language, source, form, rows, columns, difficulty",
    ):
        check_keys(("colour",), [task_labels(broad)])


# --- tokens --------------------------------------------------------------------------------------------------------


class MeteredTeam(ToyTeam):
    """A policy with a meter that was running before."""

    def __init__(self) -> None:
        super().__init__()
        self.usage = Usage(requests=100, prompt_tokens=1000, completion_tokens=100, cost=5.0)

    def act(self, turns: Sequence[Turn]) -> list[str]:
        self.usage += Usage(requests=1, prompt_tokens=10 * len(turns), completion_tokens=len(turns), cost=0.5)
        return super().act(turns)


def test_tokens_of_a_policy_with_a_meter(tmp_path: Path) -> None:
    game = town_setup(count=2, width=3)
    with RunFolder.open(tmp_path, {}) as folder:
        summary = evaluate_game(game, MeteredTeam(), folder=folder)
    assert summary.metered == 2
    assert summary.usage["prompt_tokens"] == 10 * summary.turns
    assert summary.usage_total["completion_tokens"] == 2 * summary.turns
    assert summary.usage["cost"] == 0.5 * summary.critical_path
    assert [r.usage for r in read_run(tmp_path).records] == [
        r.usage for r in read_run(tmp_path / "trajectories.jsonl").records
    ]


def test_tokens_by_a_token_counter() -> None:
    def words(message: Message) -> int:
        return len(message["content"].split())

    game = town_setup(count=1, width=2, counter=words)
    accumulator = SummaryAccumulator()
    evaluate_game(game, ToyTeam(), accumulator=accumulator)
    conversations = run_episode(game, ToyTeam(), game.tasks[0]).episode.conversations
    assert len(conversations) == 3
    read = written = 0
    for conversation in conversations:
        texts = [(m["role"], words(m)) for m in conversation.messages]
        written += sum(size for role, size in texts if role == "assistant")
        read += sum(
            sum(s for _, s in texts[:at]) for at, (role, _) in enumerate(texts) if role == "assistant"
        )
    assert accumulator.records[0].usage == {"prompt_tokens": read, "completion_tokens": written}
    unknown = SummaryAccumulator()
    evaluate_game(town_setup(count=1), ToyTeam(), accumulator=unknown)
    assert unknown.records[0].usage is None
    assert unknown.summary().usage == {}


def test_a_meter_that_is_none() -> None:
    policy = ToyTeam()
    policy.usage = {"prompt_tokens": "many"}  # type: ignore[attr-defined]
    with pytest.raises(ConfigError, match=r"usage\.prompt_tokens of ToyTeam must be a number, not 'many'"):
        evaluate_game(town_setup(count=1), policy)


def test_unmetered_episodes_are_left_out_of_the_mean() -> None:
    summary = summary_of(record("a", usage={"prompt_tokens": 4}), record("b"))
    assert (summary.metered, summary.usage, summary.usage_total) == (
        1,
        {"prompt_tokens": 4.0},
        {"prompt_tokens": 4.0},
    )
