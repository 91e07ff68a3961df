"""The interface between policies that use models and drivers (lock-step or asynchronous).

A `TeamPolicy` makes an `EpisodePolicy` for every episode. For each turn, a driver calls `prepare` of the episode
policy. The result is a request for an engine or, if a budget is used up, a fixed message. The driver sends the request
to the engine. It passes the engine's `Generation` to `accept` and gets the agent's message. The episode policy keeps
the token ids of all its conversations. Its methods never wait.
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
    """A message for a turn for which no engine is needed."""

    message: Message


class EpisodePolicy(Protocol):
    """The policy of one episode. `Turn.conversation` is the number of the conversation."""

    def prepare(self, turn: Turn) -> GenerationRequest | FixedReply:
        """The request or the fixed reply for this turn. A second call for the same turn returns the same result."""
        ...

    def accept(self, turn: Turn, generation: Generation) -> Message:
        """Record the tokens of this turn's generation, and return the agent's message."""
        ...

    def timed(
        self, conversation: int, turn: int, *, queued: float, generating: float, tools: float, errors: int
    ) -> None:
        """Record how many seconds a turn spent in queues, in the generation and in tools. `errors` is the number of
        calls that could not run.
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
        """All engines that the policy uses, without duplicates."""
        ...

    @property
    def records_tokens(self) -> bool:
        """Whether the engines of the policy return token ids."""
        ...

    def episode_policy(self, seed: int) -> EpisodePolicy:
        """Make the policy of one episode. The seed of each request depends on `seed`, the conversation and the turn."""
        ...
