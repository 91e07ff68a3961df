"""The experiments with nano models: their settings load, and the expert is as timid as it says."""

from __future__ import annotations

import argparse
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from scripts import load_script

pytest.importorskip("torch")
pytest.importorskip("transformers")

from wideseek_env.cli.bench import bench
from wideseek_env.trajectory import iter_trajectories


@pytest.fixture(scope="module")
def curve() -> ModuleType:
    return load_script("benchmarks/train_nano_curve.py")


def arguments(out: Path, **changes: Any) -> argparse.Namespace:
    usual = {"out": out, "algorithm": "grpo", "seed": 0, "single": False, "weights": "shared", "settings": []}
    return argparse.Namespace(**{**usual, **changes})


def test_settings_of_every_kind_of_run(curve: ModuleType, tmp_path: Path) -> None:
    team = curve.configure(arguments(tmp_path), ["lead", "subagent"], tmp_path / "a")
    assert team.model.precision == "float32"
    assert team.widths == (2, 4, 8, 16)
    lead = curve.configure(arguments(tmp_path, algorithm="ppo", seed=2), ["lead"], tmp_path / "b")
    assert (lead.seed, lead.group, lead.selection.roles) == (2, 1, ("lead",))
    single = curve.configure(arguments(tmp_path, single=True), ["single"], tmp_path / "c")
    assert not single.game.team
    assert single.evaluation.widths == ()
    other = curve.configure(arguments(tmp_path, settings=["optim.lr=3e-4"]), ["lead"], tmp_path / "d")
    assert other.optim.lr == 3e-4


def test_the_expert_is_timid_at_large_widths_alone(
    curve: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(curve, "WORLDS", 3)
    game = curve.configure(arguments(tmp_path), ["lead"], tmp_path / "a").game
    path = curve.record_expert(tmp_path / "expert.jsonl", game, 24)
    before = path.read_bytes()
    assert curve.record_expert(path, game, 24).read_bytes() == before
    recorded = list(iter_trajectories(path))
    assert len(recorded) == 24 * curve.WORLDS
    assert all(trajectory.score.precision_by_item == 1 for trajectory in recorded)
    sent: dict[int, list[int]] = {}
    for number, trajectory in enumerate(recorded):
        width = curve.GAMES[number % 24 % len(curve.GAMES)].get("width")
        if width is not None:  # a team: without the lead and who finds the list
            sent.setdefault(width, []).append(len(trajectory.conversations) - 2)
    assert all(numbers == [width] * len(numbers) for width, numbers in sent.items() if width <= 5)
    large = [number for width, numbers in sent.items() if width >= curve.LARGE for number in numbers]
    assert 2.5 < sum(large) / len(large) < 4


def test_widths_are_measured_in_the_game_that_is_trained(curve: ModuleType, tmp_path: Path) -> None:
    options = list(load_script("benchmarks/nano_width.py").game())
    command = bench.commands["width"]
    parsed = command.make_context("width", [*options, "--model", "model", "--out", str(tmp_path)]).params
    config = curve.configure(arguments(tmp_path), ["lead"], tmp_path / "a")
    assert parsed["tasks"] == config.game.tasks
    assert parsed["split"] not in (config.game.split, config.evaluation.split)
    given = dict(zip(options[::2], options[1::2], strict=True))
    assert given["--profile"] == config.game.profile
    assert "single_turns=8" in options
    assert f"temperature={config.engine.temperature}" in options
    assert not any(option.startswith("width=") for option in options)


def test_figures_have_sweeps_that_share_an_axis(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    script = load_script("benchmarks/nano_width.py")
    ran: list[tuple[str, ...]] = []
    monkeypatch.setattr(script, "wideseek", lambda *command: ran.append(command))
    monkeypatch.setattr("sys.argv", ["nano_width.py", "--out", str(tmp_path), "--depth", "warm=a", "grpo=b"])
    script.main()
    by_width, by_cost = (command for command in ran if command[1] == "plot")
    teams = [str(tmp_path / "warm-team"), str(tmp_path / "grpo-team")]
    single = str(tmp_path / "warm-single")
    assert list(by_width[2:4]) == teams
    assert single not in by_width
    assert {*teams, single} <= set(by_cost)
    assert by_cost[by_cost.index("--x") + 1] == "critical-path"
    assert [command[1] for command in ran] == ["width", "width", "depth", "plot", "plot", "report"]
