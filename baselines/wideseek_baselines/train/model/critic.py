"""Critics estimate the reward that a team will get, before every turn or before every token.

The shared critic is a value head on the policy's hidden states. The separate critic is a second model, so it may read
more than the policy does. With ``view="team"`` it first reads the lead's conversation up to and including the first
delegation, and then the subagent's conversation. So it knows the question and how the lead divided the work.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, cast

import numpy as np
import torch
from torch import Tensor, nn

from wideseek_baselines.tokens.record import Rollout
from wideseek_baselines.train.data.packing import PackedSequence, Sample
from wideseek_baselines.train.data.samples import SampleBatch
from wideseek_baselines.train.model.model import states_of

if TYPE_CHECKING:
    from transformers import PreTrainedModel


class ValueHead(nn.Module):
    """A linear layer that computes one value for each hidden state.

    At the beginning all values are 0, so the first advantages come from the rewards alone.

    Args:
        size: Size of a hidden state.
        detach: Whether to stop the gradient of the value before the layers of the policy.
    """

    def __init__(self, size: int, *, detach: bool = False) -> None:
        super().__init__()
        self.linear = nn.Linear(size, 1)
        nn.init.zeros_(self.linear.weight)
        nn.init.zeros_(self.linear.bias)
        self.detach = detach

    def forward(self, hidden: Tensor) -> Tensor:
        """``[K]`` float32 values of ``[K, H]`` hidden states."""
        states = hidden.detach() if self.detach else hidden
        with torch.autocast(states.device.type, enabled=False):
            values = cast(Tensor, self.linear(states.to(self.linear.weight.dtype)))
            return values.squeeze(1).float().clone()  # FSDP cannot attach its hooks to a view


class Critic(nn.Module):
    """A separate model that has a value head instead of its output layer.

    Args:
        causal: A transformers causal language model, whose output layer is not used.
        autocast: Whether to compute in bfloat16 although the weights have another type.
    """

    def __init__(self, causal: PreTrainedModel, *, autocast: bool = False) -> None:
        super().__init__()
        self.trunk = cast(nn.Module, causal.get_decoder())
        self.head = ValueHead(int(causal.config.get_text_config().hidden_size)).to(causal.device)
        self.autocast = autocast

    def forward(self, row: PackedSequence) -> Tensor:
        """``[K]`` values, one before each trained token of a row."""
        with torch.autocast(row.ids.device.type, torch.bfloat16, enabled=self.autocast):
            return cast(Tensor, self.head(states_of(self.trunk, row)))


def team_samples(batch: SampleBatch, rollouts: Sequence[Rollout]) -> list[Sample]:
    """The samples with the tokens that a critic with ``view="team"`` reads.

    Before the ids of a subagent come the ids of its lead up to the end of the lead's first turn. These have the
    question and the first delegation. Both are complete before any subagent starts, so the critic sees nothing of the
    future. The trained tokens and columns stay the same. So the values of these samples are in the same order as the
    tokens of the policy's samples.

    Args:
        batch: The samples with the tokens that the policy reads.
        rollouts: The rollouts of the batch.
    """
    result: list[Sample] = []
    for sample, owner in zip(batch.samples, batch.owners, strict=True):
        rollout = rollouts[owner.rollout]
        if rollout.agents[owner.agent].role == "subagent":
            sample = _behind(_first_delegation(rollout), sample)
        result.append(sample)
    return result


def _first_delegation(rollout: Rollout) -> list[int]:
    """The ids of the lead up to the end of its first generated turn. Empty if no such turn was recorded."""
    for agent in rollout.agents:
        if agent.role == "lead" and agent.sequences and agent.sequences[0].turns:
            first = agent.sequences[0]
            return first.ids[: first.turns[0].stop]
    return []


def _behind(prefix: Sequence[int], sample: Sample) -> Sample:
    ids = np.concatenate([np.asarray(prefix, np.int64), sample.ids])
    return Sample(ids, sample.places + len(prefix), sample.columns)
