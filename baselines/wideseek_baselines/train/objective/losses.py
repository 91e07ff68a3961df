"""Losses on flat tokens. Every loss is a sum of ``weight × term`` over the tokens of a row; see `weights`.

Nothing here knows about sequences, rows or padding, and losses of the rows of a mini-batch simply add up.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from wideseek_baselines.train.config.options import PolicyLossOptions
from wideseek_baselines.train.objective.metrics import MetricAccumulator

LARGEST = 20.0
"""Differences of log-probabilities beyond this are cut, so that one wild token cannot make a sum infinite."""


@dataclass(frozen=True, slots=True)
class Loss:
    """A scalar to call ``backward`` on, and what is worth knowing about its tokens."""

    value: Tensor
    tally: MetricAccumulator


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
    """The clipped policy-gradient loss with its extras. All tensors are ``[K]``.

    Args:
        logprobs: Of the policy that is trained; the only input with a gradient besides `entropies`.
        old: The trainer's own, from before the first mini-batch of this batch.
        advantages: Of each token.
        weights: Of each token.
        options: Clipping, KL, entropy, mismatch.
        engine: Those that the engine recorded when it sampled. None leaves the mismatch alone.
        reference: Of the frozen reference model; needed where ``options.kl`` is above 0.
        entropies: Of the policy that is trained; needed where ``options.entropy`` is above 0.
    """
    tally = MetricAccumulator()
    ratio = (logprobs - old).clamp(-LARGEST, LARGEST).exp()
    gain = ratio * advantages
    clipped = ratio.clamp(1 - options.clip_low, 1 + options.clip_high) * advantages
    surrogate = torch.minimum(gain, clipped)
    if options.dual_clip is not None:
        floor = options.dual_clip * advantages
        surrogate = torch.where(advantages < 0, torch.maximum(surrogate, floor), surrogate)
    if engine is not None:
        surrogate = surrogate * mismatch_weights(old, engine, options, tally)
    value = -(weights * surrogate).sum()
    if options.kl > 0:
        if reference is None:
            raise ValueError("a KL term needs the reference model's log-probabilities")
        divergence = k3(logprobs, reference)
        value = value + options.kl * (weights * divergence).sum()
        tally.mean("kl_reference", divergence)
    if options.entropy > 0:
        if entropies is None:
            raise ValueError("an entropy bonus needs entropies")
        value = value - options.entropy * (weights * entropies).sum()
    with torch.no_grad():
        low = (advantages < 0) & (ratio < 1 - options.clip_low)
        high = (advantages > 0) & (ratio > 1 + options.clip_high)
        tally.mean("clip_share", (low | high).float())
        tally.mean("clip_low_share", low.float())
        tally.mean("clip_high_share", high.float())
        tally.mean("kl_step", k3(logprobs, old, of_old=True))
        tally.mean("ratio", ratio)
        tally.peak("ratio_max", ratio)
        if entropies is not None:
            tally.mean("entropy", entropies)
    return Loss(value, tally)


def mismatch_weights(
    old: Tensor, engine: Tensor, options: PolicyLossOptions, tally: MetricAccumulator
) -> Tensor:
    """``[K]`` weights that make up for the engine's distribution being a little other than the trainer's.

    The ratio trainer / engine is truncated at the cap (truncated importance sampling), or tokens with a ratio
    outside 1/cap…cap are left out. The tally gets the mismatch in any case.
    """
    with torch.no_grad():
        gap = (old - engine).clamp(-LARGEST, LARGEST)
        ratio = gap.exp()
        cap = options.is_cap
        outside = ratio > cap
        if options.importance_sampling == "mask":
            outside = outside | (ratio < 1 / cap)
        tally.mean("mismatch", gap.abs())
        tally.peak("mismatch_max", gap.abs())
        tally.mean("mismatch_kl", k3(old, engine, of_old=True))
        tally.mean("mismatch_masked_share", outside.float())
        if options.importance_sampling == "none":
            return torch.ones_like(ratio)
        return (
            ratio.clamp(max=cap)
            if options.importance_sampling == "truncate"
            else ratio.masked_fill(outside, 0.0)
        )


def k3(logprobs: Tensor, other: Tensor, *, of_old: bool = False) -> Tensor:
    """The estimate ``exp(d) - d - 1`` of a KL divergence for each token; never negative, low in variance.

    With ``d = other - logprobs`` it estimates KL(policy ‖ other) from tokens of the policy; with `of_old`,
    ``d = logprobs - other`` and it estimates KL(other ‖ policy) from tokens of the other.
    """
    gap = (logprobs - other if of_old else other - logprobs).clamp(-LARGEST, LARGEST)
    return gap.exp() - gap - 1


def value_loss(values: Tensor, old: Tensor, returns: Tensor, weights: Tensor, *, clip: float) -> Loss:
    """Half the squared error of values, from which a value cannot gain by moving more than `clip` from `old`.

    Args:
        values: ``[K]`` of the critic that is trained.
        old: ``[K]`` of the critic before the first mini-batch.
        returns: ``[K]`` targets.
        weights: ``[K]``. Tokens of weight 0 are not in the figures either.
        clip: 0 is off.
    """
    tally = MetricAccumulator()
    counted = weights > 0
    error = (values - returns).square()
    if clip > 0:
        near = old + (values - old).clamp(-clip, clip)
        bounded = (near - returns).square()
        tally.mean("value_clip_share", (bounded > error).float(), counted)
        error = torch.maximum(error, bounded)
    with torch.no_grad():
        tally.mean("value", values, counted)
        tally.mean("value_error", (values - returns).square(), counted)
        tally.mean("return", returns, counted)
        tally.mean("return_square", returns.square(), counted)
    return Loss(0.5 * (weights * error).sum(), tally)


def supervised_loss(logprobs: Tensor, weights: Tensor) -> Loss:
    """Cross-entropy of given tokens."""
    tally = MetricAccumulator()
    tally.mean("nll", -logprobs)
    return Loss(-(weights * logprobs).sum(), tally)
