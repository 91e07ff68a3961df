"""Watching what is in files: training, rollouts, damaged lines, and text that means harm."""

from __future__ import annotations

import gzip
import json
import os
import socket
import time
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from wideseek_env.cli.app import app
from wideseek_env.cli.live import duration, line_of, sparkline, table_of
from wideseek_env.evaluation.following import Follower
from wideseek_env.evaluation.snapshot import Episodes, Training
from wideseek_env.render.printable import printable

pytestmark = pytest.mark.usefixtures("wide_terminal")

EVIL = "\x1b]0;owned\x07\x1b[2J\x9b31mred [bold]bold[/] :boom: \u202eback\r\nnew\x00 [/nothing] \ud800"


def watch(path: Path, *options: str) -> Result:
    return CliRunner().invoke(app, ["watch", str(path), "--once", *options])


def write_lines(path: Path, *records: Any) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    with open(path, "ab") as file:
        for record in records:
            file.write(record if isinstance(record, bytes) else json.dumps(record).encode() + b"\n")
    return path


def say(path: Path, **values: Any) -> None:
    about = {"state": "running", "pid": os.getpid(), "host": socket.gethostname(), "updated": time.time()}
    path.write_text(json.dumps({**about, **values}))


def figures(task: Any = "a", trial: Any = 0, f1: Any = 0.5, **changes: Any) -> dict[str, Any]:
    return {
        "end": 1, "crc": 1, "task_id": task, "trial": trial, "f1_by_item": f1, "reward": f1, "failed": False,
        "tool_calls": {"search": 3}, "usage": None, **changes,
    }  # fmt: skip


def run_folder(path: Path, *records: Any) -> Path:
    write_lines(path / "episodes.jsonl", *records)
    (path / "run.json").write_text(json.dumps({"settings": {"policy": "toy", "tasks": "towns", "seed": 0}}))
    return path


# --- training ------------------------------------------------------------------------------------------------------


def step(number: int, **values: Any) -> dict[str, Any]:
    return {
        "step": number,
        "reward": number / 10,
        "item_f1": 0.25,
        "kl_reference": 0.01,
        "entropy": 1.5,
        **values,
    }


def test_a_training_is_followed_from_before_its_first_step_to_its_end(tmp_path: Path) -> None:
    run = tmp_path / "grpo"
    follower = Follower(run)
    assert follower.look().state == "waiting"
    run.mkdir()
    say(run / "progress.json", kind="train", total=8, step=0, session={"seconds": 1.0, "steps": 0})
    first = follower.look()
    assert isinstance(first, Training)
    assert (first.state, first.step, first.total, first.rows) == ("running", 0, 8, ())
    log = write_lines(
        run / "metrics.jsonl", {"step": 0, "eval_item_f1@1": 0.1, "eval_item_f1@4": 0.2}, step(1)
    )
    write_lines(log, step(2), b'{"step": 3, "rewa')
    say(run / "progress.json", kind="train", total=8, step=2, session={"seconds": 20.0, "steps": 2})
    second = follower.look()
    assert (second.step, second.reward, second.seconds_left) == (2, (0.1, 0.2), 60.0)
    assert second.evaluations == ({"step": 0.0, "eval_item_f1@1": 0.1, "eval_item_f1@4": 0.2},)
    write_lines(log, b'rd": "nan"}\n', step(4, warnings=["entropy fell"]))
    say(run / "progress.json", kind="train", state="finished", total=8)
    third = follower.look()
    assert (third.state, third.step, third.damaged) == ("finished", 4, 0)
    assert [row["step"] for row in third.rows] == [1.0, 2.0, 3.0, 4.0]
    assert str(third.reward) == "(0.1, 0.2, nan, 0.4)"
    assert third.warnings == ("step 4: entropy fell",)


def test_steps_that_a_killed_training_lost_are_forgotten(tmp_path: Path) -> None:
    log = write_lines(tmp_path / "metrics.jsonl", *(step(number) for number in range(1, 6)))
    follower = Follower(tmp_path)
    assert follower.look().step == 5
    # As the log of a run that goes on from a checkpoint of step 2: it is written anew and then grows.
    log.write_text("".join(json.dumps(step(number)) + "\n" for number in (1, 2)))
    write_lines(log, *(step(number, reward=0.9) for number in range(3, 8)))
    again = follower.look()
    assert (again.step, again.reward) == (7, (0.1, 0.2, 0.9, 0.9, 0.9, 0.9, 0.9))


def test_the_table_of_a_training(tmp_path: Path) -> None:
    first = {"step": 0, "eval_item_f1@1": 0.125, "eval_item_f1@4": 0.5}
    write_lines(tmp_path / "metrics.jsonl", first, *map(step, range(1, 30)))
    shown = watch(tmp_path).stdout
    lines = [line.split() for line in shown.splitlines()]
    assert ["step", "reward", "item-F1", "KL", "entropy"] in lines
    assert ["29", "2.900", "0.250", "0.01000", "1.500"] in lines
    assert ["17", "1.700", "0.250", "0.01000", "1.500"] not in lines
    assert [
        "held",
        "out",
        "at",
        "step",
        "item-F1",
        "at",
        "width",
        "1",
        "item-F1",
        "at",
        "width",
        "4",
    ] in lines
    assert ["0", "0.125", "0.500"] in lines
    assert "▁" in shown
    assert "█" in shown
    supervised = tmp_path / "sft"
    write_lines(supervised / "metrics.jsonl", {"step": 1, "loss": 2.5, "tokens_per_second": 900.0})
    write_lines(supervised / "metrics.jsonl", {"step": 1, "held_out_loss": 2.25})
    lines = [line.split() for line in watch(supervised).stdout.splitlines()]
    assert ["1", "2.5000", "900"] in lines
    assert ["1", "2.250"] in lines


def test_a_training_whose_numbers_are_not_finite_is_json(tmp_path: Path) -> None:
    write_lines(
        tmp_path / "metrics.jsonl", step(1, reward="nan", entropy="inf"), b'{"step": 2, "reward": NaN}\n'
    )
    told = json.loads(watch(tmp_path, "--json").stdout, parse_constant=lambda name: pytest.fail(name))
    assert told["reward"] == [None, None]


# --- rollouts ------------------------------------------------------------------------------------------------------


def rollout(task: str, trial: int, reward: float, error: str = "") -> dict[str, Any]:
    turns = [{"start": 10, "stop": 30}, {"start": 40, "stop": 45}]
    agents = [{"sequences": [{"ids": [], "turns": turns}]}]
    score = {"item_f1": reward}
    return {
        "task_id": task,
        "trial": trial,
        "agents": agents,
        "reward": reward,
        "score": score,
        "error": error,
    }


@pytest.mark.parametrize("name", ["r.jsonl", "r.jsonl.gz"])
def test_rollouts_are_followed(tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    packed = name.endswith(".gz")

    def write(record: Any) -> None:
        line = json.dumps(record).encode() + b"\n"
        write_lines(path, gzip.compress(line) if packed else line)

    follower = Follower(path)
    assert follower.look().state == "waiting"
    write(rollout("a", 0, 1.0))
    write(rollout("a", 1, 0.0, error="the engine is lost"))
    say(Path(f"{path}.progress.json"), kind="rollout", total=4, session={"seconds": 10.0, "tokens": 50})
    found = follower.look()
    assert (found.kind, found.state, found.done, found.failed, found.total) == ("rollout", "running", 2, 1, 4)
    assert found.reward.mean == 0.5
    write(rollout("a", 1, 0.5))
    found = follower.look()
    assert (found.done, found.failed, found.reward.mean) == (2, 0, 0.75)


def test_rollouts_that_cannot_be_read_yet_are_known_by_their_progress(tmp_path: Path) -> None:
    path = tmp_path / "r.parquet"
    mean = {"mean": 0.5, "low": 0.25, "high": 0.75}
    say(tmp_path / "r.parquet.progress.json", kind="rollout", total=8, done=3, reward=mean, item_f1=mean)
    found = Follower(path).look()
    assert isinstance(found, Episodes)
    assert (found.state, found.done, found.total) == ("running", 3, 8)
    assert found.reward is not None
    assert (found.reward.mean, found.reward.low, found.reward.high) == (0.5, 0.25, 0.75)


# --- damaged and hostile -------------------------------------------------------------------------------------------

DAMAGED: list[Any] = [
    b"\n", b"null\n", b"[]\n", b"{\n", b"\xff\xfe\n", b"[" * 100_000 + b"\n", b'{"step": 1}\n',
    figures(task=3), figures(trial="x"), figures(f1="high"), figures(f1=None), figures(tool_calls=3),
    figures(tool_calls={"a": "b"}), {"conversations": 3}, {"agents": [], "task_id": "a"},
    {"task_id": "a", "trial": 0, "agents": [3], "score": {"item_f1": 1}, "reward": 1},
]  # fmt: skip


@pytest.mark.parametrize("line", DAMAGED, ids=lambda line: repr(line)[:40])
def test_a_damaged_line_is_counted_and_the_others_are_read(tmp_path: Path, line: Any) -> None:
    run = run_folder(tmp_path, figures("a", f1=1.0), line, figures("b", f1=0.0))
    found = Follower(run).look()
    assert (found.done, found.damaged, found.item_f1.mean) == (2, 1, 0.5)
    assert "1 line is damaged and left out" in watch(run).stdout


@pytest.mark.parametrize("value", [1e999, float("nan"), 10**400])
def test_numbers_out_of_range_do_no_harm(tmp_path: Path, value: Any) -> None:
    run = run_folder(tmp_path, figures("a", f1=1.0), figures("b", f1=value))
    assert Follower(run).look().done == 2
    json.loads(watch(run, "--json").stdout)


@pytest.mark.parametrize(
    "values",
    [
        {"slowest": 3}, {"slowest": [3]}, {"slowest": [{"task": 3, "since": 1, "trial": 0}]},
        {"session": 3}, {"session": {"seconds": "x", "episodes": []}}, {"session": {"seconds": 0, "calls": 5}},
        {"total": "many", "done": None, "failed": {}}, {"total": 1e999}, {"item_f1": {"mean": "x"}, "reward": []},
        {"item_f1": {"mean": 1, "low": None, "high": 3}}, {"kind": [], "title": 3}, {"under_way": -3},
    ],
    ids=repr,
)  # fmt: skip
def test_odd_values_in_progress_do_no_harm(tmp_path: Path, values: dict[str, Any]) -> None:
    run = run_folder(tmp_path, figures())
    say(run / "progress.json", **values)
    assert Follower(run).look().done == 1
    for options in ((), ("--json",)):
        assert watch(run, *options).exit_code == 0


def test_damaged_settings_do_no_harm(tmp_path: Path) -> None:
    run = run_folder(tmp_path, figures())
    (run / "run.json").write_text("{")
    assert Follower(run).look().done == 1


def harmless(text: str) -> bool:
    """Whether a terminal shows the text and does nothing else."""
    return printable(text.replace("\n", " ")) == text.replace("\n", " ")


def test_hostile_text_does_not_reach_the_terminal(tmp_path: Path) -> None:
    run = run_folder(tmp_path / "run", figures(EVIL))
    (run / "run.json").write_text(json.dumps({"settings": {"policy": EVIL, "tasks": EVIL, "seed": EVIL}}))
    slow = {"task": EVIL, "trial": 1, "since": time.time(), "turns": 3}
    say(run / "progress.json", kind=EVIL, title=EVIL, total=3, under_way=1, slowest=[slow])
    training = tmp_path / "train"
    write_lines(
        training / "metrics.jsonl",
        step(1, **{EVIL: 3.0}, warnings=[EVIL, {"a": EVIL}]),
        {"step": 1, f"eval_item_f1@{EVIL}": 0.5},
    )
    for path in (run, training, tmp_path):
        shown, told = watch(path), watch(path, "--json")
        assert (shown.exit_code, told.exit_code) == (0, 0), (shown.output, told.output)
        assert harmless(shown.stdout)
        assert told.stdout.isascii()
        assert harmless(told.stdout)
        assert harmless(line_of(Follower(path).look()))
    assert "slowest: red [bold]bold[/] :boom: back new [/nothing]" in watch(run).stdout


def test_hostile_names_of_folders_do_not_reach_the_terminal(tmp_path: Path) -> None:
    bench = tmp_path / "bench\x1b[31m"
    run_folder(bench / "width-\x1b[2J[bold]1\nx", figures())
    shown = watch(bench)
    assert shown.exit_code == 0
    assert harmless(shown.stdout)
    assert "[bold]1 x" in shown.stdout
    missing = watch(tmp_path / "no\x1b[31m")
    assert missing.exit_code == 2
    assert harmless(missing.stderr)


def test_a_colour_terminal_gets_only_the_colours_of_the_view(tmp_path: Path) -> None:
    from rich.console import Console

    run = run_folder(tmp_path, figures(EVIL))
    say(run / "progress.json", title="[red]x", slowest=[{"task": EVIL, "trial": 0, "since": 0, "turns": 1}])
    console = Console(force_terminal=True, width=100, color_system="standard")
    with console.capture() as captured:
        console.print(table_of(Follower(run).look()))
    escapes = {part.split("m")[0] for part in captured.get().split("\x1b[")[1:]}
    assert all(each.replace(";", "").isdigit() for each in escapes)
    assert "\x07" not in captured.get()


# --- small parts ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0, "0 s"), (59.4, "59 s"), (200, "3 min 20 s"), (7500, "2 h 5 min"), (273_700, "3 d 4 h")],
)
def test_durations(seconds: float, text: str) -> None:
    assert duration(seconds) == text


def test_sparklines() -> None:
    assert sparkline([0, 1, 2, 3, 4, 5, 6, 7]) == "▁▂▃▄▅▆▇█"
    assert sparkline([3, 3]) == "▄▄"
    assert sparkline([]) == sparkline([float("nan")]) == ""
    assert sparkline([0.0, float("nan"), 7.0]) == "▁█"
    assert sparkline(list(range(1000)), width=8) == "▁▂▃▄▅▆▇█"
