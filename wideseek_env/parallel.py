"""The PettingZoo parallel environment: one `step` is one turn of every acting agent, including its tool calls."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Literal

import numpy as np
from pettingzoo import ParallelEnv

from wideseek_env.conversation import Conversation
from wideseek_env.copying import Independent
from wideseek_env.corpus.base import Corpus
from wideseek_env.credit import Credit, is_team
from wideseek_env.entry_points import ENTRY_POINTS
from wideseek_env.episode import Roster
from wideseek_env.episode_run import EpisodeRun, choose_task
from wideseek_env.errors import ActionError, ConfigError
from wideseek_env.game import Game, Tasks
from wideseek_env.messages import Action, Counter, visible_text
from wideseek_env.profiles import Profile
from wideseek_env.render import Renderer, render, renderer_for
from wideseek_env.reprs import short
from wideseek_env.rewards import Reward
from wideseek_env.rules import Rules
from wideseek_env.scoring import Judge
from wideseek_env.spaces import ActionSpace, TextSpace
from wideseek_env.summaries.base import Summariser
from wideseek_env.task import Task
from wideseek_env.tools.custom import Tool
from wideseek_env.tools.executor import Executor
from wideseek_env.trajectory import Trajectory

Lifetime = Literal["episode", "task"]


class WideSeekEnv(Independent, ParallelEnv[str, str, Action]):
    """A lead and its subagents that answer one question per episode. `wideseek_env.parallel_env` makes one.

    An observation is the text that is new to an agent. It is "" if nothing is new. ``infos[agent]`` has

    - ``acting``: whether it is this agent's turn. Actions of other agents are ignored and may be missing;
    - ``role``, ``status`` ("acting", "waiting", "done", "idle"), ``turn`` (messages written so far) and
      ``turns_left``;
    - ``messages``: its whole conversation (a read-only sequence of OpenAI messages, never copied) and
      ``tools``: its tool schemas;
    - ``task_id``; and in the last step ``score`` (`TableScore`), ``reward_parts``, ``answer``, ``outcome``.

    Every agent gets the team reward in the last step, and 0 in all steps before. With another `credit` than "team", an
    agent gets the sum of the credits of its conversations instead. If the lead answered, the last step
    terminates the agents. If the lead ran out of turns or context, the last step truncates the agents.

    The environment can be copied and pickled between any two steps (`wideseek_env.copying`).
    """

    metadata: dict[str, Any] = {  # noqa: RUF012 (PettingZoo's convention)
        "name": "wideseek_v0",
        "render_modes": ["human", "ansi"],
        "is_parallelizable": True,
        "render_fps": 4,
    }

    def __init__(
        self,
        game: Game,
        *,
        subagent_lifetime: Lifetime = "episode",
        render_mode: str | None = None,
    ) -> None:
        if not isinstance(game, Game):
            raise ConfigError(f"WideSeekEnv takes an opened game, GameConfig(…).open(), not {short(game)}")
        if subagent_lifetime not in ("episode", "task"):
            raise ConfigError(f"subagent_lifetime must be 'episode' or 'task', not {subagent_lifetime!r}")
        if subagent_lifetime == "task" and game.roster == "fixed":
            raise ConfigError(
                "subagent_lifetime='task' removes subagents, which roster='fixed' keeps: choose one"
            )
        if subagent_lifetime == "task" and not is_team(game.credit):
            raise ConfigError(
                f"subagent_lifetime='task' removes subagents before the end, when credit={game.credit.name!r} is paid: "
                "choose subagent_lifetime='episode' or credit='team'"
            )
        if not game.team:
            raise ConfigError(
                "the parallel environment plays a team; use gymnasium.make('WideSeek-v0') for one agent"
            )
        self.game = game
        self.subagent_lifetime = subagent_lifetime
        self.render_mode = render_mode
        self._renderer: Renderer | None = renderer_for(render_mode, self.metadata["render_modes"])
        rules = game.rules
        ids = rules.width if game.roster == "fixed" else rules.width * rules.lead_turns
        self.possible_agents = ["lead", *(f"subagent_{number}" for number in range(ids))]
        self._possible = frozenset(self.possible_agents)
        self.agents: list[str] = []
        self._observation_spaces: dict[str, TextSpace] = {}
        self._action_spaces: dict[str, ActionSpace] = {}
        self._rng = np.random.default_rng()
        self._run: EpisodeRun | None = None
        self._seen: dict[str, tuple[int, int]] = {}
        self._resting: dict[str, dict[str, Any]] = {}

    def __repr__(self) -> str:
        run = self._run
        if run is None:
            state = "before reset"
        else:
            state = f"task {run.task.id!r}, {'ended' if run.done else f'{len(self.acting_agents)} acting'}"
        return f"<WideSeekEnv {self.game!r}: {state}>"

    def __getstate__(self) -> dict[str, Any]:  # for copies and pickles
        if self._run is not None:
            self._run.check_settled()
        return vars(self).copy()

    # --- spaces --------------------------------------------------------------------------------------------------

    def observation_space(self, agent: str) -> TextSpace:
        """Any text up to the context budget. Every call returns the same object."""
        if agent not in self._observation_spaces:
            self._known(agent)
            self._observation_spaces[agent] = TextSpace(8 * max(self.game.rules.context, 131_072))
        return self._observation_spaces[agent]

    def action_space(self, agent: str) -> ActionSpace:
        """Text up to `rules.action_chars`, or a message. Every call returns the same object."""
        if agent not in self._action_spaces:
            self._known(agent)
            self._action_spaces[agent] = ActionSpace(self.game.rules.action_chars)
        return self._action_spaces[agent]

    def _known(self, agent: str) -> None:
        if agent not in self._possible:
            raise ConfigError(f"{agent!r} is not among possible_agents")

    # --- playing -------------------------------------------------------------------------------------------------

    @property
    def acting_agents(self) -> list[str]:
        """The agents whose turn it is."""
        return self._run.episode.ready() if self._run is not None else []

    @property
    def task(self) -> Task:
        """The task of this episode. `ActionError` before the first reset."""
        return self._current.task

    @property
    def episode_run(self) -> EpisodeRun:
        """The current episode. It has a score after its end. `ActionError` before the first reset."""
        return self._current

    def reset(
        self, seed: int | None = None, options: Mapping[str, Any] | None = None
    ) -> tuple[dict[str, str], dict[str, dict[str, Any]]]:
        """Begin an episode.

        Args:
            seed: Seeds the choice of the task, in this reset and in all later ones without a seed.
            options: ``{"task_id": …}`` chooses a task of the task set, ``{"task": Task}`` any other task.
        """
        if seed is not None:
            self._rng = np.random.default_rng(seed)
        task = choose_task(self.game.tasks, self._rng, options)
        self._run = EpisodeRun(self.game, task, seed)
        self.agents = ["lead"]
        if self.game.roster == "fixed":
            self.agents = list(self.possible_agents)
        self._seen = {}
        self._resting = {}
        observations = {agent: self._observe(agent) for agent in self.agents}
        infos = {agent: self._info(agent) for agent in self.agents}
        if self._renderer is not None:
            self._renderer.begin(self._run)
        return observations, infos

    def step(
        self, actions: Mapping[str, Action]
    ) -> tuple[dict[str, str], dict[str, float], dict[str, bool], dict[str, bool], dict[str, dict[str, Any]]]:
        """Take the turn of every acting agent and run the tool calls. The docstring of the class describes the result.

        Raises:
            ActionError: An acting agent has no action, or an action that is neither text nor a message. Or the episode
                has ended.
        """
        run = self._current
        if not self.agents:
            raise ActionError("the episode has ended: call reset() first")
        run.step(actions)
        episode = run.episode
        finished: set[str] = set()
        if not run.done and self.game.roster == "dynamic":
            known = set(self.agents)
            for agent in episode.agents:
                conversation = episode.conversation(agent)
                if agent in known:
                    if self.subagent_lifetime == "task" and conversation.status == "done":
                        finished.add(agent)
                elif agent not in self._resting and (
                    self.subagent_lifetime == "episode" or conversation.status != "done"
                ):
                    self.agents.append(agent)
        agents = self.agents
        answered = episode.outcome is not None and episode.outcome.answered
        observations = {agent: self._observe(agent) for agent in agents}
        rewards = {agent: run.paid(agent) for agent in agents}
        terminations = dict.fromkeys(agents, run.done and answered)
        truncations = dict.fromkeys(agents, run.done and not answered)
        infos = {agent: self._info(agent) for agent in agents}
        for agent in finished:
            ended = episode.conversation(agent).ending == "reported"
            (terminations if ended else truncations)[agent] = True
        if run.done:
            self.agents = []
        elif finished:
            self.agents = [agent for agent in agents if agent not in finished]
        if self._renderer is not None:
            self._renderer.update(run)
        return observations, rewards, terminations, truncations, infos

    def trajectory(self, **about: Any) -> Trajectory:
        """The record of the ended episode. Keyword arguments are added to the `meta` of the record."""
        return self._current.trajectory(**about)

    def render(self) -> str | None:
        """The state of the episode as text for "ansi". None for "human", a live view. `ConfigError` without a mode."""
        return render(self._renderer)

    def state(self) -> str:
        """The text of all conversations, for a centralised critic."""
        lines = []
        for conversation in self._current.episode.conversations:
            lines += [f"[{conversation.agent} {m['role']}] {m['content']}" for m in conversation.messages]
        return "\n".join(lines)

    def close(self) -> None:
        """End the live view and drop cached pages. The corpus stays open."""
        if self._renderer is not None:
            self._renderer.close()
        self.game.executor.close()

    # --- what an agent sees --------------------------------------------------------------------------------------

    @property
    def _current(self) -> EpisodeRun:
        if self._run is None:
            raise ActionError("no episode yet: call reset() first")
        return self._run

    def _conversation(self, agent: str) -> Conversation | None:
        episode = self._current.episode
        return episode.conversation(agent) if agent in episode.known else None

    def _observe(self, agent: str) -> str:
        conversation = self._conversation(agent)
        if conversation is None:
            return ""
        generation, seen = self._seen.get(agent, (0, 0))
        if generation != conversation.generation:
            seen = 0
        end = len(conversation.messages)
        if seen == end:
            return ""
        self._seen[agent] = (conversation.generation, end)
        return visible_text(conversation.messages[seen:end])

    def _info(self, agent: str) -> dict[str, Any]:
        run = self._current
        resting = self._resting.get(agent)
        if resting is not None and not run.done:
            return resting
        info = run.info(agent)
        if not run.done and info["status"] == "done" and self.game.roster == "dynamic":
            self._resting[agent] = info  # nothing changes any more: return the same object from now on
        return info


def parallel_env(
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
) -> WideSeekEnv:
    """Make the multi-agent environment (PettingZoo parallel API). Without arguments it is offline.

    Args:
        tasks: A world such as ``"synthetic:seed=1,rows=30"`` or ``"hybridqa:FOLDER"``, a .jsonl file, ``module:name``,
            a `TaskSet` or a sequence of `Task`.
        corpus: Where agents search: the folder of a built corpus, a world, another name that `GameConfig` lists, or a
            `Corpus`. None means the world that `tasks` names.
        split: The part of a world's tasks: "train", "validation" or "test".
        where: Conditions that tasks must meet, such as ``["rows>=10"]``.
        limit: Use only the first N of these tasks.
        width: The number of subagents that one delegation may start. Overrides the rules.
        rules: The name of a preset ("default", "width-benchmark", "wideseek-r1"), `Rules`, or a mapping of limits to
            change.
        limits: Single limits that override `rules`, such as ``{"subagent_turns": 6}``.
        reward: The reward of the team: "item_f1", "wideseek_r1", ``module:name`` or a `Reward`.
        credit: How the result is divided among the agents: "team", "cells", ``module:name`` or a `Credit`.
        profile: Prompts and tool schemas: "default", "terse", "wideseek-r1", ``module:name`` or a `Profile`.
        texts: Texts that agents see instead of those of the profile: a TOML file or its content as a mapping.
        judge: Decides whether cells in columns of the type llm_judge are right: "offline", ``openai:MODEL@URL``,
            ``recorded:FILE``, ``module:name`` or a `Judge`. None means the offline judge.
        roster: "dynamic": each subagent has a new id, and `agents` grows. "fixed": the agents are always the lead and
            `width` subagents. A subagent starts a new conversation with each subtask.
        language: The language of prompts: "en", "zh", or "task" for that of each task. None means that of the profile.
        counter: Measures messages for the context limit: "characters", ``module:name`` or a function from a message to
            a number.
        tools: Custom tools, made by `wideseek_env.tool` or named ``module:name``.
        executor: The object that runs tool calls. None means search and browse over the corpus, and the custom tools.
        summariser: The model that reads pages for agents: ``openai:MODEL@URL``, ``module:name`` or a `Summariser`. None
            means that agents get the parts of a page whose words fit their question.
        subagent_lifetime: "episode": a finished subagent stays without work until the end, and gets the team reward.
            "task": a subagent leaves when it reports, with a reward of 0.
        render_mode: "human" (a live view in the terminal), "ansi" (text from `render`) or None.

    Raises:
        ConfigError: A name or a value does not exist, or values do not fit together.
        CorpusError, TaskError: A file cannot be read.
    """
    game = ENTRY_POINTS["parallel_env"].config(
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
    )
    return WideSeekEnv(game.open(), subagent_lifetime=subagent_lifetime, render_mode=render_mode)
