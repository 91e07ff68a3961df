"""What all checks share: the error that they raise, and calling a part so that whatever it raises becomes one."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, TypeVar

import numpy as np

from wideseek_env.errors import WideSeekError

T = TypeVar("T")


class ConformanceError(WideSeekError, AssertionError):
    """A part breaks a promise; `part` and `rule` say which, the message what was seen and what to do."""

    def __init__(self, part: str, rule: str, wrong: str, todo: str) -> None:
        super().__init__(f"{part} ({rule}): {wrong}. {todo}")
        self.part = part
        self.rule = rule


class Checker:
    """Raises `ConformanceError` in the name of one part."""

    def __init__(self, part: str) -> None:
        self.part = part

    def require(self, kept: Any, rule: str, wrong: str, todo: str) -> None:
        """Fail unless `kept`."""
        if not kept:
            raise ConformanceError(self.part, rule, wrong, todo)

    def call(self, what: str, todo: str, function: Callable[[], T], *allowed: type[Exception]) -> T:
        """What `function` returns; an exception that is not `allowed` breaks the rule "exceptions"."""
        try:
            return function()
        except Exception as error:
            if isinstance(error, (ConformanceError, *allowed)):
                raise
            raise ConformanceError(
                self.part, "exceptions", f"{what} raised {type(error).__name__}: {error}", todo
            ) from error

    def name(self, part: object) -> None:
        """Every part but a tool has a name, for records."""
        name = getattr(part, "name", None)
        self.require(
            isinstance(name, str) and name.strip() and name.isprintable(),
            "name",
            f"its name is {name!r:.80}",
            "Give it an attribute `name`, a line of text that says in records what it is and with which settings",
        )


@contextmanager
def global_chance(seed: int) -> Iterator[None]:
    """Random numbers of the process's own generators that differ with `seed`, and are put back at the end."""
    before = random.getstate(), np.random.get_state()
    random.seed(seed)
    np.random.seed(seed)
    try:
        yield
    finally:
        random.setstate(before[0])
        np.random.set_state(before[1])
