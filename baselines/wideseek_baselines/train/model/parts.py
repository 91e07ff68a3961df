"""`ModelPart`: weights that are trained, exported and sent to engines together.

A model has one part, or one for each role.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from torch import nn

from wideseek_baselines.train.model.lora import NAME, without_other_adapters

if TYPE_CHECKING:
    from transformers import PreTrainedModel


@dataclass(frozen=True, slots=True)
class ModelPart:
    """A causal language model, or such a model with one of its adapters."""

    causal: PreTrainedModel
    adapter: str = NAME
    """The name of the adapter, if the model has adapters."""

    def named_parameters(self) -> Iterator[tuple[str, nn.Parameter]]:
        """The names and parameters of this part. Frozen ones are included, and other adapters are not."""
        return without_other_adapters(self.causal, self.adapter)
