"""Equal budgets: every size of a sweep may spend the same in an episode, in tokens, tool calls or time.

A budget holds for one episode and for the team as a whole. Calls and the critical path are limits of the rules
(`Rules.episode_calls`, `Rules.episode_path`): when they run out, every agent is told that its next message is its
last, so that a team answers with what it has. Tokens are the policy's to count: it must take the option
`episode_tokens`, and report what it used (see `wideseek_env.evaluation.usage`).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal, get_args

from wideseek_env.errors import ConfigError
from wideseek_env.evaluation.record import EpisodeRecord
from wideseek_env.game import Game

BudgetKind = Literal["tokens", "calls", "critical-path"]
BUDGET_KINDS: tuple[BudgetKind, ...] = get_args(BudgetKind)

UNITS: Mapping[BudgetKind, str] = {
    "tokens": "generated tokens",
    "calls": "searches and pages",
    "critical-path": "turns of the critical path",
}

_ANSWER_SHARE = 3
"""One part in so many of a token budget is for the last messages of all agents."""


@dataclass(frozen=True, slots=True)
class Budget:
    """So much an episode; `amount` is in the unit of `UNITS`. `ConfigError` for another kind or less than 1."""

    kind: BudgetKind
    amount: int

    def __post_init__(self) -> None:
        check_kind(self.kind)
        if isinstance(self.amount, bool) or not isinstance(self.amount, int) or self.amount < 1:
            raise ConfigError(f"a budget is a whole number of at least 1, not {self.amount!r}")

    def game(self, game: Game) -> Game:
        """`game` with the rules that keep to the budget; the same under a token budget."""
        if self.kind == "tokens":
            return game
        name = "episode_calls" if self.kind == "calls" else "episode_path"
        return replace(game, rules=game.rules.replace(**{name: self.amount}))

    def policy_options(self) -> dict[str, int]:
        """The options that a policy keeps to the budget with; none but for tokens."""
        if self.kind != "tokens":
            return {}
        return {"episode_tokens": self.amount, "answer_tokens": self.amount // _ANSWER_SHARE}

    @classmethod
    def mean_of(cls, kind: BudgetKind, records: Sequence[EpisodeRecord]) -> Budget:
        """What episodes used on average, rounded up. `ConfigError` when they used nothing."""
        used = [spent_of(kind, record) for record in records]
        amount = math.ceil(math.fsum(used) / len(used)) if used else 0
        if amount < 1:
            raise ConfigError(
                f"the smallest point used no {UNITS[kind]}, so there is nothing to make the others equal to; "
                "give an amount"
            )
        return cls(kind, amount)


def check_kind(kind: str) -> None:
    """`ConfigError` for a kind of budget that there is not."""
    if kind not in BUDGET_KINDS:
        raise ConfigError(f"no budget in {kind!r}; there are: {', '.join(BUDGET_KINDS)}")


def spent_of(kind: BudgetKind, record: EpisodeRecord) -> float:
    """What an episode used of a budget; `ConfigError` for tokens where nobody counted them."""
    if kind == "calls":
        return calls_of(record.tool_calls)
    if kind == "critical-path":
        return record.critical_path
    tokens = (record.usage or {}).get("completion_tokens")
    if tokens is None:
        raise ConfigError(
            f"nobody counted the tokens of task {record.task_id}: a token budget needs a policy that reports them "
            "(an attribute `usage` with `completion_tokens`); without one compare by calls or critical-path"
        )
    return tokens


def calls_of(tool_calls: Mapping[str, float]) -> float:
    """Searches and pages among the tool calls of a team: all but what the lead delegates."""
    return math.fsum(count for kind, count in tool_calls.items() if kind != "delegate")


def limited_policy(make: Callable[..., Any], budget: Budget | None) -> Callable[[], Any]:
    """`make` with the options of `budget`; `ConfigError` when made so that a policy cannot keep to it."""
    options = budget.policy_options() if budget is not None else {}
    if not options:
        return make

    def made() -> Any:
        try:
            return make(**options)
        except (ConfigError, TypeError) as error:
            try:
                return make(episode_tokens=options["episode_tokens"])
            except (ConfigError, TypeError):
                raise ConfigError(
                    "this policy cannot be held to a token budget: it takes no option episode_tokens; compare by "
                    f"calls or critical-path instead ({error})"
                ) from error

    return made
