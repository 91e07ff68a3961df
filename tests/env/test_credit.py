"""Credits as a setting of the game: names, records, environments and commands."""

from __future__ import annotations

import copy
import json
import pickle
import random
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner
from credit_episodes import GOLD, PAGES, TASK, call, table

import wideseek_env
from wideseek_env import GameConfig, make_policy, run_episode
from wideseek_env.cli.app import app
from wideseek_env.credit import PRESETS, Cells, Credit, Team, credit_named, is_team
from wideseek_env.episode import Episode
from wideseek_env.episode_run import EpisodeRun
from wideseek_env.errors import ConfigError, TrajectoryError
from wideseek_env.messages import ToolCall, ToolResult
from wideseek_env.scoring import TableScore
from wideseek_env.testing import ConformanceError, check_credit
from wideseek_env.trajectory import Trajectory, load_trajectories
from wideseek_env.wrappers import Symbolic, SymbolicVec

SMALL: dict[str, Any] = {"tasks": "synthetic:pages=400,rows=4,columns=2,hops=1", "split": "test", "width": 2}


class Pages:
    """A tool that returns the pages of the towns that a query names."""

    def run(self, calls: list[ToolCall]) -> list[ToolResult]:
        found = {row[0]: text for row, text in zip(GOLD, PAGES, strict=True)}
        return [ToolResult(found[each.arguments["query"]]) for each in calls]

    def close(self) -> None:
        """Does nothing."""


class LastSpeaker:
    """The last conversation has everything."""

    name = "last"

    def __init__(self, scale: float = 1.0) -> None:
        self.scale = scale

    def __call__(self, episode: Episode, score: TableScore, reward: float) -> list[float]:
        return [0.0] * (len(episode.conversations) - 1) + [self.scale]


def towns(**settings: Any) -> wideseek_env.WideSeekEnv:
    return wideseek_env.parallel_env(
        **{"tasks": [TASK], "executor": Pages(), "credit": "cells", "width": 2} | settings
    )


def play(env: wideseek_env.WideSeekEnv) -> dict[str, float]:
    """Two delegations: towns 0 and 1, then 2 and 3. The second of each only claims to have looked it up."""
    env.reset(seed=0)
    rewards: dict[str, float] = {}
    for first in (0, 2):
        asked = [f"Look up {GOLD[at][0]}" for at in (first, first + 1)]
        env.step({"lead": call("delegate", subtasks=asked)})
        one, other = env.acting_agents
        report = table(GOLD[first + 1])
        env.step({one: call("search", query=GOLD[first][0]), other: report})
        _, rewards, *_ = env.step({one: table(GOLD[first])})
    assert set(rewards.values()) == {0.0}
    _, rewards, *_ = env.step({"lead": table(*GOLD)})
    return {agent: round(reward, 6) for agent, reward in rewards.items()}


def test_each_id_gets_the_sum_over_its_conversations() -> None:
    three = 3 / 16  # a row without its key, which the subtask names
    assert play(towns()) == {
        "lead": 1,
        "subagent_0": three,
        "subagent_1": 0,
        "subagent_2": three,
        "subagent_3": 0,
    }
    assert play(towns(roster="fixed")) == {"lead": 1, "subagent_0": 2 * three, "subagent_1": 0}
    assert set(play(towns(credit="team")).values()) == {1}
    assert set(play(towns(credit="team", roster="fixed", width=4)).values()) == {1}, (
        "slots without a subtask too"
    )
    assert play(towns(roster="fixed", width=4))["subagent_3"] == 0


def test_a_subagent_that_leaves_early_cannot_be_paid() -> None:
    for credit in ("cells", Cells(), LastSpeaker(), "test_credit:LastSpeaker,scale=2"):
        with pytest.raises(
            ConfigError, match=r"subagent_lifetime='task' removes subagents before.*credit='team'"
        ):
            towns(credit=credit, subagent_lifetime="task")
    towns(credit="team", subagent_lifetime="task")
    towns(credit=Team(), subagent_lifetime="task")


def test_records_keep_the_credit_of_each_conversation(tmp_path: Path) -> None:
    env = towns(roster="fixed")
    play(env)
    record = env.trajectory()
    assert record.credit_name == "cells"
    assert record.credits == [1, 3 / 16, 0, 3 / 16, 0]
    plain = json.loads(record.to_json())
    assert [each["credit"] for each in plain["conversations"]] == record.credits
    again = Trajectory.from_dict(plain)
    assert (again.credits, again.credit_name, again.to_json()) == (record.credits, "cells", record.to_json())
    assert again.replay().conversations[1].final == table(GOLD[0])
    for damaged in (None, "1", True, [1]):
        plain["conversations"][2]["credit"] = damaged
        with pytest.raises(TrajectoryError, match="credit"):
            Trajectory.from_dict(plain)
    del plain["conversations"][2]["credit"]
    with pytest.raises(TrajectoryError, match="credit"):
        Trajectory.from_dict(plain)


def test_with_team_records_have_no_new_key() -> None:
    default, named = (GameConfig(**SMALL, **more).open() for more in ({}, {"credit": "team"}))
    for game in (default, named, GameConfig(**SMALL, credit=Team()).open()):
        run = run_episode(game, make_policy("scripted"), game.tasks[0])
        plain = run.trajectory().to_dict(timing=False)
        assert not any("credit" in name for name in plain)
        assert not any("credit" in each for each in plain["conversations"])
        assert "credit" not in game.record() | game.record()["game"] | game.config.to_dict()
        assert run.trajectory().credits == run.credits == [run.reward] * len(run.episode.conversations)
        assert plain == run_episode(default, make_policy("scripted"), game.tasks[0]).trajectory().to_dict(
            timing=False
        )


def test_old_records_read_as_team() -> None:
    files = sorted(Path(__file__).with_name("records").glob("*.jsonl*"))
    assert files
    for trajectory in (each for file in files for each in load_trajectories(file)):
        assert trajectory.credit_name == "team"
        assert trajectory.credits == [trajectory.reward] * len(trajectory.conversations)


def test_the_scripted_team_earns_its_answer() -> None:
    game = GameConfig(**SMALL, credit="cells").open()
    for task in game.tasks[:3]:
        run = run_episode(game, make_policy("scripted"), task)
        lead, *paid = run.credits
        assert lead == run.reward == 1
        assert sum(paid) == pytest.approx(1)
        assert pickle.loads(pickle.dumps(run)).credits == copy.deepcopy(run).credits == run.credits


def test_names() -> None:
    assert {name: credit_named(name) for name in PRESETS} == PRESETS == {"team": Team(), "cells": Cells()}
    assert credit_named("test_credit:LastSpeaker,scale=3").scale == 3  # type: ignore[attr-defined]
    own = LastSpeaker()
    assert credit_named(own) is own
    assert isinstance(own, Credit)
    assert is_team("team")
    assert is_team(Team())
    assert not any(map(is_team, ("cells", Cells(), own)))
    assert GameConfig(credit=None).credit == "team"  # type: ignore[arg-type]
    with pytest.raises(
        ConfigError,
        match=r"no credit 'cell' \(did you mean 'cells'\?\); there are: team, cells; for a custom one write module:",
    ):
        GameConfig(**SMALL, credit="cell").open()
    with pytest.raises(ConfigError, match="a name and __call__"):
        credit_named("test_credit:GOLD")
    for wrong in (3, LastSpeaker, object()):
        with pytest.raises(ConfigError, match="credit must be a name"):
            GameConfig(credit=wrong)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "paid",
    [
        None, 1.0, "11", [], [1.0], [1.0] * 3, [1.0, None], [1.0, "2"], [1.0, True], [1.0, float("nan")],
        [1.0, float("inf")], {0: 1.0, 1: 2.0}, {1.0, 2.0}, [1.0, [2.0]], [1.0, 1j], b"11",
    ],
)  # fmt: skip
def test_a_credit_must_return_one_number_for_each_conversation(paid: Any) -> None:
    class Wrong:
        name = "wrong"

        def __call__(self, episode: Episode, score: TableScore, reward: float) -> Any:
            return paid

    env = towns(credit=Wrong())
    env.reset(seed=0)
    env.step({"lead": call("delegate", subtasks=["a"])})
    env.step({"subagent_0": "Nothing."})
    with pytest.raises(
        ConfigError, match="credit wrong must return 2 finite numbers, one for each conversation"
    ):
        env.step({"lead": "Nothing."})


def test_a_credit_may_return_any_sequence_of_numbers() -> None:
    for paid in (np.array([0.5, 2.0]), (1, 2), iter([1.0, 2.0]), [np.float32(1.0), np.int64(2)]):

        class Right:
            name = "right"

            def __call__(self, episode: Episode, score: TableScore, reward: float, paid: Any = paid) -> Any:
                return paid

        env = towns(credit=Right())
        env.reset(seed=0)
        env.step({"lead": call("delegate", subtasks=["a"])})
        env.step({"subagent_0": "Nothing."})
        _, rewards, *_ = env.step({"lead": "Nothing."})
        assert rewards["subagent_0"] == 2


def test_a_custom_credit_by_name_on_the_command_line(tmp_path: Path) -> None:
    arguments = ["--tasks", SMALL["tasks"], "--limit", "1", "--policy", "scripted", "--width", "2"]
    for credit, expected in (("cells", "cells"), ("test_credit:LastSpeaker,scale=2", "last")):
        out = tmp_path / expected
        done = CliRunner().invoke(app, ["eval", *arguments, "--credit", credit, "--out", str(out)])
        assert done.exit_code == 0, done.output
        (record,) = load_trajectories(out / "trajectories.jsonl")
        assert record.credit_name == expected
        settings = json.loads((out / "run.json").read_text())["settings"]
        assert (settings["credit"], settings["game"]["credit"]) == (expected, credit)
        other = CliRunner().invoke(app, ["eval", *arguments, "--out", str(out)])
        assert other.exit_code != 0
        assert f"credit: {expected} → None" in other.output.replace("\n", " ")
    assert record.credits[-1] == 2


def test_numeric_environments() -> None:
    env = wideseek_env.parallel_env(
        tasks="synthetic:rows=3,columns=1,hops=1,pages=300",
        width=2,
        limits={"subagent_turns": 8, "lead_turns": 4},
        profile="terse",
        credit=LastSpeaker(),
    )
    symbolic = Symbolic(env, max_entities=3, max_attributes=1, max_results=3)
    observations, _ = symbolic.reset(seed=0)
    rng, rewards = np.random.default_rng(1), {}
    while symbolic.agents:
        acts = {
            agent: rng.choice(np.flatnonzero(observations[agent]["action_mask"])) for agent in symbolic.agents
        }
        observations, rewards, *_ = symbolic.step(acts)
    run: EpisodeRun = symbolic._episode.episode_run  # type: ignore[union-attr]
    assert rewards == {agent: run.paid(agent) for agent in symbolic.possible_agents}
    assert sum(rewards.values()) == 1
    with pytest.raises(ConfigError, match="a vector has one reward for each episode"):
        SymbolicVec(symbolic, 2)


def test_a_reward_of_zero_is_not_a_credit_of_zero() -> None:
    """Credits and rewards are separate: a reward that pays nothing leaves the credits of subagents as they are."""

    class Nothing:
        name = "nothing"

        def __call__(self, episode: Episode, score: TableScore) -> dict[str, float]:
            return {}

    paid = play(towns(reward=Nothing()))
    assert (paid["lead"], paid["subagent_0"]) == (0, 3 / 16)


# --- the check for plugins ---------------------------------------------------------------------------------------


@dataclass
class Broken:
    """A credit that breaks one rule."""

    rule: str
    name: str = "broken"
    calls: int = 0

    def __call__(self, episode: Episode, score: TableScore, reward: float) -> Any:
        self.calls += 1
        each: Any = [reward] * len(episode.conversations)
        match self.rule:
            case "determinism":
                return [float(self.calls)] * len(each)
            case "untouched":
                episode.conversations[0].errors += 1
            case "exceptions":
                return [1 / score.f1_by_item] * len(each)
            case "types":
                return reward
            case "count":
                return [reward]
            case "finite":
                return [float("nan")] * len(each)
            case "chance":
                return [random.random()] * len(each)
        return each


def test_the_check_finds_what_is_broken() -> None:
    for right in (Team(), Cells(), LastSpeaker(), Broken("none")):
        check_credit(right)
    for rule in ("determinism", "untouched", "exceptions", "types", "count", "finite", "chance"):
        with pytest.raises(ConformanceError):
            check_credit(Broken(rule))
    for name in ("", "two\nlines", 3):
        with pytest.raises(ConformanceError):
            check_credit(Broken("none", name=name))  # type: ignore[arg-type]
    with pytest.raises(ConformanceError, match="protocol"):
        check_credit(object())  # type: ignore[arg-type]


def test_the_template_is_a_credit(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(Path(__file__).resolve().parents[2] / "examples" / "plugins")
    credit = credit_named("my_credit:Reported,failed=-0.5")
    check_credit(credit)
    assert credit.name == "reported"
