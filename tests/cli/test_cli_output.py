"""Every command has `--json` and `--quiet`, and prints its result alone on stdout."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import click
import numpy as np
import pytest
from click.testing import Result

from wideseek_env.cli import output
from wideseek_env.cli.app import app
from wideseek_env.cli.output import ResultCommand, printing, result
from wideseek_env.cli.progress import Bar, Lines, Pace, count_text, duration, rate_text, working
from wideseek_env.cli.serve_agents import announce
from wideseek_env.json_text import json_text, plain

Call = Callable[..., Result]
Make = Callable[["Place"], Sequence[object]]


class Place:
    """The files that commands read: a world, a run and a sweep of it."""

    def __init__(self, world: Path, towns: list[str], folder: Path) -> None:
        self.world, self.towns, self.folder = world, towns, folder
        self.tasks, self.corpus = world / "tasks.jsonl", world / "corpus"
        self.run, self.sweep = folder / "run", folder / "sweep"

    def out(self, name: str) -> Path:
        return self.folder / name


CASES: dict[str, Make] = {
    "demo": lambda p: [
        "--limit",
        1,
        "--fps",
        0,
        "--out",
        p.out("demo"),
        "--tasks",
        "synthetic:pages=600,rows=6",
    ],
    "run": lambda p: [*p.towns, "--width", 2],
    "eval": lambda p: [*p.towns, "--limit", 2],
    "score": lambda p: ["--tasks", p.tasks, "--responses", p.run, "--out", p.out("scores")],
    "summary": lambda p: [p.run],
    "compare": lambda p: [p.run, p.run],
    "bench width": lambda p: [*p.towns, "--limit", 1, "--widths", "1", "--out", p.out("width")],
    "bench depth": lambda p: [*p.towns, "--limit", 1, "--turns", "2", "--out", p.out("depth")],
    "bench plot": lambda p: [p.sweep, "--out", p.out("figure.svg")],
    "bench report": lambda p: [p.sweep, "--out", p.out("report.html")],
    "bench table": lambda p: [p.sweep],
    "bench leaderboard": lambda p: [p.sweep, "--out", p.out("board.tex")],
    "corpus build": lambda p: [p.world / "pages", "--out", p.out("corpus")],
    "corpus search": lambda p: [p.corpus, "Alder"],
    "corpus show": lambda p: [p.corpus, "https://local.example/alder.md"],
    "tasks build": lambda p: ["synthetic:pages=600,rows=6", "--count", 2, "--out", p.out("t.jsonl")],
    "tasks show": lambda p: [p.tasks],
    "tasks stats": lambda p: [p.tasks],
    "tasks check": lambda p: [p.tasks],
    "texts show": lambda p: [],
    "view": lambda p: [p.run, "--out", p.out("view.html")],
    "watch": lambda p: [p.run, "--once"],
    "doctor": lambda p: [],
    "completion": lambda p: ["bash"],
    "train sft": lambda p: ["--explain"],
    "train grpo": lambda p: ["--explain"],
    "train ppo": lambda p: ["--explain"],
    "nano": lambda p: [p.out("nano"), "--worlds", 2, "--vocab", 1024],
    "rollout": lambda p: [
        *("--policy", "ray_team:Team", "--policy-arg", "seconds=0.001", "--limit", 1, "--group", 1),
        *("--rules", "width-benchmark", "--width", 1, "--out", p.out("rollouts.jsonl")),
    ],
}
"""Arguments with which each command prints a result."""
ELSEWHERE = {
    "bench suite": "tests/cli/test_cli_suite.py",
    "bench cards": "the same",
    "corpus embed": "needs a model",
    "texts from-rlinf": "needs a checkout",
    "serve corpus": "runs until it is stopped",
    "serve agents": "the same",
    "serve mcp": "the same",
}
"""Commands whose result is not tried here."""
NEEDS = {"train": "torch", "nano": "tokenizers", "bench plot": "matplotlib"}


def commands(group: click.Group = app, path: str = "") -> Iterator[tuple[str, click.Command]]:
    context = click.Context(group)
    for name in group.list_commands(context):
        command = group.get_command(context, name)
        assert command is not None
        if isinstance(command, click.Group):
            yield from commands(command, f"{path}{name} ")
        else:
            yield f"{path}{name}", command


@pytest.fixture(scope="module")
def place(
    world: Path, towns: list[str], call: Call, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Place]:
    with pytest.MonkeyPatch.context() as patch:  # figures take long
        patch.setattr("wideseek_env.evaluation.drawing.plot_available", lambda: False)
        made = Place(world, towns, tmp_path_factory.mktemp("place"))
        assert call("eval", *towns, "--limit", 1, "--out", made.run).exit_code == 0
        assert (
            call("bench", "width", *towns, "--limit", 1, "--widths", "1", "--out", made.sweep).exit_code == 0
        )
        yield made


def test_every_command_has_the_options() -> None:
    found = dict(commands())
    assert len(found) > 25
    for name, command in found.items():
        options = {option for each in command.params for option in each.opts}
        assert {"--json", "--quiet"} <= options, name
        assert isinstance(command, ResultCommand), name


def test_every_command_is_tried_or_named() -> None:
    assert {name for name, _ in commands()} == CASES.keys() | ELSEWHERE.keys()


@pytest.mark.parametrize("name", CASES)
def test_the_json_of_a_command_stands_alone(call: Call, place: Place, name: str) -> None:
    for needed in (NEEDS.get(name), NEEDS.get(name.split()[0])):
        if needed is not None and find_spec(needed) is None:
            pytest.skip(f"needs {needed}")
    done = call(*name.split(), *CASES[name](place), "--json", "--quiet")
    assert done.exit_code == 0, done.stderr
    found = json.loads(done.stdout)
    assert found not in (None, {}, [])
    assert not [line for line in done.stderr.splitlines() if not line.startswith("Warning: ")], done.stderr


@pytest.mark.parametrize("name", ["eval", "run", "summary", "corpus build", "tasks build"])
def test_quiet_prints_the_result_only(call: Call, place: Place, name: str) -> None:
    given = [*CASES[name](place)]
    if "build" in name:
        given += ["--overwrite"]
    done = call(*name.split(), *given, "--quiet")
    assert (done.exit_code, done.stderr) == (0, "")
    assert done.stdout.strip()


def test_an_error_prints_no_json(call: Call) -> None:
    done = call("summary", "nowhere", "--json")
    assert (done.exit_code, done.stdout) == (2, "")
    assert done.stderr.startswith("Error: ")


def test_what_else_is_printed_goes_to_stderr(tmp_path: Path) -> None:
    """Also what a child process writes, such as an engine."""
    (tmp_path / "noisy.py").write_text(
        "import os, subprocess, sys\n"
        "class Noisy:\n"
        "    name = 'noisy'\n"
        "    def reset(self, seed):\n"
        "        print('from Python'); os.write(1, b'from C\\n'); subprocess.run(['echo', 'from a child'])\n"
        "    def act(self, turns):\n"
        "        return ['| Name |\\n|---|\\n| x |' for _ in turns]\n"
    )
    command = [sys.executable, "-m", "wideseek_env.cli", "run", "--tasks", "synthetic:pages=600,rows=6"]
    done = subprocess.run(
        [*command, "--policy", "noisy:Noisy", "--json"],
        capture_output=True, text=True, check=False, cwd=tmp_path,
        env=os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["task_id"]
    for source in ("from Python", "from C", "from a child"):
        assert source in done.stderr


def test_a_command_without_a_result_prints_null(capsys: pytest.CaptureFixture[str]) -> None:
    with printing(json=True):
        print("a note")
    assert (capsys.readouterr().out, output.is_json()) == ("null\n", False)


class Odd:
    def __str__(self) -> str:
        return "odd"


@pytest.mark.parametrize(
    ("value", "told"),
    [
        (float("inf"), "null"),
        (-float("inf"), "null"),
        ({"a": [float("nan"), 1.5]}, '{"a": [null, 1.5]}'),
        (np.float64("nan"), "null"),
        (np.array([1.0, np.inf]), "[1.0, null]"),
        (np.int64(3), "3"),
        (np.bool_(True), "true"),
        ((1, {2}), "[1, [2]]"),
        ({1: 2, None: 3, 1.5: 4}, '{"1": 2, "null": 3, "1.5": 4}'),
        (Path("a") / "b", '"a/b"'),
        (b"caf\xe9", '"caf\\ufffd"'),
        ("\x1b[31mred\ud800é", '"\\u001b[31mred\\ud800\\u00e9"'),
        (Odd(), '"odd"'),
        (10**400, "1" + "0" * 400),
    ],
)
def test_any_value_becomes_valid_json(value: Any, told: str) -> None:
    assert json_text(value) == told
    json.loads(told)
    assert json.loads(json_text(plain(value))) == json.loads(told)


def test_json_is_flushed_line_by_line(capsys: pytest.CaptureFixture[str]) -> None:
    with printing(json=True):
        for number in range(2):
            result(lambda number=number: {"n": number}, line=True)  # type: ignore[misc]
    assert [json.loads(line) for line in capsys.readouterr().out.splitlines()] == [{"n": 0}, {"n": 1}]


def test_a_server_prints_its_address_in_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    with printing(json=True):
        announce("http://127.0.0.1:8000")
    assert capsys.readouterr().out == '{"url": "http://127.0.0.1:8000"}\n'


def test_stdout_that_carries_a_protocol_carries_no_json(call: Call) -> None:
    done = call("serve", "mcp", "--json")
    assert (done.exit_code, done.stdout) == (2, "")
    assert "stdout carries the protocol" in done.stderr


# --- progress ------------------------------------------------------------------------------------------------------


class Clock:
    """Seconds that are set by hand."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


@pytest.mark.parametrize(
    ("rate", "told"),
    [(1234.4, "1,234 x/s"), (99.96, "100.0 x/s"), (3.21, "3.2 x/s"), (1.0, "1.0 x/s"), (0.2, "12.0 x/min"),
     (0.0125, "45.0 x/h"), (0.0001, "0.4 x/h")],
)  # fmt: skip
def test_rates_have_readable_units(rate: float, told: str) -> None:
    assert rate_text(rate, "x") == told


@pytest.mark.parametrize(
    ("seconds", "told"), [(0.4, "0 s"), (59.6, "1 min 0 s"), (3_725, "1 h 2 min"), (90_000, "1 d 1 h")]
)
def test_durations(seconds: float, told: str) -> None:
    assert duration(seconds) == told


def test_rate_and_time_left_do_not_count_what_was_done_before() -> None:
    clock = Clock()
    pace = Pace(100, before=40, clock=clock)
    assert pace.parts(40, "episodes") == []
    clock.now = 10.0
    assert pace.parts(60, "episodes") == ["2.0 episodes/s", "20 s left"]
    assert pace.parts(100, "episodes") == ["6.0 episodes/s"], "nothing is left"
    assert Pace(None, clock=clock).left(5) is None
    assert count_text(1_000, None, "pages") == "1,000 pages"


def test_a_pipe_gets_a_line_for_every_fifth_and_for_every_minute() -> None:
    clock = Clock()
    lines = Lines(50, clock)
    told = []
    for done in range(51):
        clock.now += 1
        told += [done] if lines.due(done) else []
    assert told == [0, 10, 20, 30, 40, 50]
    clock.now += 60
    assert lines.due(50)
    slow = Lines(10, clock)
    assert slow.due(0)
    clock.now += 59
    assert not slow.due(1)
    clock.now += 1
    assert slow.due(1)


def test_work_of_unknown_length_in_a_pipe(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("wideseek_env.cli.progress._PAUSE", 0.0)
    told = threading.Event()
    monkeypatch.setattr("rich.console.Console.print", lambda *_, **__: told.set())
    with working("Reading"):
        assert told.wait(60)
    told.clear()
    with printing(quiet=True), working("Reading"):
        assert not told.is_set()


def test_an_unknown_total_gives_a_line_every_ten_seconds() -> None:
    clock = Clock()
    lines = Lines(None, clock)
    told = []
    for done in range(25):
        told += [done] if lines.due(done) else []
        clock.now += 1
    assert told == [10, 20]


def test_a_bar_in_a_pipe(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    clock = Clock()
    monkeypatch.setattr("wideseek_env.cli.progress.time.monotonic", clock)
    with Bar("Reading", 4, "files") as bar:
        for number in bar.track(range(4)):
            clock.now = number + 1.0
    assert capsys.readouterr().err.splitlines() == [
        "Reading: 1 of 4 files, 1.0 files/s, 3 s left",
        "Reading: 2 of 4 files, 1.0 files/s, 2 s left",
        "Reading: 3 of 4 files, 1.0 files/s, 1 s left",
        "Reading: 4 of 4 files, 1.0 files/s",
    ]
    with printing(quiet=True), Bar("Reading", 1, "files") as bar:
        bar.update(1)
    assert capsys.readouterr().err == ""
