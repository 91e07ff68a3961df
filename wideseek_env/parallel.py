"""The PettingZoo parallel environment: one `step` is one turn of every acting agent, tools included."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Literal

import numpy as np
from pettingzoo import ParallelEnv

from wideseek_env.conversation import Conversation
from wideseek_env.corpus.base import Corpus
from wideseek_env.episode import Roster
from wideseek_env.errors import ActionError, ConfigError
from wideseek_env.lockstep import Play
from wideseek_env.messages import Action, Counter, Role, Transcript, count_characters, visible_text
from wideseek_env.profiles import Profile
from wideseek_env.render import Renderer, renderer_for
from wideseek_env.rewards import Reward
from wideseek_env.rules import Rules
from wideseek_env.scoring import Judge
from wideseek_env.setup import Setup
from wideseek_env.spaces import ActionSpace, TextSpace
from wideseek_env.tasks.task import Task
from wideseek_env.tasks.taskset import TaskSet
from wideseek_env.tools.executor import Executor
from wideseek_env.trajectory import Trajectory

Lifetime = Literal["episode", "task"]


class WideSeekEnv(ParallelEnv[str, str, Action]):
    """A lead and its subagents answering one question an episode; see `wideseek_env.parallel_env`.

    Observations are the text that is new to an agent ("" when there is none). ``infos[agent]`` has

    - ``acting``: whether it is this agent's turn; actions of others are ignored and may be missing;
    - ``role``, ``status`` ("acting", "waiting", "done", "idle"), ``turn`` (messages written so far) and
      ``turns_left``;
    - ``messages``: its whole conversation (a read-only sequence of OpenAI messages, never copied) and
      ``tools``: its tool schemas;
    - ``task_id``; and in the last step ``score`` (`TableScore`), ``reward_parts``, ``answer``, ``outcome``.

    Every agent gets the team reward in the last step, 0 before. The last step terminates the agents when the
    lead answered, and truncates them when it ran out of turns or context.
    """

    metadata: dict[str, Any] = {  # noqa: RUF012 (PettingZoo's convention)
        "name": "wideseek_v0",
        "render_modes": ["human", "ansi"],
        "is_parallelizable": True,
        "render_fps": 4,
    }

    def __init__(
        self,
        setup: Setup,
        *,
        subagent_lifetime: Lifetime = "episode",
        render_mode: str | None = None,
    ) -> None:
        if subagent_lifetime not in ("episode", "task"):
            raise ConfigError(f"subagent_lifetime must be 'episode' or 'task', not {subagent_lifetime!r}")
        if subagent_lifetime == "task" and setup.roster == "fixed":
            raise ConfigError(
                "subagent_lifetime='task' removes subagents, which roster='fixed' keeps: choose one"
            )
        if not setup.team:
            raise ConfigError(
                "the parallel environment plays a team; use gymnasium.make('WideSeek-v0') for one agent"
            )
        self.setup = setup
        self.subagent_lifetime = subagent_lifetime
        self.render_mode = render_mode
        self._renderer: Renderer | None = renderer_for(render_mode, self.metadata["render_modes"])
        rules = setup.rules
        ids = rules.width if setup.roster == "fixed" else rules.width * rules.lead_turns
        self.possible_agents = ["lead", *(f"subagent_{number}" for number in range(ids))]
        self._possible = frozenset(self.possible_agents)
        self.agents: list[str] = []
        self._observation_spaces: dict[str, TextSpace] = {}
        self._action_spaces: dict[str, ActionSpace] = {}
        self._rng = np.random.default_rng()
        self._play: Play | None = None
        self._seen: dict[str, tuple[int, int]] = {}
        self._resting: dict[str, dict[str, Any]] = {}
        self._schemas: dict[Role, list[dict[str, Any]]] = {}

    # --- spaces --------------------------------------------------------------------------------------------------

    def observation_space(self, agent: str) -> TextSpace:
        """Any text up to the context budget; the same object at every call."""
        if agent not in self._observation_spaces:
            self._known(agent)
            self._observation_spaces[agent] = TextSpace(8 * max(self.setup.rules.context, 131_072))
        return self._observation_spaces[agent]

    def action_space(self, agent: str) -> ActionSpace:
        """Text up to `rules.action_chars`, or a message; the same object at every call."""
        if agent not in self._action_spaces:
            self._known(agent)
            self._action_spaces[agent] = ActionSpace(self.setup.rules.action_chars)
        return self._action_spaces[agent]

    def _known(self, agent: str) -> None:
        if agent not in self._possible:
            raise ConfigError(f"{agent!r} is not among possible_agents")

    # --- playing -------------------------------------------------------------------------------------------------

    @property
    def acting_agents(self) -> list[str]:
        """The agents whose turn it is."""
        return self._play.episode.ready() if self._play is not None else []

    @property
    def task(self) -> Task:
        """The task being played; `ActionError` before the first reset."""
        return self._current.task

    @property
    def play(self) -> Play:
        """The episode under way, with its score once it has ended; `ActionError` before the first reset."""
        return self._current

    def reset(
        self, seed: int | None = None, options: Mapping[str, Any] | None = None
    ) -> tuple[dict[str, str], dict[str, dict[str, Any]]]:
        """Begin an episode.

        Args:
            seed: Seeds the choice of tasks, of this reset and all later ones without a seed.
            options: ``{"task_id": …}`` plays that task, ``{"task": Task}`` one from outside the task set.
        """
        if seed is not None:
            self._rng = np.random.default_rng(seed)
        task = choose_task(self.setup.tasks, self._rng, options)
        self._play = Play(self.setup, task, seed)
        self.agents = ["lead"]
        if self.setup.roster == "fixed":
            self.agents = list(self.possible_agents)
        self._seen = {}
        self._resting = {}
        self._schemas = {}
        observations = {agent: self._observe(agent) for agent in self.agents}
        infos = {agent: self._info(agent) for agent in self.agents}
        if self._renderer is not None:
            self._renderer.begin(self._play)
        return observations, infos

    def step(
        self, actions: Mapping[str, Action]
    ) -> tuple[dict[str, str], dict[str, float], dict[str, bool], dict[str, bool], dict[str, dict[str, Any]]]:
        """Every acting agent takes its turn and the tools run; see the class for what comes back.

        `ActionError` when an acting agent has no action or one that is no text or message, or when no episode
        is under way.
        """
        play = self._current
        if not self.agents:
            raise ActionError("the episode has ended: call reset() first")
        play.step(actions)
        episode = play.episode
        finished: set[str] = set()
        if not play.done and self.setup.roster == "dynamic":
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
        reward = play.reward
        answered = episode.outcome is not None and episode.outcome.answered
        observations = {agent: self._observe(agent) for agent in agents}
        rewards = dict.fromkeys(agents, reward)
        terminations = dict.fromkeys(agents, play.done and answered)
        truncations = dict.fromkeys(agents, play.done and not answered)
        infos = {agent: self._info(agent) for agent in agents}
        for agent in finished:
            ended = episode.conversation(agent).ending == "reported"
            (terminations if ended else truncations)[agent] = True
        if play.done:
            self.agents = []
        elif finished:
            self.agents = [agent for agent in agents if agent not in finished]
        if self._renderer is not None:
            self._renderer.update(play)
        return observations, rewards, terminations, truncations, infos

    def trajectory(self, **about: Any) -> Trajectory:
        """The record of the ended episode; keyword arguments go to its `meta`."""
        return self._current.trajectory(**about)

    def render(self) -> str | None:
        """ "ansi": the state of the episode as text. "human": nothing, the view is live."""
        if self._renderer is None:
            raise ConfigError(
                "nothing to render: pass render_mode='ansi' or 'human' when making the environment"
            )
        return self._renderer.render()

    def state(self) -> str:
        """The text of all conversations: what a centralised critic may see."""
        lines = []
        for conversation in self._current.episode.conversations:
            lines += [f"[{conversation.agent} {m['role']}] {m['content']}" for m in conversation.messages]
        return "\n".join(lines)

    def close(self) -> None:
        """End the view and drop cached pages; the corpus stays open."""
        if self._renderer is not None:
            self._renderer.close()
        self.setup.executor.close()

    # --- what an agent sees --------------------------------------------------------------------------------------

    @property
    def _current(self) -> Play:
        if self._play is None:
            raise ActionError("no episode yet: call reset() first")
        return self._play

    def _conversation(self, agent: str) -> Conversation | None:
        episode = self._current.episode
        return episode.conversation(agent) if agent in episode.known else None

    def _observe(self, agent: str) -> str:
        conversation = self._conversation(agent)
        if conversation is None:
            return ""
        life, seen = self._seen.get(agent, (0, 0))
        if life != conversation.life:
            seen = 0
        end = len(conversation.messages)
        if seen == end:
            return ""
        self._seen[agent] = (conversation.life, end)
        return visible_text(conversation.messages[seen:end])

    def _info(self, agent: str) -> dict[str, Any]:
        play = self._current
        resting = self._resting.get(agent)
        if resting is not None and not play.done:
            return resting
        conversation = self._conversation(agent)
        if conversation is None:
            info: dict[str, Any] = {
                "acting": False,
                "role": "subagent",
                "status": "idle",
                "turn": 0,
                "turns_left": 0,
                "messages": Transcript([]),
                "tools": self._tools("subagent"),
                "task_id": play.task.id,
            }
        else:
            info = {
                "acting": conversation.status == "acting" and not play.done,
                "role": conversation.role,
                "status": conversation.status,
                "turn": conversation.turns,
                "turns_left": conversation.limit - conversation.turns,
                "messages": Transcript(conversation.messages),
                "tools": self._tools(conversation.role),
                "task_id": play.task.id,
            }
            if conversation.status == "done" and self.setup.roster == "dynamic":
                self._resting[agent] = info  # nothing changes any more: the same object from now on
        if play.done:
            info = info | {
                "score": play.score,
                "reward_parts": dict(play.parts),
                "answer": play.episode.outcome.answer if play.episode.outcome else None,
                "outcome": play.episode.outcome,
            }
        return info

    def _tools(self, role: Role) -> list[dict[str, Any]]:
        if role not in self._schemas:
            self._schemas[role] = self._current.episode.tools(role)
        return self._schemas[role]


def choose_task(tasks: TaskSet, rng: np.random.Generator, options: Mapping[str, Any] | None) -> Task:
    """The task that `options` names, or a random one; `ConfigError` for an option that does not exist."""
    options = dict(options or {})
    options.pop("options", None)  # what PettingZoo's own api tests pass
    task, task_id = options.pop("task", None), options.pop("task_id", None)
    if options:
        raise ConfigError(f"reset has no option {next(iter(options))!r}; there are: task_id, task")
    if task is not None:
        if not isinstance(task, Task):
            raise ConfigError(f"the option 'task' must be a Task, not {type(task).__name__}")
        return task
    if task_id is not None:
        return tasks.get(task_id)
    return tasks[int(rng.integers(len(tasks)))]


def parallel_env(
    *,
    tasks: str | TaskSet | Sequence[Task] | None = None,
    corpus: str | Corpus | None = None,
    split: str = "train",
    width: int | None = None,
    rules: str | Rules | Mapping[str, int] | None = None,
    reward: str | Reward = "item_f1",
    profile: str | Profile = "default",
    judge: Judge | None = None,
    roster: Roster = "dynamic",
    subagent_lifetime: Lifetime = "episode",
    counter: Counter = count_characters,
    tools: Executor | None = None,
    render_mode: str | None = None,
) -> WideSeekEnv:
    """Make the multi-agent environment (PettingZoo parallel API). Without arguments: offline, on the synthetic world.

    Args:
        tasks: A world such as ``"synthetic:seed=1,rows=30"`` or ``"hybridqa:FOLDER"``, a JSONL file, a `TaskSet`
            or a sequence of tasks; None is the synthetic world.
        corpus: A `Corpus` or the folder of a built one; None is the world that `tasks` names.
        split: The part of a world's tasks: "train", "validation" or "test".
        width: Subagents that one delegation may start; overrides the rules'.
        rules: `Rules`, a preset's name ("default", "width-benchmark") or a mapping of limits to change.
        reward: A `Reward` or a preset's name: "item_f1", "wideseek_r1".
        profile: How agents are spoken to: "default", "terse", "wideseek-r1" or a `Profile`.
        judge: Decides `llm_judge` columns; None is the offline judge.
        roster: "dynamic": each subagent has a new id, and `agents` grows. "fixed": the lead and `width` slots
            live through the episode, and a slot starts afresh with each subtask.
        subagent_lifetime: "episode": a finished subagent stays, idle, for the team reward. "task": it leaves when
            it has reported.
        counter: Measures messages in the unit of ``rules.context``: characters, or a tokenizer's count.
        tools: What runs tool requests, instead of search and browse over the corpus.
        render_mode: "human" (a live view in the terminal), "ansi" (text from `render`) or None.

    Raises:
        ConfigError: A name, value or combination that does not exist.
        CorpusError, TaskError: Files that cannot be read.
    """
    setup = Setup.resolve(
        tasks=tasks,
        corpus=corpus,
        split=split,
        width=width,
        rules=rules,
        reward=reward,
        profile=profile,
        judge=judge,
        roster=roster,
        counter=counter,
        tools=tools,
    )
    return WideSeekEnv(setup, subagent_lifetime=subagent_lifetime, render_mode=render_mode)
