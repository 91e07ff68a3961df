"""A model's weights as engines and files have them: whole, adapters added in, under the names of the model's folder."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from wideseek_baselines.train import distributed
from wideseek_baselines.train.model.lora import has_adapters, merged_weights
from wideseek_baselines.train.model.sharding import full_weights

if TYPE_CHECKING:
    from torch import Tensor, nn


def state_dict_for_engine(causal: nn.Module) -> Iterator[tuple[str, Tensor]]:
    """Names and tensors, put together one at a time; all processes must go through all of them."""
    return merged_weights(causal) if has_adapters(causal) else full_weights(causal)


def whole_state_dict(causal: nn.Module) -> dict[str, Tensor] | None:
    """All of them in main memory, on the first process; None where the model's own state is just that."""
    if distributed.size() == 1 and not has_adapters(causal):
        return None
    kept: dict[str, Tensor] = {}
    for name, tensor in state_dict_for_engine(causal):
        if distributed.is_main():
            kept[name] = tensor.cpu()
    return kept
