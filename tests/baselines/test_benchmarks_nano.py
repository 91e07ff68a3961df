"""The curve of the nano model: its settings load, and its expert is as timid as it says."""

from __future__ import annotations

import argparse
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from scripts import load_script

pytest.importorskip("torch")
pytest.importorskip("transformers")

from wideseek_env.trajectory import iter_trajectories


@pytest.fixture(scope="module")
def curve() -> ModuleType:
    return load_script("benchmarks/train_nano_curve.py")


def arguments(out: Path, **changes: Any) -> argparse.Namespace:
    usual = {"out": out, "algorithm": "grpo", "seed": 0, "single": False, "settings": []}
    return argparse.Namespace(**{**usual, **changes})


def test_settings_of_every_kind_of_run(curve: ModuleType, tmp_path: Path) -> None:
    team = curve.configure(arguments(tmp_path), ["lead", "subagent"], tmp_path / "a")
    assert team.model.precision == "float32"
    assert team.game.widths == (2, 4, 8, 16)
    lead = curve.configure(arguments(tmp_path, algorithm="ppo", seed=2), ["lead"], tmp_path / "b")
    assert (lead.seed, lead.group, lead.selection.roles) == (2, 1, ("lead",))
    single = curve.configure(arguments(tmp_path, single=True), ["single"], tmp_path / "c")
    assert not single.game.team
    assert single.evaluation.widths == ()
    other = curve.configure(arguments(tmp_path, settings=["optim.lr=3e-4"]), ["lead"], tmp_path / "d")
    assert other.optim.lr == 3e-4


def test_the_expert_seldom_uses_the_width_it_has(
    curve: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(curve, "WORLDS", 3)
    game = curve.configure(arguments(tmp_path), ["lead"], tmp_path / "a").game
    path = curve.record_expert(tmp_path / "expert.jsonl", game, 20)
    before = path.read_bytes()
    assert curve.record_expert(path, game, 20).read_bytes() == before
    recorded = list(iter_trajectories(path))
    assert len(recorded) == 20 * curve.WORLDS
    teams = [trajectory for trajectory in recorded if len(trajectory.conversations) > 1]
    sent = [
        len(trajectory.conversations) - 2 for trajectory in teams
    ]  # without the lead and who finds the list
    assert 1.5 < sum(sent) / len(sent) < 3
    assert all(trajectory.score.precision_by_item == 1 for trajectory in recorded)
