"""Log-probabilities and values of whole mini-batches, without gradients."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
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
    """The model before training, without a second copy of its weights: it computes with the adapters switched off.

    Args:
        model: The model that is trained.
    """

    def __init__(self, model: TokenModel) -> None:
        nn.Module.__init__(self)
        self.trained = model

    def rows(self, samples: Sequence[Sample], tokens_per_row: int) -> list[PackedSequence]:
        """The rows that this process computes."""
        return self.trained.rows(samples, tokens_per_row)

    def forward(
        self, row: PackedSequence, *, temperature: Tensor | float = 1.0, entropies: bool = False
    ) -> Scores:
        """Compute the scores of the trained tokens of a row without the adapters."""
        with adapters_off(self.trained):
            return cast(Scores, self.trained(row, temperature=temperature, entropies=entropies))


def reference_model(options: ModelOptions, model: TokenModel) -> TokenModel:
    """The model before training, for KL terms. It is a frozen copy, or `model` with its adapters switched off."""
    if has_adapters(model):
        return WithoutAdapters(model)
    frozen = load_model(options)
    frozen.requires_grad_(False)
    frozen.eval()
    return frozen


@torch.no_grad()
def logprobs_of(model: TokenModel, samples: Sequence[Sample], tokens_per_row: int) -> list[Floats]:
    """For each sample, the ``[k]`` log-probabilities of its trained tokens at their sampling temperatures."""
    model.eval()
    rows = [row.to(model.device) for row in model.rows(samples, tokens_per_row)]
    found = [model(row, temperature=row.columns["temperature"]).logprobs for row in rows]
    return combined(unpack(rows, found, len(samples)))


@dataclass(frozen=True, slots=True)
class StateRow:
    """The hidden states of one row at which a value head is trained. Each process has those of its rows.

    Attributes:
        states: ``[M, H]`` hidden states on the CPU, one before each trained token whose `critic_weight` is above 0.
        members: The indices of the samples in the row, in order.
    """

    states: Tensor
    members: tuple[int, ...]


@torch.no_grad()
def logprobs_and_values(
    model: TokenModel,
    head: ValueHead,
    samples: Sequence[Sample],
    tokens_per_row: int,
    states: list[StateRow] | None = None,
) -> tuple[list[Floats], list[Floats]]:
    """The log-probabilities of trained tokens, and the values of a head before each of these tokens, in one pass.

    Args:
        model: The policy.
        head: The value head.
        samples: The samples. With `states`, they need the column `critic_weight`.
        tokens_per_row: Number of tokens that go through the model at the same time.
        states: A list to which the hidden states of this process are added.
    """
    model.eval()
    head.eval()
    rows = [row.to(model.device) for row in model.rows(samples, tokens_per_row)]
    logprobs: list[Tensor] = []
    values: list[Tensor] = []
    for row in rows:
        scores = model(row, temperature=row.columns["temperature"])
        logprobs.append(scores.logprobs)
        values.append(head(scores.hidden))
        if states is not None:
            states.append(StateRow(scores.hidden[row.columns["critic_weight"] > 0].cpu(), row.members))
    return (
        combined(unpack(rows, logprobs, len(samples))),
        combined(unpack(rows, values, len(samples))),
    )


@torch.no_grad()
def values_of(critic: Critic, samples: Sequence[Sample], tokens_per_row: int) -> list[Floats]:
    """For each sample, the ``[k]`` values before its trained tokens. The samples have the tokens that the critic
    reads.
    """
    critic.eval()
    rows = [row.to(next(critic.parameters()).device) for row in rows_of(samples, tokens_per_row)]
    return combined(unpack(rows, [critic(row) for row in rows], len(samples)))


def with_logprobs(
    samples: Sequence[Sample], model: TokenModel, column: str, tokens_per_row: int
) -> list[Sample]:
    """The samples with a new column: the log-probabilities of their trained tokens under a model."""
    found = logprobs_of(model, samples, tokens_per_row)
    return [sample.with_columns(**{column: values}) for sample, values in zip(samples, found, strict=True)]
