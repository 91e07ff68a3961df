"""`OutsideEpisode`: an episode in which an outside program acts for some agents and a policy for the others.

The program calls `act` with an agent's message. The call returns when that agent's tools have run and the policy cannot
act further for the other agents. So a lead's delegation returns all reports together, as in any other episode.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias, get_args

from wideseek_env.conversation import Conversation, Ending
from wideseek_env.episode_run import EpisodeRun, policy_actions
from wideseek_env.errors import ActionError, ConfigError, WideSeekError
from wideseek_env.game import Game
from wideseek_env.messages import Action, Message, ToolCall
from wideseek_env.policy import Policy, Turn
from wideseek_env.serve.agents.native import delegation, native_game
from wideseek_env.task import Task
from wideseek_env.tools.executor import run_calls

_log = logging.getLogger("wideseek.agents")

Seat: TypeAlias = Literal["lead", "subagent", "single", "team"]
"""A seat is the part of the team for which an outside program acts: the lead, the first subagent, the single agent, or
the whole team."""

SEATS: tuple[Seat, ...] = get_args(Seat)


@dataclass(frozen=True, slots=True)
class Reply:
    """The results of an agent's message.

    * `messages` are the new messages for the agent: the results of its calls.
    * `failed` has the numbers of the calls that could not be run or whose tool failed, in the order of the message.
    * `ending` is the way in which the agent ended, or "" if the agent has not ended.
    """

    messages: list[Message]
    failed: frozenset[int]
    ending: Ending


class OutsideEpisode:
    """One episode. Several threads may call its methods. Each agent sends one message at a time.

    Args:
        game: The game. The episode uses `native_game` of it.
        task: The question.
        seat: The agents for which the outside program acts: "lead", "subagent" (the first), "single" or "team".
        policy: Acts for all other agents. None for the seats "single" and "team", where there are no other agents.
        seed: The seed for resetting the policy.
        subtask: For the seat "subagent": the first subtask that the lead delegates. "" lets the policy decide.
        on_end: Called once with the ended and scored episode.

    Raises:
        ConfigError: The seat is unknown, the seat needs a policy and `policy` is None, or `subtask` is given with
            another seat than "subagent".
    """

    def __init__(
        self,
        game: Game,
        task: Task,
        *,
        seat: Seat,
        policy: Policy | None = None,
        seed: int = 0,
        subtask: str = "",
        on_end: Callable[[OutsideEpisode], None] | None = None,
    ) -> None:
        if seat not in SEATS:
            raise ConfigError(f"no seat {seat!r}; there are: {', '.join(SEATS)}")
        if seat in ("lead", "subagent") and policy is None:
            raise ConfigError(f"the seat {seat} needs a policy for the other agents")
        if subtask and seat != "subagent":
            raise ConfigError(f"a subtask is given to the seat 'subagent', not to {seat!r}")
        self.seat = seat
        self.policy = policy
        self.episode_run = EpisodeRun(native_game(game, team=seat != "single"), task, seed)
        self._used = time.monotonic()
        self._busy = 0
        self.moved = False
        """Whether the outside program has sent a message."""
        self._on_end = on_end
        self._ending = self._told = False
        self._lock = threading.RLock()
        self._moving = threading.Lock()
        if policy is not None:
            policy.reset(seed)
        if subtask and not self.episode_run.done:
            self.episode_run.act("lead", delegation(self.episode_run.game.profile, subtask))
        self._advance()

    @property
    def task(self) -> Task:
        """The task of the episode."""
        return self.episode_run.task

    @property
    def done(self) -> bool:
        """Whether the episode has ended and is scored."""
        return self._told

    @property
    def by(self) -> str:
        """The seat of the outside program and the policy of the other agents, as text for records."""
        return f"outside:{self.seat}" + (f"+{self.policy.name}" if self.policy is not None else "")

    @property
    def idle(self) -> float:
        """Seconds since the last request. 0 while a request is running."""
        return 0.0 if self._busy else time.monotonic() - self._used

    def turns(self) -> list[Turn]:
        """The turns of the outside agents that must act now. The list is empty after the end of the episode."""
        with self._lock:
            self._used = time.monotonic()
            return [self.episode_run.turn(agent) for agent in self._ready(outside=True)]

    def conversation(self, agent: str) -> Conversation:
        """The conversation of an outside agent.

        Raises:
            ActionError: The outside program does not act for this agent.
        """
        with self._lock:
            conversation = self.episode_run.episode.conversation(agent)
            if not self._is_outside(agent):
                raise ActionError(f"{agent!r} is played by {self.policy.name if self.policy else 'nobody'}")
            return conversation

    def act(self, agent: str, message: Action) -> Reply:
        """Send a message of an outside agent, run its tools, and let the policy act for the others.

        Raises:
            ActionError: There is no such agent, the outside program does not act for the agent, or it is not the
                agent's turn.
        """
        with self._lock:
            conversation = self.conversation(agent)
            known = len(conversation.messages) + 1
            calls = self.episode_run.act(agent, message)
            asked = _asked(conversation, message)
            self._busy += 1
            self.moved = True
        try:
            passed = self._run(calls)
        except Exception as error:
            self._lost(error)
            passed = {}
        self._advance()
        with self._lock:
            self._busy -= 1
            self._used = time.monotonic()
            failed = frozenset(
                n for n, ids in enumerate(asked) if ids is not None and not any(map(passed.get, ids))
            )
            new = [dict(m) for m in conversation.messages[known:] if m["role"] == "tool"]
            return Reply(new, failed, conversation.ending)

    def abort(self, detail: str) -> None:
        """End the episode without an answer. Nothing happens if it has already ended."""
        with self._lock:
            self.episode_run.abort(detail)
        self._end()

    def record(self) -> Any:
        """The trajectory of the ended episode."""
        return self.episode_run.trajectory(policy=self.by, seat=self.seat)

    # --- moving ---------------------------------------------------------------------------------------------------

    def _is_outside(self, agent: str) -> bool:
        if self.seat == "team":
            return True
        if self.seat == "subagent":
            return agent == "subagent_0"
        return agent == self.episode_run.episode.root.agent

    def _ready(self, *, outside: bool) -> list[str]:
        return [agent for agent in self.episode_run.episode.ready() if self._is_outside(agent) == outside]

    def _advance(self) -> None:
        """Let the policy act until only outside agents must act, or the episode is over."""
        try:
            with self._moving:
                while turns := self._policy_turns():
                    assert self.policy is not None
                    self._run(self._act_all(turns, policy_actions(self.policy, turns)))
        except Exception as error:
            self._lost(error)
        self._end()

    def _policy_turns(self) -> list[Turn]:
        with self._lock:
            return [self.episode_run.turn(agent) for agent in self._ready(outside=False)]

    def _act_all(self, turns: Sequence[Turn], actions: Sequence[Action]) -> list[ToolCall]:
        calls: list[ToolCall] = []
        with self._lock:
            for turn, action in zip(turns, actions, strict=True):
                if not self.episode_run.done:  # the episode may have been ended meanwhile
                    calls += self.episode_run.act(turn.agent, action)
        return calls

    def _run(self, calls: Sequence[ToolCall]) -> dict[str, bool]:
        """Run requests and deliver their results. Returns for each request id whether its tool succeeded."""
        if not calls:
            return {}
        results = run_calls(self.episode_run.game.executor, calls)
        with self._lock:
            for call, result in zip(calls, results, strict=True):
                if not self.episode_run.done:
                    self.episode_run.deliver(call, result)
        return {call.id: result.ok for call, result in zip(calls, results, strict=True)}

    def _lost(self, error: Exception) -> None:
        """End the episode without an answer, because the policy or a service failed."""
        detail = f"{type(error).__name__}: {error}"[:500]
        if not isinstance(error, WideSeekError):
            _log.exception("task %s failed", self.task.id)
        with self._lock:
            self.episode_run.abort(detail)

    def _end(self) -> None:
        with self._lock:
            if self._ending or not self.episode_run.done:
                return
            self._ending = True
        try:
            if not self.episode_run.parts:  # no reward yet, even if the score exists
                self.episode_run.finish()  # this may wait for a judge, but it does not block readers
        except BaseException:
            self._ending = False  # the next attempt to end the episode tries again
            raise
        self._told = True
        if self._on_end is not None:
            self._on_end(self)


def _asked(conversation: Conversation, message: Action) -> list[tuple[str, ...] | None]:
    """The ids of the requests of each call of a message: () if the call could not be run, None for a delegation."""
    written = message.get("tool_calls") if isinstance(message, Mapping) else None
    if conversation.status != "waiting":  # no call could be run, and each has its result already
        return [() for _ in written or ()]
    return [None if call.spawned else tuple(call.requests) for call in conversation.pending_calls]
