"""Metrics of the episodes of a step. They are means over episodes unless the name says otherwise."""

from __future__ import annotations

import statistics
from collections.abc import Collection, Sequence

import numpy as np

from wideseek_baselines.tokens.record import AgentRecord, Rollout, TurnRecord
from wideseek_baselines.train.data.samples import failed, ran_out
from wideseek_env.messages import ROLES, Role

PERCENTILES = (50, 90, 99)


def rollout_metrics(
    rollouts: Sequence[Rollout], version: int, moving: Collection[Role] = ROLES
) -> dict[str, float]:
    """The metrics of the episodes of a step.

    Args:
        rollouts: The rollouts of the step, at least one.
        version: The version of the policy that is trained. `stale_share` is the share of tokens from other versions.
        moving: The roles whose weights are trained. `stale_share` counts only their tokens.
    """
    count = len(rollouts)
    turns = turns_of(rollouts)
    tokens = sum(turn.tokens for turn in turns)
    spans = version_spans(rollouts, moving)
    stale = sum(number for made, number in spans if made != version)
    return {
        "reward": sum(rollout.reward for rollout in rollouts) / count,
        **reward_metrics(rollouts),
        "item_f1": sum(rollout.score["item_f1"] for rollout in rollouts) / count,
        "success": sum(rollout.score["success"] for rollout in rollouts) / count,
        "failed_share": sum(map(failed, rollouts)) / count,
        "subagents": sum(map(subagents, rollouts)) / count,
        "turns": len(turns) / count,
        "episode_tokens": tokens / count,
        "turn_tokens": tokens / max(1, len(turns)),
        "cut_share": _cut_share(turns),
        "call_errors": sum(turn.errors for turn in turns) / count,
        "stale_share": stale / max(1, sum(number for _, number in spans)),
        "queue_seconds": _mean([turn.queued for turn in turns]),
        "generation_seconds": _mean([turn.generating for turn in turns]),
        "tool_seconds": _mean([turn.tools for turn in turns]),
        **role_lengths(rollouts),
        **_credits(rollouts),
    }


def reward_metrics(rollouts: Sequence[Rollout]) -> dict[str, float]:
    """The spread of rewards over all episodes and within groups, and the mean of each part of the reward."""
    rewards = [rollout.reward for rollout in rollouts]
    groups: dict[str, list[float]] = {}
    parts: dict[str, list[float]] = {}
    for rollout in rollouts:
        groups.setdefault(rollout.group, []).append(rollout.reward)
        for name, value in rollout.parts.items():
            parts.setdefault(name, []).append(value)
    return {
        "reward_std": float(np.std(rewards)),
        "reward_min": min(rewards),
        "reward_max": max(rewards),
        "reward_std_in_groups": _mean([float(np.std(group)) for group in groups.values()]),
        **{f"reward_part_{name}": sum(values) / len(rollouts) for name, values in sorted(parts.items())},
    }


def role_lengths(rollouts: Sequence[Rollout]) -> dict[str, float]:
    """How much the agents of each role wrote, and how many ran out. Roles that did not play have no metrics."""
    metrics: dict[str, float] = {}
    for role in ROLES:
        agents: list[AgentRecord] = [
            agent for rollout in rollouts for agent in rollout.agents if agent.role == role
        ]
        if not agents:
            continue
        turns = [turn for agent in agents for turn in agent.turns]
        lengths = [turn.tokens for turn in turns] or [0]
        metrics |= {
            f"{role}_turns": len(turns) / len(agents),
            f"{role}_tokens": sum(lengths) / len(agents),
            **{f"{role}_turn_tokens_p{p}": float(np.percentile(lengths, p)) for p in PERCENTILES},
            f"{role}_cut_share": _cut_share(turns),
            f"{role}_ran_out_share": sum(map(ran_out, agents)) / len(agents),
        }
    return metrics


def _credits(rollouts: Sequence[Rollout]) -> dict[str, float]:
    """The mean credit of subagents, and its spread. Empty if the agents have no credits."""
    paid = [agent.credit for each in rollouts for agent in each.agents if agent.role == "subagent"]
    known = [credit for credit in paid if credit is not None]
    if not known:
        return {}
    return {"subagent_credit": statistics.fmean(known), "subagent_credit_std": statistics.pstdev(known)}


def version_spans(rollouts: Sequence[Rollout], roles: Collection[Role]) -> list[tuple[int, int]]:
    """The pairs (version, number of tokens) of all turns of these roles."""
    return [
        span
        for rollout in rollouts
        for agent in rollout.agents
        if agent.role in roles
        for turn in agent.turns
        for span in turn.versions
    ]


def version_lag(rollouts: Sequence[Rollout], version: int, moving: Collection[Role] = ROLES) -> float:
    """The mean age of the policy over all tokens of the roles in `moving`, as a number of versions before `version`."""
    spans = version_spans(rollouts, moving)
    tokens = sum(number for _, number in spans)
    return sum((version - made) * number for made, number in spans) / max(1, tokens)


def turns_of(rollouts: Sequence[Rollout]) -> list[TurnRecord]:
    """The generated turns of all agents."""
    return [turn for rollout in rollouts for agent in rollout.agents for turn in agent.turns]


def subagents(rollout: Rollout) -> int:
    """The number of subagents in an episode."""
    return sum(agent.role == "subagent" for agent in rollout.agents)


def _cut_share(turns: Sequence[TurnRecord]) -> float:
    return sum(turn.finish_reason == "length" for turn in turns) / max(1, len(turns))


def _mean(values: Sequence[float]) -> float:
    return sum(values) / max(1, len(values))
