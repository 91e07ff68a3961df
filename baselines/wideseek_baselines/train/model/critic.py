"""Critics estimate the reward that a team will get, before every turn or before every token.

The shared critic is a value head on the policy's hidden states. The separate critic is a second model, so it may read
more than the policy does: `wideseek_baselines.train.data.joint_state` makes its inputs.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

import torch
from torch import Tensor, nn

from wideseek_baselines.train.data.packing import PackedSequence
from wideseek_baselines.train.model.model import states_of
from wideseek_baselines.train.model.value_norm import ValueNorm

if TYPE_CHECKING:
    from transformers import PreTrainedModel


class ValueHead(nn.Module):
    """A linear layer that computes one value for each hidden state.

    At the beginning its weights are 0. So all values are the mean of `norm`, which is 0 before the first update.

    Args:
        size: Size of a hidden state.
        detach: Whether to stop the gradient of the value before the layers of the policy.
    """

    def __init__(self, size: int, *, detach: bool = False) -> None:
        super().__init__()
        self.linear = nn.Linear(size, 1)
        nn.init.zeros_(self.linear.weight)
        nn.init.zeros_(self.linear.bias)
        self.norm = ValueNorm()
        self.detach = detach

    def forward(self, hidden: Tensor) -> Tensor:
        """``[K]`` float32 values of ``[K, H]`` hidden states, in units of the reward."""
        states = hidden.detach() if self.detach else hidden
        with torch.autocast(states.device.type, enabled=False):
            outputs = cast(Tensor, self.linear(states.to(self.linear.weight.dtype)))
            # FSDP cannot attach its hooks to a view.
            return cast(Tensor, self.norm(outputs.squeeze(1).float().clone()))


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

    @property
    def norm(self) -> ValueNorm:
        """The statistics of returns with which the head computes values."""
        return cast(ValueNorm, self.head.norm)

    def forward(self, row: PackedSequence) -> Tensor:
        """``[K]`` values, one before each trained token of a row."""
        with torch.autocast(row.ids.device.type, torch.bfloat16, enabled=self.autocast):
            return cast(Tensor, self.head(states_of(self.trunk, row)))
