"""Critics: what reward a team will earn, estimated before every turn or every token.

The shared critic is a head on the policy's own hidden states. The separate one is a model of its own; being apart
from the policy, it may read more than the policy did (`view="team"`): before a subagent's conversation it reads the
lead's, up to and including the delegation, so that it knows the whole question and how the work was divided.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, cast

import numpy as np
import torch
from torch import Tensor, nn

from wideseek_baselines.tokens.record import Rollout
from wideseek_baselines.train.data.packing import PackedSequence, Sample
from wideseek_baselines.train.data.samples import Samples
from wideseek_baselines.train.model.model import states_of

if TYPE_CHECKING:
    from transformers import PreTrainedModel


class ValueHead(nn.Module):
    """One number for each hidden state; 0 at first, so that training starts from plain rewards.

    Args:
        size: Of a hidden state.
        detach: Keep its gradient out of the layers below.
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
            return values.squeeze(1).float().clone()  # FSDP hangs its hooks on what is no view


class Critic(nn.Module):
    """A model of its own with a value head in the place of the output layer.

    Args:
        causal: A transformers causal language model, whose output layer is not used.
        autocast: Compute in bfloat16 with weights of another type.
    """

    def __init__(self, causal: PreTrainedModel, *, autocast: bool = False) -> None:
        super().__init__()
        self.trunk = cast(nn.Module, causal.get_decoder())
        self.head = ValueHead(int(causal.config.get_text_config().hidden_size)).to(causal.device)
        self.autocast = autocast

    def forward(self, row: PackedSequence) -> Tensor:
        """``[K]`` values before the trained tokens of a row."""
        with torch.autocast(row.ids.device.type, torch.bfloat16, enabled=self.autocast):
            return cast(Tensor, self.head(states_of(self.trunk, row)))


def team_examples(samples: Samples, rollouts: Sequence[Rollout]) -> list[Sample]:
    """The same examples as a critic with a view of the team reads them.

    Before a subagent's ids stand those of its lead up to the end of the lead's first turn: the question and the
    first delegation. Both are settled before any subagent starts, so that nothing of the future is seen, whichever
    delegation the subagent is of. Trained tokens and columns are the same, so `unpack`ed values fit the policy's
    examples.
    """
    result: list[Sample] = []
    for example, owner in zip(samples.examples, samples.owners, strict=True):
        rollout = rollouts[owner.rollout]
        if rollout.agents[owner.agent].role == "subagent":
            example = _behind(_first_delegation(rollout), example)
        result.append(example)
    return result


def _first_delegation(rollout: Rollout) -> list[int]:
    """The ids of the lead up to the end of its first generated turn; empty where none was recorded."""
    for agent in rollout.agents:
        if agent.role == "lead" and agent.sequences and agent.sequences[0].turns:
            first = agent.sequences[0]
            return first.ids[: first.turns[0].stop]
    return []


def _behind(prefix: Sequence[int], example: Sample) -> Sample:
    ids = np.concatenate([np.asarray(prefix, np.int64), example.ids])
    return Sample(ids, example.places + len(prefix), example.columns)
