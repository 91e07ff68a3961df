"""From rollouts to samples: which turns are trained, with which advantage and weight.

Token ids are used as they were sampled; nothing is decoded or encoded again. A rollout has already joined turns into
one sequence if each turn's prompt begins exactly with the sequence so far.
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

ENDED = ("answered", "reported")
"""Endings of agents that finished by themselves."""
_CUT = ("out_of_turns", "out_of_context")


@dataclass(frozen=True, slots=True)
class SampleBatch:
    """The samples of a mini-batch, and where they come from.

    Attributes:
        samples: One for each sequence with a trained token. Columns: `advantage`, `weight`, `engine` (the engine's
            log-probabilities), `temperature`, `version` (of the policy that generated the token).
        owners: Of each sample. `Owner.rollout` and `Owner.agent` are indices into the given rollouts.
        turns: Of each sample, its trained turns.
        dropped_turns: Turns of the selected agents that are not trained, for example those of a failed episode.
    """

    samples: list[Sample]
    owners: list[Owner]
    turns: list[list[TurnRecord]]
    dropped_turns: int


def rollout_samples(
    rollouts: Sequence[Rollout], advantages: ArrayLike, options: SelectionOptions
) -> SampleBatch:
    """The samples of a mini-batch of rollouts.

    Args:
        rollouts: All rollouts of the mini-batch's tasks.
        advantages: ``[R]``, shared by all agents and tokens of a rollout; NaN leaves the rollout out. Advantages that
            differ between tokens are set afterwards with `Sample.with_columns`.
        options: Roles, failed episodes, and order of averages.

    Raises:
        TrajectoryError: The number of advantages differs, or a record does not fit its tokens.
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
        for place, agent in enumerate(rollout.agents):
            if agent.role not in options.roles:
                continue
            chosen = trained_turns(rollout, agent, options)
            dropped += len(agent.turns) - len(chosen)
            for sequence in agent.sequences:
                here = [turn for turn in sequence.turns if turn.turn in chosen and turn.tokens]
                if here:
                    bare.append(_sample(sequence, here, float(advantage)))
                    owners.append(Owner(rollout.group, number, place))
                    turns.append(here)
    weights = token_weights(owners, [len(sample.places) for sample in bare], options)
    samples = [
        sample.with_columns(weight=np.full(len(sample.places), weight, np.float32))
        for sample, weight in zip(bare, weights, strict=True)
    ]
    return SampleBatch(samples, owners, turns, dropped)


def trained_turns(rollout: Rollout, agent: AgentRecord, options: SelectionOptions) -> set[int]:
    """The numbers of an agent's turns that are trained.

    A turn that was not sampled from the full distribution is never trained. The rest depends on the episode:

    - It succeeded (the lead answered with the required columns): agents that ran out of turns or context are left out,
      because the reward was earned without them.
    - It failed, and `failures` is "failed_turns" (as published): only what failed is trained. These are the turns of
      agents that ran out of turns or context, and the last turn of a lead whose answer was malformed. If an agent that
      ran out has turns cut off at the length limit, only those are trained.
    """
    usable = {turn.turn for turn in agent.turns if turn.trainable}
    if options.failures == "all":
        return usable
    cut = agent.ending in _CUT
    if not failed(rollout):
        return set() if cut else usable
    if options.failures == "none":
        return set()
    if cut:
        endless = {turn.turn for turn in agent.turns if turn.finish_reason == "length"}
        return usable & endless if endless else usable
    if agent.role != "subagent" and agent.ending in ENDED and agent.turns:
        return usable & {max(turn.turn for turn in agent.turns)}
    return set()


def failed(rollout: Rollout) -> bool:
    """Whether an episode has no answer, or one whose `well_formed` score is below 1."""
    return rollout.ending != "answered" or rollout.score.get("well_formed", 1.0) < 1.0


def _sample(sequence: TokenSequence, turns: Sequence[TurnRecord], advantage: float) -> Sample:
    """One sample; `TrajectoryError` if log-probabilities or versions do not fit the tokens."""
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
    }
    return Sample(
        np.array(sequence.ids, np.int64),
        places,
        {name: np.array(values, np.float32) for name, values in columns.items()},
    )


def by_agent(batch: SampleBatch) -> dict[Owner, list[int]]:
    """The numbers of each agent's samples in the order of its turns, for advantages over an agent's steps."""
    found: dict[Owner, list[int]] = {}
    for number, owner in enumerate(batch.owners):
        found.setdefault(owner, []).append(number)
    for numbers in found.values():
        numbers.sort(key=lambda number: batch.turns[number][0].turn)
    return found


def mini_batches(groups: Sequence[str], tasks: int, random: np.random.Generator) -> list[NDArray[np.int64]]:
    """Divide rollouts into mini-batches of `tasks` tasks each, in random order. Rollouts of a task stay together.

    Mini-batches count tasks, not turns or sequences, so wide teams do not make a step larger. The last mini-batch may
    have fewer tasks.

    Args:
        groups: The group of each rollout.
        tasks: Tasks of a mini-batch.
        random: The source of the order.

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
    """The range of each trained turn's tokens among the sample's trained tokens, by the number of the turn."""
    firsts = np.searchsorted(sample.places, [turn.start for turn in turns])
    return {
        turn.turn: (int(first), int(first) + turn.tokens) for turn, first in zip(turns, firsts, strict=True)
    }
