"""How environments are copied and pickled in the middle of an episode.

A deep copy has a separate episode, separate random states and a separate executor. It uses the same objects for
everything that an episode does not change: corpus, tasks, judge, summariser, reward, profile and messages.

A pickle has the configuration of the game and the episode. Loading it opens the rest again (`wideseek_env.opened`). A
live object travels as its name ``module:name``, or without a name as its pickle. An executor travels as its pickle if
possible, because it has a state. A live object with neither raises `CopyError`. The pickler decides which objects can
be pickled, so cloudpickle carries lambdas and local classes, and plain pickle does not.
"""

from __future__ import annotations

import copy
import importlib
import operator
import pickle
import sys
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any, Self, TypeVar

from wideseek_env.corpus.base import Corpus
from wideseek_env.errors import ConfigError, CopyError
from wideseek_env.plugins import part_name
from wideseek_env.reprs import short

_T = TypeVar("_T")

_CLOUDPICKLES = ("cloudpickle", "ray.cloudpickle", "joblib.externals.cloudpickle")
_LIVE = frozenset(("corpus", "reward", "credit", "profile", "judge", "counter", "executor", "summariser"))
"""The fields of `GameConfig` and `Game` that hold live objects."""
_BY_NAME = _LIVE - {"executor"} | {"tool"}
"""The kinds of objects that travel as their name, if they have one."""


class Independent:
    """A base class of objects for which `copy.copy` and `copy.deepcopy` are the same.

    A shallow copy would share a part of the episode with the original, and both would change it.
    """

    def __copy__(self) -> Self:
        return copy.deepcopy(self)


def independent_copy(original: _T, memo: dict[int, Any], *shared: object, **replaced: Any) -> _T:
    """A deep copy of an object that has a `__dict__`.

    Args:
        original: The object.
        memo: The memo of `copy.deepcopy`.
        shared: Objects that the copy uses too.
        replaced: Attributes of the copy that are not copied from the original.
    """
    made: _T = object.__new__(type(original))
    memo[id(original)] = made
    memo.update((id(each), each) for each in shared)
    state = {name: value for name, value in vars(original).items() if name not in replaced}
    vars(made).update({name: copy.deepcopy(value, memo) for name, value in state.items()}, **replaced)
    return made


def copied_executor(executor: _T, memo: dict[int, Any]) -> _T:
    """A deep copy of an executor. Both use the same corpus.

    Raises:
        CopyError: The executor cannot be copied.
    """
    attributes = getattr(executor, "__dict__", {}).values()
    memo.update((id(each), each) for each in attributes if isinstance(each, Corpus))
    try:
        return copy.deepcopy(executor, memo)
    except CopyError:
        raise
    except Exception as error:  # an executor may hold anything, such as a lock or a connection
        raise CopyError(
            f"the executor {short(executor)} cannot be copied ({type(error).__name__}: {error}): give its class a "
            "method __deepcopy__(memo) that returns an executor in the same state"
        ) from error


class LivePart:
    """A live object in the state of a pickle. Loading the pickle gives the object itself.

    Args:
        kind: What the object is, for the error message.
        value: The object.
        name: The text that is loaded instead if the object cannot be pickled.
    """

    __slots__ = ("kind", "name", "value")

    def __init__(self, kind: str, value: object, *, name: str | None = None) -> None:
        self.kind, self.value, self.name = kind, value, name
        for name in _CLOUDPICKLES:
            # An object is not told which pickler saves it. The table of cloudpickle's pickler is the place to say that
            # this pickler may carry more.
            if (module := sys.modules.get(name)) is not None:
                table = module.CloudPickler.dispatch_table
                table.setdefault(LivePart, partial(_reduced, dumps=module.dumps, hint=""))

    def __reduce_ex__(self, protocol: Any) -> tuple[Any, ...]:
        return _reduced(
            self,
            lambda value: pickle.dumps(value, protocol),
            "; cloudpickle can also carry lambdas and local classes",
        )


def live_parts(values: Mapping[str, Any]) -> dict[str, Any]:
    """Fields of a `GameConfig` or a `Game` by name. Live objects in the result are `LivePart`."""

    def packed(name: str, value: Any) -> Any:
        if name == "tools":
            return tuple(each if isinstance(each, str) else LivePart("tool", each) for each in value)
        plain = name not in _LIVE or value is None or isinstance(value, (str, Mapping))
        return value if plain else LivePart(name, value)

    return {name: packed(name, value) for name, value in values.items()}


def _reduced(part: LivePart, dumps: Callable[[Any], bytes], hint: str) -> tuple[Any, ...]:
    if part.kind in _BY_NAME and (name := part_name(part.value)) is not None:
        return _named, (part.kind, name)
    try:
        dumps(
            part.value
        )  # the pickler that saves this part raises errors of many types, and they name no part
    except CopyError:
        raise
    except Exception as error:
        if part.name is not None:
            return _given, (part.name,)
        if (name := part_name(part.value)) is not None:
            return _named, (part.kind, name)
        raise CopyError(
            f"the {part.kind} {short(part.value)} cannot be pickled ({type(error).__name__}: {error}): define it at "
            f"the top level of a module, pass the name module:name, or give its class a method __reduce__{hint}"
        ) from error
    return _given, (part.value,)


def _given(value: _T) -> _T:
    return value


def _named(kind: str, name: str) -> Any:
    module, _, attribute = name.partition(":")
    try:
        return operator.attrgetter(attribute)(importlib.import_module(module))
    except Exception as error:  # a module runs when it is imported, and may raise anything
        raise ConfigError(
            f"the {kind} {name!r} of a pickled game cannot be loaded: {type(error).__name__}: {error}"
        ) from error
