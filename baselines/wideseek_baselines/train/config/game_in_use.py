"""The game that a run really plays: that of the configuration, with what was passed as ``game=``."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields
from typing import Any

from wideseek_env import catalog
from wideseek_env.errors import ConfigError, UnnamedPartError
from wideseek_env.game import GameConfig
from wideseek_env.plugins import part_digest
from wideseek_env.reprs import short
from wideseek_env.suggestions import known_names
from wideseek_env.tasks.jsonl import tasks_digest


def game_in_use(game: GameConfig, changes: GameConfig | Mapping[str, Any] | None) -> GameConfig:
    """The game of a configuration with some fields replaced.

    Args:
        game: The game of the configuration.
        changes: Fields of `GameConfig` by name, or a whole `GameConfig`, which is returned as it is.

    Raises:
        ConfigError: `changes` is neither, a field does not exist, or a value is wrong.
    """
    if changes is None:
        return game
    if isinstance(changes, GameConfig):
        return changes
    if not isinstance(changes, Mapping):
        raise ConfigError(
            f"game= takes a mapping of fields of GameConfig, or a GameConfig, not {short(changes)}"
        )
    known = [each.name for each in fields(GameConfig)]
    for name in changes:
        if name not in known:
            raise ConfigError(f"game= has the unknown key {short(name)}; {known_names(name, known)}")
    return game.replace(**changes)


def recorded_game(game: GameConfig) -> dict[str, Any]:
    """All fields of a game as JSON values that can be compared with those of another process.

    Live objects are recorded by name (``module:name``). Those without an importable name are ``name@digest``.
    """
    record: dict[str, Any] = {}
    for each in fields(game):
        value = getattr(game, each.name)
        if each.name == "tools":
            record["tools"] = [_recorded("tools", (tool,))[0] for tool in value]
        else:
            record[each.name] = _recorded(each.name, value)
    return record


def game_differences(before: Mapping[str, Any], now: Mapping[str, Any]) -> dict[str, tuple[Any, Any]]:
    """The fields in which two records of `recorded_game` differ: (before, now) by name, such as "game.reward".

    A field that only one of them has is not compared: an earlier version did not write it.
    """
    return {
        f"game.{name}": (before[name], now[name])
        for name in sorted({*before} & {*now})
        if before[name] != now[name]
    }


def _recorded(name: str, value: Any) -> Any:
    if name == "tasks" and not isinstance(value, str):
        tasks = catalog.as_tasks(value)
        return f"{tasks.name}@{tasks_digest(tasks)[:12]}"
    try:
        return GameConfig(**{name: value}).to_dict().get(name)
    except UnnamedPartError:
        part = value[0] if name == "tools" else value
        called = getattr(part, "name", None) or getattr(part, "__name__", None) or type(part).__name__
        found = f"{called}@{part_digest(part)}"
        return [found] if name == "tools" else found
