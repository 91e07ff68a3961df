"""The single agent as an environment of the real skyrl-gym."""

from __future__ import annotations

from typing import Any

import pytest

from wideseek_baselines.scripted import ScriptedPolicy
from wideseek_env.episode_run import run_episode
from wideseek_env.errors import ActionError, ConfigError, TaskError
from wideseek_env.game import GameConfig
from wideseek_env.policy import Turn

skyrl_gym = pytest.importorskip("skyrl_gym", reason="needs skyrl-gym: pip install -e 'baselines[skyrl]'")

from wideseek_baselines.adapters import skyrl_env  # noqa: E402

GAME: dict[str, Any] = {"tasks": "synthetic:seed=3,pages=900,rows=6-9"}


def made(number: int, **extras: Any) -> Any:
    skyrl_env.register(**GAME)
    row = skyrl_env.rows(number + 1, **GAME)[number]
    return skyrl_gym.make(row["env_class"], env_config={}, extras={**row, "max_turns": 50, **extras})


def test_an_episode_is_that_of_the_single_agent() -> None:
    setup = GameConfig(**GAME, team=False).open()
    here = run_episode(setup, ScriptedPolicy(), setup.tasks[1])
    env, policy = made(1), ScriptedPolicy()
    messages, about = env.init([])
    assert about == {"task_id": setup.tasks[1].id}
    tools = setup.episode(setup.tasks[1]).tools("single")
    rewards = []
    done = False
    while not done:
        turn = Turn("agent", "single", messages[-1]["content"], messages, tools, turns_left=9)
        (said,) = policy.act([turn])
        output = env.step(said)
        messages = [*messages, {"role": "assistant", "content": said}, *output["observations"]]
        rewards.append(output["reward"])
        done = output["done"]
    assert rewards == [0.0] * (len(rewards) - 1) + [here.reward]
    assert here.reward > 0.3
    assert env.get_metrics()["item_f1"] == here.reward
    lived = [("user" if m["role"] == "tool" else m["role"], m["content"]) for m in here.episode.root.messages]
    assert [(m["role"], m["content"]) for m in messages] == lived
    with pytest.raises(ActionError, match="over"):
        env.step("more")


def test_wrong_settings_are_said() -> None:
    with pytest.raises(ConfigError, match="team cannot be set"):
        skyrl_env.register(**GAME, team=True)
    with pytest.raises(ConfigError, match="plain values"):
        skyrl_env.register(tasks=object())
    with pytest.raises(ConfigError, match="max_turns is 2, but the rules allow 50"):
        made(0, max_turns=2)
    with pytest.raises(ConfigError, match="another environment called 'wideseek'"):
        skyrl_env.register(tasks="synthetic:seed=4,pages=900,rows=6-9")
    with pytest.raises(TaskError, match="no task 'nowhere'"):
        made(0, task_id="nowhere")
