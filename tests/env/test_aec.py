"""The AEC form asks the acting agents one after another and is the same game."""

from __future__ import annotations

import warnings
from typing import Any

import gymnasium
import numpy as np
import pytest
from pettingzoo.test import api_test, seed_test
from pettingzoo.utils.wrappers import BaseWrapper

import wideseek_env
from wideseek_env.testing import NoOpTools, example_task

TASKS = [example_task(2, id="t2")]
ANSWER = "| Name | Year |\n|---|---|\n| Entity 1 | 1901 |\n| Entity 2 | 1902 |"
DELEGATE = '<tool_call>{"name": "delegate", "arguments": {"subtasks": ["a", "b"]}}</tool_call>'
SEARCH = '<tool_call>{"name": "search", "arguments": {"query": "x"}}</tool_call>'
SETTINGS = [{}, {"roster": "fixed", "width": 2}, {"subagent_lifetime": "task"}]


def make(**settings: Any) -> Any:
    return wideseek_env.env(tasks=TASKS, executor=NoOpTools(), **settings)


class LengthOnly(BaseWrapper):
    """Replaces observations by their length: PettingZoo's AEC test can only compare arrays."""

    _space = gymnasium.spaces.Box(-1, 1e7, (2,), np.float32)

    def observation_space(self, agent: str) -> gymnasium.Space:
        return self._space

    def observe(self, agent: str) -> np.ndarray:
        return np.array([len(super().observe(agent)), -1], np.float32)


@pytest.mark.parametrize("settings", SETTINGS)
def test_pettingzoo_api(settings: dict) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        # PettingZoo remarks that text actions are not in a Box, and that "lead" has no number.
        warnings.filterwarnings("ignore", message="Action space for each agent probably should be")
        warnings.filterwarnings("ignore", message="We recommend agents to be named")
        api_test(LengthOnly(make(**settings)), num_cycles=200)


@pytest.mark.parametrize("settings", SETTINGS)
def test_pettingzoo_seeding(settings: dict) -> None:
    seed_test(lambda: make(**settings), num_cycles=100)


def test_only_acting_agents_are_asked() -> None:
    env = make()
    env.reset(seed=0)
    script = {
        "lead": iter([DELEGATE, ANSWER]),
        "subagent_0": iter([SEARCH, "report"]),
        "subagent_1": iter(["report"]),
    }
    asked, rewards = [], {}
    for agent in env.agent_iter():
        observation, reward, terminated, truncated, info = env.last()
        if terminated or truncated:
            rewards[agent] = reward
            env.step(None)
            continue
        assert info["acting"]
        assert observation
        asked.append(agent)
        env.step(next(script[agent]))
    assert asked == ["lead", "subagent_0", "subagent_1", "subagent_0", "lead"]
    assert rewards == {"lead": 1.0, "subagent_0": 1.0, "subagent_1": 1.0}


def test_the_same_actions_give_the_same_record_as_the_parallel_form() -> None:
    env = make()
    env.reset(seed=5)
    parallel = wideseek_env.parallel_env(tasks=TASKS, executor=NoOpTools())
    parallel.reset(seed=5)
    for agent, action in (("lead", DELEGATE), ("subagent_0", "one"), ("subagent_1", "two"), ("lead", ANSWER)):
        assert env.agent_selection == agent
        env.step(action)
    parallel.step({"lead": DELEGATE})
    parallel.step({"subagent_0": "one", "subagent_1": "two"})
    parallel.step({"lead": ANSWER})
    inner = env.unwrapped.parallel
    assert inner.trajectory().to_json(timing=False) == parallel.trajectory().to_json(timing=False)
