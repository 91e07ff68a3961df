"""A game's settings as text: JSON, the table ``[game]`` of a TOML file, and the options of a command line.

The settings are JSON values by name, as `GameConfig.to_dict` returns them.
"""

from __future__ import annotations

import json
import tomllib
from collections.abc import Mapping
from typing import Any

from wideseek_env.errors import ConfigError
from wideseek_env.toml_text import toml_tables, toml_value

OPTION_NAMES: Mapping[str, str] = {"team": "--single", "limits": "--rule", "tools": "--tool"}
"""The settings whose command-line option has another name."""


def game_json(settings: Mapping[str, Any]) -> str:
    """The settings as JSON text."""
    return json.dumps(settings, ensure_ascii=False, indent=2)


def read_game_json(text: str) -> Any:
    """The settings in a JSON text. `ConfigError` if the text cannot be read."""
    try:
        return json.loads(text)
    except (ValueError, TypeError, RecursionError) as error:
        raise ConfigError(f"this is no JSON: {error}") from error


def game_toml(settings: Mapping[str, Any]) -> str:
    """The settings as TOML text: a table ``[game]``, as in a training configuration."""
    record = dict(settings)
    texts = record.pop("texts", None)
    tables = {name: record.pop(name) for name in ("rules", "limits") if isinstance(record[name], dict)}
    lines = ["[game]", *(f"{name} = {toml_value(value)}" for name, value in record.items())]
    for name, table in tables.items():
        if table or name == "rules":
            lines += ["", f"[game.{name}]"]
            lines += [f"{toml_value(key)} = {toml_value(value)}" for key, value in table.items()]
    text = "\n".join(lines) + "\n"
    return f"{text}\n{toml_tables(texts, 'game', 'texts')}" if texts else text


def read_game_toml(text: str) -> dict[str, Any]:
    """The settings in the table ``[game]`` of a TOML text. `ConfigError` if the text cannot be read."""
    try:
        record = tomllib.loads(text)
    except (ValueError, TypeError, AttributeError, RecursionError) as error:
        raise ConfigError(f"this is no TOML: {error}") from error
    game = record.get("game")
    if not isinstance(game, dict):
        raise ConfigError("the TOML text has no table [game]")
    return game


def game_options(settings: Mapping[str, Any]) -> list[str]:
    """The command-line options for the settings, such as ``["--tasks=synthetic", "--width=4"]``."""
    words: list[str] = []
    for name, value in settings.items():
        option = OPTION_NAMES.get(name, f"--{name}")
        if name == "team":
            words += [] if value else [option]
        elif name == "texts":
            words.append(f"{option}={json.dumps(value, ensure_ascii=False)}")
        elif isinstance(value, dict):
            option = OPTION_NAMES["limits"]
            words += [f"{option}={limit}={number}" for limit, number in value.items()]
        elif isinstance(value, list):
            words += [f"{option}={item}" for item in value]
        else:
            words.append(f"{option}={value}")
    return words
