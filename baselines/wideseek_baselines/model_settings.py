"""`wideseek.toml`: the settings for which a model was trained, as a file in its folder.

The table ``[game]`` has settings of `GameConfig`, and ``[policy]`` has options of the policy. Commands use them where
the user sets nothing. The file holds plain values only: it cannot name code, an address or a judge. So the folder of a
stranger can choose a game, but it cannot import a module or send requests.
"""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from wideseek_baselines.shipped_models import model_path
from wideseek_env.errors import ConfigError, UnnamedPartError
from wideseek_env.game import GameConfig
from wideseek_env.policy import ModelSettings
from wideseek_env.profiles import PROFILES
from wideseek_env.reprs import short
from wideseek_env.tasks.benchmarks import BENCHMARKS
from wideseek_env.toml_text import toml_tables

NAME = "wideseek.toml"
GAME = ("tasks", "corpus", "where", "rules", "limits", "width", "profile", "texts", "language", "team")
"""The settings of the game that a model carries: its tasks, what its agents read, and what they may do."""
POLICY: Mapping[str, tuple[type, ...]] = {
    "temperature": (int, float),
    "context": (int,),
    "turn_tokens": (int,),
    "episode_tokens": (int,),
    "dtype": (str,),
    "thinking": (bool,),
    "history": (str,),
}
"""The options of the policy that a model carries, with the types of their values."""
_ALWAYS = ("tasks", "rules", "profile")
_USUAL = {"history": "template"}
_WORLDS = ("synthetic", "hybridqa", *BENCHMARKS)


def settings_text(game: GameConfig, options: Mapping[str, Any]) -> str:
    """The content of the file for a model that was trained with these settings.

    It has the settings in `GAME` and the options in `POLICY`, except for defaults and for values that name code or an
    address. Tasks, rules and profile are always there, because the defaults of commands differ.
    """
    usual = GameConfig().to_dict()
    played = {}
    for name in GAME:
        value = getattr(game, name)
        try:
            plain = GameConfig(**{name: value}).to_dict().get(name)
        except UnnamedPartError:
            continue
        changed = name in _ALWAYS or plain != usual.get(name)
        if changed and not _names_code(name, plain):
            played[name] = plain
    chosen = {name: options[name] for name in POLICY if options.get(name) not in (None, _USUAL.get(name))}
    record = {"game": played, "policy": chosen}
    return toml_tables({table: values for table, values in record.items() if values})


def read_settings(model: str | Path) -> ModelSettings | None:
    """The settings in the folder of a model. None if there is no folder, or if it has no such file.

    Args:
        model: A folder, or the name of a shipped model.

    Raises:
        ConfigError: The file cannot be read, or has an unknown or forbidden setting.
    """
    file = Path(model_path(model)).expanduser() / NAME
    if not file.is_file():
        return None
    try:
        record = tomllib.loads(file.read_text("utf-8"))
    except (OSError, ValueError) as error:
        raise ConfigError(f"{file} cannot be read: {error}") from error
    tables = {"game": GAME, "policy": tuple(POLICY)}
    for table, values in record.items():
        if table not in tables or not isinstance(values, dict):
            raise ConfigError(f"{file} has {table!r}; it may have the tables [game] and [policy]")
        for name, value in values.items():
            if name not in tables[table]:
                raise ConfigError(
                    f"{file} has the unknown setting {table}.{name}; there are: {', '.join(tables[table])}"
                )
            if table == "policy" and type(value) not in POLICY[name]:
                raise ConfigError(f"{file}: policy.{name} cannot be {short(value)}")
    game = record.get("game", {})
    for name, value in game.items():
        if _names_code(name, value):
            raise ConfigError(
                f"{file}: game.{name} cannot be {short(value)}: a model's file can name no code and no address"
            )
    try:
        GameConfig(**game)
    except ConfigError as error:
        raise ConfigError(f"{file}: {error}") from error
    return ModelSettings(str(model), game, record.get("policy", {}))


def suggest_settings(options: Mapping[str, Any]) -> ModelSettings | None:
    """The settings of the model in a policy's options (`wideseek_env.policy.settings_of_model`)."""
    model = options.get("model")
    return read_settings(model) if isinstance(model, (str, Path)) and model else None


def _names_code(name: str, value: Any) -> bool:
    """Whether a setting could import a module or send requests: it is neither built in nor a file or folder."""
    if name == "profile":
        return value not in PROFILES
    if name == "tasks":
        known = isinstance(value, str) and (
            value.partition(":")[0] in _WORLDS or value.endswith((".jsonl", ".jsonl.gz"))
        )
        return not known
    if name == "corpus":
        kind, colon, _ = str(value).partition(":")
        return colon != "" and kind not in ("synthetic", "hybridqa")
    return False
