"""The Gymnasium environment: one agent that searches by itself."""

from __future__ import annotations

import warnings

import gymnasium
import pytest
from gymnasium.utils.env_checker import check_env

import wideseek_env
from wideseek_env.errors import ActionError, ConfigError
from wideseek_env.testing import NoOpTools, example_task

TASKS = [example_task(2, id="t2")]
ANSWER = "| Name | Year |\n|---|---|\n| Entity 1 | 1901 |\n| Entity 2 | 1902 |"
SEARCH = '<tool_call>{"name": "search", "arguments": {"query": "x"}}</tool_call>'


def make(**settings: object) -> gymnasium.Env:
    return gymnasium.make("WideSeek-v0", tasks=TASKS, executor=NoOpTools(), **settings)


@pytest.mark.parametrize("settings", [{}, {"profile": "wideseek-r1"}, {"rules": "width-benchmark"}])
def test_gymnasium_accepts_it(settings: dict) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        check_env(make(**settings).unwrapped)


def test_a_short_game() -> None:
    env = make()
    observation, info = env.reset(seed=0)
    assert TASKS[0].question in observation
    assert info["task_id"] == "t2"
    observation, reward, terminated, truncated, info = env.step(SEARCH)
    assert (reward, terminated, truncated) == (0.0, False, False)
    assert "ok" in observation
    assert TASKS[0].question not in observation, "an observation is what is new"
    assert len(info["messages"]) == 4
    _, reward, terminated, truncated, info = env.step(ANSWER)
    assert (reward, terminated, truncated) == (1.0, True, False)
    assert info["score"].score == 1.0
    with pytest.raises(ActionError, match="call reset"):
        env.step(ANSWER)


def test_running_out_of_turns_truncates() -> None:
    env = make(rules={"single_turns": 2})
    env.reset(seed=0)
    env.step(SEARCH)
    _, reward, terminated, truncated, info = env.step(SEARCH)
    assert (reward, terminated, truncated) == (0.0, False, True)
    assert info["outcome"].ending == "out_of_turns"


def test_unknown_settings_are_refused() -> None:
    with pytest.raises(ConfigError, match="no profile"):
        make(profile="loud")
    with pytest.raises(TypeError, match="widht"):
        make(widht=3)


def test_it_is_registered_by_importing_the_package() -> None:
    assert "WideSeek-v0" in gymnasium.registry
    assert wideseek_env.WideSeekSingleEnv is type(make().unwrapped)
