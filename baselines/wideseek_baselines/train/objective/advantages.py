"""Advantages, computed with NumPy: from the rewards of a group of rollouts, or from a critic's values."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from wideseek_baselines.tokens.record import Rollout
from wideseek_baselines.train.config.options import AdvantageOptions
from wideseek_env.errors import ConfigError

EPSILON = 1e-6
"""This is added to the standard deviation, as in WideSeek-R1."""

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Advantages:
    """One advantage for each rollout, in the order of the rollouts.

    Attributes:
        values: ``[R]`` advantages of R rollouts. NaN if a rollout is not trained on.
        groups: Number of groups that are trained on.
        zero_variance: Number of groups whose rewards are all equal. A group with one rollout counts too.
        untrainable: Number of rollouts that were left out because they are not trainable.
        agents: For each rollout ``[A]`` advantages of its A agents. None if all agents of a rollout share its value.
    """

    values: Floats
    groups: int
    zero_variance: int
    untrainable: int
    agents: tuple[Floats, ...] | None = None

    @property
    def used(self) -> NDArray[np.bool_]:
        """``[R]`` truth values: whether each rollout is trained on."""
        return ~np.isnan(self.values)


def group_advantages(
    rewards: Sequence[float],
    groups: Sequence[Hashable],
    trainable: Sequence[bool],
    options: AdvantageOptions,
) -> Advantages:
    """Compare the rollouts of each group: ``(R - mean) / (std + 1e-6)`` by default (arXiv 2602.04634).

    Every rollout counts once, no matter how many agents or turns it has. Rollouts that are not trainable do not count,
    because their reward says nothing about the policy.

    Args:
        rewards: ``[R]``, the reward of each rollout.
        groups: ``[R]``, the group of each rollout.
        trainable: ``[R]``, whether each rollout may be trained on.
        options: The scale, the standard deviation, the baseline, and what to do with groups whose rewards are equal.

    Raises:
        ConfigError: The arguments differ in length, or a reward is not finite.
    """
    if not len(rewards) == len(groups) == len(trainable):
        raise ConfigError("rewards, groups and trainable must be equally long")
    values = np.full(len(rewards), np.nan)
    members: dict[Hashable, list[int]] = {}
    for number, (group, usable) in enumerate(zip(groups, trainable, strict=True)):
        if usable:
            members.setdefault(group, []).append(number)
    zero_variance = 0
    for indices in members.values():
        paid = np.array([rewards[number] for number in indices], np.float64)
        if not np.isfinite(paid).all():
            raise ConfigError(f"rewards must be finite, not {paid.tolist()}")
        if np.ptp(paid) == 0:  # of the rewards themselves: rounding may change their deviation
            zero_variance += 1
            if options.zero_variance_groups == "keep":
                values[indices] = 0.0
            continue
        values[indices] = compared(paid, options)
    kept = len(members) - (zero_variance if options.zero_variance_groups == "drop" else 0)
    return Advantages(values, kept, zero_variance, len(rewards) - sum(map(bool, trainable)))


def compared(rewards: Floats, options: AdvantageOptions) -> Floats:
    """The advantages of the rollouts of one group. The group has at least two rollouts."""
    baseline: Floats | np.float64 = rewards.mean()
    if options.baseline == "leave_one_out":
        baseline = (rewards.sum() - rewards) / (len(rewards) - 1)
    scale = rewards.std(ddof=int(options.std == "sample")) + EPSILON if options.scale == "std" else 1.0
    return np.asarray((rewards - baseline) / scale, np.float64)


def agent_advantages(rollouts: Sequence[Rollout], options: AdvantageOptions) -> Advantages:
    """The advantages of rollouts whose agents may have credits. Without credits they are those of `group_advantages`.

    With credits, an agent is compared with the agents of its role in its group: a lead with the leads, a subagent with
    all subagents (`compared_by_rollout`). If all agents of a role have the same credit, their advantages are 0. If that
    is true for every role, the group has zero variance.

    Args:
        rollouts: All rollouts of the groups.
        options: As in `group_advantages`.
    """
    if all(agent.credit is None for rollout in rollouts for agent in rollout.agents):
        return group_advantages(
            [rollout.reward for rollout in rollouts],
            [rollout.group for rollout in rollouts],
            [rollout.trainable for rollout in rollouts],
            options,
        )
    agents = tuple(np.full(len(rollout.agents), np.nan) for rollout in rollouts)
    members: dict[Hashable, list[int]] = {}
    for number, rollout in enumerate(rollouts):
        if rollout.trainable:
            members.setdefault(rollout.group, []).append(number)
    zero_variance = 0
    for indices in members.values():
        roles: dict[str, dict[int, list[int]]] = {}
        for number in indices:
            for place, agent in enumerate(rollouts[number].agents):
                roles.setdefault(agent.role, {}).setdefault(number, []).append(place)
        found: dict[str, list[Floats]] = {}
        for role, places in roles.items():
            paid = [
                np.array([rollouts[number].credit(rollouts[number].agents[at]) for at in each], np.float64)
                for number, each in places.items()
            ]
            if not np.isfinite(every := np.concatenate(paid)).all():
                raise ConfigError(f"credits must be finite, not {every.tolist()}")
            if np.ptp(every) > 0:
                found[role] = compared_by_rollout(paid, options)
        zero_variance += not found
        if not found and options.zero_variance_groups == "drop":
            continue
        for role, places in roles.items():
            for at, (number, each) in enumerate(places.items()):
                agents[number][each] = found[role][at] if role in found else 0.0
    kept = len(members) - (zero_variance if options.zero_variance_groups == "drop" else 0)
    values = np.array([each[0] if len(each) else np.nan for each in agents])  # the first agent is the lead
    return Advantages(values, kept, zero_variance, sum(not rollout.trainable for rollout in rollouts), agents)


def compared_by_rollout(credits: Sequence[Floats], options: AdvantageOptions) -> list[Floats]:
    """The advantages of all agents of one role in one group.

    Every rollout counts once in the baseline and in the standard deviation, no matter how many agents it has. The
    baseline is the mean over rollouts of the mean credit of a rollout. With ``baseline="leave_one_out"``, it leaves out
    the agent's own rollout. An agent whose role is in no other rollout has an advantage of 0 then.

    Args:
        credits: For each rollout ``[A]`` credits of its agents, at least one.
        options: The scale, the standard deviation and the baseline.

    Returns:
        For each rollout ``[A]`` advantages.
    """
    count = len(credits)
    means = np.array([each.mean() for each in credits])
    mean = means.mean()
    baselines = np.full(count, mean)
    if options.baseline == "leave_one_out":
        if count == 1:
            return [np.zeros_like(each) for each in credits]
        baselines = (means.sum() - means) / (count - 1)
    scale = 1.0
    if options.scale == "std":
        variance = np.mean([((each - mean) ** 2).mean() for each in credits])
        if options.std == "sample":
            variance *= count / max(1, count - 1)
        scale = float(np.sqrt(variance)) + EPSILON
    return [(each - baseline) / scale for each, baseline in zip(credits, baselines, strict=True)]


def gae(rewards: ArrayLike, values: ArrayLike, *, gamma: float, gae_lambda: float) -> tuple[Floats, Floats]:
    """Generalised advantage estimation over one agent's steps. The value after the last step is 0.

    Args:
        rewards: ``[n]`` rewards, each paid after one step. The last one includes the team's reward.
        values: ``[n]`` values that the critic estimated before each step.
        gamma: Discount from one step to the next.
        gae_lambda: 0 relies on the critic only, 1 relies on the rewards only.

    Returns:
        ``[n]`` advantages, and ``[n]`` returns. A return is advantage plus value. It is the target of the value loss.
    """
    paid, value = np.asarray(rewards, np.float64), np.asarray(values, np.float64)
    if paid.shape != value.shape or paid.ndim != 1:
        raise ConfigError(f"rewards and values must be equally long, not {paid.shape} and {value.shape}")
    advantages = np.zeros_like(value)
    after = following = 0.0
    for step in range(len(value) - 1, -1, -1):
        surprise = paid[step] + gamma * after - value[step]
        following = surprise + gamma * gae_lambda * following
        advantages[step] = following
        after = value[step]
    return advantages, advantages + value


def agent_gae(
    turns: Sequence[int],
    values: ArrayLike,
    reward: float,
    *,
    gamma: float,
    gae_lambda: float,
    per_turn: bool,
    penalties: ArrayLike | None = None,
) -> tuple[Floats, Floats]:
    """Advantages and returns for every generated token of one agent, in the order of its turns.

    Args:
        turns: Number of tokens of each turn.
        values: ``[n]`` values that the critic estimated before each of the agent's tokens.
        reward: The reward of the team. It is paid after the agent's last token.
        gamma: Discount from one step to the next.
        gae_lambda: 0 relies on the critic only, 1 relies on the rewards only.
        per_turn: If true, each turn is a step. Its value is the value before its first token, and all its tokens get
            its advantage and return. If false, each token is a step.
        penalties: ``[n]`` numbers, such as a KL penalty. Each is subtracted from the reward of its token.
    """
    value = np.asarray(values, np.float64)
    sizes = np.asarray(turns, np.int64)
    if sizes.sum() != len(value) or (sizes < 1).any():
        raise ConfigError(f"turns of {sizes.tolist()} tokens do not fit {len(value)} values")
    paid = np.zeros_like(value) if penalties is None else -np.asarray(penalties, np.float64)
    if not per_turn:
        paid[-1] += reward
        return gae(paid, value, gamma=gamma, gae_lambda=gae_lambda)
    firsts = np.concatenate([[0], np.cumsum(sizes)[:-1]])
    by_turn = np.add.reduceat(paid, firsts)
    by_turn[-1] += reward
    advantages, returns = gae(by_turn, value[firsts], gamma=gamma, gae_lambda=gae_lambda)
    return np.repeat(advantages, sizes), np.repeat(returns, sizes)
