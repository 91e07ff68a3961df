"""Typed configuration: a dataclass, filled from a TOML file and ``key=value`` overrides, with errors that help.

A dataclass's fields are its keys; a field that is a dataclass itself is a table of the file and ``table.key=value`` on
the command line. Types are those of the annotations; `Range` in an `Annotated` gives the bounds of a number.
"""

from __future__ import annotations

import dataclasses
import difflib
import json
import textwrap
import tomllib
import types
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal, TypeVar, Union, cast, get_args, get_origin, get_type_hints

from wideseek_env.docstrings import field_docstrings
from wideseek_env.errors import ConfigError

T = TypeVar("T")

PRESETS = Path(__file__).resolve().parent.parent.parent / "presets"
"""The folder of the presets, TOML files for `wideseek train grpo` and `wideseek train ppo`."""


@dataclass(frozen=True, slots=True)
class Range:
    """Bounds of a number, both included unless `open_low`."""

    low: float = float("-inf")
    high: float = float("inf")
    open_low: bool = False

    def __contains__(self, value: float) -> bool:
        return self.low <= value <= self.high and not (self.open_low and value == self.low)

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


def load_config(
    kind: type[T],
    file: Path | str | None = None,
    overrides: Iterable[str] = (),
    *,
    preset: Path | str | None = None,
) -> T:
    """A configuration of the dataclass `kind` from ``key=value`` texts, then a TOML file, then another, then defaults.

    Args:
        kind: A dataclass.
        file: TOML.
        overrides: Stand over the file.
        preset: TOML that the file stands over, key by key.

    Raises:
        ConfigError: The file cannot be read; or a key is unknown or missing, or its value of the wrong type or out
            of range. The message names the key with its tables.
    """
    record: dict[str, Any] = {}
    for path in (preset, file):
        if path is not None:
            record = _merged(record, _read(path))
    for override in overrides:
        _override(record, override, kind)
    return config_from(kind, record)


def config_from(kind: type[T], record: Mapping[str, Any], where: str = "", base: T | None = None) -> T:
    """A configuration from nested mappings; errors as `load_config`.

    Args:
        kind: A dataclass.
        record: Its values.
        where: Put before the names of keys in messages.
        base: Has the values of keys that are left out; by default those of the class. So a table that is given in
            part keeps the outer configuration's defaults for the rest.
    """
    hints = get_type_hints(kind, include_extras=True)
    fields = {item.name: item for item in dataclasses.fields(cast(Any, kind))}
    for key in record:
        if key not in fields:
            raise ConfigError(_unknown(f"{where}{key}", key, fields))
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


def config_to_dict(config: Any) -> dict[str, Any]:
    """The configuration as JSON values, which `config_from` reads back."""
    return cast(dict[str, Any], json.loads(json.dumps(dataclasses.asdict(config), default=str)))


def preset_names() -> list[str]:
    """All names, sorted."""
    return sorted(path.stem for path in PRESETS.glob("*.toml"))


def preset_file(name: str) -> Path:
    """The file of the preset called `name`; `ConfigError` when there is none."""
    if name not in preset_names():
        raise ConfigError(f"no preset {name!r}; there are: {', '.join(preset_names())}")
    return PRESETS / f"{name}.toml"


def explained(kind: type[Any], prefix: str = "", base: Any = None) -> str:
    """One paragraph for each key of a configuration dataclass and of the tables in it; `base` has other defaults."""
    hints, documents = get_type_hints(kind), field_docstrings(kind)
    lines: list[str] = []
    for item in dataclasses.fields(kind):
        key, inner = f"{prefix}{item.name}", hints[item.name]
        if dataclasses.is_dataclass(inner):
            outer = item.default_factory() if item.default_factory is not dataclasses.MISSING else None
            lines.append(explained(inner, f"{key}.", outer))  # type: ignore[arg-type]
            continue
        value = getattr(base, item.name, item.default)
        default = "required" if value is dataclasses.MISSING else f"default {_shown(value)}"
        text = textwrap.fill(" ".join(documents[item.name].split()), 92)
        lines.append(f"{key} ({default})\n{textwrap.indent(text, '    ')}")
    return "\n".join(lines)


def _shown(value: object) -> str:
    if value is None:
        return "none"
    if isinstance(value, tuple):
        return "[" + ", ".join(map(str, value)) + "]"
    return str(value).lower() if isinstance(value, bool) else str(value)


def _read(file: Path | str) -> dict[str, Any]:
    try:
        return tomllib.loads(Path(file).read_text("utf-8"))
    except OSError as error:
        raise ConfigError(f"{file} cannot be read: {error.strerror}") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigError(f"{file} is not TOML: {error}") from error


def _merged(low: dict[str, Any], high: dict[str, Any]) -> dict[str, Any]:
    """What is in `high`, and in `low` where it is not; tables are merged likewise."""
    merged = {**low, **high}
    for key in low.keys() & high.keys():
        if isinstance(low[key], dict) and isinstance(high[key], dict):
            merged[key] = _merged(low[key], high[key])
    return merged


def _override(record: dict[str, Any], text: str, kind: type) -> None:
    """Set one ``key=value`` in the record. What is not a TOML value is taken as text, so quotes can be left out."""
    key, equals, value = text.partition("=")
    path = key.strip().split(".")
    if not equals or not all(path):
        raise ConfigError(f"{text!r} is not of the form key=value")
    table, at = record, kind
    for number, name in enumerate(path[:-1]):
        fields = {item.name for item in dataclasses.fields(at)}
        if name not in fields:
            raise ConfigError(_unknown(".".join(path[: number + 1]), name, fields))
        inner = get_type_hints(at)[name]
        if not dataclasses.is_dataclass(inner):
            raise ConfigError(f"{'.'.join(path[: number + 1])} is a single value, not a table")
        table = table.setdefault(name, {})
        if not isinstance(table, dict):
            raise ConfigError(f"{'.'.join(path[: number + 1])} must be a table")
        at = cast(type, inner)
    try:
        parsed = tomllib.loads(f"value = {value.strip()}")["value"]
    except tomllib.TOMLDecodeError:
        parsed = value.strip()
    table[path[-1]] = parsed


def _unknown(path: str, name: str, known: Iterable[str]) -> str:
    near = difflib.get_close_matches(name, list(known), 1, 0.5)
    hint = f"did you mean {near[0]!r}?" if near else f"there are: {', '.join(known)}"
    return f"unknown key {path!r}; {hint}"


def _value(value: Any, kind: Any, path: str, base: Any = None) -> Any:
    """Check one value against its annotation; `base` is what a table is filled up from."""
    origin, options = get_origin(kind), get_args(kind)
    if origin is Annotated:
        checked = _value(value, options[0], path)
        for bounds in options[1:]:
            if isinstance(bounds, Range) and checked not in bounds:
                raise ConfigError(f"{path} must be {bounds}, not {checked}")
        return checked
    if origin is Literal:
        if value not in options or type(value) not in {type(option) for option in options}:
            raise ConfigError(f"{path} must be one of {', '.join(map(str, options))}, not {value!r}")
        return value
    if origin in (Union, types.UnionType):
        return _any_of(value, options, path)
    if origin is tuple:
        items = [value] if isinstance(value, str) else value
        if not isinstance(items, (list, tuple)):
            raise ConfigError(f"{path} must be a list, not {value!r}")
        return tuple(_value(item, options[0], f"{path}[{number}]") for number, item in enumerate(items))
    if dataclasses.is_dataclass(kind):
        if not isinstance(value, Mapping):
            raise ConfigError(f"{path} must be a table, not {value!r}")
        return config_from(cast(type, kind), value, f"{path}.", base)
    if kind is float and isinstance(value, int) and not isinstance(value, bool):
        return float(value)
    if kind is str and isinstance(value, Path):
        return str(value)
    if not isinstance(value, kind) or (isinstance(value, bool) and kind is not bool):
        raise ConfigError(f"{path} must be {_NAMES.get(kind, kind.__name__)}, not {value!r}")
    return value


def _any_of(value: Any, options: tuple[Any, ...], path: str) -> Any:
    """A value of one of several types; TOML has no null, so "none" stands for it."""
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
