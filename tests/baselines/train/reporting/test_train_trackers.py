"""Metrics on trackers: the real packages, kept on this machine, and what happens where one is missing or fails."""

from __future__ import annotations

import json
import logging
import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import ClassVar

import pytest
from toy_game import toy_config, toy_game
from training_parts import agent, rollout, saved_model

from wideseek_baselines.rollout.store import open_rollouts
from wideseek_baselines.train.config.loading import load_config
from wideseek_baselines.train.grpo import GrpoConfig, run_grpo
from wideseek_baselines.train.reporting import trackers as tracker
from wideseek_baselines.train.reporting.log import read_log
from wideseek_baselines.train.reporting.trackers import TrackerRun, Trackers, check_packages
from wideseek_baselines.train.sft import SftConfig, run_sft
from wideseek_env.errors import ConfigError, MissingDependencyError

METRICS = {"reward": 0.5, "skipped": 2, "warnings": ["no number"], "cut": True}


def events(folder: Path) -> dict[str, list[tuple[int, float]]]:
    """What TensorBoard reads."""
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    read = EventAccumulator(str(folder))
    read.Reload()
    return {
        name: [(event.step, event.value) for event in read.Scalars(name)] for name in read.Tags()["scalars"]
    }


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_tensorboard_is_written_where_it_is_installed_and_drops_lost_steps(tmp_path: Path) -> None:
    pytest.importorskip("tensorboard", reason="needs tensorboard: pip install tensorboard")
    with Trackers(TrackerRun(tmp_path)) as trackers:
        for step in (1, 2, 3):
            trackers.write(step, METRICS)
    with Trackers(TrackerRun(tmp_path, step=1), ["tensorboard"]) as trackers:
        trackers.write(2, {"reward": 0.25})
    assert events(tmp_path / "tensorboard") == {
        "reward": [(1, 0.5), (2, 0.25)],
        "skipped": [(1, 2.0)],
    }


SHOW = """
import sys
from pathlib import Path
from wideseek_baselines.train.reporting.trackers import TrackerRun, Trackers
for step in (0, 2):
    run = TrackerRun(Path(sys.argv[1]), step, "tests", "one", {"optim": {"lr": 0.1}})
    with Trackers(run, [sys.argv[2]]) as trackers:
        for number in (step + 1, step + 2):
            trackers.write(number, {"reward": number / 7, "warnings": ["no number"]})
print("result")
"""


def python(program: str, *arguments: str, **environment: str) -> str:
    """What a program prints in a process of its own: these packages keep threads and processes."""
    done = subprocess.run(
        [sys.executable, "-c", program, *arguments],
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_wandb_keeps_its_files_here_when_it_is_offline(tmp_path: Path) -> None:
    pytest.importorskip("wandb", reason="needs wandb: pip install wandb")
    assert python(SHOW, str(tmp_path), "wandb", WANDB_MODE="offline") == "result\n", "stdout is for results"
    identifier = (tmp_path / "wandb" / "run-id").read_text()
    files = sorted((tmp_path / "wandb").glob("offline-run-*/*.wandb"))
    assert [file.name for file in files] == [f"run-{identifier}.wandb"] * 2, "it goes on as the same run"
    contents = [file.read_bytes() for file in files]
    for step in (1, 2, 3, 4):
        written = [str(step / 7).encode() in content for content in contents]
        assert written == [step <= 2, step > 2]


def test_trackio_keeps_its_metrics_on_this_machine(tmp_path: Path) -> None:
    pytest.importorskip("trackio", reason="needs trackio: pip install trackio")
    place = str(tmp_path / "trackio")
    assert python(SHOW, str(tmp_path / "out"), "trackio", TRACKIO_DIR=place) == "result\n"
    read = (
        "import json; from trackio.sqlite_storage import SQLiteStorage; "
        "print(json.dumps(SQLiteStorage.get_logs('tests', 'one')))"
    )
    logs = json.loads(python(read, TRACKIO_DIR=place))
    assert [(entry["step"], entry["reward"]) for entry in logs] == [(step, step / 7) for step in (1, 2, 3, 4)]


def test_a_missing_package_is_named_with_what_to_install(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("wandb", "tensorboard"):
        monkeypatch.setitem(sys.modules, name, None)
        with pytest.raises(MissingDependencyError, match=rf'pip install -e "baselines\[{name}\]"'):
            Trackers(TrackerRun(tmp_path), [name])  # type: ignore[list-item]
        with pytest.raises(MissingDependencyError):
            check_packages([name])  # type: ignore[list-item]
    with Trackers(
        TrackerRun(tmp_path / "other")
    ) as trackers:  # TensorBoard is left out where nobody asked for it
        trackers.write(1, METRICS)
    assert not (tmp_path / "other").exists()


class Frail:
    """A tracker that fails from a step on, and does not even close."""

    def __init__(self, run: TrackerRun) -> None:
        self.run = run

    def write(self, step: int, numbers: Mapping[str, float]) -> None:
        """See `Tracker`."""
        assert "warnings" not in numbers
        if step >= 2:
            raise OSError("the server is gone")

    def close(self, failed: bool) -> None:
        """See `Tracker`."""
        raise OSError("the server is still gone")


def test_a_tracker_that_fails_never_ends_training(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(tracker, "TRACKERS", {"wandb": Frail})
    model = saved_model(tmp_path / "tiny")
    config = toy_config(GrpoConfig, model, tmp_path / "run", "trackers=wandb")
    with caplog.at_level(logging.WARNING):
        assert run_grpo(config, game=toy_game()).steps == 3
    assert len(read_log(tmp_path / "run" / "metrics.jsonl")) == 3
    assert [record.getMessage() for record in caplog.records if record.name == tracker.__name__] == [
        "the tracker wandb failed at step 2 and gets no more metrics: the server is gone"
    ]


class Noted(Frail):
    """A tracker that keeps what it is told."""

    steps: ClassVar[list[tuple[int, frozenset[str]]]] = []
    runs: ClassVar[list[TrackerRun]] = []

    def write(self, step: int, numbers: Mapping[str, float]) -> None:
        """See `Tracker`."""
        self.steps.append((step, frozenset(numbers)))

    def close(self, failed: bool) -> None:
        """See `Tracker`."""
        assert not failed
        self.runs.append(self.run)


def test_a_warm_start_has_trackers_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tracker, "TRACKERS", {"trackio": Noted})
    with open_rollouts(tmp_path / "rollouts.jsonl") as writer:
        for number in range(4):
            writer.write(rollout([agent("lead", [4])], group=f"task-{number}"))
    settings = [
        f"data={tmp_path / 'rollouts.jsonl'}",
        f"out={tmp_path / 'sft'}",
        f"model.path={saved_model(tmp_path / 'tiny')}",
        *("model.device=cpu", "model.precision=float32", "held_out=0.25", "max_steps=1", "trackers=trackio"),
        *("batch_tokens=40", "project=tests", "name=warm"),
    ]
    assert run_sft(load_config(SftConfig, None, settings)).steps == 1
    assert [step for step, _ in Noted.steps] == [0, 1, 1]
    assert Noted.steps[0][1] == {"held_out_loss"}
    assert {"loss", "lr", "tokens_per_second"} <= Noted.steps[1][1]
    (shown,) = Noted.runs
    assert (shown.project, shown.title, shown.settings["batch_tokens"]) == ("tests", "warm", 40)
    assert TrackerRun(tmp_path / "sft").title == "sft"


def test_a_tracker_that_cannot_start_is_a_wrong_setting(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(run: TrackerRun) -> Frail:
        raise RuntimeError("No API key configured.")

    monkeypatch.setattr(tracker, "TRACKERS", {"wandb": refuse})
    with pytest.raises(ConfigError, match=r"'wandb' could not be started \(No API key.*WANDB_MODE=offline"):
        Trackers(TrackerRun(tmp_path), ["wandb"])


def test_trackers_are_named_in_the_configuration(tmp_path: Path) -> None:
    needed = ["model.path=m", "out=o"]
    assert load_config(GrpoConfig, None, [*needed, "trackers=trackio"]).trackers == ("trackio",)
    with pytest.raises(ConfigError, match="must be one of tensorboard, wandb, trackio"):
        load_config(GrpoConfig, None, [*needed, 'trackers=["wandb", "mlflow"]'])
