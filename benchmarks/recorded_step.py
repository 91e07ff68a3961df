"""`train_here` times whole steps of `grpo.train_step` on a recorded batch. `machine` describes the machine."""

from __future__ import annotations

import platform
import time
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from typing import Any

import torch
from recorded_batch import Batch

from wideseek_baselines.train.config.loading import load_config
from wideseek_baselines.train.grpo import GrpoConfig, train_step
from wideseek_baselines.train.model.model import TokenModel, load_model
from wideseek_baselines.train.optim.optimizer import Optimizer, Step

PREFIX = "causal."
"""The prefix of the parameter names in a `TokenModel`."""


@dataclass(slots=True)
class Steps:
    """Measurements of each step, including the first step. The time before the steps is not included."""

    seconds: list[float]
    processor: list[float]
    gradient: dict[str, torch.Tensor]
    """The gradient of the first step, by parameter name. Empty unless requested."""
    padded_tokens: int = 0
    """Tokens that go through the model in a step, including padding."""


class KeepingOptimizer(Optimizer):
    """An optimizer that keeps the gradient of the first step, before clipping."""

    def __init__(self, model: TokenModel, *arguments: Any) -> None:
        super().__init__(model.named_parameters(), *arguments)
        self._model = model
        self.gradient: dict[str, torch.Tensor] = {}

    def step(self) -> Step:
        """Take an optimizer step, and keep the gradient if it is the first step."""
        if not self.gradient:
            self.gradient = {
                name.removeprefix(PREFIX): parameter.grad.detach().float().cpu().clone()
                for name, parameter in self._model.named_parameters()
                if parameter.grad is not None
            }
        return super().step()


def train_here(
    model: str,
    batch: Batch,
    device: str,
    *,
    tokens_per_row: int,
    precision: str = "float32",
    lr: float = 1e-6,
    steps: int = 2,
    keep_gradient: bool = False,
    settings: tuple[str, ...] = (),
) -> Steps:
    """Take `steps` steps on the batch with `grpo.train_step`, and time them.

    Args:
        model: Model folder.
        batch: Batch of real episodes.
        device: "cpu" or "cuda".
        tokens_per_row: The largest number of tokens of a packed sequence.
        precision: As `model.precision` in a training configuration.
        lr: Learning rate.
        steps: Number of steps.
        keep_gradient: Keep the gradient of the first step.
        settings: Additional ``key=value`` settings of the configuration.
    """
    config = load_config(
        GrpoConfig,
        None,
        [
            f"model.path={model}",
            f"model.device={device}",
            f"model.precision={precision}",
            "out=unused",
            f"tokens_per_row={tokens_per_row}",
            "selection.loss_aggregation=token",
            "selection.loss_denominator=trained",
            "selection.failures=all",
            "loss.kl=0",
            "loss.importance_sampling=none",
            f"optim.lr={lr}",
            *settings,
        ],
    )
    policy = load_model(config.model)
    optimizer = (
        KeepingOptimizer(policy, config.optim)
        if keep_gradient
        else Optimizer(policy.named_parameters(), config.optim)
    )
    taken = Steps([], [], {})
    for number in range(steps):
        wall, work = time.perf_counter(), time.process_time()
        train_step(policy, None, optimizer, batch.rollouts, batch.advantages, config, number)
        if device != "cpu":
            torch.cuda.synchronize()
        taken.seconds.append(time.perf_counter() - wall)
        taken.processor.append(time.process_time() - work)
    taken.padded_tokens = sum(len(sequence.ids) for _, sequence in batch.sequences)
    if isinstance(optimizer, KeepingOptimizer):
        taken.gradient = optimizer.gradient
    return taken


def machine(device: str) -> dict[str, Any]:
    """The device, and the versions of the libraries."""
    names = ("torch", "transformers", "trl", "accelerate", "liger-kernel", "flash-attn")
    return {
        "device": platform.processor() or platform.machine()
        if device == "cpu"
        else torch.cuda.get_device_name(),
        "versions": {name: found for name in names if (found := known(name))},
    }


def known(name: str) -> str:
    """The version of a package, or "" if it is not installed."""
    try:
        return version(name)
    except PackageNotFoundError:
        return ""
