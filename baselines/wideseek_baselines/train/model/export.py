"""A model's weights for engines and files: whole tensors with adapters merged, under the names of its folder."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from wideseek_baselines.train import distributed
from wideseek_baselines.train.model.lora import has_adapters, merged_weights
from wideseek_baselines.train.model.sharding import full_weights

if TYPE_CHECKING:
    from torch import Tensor, nn


def state_dict_for_engine(causal: nn.Module) -> Iterator[tuple[str, Tensor]]:
    """Names and tensors, gathered one at a time. All processes must iterate over all of them."""
    return merged_weights(causal) if has_adapters(causal) else full_weights(causal)


def whole_state_dict(causal: nn.Module) -> dict[str, Tensor] | None:
    """All tensors in main memory, on the first process. None if the model's own state is the same."""
    if distributed.size() == 1 and not has_adapters(causal):
        return None
    kept: dict[str, Tensor] = {}
    for name, tensor in state_dict_for_engine(causal):
        if distributed.is_main():
            kept[name] = tensor.cpu()
    return kept
