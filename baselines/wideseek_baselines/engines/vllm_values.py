"""Checks values against the type annotations of vLLM's arguments, before vLLM is started.

vLLM itself checks most values only while it starts, and some of them only in other processes, whose errors it does not
pass on. The checks here accept a value if they do not understand its annotation.
"""

from __future__ import annotations

import dataclasses
import enum
import types
from collections.abc import Mapping, Sequence, Set
from os import PathLike
from typing import Annotated, Any, Literal, Union, cast, get_args, get_origin, get_type_hints

from wideseek_env.errors import ConfigError
from wideseek_env.reprs import short
from wideseek_env.suggestions import hint as suggestion

_SHOWN = 12
"""The number of names that a message lists."""
_WORDS: Mapping[Any, str] = {
    bool: "true or false",
    int: "a whole number",
    float: "a number",
    str: "text",
    types.NoneType: "none",
}


def check_value(value: Any, field: dataclasses.Field[Any], owner: type[Any], where: str) -> None:
    """Check the value of one argument.

    Args:
        value: The value.
        field: The field of `owner` for this argument.
        owner: The dataclass with all arguments.
        where: The full name of the argument in messages.

    Raises:
        ConfigError: The value has the wrong type. The message says which values are right.
    """
    annotation = _annotation(field, owner)
    if value is None and field.default is None:
        return
    if not fits(value, annotation):
        names = [each for each in _literals(annotation) if isinstance(each, str)]
        raise ConfigError(
            f"{where} must be {described(annotation)}, not {short(value)}{suggestion(value, names)}"
        )
    if isinstance(value, Mapping):
        for kind in _members(annotation):
            if dataclasses.is_dataclass(kind):
                _check_table(value, cast(type, kind), where)


def fits(value: Any, annotation: Any) -> bool:
    """Whether a value has the type of an annotation. An annotation of an unknown form fits every value.

    A table fits a dataclass, a list fits a set, a whole number fits `float`, and a text or number fits an enumeration.
    """
    origin, inner = get_origin(annotation), get_args(annotation)
    if origin is Annotated:
        return fits(value, inner[0])
    if origin in (Union, types.UnionType):
        return any(fits(value, each) for each in inner)
    if origin is Literal:
        return any(type(value) is type(each) and value == each for each in inner)
    if annotation in (None, types.NoneType):
        return value is None
    kind = origin or annotation
    if not isinstance(kind, type) or kind in (Any, object):
        return True
    if kind is type:
        return isinstance(value, type)
    if kind is bool or isinstance(value, bool):
        return isinstance(value, bool) and kind is bool
    if issubclass(kind, enum.Enum):
        return isinstance(value, (kind, str, int))
    if kind is float:
        return isinstance(value, (int, float))
    if kind is str:
        return isinstance(value, (str, PathLike))
    if kind is int:
        return isinstance(value, int)
    if issubclass(kind, Mapping):
        each = inner[1] if len(inner) == 2 else Any
        return isinstance(value, Mapping) and all(fits(item, each) for item in value.values())
    if issubclass(kind, (Sequence, Set)):
        listed = isinstance(value, (Sequence, Set)) and not isinstance(value, (str, bytes))
        return listed and all(fits(item, inner[0] if inner else Any) for item in value)
    if dataclasses.is_dataclass(kind):
        return isinstance(value, (kind, Mapping))
    return callable(value) if kind.__name__ == "Callable" else isinstance(value, kind)


def described(annotation: Any) -> str:
    """The values that an annotation allows, in words."""
    literals = _literals(annotation)
    words = [_word(each) for each in _members(annotation) if get_origin(each) is not Literal]
    if literals:
        names = [str(each) for each in literals[:_SHOWN]]
        more = f" and {len(literals) - _SHOWN} more" if len(literals) > _SHOWN else ""
        words.insert(0, f"one of {', '.join(names)}{more}")
    return " or ".join(dict.fromkeys(words))


def _word(annotation: Any) -> str:
    kind = get_origin(annotation) or annotation
    if kind in _WORDS:
        return _WORDS[kind]
    if not isinstance(kind, type) or kind in (Any, object):
        return "any value"
    if issubclass(kind, enum.Enum):
        return f"one of {', '.join([each.name for each in kind][:_SHOWN])}"
    if issubclass(kind, Mapping) or dataclasses.is_dataclass(kind):
        return "a table"
    if issubclass(kind, (Sequence, Set)):
        inner = get_args(annotation)
        return f"a list (each item {described(inner[0])})" if inner else "a list"
    return f"an object of the type {kind.__name__}"


def _members(annotation: Any) -> list[Any]:
    """The annotations of a union. A single annotation is a union of one."""
    origin, inner = get_origin(annotation), get_args(annotation)
    if origin is Annotated:
        return _members(inner[0])
    if origin in (Union, types.UnionType):
        return [each for part in inner for each in _members(part)]
    return [annotation]


def _literals(annotation: Any) -> list[Any]:
    return [
        each for member in _members(annotation) if get_origin(member) is Literal for each in get_args(member)
    ]


def _annotation(field: dataclasses.Field[Any], owner: type[Any]) -> Any:
    """The annotation of a field. `Any` if it is a text that cannot be resolved."""
    if not isinstance(field.type, str):
        return field.type
    alone = type("Alone", (), {"__annotations__": {"field": field.type}, "__module__": owner.__module__})
    try:
        return get_type_hints(alone, include_extras=True)["field"]
    except (NameError, TypeError, SyntaxError):
        return Any


def _check_table(value: Mapping[str, Any], kind: type[Any], where: str) -> None:
    """Let vLLM's own class check a table. Its classes are dataclasses of pydantic, which vLLM requires."""
    try:
        from pydantic import TypeAdapter, ValidationError
    except ImportError:
        return
    try:
        TypeAdapter(kind).validate_python(dict(value))
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join([where, *map(str, first["loc"])])
        raise ConfigError(f"{place} is wrong: {first['msg']}") from error
