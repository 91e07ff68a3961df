"""Intervals and tests over tasks: the bootstrap, the sign-flip test, and an unbiased pass@k."""

from __future__ import annotations

from collections.abc import Sequence
from math import comb, fsum

import numpy as np
from numpy.typing import ArrayLike, NDArray

from wideseek_env.errors import ConfigError
from wideseek_env.evaluation.checks import whole_number

RESAMPLES = 2000
FLIPS = 20_000
EXACT_UP_TO = 16
"""The largest number of differences other than 0 for which `sign_flip_p` counts every sign flip.

With n such differences there are 2**n flips, so at most 65,536. With more differences, random flips are drawn.
"""

SIGNIFICANT = 0.05
"""A difference is significant if its p-value is below this."""

_BLOCK = 1 << 20  # entries in a block of resamples, so that memory stays small with many tasks
_SLACK = 1e-9  # sums of the same numbers in different orders count as equal


def bootstrap_intervals(
    values: ArrayLike, *, seed: int = 0, resamples: int = RESAMPLES, level: float = 0.95
) -> NDArray[np.float64]:
    """Percentile bootstrap intervals of the means of the columns of `values`.

    A resample draws whole tasks, because the trials of a task are not independent. All columns use the same resamples.

    Args:
        values: Shape (tasks, columns), at least one row.
        seed: Seed of the resamples.
        resamples: Number of resamples.
        level: Confidence level of the intervals.

    Returns:
        Low and high bounds, of shape (columns, 2).
    """
    return percentile_interval(bootstrap_means(values, seed=seed, resamples=resamples), level=level)


def percentile_interval(statistics: ArrayLike, *, level: float = 0.95) -> NDArray[np.float64]:
    """The percentile interval of each column.

    `statistics` has shape (resamples, columns). The result has shape (columns, 2): low and high bounds.
    """
    tail = 50.0 * (1.0 - level)
    bounds: NDArray[np.float64] = np.percentile(np.asarray(statistics), [tail, 100.0 - tail], axis=0)
    return bounds.T


def bootstrap_means(values: ArrayLike, *, seed: int = 0, resamples: int = RESAMPLES) -> NDArray[np.float64]:
    """The means of the columns in each resample.

    `values` has shape (tasks, columns). The result has shape (resamples, columns). No mean is outside the range of its
    column, also after rounding errors.
    """
    data = np.asarray(values, dtype=np.float64)
    tasks = len(data)
    rng = np.random.default_rng(whole_number("seed", seed, 0))
    means = np.empty((resamples, data.shape[1]))
    size = max(1, _BLOCK // tasks)
    for start in range(0, resamples, size):
        block = min(size, resamples - start)
        drawn = rng.integers(tasks, size=(block, tasks)) + np.arange(block)[:, None] * tasks
        counts = np.bincount(drawn.ravel(), minlength=block * tasks).reshape(block, tasks)
        means[start : start + block] = counts.astype(np.float64) @ data / tasks
    return np.clip(means, data.min(axis=0), data.max(axis=0), out=means)


def bootstrap_interval(
    values: Sequence[float], *, seed: int = 0, resamples: int = RESAMPLES, level: float = 0.95
) -> tuple[float, float]:
    """The percentile bootstrap interval (low, high) of the mean of `values`, which has shape (n,) with n ≥ 1."""
    column = np.asarray(values, dtype=np.float64)[:, None]
    low, high = bootstrap_intervals(column, seed=seed, resamples=resamples, level=level)[0]
    return float(low), float(high)


def sign_flip_p(differences: ArrayLike, *, seed: int = 0, flips: int = FLIPS) -> float:
    """The two-sided p-value of paired differences, of shape (n,).

    The null hypothesis is that each difference is equally likely to have either sign. The p-value is the share of sign
    flips whose sum is at least as far from 0 as the observed sum. If at most `EXACT_UP_TO` differences are not 0, all
    flips are counted. Otherwise `flips` random sign flips are drawn, and p is (1 + hits) / (1 + flips), which is never
    0.
    """
    data = np.asarray(differences, dtype=np.float64)
    data = data[data != 0]
    if not len(data):
        return 1.0
    seen = abs(fsum(data)) * (1 - _SLACK) - _SLACK * float(np.abs(data).max())
    if len(data) <= EXACT_UP_TO:
        sums = np.zeros(1)
        for value in data:
            sums = np.concatenate([sums + value, sums - value])
        return float(np.mean(np.abs(sums) >= seen))
    rng = np.random.default_rng(whole_number("seed", seed, 0))
    hits = 0
    size = max(1, _BLOCK // len(data))
    for start in range(0, flips, size):
        block = min(size, flips - start)
        signs = rng.integers(2, size=(block, len(data)), dtype=np.int8) * np.int8(2) - np.int8(1)
        hits += int(np.count_nonzero(np.abs(signs @ data) >= seen))
    return (1 + hits) / (1 + flips)


def pass_at_k(trials: int, right: int, k: int) -> float:
    """The chance that at least one of `k` trials is right.

    The k trials are drawn without replacement from `trials`, of which `right` are right. This is the unbiased estimate
    of Chen et al. (arXiv 2107.03374). For `k` = `trials` it is 1 if any trial is right, else 0.
    """
    if not 0 <= right <= trials or not 1 <= k <= trials:
        raise ConfigError(f"pass@{k} is undefined for {right} right of {trials} trials")
    return 1.0 - comb(trials - right, k) / comb(trials, k)
