"""The optimizer: AdamW or Muon, float32 copies of bfloat16 weights, schedules, and a check for bad gradients."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

import torch
from torch import Tensor, nn
from torch.distributed.tensor import DTensor

from wideseek_baselines.train.config.options import OptimOptions
from wideseek_baselines.train.model.sharding import full, part_like
from wideseek_baselines.train.optim.muon import Muon
from wideseek_env.errors import ConfigError, WideSeekError

_EMBEDDING = re.compile(r"embed|lm_head|wte|head\.")
"""Names of embeddings and output layers. Their rows are separate vectors, so Muon does not fit them."""


class DivergedError(WideSeekError):
    """Gradients were not finite several steps in a row. The weights have not changed since the step before the first of
    them.
    """


@dataclass(frozen=True, slots=True)
class Step:
    """The result of one optimizer step. `norm` is the gradient's norm before clipping. `done` is false for a skipped
    step.
    """

    done: bool
    norm: float
    lr: float
    norms: Mapping[str, float] = field(default_factory=dict)
    """The norm of the gradient of each role, if each has its own weights."""


class PolicyOptimizer(Protocol):
    """An optimizer, or several that work as one. The methods are described at `Optimizer`."""

    @property
    def skipped(self) -> int: ...
    def step(self) -> Step: ...
    def state_dict(self) -> dict[str, Any]: ...
    def load_state_dict(self, state: dict[str, Any]) -> None: ...


class Optimizer:
    """AdamW over a model's trainable parameters, or Muon over its matrices and AdamW over the rest.

    Each parameter that is not float32 has a float32 copy, its master. Every backward pass adds its gradients to the
    gradient of the master. The step changes the master, and the parameter gets the rounded value of the master. Without
    a master, a step of 1e-6 would be lost in the rounding of bfloat16.

    Args:
        parameters: Pairs (name, parameter), for example from ``named_parameters()``.
        options: Learning rate, decay and clipping.
        steps: Number of optimizer steps of the whole run. Schedules with a falling learning rate need it.

    Raises:
        ConfigError: Muon was chosen for a sharded model.
    """

    def __init__(
        self, parameters: Iterable[tuple[str, nn.Parameter]], options: OptimOptions, steps: int | None = None
    ) -> None:
        self.options = options
        self.steps = steps
        self.step_number = 0
        """The number of steps so far, including skipped steps."""
        self.skipped = 0
        """The number of steps so far that were skipped because a gradient was not finite."""
        self._in_a_row = 0
        self._named = [(name, parameter) for name, parameter in parameters if parameter.requires_grad]
        self._masters: dict[str, nn.Parameter] = {}
        for name, parameter in self._named:
            if parameter.dtype != torch.float32:
                self._masters[name] = nn.Parameter(parameter.detach().float())
                parameter.register_post_accumulate_grad_hook(_adder(self._masters[name]))
        owned = [self._masters.get(name, parameter) for name, parameter in self._named]
        self._owned = owned
        if options.matrices == "muon" and any(isinstance(parameter, DTensor) for parameter in owned):
            raise ConfigError("optim.matrices=muon needs whole matrices: train in one process, or with adamw")
        by_muon = {
            id(parameter)
            for (name, _), parameter in zip(self._named, owned, strict=True)
            if options.matrices == "muon" and parameter.ndim == 2 and not _EMBEDDING.search(name)
        }
        adamw = [parameter for parameter in owned if id(parameter) not in by_muon]
        self._methods: dict[str, torch.optim.Optimizer] = {
            "adamw": torch.optim.AdamW(
                [
                    {"params": [p for p in adamw if p.ndim > 1], "weight_decay": options.weight_decay},
                    {"params": [p for p in adamw if p.ndim <= 1], "weight_decay": 0.0},
                ],
                lr=options.lr,
                betas=(options.betas[0], options.betas[1]),
                eps=options.eps,
            )
        }
        if by_muon:
            self._methods["muon"] = Muon(
                [parameter for parameter in owned if id(parameter) in by_muon],
                options.lr,
                weight_decay=options.weight_decay,
            )

    def step(self) -> Step:
        """Clip the accumulated gradients, make a step, and clear the gradients.

        Raises:
            DivergedError: The gradients of `OptimOptions.max_skipped` steps in a row were not finite.
        """
        lr = self.options.lr * lr_factor(self.step_number, self.steps, self.options)
        norm = clip_gradients(self._owned, self.options.max_norm)
        self.step_number += 1
        done = math.isfinite(norm)
        if done:
            for method in self._methods.values():
                for group in method.param_groups:
                    group["lr"] = lr
                method.step()
            self._publish()
            self._in_a_row = 0
        else:
            self.skipped += 1
            self._in_a_row += 1
        self.zero_grad()
        if self._in_a_row >= self.options.max_skipped:
            raise DivergedError(
                f"the gradient was not finite {self._in_a_row} steps in a row: lower optim.lr, or check the "
                "rewards and log-probabilities of the last batch"
            )
        return Step(done, norm, lr)

    def zero_grad(self) -> None:
        """Clear the accumulated gradients."""
        for method in self._methods.values():
            method.zero_grad(set_to_none=True)
        for _, parameter in self._named:
            parameter.grad = None

    def state_dict(self) -> dict[str, Any]:
        """The state of the optimizer. A run that resumes from it gets the same result."""
        return {
            **{name: method.state_dict() for name, method in self._methods.items()},
            "masters": {name: master.detach() for name, master in self._masters.items()},
            "step_number": self.step_number,
            "skipped": self.skipped,
            "in_a_row": self._in_a_row,
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Resume from a saved state. Parameters that have a master get its value."""
        for key, method in self._methods.items():
            ordered = [parameter for group in method.param_groups for parameter in group["params"]]
            moments = {
                number: {name: part_like(value, ordered[number]) for name, value in found.items()}
                for number, found in state[key]["state"].items()
            }
            method.load_state_dict({**state[key], "state": moments})
        with torch.no_grad():
            for name, master in self._masters.items():
                master.copy_(part_like(state["masters"][name], master))
        self._publish()
        self.step_number, self.skipped = state["step_number"], state["skipped"]
        self._in_a_row = state["in_a_row"]

    def _publish(self) -> None:
        with torch.no_grad():
            for name, parameter in self._named:
                if name in self._masters:
                    parameter.copy_(self._masters[name])


def _adder(master: nn.Parameter) -> Any:
    def add(parameter: Tensor) -> None:
        assert parameter.grad is not None
        gradient = parameter.grad.float()
        master.grad = gradient if master.grad is None else master.grad.add_(gradient)
        parameter.grad = None

    return add


def clip_gradients(parameters: Iterable[Tensor], max_norm: float) -> float:
    """Scale gradients down to a norm of at most `max_norm`. 0 switches that off. Returns the norm before scaling."""
    gradients = [parameter.grad for parameter in parameters if parameter.grad is not None]
    if not gradients:
        return 0.0
    norm = float(full(torch.nn.utils.get_total_norm(gradients)))  # of all processes, so the same on each
    if math.isfinite(norm) and 0 < max_norm < norm:
        torch._foreach_mul_(gradients, max_norm / norm)
    return norm


def lr_factor(step: int, steps: int | None, options: OptimOptions) -> float:
    """The learning rate of a step as a share of the highest learning rate. Steps are counted from 0."""
    if step < options.warmup:
        return (step + 1) / (options.warmup + 1)
    if options.schedule == "constant" or steps is None:
        return 1.0
    progress = min(1.0, (step - options.warmup) / max(1, steps - 1 - options.warmup))
    left = 1 - progress if options.schedule == "linear" else 0.5 * (1 + math.cos(math.pi * progress))
    return options.lr_end + (1 - options.lr_end) * left
