"""Losses over the trained tokens of a row. Every loss is the sum of ``weight × term`` over these tokens.

The functions get flat tensors with one number for each trained token. They know nothing about sequences. The loss of a
mini-batch is the sum of the losses of its rows. The weights come from `wideseek_baselines.train.data.loss_weights`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from wideseek_baselines.train.config.options import PolicyLossOptions
from wideseek_baselines.train.objective.metrics import MetricAccumulator

LARGEST = 20.0
"""Larger differences of log-probabilities are clipped to this value, so that one token cannot make a sum infinite."""


@dataclass(frozen=True, slots=True)
class Loss:
    """A scalar `value` to call ``backward`` on, and metrics of the tokens in the loss."""

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
    counts: Sequence[int] | None = None,
    kl_weights: Tensor | None = None,
) -> Loss:
    """The clipped policy-gradient loss with its KL and entropy terms.

    All tensors have the shape ``[K]``: one number for each of K trained tokens.

    Args:
        logprobs: Log-probabilities under the policy that is trained. They have a gradient.
        old: Log-probabilities under the same policy before the first mini-batch of the step.
        advantages: The advantage of each token.
        weights: The weight of each token in the loss.
        options: Settings of clipping, KL, entropy and importance sampling.
        engine: Log-probabilities that the engine recorded when it sampled. None switches importance sampling off.
            Without ``options.recompute_logprobs``, they are required, and are the old ones in the ratio.
        reference: Log-probabilities under the frozen reference model. Required if ``options.kl`` is above 0.
        entropies: Entropies of the policy that is trained. They have a gradient. Required if ``options.entropy`` is
            above 0.
        counts: How many of the K tokens each sequence has, in order. Required with ``options.early_stop_imp_ratio``
            and with ``options.ratio="sequence"``.
        kl_weights: The weight of each token in the KL term. None means `weights`.

    Raises:
        ValueError: `engine`, `reference`, `entropies` or `counts` is missing.
    """
    metrics = MetricAccumulator()
    before = old
    if not options.recompute_logprobs:
        if engine is None:
            raise ValueError("recompute_logprobs=false needs the engine's log-probabilities")
        before = engine
    gap = logprobs - before
    if options.ratio == "sequence":
        if counts is None:
            raise ValueError("ratio='sequence' needs the number of tokens of each sequence")
        gap = sequence_means(gap, counts)
    ratio = gap.clamp(-LARGEST, LARGEST).exp()
    if options.early_stop_imp_ratio is not None:
        if counts is None:
            raise ValueError("early_stop_imp_ratio needs the number of tokens of each sequence")
        kept = within(ratio.detach(), counts, options.early_stop_imp_ratio)
        weights = weights * kept
        kl_weights = kl_weights * kept if kl_weights is not None else None
        metrics.mean("early_stopped_share", 1 - kept)
    bounded = ratio.clamp(1 - options.clip_low, 1 + options.clip_high)
    if options.objective == "cispo":
        surrogate = bounded.detach() * advantages * logprobs
    else:
        surrogate = torch.minimum(ratio * advantages, bounded * advantages)
    if options.dual_clip is not None:
        floor = options.dual_clip * advantages
        surrogate = torch.where(advantages < 0, torch.maximum(surrogate, floor), surrogate)
    if engine is not None:
        surrogate = surrogate * mismatch_weights(old, engine, options, metrics)
    value = -(weights * surrogate).sum()
    if options.kl > 0:
        if reference is None:
            raise ValueError("a KL term needs the reference model's log-probabilities")
        divergence = k3(logprobs, reference, limit=options.kl_clip)
        value = value + options.kl * ((weights if kl_weights is None else kl_weights) * divergence).sum()
        metrics.mean("kl_reference", divergence)
    if options.entropy > 0:
        if entropies is None:
            raise ValueError("an entropy bonus needs entropies")
        value = value - options.entropy * (weights * entropies).sum()
    with torch.no_grad():
        low, high = ratio < 1 - options.clip_low, ratio > 1 + options.clip_high
        if options.objective == "clip":  # the other side of each bound has its whole gradient
            low, high = low & (advantages < 0), high & (advantages > 0)
        metrics.mean("clip_share", (low | high).float())
        metrics.mean("clip_low_share", low.float())
        metrics.mean("clip_high_share", high.float())
        metrics.mean("kl_step", k3(logprobs, before, of_old=True))
        metrics.mean("ratio", ratio)
        metrics.peak("ratio_max", ratio)
        if entropies is not None:
            metrics.mean("entropy", entropies)
    return Loss(value, metrics)


def within(ratio: Tensor, counts: Sequence[int], limit: float) -> Tensor:
    """``[K]`` numbers: 1 for the tokens of sequences whose mean ratio is at most `limit`, and 0 for the others.

    The mean is over a sequence and not over a row, so the result does not depend on how sequences are packed.

    Args:
        ratio: ``[K]`` ratios of new to old probability.
        counts: The number of tokens of each sequence, in order. They sum to K.
        limit: The largest mean.
    """
    sums, sizes, owners = _sequence_sums(ratio, counts)
    return (sums <= limit * sizes)[owners].to(ratio.dtype)


def sequence_means(values: Tensor, counts: Sequence[int]) -> Tensor:
    """``[K]`` numbers: for each token the mean of `values` over the tokens of its sequence.

    Args:
        values: ``[K]`` values.
        counts: The number of tokens of each sequence, in order. They sum to K.
    """
    sums, sizes, owners = _sequence_sums(values, counts)
    return (sums / sizes)[owners]


def _sequence_sums(values: Tensor, counts: Sequence[int]) -> tuple[Tensor, Tensor, Tensor]:
    """For each sequence the sum of its values and its size, and for each token the number of its sequence."""
    sizes = torch.tensor(counts, device=values.device, dtype=torch.long)
    owners = torch.repeat_interleave(torch.arange(len(counts), device=values.device), sizes)
    sums = torch.zeros(len(counts), device=values.device, dtype=values.dtype).index_add(0, owners, values)
    return sums, sizes, owners


def mismatch_weights(
    old: Tensor, engine: Tensor, options: PolicyLossOptions, metrics: MetricAccumulator
) -> Tensor:
    """``[K]`` weights that correct for the difference between the engine's and the trainer's distribution.

    The ratio of a token is its probability under the trainer divided by that under the engine. `truncate` cuts the
    ratio off at `is_cap` (truncated importance sampling). `mask` gives weight 0 to tokens whose ratio is below
    1/`is_cap` or above `is_cap`. The metrics get the size of the difference in all cases.
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


def k3(logprobs: Tensor, other: Tensor, *, of_old: bool = False, limit: float | None = None) -> Tensor:
    """The k3 estimate ``exp(d) - d - 1`` of a KL divergence, for each token. The estimate is never negative.

    By default ``d = other - logprobs``. If the policy sampled the tokens, this estimates KL(policy ‖ other). With
    `of_old`, ``d = logprobs - other``. If the other distribution sampled the tokens, this estimates KL(other ‖ policy).

    An estimate above `limit` is cut off and has no gradient. With 10, d is cut off below -11 and above 2.6, where its
    gradient is 12.6. Without a limit, the gradient reaches 5e8 at ``d = LARGEST``.
    """
    gap = (logprobs - other if of_old else other - logprobs).clamp(-LARGEST, LARGEST)
    estimate = gap.exp() - gap - 1
    return estimate if limit is None else estimate.clamp(max=limit)


def value_loss(values: Tensor, old: Tensor, returns: Tensor, weights: Tensor, *, clip: float) -> Loss:
    """Half the squared error of values. A value that moves further than `clip` from `old` does not lower the loss more.

    Args:
        values: ``[K]`` values from the critic that is trained.
        old: ``[K]`` values from the critic before the first mini-batch of the step.
        returns: ``[K]`` targets of the values.
        weights: ``[K]`` weights of the tokens. Tokens with weight 0 are not in the metrics either.
        clip: Largest useful move of a value. 0 switches clipping off.
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
    return Loss(0.5 * (weights * error).sum(), metrics)


def supervised_loss(logprobs: Tensor, weights: Tensor) -> Loss:
    """The cross-entropy of the trained tokens."""
    metrics = MetricAccumulator()
    metrics.mean("nll", -logprobs)
    return Loss(-(weights * logprobs).sum(), metrics)
