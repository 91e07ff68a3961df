"""The state of an episode in small parts: each agent's conversation, and what the whole came to."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal, TypeAlias

from wideseek_env.messages import Message, Role

Ending: TypeAlias = Literal["answered", "reported", "out_of_turns", "out_of_context", "failed", ""]
"""How an agent ended: with its answer or report, or without; "" while it is at work."""

Status: TypeAlias = Literal["acting", "waiting", "done", "idle"]
"""`acting`: its turn. `waiting`: for results or reports. `done`: ended. `idle`: a slot without a subtask."""


@dataclass(slots=True)
class PendingCall:
    """One call of a turn as the agent wrote it: its requests, and the text that will answer it."""

    native_id: str
    parts: list[str]
    """Finished texts, one a request, "" while it is outstanding."""
    spawned: list[Conversation] = field(default_factory=list)


@dataclass(slots=True, repr=False)
class Conversation:
    """One agent's work on one subtask (or, for lead and single agent, on the question). Read it, do not change it.

    `generation` counts the conversations of a reused slot from 0. `clock` is the agent's position on the episode's
    logical time line, in turns, where agents that work side by side share the same turns.
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
    """The answer or report, without thinking; "" when the agent ended without one."""
    calls: dict[str, int] = field(default_factory=dict)
    """Tool requests made, by kind."""
    errors: int = 0
    """Calls that could not be run, and requests whose tool failed."""
    pending_calls: list[PendingCall] = field(default_factory=list)
    outstanding: int = 0

    def __repr__(self) -> str:
        state = self.ending or self.status
        return f"<Conversation of {self.agent}, generation {self.generation}: {self.turns} turns, {state}>"


@dataclass(frozen=True, slots=True)
class Outcome:
    """What an episode came to. Counts are over all agents; `critical_path` is the number of turns until the
    end when agents that work side by side are counted once."""

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
        """Whether there is an answer to score."""
        return self.answer is not None
