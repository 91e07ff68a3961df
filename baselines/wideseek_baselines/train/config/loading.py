"""Typed configuration: a dataclass, filled from a preset, a TOML file and ``key=value`` overrides.

The fields of the dataclass are the keys. If a field is itself a dataclass, it is a table in the file. On the command
line its keys are written ``table.key=value``. Values must have the types of the annotations. `Range` in an `Annotated`
sets the bounds of a number. The text "none" is the empty value of every setting that has one: no number, no text, an
empty list, or an empty table. Errors name the key with its table. Old names of keys (`RENAMED_TRAINING_KEYS`) also
work.
"""

from __future__ import annotations

import dataclasses
import math
import re
import textwrap
import tomllib
import types
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal, TypeVar, Union, cast, get_args, get_origin, get_type_hints

from wideseek_baselines.train.config.named_losses import named_loss
from wideseek_env.catalog import check_tasks_name
from wideseek_env.docstrings import field_docstrings
from wideseek_env.errors import ConfigError, UnnamedPartError
from wideseek_env.game import GameConfig
from wideseek_env.game_names import check_names
from wideseek_env.renamed import RENAMED_GAME_KEYS, RENAMED_TRAINING_KEYS, RENAMED_TRAINING_VALUES, renamed
from wideseek_env.rules import Rules
from wideseek_env.suggestions import hint, nearest

T = TypeVar("T")

PRESETS = Path(__file__).resolve().parent.parent.parent / "presets"
"""The folder of the presets, TOML files for `wideseek train grpo` and `wideseek train ppo`."""
ALGORITHMS = ("grpo", "ppo")
"""The algorithms that can have separate tables in a preset."""
VLLM_ONLY = ("memory_share", "kv_bytes", "tensor_parallel", "vllm")
"""Keys of the table ``[engine]`` that only the engine vLLM has."""
_OLD_NAMES = {
    **RENAMED_TRAINING_KEYS,
    **{f"game.{old}": f"game.{new}" for old, new in RENAMED_GAME_KEYS.items()},
}


@dataclass(frozen=True, slots=True)
class Range:
    """Bounds of a number. The bounds themselves are allowed values, except `low` if `open_low` is true."""

    low: float = float("-inf")
    high: float = float("inf")
    open_low: bool = False

    def __contains__(self, value: float) -> bool:
        return (
            math.isfinite(value)
            and self.low <= value <= self.high
            and not (self.open_low and value == self.low)
        )

    def __str__(self) -> str:
        low = f"above {self.low:g}" if self.open_low else f"at least {self.low:g}"
        high = f"at most {self.high:g}"
        if self.high == float("inf"):
            return low
        return high if self.low == float("-inf") else f"{low} and {high}"


Share = Annotated[float, Range(0, 1)]
"""From 0 to 1."""
Positive = Annotated[float, Range(0, open_low=True)]
NotNegative = Annotated[float, Range(0)]
Count = Annotated[int, Range(1)]
"""1 or more."""
Whole = Annotated[int, Range(0)]
"""0 or more."""


class _UnknownKeyError(ConfigError):
    """A key that its table does not have. `explained_key` turns it into the message for the user."""

    def __init__(self, path: str, name: str, known: Iterable[str]) -> None:
        self.path, self.name, self.known = path, name, list(known)
        super().__init__(f"unknown key {path!r}; there are: {', '.join(self.known)}")


def load_config(
    kind: type[T],
    file: Path | str | None = None,
    overrides: Iterable[str] = (),
    *,
    preset: Path | str | None = None,
) -> T:
    """Load a configuration of the dataclass `kind`. Overrides replace values of the file, which replace those of the
    preset. A loss that the file or an override names (``loss.name``) replaces values of the preset only.

    Args:
        kind: A dataclass, such as `GrpoConfig`.
        file: A TOML file.
        overrides: Texts ``key=value``.
        preset: A TOML file with lower priority. `file` replaces single keys of the preset, not whole tables. A preset
            may have the tables ``[grpo]`` and ``[ppo]``, whose settings are for this algorithm only.

    Raises:
        ConfigError: A file cannot be read, a key is unknown or missing, or a value has the wrong type or is out of
            range. The message names the key with its table.
    """
    low = _for_algorithm(_read(preset), kind) if preset is not None else {}
    record = with_new_names(_read(file)) if file is not None else {}
    try:
        for override in overrides:
            _override(record, override, kind)
    except _UnknownKeyError as error:
        raise ConfigError(suggested_key(error, kind)) from error
    low = _for_engine(low, record)
    low = _merged(low, named_loss(record, _algorithm(kind)))
    config = config_from(kind, _merged(low, record))
    _check_names(config)
    return config


def _check_names(config: Any) -> None:
    """Check the names of the game's parts and of the held-out tasks, as far as that needs no files."""
    try:
        if isinstance(game := getattr(config, "game", None), GameConfig):
            check_names(game)
    except ConfigError as error:
        raise ConfigError(f"game.{error}") from error
    source = getattr(getattr(config, "evaluation", None), "source", None)
    try:
        if isinstance(source, str):
            check_tasks_name(source)
    except ConfigError as error:
        raise ConfigError(f"evaluation.source: {error}") from error


def config_from(kind: type[T], record: Mapping[str, Any], where: str = "", base: T | None = None) -> T:
    """Make a configuration from nested mappings. Raises the same errors as `load_config`.

    Args:
        kind: A dataclass.
        record: Its values.
        where: Text before the names of keys in messages, such as "optim.".
        base: A configuration with values for the keys that the record leaves out. Default: the defaults of the class.
            For an inner table, the outer configuration passes its default for that table.
    """
    if where:
        return _config_from(kind, record, where, base)
    record = with_new_names(record)
    if named := named_loss(record, _algorithm(kind)):
        record = _merged(named, record)
    try:
        return _config_from(kind, record, "", base)
    except _UnknownKeyError as error:
        raise ConfigError(suggested_key(error, kind)) from error


def _config_from(kind: type[T], record: Mapping[str, Any], where: str, base: T | None) -> T:
    hints = get_type_hints(kind, include_extras=True)
    fields = {item.name: item for item in dataclasses.fields(cast(Any, kind))}
    for key in record:
        if key not in fields:
            raise _UnknownKeyError(f"{where}{key}", key, fields)
    values: dict[str, Any] = {}
    for name, item in fields.items():
        path = f"{where}{name}"
        default = getattr(base, name, None)
        if default is None and item.default_factory is not dataclasses.MISSING:
            default = item.default_factory()
        if name in record:
            values[name] = _value(record[name], hints[name], path, default)
        elif default is not None:
            values[name] = default
        elif item.default is dataclasses.MISSING and item.default_factory is dataclasses.MISSING:
            raise ConfigError(f"{path} is missing: put it into the file or give {path}=…")
    try:
        return kind(**values)
    except ConfigError as error:
        raise ConfigError(f"{where.rstrip('.')}: {error}" if where else str(error)) from error


def game_from(record: Mapping[str, Any], where: str = "game.") -> GameConfig:
    """Make the game from a table ``[game]``. Keys and limits are checked here, so that error messages have their full
    names.

    The text "none" means `None` where a field may be `None`, and an empty list or table. For a limit it means the value
    in the rules.

    Args:
        record: The table.
        where: Text before the names of keys in messages.
    """
    hints = get_type_hints(GameConfig)
    values: dict[str, Any] = {}
    for key, value in renamed(record, RENAMED_GAME_KEYS).items():
        if key not in hints:
            raise _UnknownKeyError(f"{where}{key}", key, hints)
        if type(None) in get_args(hints[key]) and value in (None, "none"):
            continue
        values[key] = () if value == "none" and key in ("where", "tools") else value
    if "limits" in values:
        values["limits"] = _limits(values["limits"], f"{where}limits")
    try:
        return GameConfig.from_dict(values)
    except ConfigError as error:
        raise ConfigError(f"{where}{error}") from error


def _limits(limits: Any, where: str) -> dict[str, int]:
    if limits == "none":
        return {}
    if not isinstance(limits, Mapping):
        raise ConfigError(f"{where} must be a table, not {limits!r}")
    known = [item.name for item in dataclasses.fields(Rules)]
    for name in limits:
        if name not in known:
            raise _UnknownKeyError(f"{where}.{name}", name, known)
    return {
        name: _value(value, Count, f"{where}.{name}")
        for name, value in limits.items()
        if value not in (None, "none")
    }


def config_to_dict(config: Any) -> dict[str, Any]:
    """The configuration as JSON values. `config_from` makes the configuration from them again.

    Raises:
        UnnamedPartError: The game has a live object that another process could not import by name.
    """
    return {item.name: _plain(getattr(config, item.name)) for item in dataclasses.fields(config)}


def _plain(value: Any) -> Any:
    if isinstance(value, GameConfig):
        try:
            return value.to_dict()
        except UnnamedPartError as error:
            raise UnnamedPartError(f"{error}; or pass it in game= of run_grpo or run_ppo") from error
    if dataclasses.is_dataclass(value):
        return config_to_dict(value)
    if isinstance(value, tuple):
        return [_plain(item) for item in value]
    return value


def with_new_names(record: Mapping[str, Any]) -> dict[str, Any]:
    """The settings of a file or checkpoint, where old names of keys and values are replaced by the current names."""
    result = renamed(record, _OLD_NAMES)
    for path, values in RENAMED_TRAINING_VALUES.items():
        *tables, key = path.split(".")
        table: Any = result
        for name in tables:
            table = table.get(name) if isinstance(table, dict) else None
        if isinstance(table, dict) and isinstance(table.get(key), str):
            table[key] = values.get(table[key], table[key])
    return result


def preset_names() -> list[str]:
    """The names of all presets, sorted."""
    return sorted(path.stem for path in PRESETS.glob("*.toml"))


def preset_file(name: str) -> Path:
    """The file of the preset called `name`. Raises `ConfigError` if there is no such preset."""
    if name not in preset_names():
        raise ConfigError(f"no preset {name!r}; there are: {', '.join(preset_names())}")
    return PRESETS / f"{name}.toml"


def explained(kind: type[Any]) -> str:
    """The text of ``--explain``: every key of the configuration dataclass `kind` with its default and its docstring."""
    return "\n".join(_paragraph(f"{key} ({default})", text) for key, default, text in _settings(kind))


def described(kind: type[Any]) -> dict[str, dict[str, str]]:
    """The same as `explained` as values: ``default`` and ``meaning`` of every key."""
    return {
        key: {"default": default, "meaning": " ".join(text.split())} for key, default, text in _settings(kind)
    }


def _settings(kind: type[Any], prefix: str = "", base: Any = None) -> Iterator[tuple[str, str, str]]:
    """Key, default and docstring of every setting.

    Args:
        kind: A configuration dataclass.
        prefix: Text before each key: the name of the table, such as "optim.".
        base: A configuration whose values are the defaults. Default: the defaults of the class.
    """
    hints, documents = get_type_hints(kind), field_docstrings(kind)
    for item in dataclasses.fields(kind):
        key, inner = f"{prefix}{item.name}", hints[item.name]
        if kind is GameConfig and item.name == "limits":
            for name, text in field_docstrings(Rules).items():
                yield f"{key}.{name}", "default of the rules", text
            continue
        if dataclasses.is_dataclass(inner):
            outer = item.default_factory() if item.default_factory is not dataclasses.MISSING else None
            yield from _settings(cast(type, inner), f"{key}.", outer)
            continue
        value = getattr(base, item.name, item.default)
        default = "required" if value is dataclasses.MISSING else f"default {_shown(value)}"
        yield key, default, documents[item.name]


def _paragraph(head: str, text: str) -> str:
    return f"{head}\n{textwrap.indent(textwrap.fill(' '.join(text.split()), 92), '    ')}"


def _shown(value: object) -> str:
    if value is None:
        return "none"
    if isinstance(value, tuple):
        return "[" + ", ".join(map(str, value)) + "]"
    return str(value).lower() if isinstance(value, bool) else str(value)


def _for_algorithm(preset: dict[str, Any], kind: type[Any]) -> dict[str, Any]:
    """The settings of a preset for the configuration `kind`: those for all algorithms, and those for its algorithm."""
    own = {name: preset.pop(name, {}) for name in ALGORITHMS}
    return _merged(with_new_names(preset), with_new_names(own.get(_algorithm(kind), {})))


def _algorithm(kind: type[Any]) -> str:
    return str(getattr(kind, "algorithm", ""))


def _read(file: Path | str) -> dict[str, Any]:
    try:
        return tomllib.loads(Path(file).read_text("utf-8"))
    except OSError as error:
        raise ConfigError(f"{file} cannot be read: {error.strerror}") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigError(f"{file} is not TOML: {error}") from error


def _merged(low: dict[str, Any], high: dict[str, Any]) -> dict[str, Any]:
    """Two records as one. Where both have a key, the value of `high` is used. Tables are merged in the same way."""
    merged = {**low, **high}
    for key in low.keys() & high.keys():
        if isinstance(low[key], dict) and isinstance(high[key], dict):
            merged[key] = _merged(low[key], high[key])
    return merged


def _override(record: dict[str, Any], text: str, kind: type) -> None:
    """Set one ``key=value`` in the record. A value that is not valid TOML is read as text, so quotes can be left
    out.
    """
    key, equals, value = text.partition("=")
    key = key.strip()
    path = _OLD_NAMES.get(key, key).split(".")
    if not equals or not all(path):
        raise ConfigError(f"{text!r} is not of the form key=value")
    table, at = record, kind
    for number, name in enumerate(path[:-1]):
        here = ".".join(path[: number + 1])
        at = _table_at(at, name, here)
        table = table.setdefault(name, {})
        if not isinstance(table, dict):
            raise ConfigError(f"{here} must be a table")
    try:
        parsed = tomllib.loads(f"value = {value.strip()}")["value"]
    except tomllib.TOMLDecodeError:
        parsed = value.strip()
    table[path[-1]] = parsed


def _table_at(kind: type, name: str, path: str) -> type:
    """The dataclass whose fields are the keys of the table `name` of `kind`. `dict` if it may have any keys."""
    if kind is dict:
        return dict
    if kind is GameConfig and name == "limits":
        return Rules
    fields = {item.name for item in dataclasses.fields(cast(Any, kind))}
    if name not in fields:
        raise _UnknownKeyError(path, name, fields)
    inner = get_type_hints(kind)[name]
    if get_origin(inner) is Mapping:
        return dict
    if not dataclasses.is_dataclass(inner):
        raise ConfigError(f"{path} is a single value, not a table")
    return cast(type, inner)


def suggested_key(error: _UnknownKeyError, kind: type[Any]) -> str:
    """The message for an unknown key. It names the keys that the user may have meant, in any table of `kind`.

    These are the keys of this name in other tables, the key that another library calls so, and the key of the same
    table with the most similar name. Without any, the message lists the keys of the table.
    """
    keys, foreign = _all_keys(kind)
    table = error.path.removesuffix(error.name)
    found = [path for path in keys if path.rpartition(".")[2] == error.name]
    found += [path for path, names in foreign.items() if error.name in names and path not in found]
    near = nearest(error.name, error.known, 0.6)
    if near is not None and table + near not in found:
        found.append(table + near)
    if not found:
        similar = nearest(error.name, [path.rpartition(".")[2] for path in keys], 0.75)
        found = [path for path in keys if path.rpartition(".")[2] == similar]
    if not found:
        return str(error)
    return f"unknown key {error.path!r}; did you mean {' or '.join(map(repr, found[:4]))}?"


def _all_keys(kind: type[Any], table: str = "") -> tuple[list[str], dict[str, set[str]]]:
    """All keys of a configuration with their tables, and the names of keys in other libraries (from the docstrings)."""
    hints, documents = get_type_hints(kind), field_docstrings(kind)
    keys: list[str] = []
    foreign: dict[str, set[str]] = {}
    for item in dataclasses.fields(kind):
        inner = Rules if kind is GameConfig and item.name == "limits" else hints[item.name]
        keys.append(f"{table}{item.name}")
        named = _FOREIGN.findall(documents.get(item.name, ""))
        foreign[keys[-1]] = {word for names in named for word in _WORD.findall(names)}
        if dataclasses.is_dataclass(inner) and isinstance(inner, type):
            more, others = _all_keys(inner, f"{table}{item.name}.")
            keys += more
            foreign |= others
    return keys, foreign


_FOREIGN = re.compile(
    r"(?:TRL|verl|prime-rl|TRL and verl|TRL and peft|MAPPO|vLLM):\s+((?:`\w[\w.]*`(?:, | and )?)+)"
)
"""What a docstring says about the name of a setting in other libraries."""
_WORD = re.compile(r"`([\w.]+)`")


def _for_engine(preset: dict[str, Any], given: Mapping[str, Any]) -> dict[str, Any]:
    """The preset without the settings of vLLM, if the user chooses another engine."""
    engine, chosen = preset.get("engine"), given.get("engine")
    kind = chosen.get("kind") if isinstance(chosen, Mapping) else None
    if not isinstance(engine, dict) or kind in (None, "vllm"):
        return preset
    return preset | {"engine": {name: value for name, value in engine.items() if name not in VLLM_ONLY}}


def _value(value: Any, kind: Any, path: str, base: Any = None) -> Any:
    """Check one value against its annotation. If the value is a table, the keys that it leaves out get the values of
    `base`.
    """
    origin, options = get_origin(kind), get_args(kind)
    if origin is Annotated:
        checked = _value(value, options[0], path)
        for bounds in options[1:]:
            if isinstance(bounds, Range) and checked not in bounds:
                raise ConfigError(f"{path} must be {bounds}, not {checked}")
        return checked
    if origin is Literal:
        if value not in options or type(value) not in {type(option) for option in options}:
            raise ConfigError(
                f"{path} must be one of {', '.join(map(str, options))}, not {value!r}"
                f"{hint(value, [each for each in options if isinstance(each, str)])}"
            )
        return value
    if origin in (Union, types.UnionType):
        return _any_of(value, options, path)
    if origin is tuple:
        items = [] if value == "none" else [value] if isinstance(value, str) else value
        if not isinstance(items, (list, tuple)):
            raise ConfigError(f"{path} must be a list, not {value!r}")
        return tuple(_value(item, options[0], f"{path}[{number}]") for number, item in enumerate(items))
    if origin is Mapping:
        if value == "none":
            return {}
        if not isinstance(value, Mapping):
            raise ConfigError(f"{path} must be a table, not {value!r}")
        return {name: None if inner == "none" else inner for name, inner in value.items()}
    if dataclasses.is_dataclass(kind):
        if not isinstance(value, Mapping):
            raise ConfigError(f"{path} must be a table, not {value!r}")
        if kind is GameConfig:
            return game_from(value, f"{path}.")
        return config_from(cast(type, kind), value, f"{path}.", base)
    if kind is float and isinstance(value, int) and not isinstance(value, bool):
        return float(value)
    if kind is str and isinstance(value, Path):
        return str(value)
    if not isinstance(value, kind) or (isinstance(value, bool) and kind is not bool):
        raise ConfigError(f"{path} must be {_NAMES.get(kind, kind.__name__)}, not {value!r}")
    return value


def _any_of(value: Any, options: tuple[Any, ...], path: str) -> Any:
    """A value of one of several types. TOML has no null, so the text "none" means `None`."""
    if type(None) in options and value in (None, "none"):
        return None
    kinds = [option for option in options if option is not type(None)]
    for number, kind in enumerate(kinds, 1):
        try:
            return _value(value, kind, path)
        except ConfigError:
            if number == len(kinds):
                raise
    return value


_NAMES = {int: "a whole number", float: "a number", str: "text", bool: "true or false"}
