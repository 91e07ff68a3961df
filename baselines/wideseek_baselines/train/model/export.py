"""A model's weights for engines and files: whole tensors, with adapters merged and the names of the model's files."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from wideseek_baselines.train import distributed
from wideseek_baselines.train.model.lora import has_adapters, merged_weights
from wideseek_baselines.train.model.sharding import full_weights

if TYPE_CHECKING:
    from torch import Tensor, nn


def state_dict_for_engine(causal: nn.Module) -> Iterator[tuple[str, Tensor]]:
    """The model's tensors with their names, gathered one at a time. All processes must iterate over all of them."""
    return merged_weights(causal) if has_adapters(causal) else full_weights(causal)


def whole_state_dict(causal: nn.Module) -> dict[str, Tensor] | None:
    """All tensors in main memory. Only the first process gets them. None if `causal.state_dict()` already has them."""
    if distributed.size() == 1 and not has_adapters(causal):
        return None
    kept: dict[str, Tensor] = {}
    for name, tensor in state_dict_for_engine(causal):
        if distributed.is_main():
            kept[name] = tensor.cpu()
    return kept
