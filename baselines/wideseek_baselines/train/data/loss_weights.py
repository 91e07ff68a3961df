"""How much each trained token counts: one number a token, so that packing cannot change a loss.

The loss of a mini-batch is the plain sum of ``weight × loss`` over its tokens. Averages over tasks, rollouts, agents
and tokens are all in the weights, which sum to 1 over the mini-batch whatever rows the tokens are packed into.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Hashable, Sequence
from typing import NamedTuple

from wideseek_baselines.train.config.options import SelectionOptions
from wideseek_env.errors import ConfigError


class Owner(NamedTuple):
    """Whose tokens they are: an agent of a rollout of a group."""

    group: Hashable
    rollout: int
    agent: int


def token_weights(owners: Sequence[Owner], tokens: Sequence[int], options: SelectionOptions) -> list[float]:
    """The weight of each token of each sequence.

    Args:
        owners: Of each sequence; an agent with several sequences owns them all, and its average is over their
            tokens together.
        tokens: Trained tokens of each sequence.
        options: `loss_aggregation` says over what is averaged in which order; see `SelectionOptions`.

    Returns:
        For each sequence the weight of each of its trained tokens; 0 for one without any.
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
    weights: list[float] = []
    for owner, count in zip(owners, tokens, strict=True):
        if not count:
            weights.append(0.0)
            continue
        if options.loss_aggregation == "token":
            weights.append(1.0 / total)
            continue
        rollout = (owner.group, owner.rollout)
        one = 1.0 / (len(rollouts) * rollouts[owner.group])
        if options.loss_aggregation == "agent":
            weights.append(one / (agents[rollout] * by_agent[owner]))
        else:
            weights.append(one / by_rollout[rollout])
    return weights
