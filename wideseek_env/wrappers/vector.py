"""`SymbolicVec`: many symbolic episodes that step together, as a vector environment of Gymnasium."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple, NoReturn

import numpy as np
from gymnasium import spaces
from gymnasium.vector import AutoresetMode, VectorEnv
from gymnasium.vector.utils import batch_space
from numpy.typing import ArrayLike, NDArray

from wideseek_env.copying import Independent, LivePart, independent_copy
from wideseek_env.credit import is_team
from wideseek_env.episode_run import EpisodeRun
from wideseek_env.errors import ActionError, ConfigError
from wideseek_env.messages import ToolCall
from wideseek_env.tools.executor import run_calls
from wideseek_env.wrappers.episode import SymbolicEpisode
from wideseek_env.wrappers.layout import Layout
from wideseek_env.wrappers.symbolic import Symbolic

Arrays = dict[str, NDArray[Any]]
"""``observation`` (n, agents, features) float32, ``action_mask`` (n, agents, actions) int8, ``acting`` (n, agents)
bool."""

Seeds = int | Sequence[int | None] | None
"""A seed s, which gives the episodes the seeds s, s + 1, …, or one seed for each episode."""


class Ended(NamedTuple):
    """An episode that ended in a step: its place, its last arrays without the axis n, and its infos."""

    place: int
    arrays: Arrays
    info: dict[str, Any]


class StepResult(NamedTuple):
    """The result of a step before its infos are in Gymnasium's form."""

    arrays: Arrays
    rewards: NDArray[np.float64]
    terminated: NDArray[np.bool_]
    truncated: NDArray[np.bool_]
    shaping: NDArray[np.float64]
    task_ids: NDArray[np.object_]
    ended: list[Ended]


class SymbolicVectorEnv(VectorEnv[Arrays, NDArray[np.integer], NDArray[Any]]):
    """The common part of the vectors of symbolic episodes: attributes, checks and infos. `SymbolicVec` describes it."""

    metadata: dict[str, Any] = {  # noqa: RUF012 (Gymnasium's convention)
        "name": "wideseek_symbolic_vec_v0",
        "render_modes": [],
        "autoreset_mode": AutoresetMode.SAME_STEP,
    }

    def __init__(self, layout: Layout, agents: Sequence[str], num_envs: int) -> None:
        if not isinstance(num_envs, (int, np.integer)) or isinstance(num_envs, bool) or num_envs < 1:
            raise ConfigError(f"a vector needs a whole number of episodes, at least 1, not {num_envs!r}")
        self.num_envs, self.layout, self.agents = int(num_envs), layout, list(agents)
        count = len(self.agents)
        truth: Any = np.bool_  # not among the types of Gymnasium's annotation, but it works
        parts: dict[str, spaces.Space[Any]] = {
            "observation": spaces.Box(0.0, 1.0, (count, layout.features), np.float32),
            "action_mask": spaces.Box(0, 1, (count, layout.actions), np.int8),
            "acting": spaces.Box(0, 1, (count,), truth),
        }
        self.single_observation_space = spaces.Dict(parts)
        self.single_action_space = spaces.MultiDiscrete([layout.actions] * count)
        self.observation_space = batch_space(self.single_observation_space, num_envs)
        self.action_space = batch_space(self.single_action_space, num_envs)

        self._acting: NDArray[np.bool_] | None = None
        """The agents whose turn it is, (n, agents). None if no episodes run."""

    def _seed_list(self, seed: Seeds) -> list[int | None]:
        if seed is None:
            return [None] * self.num_envs
        if isinstance(seed, (int, np.integer)):
            seeds: list[Any] = [int(seed) + place for place in range(self.num_envs)]
        elif isinstance(seed, (Sequence, np.ndarray)) and not isinstance(seed, str):
            seeds = list(seed)
        else:
            raise ConfigError(f"seed must be None, a whole number or a list of them, not {seed!r}")
        if len(seeds) != self.num_envs:
            raise ConfigError(f"a list of seeds needs {self.num_envs} seeds, not {len(seeds)}")
        for each in seeds:
            if each is not None and (not isinstance(each, (int, np.integer)) or each < 0):
                raise ConfigError(f"a seed must be a whole number of at least 0, not {each!r}")
        return [None if each is None else int(each) for each in seeds]

    def _check_open(self) -> None:
        if self.closed:
            raise ActionError("this vector is closed: make a new one")

    def _checked(self, actions: ArrayLike) -> NDArray[np.integer]:
        """The actions as an array. Raises the errors of `step` before any episode has moved."""
        self._check_open()
        if self._acting is None:
            raise ActionError("no episodes yet: call reset() first")
        chosen = np.asarray(actions)
        shape = (self.num_envs, len(self.agents))
        if chosen.shape != shape or not np.issubdtype(chosen.dtype, np.integer):
            raise ActionError(
                f"actions must be whole numbers of shape {shape}, not {chosen.dtype} {chosen.shape}"
            )
        wrong = ((chosen < 0) | (chosen >= self.layout.actions)) & self._acting
        if wrong.any():
            place, seat = (int(each) for each in np.argwhere(wrong)[0])
            raise ActionError(
                f"episode {place}, {self.agents[seat]}: there is no action {chosen[place, seat]}; there are "
                f"{self.layout.actions}"
            )
        return chosen

    def _infos(
        self, shaping: NDArray[np.float64], task_ids: NDArray[np.object_], ended: Sequence[Ended] = ()
    ) -> dict[str, Any]:
        """Infos in Gymnasium's form: for each key an array, and under ``_key`` whether each episode has a value."""
        everywhere = np.ones(self.num_envs, bool)
        infos: dict[str, Any] = {
            "shaping": shaping,
            "_shaping": everywhere,
            "task_id": task_ids,
            "_task_id": everywhere.copy(),
        }
        for place, arrays, info in ended:
            infos = self._add_info(infos, {"final_obs": arrays, "final_info": info}, place)
        return infos

    def render(self) -> NoReturn:
        """Raises `ConfigError`: this environment has no render mode."""
        raise ConfigError(
            "nothing to render: this environment has no render mode; use on_end for trajectories"
        )


def check_team_credit(env: Symbolic) -> None:
    """Raises `ConfigError` if the agents of a team have different rewards, for which a vector has no place."""
    if not is_team(env.game.credit):
        raise ConfigError(
            f"a vector has one reward for each episode, and credit={env.game.credit.name!r} pays each agent another: "
            "use Symbolic, or credit='team'"
        )


class SymbolicVec(Independent, SymbolicVectorEnv):
    """n episodes that step together, in one process and in the order of their index.

    It is a `gymnasium.vector.VectorEnv`. One of its n environments is one episode with its whole team:

    - An observation is a dictionary of arrays: ``observation`` (n, agents, features), ``action_mask``
      (n, agents, actions) and ``acting`` (n, agents), which marks the agents whose turn it is.
    - Actions have the shape (n, agents). Actions of agents that are not acting are ignored.
    - Rewards have the shape (n,), because every agent of a team gets the same reward. They include the shaping.
      A game with another credit than "team" needs `Symbolic`, which has one reward for each agent.
    - Seeds are those of Gymnasium: ``reset(seed=s)`` resets episode i like ``env.reset(seed=s + i)``.

    When an episode ends, the next one starts in the same step (`AutoresetMode.SAME_STEP`). The returned observation is
    then the first observation of the new episode. The reward, `terminated` and `truncated` belong to the episode that
    ended. The infos have its last observation in ``final_obs``, and in ``final_info`` its ``task_id``, ``steps``,
    ``team_reward`` and ``item_f1``. In every step, ``shaping`` is the part of the reward that is shaping, and
    ``task_id`` is the task of the current observation. As in Gymnasium, an array with the name ``_key`` says for which
    episodes ``key`` has a value. The vector can be copied and pickled between any two steps (`wideseek_env.copying`).

    Args:
        env: The environment to copy. Only the copies are stepped. `close` closes it.
        num_envs: n.
        on_end: Called with the `EpisodeRun` of every episode that ends, for example to write its trajectory.

    Raises:
        ConfigError: `num_envs` is not a whole number of at least 1.
    """

    def __init__(
        self, env: Symbolic, num_envs: int, *, on_end: Callable[[EpisodeRun], None] | None = None
    ) -> None:
        check_team_credit(env)
        super().__init__(env.layout, env.possible_agents, num_envs)
        self.env, self.on_end = env, on_end
        self._rngs: list[np.random.Generator] = []
        self._episodes: list[SymbolicEpisode] = []
        self._task_ids: NDArray[np.object_] = np.full(num_envs, None, object)

    def __deepcopy__(self, memo: dict[int, Any]) -> SymbolicVec:
        self._check_settled()
        return independent_copy(self, memo, self.on_end, self.layout)

    def __getstate__(self) -> dict[str, Any]:
        self._check_settled()
        return vars(self) | {"on_end": LivePart("function on_end", self.on_end)}

    def _check_settled(self) -> None:
        for episode in self._episodes:
            episode.episode_run.check_settled()

    def __del__(self) -> None:
        """Nothing is open that `close` must close. The wrapped environment may be used elsewhere."""

    def _begin(self, place: int, seed: int | None, options: Mapping[str, Any] | None) -> SymbolicEpisode:
        episode = self.env.new_episode(self._rngs[place], seed, options)
        self._task_ids[place] = episode.episode_run.task.id
        return episode

    def reset(
        self, *, seed: Seeds = None, options: Mapping[str, Any] | None = None
    ) -> tuple[Arrays, dict[str, Any]]:
        """Start n episodes. Returns the observations and infos.

        Args:
            seed: Seeds the choice of the tasks, in this reset and later: s for the seeds s, s + 1, …, or a list.
            options: The options of `Symbolic.reset`, for all episodes.

        Raises:
            ConfigError: A seed is not a whole number of at least 0, the list has another number of seeds, or an option
                does not exist. The running episodes continue.
            TaskError: The options name a task that does not fit.
            ActionError: The vector is closed.
        """
        self._check_open()
        seeds = self._seed_list(seed)
        super().reset(seed=seeds[0])
        before = self._rngs, self._task_ids.copy()
        rngs = self._rngs or [np.random.default_rng() for _ in seeds]
        self._rngs = [
            rng if each is None else np.random.default_rng(each)
            for rng, each in zip(rngs, seeds, strict=True)
        ]
        try:
            self._episodes = [self._begin(place, each, options) for place, each in enumerate(seeds)]
        except Exception:
            self._rngs, self._task_ids = before  # the running episodes continue as if nothing was asked
            raise
        return self._arrays(), self._infos(np.zeros(self.num_envs), self._task_ids.copy())

    def step(
        self, actions: ArrayLike
    ) -> tuple[Arrays, NDArray[np.float64], NDArray[np.bool_], NDArray[np.bool_], dict[str, Any]]:
        """Apply `actions`, whole numbers of shape (n, agents). The tool calls of all episodes run as one batch.

        Returns observations, rewards (n,), terminated (n,), truncated (n,) and infos.

        Raises:
            ActionError: The array has another shape, or an acting agent has a number that is not an action. Or no
                episode has started, or the vector is closed.
        """
        result = self.step_parts(actions)
        infos = self._infos(result.shaping, result.task_ids, result.ended)
        return result.arrays, result.rewards, result.terminated, result.truncated, infos

    def step_parts(self, actions: ArrayLike) -> StepResult:
        """`step`, with the ended episodes as a list."""
        chosen = self._checked(actions)
        calls: list[ToolCall] = []
        shares: list[int] = []
        for episode, row in zip(self._episodes, chosen, strict=True):
            wanted = episode.begin(row)
            calls += wanted
            shares.append(len(wanted))
        results = run_calls(self.env.game.executor, calls)
        rewards, shaping = np.zeros(self.num_envs), np.zeros(self.num_envs)
        terminated, truncated = np.zeros(self.num_envs, bool), np.zeros(self.num_envs, bool)
        ended: list[Ended] = []
        at = 0
        for place, (episode, share) in enumerate(zip(self._episodes, shares, strict=True)):
            episode.finish(results[at : at + share])
            at += share
            rewards[place] = episode.reward(self.env.shaping)
            shaping[place] = self.env.shaping * episode.new_right
            if episode.done:
                terminated[place], truncated[place] = episode.ending
                about = {"task_id": episode.episode_run.task.id, "steps": episode.steps, **episode.result()}
                ended.append(Ended(place, episode.arrays(), about))
                if self.on_end is not None:
                    self.on_end(episode.episode_run)
                self._episodes[place] = self._begin(place, None, None)
        return StepResult(
            self._arrays(), rewards, terminated, truncated, shaping, self._task_ids.copy(), ended
        )

    def _arrays(self) -> Arrays:
        self._acting = np.stack([episode.acting for episode in self._episodes])
        return {
            "observation": np.stack([episode.observations for episode in self._episodes]),
            "action_mask": np.stack([episode.masks for episode in self._episodes]),
            "acting": self._acting.copy(),
        }

    def close_extras(self, **kwargs: Any) -> None:
        """Close the wrapped environment, and forget the episodes."""
        self._episodes = []
        self.env.close()
