"""Metrics of the episodes of a step. They are means over episodes unless the name says otherwise."""

from __future__ import annotations

import statistics
from collections.abc import Sequence

from wideseek_baselines.tokens.record import Rollout, TurnRecord
from wideseek_baselines.train.data.samples import failed


def rollout_metrics(rollouts: Sequence[Rollout], version: int) -> dict[str, float]:
    """The metrics of the episodes of a step.

    Args:
        rollouts: The rollouts of the step, at least one.
        version: The version of the policy that is trained. `stale_share` is the share of tokens from other versions.
    """
    count = len(rollouts)
    turns = turns_of(rollouts)
    tokens = sum(turn.tokens for turn in turns)
    stale = sum(number for turn in turns for made, number in turn.versions if made != version)
    return {
        "reward": sum(rollout.reward for rollout in rollouts) / count,
        "item_f1": sum(rollout.score["item_f1"] for rollout in rollouts) / count,
        "success": sum(rollout.score["success"] for rollout in rollouts) / count,
        "failed_share": sum(map(failed, rollouts)) / count,
        "subagents": sum(map(subagents, rollouts)) / count,
        "turns": len(turns) / count,
        "episode_tokens": tokens / count,
        "turn_tokens": tokens / max(1, len(turns)),
        "cut_share": sum(turn.finish_reason == "length" for turn in turns) / max(1, len(turns)),
        "call_errors": sum(turn.errors for turn in turns) / count,
        "stale_share": stale / max(1, tokens),
        **_credits(rollouts),
    }


def _credits(rollouts: Sequence[Rollout]) -> dict[str, float]:
    """The mean credit of subagents, and its spread. Empty if the agents have no credits."""
    paid = [agent.credit for each in rollouts for agent in each.agents if agent.role == "subagent"]
    known = [credit for credit in paid if credit is not None]
    if not known:
        return {}
    return {"subagent_credit": statistics.fmean(known), "subagent_credit_std": statistics.pstdev(known)}


def version_lag(rollouts: Sequence[Rollout], version: int) -> float:
    """The mean age of the policy over all generated tokens, as a number of versions before `version`."""
    spans = [span for turn in turns_of(rollouts) for span in turn.versions]
    tokens = sum(number for _, number in spans)
    return sum((version - made) * number for made, number in spans) / max(1, tokens)


def turns_of(rollouts: Sequence[Rollout]) -> list[TurnRecord]:
    """The generated turns of all agents."""
    return [turn for rollout in rollouts for agent in rollout.agents for turn in agent.turns]


def subagents(rollout: Rollout) -> int:
    """The number of subagents in an episode."""
    return sum(agent.role == "subagent" for agent in rollout.agents)
