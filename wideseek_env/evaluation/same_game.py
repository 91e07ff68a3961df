"""Finds what differs between the games of several runs. Scores of different games do not compare."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from wideseek_env.errors import ConfigError
from wideseek_env.evaluation.sweep import Sweep
from wideseek_env.provenance.comparing import differences

Differences = list[tuple[str, Any, Any]]
"""The settings that differ, with both values."""

_GAME = (
    "tasks", "tasks_digest", "limit", "corpus", "profile", "protocol", "texts", "summariser", "roster", "judge",
    "strict", "counter", "tools", "executor", "game.profile", "game.tools", "game.executor", "game.counter",
)  # fmt: skip
"""Settings that decide what an episode is and how it is scored, besides the rules."""

_SIZES = ("rules.width", "rules.single_turns")
"""The limits that sweeps vary."""


def game_differences(
    first: Mapping[str, Any], second: Mapping[str, Any], *, sizes: Sequence[str] = _SIZES
) -> Differences:
    """What differs between the games of two runs. Empty if their scores compare.

    Policy, reward, seed and trials may differ, and so may the limits `sizes`. A budget (``equal``) counts.

    Args:
        first: The settings of a run, as ``run.json`` or a sweep records them.
        second: The settings of another run.
        sizes: Limits that may differ, because they are what is compared.
    """
    found = [
        (name, one, other)
        for name, one, other in differences(_with_budget(first), _with_budget(second))
        if name in (*_GAME, "budget") or (name.startswith("rules.") and name not in sizes)
    ]
    named = {name for name, _, _ in found}
    return [each for each in found if not (each[0] == "tasks_digest" and "tasks" in named)]


def sweep_differences(first: Sweep, second: Sweep) -> Differences:
    """`game_differences` of two sweeps. If both ran a single agent next to their teams, it needs the same turns."""
    alone = all(sweep.kind == "width" and sweep.settings.get("single") for sweep in (first, second))
    return game_differences(first.settings, second.settings, sizes=_SIZES[:1] if alone else _SIZES)


def check_same_game(sweeps: Sequence[Sweep], names: Sequence[str]) -> None:
    """Check that the scores of sweeps compare, before they are drawn together.

    Raises:
        ConfigError: Rules, budget, tasks, profile, judge or another part of the game differ.
    """
    for sweep, name in zip(sweeps[1:], names[1:], strict=True):
        if found := sweep_differences(sweeps[0], sweep):
            raise ConfigError(
                f"{names[0]} and {name} were run under different conditions, so their scores do not compare "
                f"({difference_text(found)}); run both with the same options, or draw each in a separate figure"
            )


def difference_text(found: Differences, most: int = 6) -> str:
    """The differences in one line. Only the first `most` are listed."""
    told = [f"{name}: {_shown(one)} and {_shown(other)}" for name, one, other in found[:most]]
    return "; ".join(told) + (f"; and {len(found) - most} more" if len(found) > most else "")


def _shown(value: Any) -> str:
    text = "none" if value is None else str(value)
    return text if len(text) <= 60 else f"{text[:24]}…"


def _with_budget(settings: Mapping[str, Any]) -> dict[str, Any]:
    equal = settings.get("equal")
    budget = f"{equal['amount']} {equal['kind']}" if isinstance(equal, Mapping) else None
    return {**settings, "budget": budget}
