"""Losses over flat tokens. Every loss is a sum of ``weight × term`` over the tokens of a row.

Nothing here knows about sequences, rows or padding. The losses of the rows of a mini-batch are simply added. The
weights come from `wideseek_baselines.train.data.loss_weights`.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from wideseek_baselines.train.config.options import PolicyLossOptions
from wideseek_baselines.train.objective.metrics import MetricAccumulator

LARGEST = 20.0
"""Largest difference of log-probabilities; larger ones are clipped, so that one token cannot make a sum infinite."""


@dataclass(frozen=True, slots=True)
class Loss:
    """A scalar to call ``backward`` on, and metrics of its tokens."""

    value: Tensor
    metrics: MetricAccumulator


def policy_loss(
    logprobs: Tensor,
    old: Tensor,
    advantages: Tensor,
    weights: Tensor,
    options: PolicyLossOptions,
    *,
    engine: Tensor | None = None,
    reference: Tensor | None = None,
    entropies: Tensor | None = None,
) -> Loss:
    """The clipped policy-gradient loss with its KL and entropy terms. All tensors are ``[K]``.

    Args:
        logprobs: Log-probabilities under the policy that is trained. They have a gradient.
        old: Log-probabilities under the same policy before the first mini-batch of the step.
        advantages: Of each token.
        weights: Of each token.
        options: Clipping, KL, entropy and importance sampling.
        engine: Log-probabilities that the engine recorded when it sampled. None switches importance sampling off.
        reference: Log-probabilities under the frozen reference model. Required if ``options.kl`` is above 0.
        entropies: Of the policy that is trained; they have a gradient. Required if ``options.entropy`` is above 0.

    Raises:
        ValueError: `reference` or `entropies` is missing.
    """
    metrics = MetricAccumulator()
    ratio = (logprobs - old).clamp(-LARGEST, LARGEST).exp()
    gain = ratio * advantages
    clipped = ratio.clamp(1 - options.clip_low, 1 + options.clip_high) * advantages
    surrogate = torch.minimum(gain, clipped)
    if options.dual_clip is not None:
        floor = options.dual_clip * advantages
        surrogate = torch.where(advantages < 0, torch.maximum(surrogate, floor), surrogate)
    if engine is not None:
        surrogate = surrogate * mismatch_weights(old, engine, options, metrics)
    value = -(weights * surrogate).sum()
    if options.kl > 0:
        if reference is None:
            raise ValueError("a KL term needs the reference model's log-probabilities")
        divergence = k3(logprobs, reference)
        value = value + options.kl * (weights * divergence).sum()
        metrics.mean("kl_reference", divergence)
    if options.entropy > 0:
        if entropies is None:
            raise ValueError("an entropy bonus needs entropies")
        value = value - options.entropy * (weights * entropies).sum()
    with torch.no_grad():
        low = (advantages < 0) & (ratio < 1 - options.clip_low)
        high = (advantages > 0) & (ratio > 1 + options.clip_high)
        metrics.mean("clip_share", (low | high).float())
        metrics.mean("clip_low_share", low.float())
        metrics.mean("clip_high_share", high.float())
        metrics.mean("kl_step", k3(logprobs, old, of_old=True))
        metrics.mean("ratio", ratio)
        metrics.peak("ratio_max", ratio)
        if entropies is not None:
            metrics.mean("entropy", entropies)
    return Loss(value, metrics)


def mismatch_weights(
    old: Tensor, engine: Tensor, options: PolicyLossOptions, metrics: MetricAccumulator
) -> Tensor:
    """``[K]`` weights that correct for the difference between the engine's and the trainer's distribution.

    `truncate` cuts the ratio trainer / engine off at the cap (truncated importance sampling). `mask` leaves out tokens
    whose ratio is outside 1/cap … cap. The size of the difference is added to the metrics in all cases.
    """
    with torch.no_grad():
        gap = (old - engine).clamp(-LARGEST, LARGEST)
        ratio = gap.exp()
        cap = options.is_cap
        outside = ratio > cap
        if options.importance_sampling == "mask":
            outside = outside | (ratio < 1 / cap)
        metrics.mean("mismatch", gap.abs())
        metrics.peak("mismatch_max", gap.abs())
        metrics.mean("mismatch_kl", k3(old, engine, of_old=True))
        metrics.mean("mismatch_masked_share", outside.float())
        if options.importance_sampling == "none":
            return torch.ones_like(ratio)
        return (
            ratio.clamp(max=cap)
            if options.importance_sampling == "truncate"
            else ratio.masked_fill(outside, 0.0)
        )


def k3(logprobs: Tensor, other: Tensor, *, of_old: bool = False) -> Tensor:
    """The k3 estimate ``exp(d) - d - 1`` of a KL divergence, for each token. It is never negative and has low variance.

    With ``d = other - logprobs`` it estimates KL(policy ‖ other) from tokens of the policy. With `of_old`,
    ``d = logprobs - other``, and it estimates KL(other ‖ policy) from tokens of the other.
    """
    gap = (logprobs - other if of_old else other - logprobs).clamp(-LARGEST, LARGEST)
    return gap.exp() - gap - 1


def value_loss(values: Tensor, old: Tensor, returns: Tensor, weights: Tensor, *, clip: float) -> Loss:
    """Half the squared error of values. Moving a value further than `clip` from `old` does not lower it.

    Args:
        values: ``[K]`` of the critic that is trained.
        old: ``[K]`` of the critic before the first mini-batch of the step.
        returns: ``[K]`` targets.
        weights: ``[K]``. Tokens of weight 0 are not in the metrics either.
        clip: 0 is off.
    """
    metrics = MetricAccumulator()
    counted = weights > 0
    error = (values - returns).square()
    if clip > 0:
        near = old + (values - old).clamp(-clip, clip)
        bounded = (near - returns).square()
        metrics.mean("value_clip_share", (bounded > error).float(), counted)
        error = torch.maximum(error, bounded)
    with torch.no_grad():
        metrics.mean("value", values, counted)
        metrics.mean("value_error", (values - returns).square(), counted)
        metrics.mean("return", returns, counted)
        metrics.mean("return_square", returns.square(), counted)
    return Loss(0.5 * (weights * error).sum(), metrics)


def supervised_loss(logprobs: Tensor, weights: Tensor) -> Loss:
    """Cross-entropy of given tokens."""
    metrics = MetricAccumulator()
    metrics.mean("nll", -logprobs)
    return Loss(-(weights * logprobs).sum(), metrics)
