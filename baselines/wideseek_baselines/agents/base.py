"""The seam between what decides (a model with its prompts and budgets) and what drives (lock-step or asynchronous).

A `TeamPolicy` makes an `EpisodePolicy` for every episode. A driver asks the episode policy what to do with a turn. The
answer is a `Request` for an engine or, when a budget is spent, an action. The driver hands back the engine's
`Generation` and gets the action for it. The episode policy keeps the token ids of all its conversations. Nothing in it
waits.
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
    """A turn that an engine has to generate."""

    engine: Engine
    request: Request
    model: str = ""
    """The name of the model among several; "" where there is one."""


@dataclass(frozen=True, slots=True)
class FixedReply:
    """A turn that is settled without generating: the message to play."""

    message: Message


class EpisodePolicy(Protocol):
    """One episode as the policy sees it. Conversations are told apart by `Turn.conversation`."""

    def prepare(self, turn: Turn) -> GenerationRequest | FixedReply:
        """What to do with this turn. Calling it again for the same turn gives the same."""
        ...

    def accept(self, turn: Turn, generation: Generation) -> Message:
        """The action that the generation of this turn amounts to; records its tokens."""
        ...

    def timed(
        self, conversation: int, turn: int, *, queued: float, generating: float, tools: float, errors: int
    ) -> None:
        """Tell how a turn went: seconds in queues, generating and in tools, and calls that could not be run."""
        ...

    def records(self, endings: Sequence[tuple[str, str, str]]) -> list[AgentRecord]:
        """All conversations in order; `endings` has (agent, role, ending) for each. Empty ones have no sequence."""
        ...


class TeamPolicy(Protocol):
    """A policy that a driver can play with."""

    @property
    def name(self) -> str:
        """What the policy is called in records."""
        ...

    @property
    def engines(self) -> Sequence[Engine]:
        """Every engine it uses, once."""
        ...

    @property
    def records_tokens(self) -> bool:
        """Whether its engines show token ids."""
        ...

    def episode_policy(self, seed: int) -> EpisodePolicy:
        """The policy of one episode; requests' seeds derive from `seed`, the conversation and the turn."""
        ...
