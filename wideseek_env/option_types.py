"""Checks the options of a policy, reward, tool or other part before its class or function is called.

The signature says which options there are, and the type hints say which values they take. Only plain values are
checked: those that a command line, a TOML file or a JSON record can hold. A hint that names any other type accepts
everything.
"""

from __future__ import annotations

import inspect
import types
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, Literal, Union, Unpack, get_args, get_origin, get_type_hints, is_typeddict

from wideseek_env.errors import ConfigError
from wideseek_env.reprs import short
from wideseek_env.suggestions import hint

_PLAIN: Mapping[Any, str] = {
    str: "text",
    Path: "a path",
    int: "a whole number",
    float: "a number",
    bool: "true or false",
    type(None): "none",
}
_LISTS = (list, tuple, Sequence, Iterable)
_TABLES = (dict, Mapping)


def checked_options(factory: Callable[..., Any], options: Mapping[str, Any], what: str) -> dict[str, Any]:
    """The options, after a check that `factory` accepts them.

    A number becomes text where only text is allowed, because ``name=5`` on a command line is read as a number.

    Args:
        factory: A class or a function. Without a signature, as in some code written in C, nothing is checked.
        options: The options by name.
        what: What has the options, for messages, such as "the policy 'random'".

    Raises:
        ConfigError: An option is unknown, missing or of the wrong type. The message names option, value and what is
            allowed.
    """
    try:
        parameters = inspect.signature(factory).parameters
    except (TypeError, ValueError):
        return dict(options)
    hints = _hints(factory)
    by_name = (inspect.Parameter.POSITIONAL_OR_KEYWORD, inspect.Parameter.KEYWORD_ONLY)
    named = {name: hints.get(name, Any) for name, each in parameters.items() if each.kind in by_name}
    required = [name for name in named if parameters[name].default is inspect.Parameter.empty]
    rest = next((name for name, each in parameters.items() if each.kind is each.VAR_KEYWORD), None)
    further = _further(hints.get(rest, Any)) if rest is not None else {}
    known = {**named, **(further or {})}
    checked = dict(options)
    for name, value in options.items():
        if name not in known:
            if further is None:
                continue
            has = f"there are: {', '.join(known)}" if known else "it takes no options"
            raise ConfigError(f"{what} has no option {name!r}{hint(name, known)}; {has}")
        number = isinstance(value, (int, float)) and not isinstance(value, bool)
        if number and not _fits(value, known[name]) and _fits(str(value), known[name]):
            value = checked[name] = str(value)
        if not _fits(value, known[name]):
            raise ConfigError(f"{what}: {name} must be {describe(known[name])}, not {short(value)}")
    if missing := [name for name in required if name not in options]:
        raise ConfigError(f"{what} needs the option {missing[0]!r}: {describe(known[missing[0]])}")
    return checked


def describe(kind: Any) -> str:
    """The values that a type kind allows, in words."""
    return " or ".join(dict.fromkeys(_words(kind)))


def _words(kind: Any) -> list[str]:
    origin, inner = get_origin(kind), get_args(kind)
    if origin is Annotated:
        return _words(inner[0])
    if origin in (Union, types.UnionType):
        # None is the last choice: "a whole number or none".
        ordered = sorted(inner, key=lambda each: each is type(None))
        return [word for each in ordered for word in _words(each)]
    if origin is Literal:
        return [f"one of {', '.join(map(str, inner))}"]
    if (origin or kind) in _LISTS:
        return ["a list"]
    if (origin or kind) in _TABLES or is_typeddict(kind):
        return ["a table of names and values"]
    if kind in _PLAIN:
        return [_PLAIN[kind]]
    return ["any value"] if kind is Any else [f"a {getattr(kind, '__name__', kind)}"]


def _fits(value: Any, kind: Any) -> bool:
    origin, inner = get_origin(kind), get_args(kind)
    if origin is Annotated:
        return _fits(value, inner[0])
    if origin in (Union, types.UnionType):
        return any(_fits(value, each) for each in inner)
    if value is not None and not isinstance(value, (bool, int, float, str, list, tuple, dict)):
        return True  # an object: the part knows its types
    if origin is Literal:
        return any(type(value) is type(each) and value == each for each in inner)
    if (origin or kind) in _LISTS:
        return isinstance(value, (list, tuple))
    if (origin or kind) in _TABLES or is_typeddict(kind):
        return isinstance(value, dict)
    if kind is Path:
        return isinstance(value, str)
    if kind is float:
        return isinstance(value, (int, float)) and not isinstance(value, bool)
    if kind is int:
        return isinstance(value, int) and not isinstance(value, bool)
    if kind in _PLAIN:
        return isinstance(value, kind)
    return True


def _hints(factory: Callable[..., Any]) -> dict[str, Any]:
    """The type hints of the arguments. Empty if they cannot be read."""
    function: Any = factory
    if inspect.isclass(factory):
        made_by = inspect.getattr_static(factory, "__init__", None)
        function = made_by if inspect.isfunction(made_by) else factory.__new__
    elif not inspect.isroutine(factory):
        function = type(factory).__call__  # an object that makes parts
    try:
        return get_type_hints(function, include_extras=True)
    except Exception:  # a kind may name something that only type checkers import
        return {}


def _further(kind: Any) -> dict[str, Any] | None:
    """The options that ``**options: Unpack[…]`` names. None if any name is allowed."""
    if get_origin(kind) is not Unpack:
        return None
    return get_type_hints(get_args(kind)[0], include_extras=True)
