"""Credits: small objects that divide the result of an ended episode among its conversations.

A credit is called with the ended episode, the score of its answer and the team's reward. It returns one number for each
conversation. Training compares these numbers, and PettingZoo pays each agent the sum over its conversations.
`credit_named` finds a credit by its name.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence, Set
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

import numpy as np

from wideseek_env.cell_credit import brought_cells
from wideseek_env.episode import Episode
from wideseek_env.errors import ConfigError
from wideseek_env.plugins import is_part, make_part
from wideseek_env.reprs import short
from wideseek_env.scoring import TableScore
from wideseek_env.suggestions import hint


@runtime_checkable
class Credit(Protocol):
    """Computes the credit of every conversation at the end of an episode."""

    @property
    def name(self) -> str:
        """The name of the credit in records."""
        ...

    def __call__(self, episode: Episode, score: TableScore, reward: float) -> Sequence[float]:
        """One finite number for each of `episode.conversations`, in this order. `reward` is the team's reward."""
        ...


@dataclass(frozen=True, slots=True)
class Team:
    """Every conversation has the team's reward, as in WideSeek-R1 (arXiv 2602.04634)."""

    name: str = "team"

    def __call__(self, episode: Episode, score: TableScore, reward: float) -> list[float]:
        """The credit of each conversation."""
        return [reward] * len(episode.conversations)


@dataclass(frozen=True, slots=True)
class Cells:
    """The lead has the team's reward. A subagent earns the cells that its report brought to the answer.

    The credit of a subagent is the number of right cells minus the number of wrong cells that its report brought, over
    the number of gold cells. A cell that several reports brought is divided equally among them. So the credits of all
    subagents sum to the right minus the wrong cells that reports brought. Equal shares are the Shapley values of the
    game in which a set of reports is worth the cells that at least one of them brings. `brought_cells` says what counts
    as brought.

    A single agent has the team's reward, and so has every conversation if the task has no gold table.
    """

    name: str = "cells"

    def __call__(self, episode: Episode, score: TableScore, reward: float) -> list[float]:
        """The credit of each conversation."""
        gold = episode.task.gold
        if gold is None or not gold.rows:
            return [reward] * len(episode.conversations)
        cells = len(gold.rows) * len(dict.fromkeys(episode.task.columns))
        shares = brought_cells(episode, score).shares(len(episode.conversations))
        return [
            share / cells if conversation.role == "subagent" else reward
            for share, conversation in zip(shares, episode.conversations, strict=True)
        ]


PRESETS: Mapping[str, Credit] = {"team": Team(), "cells": Cells()}
"""The credits by name."""


def is_team(credit: object) -> bool:
    """Whether `credit` is the default: every conversation has the team's reward."""
    return credit == "team" or isinstance(credit, Team)


def credits_of(credit: Credit, episode: Episode, score: TableScore, reward: float) -> list[float]:
    """The credit of each conversation of an ended episode.

    Raises:
        ConfigError: The credit did not return one finite number for each conversation.
    """
    paid = credit(episode, score, reward)
    count = len(episode.conversations)
    listed = isinstance(paid, Iterable) and not isinstance(paid, (str, bytes, Mapping, Set))
    numbers = list(paid) if listed else []
    if not listed or len(numbers) != count or not all(map(_is_finite, numbers)):
        raise ConfigError(
            f"the credit {credit.name} must return {count} finite numbers, one for each conversation, not {short(paid)}"
        )
    return [float(each) for each in numbers]


def credit_named(credit: str | Credit) -> Credit:
    """The credit called `credit`: a preset or a custom one (`wideseek_env.plugins`). A `Credit` is returned as it is.

    Raises:
        ConfigError: The name is unknown, or the object is not a credit.
    """
    if not isinstance(credit, str):
        if not isinstance(credit, Credit):
            raise ConfigError(f"a credit must be a name or a callable with a name, not {credit!r}")
        return credit
    if credit in PRESETS:
        return PRESETS[credit]
    if not is_part("credit", credit):
        raise ConfigError(
            f"no credit {credit!r}{hint(credit, PRESETS)}; there are: {', '.join(PRESETS)}; "
            "for a custom one write module:Class"
        )
    made: Credit = make_part("credit", credit, _is_credit, "a name and __call__(episode, score, reward)")
    return made


def _is_credit(part: object) -> bool:
    return isinstance(part, Credit)


def _is_finite(value: object) -> bool:
    return (
        isinstance(value, (int, float, np.number))
        and not isinstance(value, bool)
        and bool(np.isfinite(value))
    )
