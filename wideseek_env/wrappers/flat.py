"""`Flat`: the symbolic episodes for libraries that want one vector an agent, and infos of numbers alone."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal, get_args

import numpy as np
from gymnasium import spaces
from numpy.typing import NDArray
from pettingzoo import ParallelEnv

from wideseek_env.errors import ConfigError
from wideseek_env.wrappers.symbolic import Observation, Symbolic

Vector = NDArray[np.float32]
MaskIn = Literal["infos", "observation"]


class Flat(ParallelEnv[str, Vector, int]):  # type: ignore[misc]  # PettingZoo is not typed
    """A `Symbolic` whose observations are vectors, and whose infos have the same keys and shapes in every step.

    Some libraries build their buffers from the first infos that they see, so nothing in them may be text or come
    later. What is known at the end alone is 0 before: ``infos[a]`` holds ``acting`` (bool), ``shaping``,
    ``team_reward`` and ``item_f1`` (floats), and with masks in infos ``action_mask`` (int8, (actions,)). Agents,
    rewards and seeds are those of the environment below.

    Args:
        env: The environment below; it is driven through this one alone.
        mask: Where the action masks are: "infos" leaves observations of shape (features,), "observation" appends
            them to those, shape (features + actions,), for algorithms that keep no infos for learning.
        truncates: Whether an episode whose lead ran out of turns is said to be truncated, as it is below. Many
            libraries add the value of the last observation to the return of a truncated episode; but nothing can
            be earned after that turn, and the turns left are observed. False says that it has terminated.
    """

    metadata: dict[str, Any] = Symbolic.metadata | {"name": "wideseek_symbolic_flat_v0"}
    render_mode = None

    def __init__(self, env: Symbolic, *, mask: MaskIn = "infos", truncates: bool = True) -> None:
        if not isinstance(env, Symbolic):
            raise ConfigError(f"Flat wraps a Symbolic, not {type(env).__name__}")
        if mask not in get_args(MaskIn):
            raise ConfigError(f"mask must be one of {', '.join(get_args(MaskIn))}, not {mask!r}")
        self.env, self.mask, self.truncates = env, mask, truncates
        self.layout = env.layout
        self.possible_agents = list(env.possible_agents)
        size = env.layout.features + (env.layout.actions if mask == "observation" else 0)
        self._spaces = {agent: spaces.Box(0.0, 1.0, (size,), np.float32) for agent in self.possible_agents}
        self.state_space = env.state_space

    @property
    def agents(self) -> list[str]:
        """All agents while an episode lasts."""
        return self.env.agents

    @property
    def acting_agents(self) -> list[str]:
        """The agents whose turn it is."""
        return self.env.acting_agents

    def observation_space(self, agent: str) -> spaces.Box:
        """The same shape for all agents; the same object at every call."""
        if agent not in self._spaces:
            raise ConfigError(f"{agent!r} is not among possible_agents")
        return self._spaces[agent]

    def action_space(self, agent: str) -> spaces.Discrete[np.int64]:
        """That of the environment below."""
        return self.env.action_space(agent)

    def reset(
        self, seed: int | None = None, options: Mapping[str, Any] | None = None
    ) -> tuple[dict[str, Vector], dict[str, dict[str, Any]]]:
        """Begin an episode; see `Symbolic.reset`."""
        observations, infos = self.env.reset(seed, options)
        return self._vectors(observations), self._numbers(observations, infos)

    def step(
        self, actions: Mapping[str, int]
    ) -> tuple[
        dict[str, Vector], dict[str, float], dict[str, bool], dict[str, bool], dict[str, dict[str, Any]]
    ]:
        """Play a step; see `Symbolic.step`."""
        observations, rewards, terminations, truncations, infos = self.env.step(actions)
        if not self.truncates:
            terminations = {agent: over or truncations[agent] for agent, over in terminations.items()}
            truncations = dict.fromkeys(truncations, False)
        return (
            self._vectors(observations),
            rewards,
            terminations,
            truncations,
            self._numbers(observations, infos),
        )

    def _vectors(self, observations: Mapping[str, Observation]) -> dict[str, Vector]:
        if self.mask == "infos":
            return {agent: seen["observation"] for agent, seen in observations.items()}
        return {
            agent: np.concatenate([seen["observation"], seen["action_mask"]], dtype=np.float32)
            for agent, seen in observations.items()
        }

    def _numbers(
        self, observations: Mapping[str, Observation], infos: Mapping[str, Mapping[str, Any]]
    ) -> dict[str, dict[str, Any]]:
        numbers = {}
        for agent, info in infos.items():
            numbers[agent] = {
                "acting": info["acting"],
                "shaping": info["shaping"],
                "team_reward": info.get("team_reward", 0.0),
                "item_f1": info.get("item_f1", 0.0),
            }
            if self.mask == "infos":
                numbers[agent]["action_mask"] = observations[agent]["action_mask"]
        return numbers

    def state(self) -> NDArray[np.float32]:
        """The observations of all agents one after another, without masks: what a centralised critic may see."""
        return self.env.state()

    def close(self) -> None:
        """Close the environment below."""
        self.env.close()
