"""The PettingZoo parallel environment keeps PettingZoo's promises and its own."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import Any

import pytest
from pettingzoo.test import parallel_api_test, parallel_seed_test

import wideseek_env
from wideseek_env.corpus import MemoryCorpus, SourcePage
from wideseek_env.errors import ActionError, ConfigError, TaskError
from wideseek_env.parallel import WideSeekEnv
from wideseek_env.testing import NoOpTools, check_parallel_env, example_task

TASKS = [example_task(rows, id=f"t{rows}") for rows in (2, 3, 5)]
ANSWER = "| Name | Year |\n|---|---|\n| Entity 1 | 1901 |\n| Entity 2 | 1902 |"
DELEGATE = '<tool_call>{"name": "delegate", "arguments": {"subtasks": ["a", "b"]}}</tool_call>'
SEARCH = '<tool_call>{"name": "search", "arguments": {"query": "x"}}</tool_call>'

PAGES = [SourcePage("https://a.example/list", "Entities", "<p>the list of museums</p>")]
VARIANTS: dict[str, dict[str, Any]] = {
    "defaults": {},
    "task lifetime": {"subagent_lifetime": "task"},
    "fixed roster": {"roster": "fixed", "width": 3},
    "credit by cells": {"roster": "fixed", "width": 2, "credit": "cells"},
    "terse": {"profile": "terse", "width": 2},
    "published profile": {"profile": "wideseek-r1"},
    "small budgets": {"rules": "width-benchmark", "reward": "wideseek_r1"},
    "tight context": {"rules": {"context": 5200}, "width": 2},
    "ansi": {"render_mode": "ansi"},
    "synthetic world": {"tasks": None, "tools": None},
    "synthetic world with knobs": {
        "tasks": "synthetic:seed=2,pages=800,hops=3",
        "tools": None,
        "split": "test",
    },
    "own corpus": {"tools": None, "corpus": MemoryCorpus(PAGES, name="own")},
}


def make(**settings: Any) -> WideSeekEnv:
    return wideseek_env.parallel_env(**({"tasks": TASKS, "executor": NoOpTools()} | settings))


@pytest.fixture(params=VARIANTS.values(), ids=VARIANTS)
def factory(request: pytest.FixtureRequest) -> Callable[[], WideSeekEnv]:
    return lambda: make(**request.param)


def test_pettingzoo_api(factory: Callable[[], WideSeekEnv]) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        if factory().game.roster == "dynamic":  # more ids are possible than any one episode needs
            warnings.filterwarnings("ignore", message="No agents present but not all possible_agents")
        parallel_api_test(factory(), num_cycles=200)


def test_pettingzoo_seeding(factory: Callable[[], WideSeekEnv]) -> None:
    parallel_seed_test(factory, num_cycles=60)


def test_own_promises(factory: Callable[[], WideSeekEnv]) -> None:
    check_parallel_env(factory, episodes=12)


def test_a_short_game_step_by_step() -> None:
    env = make()
    observations, infos = env.reset(seed=1, options={"task_id": "t2"})
    assert env.agents == ["lead"]
    assert env.task.id == "t2"
    assert TASKS[0].question in observations["lead"]
    assert infos["lead"]["acting"]
    assert infos["lead"]["turns_left"] == 10
    observations, rewards, terminations, truncations, infos = env.step({"lead": DELEGATE})
    assert env.agents == ["lead", "subagent_0", "subagent_1"]
    assert env.acting_agents == ["subagent_0", "subagent_1"]
    assert observations["lead"] == ""
    assert "a" in observations["subagent_0"]
    assert infos["subagent_0"]["tools"][0]["function"]["name"] == "search"
    assert rewards == dict.fromkeys(env.agents, 0.0)
    observations, *_, infos = env.step({"subagent_0": SEARCH, "subagent_1": "report two"})
    assert env.acting_agents == ["subagent_0"]
    assert env.agents == ["lead", "subagent_0", "subagent_1"], "a finished subagent stays for the team reward"
    assert infos["subagent_1"]["status"] == "done"
    assert observations["subagent_1"] == ""
    assert "ok" in observations["subagent_0"]
    observations, *_ = env.step({"subagent_0": "report one"})
    assert "report one" in observations["lead"]
    assert "report two" in observations["lead"]
    _, rewards, terminations, truncations, infos = env.step({"lead": ANSWER})
    assert rewards == {"lead": 1.0, "subagent_0": 1.0, "subagent_1": 1.0}
    assert all(terminations.values())
    assert not any(truncations.values())
    assert infos["subagent_0"]["score"].f1_by_item == 1.0
    assert infos["lead"]["answer"] == ANSWER
    assert infos["lead"]["outcome"].critical_path == 4
    assert env.agents == []
    with pytest.raises(ActionError, match="call reset"):
        env.step({"lead": ANSWER})


def test_a_lead_out_of_turns_truncates_without_reward() -> None:
    env = make(rules={"lead_turns": 1})
    env.reset(seed=0)
    _, rewards, terminations, truncations, _ = env.step({"lead": DELEGATE})
    assert rewards == {"lead": 0.0}
    assert truncations == {"lead": True}
    assert terminations == {"lead": False}


def test_with_the_task_lifetime_a_subagent_leaves_when_it_has_reported() -> None:
    env = make(subagent_lifetime="task")
    env.reset(seed=0)
    env.step({"lead": DELEGATE})
    _, _, terminations, _, infos = env.step({"subagent_0": "report", "subagent_1": SEARCH})
    assert terminations == {"lead": False, "subagent_0": True, "subagent_1": False}
    assert infos["subagent_0"]["status"] == "done"
    assert env.agents == ["lead", "subagent_1"]
    observations, *_ = env.step({"subagent_1": "report"})
    assert set(observations) == {"lead", "subagent_1"}
    assert env.agents == ["lead"]
    env.step({"lead": DELEGATE})
    assert env.agents == ["lead", "subagent_2", "subagent_3"]


def test_the_fixed_roster_keeps_its_slots() -> None:
    env = make(roster="fixed", width=3)
    assert env.possible_agents == ["lead", "subagent_0", "subagent_1", "subagent_2"]
    observations, infos = env.reset(seed=0)
    assert env.agents == env.possible_agents
    assert observations["subagent_1"] == ""
    assert infos["subagent_1"]["status"] == "idle"
    assert list(infos["subagent_1"]["messages"]) == []
    observations, *_, infos = env.step({"lead": DELEGATE})
    assert env.agents == env.possible_agents
    assert infos["subagent_2"]["status"] == "idle"
    env.step({"subagent_0": "first report", "subagent_1": "report"})
    observations, *_ = env.step({"lead": DELEGATE})
    assert "first report" not in observations["subagent_0"], "a slot starts each subtask with a fresh context"
    assert "search" in observations["subagent_0"]


def test_rewards_by_preset() -> None:
    env = make(reward="wideseek_r1")
    env.reset(seed=0, options={"task_id": "t2"})
    _, rewards, *_, infos = env.step({"lead": ANSWER})
    assert rewards["lead"] == pytest.approx(1.1)
    assert infos["lead"]["reward_parts"]["format"] == 0.1


def test_mistakes_are_typed_and_lose_nothing() -> None:
    env = make()
    with pytest.raises(ActionError, match="call reset"):
        env.step({})
    env.reset(seed=0)
    for actions in ({}, {"lead": None}, {"lead": 3}, {"subagent_0": "x"}):
        with pytest.raises(ActionError, match="lead"):
            env.step(actions)
    assert env.episode_run.episode.events == [], "a refused step must not have happened"
    env.step({"lead": DELEGATE})
    with pytest.raises(ActionError, match="subagent_1 has no action"):
        env.step({"subagent_0": SEARCH})
    assert env.episode_run.episode.conversation("subagent_0").turns == 0
    with pytest.raises(ConfigError, match="no option 'taskid'"):
        env.reset(options={"taskid": "t2"})
    with pytest.raises(TaskError, match="no task 'nope'"):
        env.reset(options={"task_id": "nope"})
    with pytest.raises(ConfigError, match="possible_agents"):
        env.action_space("subagent_1000")


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"profile": "loud"}, "no profile 'loud'"),
        ({"reward": "gold"}, "no reward 'gold'"),
        ({"rules": "hard"}, "no rules preset 'hard'"),
        ({"rules": {"turn": 3}}, "rules have no limit 'turn'"),
        ({"rules": 3}, "rules must be"),
        ({"width": 0}, "width must be"),
        ({"roster": "some"}, "roster"),
        ({"subagent_lifetime": "day"}, "subagent_lifetime"),
        ({"subagent_lifetime": "task", "roster": "fixed"}, "choose one"),
        ({"render_mode": "rgb_array"}, "unknown render mode 'rgb_array'"),
        ({"tasks": []}, "has no tasks"),
        ({"tasks": ["question"]}, "must be Task objects"),
        ({"tasks": "nonsense"}, "no tasks 'nonsense'"),
        ({"executor": None}, "come without a corpus"),
        ({"split": "dev", "tasks": None, "executor": None}, "split must be one of .*, not 'dev'"),
    ],
)
def test_wrong_settings_are_refused(settings: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        make(**settings)


def test_unknown_keyword_arguments_are_refused() -> None:
    with pytest.raises(TypeError, match="wdith"):
        wideseek_env.parallel_env(wdith=3)


def test_one_space_object_an_agent_and_any_unicode_fits() -> None:
    env = make()
    space = env.action_space("lead")
    assert space is env.action_space("lead")
    assert space.contains("河流 🗺 \x00")
    assert space.contains({"role": "assistant", "content": None})
    assert not space.contains(3)
    assert not space.contains("x" * 70_000)
    space.seed(3)
    samples = [space.sample() for _ in range(200)]
    space.seed(3)
    assert samples == [space.sample() for _ in range(200)]
    assert all(space.contains(sample) for sample in samples)
    texts = [s for s in samples if isinstance(s, str)]
    assert len(texts) < 200, "some samples are native messages"
    assert any("<tool_call>" in t for t in texts)
    assert any("<tool_call>" not in t for t in texts)


def test_state_has_every_conversation() -> None:
    env = make()
    env.reset(seed=0)
    env.step({"lead": DELEGATE})
    assert "[subagent_1 user]" in env.state()
