"""How PPO's critic is trained: its epochs over the episodes of a step, apart from the policy's epochs."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from wideseek_baselines.train import distributed
from wideseek_baselines.train.config.options import ValueOptions
from wideseek_baselines.train.data.packing import PackedSequence, Sample, rows_of
from wideseek_baselines.train.model.critic import Critic, ValueHead
from wideseek_baselines.train.model.forward import StateRow
from wideseek_baselines.train.objective.losses import Loss, value_loss
from wideseek_baselines.train.objective.metrics import MetricAccumulator
from wideseek_baselines.train.optim.optimizer import PolicyOptimizer, Step

COLUMNS = ("value", "return", "critic_weight")
"""The columns that the value loss needs: the value before the step, the target, and the weight of each token."""


@dataclass(frozen=True, slots=True)
class CriticBatch:
    """What a critic is trained on in one mini-batch.

    Attributes:
        samples: Samples with the tokens that the critic reads and with `COLUMNS`.
        states: For a value head: the policy's hidden states in this process's rows of these samples. None for a
            separate critic, which reads the samples.
    """

    samples: list[Sample]
    states: list[StateRow] | None = None

    def rows(
        self, tokens_per_row: int, device: torch.device
    ) -> Iterator[tuple[PackedSequence | Tensor, Mapping[str, Tensor]]]:
        """The critic's inputs, each with its columns."""
        if self.states is None:
            for row in rows_of(self.samples, tokens_per_row):
                row = row.to(device)
                yield row, row.columns
            return
        for kept in self.states:
            columns = {}
            for name in COLUMNS:
                parts = [
                    member.columns[name][member.columns["critic_weight"] > 0]
                    for member in (self.samples[number] for number in kept.members)
                ]
                found = np.concatenate([np.zeros(0, np.float32), *parts])
                columns[name] = torch.from_numpy(found).to(device)
            yield kept.states.to(device), columns


def critic_loss(values: Tensor, columns: Mapping[str, Tensor], clip: float, std: float) -> Loss:
    """The value loss of normalised values and returns.

    Args:
        values: ``[K]`` values in units of the reward.
        columns: The `COLUMNS` of the same tokens.
        clip: Largest useful move of a value, in standard deviations of the returns.
        std: The standard deviation of the returns, or 1 without normalisation.
    """
    return value_loss(
        values, columns["value"], columns["return"], columns["critic_weight"] / std**2, clip=clip * std
    )


class CriticFit:
    """Collects the value losses and the optimizer steps of a training step."""

    def __init__(self) -> None:
        self.norms: list[float] = []
        """The norm of the gradient of each optimizer step."""
        self._metrics = MetricAccumulator()
        self._losses: list[Tensor] = []
        self._lr = 0.0

    def add(self, loss: Loss) -> None:
        """Add the loss of a row."""
        self._metrics.add(loss.metrics)
        self._losses.append(loss.value.detach())

    def stepped(self, step: Step) -> None:
        """Add an optimizer step."""
        self.norms.append(step.norm)
        self._lr = step.lr

    def result(self) -> dict[str, float]:
        """The loss of a mini-batch, the norm of the gradient (means over optimizer steps), and the learning rate of the
        last step. Empty without steps. All processes must call this method.
        """
        found = self._metrics.result()
        (loss,) = distributed.summed(float(sum(self._losses)))
        if not self.norms:
            return {}
        return {
            **{name: found[name] for name in ("value_clip_share",) if name in found},
            "value_loss": loss / len(self.norms),
            "critic_gradient_norm": float(np.mean(self.norms)),
            "critic_lr": self._lr,
        }


def fit_critic(
    critic: ValueHead | Critic,
    optimizer: PolicyOptimizer,
    batches: Sequence[CriticBatch],
    options: ValueOptions,
    tokens_per_row: int,
    random: np.random.Generator,
) -> CriticFit:
    """Train a critic for `options.epochs` epochs, with one optimizer step for each mini-batch."""
    fit = CriticFit()
    device = next(critic.parameters()).device
    std = critic.norm.std
    for _ in range(options.epochs):
        for number in random.permutation(len(batches)):
            critic.train()
            for inputs, columns in batches[number].rows(tokens_per_row, device):
                loss = critic_loss(critic(inputs), columns, options.clip, std)
                loss.value.backward()
                fit.add(loss)
            fit.stepped(optimizer.step())
    return fit


def critic_metrics(samples: Sequence[Sample]) -> dict[str, float]:
    """How good the critic was before the step: the episodes of the step are new to it.

    Returns:
        The mean of `value` and of the squared error (`value_error`), and `explained_variance`. The last is 1 − error /
        variance of the returns. It is 0 if all returns are equal.
    """
    marked = [sample.columns["critic_weight"] > 0 for sample in samples]
    values, returns = (
        np.concatenate([sample.columns[name][which] for sample, which in zip(samples, marked, strict=True)])
        for name in ("value", "return")
    )
    values, returns = values.astype(np.float64), returns.astype(np.float64)
    error, spread = float(((values - returns) ** 2).mean()), float(returns.var())
    return {
        "value": float(values.mean()),
        "value_error": error,
        "explained_variance": 1 - error / spread if spread > 1e-12 else 0.0,
    }
