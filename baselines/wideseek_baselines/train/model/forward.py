"""Log-probabilities and values of whole mini-batches under models as they are, before anything is updated."""

from __future__ import annotations

from collections.abc import Sequence
from typing import cast

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from wideseek_baselines.train.config.options import ModelOptions
from wideseek_baselines.train.data.packing import PackedSequence, Sample, combined, rows_of, unpack
from wideseek_baselines.train.model.critic import Critic, ValueHead
from wideseek_baselines.train.model.logprobs import Scores
from wideseek_baselines.train.model.lora import adapters_off, has_adapters
from wideseek_baselines.train.model.model import TokenModel, load_model

Floats = NDArray[np.float32]


class WithoutAdapters(TokenModel):
    """A model with its adapters switched off while it scores: what it was before training, without a second copy.

    Args:
        model: The one that is trained.
    """

    def __init__(self, model: TokenModel) -> None:
        nn.Module.__init__(self)
        self.trained = model

    def forward(
        self, row: PackedSequence, *, temperature: Tensor | float = 1.0, entropies: bool = False
    ) -> Scores:
        """See `TokenModel`."""
        with adapters_off(self.trained):
            return cast(Scores, self.trained(row, temperature=temperature, entropies=entropies))


def reference_model(options: ModelOptions, model: TokenModel) -> TokenModel:
    """The model as it was before training, to which a KL term refers: a frozen copy, or `model` without adapters."""
    if has_adapters(model):
        return WithoutAdapters(model)
    frozen = load_model(options)
    frozen.requires_grad_(False)
    return frozen.eval()


@torch.no_grad()
def logprobs_of(model: TokenModel, examples: Sequence[Sample], tokens_per_row: int) -> list[Floats]:
    """For each example the ``[k]`` log-probabilities of its trained tokens, each at its own temperature."""
    model.eval()
    rows = [row.to(model.device) for row in rows_of(examples, tokens_per_row)]
    found = [model(row, temperature=row.columns["temperature"]).logprobs for row in rows]
    return combined(unpack(rows, found, len(examples)))


@torch.no_grad()
def logprobs_and_values(
    model: TokenModel, head: ValueHead, examples: Sequence[Sample], tokens_per_row: int
) -> tuple[list[Floats], list[Floats]]:
    """`logprobs_of`, and the values that a head on the same model has before each of those tokens, in one pass."""
    model.eval()
    head.eval()
    rows = [row.to(model.device) for row in rows_of(examples, tokens_per_row)]
    logprobs: list[Tensor] = []
    values: list[Tensor] = []
    for row in rows:
        scores = model(row, temperature=row.columns["temperature"])
        logprobs.append(scores.logprobs)
        values.append(head(scores.hidden))
    return (
        combined(unpack(rows, logprobs, len(examples))),
        combined(unpack(rows, values, len(examples))),
    )


@torch.no_grad()
def values_of(critic: Critic, examples: Sequence[Sample], tokens_per_row: int) -> list[Floats]:
    """For each example the ``[k]`` values before its trained tokens; the examples are as the critic reads them."""
    critic.eval()
    rows = [row.to(next(critic.parameters()).device) for row in rows_of(examples, tokens_per_row)]
    return combined(unpack(rows, [critic(row) for row in rows], len(examples)))


def with_logprobs(
    examples: Sequence[Sample], model: TokenModel, column: str, tokens_per_row: int
) -> list[Sample]:
    """The examples with the log-probabilities of a model, as it is, in a column."""
    found = logprobs_of(model, examples, tokens_per_row)
    return [example.with_columns(**{column: values}) for example, values in zip(examples, found, strict=True)]
