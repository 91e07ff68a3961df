"""Finds custom parts by name.

Parts are policies, corpora, judges, rewards, credits, task sources, tools and summarisers.

There are two kinds of names, in Python and on the command line:

* ``module:attribute`` or ``module:attribute,key=value,…``: an attribute of a module that can be imported;
* ``name`` or ``name:key=value,…``: a name that an installed package announces in the entry-point group of the part
  (`GROUPS`).

The name gives either the part itself, or a class or function that makes it. The options are passed to that class or
function.
"""

from __future__ import annotations

import contextlib
import functools
import hashlib
import importlib
import inspect
import json
import os
import pickle
import re
import sys
import types
from collections.abc import Callable, Mapping
from importlib.metadata import EntryPoint, entry_points
from typing import Any, Literal, TypeAlias

from wideseek_env.errors import ConfigError, UnnamedPartError, WideSeekError
from wideseek_env.option_types import checked_options
from wideseek_env.reprs import short
from wideseek_env.suggestions import hint

Kind: TypeAlias = Literal[
    "policy",
    "corpus",
    "judge",
    "reward",
    "credit",
    "tasks",
    "tool",
    "profile",
    "counter",
    "executor",
    "summariser",
]

GROUPS: Mapping[Kind, str] = {
    "policy": "wideseek_env.policies",
    "corpus": "wideseek_env.corpora",
    "judge": "wideseek_env.judges",
    "reward": "wideseek_env.rewards",
    "credit": "wideseek_env.credits",
    "tasks": "wideseek_env.tasks",
    "tool": "wideseek_env.tools",
    "profile": "wideseek_env.profiles",
    "counter": "wideseek_env.counters",
    "executor": "wideseek_env.executors",
    "summariser": "wideseek_env.summarisers",
}
"""The entry-point groups in which packages announce parts."""

_OWN = re.compile(r"[A-Za-z_]\w*(?:\.\w+)*:[A-Za-z_]\w*(?:\.\w+)*(?:,.*)?", re.DOTALL)


def announced(kind: Kind) -> dict[str, EntryPoint]:
    """The parts of this kind that installed packages announce, by name."""
    return {point.name: point for point in entry_points(group=GROUPS[kind])}


def is_part(kind: Kind, name: str) -> bool:
    """Whether `name` has the form ``module:attribute`` or a package announces it. Nothing is imported."""
    return name.partition(":")[0] in announced(kind) or _OWN.fullmatch(name) is not None


def is_module_name(name: str) -> bool:
    """Whether `name` has the form ``module:attribute``, with or without options. Nothing is imported."""
    return _OWN.fullmatch(name) is not None


def find_part(kind: Kind, name: str) -> tuple[Any, dict[str, Any]]:
    """The object called `name` and the options in the name. Raises `ConfigError` when the object cannot be loaded."""
    head, _, rest = name.partition(":")
    point = announced(kind).get(head)
    if point is not None:
        return _import(kind, name, point.load), _options(kind, name, rest)
    if _OWN.fullmatch(name) is None:
        known = sorted(announced(kind))
        raise ConfigError(
            f"no {kind} {name!r}{hint(head, known)}; write module:name for a custom one"
            + (f"; there are: {', '.join(known)}" if known else "")
        )
    attribute, _, options = rest.partition(",")

    def load() -> Any:
        found: Any = importlib.import_module(head)
        for part in attribute.split("."):
            found = getattr(found, part)
        return found

    return _import(kind, name, load), _options(kind, name, options)


def make_part(kind: Kind, name: str, is_it: Callable[[Any], bool], what: str) -> Any:
    """The part called `name`.

    Args:
        kind: The kind of part.
        name: ``module:attribute`` or an announced name, with options as ``key=value,…``.
        is_it: Returns whether an object is such a part.
        what: The attributes that such a part has, for the error message.

    Raises:
        ConfigError: The object cannot be imported, does not accept these options, or is not such a part.
    """
    found, options = find_part(kind, name)
    if not inspect.isclass(found) and is_it(found):
        if options:
            raise ConfigError(f"the {kind} {name!r} is made already and takes no options: leave them out")
        return found
    if not callable(found):
        raise ConfigError(
            f"the {kind} {name!r} is {short(found)}, which is no {kind}: a {kind} must have {what}"
        )
    part = call(kind, name, found, options)
    if not is_it(part):
        raise ConfigError(
            f"{name!r} makes a {type(part).__name__}, which is no {kind}: a {kind} must have {what}"
        )
    return part


def call(kind: Kind, name: str, factory: Callable[..., Any], options: Mapping[str, Any]) -> Any:
    """Call `factory` with the options. Raises `ConfigError` if it does not accept them or cannot use a value."""
    checked = checked_options(factory, options, f"the {kind} {name!r}")
    try:
        return factory(**checked)
    except WideSeekError:
        raise
    except (TypeError, ValueError) as error:  # a custom part refuses a value, or cannot compute with it
        given = ", ".join(f"{option}={short(value)}" for option, value in options.items()) or "no options"
        raise ConfigError(
            f"the {kind} {name!r} cannot be made with {given}: {type(error).__name__}: {error}"
        ) from error


def part_name(part: Any) -> str | None:
    """The name ``module:attribute`` under which another process can import `part`, or None.

    Functions and classes know their name. Any other object has a name if a variable of an imported module refers to it.
    """
    attribute = getattr(part, "__qualname__", None)
    module = getattr(part, "__module__", None)
    if isinstance(attribute, str) and isinstance(module, str):
        return f"{module}:{attribute}" if _holds(module, attribute, part) else None
    for name, holder in sorted(sys.modules.items()):
        if name == "__main__" or holder is None or (name.startswith("_") and "." not in name):
            continue
        for key, value in list(getattr(holder, "__dict__", {}).items()):
            if value is part and key.isidentifier() and _holds(name, key, part):
                return f"{name}:{key}"
    return None


def required_name(kind: Kind, part: Any) -> str:
    """`part_name`, or `UnnamedPartError` when the part has none."""
    name = part_name(part)
    if name is None:
        raise UnnamedPartError(
            f"the {kind} {short(part)} has no importable name, so it cannot be stored: define it at the top level of "
            "a module (not of the script that runs) and pass module:name"
        )
    return name


def part_digest(part: Any) -> str:
    """A short hash of a live object: of its code and of its state.

    Two objects with the same code and state have the same digest, in any process. An object whose state cannot be read
    gets a random digest, so it is never confused with another object.
    """
    digest = hashlib.sha256()
    _feed(digest, part, {})
    return digest.hexdigest()[:12]


def _feed(digest: Any, value: Any, seen: dict[int, Any]) -> None:
    """Add a value to a hash.

    A plain value adds its `repr`, a function its code, and an object its class and attributes.
    """
    if value is None or isinstance(value, (bool, int, float, complex, str, bytes)):
        digest.update(f"{type(value).__name__}:{value!r};".encode("utf-8", "backslashreplace"))
        return
    if id(value) in seen:
        digest.update(b"seen;")
        return
    seen[id(value)] = value  # keep the object, so that no other object gets the same id
    digest.update(f"{type(value).__module__}:{type(value).__qualname__}(".encode())
    if isinstance(value, Mapping):
        for key in sorted(value, key=repr):
            _feed(digest, key, seen)
            _feed(digest, value[key], seen)
    elif isinstance(value, (list, tuple)):
        for each in value:
            _feed(digest, each, seen)
    elif isinstance(value, (set, frozenset)):
        for each in sorted(value, key=repr):
            _feed(digest, each, seen)
    elif isinstance(value, functools.partial):
        _feed(digest, (value.func, value.args, value.keywords), seen)
    elif inspect.ismethod(value):
        _feed(digest, (value.__func__, value.__self__), seen)
    elif inspect.isfunction(value):
        cells = [cell.cell_contents for cell in value.__closure__ or () if cell != types.CellType()]
        _feed(digest, (value.__module__, value.__qualname__), seen)
        _feed(digest, (value.__code__, value.__defaults__, value.__kwdefaults__, cells), seen)
    elif inspect.iscode(value):
        _feed(digest, (value.co_code, value.co_names, value.co_consts), seen)
    elif inspect.isclass(value) or inspect.ismodule(value) or inspect.isbuiltin(value):
        digest.update(f"{getattr(value, '__module__', '')}:{value.__name__}".encode())
        with contextlib.suppress(OSError, TypeError):  # typed into an interpreter, or written in C
            digest.update(inspect.getsource(value).encode("utf-8", "replace"))
    else:
        _feed(digest, type(value), seen)
        _feed(digest, _state(value), seen)
    digest.update(b")")


def _state(value: Any) -> Any:
    """The attributes of an object. Without attributes, its pickle. If it cannot be pickled, random bytes."""
    names = [name for kind in type(value).__mro__ for name in getattr(kind, "__slots__", ())]
    slots = {name: getattr(value, name) for name in names if isinstance(name, str) and hasattr(value, name)}
    attributes = {**getattr(value, "__dict__", {}), **slots}
    if attributes:
        return attributes
    try:
        return pickle.dumps(value)
    except Exception:  # whatever an object's __reduce__ raises
        return os.urandom(16)


def _holds(module: str, attribute: str, part: Any) -> bool:
    """Whether importing ``module:attribute`` in another process gives this object."""
    if module == "__main__" or "<" in attribute:
        return False
    found: Any = sys.modules.get(module)
    for name in attribute.split("."):
        found = getattr(found, name, None)
    return found is part


def _import(kind: Kind, name: str, load: Callable[[], Any]) -> Any:
    try:
        return load()
    except WideSeekError:
        raise
    except Exception as error:  # a module runs when it is imported, and may raise anything
        raise ConfigError(
            f"the {kind} {name!r} cannot be loaded: {type(error).__name__}: {error}; modules are looked for in "
            "installed packages, in PYTHONPATH and, by the wideseek command, in the current folder"
        ) from error


def _options(kind: Kind, name: str, text: str) -> dict[str, Any]:
    """Read ``key=value,…``. A value that is valid JSON (a number, true) is read as JSON, any other value as text."""
    options: dict[str, Any] = {}
    for part in filter(None, text.split(",")):
        key, equals, value = part.partition("=")
        if not equals or not key.strip().isidentifier():
            raise ConfigError(f"the {kind} {name!r}: {part!r} is not of the form key=value")
        try:
            options[key.strip()] = json.loads(value)
        except ValueError:
            options[key.strip()] = value.strip()
    return options
