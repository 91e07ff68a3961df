"""Metrics of the trained tokens of each role: entropy and KL divergence from the reference model."""

from __future__ import annotations

import torch
from torch import Tensor

from wideseek_baselines.train.objective.losses import k3
from wideseek_baselines.train.objective.metrics import MetricAccumulator
from wideseek_env.messages import ROLES


@torch.no_grad()
def role_metrics(
    roles: Tensor, logprobs: Tensor, entropies: Tensor | None, reference: Tensor | None
) -> MetricAccumulator:
    """The metrics of a row. A role without tokens has none.

    Args:
        roles: ``[K]``, the index in `ROLES` of the role that wrote each trained token.
        logprobs: ``[K]`` log-probabilities under the policy that is trained.
        entropies: ``[K]`` entropies of this policy.
        reference: ``[K]`` log-probabilities under the reference model. None if there is none.
    """
    metrics = MetricAccumulator()
    for number, role in enumerate(ROLES):
        counted = (roles == number).double()
        if entropies is not None:
            metrics.mean(f"{role}_entropy", entropies, counted)
        if reference is not None:
            metrics.mean(f"{role}_kl", k3(logprobs, reference), counted)
    return metrics
