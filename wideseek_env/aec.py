"""The PettingZoo AEC environment: the same game as the parallel environment, with one acting agent at a time."""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping, Sequence
from typing import Any

from pettingzoo import AECEnv
from pettingzoo.utils.wrappers import OrderEnforcingWrapper

from wideseek_env.corpus.base import Corpus
from wideseek_env.episode import Roster
from wideseek_env.game import Tasks
from wideseek_env.messages import Action, Counter
from wideseek_env.parallel import Lifetime, WideSeekEnv, parallel_env
from wideseek_env.profiles import Profile
from wideseek_env.rewards import Reward
from wideseek_env.rules import Rules
from wideseek_env.scoring import Judge
from wideseek_env.spaces import ActionSpace, TextSpace
from wideseek_env.tools.custom import Tool
from wideseek_env.tools.executor import Executor


class WideSeekAECEnv(AECEnv[str, str, Any]):
    """Selects the acting agents one after another.

    When the last of them has an action, all of them take their turns. Agents that are not acting are never selected.
    Observations, infos and rewards are those of `wideseek_env.parallel.WideSeekEnv`.
    """

    def __init__(self, parallel: WideSeekEnv) -> None:
        super().__init__()
        self.parallel = parallel
        self.metadata = {**parallel.metadata, "name": "wideseek_v0"}
        self.render_mode = parallel.render_mode
        self.possible_agents = list(parallel.possible_agents)
        self.agents: list[str] = []
        self._queue: deque[str] = deque()
        self._actions: dict[str, Action] = {}
        self._observations: dict[str, str] = {}

    def __repr__(self) -> str:
        return f"<WideSeekAECEnv {self.parallel!r}>"

    def observation_space(self, agent: str) -> TextSpace:
        """Any text up to the context budget. Every call returns the same object."""
        return self.parallel.observation_space(agent)

    def action_space(self, agent: str) -> ActionSpace:
        """Text up to `rules.action_chars`, or a message. Every call returns the same object."""
        return self.parallel.action_space(agent)

    def reset(self, seed: int | None = None, options: Mapping[str, Any] | None = None) -> None:
        """Begin an episode. The arguments are those of `WideSeekEnv.reset`."""
        self._observations, self.infos = self.parallel.reset(seed, options)
        self.agents = list(self.parallel.agents)
        self.rewards = dict.fromkeys(self.agents, 0.0)
        self._cumulative_rewards = dict.fromkeys(self.agents, 0.0)
        self.terminations = dict.fromkeys(self.agents, False)
        self.truncations = dict.fromkeys(self.agents, False)
        self._actions = {}
        self._queue = deque(self.parallel.acting_agents)
        self._select()

    def observe(self, agent: str) -> str:
        """The text that was new to `agent` after the last turn."""
        return self._observations.get(agent, "")

    def step(self, action: Action | None) -> None:
        """Give the action of the selected agent. It is None for an agent that has terminated or was truncated."""
        agent = self.agent_selection
        if self.terminations[agent] or self.truncations[agent]:
            self._was_dead_step(action)
            self._select()
            return
        self._cumulative_rewards[agent] = 0.0
        self._clear_rewards()
        self._actions[agent] = action if action is not None else ""
        self._queue.popleft()
        if not self._queue:
            self._play_turn()
        self._select()

    def render(self) -> str | None:
        """The state of the episode as text for "ansi". None for "human", a live view. `ConfigError` without a mode."""
        return self.parallel.render()

    def state(self) -> str:
        """The text of all conversations, for a centralised critic."""
        return self.parallel.state()

    def close(self) -> None:
        """End the live view and drop cached pages. The corpus stays open."""
        self.parallel.close()

    def _play_turn(self) -> None:
        actions, self._actions = self._actions, {}
        self._observations, rewards, terminations, truncations, infos = self.parallel.step(actions)
        for agent in rewards:
            self._cumulative_rewards.setdefault(agent, 0.0)
        self.agents = list(rewards)
        self.rewards, self.terminations, self.truncations, self.infos = (
            rewards,
            terminations,
            truncations,
            infos,
        )
        self._accumulate_rewards()
        self._queue = deque(self.parallel.acting_agents)

    def _select(self) -> None:
        """Select an agent that has ended, so that it can leave.

        If there is none, select the next agent whose turn it is.
        """
        for agent in self.agents:
            if self.terminations[agent] or self.truncations[agent]:
                self.agent_selection = agent
                return
        if self._queue:
            self.agent_selection = self._queue[0]


def raw_env(
    *,
    tasks: Tasks = "synthetic",
    corpus: str | Corpus | None = None,
    split: str = "train",
    where: Sequence[str] = (),
    limit: int | None = None,
    width: int | None = None,
    rules: str | Rules | Mapping[str, int] = "default",
    limits: Mapping[str, int] | None = None,
    reward: str | Reward = "item_f1",
    profile: str | Profile = "default",
    judge: str | Judge | None = "offline",
    roster: Roster = "dynamic",
    counter: str | Counter = "characters",
    tools: Sequence[str | Tool] = (),
    executor: str | Executor | None = None,
    subagent_lifetime: Lifetime = "episode",
    render_mode: str | None = None,
) -> WideSeekAECEnv:
    """Make the AEC environment without wrappers. The arguments are those of `wideseek_env.parallel_env`."""
    return WideSeekAECEnv(
        parallel_env(
            tasks=tasks,
            corpus=corpus,
            split=split,
            where=where,
            limit=limit,
            width=width,
            rules=rules,
            limits=limits,
            reward=reward,
            profile=profile,
            judge=judge,
            roster=roster,
            counter=counter,
            tools=tools,
            executor=executor,
            subagent_lifetime=subagent_lifetime,
            render_mode=render_mode,
        )
    )


def env(
    *,
    tasks: Tasks = "synthetic",
    corpus: str | Corpus | None = None,
    split: str = "train",
    where: Sequence[str] = (),
    limit: int | None = None,
    width: int | None = None,
    rules: str | Rules | Mapping[str, int] = "default",
    limits: Mapping[str, int] | None = None,
    reward: str | Reward = "item_f1",
    profile: str | Profile = "default",
    judge: str | Judge | None = "offline",
    roster: Roster = "dynamic",
    counter: str | Counter = "characters",
    tools: Sequence[str | Tool] = (),
    executor: str | Executor | None = None,
    subagent_lifetime: Lifetime = "episode",
    render_mode: str | None = None,
) -> OrderEnforcingWrapper[str, str, Any]:
    """Make the AEC environment with wrappers that check the order of calls.

    The arguments are those of `parallel_env`.
    """
    return OrderEnforcingWrapper(
        raw_env(
            tasks=tasks,
            corpus=corpus,
            split=split,
            where=where,
            limit=limit,
            width=width,
            rules=rules,
            limits=limits,
            reward=reward,
            profile=profile,
            judge=judge,
            roster=roster,
            counter=counter,
            tools=tools,
            executor=executor,
            subagent_lifetime=subagent_lifetime,
            render_mode=render_mode,
        )
    )
