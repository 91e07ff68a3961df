"""What a run says of itself, and what others make of it."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from toy_team import ToyTeam, town_setup

from wideseek_env.evaluation import RunFolder, evaluate_game, run_settings
from wideseek_env.evaluation.progress import announced, progress_file, read_progress
from wideseek_env.evaluation.run_status import RunStatus
from wideseek_env.evaluation.running_summary import Ended, RunningSummary
from wideseek_env.policy import Job


def ended(task: str, trial: int = 0, f1: float = 0.5, reward: float = 1.0, **further: Any) -> Ended:
    return Ended(
        task, trial, f1, reward, further.get("failed", False), further.get("tokens"), further.get("calls")
    )


class Uneven(ToyTeam):
    """Answers only every third task, so that scores differ."""

    def act(self, turns: Any) -> list[str]:
        return super().act(turns) if self.episodes % 3 else ["I do not know." for _ in turns]


def test_the_last_means_are_those_of_the_summary(tmp_path: Path) -> None:
    game = town_setup(count=7)
    with RunFolder.open(tmp_path / "run", run_settings(game, "toy", trials=2, seed=5)) as folder:
        summary = evaluate_game(game, Uneven(), folder=folder, trials=2, seed=5)
    assert 0 < summary.item_f1_low < summary.item_f1 < summary.item_f1_high < 1
    values = json.loads((tmp_path / "run" / "progress.json").read_text())
    assert values["item_f1"] == {
        "mean": round(summary.item_f1, 6),
        "low": round(summary.item_f1_low, 6),
        "high": round(summary.item_f1_high, 6),
    }
    assert values["reward"]["mean"] == round(summary.reward, 6)
    assert (values["state"], values["done"], values["total"]) == ("finished", 14, 14)


def test_an_episode_played_again_replaces_the_earlier_one() -> None:
    summary = RunningSummary()
    summary.add(ended("a", f1=0.0, failed=True))
    summary.add(ended("b", f1=0.0))
    assert summary.failed == 1
    summary.add(ended("a", f1=1.0))
    means = summary.means()
    assert means is not None
    assert (summary.episodes, summary.failed, means[0].mean) == (2, 0, 0.5)


def test_a_task_with_more_trials_weighs_no_more() -> None:
    summary = RunningSummary()
    for trial in range(9):
        summary.add(ended("a", trial, f1=0.0))
    summary.add(ended("b", f1=1.0))
    means = summary.means()
    assert means is not None
    assert means[0].mean == 0.5


def test_one_reward_that_is_no_number_spoils_nothing() -> None:
    summary = RunningSummary()
    summary.add(ended("a", reward=float("nan")))
    summary.add(ended("b", reward=1.0))
    means = summary.means()
    assert means is not None
    assert means[1].mean == 0.5


def test_intervals_that_take_long_are_computed_rarely() -> None:
    now = [0.0]

    def clock() -> float:
        now[0] += 1.0  # everything takes a second
        return now[0]

    summary = RunningSummary(clock=clock)
    seen = []
    for number in range(40):
        summary.add(ended(f"t{number}", f1=float(number)))
        means = summary.means()
        assert means is not None
        assert means[0].mean == number / 2
        assert means[0].low <= means[0].mean <= means[0].high
        seen.append(means[0].high - means[0].mean)
    assert 1 < len(set(seen)) < 10
    again = RunningSummary()
    for number in range(40):
        again.add(ended(f"t{number}", f1=float(number)))
    assert summary.means(exact=True) == again.means()


def test_a_tracker_knows_what_is_under_way_and_which_is_slowest() -> None:
    now = [100.0]
    status = RunStatus("t", 3, clock=lambda: now[0], wall=lambda: 1000.0 + now[0])
    jobs = [Job(task) for task in town_setup(count=3).tasks]
    taken = status.jobs(jobs)
    next(taken)
    now[0] = 130.0
    second = next(taken)
    status.turns(second, 4)
    now[0] = 150.0
    look = status.look()
    assert (look["under_way"], look["done"], look["session"]["seconds"]) == (2, 0, 50.0)
    assert look["slowest"] == [
        {"task": "towns-0", "trial": 0, "since": 1100.0, "turns": None},
        {"task": "towns-1", "trial": 0, "since": 1130.0, "turns": 4},
    ]
    status.end(ended("towns-0", tokens=70.0))
    status.end(ended("towns-1", tokens=30.0, failed=True))
    look = status.look()
    assert (look["under_way"], look["done"], look["failed"]) == (0, 2, 1)
    assert look["session"]["tokens"] == 100.0
    assert look["session"]["calls"] is None


@pytest.mark.parametrize(
    ("error", "state"), [(None, "finished"), (KeyboardInterrupt(), "interrupted"), (ValueError(), "failed")]
)
def test_a_run_says_how_it_ended(tmp_path: Path, error: BaseException | None, state: str) -> None:
    caught: list[BaseException] = []
    try:
        with announced(tmp_path / "run", lambda: {"kind": "bench"}):
            progress = read_progress(tmp_path / "run" / "progress.json")
            assert progress is not None
            assert progress.seen(progress.updated) == "running"
            if error is not None:
                raise error
    except BaseException as found:
        caught.append(found)
    assert caught == ([error] if error is not None else [])
    progress = read_progress(tmp_path / "run" / "progress.json")
    assert progress is not None
    assert (progress.state, progress.values["kind"]) == (state, "bench")
    assert sorted(each.name for each in (tmp_path / "run").iterdir()) == ["progress.json"]


def test_an_error_of_the_policy_is_a_failed_run(tmp_path: Path) -> None:
    game = town_setup(count=2)
    with (
        RunFolder.open(tmp_path, run_settings(game, "toy")) as folder,
        pytest.raises(Exception, match="the toy broke"),
    ):
        evaluate_game(game, ToyTeam(fail_on="Birch"), folder=folder)
    progress = read_progress(tmp_path / "progress.json")
    assert progress is not None
    assert (progress.state, progress.values["done"]) == ("failed", 1)


def test_beginning_anew_forgets_the_old_progress(tmp_path: Path) -> None:
    game = town_setup(count=1)
    for overwrite in (False, True):
        with RunFolder.open(tmp_path, run_settings(game, "toy"), overwrite=overwrite) as folder:
            if overwrite:
                assert not (tmp_path / "progress.json").exists()
            else:
                evaluate_game(game, ToyTeam(), folder=folder)


def test_a_file_of_records_has_its_progress_beside_it(tmp_path: Path) -> None:
    assert progress_file(tmp_path / "r.jsonl.gz") == tmp_path / "r.jsonl.gz.progress.json"
    assert progress_file(tmp_path) == tmp_path / "progress.json"


@pytest.mark.parametrize(
    ("changes", "later", "seen"),
    [
        ({}, 5.0, "running"),
        ({}, 3600.0, "silent"),
        ({"pid": "gone"}, 5.0, "killed"),
        ({"pid": "gone", "state": "finished"}, 5.0, "finished"),
        ({"pid": "gone", "host": "elsewhere"}, 5.0, "running"),
        ({"pid": "gone", "host": "elsewhere"}, 3600.0, "silent"),
    ],
)
def test_what_others_see(tmp_path: Path, changes: dict[str, Any], later: float, seen: str) -> None:
    if changes.get("pid") == "gone":
        child = subprocess.Popen([sys.executable, "-c", ""])
        child.wait()
        changes = {**changes, "pid": child.pid}
    about = {
        "state": "running",
        "pid": os.getpid(),
        "host": socket.gethostname(),
        "updated": 1000.0,
        **changes,
    }
    (tmp_path / "progress.json").write_text(json.dumps(about))
    progress = read_progress(tmp_path / "progress.json")
    assert progress is not None
    assert progress.seen(1000.0 + later) == seen


@pytest.mark.parametrize(
    "text",
    [
        "",
        "{",
        "[]",
        "null",
        "[" * 100_000,
        '{"state": "finished"}',
        '{"state": ["finished"], "pid": 1, "host": "a", "updated": 1}',
        '{"state": "running", "pid": -1, "host": "a", "updated": 1}',
        '{"state": "running", "pid": 1e999, "host": "a", "updated": 1}',
        '{"state": "running", "pid": 12, "host": "a", "updated": NaN}',
        '{"state": "running", "pid": 12, "host": 3, "updated": 1}',
    ],
)
def test_a_damaged_progress_file_is_none(tmp_path: Path, text: str) -> None:
    (tmp_path / "progress.json").write_text(text)
    assert read_progress(tmp_path / "progress.json") is None


def test_a_moved_interval_stays_in_the_range_of_the_values() -> None:
    now = [0.0]

    def clock() -> float:
        now[0] += 1.0  # the intervals of the first episodes are moved with the mean
        return now[0]

    summary = RunningSummary(clock=clock)
    for number in range(30):
        summary.add(ended(f"t{number}", f1=float(number == 0)))
        summary.means()
    for number in range(30):
        summary.add(ended(f"t{number}", f1=1.0))
        means = summary.means()
        assert means is not None
        assert 0 <= means[0].low <= means[0].mean <= means[0].high <= 1
