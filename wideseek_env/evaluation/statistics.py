"""Intervals and tests over tasks: the bootstrap, the sign-flip test, and pass@k without bias."""

from __future__ import annotations

from collections.abc import Sequence
from math import comb, fsum

import numpy as np
from numpy.typing import ArrayLike, NDArray

from wideseek_env.errors import ConfigError

RESAMPLES = 2000
FLIPS = 20_000
EXACT_UP_TO = 16
"""With so many tasks that differ, or fewer, all sign flips are counted (65,536); with more they are drawn."""

_BLOCK = 1 << 20  # entries of a block of resamples: memory stays small however many tasks there are
_SLACK = 1e-9  # sums of the same numbers in another order are the same sum


def bootstrap_intervals(
    values: ArrayLike, *, seed: int = 0, resamples: int = RESAMPLES, level: float = 0.95
) -> NDArray[np.float64]:
    """Percentile bootstrap intervals of the means of the columns of `values`.

    `values` has shape (tasks, columns), one row a task, at least one; the result has shape (columns, 2): low and
    high. A resample draws whole tasks, so the trials of a task, which are not independent, stay together, and
    all columns are seen on the same resamples.
    """
    return percentile_interval(bootstrap_means(values, seed=seed, resamples=resamples), level=level)


def percentile_interval(statistics: ArrayLike, *, level: float = 0.95) -> NDArray[np.float64]:
    """The percentile interval of each column of `statistics` (shape (resamples, columns)): shape (columns, 2)."""
    tail = 50.0 * (1.0 - level)
    bounds: NDArray[np.float64] = np.percentile(np.asarray(statistics), [tail, 100.0 - tail], axis=0)
    return bounds.T


def bootstrap_means(values: ArrayLike, *, seed: int = 0, resamples: int = RESAMPLES) -> NDArray[np.float64]:
    """The means of the columns of `values` (shape (tasks, columns)) in each resample: shape (resamples, columns)."""
    data = np.asarray(values, dtype=np.float64)
    tasks = len(data)
    rng = np.random.default_rng(seed)
    means = np.empty((resamples, data.shape[1]))
    size = max(1, _BLOCK // tasks)
    for start in range(0, resamples, size):
        block = min(size, resamples - start)
        drawn = rng.integers(tasks, size=(block, tasks)) + np.arange(block)[:, None] * tasks
        counts = np.bincount(drawn.ravel(), minlength=block * tasks).reshape(block, tasks)
        means[start : start + block] = counts.astype(np.float64) @ data / tasks
    return means


def bootstrap_interval(
    values: Sequence[float], *, seed: int = 0, resamples: int = RESAMPLES, level: float = 0.95
) -> tuple[float, float]:
    """The percentile bootstrap interval of the mean of `values` (shape (n,), n of at least 1)."""
    column = np.asarray(values, dtype=np.float64)[:, None]
    low, high = bootstrap_intervals(column, seed=seed, resamples=resamples, level=level)[0]
    return float(low), float(high)


def sign_flip_p(differences: ArrayLike, *, seed: int = 0, flips: int = FLIPS) -> float:
    """The two-sided p-value of paired differences (shape (n,)) under "either sign was as likely".

    The share of the ways to flip signs whose sum is at least as far from 0 as the one that was seen. All of
    them are counted when at most `EXACT_UP_TO` differences are not 0; else `flips` are drawn, and p is
    (1 + hits) / (1 + flips), which is never 0.
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
    rng = np.random.default_rng(seed)
    hits = 0
    size = max(1, _BLOCK // len(data))
    for start in range(0, flips, size):
        block = min(size, flips - start)
        signs = rng.integers(2, size=(block, len(data)), dtype=np.int8) * np.int8(2) - np.int8(1)
        hits += int(np.count_nonzero(np.abs(signs @ data) >= seen))
    return (1 + hits) / (1 + flips)


def pass_at_k(trials: int, right: int, k: int) -> float:
    """The chance that one of `k` trials is right, drawn without replacement from `trials` of which `right` are.

    The unbiased estimate of Chen et al. (arXiv 2107.03374); with `k` = `trials` it is 1 if any is right, else 0.
    """
    if not 0 <= right <= trials or not 1 <= k <= trials:
        raise ConfigError(f"pass@{k} of {right} right in {trials} trials makes no sense")
    return 1.0 - comb(trials - right, k) / comb(trials, k)
