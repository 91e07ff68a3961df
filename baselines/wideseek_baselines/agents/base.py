"""The interface between policies that use models and drivers (lock-step or asynchronous).

A `TeamPolicy` makes an `EpisodePolicy` for every episode. A driver asks the episode policy what to do with a turn. The
answer is a request for an engine or, if a budget is spent, a fixed action. The driver passes the engine's `Generation`
back and gets the action for it. The episode policy keeps the token ids of all its conversations. Its methods never
wait.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from wideseek_baselines.engines.base import Engine, Generation, Request
from wideseek_baselines.tokens.record import AgentRecord
from wideseek_env.messages import Message
from wideseek_env.policy import Turn


@dataclass(frozen=True, slots=True)
class GenerationRequest:
    """A turn that an engine must generate."""

    engine: Engine
    request: Request
    model: str = ""
    """The name of the model if the policy has several. Otherwise ""."""


@dataclass(frozen=True, slots=True)
class FixedReply:
    """The message for a turn that needs no generation."""

    message: Message


class EpisodePolicy(Protocol):
    """The policy of one episode. `Turn.conversation` identifies a conversation."""

    def prepare(self, turn: Turn) -> GenerationRequest | FixedReply:
        """The request or the fixed reply for this turn. A second call for the same turn returns the same."""
        ...

    def accept(self, turn: Turn, generation: Generation) -> Message:
        """Record the tokens of this turn's generation, and return the action for it."""
        ...

    def timed(
        self, conversation: int, turn: int, *, queued: float, generating: float, tools: float, errors: int
    ) -> None:
        """Record the times of a turn in seconds (in queues, generating, in tools), and the number of calls that could
        not run.
        """
        ...

    def records(self, endings: Sequence[tuple[str, str, str]]) -> list[AgentRecord]:
        """The records of all conversations, in order. `endings` has (agent, role, ending) for each of them.

        A conversation without generated tokens has no sequence.
        """
        ...


class TeamPolicy(Protocol):
    """A policy that a driver can use."""

    @property
    def name(self) -> str:
        """The name of the policy in records."""
        ...

    @property
    def engines(self) -> Sequence[Engine]:
        """All engines that the policy uses, each once."""
        ...

    @property
    def records_tokens(self) -> bool:
        """Whether its engines return token ids."""
        ...

    def episode_policy(self, seed: int) -> EpisodePolicy:
        """The policy of one episode. The seed of a request depends on `seed`, the conversation and the turn."""
        ...
