"""What a critic reads before every turn: the agent's conversation, or the joint state of the whole team.

The joint state before a turn is the agent's conversation up to this turn, and all messages of the other agents with an
earlier clock. The clock is the position of a turn on the logical time line of the episode. A message that an agent
reads has the clock of the turn before it. The joint state depends only on clocks, and not on the order in which turns
really happened. So the lock-step driver and the asynchronous driver lead to the same critic inputs.

Everything that depends on a turn has a later clock, because the lead starts subagents after its turn and reads reports
after their turns. So the joint state tells nothing about the turn itself. It contains only ids that agents read or
wrote, so it never contains the gold table.

The messages of the others come between the agent's turns, so one sequence is enough for all turns of an agent. Its
beginning is the joint state of earlier turns, and the critic computes it once. A joint state that is too long for the
critic gets a separate sequence. It then has the agent's whole conversation, and those messages of the others for which
there is room: first the newest reports, then the newest other messages.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from wideseek_baselines.tokens.record import AgentRecord, Rollout, TurnRecord
from wideseek_baselines.train.data.packing import Sample
from wideseek_baselines.train.data.samples import SampleBatch
from wideseek_env.errors import TrajectoryError

Ids = NDArray[np.int64]
Floats = NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class CriticInputs:
    """The samples that a critic reads, and where their trained tokens are among those of the policy's samples.

    Attributes:
        samples: The samples without columns. A sample of the policy may have several of them.
        parts: For each sample, the number of the policy's sample, and the first and the last + 1 of the sample's
            trained tokens there. The parts of a sample of the policy are in order and cover all of its tokens.
    """

    samples: list[Sample]
    parts: list[tuple[int, int, int]]

    def with_columns(self, columns: Sequence[Mapping[str, Floats]]) -> list[Sample]:
        """The samples with the columns of the policy's samples."""
        return [
            sample.with_columns(
                **{name: values[first:last] for name, values in columns[number].items()},
            )
            for sample, (number, first, last) in zip(self.samples, self.parts, strict=True)
        ]

    def collected(self, values: Sequence[Floats], count: int) -> list[Floats]:
        """One array for each of the policy's `count` samples, from one array for each sample of the critic."""
        found: list[list[Floats]] = [[] for _ in range(count)]
        for (number, _, _), part in zip(self.parts, values, strict=True):
            found[number].append(part)
        return [np.concatenate(parts) for parts in found]


def own_inputs(batch: SampleBatch) -> CriticInputs:
    """The critic reads what the policy reads."""
    return CriticInputs(
        [Sample(sample.ids, sample.places) for sample in batch.samples],
        [(number, 0, len(sample.places)) for number, sample in enumerate(batch.samples)],
    )


def joint_inputs(batch: SampleBatch, rollouts: Sequence[Rollout], context: int) -> CriticInputs:
    """The critic reads the joint state.

    Args:
        batch: The policy's samples.
        rollouts: The rollouts of the batch.
        context: Largest number of tokens of a joint state with its turn. The agent's conversation is never cut.

    Raises:
        TrajectoryError: A rollout has no clocks, because an earlier version recorded it.
    """
    messages: dict[int, list[Message]] = {}
    samples: list[Sample] = []
    parts: list[tuple[int, int, int]] = []
    for number, (sample, owner, turns) in enumerate(
        zip(batch.samples, batch.owners, batch.turns, strict=True)
    ):
        rollout = rollouts[owner.rollout]
        if owner.rollout not in messages:
            messages[owner.rollout] = team_messages(rollout)
        others = of_others(messages[owner.rollout], rollout.agents, owner.agent)
        for made, first, last in _joint(
            sample.ids, turns, rollout.agents[owner.agent].clocks, others, context
        ):
            samples.append(made)
            parts.append((number, first, last))
    return CriticInputs(samples, parts)


@dataclass(frozen=True, slots=True)
class Message:
    """New ids of one conversation: what the agent read before a turn, or what it wrote in the turn.

    Attributes:
        clock: The turn's clock for ids that the agent wrote. The clock of the turn before for ids that it read.
        agent: The number of the conversation.
        ids: The ids.
        opening: How many of the first ids are the system prompt that all agents of the role share. Only the first
            message of a conversation has one.
        report: Whether it is the last message of a subagent that reported.
    """

    clock: int
    agent: int
    ids: Ids
    opening: int = 0
    report: bool = False


def team_messages(rollout: Rollout) -> list[Message]:
    """All messages of an episode by clock. Messages with the same clock are in the order of conversations.

    If a chat template changes earlier turns, a message that an agent read begins where its prompt differs from what
    the agent read and wrote before.

    Raises:
        TrajectoryError: The rollout has no clocks.
    """
    openings = _openings(rollout.agents)
    found: list[Message] = []
    for place, agent in enumerate(rollout.agents):
        seen: Ids = np.zeros(0, np.int64)
        last = max((turn.turn for turn in agent.turns), default=-1)
        for sequence in agent.sequences:
            ids = np.asarray(sequence.ids, np.int64)
            for turn in sequence.turns:
                if turn.turn >= len(agent.clocks):
                    raise TrajectoryError(
                        f"turn {turn.turn} of {agent.agent} has no clock, because an earlier version recorded this "
                        "rollout: record it again, or set value.view=own"
                    )
                clock = agent.clocks[turn.turn]
                prompt = ids[: turn.start]
                opening = openings.get(agent.role, 0) if not len(seen) else 0
                found.append(Message(clock - 1, place, prompt[_common(prompt, seen) :], opening))
                reported = agent.ending == "reported" and turn.turn == last
                found.append(Message(clock, place, ids[turn.start : turn.stop], report=reported))
                seen = ids[: turn.stop]
    return sorted(found, key=lambda message: (message.clock, message.agent))


def of_others(messages: Iterable[Message], agents: Sequence[AgentRecord], own: int) -> list[Message]:
    """The messages of all agents except one. The system prompt of a role is left out where an agent of that role
    already has it.
    """
    known = {agents[own].role}
    found: list[Message] = []
    for message in messages:
        if message.agent == own:
            continue
        if message.opening:
            role = agents[message.agent].role
            if role in known:
                message = Message(message.clock, message.agent, message.ids[message.opening :])
            known.add(role)
        found.append(message)
    return found


def _joint(
    own: Ids, turns: Sequence[TurnRecord], clocks: Sequence[int], others: Sequence[Message], context: int
) -> list[tuple[Sample, int, int]]:
    """The samples for the trained turns of one sequence. Each has the first and the last + 1 of its trained tokens."""
    pieces: list[Ids] = []
    places: list[Ids] = []
    found: list[tuple[Sample, int, int]] = []
    size = taken = cursor = first = done = 0
    for turn in turns:
        earlier = taken
        while earlier < len(others) and others[earlier].clock < clocks[turn.turn]:
            earlier += 1
        new = [message.ids for message in others[taken:earlier]]
        grown = size + sum(map(len, new)) + turn.stop - cursor
        last = done + turn.tokens
        if grown <= context or not earlier:
            pieces += [*new, own[cursor : turn.stop]]
            size, taken, cursor = grown, earlier, turn.stop
            places.append(np.arange(size - turn.tokens, size))
        else:
            if places:
                found.append((Sample(np.concatenate(pieces), np.concatenate(places)), first, done))
                pieces, places = [], []
            size = context + 1  # the joint states of later turns are longer still
            chosen = [message.ids for message in _newest(others[:earlier], context - turn.stop)]
            ids = np.concatenate([*chosen, own[: turn.stop]])
            found.append((Sample(ids, np.arange(len(ids) - turn.tokens, len(ids))), done, last))
        done = last
        if not places:
            first = done
    if places:
        found.append((Sample(np.concatenate(pieces), np.concatenate(places)), first, done))
    return found


def _newest(messages: Sequence[Message], room: int) -> list[Message]:
    """Messages that have room together, in their order: the newest reports first, then the newest other messages.

    A message that is too long for the rest of the room is left out, and older ones may take its place.
    """
    chosen: list[int] = []
    for reports in (True, False):
        for at in range(len(messages) - 1, -1, -1):
            if messages[at].report == reports and len(messages[at].ids) <= room:
                chosen.append(at)
                room -= len(messages[at].ids)
    return [messages[at] for at in sorted(chosen)]


def _openings(agents: Sequence[AgentRecord]) -> dict[str, int]:
    """For each role, the number of ids of the system prompt, if all agents of the role begin with the same one.

    The system prompt ends with the first id that also ends a generated turn. It is 0 where there is no such id.
    """
    prompts: dict[str, list[Sequence[int]]] = {}
    ends: set[int] = set()
    for agent in agents:
        for sequence in agent.sequences:
            ends |= {sequence.ids[turn.stop - 1] for turn in sequence.turns if turn.finish_reason == "stop"}
        if agent.sequences and agent.sequences[0].turns:
            first = agent.sequences[0]
            prompts.setdefault(agent.role, []).append(first.ids[: first.turns[0].start])
    found: dict[str, int] = {}
    for role, each in prompts.items():
        length = next((at + 1 for at, token in enumerate(each[0]) if token in ends), 0)
        same = all(list(prompt[:length]) == list(each[0][:length]) for prompt in each)
        found[role] = length if same else 0
    return found


def _common(one: Ids, other: Ids) -> int:
    """The number of first ids that are the same."""
    size = min(len(one), len(other))
    different = np.flatnonzero(one[:size] != other[:size])
    return int(different[0]) if len(different) else size
