"""`Symbolic`: the environment with finite action and observation spaces, for algorithms without a language model. It is
a PettingZoo parallel environment."""

from __future__ import annotations

import dataclasses
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from gymnasium import spaces
from numpy.typing import NDArray
from pettingzoo import ParallelEnv

from wideseek_env.copying import Independent, LivePart, independent_copy
from wideseek_env.episode_run import EpisodeRun, choose_task
from wideseek_env.errors import ActionError, ConfigError, TaskError
from wideseek_env.game import Game
from wideseek_env.parallel import WideSeekEnv
from wideseek_env.protocol import LENIENT
from wideseek_env.task import Task
from wideseek_env.tasks.taskset import TaskSet
from wideseek_env.tools import default
from wideseek_env.tools.executor import run_calls
from wideseek_env.trajectory import Trajectory
from wideseek_env.wrappers.episode import SymbolicEpisode
from wideseek_env.wrappers.layout import Layout
from wideseek_env.wrappers.reading import MarkdownReader, Reader

Observation = dict[str, Any]
"""``observation``: float32 (features,) between 0 and 1; ``action_mask``: int8 (actions,)."""


class Symbolic(Independent, ParallelEnv[str, Observation, int]):  # type: ignore[misc]  # PettingZoo is not typed
    """The episodes of a `WideSeekEnv` with numbered actions and observations of fixed size.

    The agents are the lead and `rules.width` subagents. All of them exist until the end and have the same spaces.
    `wideseek_env.wrappers.layout` lists the meanings of actions and observations, and docs/marl.md gives the reasons.
    Each action of an acting agent is a real message with a real tool call. Only the action `take` is different. With
    `take` an agent notes a value, and its next message contains this value. So the result of `trajectory` is a record
    like that of any other episode. An action that the mask excludes becomes a faulty message and costs a turn.

    Tasks that do not fit into the spaces are left out. `left_out` counts these tasks by reason. The environment can be
    copied and pickled between any two steps (`wideseek_env.copying`).

    Args:
        env: The environment with the tasks, tools, rules and reward. Its roster is treated as "fixed". Its profile must
            have the default tools ("default" or "terse").
        max_entities: The most rows in the lists of tasks.
        max_attributes: The most columns of a task besides the key. Columns that the question uses only in conditions
            are included in this number.
        max_results: The number of results of a search that can be opened.
        chunks: The possible sizes of one delegation, as shares of the rows that still lack values.
        shaping: Scales an extra reward for all agents. In each step it is `shaping` times the share of gold cells that
            an agent noted correctly for the first time. 0 means no extra reward. The extra reward uses the gold table,
            so use it in training only. ``infos[a]["shaping"]`` has the extra reward separately.
        reader: Parses questions, results and pages. By default a `MarkdownReader`.

    Raises:
        ConfigError: No task fits, or a setting is wrong.
    """

    metadata: dict[str, Any] = {  # noqa: RUF012 (PettingZoo's convention)
        "name": "wideseek_symbolic_v0",
        "render_modes": [],
        "is_parallelizable": True,
    }
    render_mode = None

    def __init__(
        self,
        env: WideSeekEnv,
        *,
        max_entities: int = 8,
        max_attributes: int = 4,
        max_results: int = 5,
        chunks: Sequence[float] = (0.5, 1.0),
        shaping: float = 0.0,
        reader: Reader | None = None,
    ) -> None:
        self.env = env
        self.layout = Layout(max_entities, max_attributes, max_results, env.game.rules.width, chunks)
        self.reader: Reader = reader if reader is not None else MarkdownReader()
        if not isinstance(self.reader, Reader):
            raise ConfigError(
                f"a reader needs question, hits and page, which {type(reader).__name__} does not have"
            )
        self.shaping = float(shaping)
        game = symbolic_game(env.game)
        if max_results > game.rules.max_results_per_query:
            raise ConfigError(
                f"max_results ({max_results}) is above rules.max_results_per_query "
                f"({game.rules.max_results_per_query})"
            )
        self.left_out: Counter[str] = Counter()
        fitting = []
        for task in game.tasks:
            reason = self._misfit(task)
            if reason:
                self.left_out[reason] += 1
            else:
                fitting.append(task)
        if not fitting:
            reasons = "; ".join(f"{count}: {reason}" for reason, count in self.left_out.items())
            raise ConfigError(f"no task of {game.tasks.name} fits the symbolic spaces ({reasons})")
        self.game = dataclasses.replace(game, tasks=TaskSet(fitting, game.tasks.name))
        self.possible_agents = ["lead", *(f"subagent_{number}" for number in range(self.layout.width))]
        self.agents: list[str] = []
        self._spaces = {agent: self._make_spaces() for agent in self.possible_agents}
        size = len(self.possible_agents) * self.layout.features
        self.state_space = spaces.Box(0.0, 1.0, (size,), np.float32)
        self._rng: np.random.Generator | None = (
            None  # made by the first reset, so that copies choose other tasks
        )
        self._episode: SymbolicEpisode | None = None

    def __deepcopy__(self, memo: dict[int, Any]) -> Symbolic:
        if self._episode is not None:
            self._episode.episode_run.check_settled()
        return independent_copy(self, memo, self.reader, self.layout)

    def __getstate__(self) -> dict[str, Any]:
        if self._episode is not None:
            self._episode.episode_run.check_settled()
        return vars(self) | {"reader": LivePart("reader", self.reader)}

    def _make_spaces(self) -> tuple[spaces.Dict, spaces.Discrete[np.int64]]:
        parts: dict[str, spaces.Space[Any]] = {
            "observation": spaces.Box(0.0, 1.0, (self.layout.features,), np.float32),
            "action_mask": spaces.Box(0, 1, (self.layout.actions,), np.int8),
        }
        return spaces.Dict(parts), spaces.Discrete(self.layout.actions)

    def _misfit(self, task: Task) -> str:
        """The reason why a task does not fit, or "" when it fits."""
        layout = self.layout
        if task.gold is None:
            return "its answer is no table"
        question = self.reader.question(task.question)
        if question is None or question.columns != task.columns or task.key_columns != (question.key,):
            return "its question is not understood"
        if len(question.attributes) > layout.max_attributes:
            return f"more than {layout.max_attributes} attributes"
        rows = task.meta.get("list_rows", len(task.gold.rows))
        return f"more than {layout.max_entities} rows" if rows > layout.max_entities else ""

    # --- spaces --------------------------------------------------------------------------------------------------

    def observation_space(self, agent: str) -> spaces.Dict:
        """The space of an agent's observations. All agents have the same shapes. Every call returns the same object."""
        return self._spaces[self._known(agent)][0]

    def action_space(self, agent: str) -> spaces.Discrete[np.int64]:
        """The space of an agent's actions. All agents have the same actions. Sample with
        ``observation["action_mask"]``."""
        return self._spaces[self._known(agent)][1]

    def _known(self, agent: str) -> str:
        if agent not in self._spaces:
            raise ConfigError(f"{agent!r} is not among possible_agents")
        return agent

    # --- stepping ------------------------------------------------------------------------------------------------

    @property
    def episode_run(self) -> EpisodeRun:
        """The underlying episode that is running. Raises `ActionError` before the first reset."""
        return self._current.episode_run

    @property
    def acting_agents(self) -> list[str]:
        """The agents whose turn it is."""
        episode = self._episode
        return (
            [agent for agent, acts in zip(self.possible_agents, episode.acting, strict=True) if acts]
            if episode
            else []
        )

    @property
    def _current(self) -> SymbolicEpisode:
        if self._episode is None:
            raise ActionError("no episode yet: call reset() first")
        return self._episode

    def reset(
        self, seed: int | None = None, options: Mapping[str, Any] | None = None
    ) -> tuple[dict[str, Observation], dict[str, dict[str, Any]]]:
        """Start an episode. `seed` and `options` are those of `WideSeekEnv.reset`.

        Raises `TaskError` when `options` name a task that does not fit.
        """
        if seed is not None or self._rng is None:
            self._rng = np.random.default_rng(seed)
        self._episode = self.new_episode(self._rng, seed, options)
        self.agents = list(self.possible_agents)
        return self._observations(), {agent: self._info(seat) for seat, agent in enumerate(self.agents)}

    def new_episode(
        self, rng: np.random.Generator, seed: int | None = None, options: Mapping[str, Any] | None = None
    ) -> SymbolicEpisode:
        """An episode that does not belong to this environment. `rng` chooses its task, unless `options` name one.

        Raises `TaskError` when `options` name a task that does not fit.
        """
        task = choose_task(self.game.tasks, rng, options)
        if options and (reason := self._misfit(task)):
            raise TaskError(f"the task {task.id} does not fit the symbolic spaces: {reason}")
        return SymbolicEpisode(self.game, self.layout, self.reader, task, seed)

    def step(
        self, actions: Mapping[str, int]
    ) -> tuple[
        dict[str, Observation], dict[str, float], dict[str, bool], dict[str, bool], dict[str, dict[str, Any]]
    ]:
        """Apply one action of every acting agent. Actions of other agents are ignored and may be missing.

        Raises `ActionError` when an acting agent has no action or one that does not exist.
        """
        episode = self._current
        if not self.agents:
            raise ActionError("the episode has ended: call reset() first")
        for agent in self.acting_agents:
            if not isinstance(actions.get(agent), (int, np.integer)):
                raise ActionError(
                    f"{agent} is acting and needs a number as action, not {actions.get(agent)!r}"
                )
        agents = self.agents
        chosen = [int(actions.get(agent) or 0) for agent in agents]
        episode.check(chosen)
        calls = episode.begin(chosen)
        episode.finish(run_calls(self.game.executor, calls))
        rewards = {agent: episode.reward(self.shaping, agent) for agent in agents}
        terminated, truncated = episode.ending
        infos = {agent: self._info(seat) for seat, agent in enumerate(agents)}
        if episode.done:
            self.agents = []
        return (
            self._observations(),
            rewards,
            dict.fromkeys(agents, terminated),
            dict.fromkeys(agents, truncated),
            infos,
        )

    def _observations(self) -> dict[str, Observation]:
        episode = self._current
        return {
            agent: {
                "observation": episode.observations[seat].copy(),
                "action_mask": episode.masks[seat].copy(),
            }
            for seat, agent in enumerate(self.possible_agents)
        }

    def _info(self, seat: int) -> dict[str, Any]:
        episode = self._current
        info: dict[str, Any] = {
            "acting": bool(episode.acting[seat]),
            "task_id": episode.episode_run.task.id,
            "shaping": self.shaping * episode.new_right,
        }
        return info | (episode.result() if episode.done else {})

    def state(self) -> NDArray[np.float32]:
        """The observations of all agents in sequence, for a centralised critic."""
        return self._current.observations.reshape(-1).copy()

    def trajectory(self, **about: Any) -> Trajectory:
        """The record of the ended episode, with the arguments of `WideSeekEnv.trajectory`."""
        return self.episode_run.trajectory(**about)

    def render(self) -> None:
        """Raises `ConfigError`: this environment has no render mode."""
        raise ConfigError(
            "nothing to render: this environment has no render mode; read env.episode_run instead"
        )

    def close(self) -> None:
        """Close the wrapped environment."""
        self.env.close()


def symbolic_game(game: Game) -> Game:
    """The same game with a fixed roster, where all subagents exist from the start. Raises `ConfigError` for a profile
    whose tools the actions cannot use."""
    tools = game.profile.tools
    if tools["lead"][:1] != (default.DELEGATE,) or tools["subagent"][:2] != (default.SEARCH, default.BROWSE):
        raise ConfigError(
            f"the symbolic actions are written for the tools of the profiles 'default' and 'terse', not for those of "
            f"{game.profile.name!r}"
        )
    if game.profile.protocol != LENIENT:
        raise ConfigError(
            f"the symbolic actions are written for the default protocol, and profile {game.profile.name!r} has another"
        )
    return dataclasses.replace(game, roster="fixed")
