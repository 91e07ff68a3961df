"""Sweeps over width and depth: one run a point, files that hold what is finished, and equal budgets."""

from __future__ import annotations

import csv
import json
from pathlib import Path
from typing import Any

import pytest
from toy_team import ToyTeam, town_setup

from wideseek_env.errors import ConfigError, TrajectoryError
from wideseek_env.evaluation import Sweep, depth_sweep, read_sweep, width_sweep
from wideseek_env.policy import Policy
from wideseek_env.trajectory import Trajectory, load_trajectories


def sweep_to(
    folder: Path, widths: tuple[int, ...] = (1, 2, 4), policy: Any = ToyTeam, **settings: Any
) -> Sweep:
    return width_sweep(town_setup(count=3), policy, widths, policy_name="toy", folder=folder, **settings)


def test_every_width_is_played_on_the_same_tasks(tmp_path: Path) -> None:
    sweep = sweep_to(tmp_path, single=True)
    assert [point.label for point in sweep.points] == ["single", "1", "2", "4"]
    assert [point.summary.item_recall for point in sweep.points] == [0.5, 0.25, 0.5, 1.0]
    assert [point.summary.subagents for point in sweep.points] == [0, 1, 2, 4]
    assert {point.summary.episodes for point in sweep.points} == {3}
    assert sorted(p.name for p in tmp_path.iterdir()) == [
        "progress.json", "single", "width-1", "width-2", "width-4", "width.csv", "width.json",
    ]  # fmt: skip


def test_files_hold_the_figures(tmp_path: Path) -> None:
    sweep = sweep_to(tmp_path, single=True)
    with open(tmp_path / "width.csv", newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["width"] for row in rows] == ["single", "1", "2", "4"]
    assert [float(row["item_f1"]) for row in rows] == [point.summary.item_f1 for point in sweep.points]
    assert [float(row["delegate_calls"]) for row in rows] == [0, 1, 2, 4]
    data = json.loads((tmp_path / "width.json").read_text())
    assert [point["width"] for point in data["points"]] == [None, 1, 2, 4]
    assert data["settings"]["policy"] == "toy"
    assert data == sweep.to_dict()


def test_an_interrupted_sweep_keeps_finished_widths_and_goes_on(tmp_path: Path) -> None:
    made: list[Policy] = []

    def policy() -> Policy:
        made.append(ToyTeam(interrupt_after=1 if len(made) == 1 else -1))
        return made[-1]

    latest: list[Sweep] = []
    with pytest.raises(KeyboardInterrupt):
        sweep_to(tmp_path, policy=policy, on_point=latest.append)
    assert [p.size for p in latest[-1].points] == [1]
    assert len(json.loads((tmp_path / "width.json").read_text())["points"]) == 1
    played: list[str] = []
    again = sweep_to(tmp_path, on_episode=lambda record: played.append(record.task_id))
    assert played == ["towns-1", "towns-2", "towns-0", "towns-1", "towns-2"]
    assert [p.summary.item_recall for p in again.points] == [0.25, 0.5, 1.0]


@pytest.mark.parametrize(
    ("widths", "told"), [((), "at least one"), ((0, 1), "at least 1, not 0, 1"), ((2, 2), "twice")]
)
def test_bad_widths(tmp_path: Path, widths: tuple[int, ...], told: str) -> None:
    with pytest.raises(ConfigError, match=told):
        sweep_to(tmp_path, widths)
    assert list(tmp_path.iterdir()) == []


def test_a_sweep_is_read_back_as_far_as_it_is(tmp_path: Path) -> None:
    sweep = sweep_to(tmp_path, single=True)
    again = read_sweep(tmp_path)
    assert again == sweep
    (tmp_path / "width-4" / "trajectories.jsonl").unlink()
    (tmp_path / "width-4" / "episodes.jsonl").unlink()
    assert [p.size for p in read_sweep(tmp_path).points] == [None, 1, 2]
    (tmp_path / "width.json").write_text("{}")
    with pytest.raises(TrajectoryError, match=r"width\.json cannot be read"):
        read_sweep(tmp_path)
    with pytest.raises(ConfigError, match="contains no sweep"):
        read_sweep(tmp_path / "width-1")


def test_a_sweep_can_be_read_while_its_first_point_is_played(tmp_path: Path) -> None:
    seen: list[list[int]] = []
    sweep_to(
        tmp_path, on_episode=lambda _: seen.append([p.summary.episodes for p in read_sweep(tmp_path).points])
    )
    assert seen[:4] == [[1], [2], [3], [3, 1]]


# --- depth ---------------------------------------------------------------------------------------------------------


def test_depth_is_the_turns_of_a_single_agent(tmp_path: Path) -> None:
    sweep = depth_sweep(town_setup(count=3), ToyTeam, (4, 1, 2), policy_name="toy", folder=tmp_path)
    assert [(p.size, p.summary.item_recall) for p in sweep.points] == [(1, 0.0), (2, 0.25), (4, 0.75)]
    assert [p.summary.turns for p in sweep.points] == [1, 2, 4]
    assert {p.summary.subagents for p in sweep.points} == {0}
    assert sorted(p.name for p in tmp_path.iterdir()) == [
        "depth-1",
        "depth-2",
        "depth-4",
        "depth.csv",
        "depth.json",
        "progress.json",
    ]
    with open(tmp_path / "depth.csv", newline="") as file:
        assert [row["depth"] for row in csv.DictReader(file)] == ["1", "2", "4"]
    assert {t.rules.single_turns for t in load_trajectories(tmp_path / "depth-4" / "trajectories.jsonl")} == {
        4
    }
    assert read_sweep(tmp_path) == sweep


# --- equal budgets -------------------------------------------------------------------------------------------------

LOOSE = {"subagent_turns": 9, "single_turns": 9, "calls_per_turn": 2}


def played(folder: Path) -> dict[str, list[Trajectory]]:
    return {p.parent.name: load_trajectories(p) for p in sorted(folder.glob("*/trajectories.jsonl"))}


def searches(trajectory: Trajectory) -> int:
    return sum(n for kind, n in trajectory.outcome["tool_calls"].items() if kind != "delegate")


def test_every_width_makes_as_many_calls(tmp_path: Path) -> None:
    sweep = width_sweep(
        town_setup(count=3, rules=LOOSE), ToyTeam, (1, 2, 4), policy_name="toy", equal="calls", amount=5, single=True,
        folder=tmp_path,
    )  # fmt: skip
    runs = played(tmp_path)
    assert sorted(runs) == ["single", "width-1", "width-2", "width-4"]
    assert {searches(each) for run in runs.values() for each in run} == {5}
    assert {each.outcome["ending"] for run in runs.values() for each in run} == {"answered"}
    for point in sweep.points:
        assert point.summary.item_recall == pytest.approx(5 / 8)
    assert sweep.settings["equal"] == {"kind": "calls", "amount": 5, "from": "given"}
    assert {each.rules.episode_calls for run in runs.values() for each in run} == {5}


def test_by_default_the_budget_is_what_the_smallest_width_uses(tmp_path: Path) -> None:
    tight = {**LOOSE, "subagent_turns": 3}  # one subagent makes four calls at most
    sweep = width_sweep(
        town_setup(count=3, rules=tight), ToyTeam, (4, 1), policy_name="toy", equal="calls", folder=tmp_path
    )
    runs = played(tmp_path)
    assert {searches(each) for each in runs["budget"]} == {4}
    assert all(each.rules.episode_calls is None for each in runs["budget"])
    assert sweep.settings["equal"] == {"kind": "calls", "amount": 4, "from": "the mean of width 1"}
    assert {searches(each) for each in runs["width-4"]} == {4}


def test_every_width_ends_in_time(tmp_path: Path) -> None:
    sweep = width_sweep(
        town_setup(count=2, rules=LOOSE), ToyTeam, (1, 2, 4), equal="critical-path", amount=4, folder=tmp_path
    )
    assert {each.outcome["critical_path"] for run in played(tmp_path).values() for each in run} == {4}
    assert [p.summary.item_recall for p in sweep.points] == [0.25, 0.5, 1.0]


class Metered(ToyTeam):
    """Counts words as tokens, and stops at a budget when it is made with one."""

    def __init__(self, episode_tokens: int | None = None) -> None:
        super().__init__()
        self.limit = episode_tokens
        self.usage = {"completion_tokens": 0}
        self.spent = 0

    def reset(self, seed: int) -> None:
        super().reset(seed)
        self.spent = 0

    def act(self, turns: Any) -> list[Any]:
        return [self._measured(message) for message in super().act(turns)]

    def _measured(self, message: str) -> Any:
        tokens = len(message.split())
        if self.limit is not None and self.spent + tokens > self.limit:
            return {"role": "assistant", "content": "", "finish_reason": "budget"}
        self.spent += tokens
        self.usage["completion_tokens"] += tokens
        return message


def test_a_token_budget_is_the_policys(tmp_path: Path) -> None:
    game = town_setup(count=2, rules=LOOSE)
    sweep = width_sweep(game, Metered, (1, 2), policy_name="m", equal="tokens", amount=60, folder=tmp_path)
    for point in sweep.points:
        assert all(0 < (r.usage or {})["completion_tokens"] <= 60 for r in point.records)
    settings = json.loads((tmp_path / "width-2" / "run.json").read_text())["settings"]
    assert settings["policy_options"] == {"episode_tokens": 60, "answer_tokens": 20}


@pytest.mark.parametrize("amount", [None, 50])
def test_a_token_budget_needs_a_policy_that_counts(tmp_path: Path, amount: int | None) -> None:
    with pytest.raises(
        ConfigError, match=r"the tokens of task .* were not counted|has no option episode_tokens"
    ):
        width_sweep(town_setup(count=2), ToyTeam, (1, 2), equal="tokens", amount=amount, folder=tmp_path)
    assert not (tmp_path / "width.json").exists()


@pytest.mark.parametrize(
    ("equal", "amount", "told"),
    [("calls", 0, "at least 1, not 0"), ("money", 3, "unknown kind of budget 'money'")],
)
def test_bad_budgets(equal: Any, amount: int, told: str) -> None:
    with pytest.raises(ConfigError, match=told):
        width_sweep(town_setup(count=1), ToyTeam, (1,), equal=equal, amount=amount)


def test_a_budget_of_nothing_is_refused() -> None:
    class Idle(ToyTeam):
        def _one(self, turn: Any) -> str:
            return "I do not know."

    with pytest.raises(ConfigError, match="used no searches and pages"):
        width_sweep(town_setup(count=1), Idle, (1, 2), equal="calls")


def test_the_folder_of_a_suite_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "suite.json").write_text("{}")
    with pytest.raises(ConfigError, match="contains a run of `wideseek bench suite`"):
        width_sweep(town_setup(count=1), ToyTeam, (1,), policy_name="toy", folder=tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["suite.json"]
