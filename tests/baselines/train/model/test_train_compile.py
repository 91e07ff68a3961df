"""Compiled layers compute what eager ones do, for rows of any length and number of sequences."""

from __future__ import annotations

import shutil

import pytest
import torch
from training_parts import examples, tiny_causal

from wideseek_baselines.train.data.packing import pack
from wideseek_baselines.train.model.attention import use_attention
from wideseek_baselines.train.model.model import TokenModel, compile_layers
from wideseek_baselines.train.objective.losses import supervised_loss

NO_COMPILER = not any(shutil.which(name) for name in ("g++", "c++", "clang++"))

Found = list[tuple[torch.Tensor, list[torch.Tensor]]]


def found(*, compiled: bool) -> Found:
    """Log-probabilities and gradients for rows of several shapes."""
    causal = tiny_causal(0)
    use_attention(causal, "packed", compiled=compiled)
    if compiled:
        compile_layers(causal)
    model = TokenModel(causal, chunk=16)
    results: Found = []
    for lengths in ((9, 20, 5), (40, 33), (3, 4, 5, 6, 30)):
        (row,) = pack(examples(lengths), 100)
        model.zero_grad()
        logprobs = model(row).logprobs
        supervised_loss(logprobs, torch.full_like(logprobs, 0.1)).value.backward()
        results.append(
            (logprobs.detach(), [part.grad.clone() for part in model.parameters() if part.grad is not None])
        )
    return results


@pytest.mark.skipif(NO_COMPILER, reason="torch.compile needs a C++ compiler on a CPU")
@pytest.mark.filterwarnings("default")  # what the compiler's own packages warn of is not this project's
def test_compiled_layers_give_the_gradients_of_eager_ones() -> None:
    from torch._dynamo.utils import counters

    counters.clear()
    eager, compiled = found(compiled=False), found(compiled=True)
    made = counters["stats"]["unique_graphs"]
    assert made > 0, "nothing was compiled"
    assert made <= 4, "every layer, or every length, was compiled anew"
    for (one, gradients), (other, others) in zip(eager, compiled, strict=True):
        torch.testing.assert_close(other, one, atol=1e-5, rtol=1e-5)
        assert len(gradients) == len(others) > 10
        for mine, theirs in zip(gradients, others, strict=True):
            torch.testing.assert_close(theirs, mine, atol=1e-5, rtol=1e-5)
