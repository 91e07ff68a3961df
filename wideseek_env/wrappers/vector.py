"""`SymbolicVec`: steps many symbolic episodes in one call, with one batch of tool calls for all of them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from wideseek_env.copying import Independent, LivePart, independent_copy
from wideseek_env.episode_run import EpisodeRun
from wideseek_env.errors import ActionError, ConfigError
from wideseek_env.messages import ToolCall
from wideseek_env.tools.executor import run_calls
from wideseek_env.wrappers.episode import SymbolicEpisode
from wideseek_env.wrappers.symbolic import Symbolic

Arrays = dict[str, NDArray[Any]]
"""``observation`` (n, agents, features) float32, ``action_mask`` (n, agents, actions) int8, ``acting`` (n, agents)
bool."""


class Ended(NamedTuple):
    """An episode that ended in a step: its index among the n episodes, its length in steps, and its result."""

    place: int
    steps: int
    task_id: str
    team_reward: float
    item_f1: float


class SymbolicVec(Independent):
    """n episodes that step together, in one process and in the order of their index.

    When an episode ends, the next one starts in the same step. The returned observation is then the first observation
    of the new episode. If `terminated` or `truncated` is True, the returned reward belongs to the episode that ended.
    `reset(seed=…)` gives each of the n episodes a separate seed. The same seed and actions give the same arrays.
    The vector can be copied and pickled between any two steps (`wideseek_env.copying`).

    Args:
        env: The environment to copy. Only the copies are stepped.
        number: n.
        on_end: Called with the `EpisodeRun` of every episode that ends, for example to write its trajectory.
    """

    def __init__(
        self, env: Symbolic, number: int, *, on_end: Callable[[EpisodeRun], None] | None = None
    ) -> None:
        if number < 1:
            raise ConfigError(f"a vector needs at least 1 environment, not {number}")
        self.env, self.number, self.on_end = env, number, on_end
        self.layout, self.agents = env.layout, list(env.possible_agents)
        self._rngs: list[np.random.Generator] = []
        self._episodes: list[SymbolicEpisode] = []
        self._seed(None)

    def __deepcopy__(self, memo: dict[int, Any]) -> SymbolicVec:
        self._check_settled()
        return independent_copy(self, memo, self.on_end)

    def __getstate__(self) -> dict[str, Any]:
        self._check_settled()
        return vars(self) | {"on_end": LivePart("function on_end", self.on_end)}

    def _check_settled(self) -> None:
        for episode in self._episodes:
            episode.episode_run.check_settled()

    def _seed(self, seed: int | None) -> None:
        self._rngs = [np.random.default_rng(s) for s in np.random.SeedSequence(seed).spawn(self.number)]

    def _new_game(self, index: int) -> SymbolicEpisode:
        tasks = self.env.game.tasks
        task = tasks[int(self._rngs[index].integers(len(tasks)))]
        return SymbolicEpisode(self.env.game, self.layout, self.env.reader, task, None)

    def reset(self, seed: int | None = None) -> Arrays:
        """Start n episodes."""
        if seed is not None:
            self._seed(seed)
        self._episodes = [self._new_game(index) for index in range(self.number)]
        return self._arrays()

    def step(
        self, actions: ArrayLike
    ) -> tuple[Arrays, NDArray[np.float32], NDArray[np.bool_], NDArray[np.bool_], list[Ended]]:
        """Apply `actions`, whole numbers of shape (n, agents). Actions of agents that are not acting are ignored.

        Returns the arrays, the rewards (n, agents) including shaping, terminated (n,), truncated (n,), and the episodes
        that ended in this step. Raises `ActionError` for arrays of another shape and for numbers that are not actions.
        """
        chosen = np.asarray(actions)
        shape = (self.number, len(self.agents))
        if not self._episodes:
            raise ActionError("no episodes yet: call reset() first")
        if chosen.shape != shape or not np.issubdtype(chosen.dtype, np.integer):
            raise ActionError(
                f"actions must be whole numbers of shape {shape}, not {chosen.dtype} {chosen.shape}"
            )
        calls: list[ToolCall] = []
        shares: list[int] = []
        for episode, row in zip(self._episodes, chosen, strict=True):
            wanted = episode.begin(row)
            calls += wanted
            shares.append(len(wanted))
        results = run_calls(self.env.game.executor, calls)
        rewards = np.zeros(shape, np.float32)
        terminated, truncated = np.zeros(self.number, bool), np.zeros(self.number, bool)
        ended: list[Ended] = []
        at = 0
        for index, (episode, share) in enumerate(zip(self._episodes, shares, strict=True)):
            episode.finish(results[at : at + share])
            at += share
            rewards[index] = episode.reward(self.env.shaping)
            terminated[index], truncated[index] = episode.ending
            if episode.done:
                score = episode.episode_run.score
                assert score is not None, "an ended episode has a score"
                ended.append(
                    Ended(
                        index,
                        episode.steps,
                        episode.episode_run.task.id,
                        episode.episode_run.reward,
                        score.f1_by_item,
                    )
                )
                if self.on_end is not None:
                    self.on_end(episode.episode_run)
                self._episodes[index] = self._new_game(index)
        return self._arrays(), rewards, terminated, truncated, ended

    def _arrays(self) -> Arrays:
        return {
            "observation": np.stack([episode.observations for episode in self._episodes]),
            "action_mask": np.stack([episode.masks for episode in self._episodes]),
            "acting": np.stack([episode.acting for episode in self._episodes]),
        }
