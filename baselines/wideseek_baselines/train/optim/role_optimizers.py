"""One optimizer for each set of weights that a run trains, used as if they were one."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from wideseek_baselines.train.config.options import OptimOptions
from wideseek_baselines.train.model.model import TokenModel
from wideseek_baselines.train.optim.optimizer import Optimizer, PolicyOptimizer, Step


class RoleOptimizers:
    """An optimizer for the weights of each role. Each optimizer clips the gradient of its weights separately.

    Args:
        optimizers: By role.
    """

    def __init__(self, optimizers: Mapping[str, Optimizer]) -> None:
        self.optimizers = optimizers

    @property
    def skipped(self) -> int:
        """The number of steps so far that were skipped because a gradient was not finite."""
        return sum(optimizer.skipped for optimizer in self.optimizers.values())

    def step(self) -> Step:
        """Make a step of every optimizer. A role without gradients keeps its weights.

        Returns:
            A step whose `norm` is that of all gradients together. `norms` has the norm of each role.

        Raises:
            DivergedError: The gradients of a role were not finite several steps in a row.
        """
        steps = {name: optimizer.step() for name, optimizer in self.optimizers.items()}
        norms = {name: step.norm for name, step in steps.items()}
        (last,) = list(steps.values())[-1:]
        return Step(all(step.done for step in steps.values()), math.hypot(*norms.values()), last.lr, norms)

    def state_dict(self) -> dict[str, Any]:
        """The states of the optimizers, by role."""
        return {name: optimizer.state_dict() for name, optimizer in self.optimizers.items()}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Resume from a saved state."""
        for name, optimizer in self.optimizers.items():
            optimizer.load_state_dict(state[name])


def policy_optimizer(model: TokenModel, options: OptimOptions, steps: int | None) -> PolicyOptimizer:
    """The optimizer of a policy, or of each of its parts. Arguments: see `Optimizer`."""
    if len(model.parts) == 1:
        return Optimizer(model.named_parameters(), options, steps)
    return RoleOptimizers(
        {name: Optimizer(part.named_parameters(), options, steps) for name, part in model.parts.items()}
    )


def step_metrics(steps: Sequence[Step]) -> dict[str, float]:
    """The mean norms of the gradients of a training step's optimizer steps, and the last learning rate."""
    return {
        "gradient_norm": float(np.mean([step.norm for step in steps])),
        **{
            f"{name}_gradient_norm": float(np.mean([step.norms[name] for step in steps]))
            for name in steps[0].norms
        },
        "lr": steps[-1].lr,
    }
