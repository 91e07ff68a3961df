"""The weight of each trained token in the loss.

The loss of a mini-batch is the sum of ``weight × loss`` over its tokens. The weights contain all averages over tasks,
rollouts, agents and tokens. So the loss does not depend on how sequences are packed or spread over processes. The
weights of a mini-batch sum to the share of its rollouts that are trained. With ``loss_denominator="trained"`` they sum
to 1. With ``loss_aggregation="constant"`` these sums are multiplied by the mean number of trained tokens of a rollout
over `loss_tokens`.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Hashable, Sequence
from typing import NamedTuple

from wideseek_baselines.train.config.options import SelectionOptions
from wideseek_env.errors import ConfigError


class Owner(NamedTuple):
    """The owner of a sample: the group, the rollout in the group, and the agent in the rollout."""

    group: Hashable
    rollout: int
    agent: int


def token_weights(
    owners: Sequence[Owner], tokens: Sequence[int], options: SelectionOptions, planned: int | None = None
) -> list[float]:
    """Compute the weight that each trained token of each sequence has in the loss.

    Args:
        owners: The owner of each sequence. If an agent owns several sequences, its average is over the tokens of all of
            them.
        tokens: The number of trained tokens of each sequence.
        options: `loss_aggregation` and `loss_denominator` decide how losses are averaged.
        planned: The number of rollouts that the mini-batch should have. Default: the rollouts that have trained tokens.

    Returns:
        One weight for each sequence. All its trained tokens have this weight. It is 0 for a sequence without trained
        tokens.

    Raises:
        ConfigError: The arguments differ in length, or `planned` is too small.
    """
    if len(owners) != len(tokens):
        raise ConfigError("owners and tokens must be equally long")
    by_agent: Counter[Owner] = Counter()
    for owner, count in zip(owners, tokens, strict=True):
        if count:
            by_agent[owner] += count
    total = sum(by_agent.values())
    by_rollout: Counter[tuple[Hashable, int]] = Counter()
    agents: Counter[tuple[Hashable, int]] = Counter()
    for owner, count in by_agent.items():
        by_rollout[owner.group, owner.rollout] += count
        agents[owner.group, owner.rollout] += 1
    rollouts: Counter[Hashable] = Counter(key[0] for key in by_rollout)
    if options.loss_denominator == "trained":
        planned = None
    if planned is not None and planned < len(by_rollout):
        raise ConfigError(
            f"loss_denominator=constant needs the planned number of rollouts, at least {len(by_rollout)}, not {planned}"
        )
    weights: list[float] = []
    for owner, count in zip(owners, tokens, strict=True):
        if not count:
            weights.append(0.0)
            continue
        if options.loss_aggregation == "token":
            weights.append((len(by_rollout) / planned if planned else 1.0) / total)
            continue
        rollout = (owner.group, owner.rollout)
        one = 1.0 / (planned or len(rollouts) * rollouts[owner.group])
        if options.loss_aggregation == "constant":
            weights.append(one / options.loss_tokens)
        elif options.loss_aggregation == "agent":
            weights.append(one / (agents[rollout] * by_agent[owner]))
        else:
            weights.append(one / by_rollout[rollout])
    return weights
