"""`check_parallel_env`: checks the rules of the parallel environment that PettingZoo's tests do not cover."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from wideseek_env.credit import is_team
from wideseek_env.messages import visible_text
from wideseek_env.parallel import WideSeekEnv


def check_parallel_env(make: Callable[[], WideSeekEnv], *, episodes: int = 10, seed: int = 0) -> None:
    """Run random episodes and check every rule of the step contract.

    - The five dictionaries that `step` returns have the same keys. These are the agents alive before the step and the
      agents that the step started.
    - At least one agent acts until the episode ends. The acting agents in ``infos`` are the same as in `acting_agents`.
    - With the dynamic roster, `agents` only grows. With the lifetime "task", no id is used twice.
    - No reward is given before the last step. In the last step, every agent gets the same reward, except with another
      credit than "team".
    - All agents end together.
    - All observations of an agent, joined, are the agent's conversation without its own messages.
    - Actions of agents that are not acting have no effect.
    - The same seed gives the same episode.

    `make` must return a new environment with the same settings at every call.

    Raises:
        AssertionError: The environment breaks one of these rules.
    """
    for episode in range(episodes):
        first = _play(make(), seed + episode, with_idle_actions=True)
        again = _play(make(), seed + episode, with_idle_actions=False)
        assert first == again, (
            f"seed {seed + episode}: two runs differ, but only actions of agents that were not acting differed"
        )


def _play(env: WideSeekEnv, seed: int, *, with_idle_actions: bool) -> str:
    """Run one random episode with all checks, and return its record without times."""
    observations, infos = env.reset(seed=seed)
    assert list(observations) == list(infos) == env.agents, (
        "reset: observations and infos have different agents"
    )
    for number, agent in enumerate(env.possible_agents):
        env.action_space(agent).seed(seed * 10_007 + number)
    heard: dict[str, list[str]] = {agent: [] for agent in env.agents}
    gone: set[str] = set()
    _listen(heard, observations)
    rng = np.random.default_rng(seed)
    while env.agents:
        before = list(env.agents)
        acting = env.acting_agents
        assert acting, "no agent acts, but the episode is not over"
        assert acting == [agent for agent in acting if agent in before], "an agent that is not alive acts"
        told = {agent for agent in before if infos[agent]["acting"]}
        assert told == set(acting), f"infos say that {told} act, acting_agents says {acting}"
        actions: dict[str, Any] = {agent: env.action_space(agent).sample() for agent in acting}
        if with_idle_actions:
            actions |= {agent: "| an action out of turn |" for agent in before if agent not in actions}
        observations, rewards, terminations, truncations, infos = env.step(actions)
        dictionaries = (observations, rewards, terminations, truncations, infos)
        assert all(list(d) == list(observations) for d in dictionaries), (
            "the five dictionaries have different keys"
        )
        assert set(before) <= set(observations), "an agent that was alive has no entry"
        spawned = set(observations) - set(before)
        assert not spawned & gone, f"{spawned & gone} came back after it had left"
        gone |= {agent for agent in observations if terminations[agent] or truncations[agent]}
        assert not any(terminations[a] and truncations[a] for a in observations), (
            "an agent is terminated and truncated at the same time"
        )
        _listen(heard, observations)
        ended = not env.agents
        assert ended == env.episode_run.done, "the agents left before the end, or stayed after it"
        if ended:
            shared = is_team(env.game.credit)
            assert not shared or len(set(rewards.values())) == 1, (
                "the agents of the team got different rewards"
            )
            assert all(terminations[a] or truncations[a] for a in observations), (
                "an agent is alive after the end of the episode"
            )
            assert all("score" in infos[agent] for agent in observations), "the score is missing from infos"
        else:
            assert not any(rewards.values()), "a reward was given before the end"
            assert set(env.agents) == set(observations) - gone, (
                "`agents` differs from the agents that are alive"
            )
        if rng.random() < 0.1 and not ended:
            _ = env.state()
    for conversation in env.episode_run.episode.conversations:
        if env.game.roster == "dynamic" and conversation.agent in heard:
            expected = visible_text(conversation.messages)
            said = "\n\n".join(text for text in heard[conversation.agent] if text)
            assert said == expected, (
                f"the observations of {conversation.agent} do not add up to its conversation"
            )
    return env.trajectory().to_json(timing=False)


def _listen(heard: dict[str, list[str]], observations: dict[str, str]) -> None:
    for agent, text in observations.items():
        assert isinstance(text, str), f"the observation of {agent} is not text"
        heard.setdefault(agent, []).append(text)
