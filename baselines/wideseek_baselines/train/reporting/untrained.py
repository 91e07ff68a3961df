"""Warnings for steps that trained nothing. Such steps look like others in the reward, but no weight has changed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from wideseek_baselines.tokens.record import Rollout
from wideseek_baselines.train.config.options import AdvantageOptions, PolicyLossOptions
from wideseek_baselines.train.objective.advantages import Advantages
from wideseek_env.errors import WideSeekError


def untrained_groups(
    rollouts: Sequence[Rollout],
    advantages: Advantages,
    options: AdvantageOptions,
    loss: PolicyLossOptions,
    metrics: Mapping[str, float],
) -> list[str]:
    """A warning for a step of GRPO that learned nothing from rewards. Otherwise the list is empty.

    Args:
        rollouts: The rollouts of the step.
        advantages: Their advantages.
        options: What is done with groups whose rewards are all equal.
        loss: The terms of the loss.
        metrics: The metrics of the training step, with its number of `optimizer_steps`.
    """
    usable = [rollout for rollout in rollouts if rollout.trainable]
    groups = len({rollout.group for rollout in usable})
    if not usable or advantages.zero_variance < groups:
        return untrained_turns(rollouts, metrics)
    paid = sorted(rollout.reward for rollout in usable)
    spread = f"{paid[0]:.3g}" if paid[0] == paid[-1] else f"{paid[0]:.3g} to {paid[-1]:.3g}"
    terms = [name for name, weight in (("KL", loss.kl), ("entropy", loss.entropy)) if weight > 0]
    keep = options.zero_variance_groups == "keep"
    done = "this step trained nothing"
    if keep and terms and metrics["optimizer_steps"]:
        done = f"only the {' and '.join(terms)} term{'s' * (len(terms) > 1)} trained"
    draws = "max_draws with advantage.zero_variance_groups=drop" if keep else "max_draws"
    return [
        f"the rewards in each of the {groups} groups are equal ({spread}), so {done}: use easier or harder tasks, "
        f"larger groups, or {draws}"
    ]


class UntrainedError(WideSeekError):
    """A whole run trained on nothing."""


def check_trained(records: Sequence[Mapping[str, Any]], tokens: int) -> None:
    """Check that a run of reinforcement learning trained on something in at least one step.

    Args:
        records: The log of the run.
        tokens: The number of generated tokens that the run trained on.

    Raises:
        UntrainedError: In every step, no token was trained on, or the rewards in each group were equal.
    """
    steps = [record for record in records if "trained_tokens" in record]
    reasons = [text for record in steps for text in record.get("warnings", ()) if _is_untrained(str(text))]
    if not steps or (tokens and len(reasons) < len(steps)):
        return
    why = f" The last step: {reasons[-1]}" if reasons else ""
    same = all("trained nothing" in reason for reason in reasons)
    so = ", so its model is still the one it began with" if same else ""
    raise UntrainedError(
        f"the run learned nothing: none of its {len(steps)} steps had anything to learn from{so}.{why}"
    )


def _is_untrained(warning: str) -> bool:
    return "trained nothing" in warning or warning.startswith("the rewards in each of the")


def untrained_turns(rollouts: Sequence[Rollout], metrics: Mapping[str, float]) -> list[str]:
    """A warning for a step without an optimizer step. Otherwise the list is empty.

    Args:
        rollouts: The rollouts of the step.
        metrics: The metrics of the training step, with its number of `optimizer_steps`.
    """
    if metrics["optimizer_steps"]:
        return []
    unusable = sum(not rollout.trainable for rollout in rollouts)
    if unusable == len(rollouts):
        return [f"this step trained nothing: none of its {unusable} episodes is trainable"]
    return [
        f"this step trained nothing: selection.roles and selection.failures leave no turn of its {len(rollouts)} "
        "episodes"
    ]
