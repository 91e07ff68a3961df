"""`Rules`: every limit of the game in one frozen object. Benchmarks refer to its presets by name."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any

from wideseek_env.errors import ConfigError
from wideseek_env.messages import Role
from wideseek_env.suggestions import hint
from wideseek_env.summaries.base import PAGE_CHARS

BUDGETS = ("episode_calls", "episode_path", "passage_chars")
"""The limits that are optional: those of the whole team, and the length of passages."""


@dataclass(frozen=True, slots=True)
class Rules:
    """The limits of an episode. The defaults for turns, width and calls are those of the published system.

    A *turn* is one message of one agent. Lengths are in characters. Only `context` is in the unit of the episode's
    counter: characters, unless a token counter is passed.
    """

    width: int = 10
    """The most subagents that one delegation may start."""
    lead_turns: int = 10
    """The most turns of the lead, the answer included."""
    subagent_turns: int = 20
    """The most turns of a subagent, its report included."""
    single_turns: int = 50
    """The most turns of a single agent, the answer included."""
    calls_per_turn: int = 5
    """The most tool calls in one message. A call with a list of queries or addresses counts once for each of them."""
    results_per_query: int = 3
    """The number of search results when the agent gives no number."""
    max_results_per_query: int = 10
    """The most search results that an agent may request."""
    context: int = 131_072
    """The largest length of one agent's whole conversation, in the unit of `counter`. The default unit is characters:
    131,072 of them are about 32k tokens."""
    action_chars: int = 65_536
    """The longest message of an agent. The rest is cut off."""
    result_chars: int = 16_384
    """The longest result of one tool call or of one subagent's report. The rest is cut off."""
    page_chars: int = PAGE_CHARS
    """How much of a page a summariser gets. It has no effect without a summariser."""
    passage_chars: int | None = None
    """The longest passage of a search result, or None for what the corpus shows by itself. A local corpus shows 240
    characters, and a retrieval service shows its passages up to 5,000 characters."""
    episode_calls: int | None = None
    """The most searches and pages of the whole team in an episode, or None for no limit. When they are used up, every
    agent has one message left: its report or the answer."""
    episode_path: int | None = None
    """The maximum critical path of an episode, or None for no limit. The critical path is the number of turns until the
    end, where turns that agents take at the same time count once. Subagents end early enough to leave the lead one turn
    for the answer."""

    def __post_init__(self) -> None:
        for item in fields(self):
            value = getattr(self, item.name)
            if value is None and item.name in BUDGETS:
                continue
            if not isinstance(value, int) or isinstance(value, bool) or value < 1:
                raise ConfigError(f"rules: {item.name} must be a whole number of at least 1, not {value!r}")
        if self.results_per_query > self.max_results_per_query:
            raise ConfigError(
                f"rules: results_per_query ({self.results_per_query}) is above max_results_per_query "
                f"({self.max_results_per_query})"
            )

    @classmethod
    def preset(cls, name: str, /, **changes: int) -> Rules:
        """The rules called `name` (a key of `PRESETS`), with some limits changed."""
        try:
            base = PRESETS[name]
        except KeyError:
            raise ConfigError(
                f"no rules preset {name!r}{hint(name, PRESETS)}; there are: {', '.join(PRESETS)}"
            ) from None
        return base.replace(**changes)

    def replace(self, /, **changes: int) -> Rules:
        """The same rules with some limits changed. Raises `ConfigError` for a limit that does not exist."""
        known = [item.name for item in fields(self)]
        for name in changes:
            if name not in known:
                raise ConfigError(
                    f"rules have no limit {name!r}{hint(name, known)}; there are: {', '.join(known)}"
                )
        return dataclasses.replace(self, **changes)

    def turns(self, role: Role) -> int:
        """The turn limit of an agent in this role."""
        if role == "lead":
            return self.lead_turns
        return self.subagent_turns if role == "subagent" else self.single_turns

    def to_dict(self) -> dict[str, Any]:
        """All limits by name, for records. Optional limits that are not set are left out."""
        limits = dataclasses.asdict(self)
        return {name: value for name, value in limits.items() if value is not None}


PRESETS: dict[str, Rules] = {
    "default": Rules(),
    # Every agent's budget is small and the same at every width, so a wider team can only cover more pages. One subagent
    # can open at most 2 pages in each of 5 turns before it must report.
    "width-benchmark": Rules(lead_turns=3, subagent_turns=6, single_turns=6, calls_per_turn=2),
    # RLinf, rlinf/agents/wideseek_r1 and examples/agent/wideseek_r1: 10 turns of the lead, 20 of a subagent and 50 of a
    # single agent, 10 subagents, 5 calls, 3 results, passages of 5,000 and pages of 25,000 characters. The published
    # context is 32,000 tokens. There is no limit for one result, so ours has room for 10 passages of a query with their
    # titles and addresses.
    "wideseek-r1": Rules(passage_chars=5_000, page_chars=25_000, result_chars=60_000, context=32_000),
}
"""The presets by name. `default` has the published numbers of turns, subagents and calls. `width-benchmark` has the
same small budget at every width. `wideseek-r1` also has the passages, pages and context of the published system, whose
context is in tokens."""

TOKEN_RULES = frozenset(("wideseek-r1",))
"""The presets whose context is in tokens. `GameConfig` counts approximate tokens with them, unless the context or the
counter is given."""


def rules_from(rules: str | Rules | Mapping[str, int] | None) -> Rules:
    """Rules from the name of a preset, from a mapping of limits to change, from `Rules`, or from None (the default).

    Raises:
        ConfigError: A preset or a limit does not exist, or a value is out of range.
    """
    if isinstance(rules, Rules):
        return rules
    if isinstance(rules, str):
        return Rules.preset(rules)
    return Rules().replace(**dict(rules or {}))
