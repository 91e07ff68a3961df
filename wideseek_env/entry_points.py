"""Entry points are the environments, commands and other ways to start a game.

An entry point may have defaults that differ from `wideseek_env.GameConfig`, and fields that the user cannot set.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from typing import Any

from wideseek_env.game import GameConfig


@dataclass(frozen=True)
class EntryPoint:
    """How an entry point's game differs from `GameConfig`."""

    defaults: Mapping[str, Any] = field(default_factory=dict)
    """The defaults that differ from those of `GameConfig`."""
    fixed: tuple[str, ...] = ()
    """The fields that the user cannot set, because the entry point sets them itself."""

    def config(self, **values: Any) -> GameConfig:
        """The configuration with these values, and with the defaults of this entry point for all other fields."""
        return GameConfig(**{**self.defaults, **values})

    @property
    def names(self) -> tuple[str, ...]:
        """The fields that a user of this entry point can set."""
        return tuple(each.name for each in fields(GameConfig) if each.name not in self.fixed)


_TEST = {"split": "test"}
_SWEEP = {"split": "test", "rules": "width-benchmark"}
ENTRY_POINTS: Mapping[str, EntryPoint] = {
    "parallel_env": EntryPoint(fixed=("team",)),
    "raw_env": EntryPoint(fixed=("team",)),
    "env": EntryPoint(fixed=("team",)),
    "WideSeek-v0": EntryPoint({"team": False}, fixed=("team", "width", "roster", "credit")),
    "evaluate": EntryPoint(_TEST),
    "wideseek run": EntryPoint(_TEST),
    "wideseek eval": EntryPoint(_TEST),
    "wideseek bench width": EntryPoint(_SWEEP, fixed=("width", "team")),
    "wideseek bench depth": EntryPoint(
        {**_SWEEP, "team": False}, fixed=("width", "team", "roster", "credit")
    ),
    "wideseek demo": EntryPoint(
        _SWEEP, fixed=tuple(each.name for each in fields(GameConfig) if each.name != "tasks")
    ),
    "wideseek rollout": EntryPoint(_TEST),
    "wideseek serve agents": EntryPoint(_TEST, fixed=("team",)),
    "wideseek serve mcp": EntryPoint(_TEST, fixed=("team",)),
    "wideseek-openenv": EntryPoint(),
    "wideseek train": EntryPoint(),
    "rollout workers": EntryPoint(),
}
"""Every entry point that runs episodes, with its defaults and the fields that it sets itself."""
