"""Where an entry point's game differs from `wideseek_env.GameConfig`: its own defaults, and fields that it decides."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from typing import Any

from wideseek_env.game import GameConfig


@dataclass(frozen=True)
class EntryPoint:
    """How an entry point's game differs from `GameConfig`."""

    defaults: Mapping[str, Any] = field(default_factory=dict)
    """The defaults that differ."""
    fixed: tuple[str, ...] = ()
    """The fields that it does not take, because it decides them itself."""

    def config(self, **values: Any) -> GameConfig:
        """The configuration of these values and this entry point's defaults."""
        return GameConfig(**{**self.defaults, **values})

    @property
    def names(self) -> tuple[str, ...]:
        """The fields that this entry point takes."""
        return tuple(each.name for each in fields(GameConfig) if each.name not in self.fixed)


_TEST = {"split": "test"}
_SWEEP = {"split": "test", "rules": "width-benchmark"}
ENTRY_POINTS: Mapping[str, EntryPoint] = {
    "parallel_env": EntryPoint(fixed=("team",)),
    "raw_env": EntryPoint(fixed=("team",)),
    "env": EntryPoint(fixed=("team",)),
    "WideSeek-v0": EntryPoint({"team": False}, fixed=("team", "width", "roster")),
    "evaluate": EntryPoint(_TEST),
    "wideseek run": EntryPoint(_TEST),
    "wideseek eval": EntryPoint(_TEST),
    "wideseek bench width": EntryPoint(_SWEEP, fixed=("width", "team")),
    "wideseek bench depth": EntryPoint({**_SWEEP, "team": False}, fixed=("width", "team", "roster")),
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
"""Every entry point that plays: its own defaults, and the fields that it does not take."""
