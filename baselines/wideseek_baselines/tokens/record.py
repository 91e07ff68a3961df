"""What an episode leaves for training: the token ids of every agent, which of them were sampled, and how.

A `Rollout` is one episode. Each of its conversations (`AgentRecord`) has one or more `Sequence`s of ids: a single one
that grew from turn to turn where the chat template only ever appends, else one a turn. A sequence's `turns` mark the
spans that the model generated; everything else in `ids` is prompt and tool results and is never trained on.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from wideseek_env.errors import TrajectoryError
from wideseek_env.messages import Role

FORMAT = 1


@dataclass(frozen=True, slots=True)
class TurnRecord:
    """One generated turn: ``sequence.ids[start:stop]``, the end-of-turn token included if it was sampled."""

    turn: int
    """Of the agent, from 0."""
    start: int
    stop: int
    logprobs: list[float]
    """Of the sampled ids under the engine's distribution, in nats; as long as the span."""
    versions: tuple[tuple[int, int], ...]
    """(policy version, number of tokens) in order."""
    finish_reason: str
    """"stop" or "length"."""
    temperature: float = 1.0
    trainable: bool = True
    """False where tokens were drawn with top-p, top-k or temperature 0."""
    errors: int = 0
    """Calls of this turn that could not be run (malformed, unknown or forbidden tool, too many)."""
    cached_tokens: int = 0
    queued: float = 0.0
    """Seconds in the driver's and the engine's queue."""
    generating: float = 0.0
    """Seconds of generation."""
    tools: float = 0.0
    """Seconds until all results and reports of this turn were in."""

    @property
    def tokens(self) -> int:
        """Number of generated tokens."""
        return self.stop - self.start


@dataclass(frozen=True, slots=True)
class Sequence:
    """Token ids as the engine saw them, and the turns in them."""

    ids: list[int]
    turns: list[TurnRecord]

    @property
    def mask(self) -> list[bool]:
        """For every id whether it was generated."""
        mask = [False] * len(self.ids)
        for turn in self.turns:
            mask[turn.start : turn.stop] = [True] * turn.tokens
        return mask


@dataclass(frozen=True, slots=True)
class AgentRecord:
    """One conversation. `conversation` is its number in the trajectory."""

    agent: str
    role: Role
    conversation: int
    ending: str
    sequences: list[Sequence]
    model: str = ""
    """Which of several models played it; "" where there is one."""

    @property
    def turns(self) -> list[TurnRecord]:
        """The turns of all sequences, in order."""
        return [turn for sequence in self.sequences for turn in sequence.turns]

    @property
    def tokens(self) -> int:
        """Number of generated tokens."""
        return sum(turn.tokens for turn in self.turns)


@dataclass(frozen=True, slots=True)
class Rollout:
    """One episode, ready to be trained on. Rollouts of one `group` answer the same task and are compared.

    `trainable` is False when an engine gave no token ids, or when the episode was cut short by a failure of the
    system (not of the model); such an episode has no fair reward.
    """

    task_id: str
    group: str
    trial: int
    seed: int
    agents: list[AgentRecord]
    reward: float
    parts: Mapping[str, float]
    score: Mapping[str, float]
    """item_f1, item_precision, item_recall, row_f1, success, and well_formed: 1 for an answer with all columns."""
    ending: str
    """How the lead (or single agent) ended: see `wideseek_env.conversation.Ending`."""
    trainable: bool = True
    error: str = ""
    """What failed, where something did."""
    seconds: float = 0.0
    meta: Mapping[str, Any] = field(default_factory=dict)

    @property
    def tokens(self) -> int:
        """Number of generated tokens of the team."""
        return sum(agent.tokens for agent in self.agents)

    def to_dict(self) -> dict[str, Any]:
        """The record as JSON values; the inverse of `from_dict`."""
        return {"format": FORMAT, **dataclasses.asdict(self)}

    @classmethod
    def from_dict(cls, record: Mapping[str, Any]) -> Rollout:
        """Read a record; `TrajectoryError` says what is missing or wrong."""
        if record.get("format") != FORMAT:
            raise TrajectoryError(
                f"rollout format {record.get('format')!r} cannot be read by this version, which writes {FORMAT}"
            )
        try:
            agents = [
                AgentRecord(
                    **{
                        **agent,
                        "sequences": [
                            Sequence(list(s["ids"]), [_turn(turn) for turn in s["turns"]])
                            for s in agent["sequences"]
                        ],
                    }
                )
                for agent in record["agents"]
            ]
            values = {key: value for key, value in record.items() if key != "format"}
            return cls(**{**values, "agents": agents})
        except (KeyError, TypeError, ValueError) as error:
            raise TrajectoryError(f"not a rollout: {type(error).__name__} {error}") from error


def _turn(record: Mapping[str, Any]) -> TurnRecord:
    versions = tuple((int(version), int(count)) for version, count in record["versions"])
    return TurnRecord(**{**record, "versions": versions})
