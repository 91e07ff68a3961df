"""`run`, `eval` and `bench width`: what is printed, what is written, how it goes on after Ctrl-C."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path

import pytest
from click.testing import Result
from toy_team import TIGHT

from wideseek_env.trajectory import load_trajectories

Call = Callable[..., Result]


# --- run -----------------------------------------------------------------------------------------------------------


def test_run_shows_the_episode_and_the_scored_answer(call: Call, towns: list[str]) -> None:
    result = call("run", *towns, "--width", 3, "--task-id", "towns-1", *TIGHT)
    assert result.exit_code == 0
    assert "[towns-1] How many inhabitants" in result.stdout
    assert "lead 1/10: delegate 3 subtasks" in result.stdout
    assert "✓ Birch" in result.stdout
    assert "∅ (Hazel)" in result.stdout
    assert "item-F1 85.7" in result.stdout


def test_run_as_text(call: Call, towns: list[str]) -> None:
    result = call("run", *towns, "--render", "ansi", "--single", *TIGHT)
    assert "agent  turn 0/3 acting" in result.stdout
    assert "agent  turn 3/3 done" in result.stdout


def test_run_quietly_and_record(call: Call, towns: list[str], tmp_path: Path) -> None:
    out = tmp_path / "t.jsonl"
    for seed in (1, 2):
        result = call("run", *towns, "--render", "none", "--seed", seed, "--out", out)
        assert result.exit_code == 0
        assert len(result.stdout.strip().split("\n")) == 1
    assert [t.seed for t in load_trajectories(out)] == [1, 2]


def test_run_refuses_an_unknown_task(call: Call, towns: list[str]) -> None:
    result = call("run", *towns, "--task-id", "x")
    assert result.exit_code == 1
    assert "has no task 'x'" in result.stderr


# --- eval ----------------------------------------------------------------------------------------------------------


def test_eval_summarises_and_records(call: Call, towns: list[str], tmp_path: Path) -> None:
    result = call(
        "eval", *towns, "--width", 2, "--limit", 3, "--trials", 2, "--out", tmp_path / "run", *TIGHT
    )
    assert result.exit_code == 0
    lines = {line[:15].strip(): line[15:].split() for line in result.stdout.split("\n")}
    assert lines["episodes"][0] == "6"
    assert lines["item-F1"][:6] == ["66.7", "95", "%", "interval", "66.7", "–"]
    assert lines["tool calls"][0] == "6.0"
    assert "6 of 6 episodes, item-F1 66.7" in result.stderr
    summary = json.loads((tmp_path / "run" / "summary.json").read_text())
    assert (summary["episodes"], summary["item_recall"]) == (6, 0.5)
    assert len(load_trajectories(tmp_path / "run" / "trajectories.jsonl")) == 6
    settings = json.loads((tmp_path / "run" / "run.json").read_text())["settings"]
    assert (settings["policy"], settings["limit"], settings["rules"]["width"]) == ("toy_team:ToyTeam", 3, 2)


def test_eval_without_a_folder(
    call: Call, towns: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert call("eval", *towns, "--single").exit_code == 0
    assert list(tmp_path.iterdir()) == []


def test_eval_refuses_other_settings_until_told_to_overwrite(
    call: Call, towns: list[str], tmp_path: Path
) -> None:
    out = tmp_path / "run"
    assert call("eval", *towns, "--width", 2, "--out", out).exit_code == 0
    refused = call("eval", *towns, "--width", 3, "--out", out)
    assert refused.exit_code == 2
    assert "rules.width: 2 → 3" in refused.stderr
    assert call("eval", *towns, "--width", 3, "--out", out, "--overwrite").exit_code == 0
    assert {t.rules.width for t in load_trajectories(out / "trajectories.jsonl")} == {3}


def test_eval_names_the_task_of_a_policy_that_raises(call: Call, towns: list[str], tmp_path: Path) -> None:
    broken = ["--policy-arg", "fail_on=Birch", "--out", str(tmp_path / "run")]
    result = call("eval", *towns, *broken)
    assert result.exit_code == 1
    assert (
        "Error: task towns-1 (trial 0) failed with the policy toy: RuntimeError: the toy broke"
        in result.stderr
    )
    going = call("eval", *towns, *broken, "--keep-going")
    assert going.exit_code == 0
    assert "3 answered, 1 failed" in going.stdout


def test_eval_keeps_what_is_done_when_interrupted(call: Call, towns: list[str], tmp_path: Path) -> None:
    result = call("eval", *towns, "--policy-arg", "interrupt_after=2", "--out", tmp_path / "run")
    assert result.exit_code == 130
    assert "Interrupted after 2 of 4 episodes: the same command resumes the run." in result.stderr
    assert "item-F1" in result.stdout
    again = call("eval", *towns, "--policy-arg", "interrupt_after=2", "--out", tmp_path / "run")
    assert again.exit_code == 0
    assert len(load_trajectories(tmp_path / "run" / "trajectories.jsonl")) == 4


@pytest.mark.parametrize(("sent", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_real_signal_and_the_same_command_again(
    sent: signal.Signals, code: int, towns: list[str], tmp_path: Path
) -> None:
    out = tmp_path / "run"
    command = [sys.executable, "-m", "wideseek_env.cli", "eval", *towns, "--out", str(out)]
    environment = os.environ | {"PYTHONPATH": str(Path(__file__).parents[1])}
    process = subprocess.Popen(
        command,
        env=environment | {"TOY_HOLD": "1"},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    trajectories = out / "trajectories.jsonl"
    while process.poll() is None and not (
        trajectories.is_file() and trajectories.read_bytes().endswith(b"\n")
    ):
        time.sleep(0.02)
    process.send_signal(sent)
    stdout, stderr = process.communicate(timeout=60)
    assert process.returncode == code, stderr
    assert "Traceback" not in stderr
    if sent == signal.SIGINT:
        assert "Interrupted after 1 of 4 episodes" in stderr
        assert stdout.split("\n")[0].split() == ["episodes", "1"]
        assert json.loads((out / "summary.json").read_text())["episodes"] == 1
    else:  # at once, which may be before the episode is counted that has just been written
        assert "of 4 episodes: the same command resumes the run" in stderr
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert [t.task.id for t in load_trajectories(trajectories)] == [f"towns-{n}" for n in range(4)]
    assert json.loads((out / "summary.json").read_text())["episodes"] == 4


# --- bench width ---------------------------------------------------------------------------------------------------


def test_bench_width_prints_a_table_and_writes_files(call: Call, towns: list[str], tmp_path: Path) -> None:
    out = tmp_path / "sweep"
    result = call(
        "bench", "width", *towns, "--widths", "4,1,2", "--limit", 2, "--single", "--out", out, *TIGHT
    )
    assert result.exit_code == 0
    rows = [line.split() for line in result.stdout.split("\n")]
    table = {
        row[0]: row[1]
        for row in rows
        if len(row) == 9 and "%" not in row and row[0] in ("single", "1", "2", "4")
    }
    assert table == {"single": "66.7", "1": "40.0", "2": "66.7", "4": "100.0"}
    assert [len(row[2]) for row in rows if row[:1] == ["width"] and len(row) == 4] == [27, 16, 27, 40]
    assert (out / "width.csv").is_file()
    assert (out / "width.json").is_file()
    assert (out / "width.png").is_file() == (find_spec("matplotlib") is not None)


def test_bench_width_without_matplotlib(
    call: Call, towns: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("wideseek_env.evaluation.drawing.plot_available", lambda: False)
    result = call("bench", "width", *towns, "--widths", "1", "--out", tmp_path / "sweep")
    assert result.exit_code == 0
    assert 'To draw figures, in the source folder, run: pip install -e ".[plot]"' in result.stdout
    assert (tmp_path / "sweep" / "width.csv").is_file()
    assert not (tmp_path / "sweep" / "width.png").exists()


def test_bench_width_keeps_finished_widths(call: Call, towns: list[str], tmp_path: Path) -> None:
    out = tmp_path / "sweep"
    arguments = ["bench", "width", *towns, "--limit", 2, "--out", out, "--policy-arg", "interrupt_after=2"]
    # The toy stops before its third episode: a limit of two is played through, one of three in two goes a width.
    assert call(*arguments, "--widths", "2").exit_code == 0
    more = ["bench", "width", *towns, "--limit", 3, "--out", out, "--policy-arg", "interrupt_after=2"]
    stopped = call(*more, "--widths", "2,3")
    assert stopped.exit_code == 130
    assert "Interrupted with 1 of 2 points finished" in stopped.stderr
    assert [p["width"] for p in json.loads((out / "width.json").read_text())["points"]] == [2]
    assert call(*more, "--widths", "2,3").exit_code == 0
    assert [p["episodes"] for p in json.loads((out / "width.json").read_text())["points"]] == [3, 3]


# --- demo ----------------------------------------------------------------------------------------------------------


def test_the_demo_plays_an_episode_and_draws_the_curve(call: Call, tmp_path: Path) -> None:
    pytest.importorskip(
        "wideseek_baselines", reason="the demo plays the scripted policy of wideseek-baselines"
    )
    arguments = [
        "demo",
        "--tasks",
        "synthetic:seed=1,pages=800,rows=12",
        "--limit",
        3,
        "--out",
        tmp_path / "demo",
    ]
    result = call(*arguments)
    assert result.exit_code == 0, result.stderr
    first, _, second = result.stdout.partition("2. The width curve: 3 tasks")
    assert "subagent_0 1/6: " in first
    assert "item-F1" in first
    assert "(key)" in first
    points = json.loads((tmp_path / "demo" / "width.json").read_text())["points"]
    assert [point["width"] for point in points] == [1, 2, 4, 8]
    assert points[-1]["item_f1"] > points[0]["item_f1"] + 0.1
    assert "  width 8 █" in second
    assert f"Written: {tmp_path / 'demo' / 'width.csv'}" in second
    assert call(*arguments).exit_code == 0
