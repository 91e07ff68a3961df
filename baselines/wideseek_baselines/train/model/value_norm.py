"""`ValueNorm`: running mean and standard deviation of returns, so that a critic predicts numbers of ordinary size.

This is the value normalisation of MAPPO (Yu et al., arXiv 2103.01955). A layer whose weights are 0 then predicts the
mean return and not 0.
"""

from __future__ import annotations

import math
from typing import cast

import numpy as np
import torch
from numpy.typing import ArrayLike
from torch import Tensor, nn

DECAY = 0.99
"""Share of the old statistics that one update keeps. The first hundred updates count almost equally."""
SMALLEST = 1e-2
"""The smallest standard deviation by which returns are divided, so that equal returns do no harm."""


class ValueNorm(nn.Module):
    """Running statistics of returns. They are buffers, so checkpoints contain them.

    Without an update, the mean is 0 and the standard deviation is 1. So a critic without normalisation never calls
    `update`.
    """

    average: Tensor
    variance: Tensor
    updates: Tensor

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("average", torch.zeros(()))
        self.register_buffer("variance", torch.ones(()))
        self.register_buffer("updates", torch.zeros((), dtype=torch.int64))

    @property
    def mean(self) -> float:
        """The running mean of the returns."""
        return float(self.average)

    @property
    def std(self) -> float:
        """The running standard deviation of the returns, at least `SMALLEST`."""
        return max(math.sqrt(float(self.variance)), SMALLEST)

    def update(self, returns: ArrayLike, weights: ArrayLike) -> None:
        """Add the returns of a training step.

        Each update moves the statistics by 1 − `DECAY`, corrected for the small number of updates at the beginning. So
        the first update replaces them.

        Args:
            returns: ``[n]`` returns.
            weights: ``[n]`` weights of the returns. Nothing changes if their sum is 0.
        """
        found, weight = np.asarray(returns, np.float64), np.asarray(weights, np.float64)
        if weight.sum() <= 0:
            return
        mean = float(np.average(found, weights=weight))
        variance = float(np.average((found - mean) ** 2, weights=weight))
        number = int(self.updates) + 1
        share = (1 - DECAY) / (1 - DECAY**number)
        gap = mean - self.mean
        before = float(self.variance)
        self.average.fill_(self.mean + share * gap)
        self.variance.fill_((1 - share) * (before + share * gap**2) + share * variance)
        self.updates.fill_(number)

    def forward(self, outputs: Tensor) -> Tensor:
        """The values in units of the reward, from outputs of a critic's last layer."""
        return outputs * self.variance.sqrt().clamp(min=SMALLEST) + self.average

    def outputs(self, values: ArrayLike) -> np.ndarray[tuple[int, ...], np.dtype[np.float64]]:
        """The outputs of the last layer that give these values. The inverse of `forward`."""
        return cast(
            np.ndarray[tuple[int, ...], np.dtype[np.float64]],
            (np.asarray(values, np.float64) - self.mean) / self.std,
        )

    def values(self, outputs: ArrayLike) -> np.ndarray[tuple[int, ...], np.dtype[np.float64]]:
        """The values in units of the reward, like `forward`, computed with NumPy."""
        return cast(
            np.ndarray[tuple[int, ...], np.dtype[np.float64]],
            np.asarray(outputs, np.float64) * self.std + self.mean,
        )
