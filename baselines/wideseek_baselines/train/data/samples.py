"""Makes samples from rollouts: chooses the turns that are trained, and sets the advantage and weight of their tokens.

The token ids are those that the engine sampled. Nothing is decoded and encoded again. A rollout stores several turns in
one sequence if the prompt of each turn begins exactly with the sequence so far.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from wideseek_baselines.tokens.record import AgentRecord, Rollout, TurnRecord
from wideseek_baselines.tokens.record import Sequence as TokenSequence
from wideseek_baselines.train.config.options import SelectionOptions
from wideseek_baselines.train.data.loss_weights import Owner, token_weights
from wideseek_baselines.train.data.packing import Sample
from wideseek_env.errors import TrajectoryError
from wideseek_env.messages import ROLES, Role

ENDED = ("answered", "reported")
"""The endings of agents that finished by themselves."""
RAN_OUT = ("out_of_turns", "out_of_context")
REPEATED = 8000
"""A turn with this number of tokens or more that filled the context is taken for endless repetition (WideSeek-R1)."""


@dataclass(frozen=True, slots=True)
class SampleBatch:
    """The samples of a mini-batch, with their rollouts, agents and turns.

    Attributes:
        samples: One sample for each sequence that has a trained token. Its columns are `advantage`, `weight`, `engine`
            (the log-probabilities from the engine), `temperature`, `version` (of the policy that generated the token),
            and `role` (the index of the token's role in `wideseek_env.messages.ROLES`). With ``kl_denominator="turns"``
            there is also `kl_weight`, the weight in the KL term.
        owners: The owner of each sample. `Owner.rollout` is the index of a rollout in the mini-batch, and `Owner.agent`
            is the index of an agent in that rollout.
        turns: The trained turns of each sample.
        dropped_turns: Number of turns that are not trained although their agents are, for example turns of a failed
            episode.
    """

    samples: list[Sample]
    owners: list[Owner]
    turns: list[list[TurnRecord]]
    dropped_turns: int


def rollout_samples(
    rollouts: Sequence[Rollout],
    advantages: ArrayLike,
    options: SelectionOptions,
    planned: int | None = None,
    by_agent: Sequence[ArrayLike] | None = None,
) -> SampleBatch:
    """Make the samples of a mini-batch of rollouts.

    Args:
        rollouts: All rollouts of the mini-batch's tasks.
        advantages: ``[R]``, one for each rollout. All agents and tokens of a rollout share it. A rollout with NaN is
            left out. If tokens need different advantages, set them later with `Sample.with_columns`.
        options: Which roles and turns are trained, and how losses are averaged.
        planned: The number of rollouts that the mini-batch should have, for ``options.loss_denominator="constant"``.
            Default: the rollouts that have trained tokens.
        by_agent: For each rollout ``[A]`` advantages of its agents, which replace that of the rollout.

    Raises:
        ConfigError: `planned` is smaller than the number of rollouts that have trained tokens.
        TrajectoryError: There is not one advantage for each rollout, or the record of a turn does not match its tokens.
    """
    values = np.asarray(advantages, np.float64)
    if values.shape != (len(rollouts),):
        raise TrajectoryError(f"{len(rollouts)} rollouts need {len(rollouts)} advantages, not {values.shape}")
    bare: list[Sample] = []
    owners: list[Owner] = []
    turns: list[list[TurnRecord]] = []
    dropped = 0
    for number, (rollout, advantage) in enumerate(zip(rollouts, values, strict=True)):
        if np.isnan(advantage) or not rollout.trainable:
            continue
        shared = np.full(len(rollout.agents), advantage)
        paid = shared if by_agent is None else np.asarray(by_agent[number], np.float64)
        for place, agent in enumerate(rollout.agents):
            if agent.role not in options.roles:
                continue
            chosen = trained_turns(rollout, agent, options)
            dropped += len(agent.turns) - len(chosen)
            for sequence in agent.sequences:
                here = [turn for turn in sequence.turns if turn.turn in chosen and turn.tokens]
                if here:
                    bare.append(_sample(sequence, here, float(paid[place]), agent.role))
                    owners.append(Owner(rollout.group, number, place))
                    turns.append(here)
    weights = token_weights(owners, [len(sample.places) for sample in bare], options, planned)
    samples = [
        sample.with_columns(weight=np.full(len(sample.places), weight, np.float32))
        for sample, weight in zip(bare, weights, strict=True)
    ]
    if options.kl_denominator == "turns":
        counted = (
            planned
            if options.loss_denominator == "constant" and planned
            else len({o.rollout for o in owners})
        )
        share = counted / max(1, sum(map(len, turns)))
        samples = [
            sample.with_columns(kl_weight=sample.columns["weight"] * np.float32(share)) for sample in samples
        ]
    return SampleBatch(samples, owners, turns, dropped)


def trained_turns(rollout: Rollout, agent: AgentRecord, options: SelectionOptions) -> set[int]:
    """The numbers of an agent's turns that are trained.

    A turn that was not sampled from the full distribution is never trained. The other turns depend on the episode:

    - The episode succeeded: the lead answered with the required columns. Agents that ran out of turns or context are
      left out, because the team earned its reward without them.
    - The episode failed, and `failures` is "failed_turns". Only the turns that failed are trained. These are the turns
      of agents that ran out of turns or context, and the last turn of a lead whose answer was malformed. If some turns
      of an agent that ran out were cut off at the length limit, only those turns are trained.
    - The episode failed, and `failures` is "wideseek_r1". The last turn of a lead whose answer was malformed is
      trained. If the last turn of any agent filled its context and has `REPEATED` tokens or more, such turns are
      trained too. Otherwise all turns of agents that ran out of turns or context are trained. This is
      `credit_assignment` in ``rlinf/agents/wideseek_r1/utils/reward.py`` of RLinf/RLinf.
    """
    usable = {turn.turn for turn in agent.turns if turn.trainable}
    if options.failures == "all":
        return usable
    cut = ran_out(agent)
    if not failed(rollout):
        return set() if cut else usable
    if options.failures == "none":
        return set()
    if cut and options.failures == "wideseek_r1":
        if not any(map(repeated, rollout.agents)):
            return usable
        return usable & {max(turn.turn for turn in agent.turns)} if repeated(agent) else set()
    if cut:
        endless = {turn.turn for turn in agent.turns if turn.finish_reason == "length"}
        return usable & endless if endless else usable
    if agent.role != "subagent" and agent.ending in ENDED and agent.turns:
        return usable & {max(turn.turn for turn in agent.turns)}
    return set()


def ran_out(agent: AgentRecord) -> bool:
    """Whether an agent ended because it ran out of turns or context."""
    return agent.ending in RAN_OUT


def repeated(agent: AgentRecord) -> bool:
    """Whether an agent's last turn filled its context and has `REPEATED` tokens or more."""
    if agent.ending != "out_of_context" or not agent.turns:
        return False
    last = max(agent.turns, key=lambda turn: turn.turn)
    return last.finish_reason == "length" and last.tokens >= REPEATED


def failed(rollout: Rollout) -> bool:
    """Whether an episode failed: it has no answer, or the `well_formed` score of its answer is below 1."""
    return rollout.ending != "answered" or rollout.score.get("well_formed", 1.0) < 1.0


def _sample(sequence: TokenSequence, turns: Sequence[TurnRecord], advantage: float, role: Role) -> Sample:
    """Make one sample. Raises `TrajectoryError` if the numbers of log-probabilities, versions and tokens differ."""
    for turn in turns:
        counted = sum(count for _, count in turn.versions)
        if len(turn.logprobs) != turn.tokens or counted != turn.tokens or turn.stop > len(sequence.ids):
            raise TrajectoryError(
                f"turn {turn.turn} has {turn.tokens} tokens, {len(turn.logprobs)} log-probabilities and "
                f"versions of {counted}: the record is damaged or was written by another version"
            )
    places = np.concatenate([np.arange(turn.start, turn.stop) for turn in turns])
    columns: dict[str, list[float]] = {
        "engine": [value for turn in turns for value in turn.logprobs],
        "temperature": [turn.temperature for turn in turns for _ in range(turn.tokens)],
        "version": [version for turn in turns for version, count in turn.versions for _ in range(count)],
        "advantage": [advantage] * len(places),
        "role": [ROLES.index(role)] * len(places),
    }
    return Sample(
        np.array(sequence.ids, np.int64),
        places,
        {name: np.array(values, np.float32) for name, values in columns.items()},
    )


def by_agent(batch: SampleBatch) -> dict[Owner, list[int]]:
    """The indices of each agent's samples, in the order of the agent's turns."""
    found: dict[Owner, list[int]] = {}
    for number, owner in enumerate(batch.owners):
        found.setdefault(owner, []).append(number)
    for numbers in found.values():
        numbers.sort(key=lambda number: batch.turns[number][0].turn)
    return found


def mini_batches(groups: Sequence[str], tasks: int, random: np.random.Generator) -> list[NDArray[np.int64]]:
    """Divide rollouts into mini-batches in random order. Each mini-batch has all rollouts of `tasks` tasks.

    The size of a mini-batch is a number of tasks, not of turns or sequences. So a mini-batch of wide teams has as much
    weight as one of narrow teams. The last mini-batch may have fewer tasks.

    Args:
        groups: The group of each rollout.
        tasks: Number of tasks in a mini-batch.
        random: The random number generator that decides the order.

    Returns:
        The indices of the rollouts of each mini-batch.
    """
    members: dict[str, list[int]] = {}
    for number, group in enumerate(groups):
        members.setdefault(group, []).append(number)
    names = list(members)
    order = [names[at] for at in random.permutation(len(names))]
    return [
        np.array([number for name in order[at : at + tasks] for number in members[name]], np.int64)
        for at in range(0, len(order), tasks)
    ]


def spans(sample: Sample, turns: Sequence[TurnRecord]) -> Mapping[int, tuple[int, int]]:
    """Where the tokens of each turn are among the trained tokens of a sample: (first, last + 1), by the number of the
    turn.
    """
    firsts = np.searchsorted(sample.places, [turn.start for turn in turns])
    return {
        turn.turn: (int(first), int(first) + turn.tokens) for turn, first in zip(turns, firsts, strict=True)
    }
