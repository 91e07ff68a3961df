"""`Flat`: symbolic episodes for libraries that need one vector per agent, and infos that contain only numbers."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal, get_args

import numpy as np
from gymnasium import spaces
from numpy.typing import NDArray
from pettingzoo import ParallelEnv

from wideseek_env.copying import Independent
from wideseek_env.errors import ConfigError
from wideseek_env.wrappers.symbolic import Observation, Symbolic

Vector = NDArray[np.float32]
MaskIn = Literal["infos", "observation"]


class Flat(Independent, ParallelEnv[str, Vector, int]):  # type: ignore[misc]  # PettingZoo is not typed
    """A `Symbolic` whose observations are vectors, and whose infos have the same keys and shapes in every step.

    Some libraries allocate their buffers from the infos of the first step. So infos have no text, and no key is added
    later. Values that are known only at the end of the episode are 0 until then. ``infos[a]`` has ``acting`` (bool),
    ``shaping``, ``team_reward`` and ``item_f1`` (floats). With `mask` "infos" they also have ``action_mask`` (int8,
    (actions,)).

    Other libraries, such as SuperSuit, reset at the end of an episode and let the new infos replace the last ones. So a
    `reset` without a seed still returns the `shaping`, `team_reward` and `item_f1` of the step that ended the episode
    before.

    Agents, rewards and seeds are the same as in the wrapped environment. The environment can be copied and pickled
    between any two steps (`wideseek_env.copying`).

    Args:
        env: The environment to wrap. Do not step it directly.
        mask: The place of the action masks. With "infos", observations have the shape (features,). With "observation",
            masks are appended to them, so the shape is (features + actions,). Use "observation" for algorithms that do
            not store infos for learning.
        truncates: Whether an episode whose lead ran out of turns counts as truncated, as in `env`. Many libraries add
            the value of the last observation to the return of a truncated episode. This is wrong here, because no
            reward is possible after the last turn, and the observation shows the number of turns left. With False, the
            episode counts as terminated.
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
        self._last: dict[str, float] = {}
        """The numbers of the last step, if it ended an episode."""

    @property
    def agents(self) -> list[str]:
        """All agents while an episode runs, otherwise none."""
        return self.env.agents

    @property
    def acting_agents(self) -> list[str]:
        """The agents whose turn it is."""
        return self.env.acting_agents

    def observation_space(self, agent: str) -> spaces.Box:
        """The space of an agent's observations. All agents have the same shape. Every call returns the same object."""
        if agent not in self._spaces:
            raise ConfigError(f"{agent!r} is not among possible_agents")
        return self._spaces[agent]

    def action_space(self, agent: str) -> spaces.Discrete[np.int64]:
        """The action space of the wrapped environment."""
        return self.env.action_space(agent)

    def reset(
        self, seed: int | None = None, options: Mapping[str, Any] | None = None
    ) -> tuple[dict[str, Vector], dict[str, dict[str, Any]]]:
        """Start an episode, with the arguments of `Symbolic.reset`. Returns observations and infos."""
        observations, infos = self.env.reset(seed, options)
        last = self._last if seed is None else {}
        self._last = {}
        return self._vectors(observations), {
            agent: numbers | last for agent, numbers in self._numbers(observations, infos).items()
        }

    def step(
        self, actions: Mapping[str, int]
    ) -> tuple[
        dict[str, Vector], dict[str, float], dict[str, bool], dict[str, bool], dict[str, dict[str, Any]]
    ]:
        """Apply the actions of the acting agents, as `Symbolic.step` does."""
        observations, rewards, terminations, truncations, infos = self.env.step(actions)
        if not self.truncates:
            terminations = {agent: over or truncations[agent] for agent, over in terminations.items()}
            truncations = dict.fromkeys(truncations, False)
        numbers = self._numbers(observations, infos)
        if not self.agents:
            ended = next(iter(numbers.values()))
            self._last = {key: ended[key] for key in ("shaping", "team_reward", "item_f1")}
        return self._vectors(observations), rewards, terminations, truncations, numbers

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
        """The observations of all agents in sequence, without masks, for a centralised critic."""
        return self.env.state()

    def render(self) -> None:
        """Raises `ConfigError`: this environment has no render mode."""
        raise ConfigError(
            "nothing to render: this environment has no render mode; read env.env.episode_run instead"
        )

    def close(self) -> None:
        """Close the wrapped environment."""
        self.env.close()
