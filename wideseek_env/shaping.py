"""Rewards that help a lead to learn delegation, and that fade out during training (PARL, arXiv 2602.02276).

Agents that learn from the reward of the answer alone may stop delegating, or start subagents that do nothing. Kimi's
agent swarm therefore adds two terms to the reward, whose weights fall to 0: one for starting subagents in parallel, and
one for subagents that finish. `wideseek_env.rewards.Sum` adds them to another reward.
"""

from __future__ import annotations

import dataclasses
from collections import Counter
from dataclasses import dataclass

from wideseek_env.episode import Episode
from wideseek_env.errors import ConfigError
from wideseek_env.rewards import Parts, Reward, Sum, reward_named
from wideseek_env.scoring import TableScore


@dataclass(frozen=True, slots=True)
class Parallel:
    """How much of its width the team used at once, from 0 to 1.

    It is ``(n - 1) / (width - 1)``, where n is the number of subagents of the largest delegation. It is 0 without
    subagents, and if the width is 1.
    """

    name: str = "parallel"

    def __call__(self, episode: Episode, score: TableScore) -> Parts:
        """The parts of the reward by name."""
        sizes = Counter(each.delegation for each in episode.conversations if each.role == "subagent")
        most = max(sizes.values(), default=0)
        return {"parallel": max(0, most - 1) / (episode.rules.width - 1) if episode.rules.width > 1 else 0.0}


@dataclass(frozen=True, slots=True)
class Finished:
    """The share of subagents that ended with a report that is not blank, from 0 to 1. It is 0 without subagents."""

    name: str = "finished"

    def __call__(self, episode: Episode, score: TableScore) -> Parts:
        """The parts of the reward by name."""
        team = [each for each in episode.conversations if each.role == "subagent"]
        done = sum(each.ending == "reported" and bool(each.final.strip()) for each in team)
        return {"finished": done / len(team) if team else 0.0}


@dataclass(frozen=True, slots=True)
class Annealed:
    """A reward whose weight changes linearly from `start` to `end` during training, and then stays.

    The trainer sets `progress` for each episode (`reward_at`). Everything else uses the progress that the object has.

    Raises:
        ConfigError: `until` is not above 0.
    """

    term: Reward
    start: float = 0.1
    end: float = 0.0
    until: float = 1.0
    """The share of the training after which the weight is `end`."""
    progress: float = 1.0
    """The share of the training that is done, from 0 to 1."""
    name: str = "annealed"

    def __post_init__(self) -> None:
        if not self.until > 0:
            raise ConfigError(f"until must be above 0, not {self.until}")

    @property
    def weight(self) -> float:
        """The weight of the term now."""
        return self.start + (self.end - self.start) * min(1.0, max(0.0, self.progress) / self.until)

    def __call__(self, episode: Episode, score: TableScore) -> Parts:
        """The parts of the reward by name."""
        weight = self.weight
        return {name: weight * value for name, value in self.term(episode, score).items()}


def parl(weight: float = 0.1, until: float = 0.5, base: str | Reward = "item_f1") -> Sum:
    """`base` with the two terms of PARL, as ``wideseek_env.shaping:parl,weight=0.1,until=0.5`` on the command line.

    The paper does not give its weights and their schedule, so the defaults are ours.

    Args:
        weight: The weight of both terms at first.
        until: The share of the training after which both weights are 0.
        base: The reward for the answer.
    """
    terms = [(1.0, Annealed(term, weight, 0.0, until)) for term in (Parallel(), Finished())]
    return Sum(((1.0, reward_named(base)), *terms), name="parl")


def is_annealed(reward: Reward) -> bool:
    """Whether the reward changes during training."""
    return reward_at(reward, 0.0) is not reward


def reward_at(reward: Reward, progress: float) -> Reward:
    """`reward` at a point of the training, from 0 (its beginning) to 1 (its end). A reward that does not change during
    training is returned as it is."""
    if isinstance(reward, Annealed):
        return dataclasses.replace(reward, progress=progress)
    if isinstance(reward, Sum):
        terms = tuple((weight, reward_at(each, progress)) for weight, each in reward.terms)
        same = all(one is other for (_, one), (_, other) in zip(terms, reward.terms, strict=True))
        return reward if same else dataclasses.replace(reward, terms=terms)
    return reward
