"""Log-probabilities and entropies of given tokens. The logits of a whole row are never in memory at the same time.

The output layer is applied only to hidden states that predict a trained token, one chunk of them at a time. The
backward pass computes the logits of each chunk again. So the memory for logits is chunk × vocabulary, for rows of any
length. The softmax is always computed in float32.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import torch
from torch import Tensor


class Scores(NamedTuple):
    """The scores of the K trained tokens of a row. The class is a tuple, because FSDP finds the tensors in tuples.

    Attributes:
        logprobs: ``[K]`` float32 log-probabilities in nats, after the temperature was applied.
        entropies: ``[K]`` float32 entropies of the same distributions. None if they were not requested.
        hidden: ``[K, H]`` hidden states that predict the tokens.
    """

    logprobs: Tensor
    entropies: Tensor | None
    hidden: Tensor


def token_logprobs(
    hidden: Tensor,
    weight: Tensor,
    targets: Tensor,
    *,
    temperature: Tensor | float = 1.0,
    entropies: bool = False,
    chunk: int = 2048,
    dtype: torch.dtype | None = None,
) -> tuple[Tensor, Tensor | None]:
    """Log-probabilities (and entropies) of `targets`, differentiable in `hidden` and `weight`.

    Args:
        hidden: ``[K, H]`` hidden states.
        weight: ``[V, H]`` weights of the output layer.
        targets: ``[K]`` token ids.
        temperature: The sampling temperature, above 0. One number, or ``[K]`` numbers for the tokens.
        entropies: Whether to compute entropies too.
        chunk: Number of tokens whose logits are in memory at the same time.
        dtype: Number type of the product of hidden states and weights. Default: the type of autocast if autocast is on,
            otherwise the type of the weights.

    Returns:
        ``[K]`` float32 log-probabilities, and ``[K]`` float32 entropies or None.
    """
    kind = hidden.device.type
    if dtype is None:
        dtype = torch.get_autocast_dtype(kind) if torch.is_autocast_enabled(kind) else weight.dtype
    cold = torch.as_tensor(temperature, dtype=torch.float32, device=hidden.device).reciprocal()
    cold = cold.expand(len(hidden)).unsqueeze(1)
    logprobs, found = _TokenLogprobs.apply(hidden, weight, targets, cold, entropies, chunk, dtype)
    return logprobs, found if entropies else None


class _TokenLogprobs(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any,
        hidden: Tensor,
        weight: Tensor,
        targets: Tensor,
        cold: Tensor,
        entropies: bool,
        chunk: int,
        dtype: torch.dtype,
    ) -> tuple[Tensor, Tensor]:
        norms = torch.empty(len(hidden), dtype=torch.float32, device=hidden.device)
        chosen = torch.empty_like(norms)
        found = torch.zeros_like(norms)
        with torch.autocast(hidden.device.type, enabled=False):
            cast = weight.to(dtype)
            for at in range(0, len(hidden), chunk):
                part = slice(at, at + chunk)
                logits = (hidden[part].to(dtype) @ cast.T).float().mul_(cold[part])
                norms[part] = logits.logsumexp(1)
                chosen[part] = logits.gather(1, targets[part].unsqueeze(1)).squeeze(1)
                if entropies:
                    chances = (logits - norms[part].unsqueeze(1)).exp_()
                    found[part] = norms[part] - chances.mul_(logits).sum(1)
        ctx.save_for_backward(hidden, weight, targets, cold, norms, found)
        ctx.chunk, ctx.dtype, ctx.entropies = chunk, dtype, entropies
        return chosen - norms, found

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:
        hidden, weight, targets, cold, norms, found = ctx.saved_tensors
        by_logprob, by_entropy = (gradient.float().unsqueeze(1) for gradient in gradients)
        to_hidden = torch.empty_like(hidden)
        trained = ctx.needs_input_grad[1]  # false if only adapters are trained
        size = weight.shape if trained else (0,)
        to_weight = torch.zeros(size, dtype=torch.float32, device=weight.device)
        with torch.autocast(hidden.device.type, enabled=False):
            cast = weight.to(ctx.dtype)
            for at in range(0, len(hidden), ctx.chunk):
                part = slice(at, at + ctx.chunk)
                state = hidden[part].to(ctx.dtype)
                surprise = (state @ cast.T).float().mul_(cold[part]).sub_(norms[part].unsqueeze(1))
                chances = surprise.exp()
                # d logprob / d logit = [it is the target] - p;  d entropy / d logit = -p (log p + entropy)
                slope = by_logprob[part].expand_as(chances)
                if ctx.entropies:
                    slope = (
                        surprise.add_(found[part].unsqueeze(1)).mul_(by_entropy[part]).add_(by_logprob[part])
                    )
                by_logit = chances.mul_(slope).neg_()
                by_logit.scatter_add_(1, targets[part].unsqueeze(1), by_logprob[part])
                by_logit = by_logit.mul_(cold[part]).to(ctx.dtype)
                to_hidden[part] = (by_logit @ cast).to(hidden.dtype)
                if trained:
                    to_weight += by_logit.T @ state
        return to_hidden, to_weight.to(weight.dtype) if trained else None, None, None, None, None, None
