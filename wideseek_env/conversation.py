"""The state of an episode in small parts: the conversation of each agent and the outcome of the episode."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal, TypeAlias

from wideseek_env.messages import Message, Role

Ending: TypeAlias = Literal["answered", "reported", "out_of_turns", "out_of_context", "failed", ""]
"""How an agent ended, or "" while it is at work."""

Status: TypeAlias = Literal["acting", "waiting", "done", "idle"]
"""`acting`: it is the agent's turn. `waiting`: it waits for results or reports. `done`: it has ended. `idle`: a slot
without a subtask."""


@dataclass(slots=True)
class PendingCall:
    """One call of a turn: the requests that the agent wrote, and the text that will answer the call."""

    native_id: str
    parts: list[str]
    """The finished texts, one per request. A text is "" while its request is outstanding."""
    spawned: list[Conversation] = field(default_factory=list)


@dataclass(slots=True, repr=False)
class Conversation:
    """One agent's work on one subtask, or on the question for the lead and the single agent. Read it, do not change it.

    `generation` numbers the conversations of a reused slot from 0. `clock` is the agent's position on the logical time
    line of the episode, in turns. Agents that work at the same time share the same turns.
    """

    agent: str
    role: Role
    generation: int
    limit: int
    subtask: str
    started: int
    messages: list[Message] = field(default_factory=list)
    turns: int = 0
    clock: int = 0
    used: int = 0
    status: Status = "acting"
    ending: Ending = ""
    final: str = ""
    """The answer or report, without thinking. It is "" when the agent ended without one."""
    calls: dict[str, int] = field(default_factory=dict)
    """The number of tool requests made, by kind."""
    errors: int = 0
    """The number of calls that could not be run and of requests whose tool failed."""
    pending_calls: list[PendingCall] = field(default_factory=list)
    outstanding: int = 0

    def __repr__(self) -> str:
        state = self.ending or self.status
        return f"<Conversation of {self.agent}, generation {self.generation}: {self.turns} turns, {state}>"


@dataclass(frozen=True, slots=True)
class Outcome:
    """The result of an episode.

    Counts are over all agents. `critical_path` is the number of turns until the end, where turns that agents take at
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

    @property
    def answered(self) -> bool:
        """Whether the episode has an answer to score."""
        return self.answer is not None
