"""`Flat`: PettingZoo's tests, and the same episodes as below it with vectors and infos of numbers."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from greedy import greedy
from pettingzoo.test import parallel_api_test, parallel_seed_test

from wideseek_env.errors import ConfigError
from wideseek_env.wrappers import Flat, Symbolic

Make = Callable[..., Symbolic]
KEYS = {"acting", "shaping", "team_reward", "item_f1"}


@pytest.mark.parametrize("mask", ["infos", "observation"])
def test_pettingzoo(make: Make, mask: Any) -> None:
    parallel_api_test(Flat(make(), mask=mask), num_cycles=100)
    parallel_seed_test(lambda: Flat(make(), mask=mask), num_cycles=50)


@pytest.mark.parametrize("mask", ["infos", "observation"])
def test_the_episode_is_the_one_below(make: Make, mask: Any) -> None:
    below, flat = make(shaping=0.5), Flat(make(shaping=0.5), mask=mask)
    seen, _ = below.reset(seed=1)
    vectors, numbers = flat.reset(seed=1)
    features = below.layout.features
    paid, acted = 0.0, 0
    while True:
        shapes = {key: np.shape(value) for key, value in numbers["lead"].items()}
        assert shapes.keys() - {"action_mask"} == KEYS
        assert np.array_equal(flat.state(), below.state())
        for agent in flat.possible_agents:
            assert flat.observation_space(agent).contains(vectors[agent])
            assert np.array_equal(vectors[agent][:features], seen[agent]["observation"])
            shown = numbers[agent]["action_mask"] if mask == "infos" else vectors[agent][features:]
            assert np.array_equal(shown, seen[agent]["action_mask"])
            assert {key: np.shape(value) for key, value in numbers[agent].items()} == shapes
            assert numbers[agent]["acting"] == (agent in below.acting_agents)
        if not flat.agents:
            break
        acted += len(flat.acting_agents)
        actions = {agent: greedy(below.layout, seen[agent]) for agent in below.agents}
        seen, rewards, ends, *_ = below.step(actions)
        vectors, same, same_ends, _, numbers = flat.step(actions)
        assert (rewards, ends) == (same, same_ends)
        paid += same["lead"]
        if flat.agents:
            assert numbers["lead"]["item_f1"] == numbers["lead"]["team_reward"] == 0
    assert acted > 20
    assert numbers["lead"]["item_f1"] == numbers["subagent_0"]["team_reward"] == 1
    assert paid == pytest.approx(1.5)


def test_running_out_of_turns_can_count_as_the_end(make: Make) -> None:
    for truncates in (True, False):
        flat = Flat(make(rules={"lead_turns": 1}), truncates=truncates)
        flat.reset(seed=0)
        *_, terminated, truncated, _ = flat.step({"lead": flat.layout.action("find")})
        assert set(truncated.values()) == {truncates}
        assert set(terminated.values()) == {not truncates}
        assert not flat.agents


def test_mistakes_are_named(make: Make) -> None:
    with pytest.raises(ConfigError, match="wraps a Symbolic, not str"):
        Flat("lead")  # type: ignore[arg-type]
    with pytest.raises(ConfigError, match="infos, observation, not 'both'"):
        Flat(make(), mask="both")  # type: ignore[arg-type]
    with pytest.raises(ConfigError, match="not among possible_agents"):
        Flat(make()).observation_space("subagent_9")


def test_a_reset_without_a_seed_keeps_the_result_of_the_episode_before(make: Make) -> None:
    env = Flat(make(shaping=0.5))
    kept = ("shaping", "team_reward", "item_f1")
    _, infos = env.reset(seed=1)
    assert [infos["lead"][key] for key in kept] == [0, 0, 0]
    while env.agents:
        seen = env.env._observations()
        actions = {agent: greedy(env.layout, seen[agent]) for agent in env.agents}
        *_, last = env.step(actions)
    assert last["lead"]["item_f1"] == last["lead"]["team_reward"] == 1
    _, infos = env.reset()
    for agent in env.possible_agents:
        assert [infos[agent][key] for key in kept] == [last[agent][key] for key in kept]
        assert infos[agent]["acting"] == (agent == "lead")
    _, _, _, _, infos = env.step(dict.fromkeys(env.agents, env.layout.action("find")))
    assert [infos["lead"][key] for key in kept] == [0, 0, 0]
    _, infos = env.reset()  # the episode had not ended
    assert [infos["lead"][key] for key in kept] == [0, 0, 0]
    env.step(dict.fromkeys(env.agents, env.layout.action("answer")))
    _, infos = env.reset(seed=2)
    assert [infos["lead"][key] for key in kept] == [0, 0, 0]
