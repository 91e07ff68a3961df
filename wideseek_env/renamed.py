"""Old names of keys. They are needed to read TOML configurations, ``run.json`` and checkpoints of earlier versions."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

RENAMED_GAME_KEYS: Mapping[str, str] = {
    "own_tools": "tools",
}
"""Renamed keys of a game: old name → new name."""

RENAMED_TRAINING_KEYS: Mapping[str, str] = {
    "value.trace": "value.gae_lambda",
    "loss.mismatch": "loss.importance_sampling",
    "loss.mismatch_cap": "loss.is_cap",
    "selection.average": "selection.loss_aggregation",
    "advantage.degenerate": "advantage.zero_variance_groups",
    "async_steps": "max_off_policy_steps",
    "boards": "trackers",
    "game.widths": "widths",
}
"""Renamed keys of a training configuration, with their tables: old name → new name."""

RENAMED_TRAINING_VALUES: Mapping[str, Mapping[str, str]] = {
    "loss.importance_sampling": {"off": "none"},
}
"""Renamed values of a training configuration: key under its new name → old value → new value."""


def renamed(record: Mapping[str, Any], names: Mapping[str, str]) -> dict[str, Any]:
    """`record` with old names replaced by new names. A dotted name is a key inside a table. If the new name has a value
    already, that value is kept."""
    result: dict[str, Any] = {
        key: dict(value) if isinstance(value, Mapping) else value for key, value in record.items()
    }
    for old, new in names.items():
        *tables, key = old.split(".")
        table = _table(result, tables, make=False)
        if table is None or key not in table:
            continue
        value = table.pop(key)
        *tables, key = new.split(".")
        target = _table(result, tables, make=True)
        if target is not None:
            target.setdefault(key, value)
    return result


def _table(record: dict[str, Any], path: list[str], *, make: bool) -> dict[str, Any] | None:
    for name in path:
        if make:
            record.setdefault(name, {})
        inner = record.get(name)
        if not isinstance(inner, Mapping):
            return None
        record[name] = record = dict(inner)
    return record
