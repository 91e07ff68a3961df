"""The record of an episode for training: the token ids of every agent, and which of the ids were sampled.

A `Rollout` is one episode. Each of its conversations is an `AgentRecord` with one or more `Sequence`s of ids. If the
chat template only appends to the conversation, there is one sequence. If the template changes earlier turns, there may
be one sequence for each turn. The `turns` of a sequence are the parts that the model generated. All other ids are
prompts and tool results, which are never trained on.
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
    """One generated turn: the ids ``sequence.ids[start:stop]``, with the end-of-turn token if it was sampled."""

    turn: int
    """The number of the agent's turn, from 0."""
    start: int
    stop: int
    logprobs: list[float]
    """Log-probabilities of the ids of this turn in the engine's distribution, in nats, one for each id."""
    versions: tuple[tuple[int, int], ...]
    """Which versions of the policy generated the tokens: pairs (policy version, number of tokens), in order."""
    finish_reason: str
    """"stop" or "length"."""
    temperature: float = 1.0
    trainable: bool = True
    """False if tokens were sampled with top-p, top-k or temperature 0."""
    errors: int = 0
    """The number of calls of this turn that could not run: malformed calls, unknown or forbidden tools, too many
    calls."""
    cached_tokens: int = 0
    queued: float = 0.0
    """Seconds that the request waited in the queues of the driver and the engine."""
    generating: float = 0.0
    """Seconds that the generation took."""
    tools: float = 0.0
    """Seconds from the end of the generation until all results and reports of this turn had arrived."""

    @property
    def tokens(self) -> int:
        """The number of generated tokens."""
        return self.stop - self.start


@dataclass(frozen=True, slots=True)
class Sequence:
    """Token ids as the engine read and sampled them, and the turns in them."""

    ids: list[int]
    turns: list[TurnRecord]

    @property
    def mask(self) -> list[bool]:
        """For every id, whether it was generated."""
        mask = [False] * len(self.ids)
        for turn in self.turns:
            mask[turn.start : turn.stop] = [True] * turn.tokens
        return mask


@dataclass(frozen=True, slots=True)
class AgentRecord:
    """The record of one conversation. `conversation` is its number in the trajectory."""

    agent: str
    role: Role
    conversation: int
    ending: str
    sequences: list[Sequence]
    model: str = ""
    """The name of the model that generated the turns, if the team has several models. Otherwise ""."""
    credit: float | None = None
    """What the conversation earned, if the game has another `credit` than "team". None means the team's reward."""
    clocks: tuple[int, ...] = ()
    """The position of each turn on the logical time line of the episode, in turns, by the number of the turn. Every
    turn on which a turn depends has a lower number. Empty in records of earlier versions."""

    @property
    def turns(self) -> list[TurnRecord]:
        """The turns of all sequences, in order."""
        return [turn for sequence in self.sequences for turn in sequence.turns]

    @property
    def tokens(self) -> int:
        """The number of generated tokens."""
        return sum(turn.tokens for turn in self.turns)


@dataclass(frozen=True, slots=True)
class Rollout:
    """One episode for training. Rollouts of the same `group` have the same task. Training compares their rewards.

    `trainable` is False in two cases. In the first, an engine returned no token ids. In the second, a failure of the
    system ended the episode, so the reward says nothing about the model.
    """

    task_id: str
    group: str
    trial: int
    seed: int
    agents: list[AgentRecord]
    reward: float
    parts: Mapping[str, float]
    score: Mapping[str, float]
    """The score: item_f1, item_precision, item_recall, row_f1, success and well_formed (1 for an answer with all
    columns).
    """
    ending: str
    """How the lead or the single agent ended: one of the values of `wideseek_env.conversation.Ending`."""
    trainable: bool = True
    error: str = ""
    """The error that failed the episode, or ""."""
    seconds: float = 0.0
    meta: Mapping[str, Any] = field(default_factory=dict)

    def credit(self, agent: AgentRecord) -> float:
        """What an agent of this rollout earned."""
        return self.reward if agent.credit is None else agent.credit

    @property
    def tokens(self) -> int:
        """The number of tokens that the team generated."""
        return sum(agent.tokens for agent in self.agents)

    def to_dict(self) -> dict[str, Any]:
        """The rollout as values that JSON can store. `from_dict` reads them."""
        record = {"format": FORMAT, **dataclasses.asdict(self)}
        for agent in record["agents"]:
            if agent["credit"] is None:
                del agent["credit"]
        return record

    @classmethod
    def from_dict(cls, record: Mapping[str, Any]) -> Rollout:
        """Read a rollout from JSON values of `to_dict`. Raises `TrajectoryError` if something is missing or wrong."""
        if record.get("format") != FORMAT:
            raise TrajectoryError(
                f"rollout format {record.get('format')!r} cannot be read by this version, which writes {FORMAT}: "
                "read it with the version that wrote it"
            )
        try:
            agents = [
                AgentRecord(
                    **{
                        **agent,
                        "clocks": tuple(map(int, agent.get("clocks") or ())),
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
