"""From rollouts to examples: which turns are trained, with which advantage and weight.

Ids go in as they were sampled; nothing is decoded or encoded. A sequence is one that the rollout already joined from
turns because each was an exact prefix of the next.
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
"""Endings of agents that came to an end by themselves."""
_CUT = ("out_of_turns", "out_of_context")


@dataclass(frozen=True, slots=True)
class Samples:
    """The examples of a mini-batch with what they come from.

    Attributes:
        examples: One for each sequence with a trained token. Columns: `advantage`, `weight`, `engine` (the
            engine's log-probabilities), `temperature`, `version` (of the policy that made the token).
        owners: Of each example; `Owner.rollout` and `Owner.agent` index into the rollouts given.
        turns: Of each example, the trained turns in it.
        dropped_turns: Turns of chosen agents that are not trained (drawn with top-p, say, or of a failed episode).
    """

    examples: list[Sample]
    owners: list[Owner]
    turns: list[list[TurnRecord]]
    dropped_turns: int


def rollout_samples(rollouts: Sequence[Rollout], advantages: ArrayLike, options: SelectionOptions) -> Samples:
    """The examples of a mini-batch of rollouts.

    Args:
        rollouts: All rollouts of the mini-batch's tasks.
        advantages: One for each rollout, shared by all its agents and tokens; NaN leaves the rollout out. Advantages
            that differ from token to token are put in afterwards with `Sample.with_columns`.
        options: Roles, failed episodes, averaging.
    """
    values = np.asarray(advantages, np.float64)
    if values.shape != (len(rollouts),):
        raise TrajectoryError(f"{len(rollouts)} rollouts need as many advantages, not {values.shape}")
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
                    bare.append(_example(sequence, here, float(advantage)))
                    owners.append(Owner(rollout.group, number, place))
                    turns.append(here)
    weights = token_weights(owners, [len(example.places) for example in bare], options)
    examples = [
        example.with_columns(weight=np.full(len(example.places), weight, np.float32))
        for example, weight in zip(bare, weights, strict=True)
    ]
    return Samples(examples, owners, turns, dropped)


def trained_turns(rollout: Rollout, agent: AgentRecord, options: SelectionOptions) -> set[int]:
    """The numbers of an agent's turns that are trained.

    A turn that was not drawn from the whole distribution never is. In an episode that succeeded (the lead answered,
    and with a table that has the required columns), agents that ran out of turns or context are left out: the reward
    was earned without them. In a failed episode only what failed is trained, as in the published system: the turns of
    every agent that ran out of turns or context, and the last turn of a lead whose answer was malformed. There, a
    turn that was itself cut off for its length takes all the blame of its agent.
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
    """Whether an episode has no well-formed answer: none at all, or one whose `well_formed` score says so."""
    return rollout.ending != "answered" or rollout.score.get("well_formed", 1.0) < 1.0


def _example(sequence: TokenSequence, turns: Sequence[TurnRecord], advantage: float) -> Sample:
    """One example; `TrajectoryError` where log-probabilities or versions do not fit the tokens."""
    for turn in turns:
        counted = sum(count for _, count in turn.versions)
        if len(turn.logprobs) != turn.tokens or counted != turn.tokens or turn.stop > len(sequence.ids):
            raise TrajectoryError(
                f"turn {turn.turn} has {turn.tokens} tokens, {len(turn.logprobs)} log-probabilities and "
                f"versions of {counted}: was it recorded by another version?"
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


def by_agent(samples: Samples) -> dict[Owner, list[int]]:
    """The examples of each agent, in the order of its turns; for advantages over an agent's steps."""
    found: dict[Owner, list[int]] = {}
    for number, owner in enumerate(samples.owners):
        found.setdefault(owner, []).append(number)
    for numbers in found.values():
        numbers.sort(key=lambda number: samples.turns[number][0].turn)
    return found


def mini_batches(groups: Sequence[str], tasks: int, random: np.random.Generator) -> list[NDArray[np.int64]]:
    """Rollouts in mini-batches of `tasks` tasks each, all rollouts of a task together, in random order.

    Counted in tasks and not in turns or sequences, so that a step means the same however wide the teams are. A last
    mini-batch may have fewer tasks.
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


def spans(example: Sample, turns: Sequence[TurnRecord]) -> Mapping[int, tuple[int, int]]:
    """For each trained turn, by its number, where its tokens are among the example's trained tokens."""
    firsts = np.searchsorted(example.places, [turn.start for turn in turns])
    return {
        turn.turn: (int(first), int(first) + turn.tokens) for turn, first in zip(turns, firsts, strict=True)
    }
