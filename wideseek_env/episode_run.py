"""One episode with its clock and its score, and the lock-step driver that runs it.

In lock-step, every acting agent takes one turn. Then all their tool calls run together. The PettingZoo and Gymnasium
environments are thin layers over `EpisodeRun`. The asynchronous driver of the baselines uses `EpisodeRun` too, and
moves the agents one by one.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping, Sequence, Sized
from typing import Any

import numpy as np

from wideseek_env.copying import Independent, independent_copy
from wideseek_env.credit import credits_of, is_team
from wideseek_env.episode import Episode
from wideseek_env.errors import ActionError, ConfigError, CopyError
from wideseek_env.game import Game
from wideseek_env.messages import (
    Action,
    Role,
    ToolCall,
    ToolResult,
    Transcript,
    count_characters,
    visible_text,
)
from wideseek_env.plugins import part_name
from wideseek_env.policy import Policy, Turn
from wideseek_env.reprs import InNotebook, short
from wideseek_env.rewards import Parts, reward_parts, total
from wideseek_env.scoring import TableScore, score_response
from wideseek_env.summaries.policy_engine import attached_engine, check_attached
from wideseek_env.task import Task
from wideseek_env.tasks.taskset import TaskSet
from wideseek_env.tools.executor import run_calls
from wideseek_env.trajectory import Trajectory

_FROM_GAME = ("rules", "profile", "counter")
"""The attributes of an episode that it has from its game."""


class EpisodeRun(Independent, InNotebook):
    """One running episode. `times` holds, for each event of the episode, the seconds since the start.

    It can be copied and pickled at any moment, also while tool calls are pending. The clock of a loaded run continues
    at the time of the pickle.
    """

    def __init__(self, game: Game, task: Task, seed: int | None = None) -> None:
        check_attached(game.summariser)
        self.game = game
        self.task = task
        self.seed = seed
        self.episode: Episode = game.episode(task)
        self.times: list[float] = []
        self.score: TableScore | None = None
        self.parts: Parts = {}
        self.credits: list[float] = []
        self._schemas: dict[Role, list[dict[str, Any]]] = {}
        self._began = time.perf_counter()
        self.started = time.time()
        if self.episode.done:  # it ended at once: the question alone is longer than the context budget
            self.finish()

    def __repr__(self) -> str:
        score = f", item-F1 {self.score.f1_by_item:.3f}, reward {self.reward:.3f}" if self.score else ""
        return f"<EpisodeRun of {short(self.task.id)}, seed {self.seed}, {self.episode.describe()}{score}>"

    def __deepcopy__(self, memo: dict[int, Any]) -> EpisodeRun:
        return independent_copy(self, memo, self.task, self.score, *self._schemas.values())

    def __getstate__(self) -> dict[str, Any]:
        episode = self.episode.__getstate__()
        own = {
            name: value
            for name, value in episode.items()
            if name not in _FROM_GAME or value is not getattr(self.game, name)
        }
        elapsed = time.perf_counter() - self._began
        return vars(self) | {"episode": own, "_schemas": {}, "_began": elapsed}

    def __setstate__(self, state: dict[str, Any]) -> None:
        game, episode = state["game"], Episode.__new__(Episode)
        episode.__setstate__({name: getattr(game, name) for name in _FROM_GAME} | state["episode"])
        vars(self).update(state, episode=episode, _began=time.perf_counter() - state["_began"])

    def check_settled(self) -> None:
        """Raises `CopyError` if tool calls are running. An environment cannot be copied in the middle of a step."""
        if not self.done and (pending := self.episode.pending()):
            raise CopyError(
                f"{len(pending)} tool calls of the episode have no result yet, such as {pending[0]}: copy and pickle "
                "an environment between two steps"
            )

    @property
    def done(self) -> bool:
        """Whether the episode has ended. Then `score`, `parts`, `credits` and `reward` are set."""
        return self.episode.done

    @property
    def reward(self) -> float:
        """The team's reward. It is 0 until the episode has ended."""
        return total(self.parts)

    def paid(self, agent: str) -> float:
        """What an agent earns at the end: with the default credit the team's reward, also for an agent that never had
        a subtask. With another credit, the sum over its conversations. It is 0 until the episode has ended."""
        if not self.done or is_team(self.game.credit):
            return self.reward
        return math.fsum(
            paid
            for paid, conversation in zip(self.credits, self.episode.conversations, strict=True)
            if conversation.agent == agent
        )

    def turn(self, agent: str) -> Turn:
        """The information that a policy gets about an acting agent."""
        conversation = self.episode.conversation(agent)
        role, messages = conversation.role, conversation.messages
        last = next((i for i in range(len(messages) - 1, -1, -1) if messages[i]["role"] == "assistant"), -1)
        return Turn(
            agent=agent,
            role=role,
            observation=visible_text(messages[last + 1 :]),
            messages=Transcript(messages),
            tools=self._tools(role),
            turns_left=conversation.limit - conversation.turns,
            conversation=conversation.started,
            tools_in_prompt=self.game.profile.embed_tools,
            first_call_only=self.game.profile.protocol.reading == "first_block",
        )

    def info(self, agent: str) -> dict[str, Any]:
        """The `info` of one agent. `wideseek_env.parallel.WideSeekEnv` describes its keys."""
        known = agent in self.episode.known
        conversation = self.episode.conversation(agent) if known else None
        role: Role = conversation.role if conversation is not None else "subagent"
        status = conversation.status if conversation is not None else "idle"
        info: dict[str, Any] = {
            "acting": status == "acting" and not self.done,
            "role": role,
            "status": status,
            "turn": conversation.turns if conversation is not None else 0,
            "turns_left": conversation.limit - conversation.turns if conversation is not None else 0,
            "messages": Transcript(conversation.messages if conversation is not None else []),
            "tools": self._tools(role),
            "task_id": self.task.id,
        }
        if self.done:
            outcome = self.episode.outcome
            info |= {
                "score": self.score,
                "reward_parts": dict(self.parts),
                "answer": outcome.answer if outcome is not None else None,
                "outcome": outcome,
            }
        return info

    def _tools(self, role: Role) -> list[dict[str, Any]]:
        if role not in self._schemas:
            self._schemas[role] = self.episode.tools(role)
        return self._schemas[role]

    def act(self, agent: str, action: Action) -> list[ToolCall]:
        """Take one agent's message and return the tool calls that must run, as `Episode.act` does.

        This is for drivers that move agents one by one. Such a driver calls `deliver` for each result, then `finish`
        when the episode is done.
        """
        calls = self.episode.act(agent, action)
        self.times.append(time.perf_counter() - self._began)
        return calls

    def deliver(self, call: ToolCall | str, result: ToolResult | str) -> None:
        """Give the result of one tool call to the episode."""
        self.episode.deliver(call, result)
        self.times.append(time.perf_counter() - self._began)

    def step(self, actions: Mapping[str, Action]) -> None:
        """Take one turn for every acting agent, then run their tool calls. Actions of other agents are ignored.

        Raises:
            ActionError: An acting agent has no action, or an action that is neither text nor a mapping. In both cases,
                the episode has not changed.
            ConfigError: The executor did not return one result for each call.
        """
        episode = self.episode
        acting = episode.ready()
        for agent in acting:
            action = actions.get(agent)
            if not isinstance(action, (str, Mapping)):
                what = (
                    "has no action" if action is None else f"cannot do {type(action).__name__} {action!r:.80}"
                )
                raise ActionError(
                    f"{agent} {what}; an action is text, or a message with role and content; acting are {acting}"
                )
        calls: list[ToolCall] = []
        now = time.perf_counter() - self._began
        for agent in acting:
            calls += episode.act(agent, actions[agent])
        self.times += [now] * len(acting)
        if calls and not episode.done:
            results = run_calls(self.game.executor, calls)
            now = time.perf_counter() - self._began
            for call, result in zip(calls, results, strict=True):
                if episode.done:
                    break
                episode.deliver(call, result)
                self.times.append(now)
        if episode.done:
            self.finish()

    def abort(self, detail: str) -> None:
        """End the episode without an answer."""
        if not self.episode.done:
            self.episode.abort(detail)
            self.times.append(time.perf_counter() - self._began)
            self.finish()

    def trajectory(self, **about: Any) -> Trajectory:
        """The record of the ended episode.

        `about` is added to the `meta` of the record. `ActionError` while the episode is running.
        """
        if self.score is None:
            raise ActionError("the episode is still under way; its trajectory is complete when it has ended")
        about = _own_parts(self.game) | about
        return Trajectory.of_episode(
            self.episode,
            score=self.score,
            parts=self.parts,
            credits=None if is_team(self.game.credit) else self.credits,
            credit_name=self.game.credit.name,
            reward_name=self.game.reward.name,
            corpus=self.game.corpus_name,
            seed=self.seed,
            times=self.times,
            started=self.started,
            meta=about,
        )

    def finish(self) -> None:
        """Score the ended episode. A judge that is a model may take seconds."""
        outcome = self.episode.outcome
        answer = outcome.answer if outcome is not None else None
        self.score = score_response(answer or "", self.task, self.game.judge)
        self.parts = reward_parts(self.game.reward, self.episode, self.score)
        self.credits = credits_of(self.game.credit, self.episode, self.score, self.reward)


def run_episode(
    game: Game,
    policy: Policy,
    task: Task,
    *,
    seed: int = 0,
    on_step: Callable[[EpisodeRun], None] | None = None,
) -> EpisodeRun:
    """Run `task` to its end in lock-step and return the run, which has the score, the reward and the trajectory.

    Args:
        game: An opened `GameConfig`.
        policy: Decides the actions of all agents.
        task: The task.
        seed: The seed with which the policy is reset.
        on_step: Called at the start of the episode and after every step.

    Raises:
        ConfigError: `game` is no `Game`, `policy` is no `Policy`, or the policy did not return one action per turn.
    """
    if not isinstance(game, Game):
        raise ConfigError(
            f"game must be an opened game, as GameConfig(…).open() returns it, not {_kind(game)}"
        )
    if isinstance(policy, type) or not isinstance(policy, Policy):
        raise ConfigError(
            f"policy must be a policy object, with name, reset and act, not {_kind(policy)}; "
            "make_policy(name) makes one from a name"
        )
    with attached_engine(game.summariser, policy):
        return _run_episode(game, policy, task, seed, on_step)


def _run_episode(
    game: Game, policy: Policy, task: Task, seed: int, on_step: Callable[[EpisodeRun], None] | None
) -> EpisodeRun:
    run = EpisodeRun(game, task, seed)
    policy.reset(seed)
    if on_step is not None:
        on_step(run)
    while not run.done:
        turns = [run.turn(agent) for agent in run.episode.ready()]
        actions = policy_actions(policy, turns)
        run.step({turn.agent: action for turn, action in zip(turns, actions, strict=True)})
        if on_step is not None:
            on_step(run)
    return run


def policy_actions(policy: Policy, turns: Sequence[Turn]) -> Sequence[Action]:
    """The actions that the policy returns for the turns: one for each, in their order.

    Raises:
        ConfigError: The policy returned something else. The message says what, and for which agents.
    """
    actions = policy.act(turns)
    agents = ", ".join(turn.agent for turn in turns)
    wanted = f"act(turns) must return a list with one message for each turn, in their order ({agents})"
    if isinstance(actions, (str, Mapping)) or not isinstance(actions, Sized):
        raise ConfigError(f"policy {policy.name}: {wanted}, not {_kind(actions)}")
    if len(actions) != len(turns):
        counted = f"{len(actions)} {'message' if len(actions) == 1 else 'messages'}"
        raise ConfigError(f"policy {policy.name} returned {counted} for {len(turns)} turns: {wanted}")
    return actions


def _own_parts(game: Game) -> dict[str, Any]:
    """The names of the summariser and of the counter for the record, if they are not the usual ones."""
    about: dict[str, Any] = {}
    if game.summariser is not None:
        about["summariser"] = game.summariser.name
    if game.counter is not count_characters and (name := part_name(game.counter)) is not None:
        about["counter"] = name
    return about


def _kind(value: object) -> str:
    """What a message says that `value` is: a class, or an object of a class."""
    if isinstance(value, type):
        return f"the class {value.__name__}"
    return f"{value!r:.80}" if isinstance(value, str) else f"a {type(value).__name__}"


def choose_task(tasks: TaskSet, rng: np.random.Generator, options: Mapping[str, Any] | None) -> Task:
    """The task that the reset options name, otherwise a random task. `ConfigError` for an unknown option."""
    options = dict(options or {})
    options.pop("options", None)  # PettingZoo's API tests pass these options
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
