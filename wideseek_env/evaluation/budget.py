"""Equal budgets: at each width or depth of a sweep, an episode may use the same number of tokens, tool calls or turns.

A budget is for one episode and for the whole team. A budget of turns limits the critical path: turns that agents take
at the same time count once. Calls and the critical path are limits of the rules
(`Rules.episode_calls`, `Rules.episode_path`). When the budget is used up, every agent is told that its next message is
its last. So the team still answers with what it has found.

The policy itself limits and counts tokens. It must accept the option `episode_tokens`, and report the tokens that it
used in an attribute ``usage``.
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
"""A token budget divided by this number is reserved for the last messages of all agents."""


@dataclass(frozen=True, slots=True)
class Budget:
    """The budget of one episode. `amount` is in the unit that `UNITS` gives for `kind`.

    Raises:
        ConfigError: The kind is unknown, or the amount is not a whole number of at least 1.
    """

    kind: BudgetKind
    amount: int

    def __post_init__(self) -> None:
        check_kind(self.kind)
        if isinstance(self.amount, bool) or not isinstance(self.amount, int) or self.amount < 1:
            raise ConfigError(f"a budget must be a whole number of at least 1, not {self.amount!r}")

    def game(self, game: Game) -> Game:
        """`game` with rules that enforce this budget. A token budget does not change the game."""
        if self.kind == "tokens":
            return game
        name = "episode_calls" if self.kind == "calls" else "episode_path"
        return replace(game, rules=game.rules.replace(**{name: self.amount}))

    def policy_options(self) -> dict[str, int]:
        """The policy options that enforce a token budget. The result is empty for all other kinds of budget."""
        if self.kind != "tokens":
            return {}
        return {"episode_tokens": self.amount, "answer_tokens": self.amount // _ANSWER_SHARE}

    @classmethod
    def mean_of(cls, kind: BudgetKind, records: Sequence[EpisodeRecord]) -> Budget:
        """What these episodes used on average, rounded up.

        Raises:
            ConfigError: The episodes used nothing.
        """
        used = [spent_of(kind, record) for record in records]
        amount = math.ceil(math.fsum(used) / len(used)) if used else 0
        if amount < 1:
            raise ConfigError(
                f"the smallest point used no {UNITS[kind]}, so its mean cannot be the budget; give an amount"
            )
        return cls(kind, amount)


def check_kind(kind: str) -> None:
    """Check the kind of a budget.

    Raises:
        ConfigError: The kind is unknown.
    """
    if kind not in BUDGET_KINDS:
        raise ConfigError(f"unknown kind of budget {kind!r}; use one of {', '.join(BUDGET_KINDS)}")


def spent_of(kind: BudgetKind, record: EpisodeRecord) -> float:
    """How much an episode used, in the unit of the budget.

    Raises:
        ConfigError: The budget counts tokens, and the tokens of the episode were not counted.
    """
    if kind == "calls":
        return calls_of(record.tool_calls)
    if kind == "critical-path":
        return record.critical_path
    tokens = (record.usage or {}).get("completion_tokens")
    if tokens is None:
        raise ConfigError(
            f"the tokens of task {record.task_id} were not counted: a token budget needs a policy that reports them "
            "(an attribute `usage` with `completion_tokens`); for other policies, use calls or critical-path"
        )
    return tokens


def calls_of(tool_calls: Mapping[str, float]) -> float:
    """The number of tool calls of a team, without delegations: searches, opened pages and custom tools."""
    return math.fsum(count for kind, count in tool_calls.items() if kind != "delegate")


def limited_policy(make: Callable[..., Any], budget: Budget | None) -> Callable[[], Any]:
    """`make` with the options that enforce `budget`.

    Raises:
        ConfigError: The returned function raises it if the policy does not accept `episode_tokens`.
    """
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
                    "this policy has no option episode_tokens, so it cannot keep a token budget; use "
                    f"calls or critical-path instead ({error})"
                ) from error

    return made
