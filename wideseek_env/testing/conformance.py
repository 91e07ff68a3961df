"""Shared parts of the checks: the error that the checks raise, and a method that turns any exception into this
error."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, TypeVar

import numpy as np

from wideseek_env.errors import WideSeekError

T = TypeVar("T")


class ConformanceError(WideSeekError, AssertionError):
    """A custom part breaks a rule. `part` and `rule` are the names of the part and the rule. The message says what the
    check saw and what to do."""

    def __init__(self, part: str, rule: str, wrong: str, todo: str) -> None:
        super().__init__(f"{part} ({rule}): {wrong}. {todo}")
        self.part = part
        self.rule = rule


class Checker:
    """Checks one custom part and raises `ConformanceError`."""

    def __init__(self, part: str) -> None:
        self.part = part

    def require(self, kept: Any, rule: str, wrong: str, todo: str) -> None:
        """Raise `ConformanceError` unless `kept` is true."""
        if not kept:
            raise ConformanceError(self.part, rule, wrong, todo)

    def call(self, what: str, todo: str, function: Callable[[], T], *allowed: type[Exception]) -> T:
        """The result of `function`. An exception that is not `allowed` breaks the rule "exceptions"."""
        try:
            return function()
        except Exception as error:
            if isinstance(error, (ConformanceError, *allowed)):
                raise
            raise ConformanceError(
                self.part, "exceptions", f"{what} raised {type(error).__name__}: {error}", todo
            ) from error

    def name(self, part: object) -> None:
        """Check that the part has a name. Records of episodes contain this name."""
        name = getattr(part, "name", None)
        self.require(
            isinstance(name, str) and name.strip() and name.isprintable(),
            "name",
            f"its name is {name!r:.80}",
            "Give it an attribute `name`: one line of text that describes it and its settings in records",
        )


@contextmanager
def global_chance(seed: int) -> Iterator[None]:
    """Seed the global generators of `random` and NumPy during a block, and restore their state at its end."""
    before = random.getstate(), np.random.get_state()
    random.seed(seed)
    np.random.seed(seed)
    try:
        yield
    finally:
        random.setstate(before[0])
        np.random.set_state(before[1])
