"""Running statistics of returns, against numbers worked out by hand."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from wideseek_baselines.train.model.critic import ValueHead
from wideseek_baselines.train.model.value_norm import DECAY, SMALLEST, ValueNorm


def test_the_first_update_replaces_the_statistics_and_later_ones_move_them() -> None:
    norm = ValueNorm()
    assert (norm.mean, norm.std) == (0, 1)
    norm.update([1.0, 3.0, 100.0], [1, 1, 0])
    assert (norm.mean, norm.std) == (2, 1)
    norm.update([4.0, 8.0], [3, 1])  # mean 5, variance 3
    share = (1 - DECAY) / (1 - DECAY**2)
    assert share == pytest.approx(1 / 1.99)
    assert norm.mean == pytest.approx(2 + 3 * share)
    # The variance of a mixture: that within the parts, and that between their means.
    assert norm.std**2 == pytest.approx((1 - share) * 1 + share * 3 + share * (1 - share) * 9)
    norm.update([7.0], [0])
    assert int(norm.updates) == 2


def test_updates_count_equally_at_first() -> None:
    norm, dice = ValueNorm(), np.random.default_rng(0)
    parts = [dice.normal(5 + at, 2, 400) for at in range(4)]
    for part in parts:
        norm.update(part, np.ones(400))
    together = np.concatenate(parts)
    assert norm.mean == pytest.approx(together.mean(), abs=0.03)
    assert norm.std == pytest.approx(together.std(), abs=0.03)


@pytest.mark.parametrize(("returns", "std"), [([0.0, 0.0], SMALLEST), ([-500.0, 500.0], 500.0)])
def test_values_and_outputs_are_inverse(returns: list[float], std: float) -> None:
    norm = ValueNorm()
    norm.update(returns, [1, 1])
    assert norm.std == pytest.approx(std)
    outputs = np.array([-1.5, 0.0, 2.0])
    np.testing.assert_allclose(norm.values(outputs), outputs * std, rtol=1e-6)
    np.testing.assert_allclose(norm.outputs(norm.values(outputs)), outputs, rtol=1e-6)
    np.testing.assert_allclose(norm(torch.tensor(outputs)).numpy(), norm.values(outputs), rtol=1e-6)


def test_a_head_without_weights_predicts_the_mean_and_keeps_it_in_its_state() -> None:
    head = ValueHead(4)
    assert head(torch.randn(3, 4)).tolist() == [0, 0, 0]
    head.norm.update([0.25, 0.75], [1, 1])
    assert head(torch.randn(3, 4)).tolist() == [0.5] * 3
    other = ValueHead(4)
    other.load_state_dict(head.state_dict())
    assert (other.norm.mean, other.norm.std, int(other.norm.updates)) == (0.5, 0.25, 1)
    assert len(list(head.parameters())) == 2, "the optimizer must not train the statistics"
