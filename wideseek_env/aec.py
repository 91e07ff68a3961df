"""The PettingZoo AEC environment: the same game as the parallel environment, with one acting agent at a time."""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping, Sequence
from typing import Any

from pettingzoo import AECEnv
from pettingzoo.utils.wrappers import OrderEnforcingWrapper

from wideseek_env.copying import Independent
from wideseek_env.corpus.base import Corpus
from wideseek_env.credit import Credit
from wideseek_env.episode import Roster
from wideseek_env.errors import ActionError
from wideseek_env.game import Tasks
from wideseek_env.messages import Action, Counter
from wideseek_env.parallel import Lifetime, WideSeekEnv, parallel_env
from wideseek_env.profiles import Profile
from wideseek_env.rewards import Reward
from wideseek_env.rules import Rules
from wideseek_env.scoring import Judge
from wideseek_env.spaces import ActionSpace, TextSpace
from wideseek_env.summaries.base import Summariser
from wideseek_env.tools.custom import Tool
from wideseek_env.tools.executor import Executor

_AFTER_RESET = frozenset(
    ("rewards", "terminations", "truncations", "infos", "agent_selection", "agents", "num_agents")
)


class NotResetError(ActionError, AttributeError):
    """An attribute was read before the first reset. PettingZoo expects an `AttributeError`."""

    def __init__(self, name: str) -> None:
        super().__init__(f"there is no {name} yet: call reset() first")


class WideSeekAECEnv(Independent, AECEnv[str, str, Any]):
    """Selects the acting agents one after another.

    When the last of them has an action, all of them take their turns. Agents that are not acting are never selected.
    Observations, infos and rewards are those of `wideseek_env.parallel.WideSeekEnv`. The environment can be copied and
    pickled between any two steps (`wideseek_env.copying`).
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

    def __getattr__(self, name: str) -> Any:  # called for attributes that are not set
        if name in _AFTER_RESET:
            raise NotResetError(name)
        raise AttributeError(f"{type(self).__name__!r} object has no attribute {name!r}")

    @property
    def acting_agents(self) -> list[str]:
        """The agents whose turn it is. `agent_selection` is the one that is asked next."""
        return self.parallel.acting_agents

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


class OrderedAECEnv(Independent, OrderEnforcingWrapper[str, str, Any]):
    """Checks the order of calls like PettingZoo's wrapper, but with the errors of this package.

    Before the first reset, only `render`, the spaces, `acting_agents`, `reset` and `close` can be used. Everything else
    raises `ActionError`.
    """

    def __repr__(self) -> str:
        line = repr(self.env)
        return line if line.isprintable() else repr(line)[1:-1]

    def __str__(self) -> str:
        return str(self.env)

    def __getattr__(self, name: str) -> Any:
        if name in _AFTER_RESET and not self._has_reset:
            raise NotResetError(name)
        return super().__getattr__(name)

    def render(self) -> Any:
        """The same as `WideSeekAECEnv.render`, also before the first reset."""
        return self.env.render()

    def step(self, action: Action | None) -> None:
        """The same as `WideSeekAECEnv.step`."""
        self._check_reset()
        super().step(action)

    def observe(self, agent: str) -> str | None:
        """The same as `WideSeekAECEnv.observe`."""
        self._check_reset()
        found: str | None = super().observe(agent)
        return found

    def state(self) -> Any:
        """The same as `WideSeekAECEnv.state`."""
        self._check_reset()
        return super().state()

    def agent_iter(self, max_iter: int = 2**63) -> Any:
        """The selected agents, one after another."""
        self._check_reset()
        return super().agent_iter(max_iter)

    def _check_reset(self) -> None:
        if not self._has_reset:
            raise ActionError("no episode yet: call reset() first")


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
    credit: str | Credit = "team",
    profile: str | Profile = "default",
    texts: str | Mapping[str, Any] | None = None,
    judge: str | Judge | None = "offline",
    roster: Roster = "dynamic",
    language: str | None = None,
    counter: str | Counter = "characters",
    tools: Sequence[str | Tool] = (),
    executor: str | Executor | None = None,
    summariser: str | Summariser | None = None,
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
            credit=credit,
            profile=profile,
            texts=texts,
            judge=judge,
            roster=roster,
            language=language,
            counter=counter,
            tools=tools,
            executor=executor,
            summariser=summariser,
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
    credit: str | Credit = "team",
    profile: str | Profile = "default",
    texts: str | Mapping[str, Any] | None = None,
    judge: str | Judge | None = "offline",
    roster: Roster = "dynamic",
    language: str | None = None,
    counter: str | Counter = "characters",
    tools: Sequence[str | Tool] = (),
    executor: str | Executor | None = None,
    summariser: str | Summariser | None = None,
    subagent_lifetime: Lifetime = "episode",
    render_mode: str | None = None,
) -> OrderedAECEnv:
    """Make the AEC environment with a wrapper that checks the order of calls.

    The arguments are those of `parallel_env`.
    """
    return OrderedAECEnv(
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
            credit=credit,
            profile=profile,
            texts=texts,
            judge=judge,
            roster=roster,
            language=language,
            counter=counter,
            tools=tools,
            executor=executor,
            summariser=summariser,
            subagent_lifetime=subagent_lifetime,
            render_mode=render_mode,
        )
    )
