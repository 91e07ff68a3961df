"""`Rules`: every limit of the game in one frozen object, with the presets that benchmarks refer to by name."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass, fields
from typing import Any

from wideseek_env.errors import ConfigError
from wideseek_env.messages import Role

BUDGETS = ("episode_calls", "episode_path")
"""Limits of the team as a whole, which need not be set."""


@dataclass(frozen=True, slots=True)
class Rules:
    """The limits of an episode. Turn, width and call limits default to the published system's values.

    A *turn* is one message of one agent. Lengths are in characters, but for `context`, which is in the unit of
    the episode's counter (characters unless a token counter is passed in).
    """

    width: int = 10
    """Subagents that one delegation may start."""
    lead_turns: int = 10
    """Turns of the lead, the answer included."""
    subagent_turns: int = 20
    """Turns of a subagent, its report included."""
    single_turns: int = 50
    """Turns of a single agent, the answer included."""
    calls_per_turn: int = 5
    """Tool calls that one message may hold; a call with a list of queries or addresses counts as that many."""
    results_per_query: int = 3
    """Search results where the agent does not ask for a number."""
    max_results_per_query: int = 10
    """Search results that an agent may ask for."""
    context: int = 131_072
    """Budget of one agent's whole conversation (about 32k tokens in the default unit, characters)."""
    action_chars: int = 65_536
    """Length of one message of an agent; what is beyond is cut off."""
    result_chars: int = 16_384
    """Length of the result of one tool call or of one subagent's report; what is beyond is cut off."""
    episode_calls: int | None = None
    """Searches and pages of the whole team in an episode; None: no limit. When they are used up every agent has one
    message left: its report, or the answer."""
    episode_path: int | None = None
    """Turns until the end of an episode when agents side by side are counted once (its critical path); None: no
    limit. Subagents get no more turns than leave one for the answer."""

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
    def preset(cls, name: str, **changes: int) -> Rules:
        """The rules called `name` (see `PRESETS`), with single limits changed."""
        try:
            base = PRESETS[name]
        except KeyError:
            raise ConfigError(f"no rules preset {name!r}; there are: {', '.join(PRESETS)}") from None
        return base.replace(**changes)

    def replace(self, **changes: int) -> Rules:
        """The same rules with some limits changed; `ConfigError` names a limit that does not exist."""
        known = [item.name for item in fields(self)]
        for name in changes:
            if name not in known:
                raise ConfigError(f"rules have no limit {name!r}; there are: {', '.join(known)}")
        return dataclasses.replace(self, **changes)

    def turns(self, role: Role) -> int:
        """The turn limit of an agent in this role."""
        if role == "lead":
            return self.lead_turns
        return self.subagent_turns if role == "subagent" else self.single_turns

    def to_dict(self) -> dict[str, Any]:
        """All limits by name, for records; budgets that are not set are left out."""
        limits = dataclasses.asdict(self)
        return {name: value for name, value in limits.items() if value is not None}


PRESETS: dict[str, Rules] = {
    "default": Rules(),
    # Everybody's budget is small and the same at every width, so that what a wider team adds is coverage: one
    # subagent can open at most 2 pages in each of 5 turns before it must report.
    "width-benchmark": Rules(lead_turns=3, subagent_turns=6, single_turns=6, calls_per_turn=2),
}
"""Named rules: `default` (the published limits) and `width-benchmark` (the same small budget at every width)."""
