"""Losses against hand-computed values."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import pytest
import torch

from wideseek_baselines.train.config.options import PolicyLossOptions
from wideseek_baselines.train.objective.losses import k3, policy_loss, value_loss
from wideseek_env.errors import ConfigError

PLAIN = PolicyLossOptions(clip_low=0.2, clip_high=0.3, kl=0.0, importance_sampling="none")


def logs(*ratios: float) -> torch.Tensor:
    return torch.tensor([math.log(ratio) for ratio in ratios])


def test_clipping_is_one_sided_and_follows_the_sign_of_the_advantage() -> None:
    ratios = logs(1.5, 0.5, 1.5, 0.5, 1.1).requires_grad_()
    advantages = torch.tensor([1.0, 1.0, -1.0, -1.0, 2.0])
    loss = policy_loss(ratios, torch.zeros(5), advantages, torch.full((5,), 0.2), PLAIN)
    # min(r A, clip(r) A): 1.3, 0.5, -1.5, -0.8, 2.2
    assert loss.value.item() == pytest.approx(-0.2 * (1.3 + 0.5 - 1.5 - 0.8 + 2.2))
    loss.value.backward()
    assert ratios.grad is not None
    torch.testing.assert_close(ratios.grad, -0.2 * torch.tensor([0.0, 0.5, -1.5, 0.0, 2.2]))
    found = loss.metrics.result()
    assert found["clip_share"] == pytest.approx(0.4)
    assert found["clip_high_share"] == pytest.approx(0.2)
    assert found["clip_low_share"] == pytest.approx(0.2)
    assert found["ratio_max"] == pytest.approx(1.5)


def test_the_dual_clip_bounds_the_loss_of_bad_tokens_only() -> None:
    ratios = logs(10.0, 10.0).requires_grad_()
    loss = policy_loss(
        ratios, torch.zeros(2), torch.tensor([-1.0, 1.0]), torch.ones(2), replace(PLAIN, dual_clip=3.0)
    )
    assert loss.value.item() == pytest.approx(3.0 - 1.3)


def test_weights_are_all_that_averages() -> None:
    advantages, weights = torch.tensor([1.0, 2.0, 3.0]), torch.tensor([0.5, 0.25, 0.25])
    whole = policy_loss(torch.zeros(3), torch.zeros(3), advantages, weights, PLAIN).value
    parts = [
        policy_loss(
            torch.zeros(1), torch.zeros(1), advantages[at : at + 1], weights[at : at + 1], PLAIN
        ).value
        for at in range(3)
    ]
    assert whole.item() == pytest.approx(-1.75)
    assert sum(part.item() for part in parts) == pytest.approx(whole.item())


def test_k3_estimates_the_divergence_from_the_sampling_side() -> None:
    policy, reference = torch.tensor([0.7, 0.3]).log(), torch.tensor([0.4, 0.6]).log()
    exact = (policy.exp() * (policy - reference)).sum()
    torch.testing.assert_close((policy.exp() * k3(policy, reference)).sum(), exact)
    torch.testing.assert_close(
        (reference.exp() * k3(policy, reference, of_old=True)).sum(),
        (reference.exp() * (reference - policy)).sum(),
    )
    assert (k3(policy, reference) >= 0).all()


def test_kl_and_entropy_are_weighted_like_the_rest() -> None:
    logprobs = logs(0.5).requires_grad_()
    reference, weights = logs(0.25), torch.tensor([0.1])
    options = replace(PLAIN, kl=2.0, entropy=3.0)
    loss = policy_loss(
        logprobs, logprobs.detach(), torch.zeros(1), weights, options,
        reference=reference, entropies=torch.tensor([0.7]),
    )  # fmt: skip
    divergence = 0.5 - math.log(0.5) - 1
    assert loss.value.item() == pytest.approx(0.1 * (2 * divergence - 3 * 0.7))
    loss.value.backward()
    assert logprobs.grad is not None
    assert float(logprobs.grad) == pytest.approx(0.1 * 2 * (1 - 0.5))  # d k3 / d logp = 1 - exp(ref - logp)
    with pytest.raises(ValueError, match="reference"):
        policy_loss(logprobs, logprobs, torch.zeros(1), weights, options)


def test_truncated_importance_sampling_weights_by_trainer_over_engine() -> None:
    old, engine = logs(0.2, 0.8, 0.1), logs(0.4, 0.1, 0.1)  # ratios 0.5, 8, 1
    advantages = torch.ones(3)
    base = replace(PLAIN, is_cap=2.0)

    def loss(mismatch: str) -> float:
        options = replace(base, importance_sampling=mismatch)  # type: ignore[arg-type]
        return policy_loss(old, old, advantages, torch.ones(3), options, engine=engine).value.item()

    assert loss("truncate") == pytest.approx(-(0.5 + 2 + 1))
    assert loss("mask") == pytest.approx(-(0.5 + 0 + 1))
    assert loss("none") == pytest.approx(-3)
    accumulator = policy_loss(
        old, old, advantages, torch.ones(3), replace(base, importance_sampling="mask"), engine=engine
    ).metrics.result()
    assert accumulator["mismatch"] == pytest.approx((math.log(2) + math.log(8)) / 3)
    assert accumulator["mismatch_max"] == pytest.approx(math.log(8))
    assert accumulator["mismatch_masked_share"] == pytest.approx(1 / 3)


def test_no_gradient_flows_through_the_mismatch() -> None:
    logprobs = logs(0.5).requires_grad_()
    options = replace(PLAIN, importance_sampling="truncate")
    policy_loss(logprobs, logs(0.5), torch.ones(1), torch.ones(1), options, engine=logs(0.4)).value.backward()
    assert logprobs.grad is not None
    assert float(logprobs.grad) == pytest.approx(-1.25)


def test_a_wild_token_does_not_make_the_loss_infinite() -> None:
    logprobs = torch.tensor([0.0, -1.0], requires_grad=True)
    loss = policy_loss(
        logprobs, torch.tensor([-500.0, -1.0]), torch.tensor([-1.0, 1.0]), torch.ones(2), PLAIN,
        engine=torch.tensor([-900.0, -1.0]),
    )  # fmt: skip
    assert math.isfinite(loss.value.item())
    loss.value.backward()
    assert logprobs.grad is not None
    assert torch.isfinite(logprobs.grad).all()


def test_the_engine_can_be_the_old_policy() -> None:
    """Old is what the engine recorded: ratios 1.5, 0.5, 1.0, and a gradient only where nothing is clipped."""
    engine, logprobs = logs(0.2, 0.4, 0.5), logs(0.3, 0.2, 0.5).requires_grad_()
    advantages = torch.tensor([1.0, 1.0, -2.0])
    options = replace(PLAIN, recompute_logprobs=False)
    loss = policy_loss(logprobs, logprobs.detach(), advantages, torch.ones(3), options, engine=engine)
    assert loss.value.item() == pytest.approx(-(1.3 + 0.5 - 2.0))
    loss.value.backward()
    assert logprobs.grad is not None
    torch.testing.assert_close(logprobs.grad, torch.tensor([0.0, -0.5, 2.0]))
    found = loss.metrics.result()
    assert found["ratio_max"] == pytest.approx(1.5)
    assert found["mismatch"] == pytest.approx((math.log(1.5) + math.log(2)) / 3), (
        "the trainer's against the engine's"
    )
    default = policy_loss(logprobs, logprobs.detach(), advantages, torch.ones(3), PLAIN, engine=engine)
    assert default.value.item() == pytest.approx(-(1 + 1 - 2))
    with pytest.raises(ValueError, match="engine"):
        policy_loss(logprobs, logprobs.detach(), advantages, torch.ones(3), options)
    with pytest.raises(ConfigError, match="importance_sampling to none"):
        PolicyLossOptions(recompute_logprobs=False)


@pytest.mark.parametrize("limit", [None, 10.0, 0.5])
def test_the_kl_term_of_a_token_is_clipped(limit: float | None) -> None:
    logprobs, reference = torch.tensor([-9.0, -1.0]).requires_grad_(), torch.tensor([-1.0, -2.0])
    options = replace(PLAIN, kl=2.0, kl_clip=limit)
    loss = policy_loss(
        logprobs, logprobs.detach(), torch.zeros(2), torch.tensor([0.25, 0.5]), options, reference=reference
    )
    plain = [math.exp(gap) - gap - 1 for gap in (8.0, -1.0)]
    top = math.inf if limit is None else limit
    assert loss.value.item() == pytest.approx(
        2 * (0.25 * min(plain[0], top) + 0.5 * min(plain[1], top)), rel=1e-5
    )
    loss.value.backward()
    assert logprobs.grad is not None
    slopes = [2 * weight * (1 - math.exp(gap)) for weight, gap in ((0.25, 8.0), (0.5, -1.0))]
    assert logprobs.grad[0].item() == pytest.approx(slopes[0] if limit is None else 0.0, rel=1e-5)
    assert logprobs.grad[1].item() == pytest.approx(slopes[1], rel=1e-5)


GAPS = (
    -30.0,
    -20.0,
    -11.1,
    -10.9,
    -5.0,
    -1.0,
    -0.1,
    0.0,
    0.1,
    1.0,
    2.0,
    2.6,
    2.7,
    5.0,
    10.0,
    19.9,
    20.0,
    30.0,
)


@pytest.mark.parametrize("gap", GAPS)
def test_the_kl_term_of_any_gap_is_bounded_and_of_an_ordinary_gap_is_exact(gap: float) -> None:
    """`gap` is the log-probability under the reference minus that under the policy."""
    logprobs = torch.tensor([-40.0], dtype=torch.float64, requires_grad=True)
    loss = policy_loss(
        logprobs, logprobs.detach(), torch.zeros(1), torch.ones(1), PolicyLossOptions(kl=1.0),
        reference=torch.tensor([gap - 40.0], dtype=torch.float64),
    )  # fmt: skip
    loss.value.backward()
    assert logprobs.grad is not None
    exact = math.exp(gap) - gap - 1
    assert (exact < 10) == (-11 < gap < 2.65)
    assert loss.value.item() == pytest.approx(min(exact, 10.0), abs=1e-12)
    assert logprobs.grad.item() == pytest.approx(1 - math.exp(gap) if exact < 10 else 0.0, abs=1e-12)
    assert abs(logprobs.grad.item()) < 12.7


def test_one_wild_token_does_not_own_the_gradient_of_a_step() -> None:
    gaps = torch.cat([torch.linspace(-1.0, 1.0, 999), torch.tensor([19.9])])
    shares = {}
    for limit in (None, PolicyLossOptions().kl_clip):
        logprobs = torch.zeros(1000, requires_grad=True)
        options = PolicyLossOptions(kl=0.001, kl_clip=limit)
        policy_loss(
            logprobs, logprobs.detach(), torch.zeros(1000), torch.full((1000,), 1e-3), options, reference=gaps
        ).value.backward()
        assert logprobs.grad is not None
        shares[limit] = float(logprobs.grad[-1].abs() / logprobs.grad.norm())
    assert shares[None] > 0.999999, "the test does not show the fault"
    assert shares[10.0] < 0.5


def test_a_sequence_with_a_large_mean_ratio_is_left_out() -> None:
    """Three sequences with mean ratios 5.5, 5 and 1. Neither policy nor KL term trains the first."""
    old, advantages = torch.zeros(6), torch.tensor([-1.0, 1.0, -1.0, -1.0, 1.0, -1.0])
    reference, weights = logs(2.0, 2.0, 2.0, 2.0, 2.0, 2.0), torch.tensor([0.1, 0.1, 0.2, 0.2, 0.3, 0.3])
    options = replace(PLAIN, kl=0.5, early_stop_imp_ratio=5.0)

    def run(chosen: slice, counts: list[int], **changes: Any) -> tuple[float, torch.Tensor, Any]:
        logprobs = logs(10.0, 1.0, 9.0, 1.0, 0.5, 1.5)[chosen].requires_grad_()
        loss = policy_loss(
            logprobs, old[chosen], advantages[chosen], weights[chosen], replace(options, **changes),
            reference=reference[chosen], counts=counts,
        )  # fmt: skip
        loss.value.backward()
        assert logprobs.grad is not None
        return loss.value.item(), logprobs.grad, loss.metrics.result()

    value, gradient, metrics = run(slice(None), [2, 2, 2])
    assert gradient[:2].tolist() == [0.0, 0.0]
    assert (gradient[2:] != 0).any()
    assert metrics["early_stopped_share"] == pytest.approx(1 / 3)
    apart = [run(slice(at, at + 2), [2]) for at in (0, 2, 4)]
    assert apart[0][0] == 0.0
    assert sum(each[0] for each in apart) == pytest.approx(value), "it does not depend on the packing"
    torch.testing.assert_close(torch.cat([each[1] for each in apart]), gradient)
    every, whole, _ = run(slice(None), [2, 2, 2], early_stop_imp_ratio=None)
    assert (whole[:2] != 0).all()
    assert every != pytest.approx(value)
    together, _, _ = run(slice(None), [6])
    assert together == pytest.approx(every), "the mean of all six is below the limit"
    with pytest.raises(ValueError, match="tokens of each sequence"):
        policy_loss(old, old, advantages, weights, replace(options, kl=0.0))


def test_the_kl_term_can_have_weights_of_its_own() -> None:
    logprobs, reference = logs(0.5, 0.5), logs(0.25, 0.125)
    plain = [ratio - math.log(ratio) - 1 for ratio in (0.5, 0.25)]
    loss = policy_loss(
        logprobs, logprobs, torch.ones(2), torch.tensor([0.5, 0.5]), replace(PLAIN, kl=2.0),
        reference=reference, kl_weights=torch.tensor([0.1, 0.3]),
    )  # fmt: skip
    assert loss.value.item() == pytest.approx(-1 + 2 * (0.1 * plain[0] + 0.3 * plain[1]))


def test_value_clipping_takes_the_larger_error() -> None:
    values = torch.tensor([1.0, 0.1, 0.5], requires_grad=True)
    returns = torch.tensor([1.0, 1.0, 0.0])
    loss = value_loss(values, torch.zeros(3), returns, torch.full((3,), 2.0), clip=0.2)
    # near: 0.2, 0.1, 0.2 -> errors max(0, .64), max(.81, .81), max(.25, .04)
    assert loss.value.item() == pytest.approx(0.5 * 2 * (0.64 + 0.81 + 0.25))
    loss.value.backward()
    assert values.grad is not None
    torch.testing.assert_close(values.grad, 2 * torch.tensor([0.0, -0.9, 0.5]))
    assert loss.metrics.result()["value_clip_share"] == pytest.approx(1 / 3)
    assert value_loss(values, torch.zeros(3), returns, torch.ones(3), clip=0).value.item() == pytest.approx(
        0.5 * (0 + 0.81 + 0.25)
    )
    # A token without weight is in no figure.
    figures = value_loss(
        values, torch.zeros(3), returns, torch.tensor([0.0, 1.0, 3.0]), clip=0
    ).metrics.result()
    assert figures["value"] == pytest.approx(0.3)
    assert figures["value_error"] == pytest.approx((0.81 + 0.25) / 2)
