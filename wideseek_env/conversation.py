"""The state of an episode in small parts: the conversation of each agent and the outcome of the episode."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal, TypeAlias

from wideseek_env.messages import Message, Role

Ending: TypeAlias = Literal["answered", "reported", "out_of_turns", "out_of_context", "failed", ""]
"""How an agent ended. "" if it has not ended."""

Status: TypeAlias = Literal["acting", "waiting", "done", "idle"]
"""The status of an agent:

* `acting`: it is the agent's turn.
* `waiting`: the agent waits for results or reports.
* `done`: the agent has ended.
* `idle`: an agent of a fixed roster that has no subtask now.
"""


@dataclass(slots=True)
class PendingCall:
    """One call of a turn: the requests that the agent wrote, and the text that will answer the call."""

    native_id: str
    parts: list[str]
    """The texts of the answer, one for each request. A text is "" until the result of its request has arrived."""
    spawned: list[Conversation] = field(default_factory=list)
    requests: list[str] = field(default_factory=list)
    """The ids of its tool requests."""


@dataclass(slots=True, repr=False)
class Conversation:
    """The work of a subagent on one subtask, or of a lead or single agent on the question. Do not change it.

    `generation` numbers the conversations of agents with the same id from 0. With a fixed roster, ids are used again.
    `clock` is the agent's position on the logical time line of the episode, in turns. Agents that work at the same time
    share the same turns. `clocks` has the value of `clock` right after each turn.
    """

    agent: str
    role: Role
    generation: int
    limit: int
    subtask: str
    started: int
    delegation: int = 0
    """The turn of the lead that started this subagent, from 1. Subagents with the same number worked at the same time.
    It is 0 for a lead or single agent."""
    messages: list[Message] = field(default_factory=list)
    turns: int = 0
    clock: int = 0
    clocks: list[int] = field(default_factory=list)
    used: int = 0
    status: Status = "acting"
    ending: Ending = ""
    final: str = ""
    """The answer or report, without thinking. It is "" if the agent ended without an answer or report."""
    calls: dict[str, int] = field(default_factory=dict)
    """The number of tool requests that the agent made, by kind of tool."""
    errors: int = 0
    """The number of calls that could not be run, plus the number of requests whose tool failed."""
    dropped: int = 0
    """The number of calls, and of items of their lists, that the protocol left out. The agent is not told."""
    pending_calls: list[PendingCall] = field(default_factory=list)
    outstanding: int = 0

    def __repr__(self) -> str:
        state = self.ending or self.status
        return f"<Conversation of {self.agent}, generation {self.generation}: {self.turns} turns, {state}>"


@dataclass(frozen=True, slots=True)
class Outcome:
    """The result of an episode.

    All counts include all agents. `dropped` counts the calls, and the items of their lists, that the protocol left out.
    `critical_path` is the number of turns until the end, where turns that agents take at
    the same time count once.
    """

    answer: str | None
    ending: Ending
    turns: int
    critical_path: int
    tool_calls: Mapping[str, int]
    subagents: int
    errors: int
    detail: str = ""
    dropped: int = 0

    @property
    def answered(self) -> bool:
        """Whether the episode has an answer to score."""
        return self.answer is not None


def caller_of(call: str) -> tuple[str, int]:
    """The agent and the generation in the id of a call: ``agent/turn/number`` or ``agent/generation.turn/number``."""
    agent, turn, _ = call.rsplit("/", 2)
    generation, point, _ = turn.partition(".")
    return agent, int(generation) if point else 0
