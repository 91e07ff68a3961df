"""Runs whose processes are killed with SIGKILL, at any line: nothing is lost, nothing is played twice."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from toy_team import ToyTeam, town_setup

from wideseek_env.errors import ConfigError
from wideseek_env.evaluation import RunFolder, evaluate_game, read_run
from wideseek_env.trajectory import load_trajectories

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="needs fork")

EVERYWHERE = [f"at:{line}" for line in (*range(1, 100, 7), *range(100, 4000, 190))]
CHAINS = ["chain:0", "chain:1"]
TORN = [
    f"torn:{which},{line},{share}"
    for which in ("trajectories", "episodes")
    for line in (1, 4)
    for share in (0, 0.6)
]


@pytest.fixture(scope="module")
def told(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, Any]]:
    folder = tmp_path_factory.mktemp("killed")
    program = Path(__file__).with_name("killed_runs.py")
    command = [sys.executable, str(program), str(folder), "held", *EVERYWHERE, *CHAINS, *TORN]
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)}  # where `toy_team` is
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False, timeout=300)
    assert done.returncode == 0, done.stderr
    return folder, json.loads(done.stdout)


@pytest.fixture(scope="module")
def straight(tmp_path_factory: pytest.TempPathFactory) -> tuple[list[str], dict[str, Any]]:
    """The trajectories and metrics of a run that nobody kills, without times."""
    path = tmp_path_factory.mktemp("straight")
    game = town_setup(count=3)
    with RunFolder.open(path, {}) as folder:
        evaluate_game(game, ToyTeam(), trials=2, folder=folder)
    return texts(path), metrics(path)


def texts(path: Path) -> list[str]:
    return [t.to_json(timing=False) for t in load_trajectories(path / "trajectories.jsonl")]


def metrics(path: Path) -> dict[str, Any]:
    return {
        key: value
        for key, value in json.loads((path / "summary.json").read_text()).items()
        if key not in ("seconds", "seconds_total", "by")
    }


@pytest.mark.parametrize("mode", [*EVERYWHERE, *CHAINS, *TORN])
def test_a_killed_run_ends_as_if_nothing_had_happened(
    told: tuple[Path, dict[str, Any]], straight: tuple[list[str], dict[str, Any]], mode: str
) -> None:
    base, results = told
    result = results[mode]
    assert result["killed"] >= (5 if mode in CHAINS else mode != EVERYWHERE[-1])
    assert result["ended"] is True
    assert result["played again"] == []
    assert result["recorded"] == [[f"towns-{n}", trial] for trial in (0, 1) for n in range(3)]
    path = base / mode.replace(":", "-").replace(",", "-")
    assert texts(path) == straight[0]
    assert metrics(path) == straight[1]
    assert len(read_run(path).records) == 6
    lines = (path / "episodes.jsonl").read_bytes().splitlines()
    assert [(line["task_id"], line["trial"]) for line in map(json.loads, lines)] == [
        (f"towns-{n}", trial) for trial in (0, 1) for n in range(3)
    ]
    assert sorted(p.name for p in path.iterdir()) == [
        "episodes.jsonl", "progress.json", "run.json", "run.lock", "summary.json", "trajectories.jsonl",
    ]  # fmt: skip


def test_another_process_is_refused_until_the_holder_is_dead(told: tuple[Path, dict[str, Any]]) -> None:
    held = told[1]["held"]
    assert f"is being written by process {held['holder']} on" in held["told"]


def test_one_process_may_open_a_run_once(tmp_path: Path) -> None:
    first = RunFolder.open(tmp_path, {})
    with pytest.raises(ConfigError, match="by this process already"):
        RunFolder.open(tmp_path, {})
    first.close()
    first.close()
    RunFolder.open(tmp_path, {}).close()


def test_a_refused_run_lets_go(tmp_path: Path) -> None:
    RunFolder.open(tmp_path, {"seed": 1}).close()
    with pytest.raises(ConfigError, match="other settings"):
        RunFolder.open(tmp_path, {"seed": 2})
    RunFolder.open(tmp_path, {"seed": 1}).close()
