"""Intervals and tests over tasks against what can be counted or is known."""

from __future__ import annotations

from itertools import combinations, product
from math import erfc, sqrt

import numpy as np
import pytest

from wideseek_env.errors import ConfigError
from wideseek_env.evaluation.compare import Difference
from wideseek_env.evaluation.statistics import (
    EXACT_UP_TO,
    bootstrap_interval,
    bootstrap_intervals,
    pass_at_k,
    sign_flip_p,
)


def test_columns_are_resampled_together_and_as_if_alone() -> None:
    values = np.random.default_rng(0).normal(size=(30, 3))
    values[:, 2] = 2 * values[:, 0]
    bounds = bootstrap_intervals(values, seed=1)
    assert bounds.shape == (3, 2)
    assert bounds[2] == pytest.approx(2 * bounds[0])
    for column in range(3):
        assert bounds[column] == pytest.approx(bootstrap_interval(list(values[:, column]), seed=1))


def test_blocks_cover_every_resample() -> None:
    # 3,000 tasks take several blocks; a resample left out would be uninitialised memory.
    low, high = bootstrap_intervals(np.ones((3_000, 1)), resamples=777)[0]
    assert (low, high) == (1.0, 1.0)


@pytest.mark.parametrize("level", [0.5, 0.9])
def test_the_level_is_the_share_of_resamples_inside(level: float) -> None:
    values = np.random.default_rng(2).uniform(size=100)
    half = (np.subtract(*bootstrap_interval(values, level=level, resamples=4000)[::-1])) / 2
    z = {0.5: 0.6745, 0.9: 1.6449}[level]
    assert half == pytest.approx(z * values.std() / 10, rel=0.08)


def test_one_task_has_an_interval_without_width() -> None:
    assert bootstrap_interval([0.3]) == (pytest.approx(0.3), pytest.approx(0.3))


@pytest.mark.parametrize(
    ("differences", "p"),
    [
        ([], 1.0),
        ([0.0, 0.0], 1.0),
        ([0.5], 1.0),
        ([0.1, 0.2, 0.3], 2 / 8),
        ([0.1, 0.2, -0.3], 1.0),
        ([1.0] * 5, 2 / 32),
        ([0.0, 1.0, 0.0, 1.0, 1.0, 1.0, 1.0], 2 / 32),
    ],
)
def test_few_differences_are_counted_exactly(differences: list[float], p: float) -> None:
    assert sign_flip_p(differences) == p
    assert sign_flip_p([-d for d in differences]) == p


def test_counting_agrees_with_trying_every_flip() -> None:
    data = np.random.default_rng(5).normal(0.3, 1, size=11).round(1)
    every = [abs(np.dot(signs, data)) >= abs(data.sum()) - 1e-9 for signs in product((1, -1), repeat=11)]
    assert sign_flip_p(data) == pytest.approx(np.mean(every), abs=1e-12)


def test_drawing_agrees_with_the_normal_approximation() -> None:
    data = np.random.default_rng(6).normal(0.2, 1, size=400)
    drawn = sign_flip_p(data)
    assert len(data) > EXACT_UP_TO
    assert drawn == sign_flip_p(data)
    z = abs(data.sum()) / np.sqrt((data**2).sum())
    assert drawn == pytest.approx(erfc(z / sqrt(2)), rel=0.1, abs=0.003)
    weak = np.concatenate([data[:200], -data[:199]])
    assert sign_flip_p(weak) > 0.5


def test_a_drawn_p_is_never_zero() -> None:
    assert sign_flip_p([1.0] * 60, flips=999) == 1 / 1000


@pytest.mark.parametrize(("trials", "right"), [(4, 0), (4, 1), (5, 2), (6, 6)])
def test_pass_at_k_is_the_share_of_draws_with_a_right_one(trials: int, right: int) -> None:
    results = [True] * right + [False] * (trials - right)
    for k in range(1, trials + 1):
        draws = [any(draw) for draw in combinations(results, k)]
        assert pass_at_k(trials, right, k) == pytest.approx(sum(draws) / len(draws))
    assert pass_at_k(trials, right, trials) == float(right > 0)


@pytest.mark.parametrize("wrong", [(4, 5, 1), (4, 1, 0), (4, 1, 5)])
def test_what_cannot_be_is_refused(wrong: tuple[int, int, int]) -> None:
    with pytest.raises(ConfigError):
        pass_at_k(*wrong)


@pytest.mark.parametrize("value", [0.0, 1.0, 0.1, 1 / 3, 0.7, 2 / 3, 0.999999999])
def test_no_interval_leaves_the_range_of_its_values(value: float) -> None:
    for tasks in (1, 2, 3, 7, 10, 49, 97):
        low, high = bootstrap_interval([value] * tasks)
        assert low == high == value
        low, high = bootstrap_interval([value] * tasks + [0.0, 1.0])
        assert 0 <= low <= high <= 1


def test_a_difference_is_significant_by_its_p_value_and_not_by_its_interval() -> None:
    four = Difference(0.4, 0.9, 0.5, 0.5, 0.5, sign_flip_p([0.5] * 4), 4, 0, 0)
    assert (four.p, four.low > 0, four.significant) == (0.125, True, False)
    assert Difference(0.4, 0.9, 0.5, 0.5, 0.5, sign_flip_p([0.5] * 6), 6, 0, 0).significant
