"""Runs in processes of their own, watched while they play, killed and continued."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result
from toy_team import town_task, write_pages

from wideseek_env.cli.app import app
from wideseek_env.evaluation.following import Follower
from wideseek_env.evaluation.snapshot import Bench, Episodes, Snapshot
from wideseek_env.tasks.jsonl import save_tasks

pytestmark = [
    pytest.mark.skipif(sys.platform == "win32", reason="needs signals"),
    pytest.mark.usefixtures("wide_terminal"),
]

ENVIRONMENT = os.environ | {"PYTHONPATH": str(Path(__file__).parents[1])}
WIDESEEK = [sys.executable, "-m", "wideseek_env.cli"]


@pytest.fixture(scope="module")
def towns(tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    folder = tmp_path_factory.mktemp("towns")
    save_tasks([town_task(number) for number in range(4)], folder / "tasks.jsonl")
    write_pages(folder / "pages")
    built = CliRunner().invoke(
        app, ["corpus", "build", str(folder / "pages"), "--out", str(folder / "corpus")]
    )
    assert built.exit_code == 0, built.output
    given = {"tasks": folder / "tasks.jsonl", "corpus": folder / "corpus", "policy": "toy_team:ToyTeam"}
    return [word for name, value in given.items() for word in (f"--{name}", str(value))]


def until(look: Callable[[], Any], right: Callable[[Any], bool]) -> Any:
    """What `look` gives as soon as it is `right`."""
    deadline = time.monotonic() + 120
    while not right(found := look()):
        assert time.monotonic() < deadline, f"never came: the last was {found}"
        time.sleep(0.05)
    return found


@contextmanager
def process(*command: object, hold: bool = False) -> Iterator[subprocess.Popen[str]]:
    """A command that is killed at the end if it lives on; with `hold` it waits in its second episode."""
    with subprocess.Popen(
        [*WIDESEEK, *map(str, command)],
        env=ENVIRONMENT | ({"TOY_HOLD": "1"} if hold else {}),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as started:
        try:
            yield started
        finally:
            started.kill()


def run(*command: object) -> Result:
    return CliRunner().invoke(app, [str(word) for word in command])


def test_a_run_is_watched_killed_continued_and_finished(towns: list[str], tmp_path: Path) -> None:
    out = tmp_path / "run"
    follower = Follower(out)
    assert follower.look() == Episodes("none", str(out), "waiting")
    watching = process("watch", out, "--json", "--interval", "0.1")
    with watching as watcher:
        with process("eval", *towns, "--out", out, hold=True) as player:
            held = until(follower.look, lambda s: s.done == 1 and s.under_way == 1)
            assert (held.kind, held.state, held.total, held.failed) == ("eval", "running", 4, 0)
            assert held.title == "toy_team:ToyTeam on tasks"
            assert (held.slowest.task, held.slowest.trial) == ("towns-1", 0)
            assert held.seconds_left > 0
            assert held.calls_per_second > 0
            assert held.item_f1.low == held.item_f1.mean == held.item_f1.high
            assert run("watch", out, "--once", "--json").exit_code == 0
            player.kill()
            player.wait()
        killed = until(follower.look, lambda s: s.state == "killed")
        assert (killed.done, killed.under_way, killed.slowest, killed.seconds_left) == (1, 0, None, None)
        assert watcher.poll() is None
        with process("eval", *towns, "--out", out) as player:
            player.communicate(timeout=120)
            assert player.returncode == 0
        stdout, stderr = watcher.communicate(timeout=120)
    assert (watcher.returncode, stderr) == (0, "")
    told = [json.loads(line) for line in stdout.splitlines()]
    assert told[-1]["state"] == "finished"
    assert "killed" in [each["state"] for each in told]
    ended = follower.look()
    summary = json.loads((out / "summary.json").read_text())
    assert (ended.state, ended.done, ended.damaged) == ("finished", 4, 0)
    assert round(ended.item_f1.mean, 9) == summary["item_f1"]
    assert round(ended.item_f1.low, 9) == summary["item_f1_low"]
    assert round(ended.item_f1.high, 9) == summary["item_f1_high"]
    assert round(ended.reward.mean, 9) == summary["reward"]


def test_ctrl_c_ends_watching_and_is_no_error(towns: list[str], tmp_path: Path) -> None:
    out = tmp_path / "run"
    with (
        process("eval", *towns, "--out", out, hold=True) as player,
        process("watch", out, "--interval", "0.1") as watcher,
    ):
        assert watcher.stdout is not None
        until(watcher.stdout.readline, lambda line: "1 of 4 episodes" in line and "running" in line)
        watcher.send_signal(signal.SIGINT)
        _, stderr = watcher.communicate(timeout=60)
        assert (watcher.returncode, stderr.strip()) == (0, "")
        assert player.poll() is None
        player.send_signal(signal.SIGINT)
        player.communicate(timeout=60)
        assert player.returncode == 130
    stopped = run("watch", out, "--once")
    assert stopped.exit_code == 0
    assert (
        "interrupted (stopped by Ctrl-C or --max-tokens; the same command resumes the run)" in stopped.stdout
    )
    assert "1 of 4 episodes" in stopped.stdout


def test_a_run_that_is_begun_anew_is_seen_anew(towns: list[str], tmp_path: Path) -> None:
    out = tmp_path / "run"
    follower = Follower(out)
    assert run("eval", *towns, "--out", out).exit_code == 0
    assert follower.look().done == 4
    assert run("eval", *towns, "--out", out, "--overwrite", "--limit", 2).exit_code == 0
    again = follower.look()
    assert (again.done, again.total, again.state) == (2, 2, "finished")


def test_a_run_without_figures_or_progress_is_read_from_its_trajectories(
    towns: list[str], tmp_path: Path
) -> None:
    out = tmp_path / "run"
    assert run("eval", *towns, "--out", out).exit_code == 0
    with_all = Follower(out).look()
    (out / "episodes.jsonl").unlink()
    (out / "progress.json").unlink()
    without = Follower(out).look()
    assert (without.state, without.done, without.total) == ("unknown", 4, None)
    assert (without.item_f1, without.reward) == (with_all.item_f1, with_all.reward)
    alone = Follower(out / "trajectories.jsonl").look()
    assert (alone.kind, alone.done, alone.item_f1) == ("episodes", 4, with_all.item_f1)


def test_several_runs_in_one_folder_are_shown_together(towns: list[str], tmp_path: Path) -> None:
    for width in (10, 2):
        run("eval", *towns, "--width", width, "--out", tmp_path / f"width-{width}")
    with process("eval", *towns, "--single", "--out", tmp_path / "depth" / "single", hold=True):
        follower = Follower(tmp_path)
        found: Snapshot = until(
            follower.look, lambda s: s.state == "running" and s.parts[-1].done == 1 and s.parts[-1].under_way
        )
        assert isinstance(found, Bench)
        assert [Path(part.name).relative_to(tmp_path).as_posix() for part in found.parts] == [
            "width-2", "width-10", "depth/single",
        ]  # fmt: skip
        shown = run("watch", tmp_path, "--once").stdout
    assert "2 of 3 runs finished" in shown
    assert "towns-1" in shown
    rows = {line.split()[0]: line.split()[1:3] for line in shown.splitlines() if "/4" in line}
    assert rows == {
        "width-2": ["finished", "4/4"], "width-10": ["finished", "4/4"], "depth/single": ["running", "1/4"],
    }  # fmt: skip
    assert follower.look().state == "killed"


@pytest.mark.parametrize(
    ("make", "told"),
    [
        (lambda path: None, "there is no run at"),
        (lambda path: path.mkdir(), "contains no run"),
        (lambda path: path.write_text("x"), "is not a run; give a folder"),
        (lambda path: (path.mkdir(), (path / "scores.jsonl").touch()), "contains scores"),
    ],
)
def test_what_is_no_run_is_said(tmp_path: Path, make: Callable[[Path], Any], told: str) -> None:
    make(tmp_path / "it")
    result = run("watch", tmp_path / "it", "--once")
    assert result.exit_code == 2
    assert told in result.stderr
    assert "Traceback" not in result.stderr
