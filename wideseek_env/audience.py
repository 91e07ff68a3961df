"""Whom an error message addresses: somebody who types a command, or somebody who writes Python.

Both reach the same checks. A message that names an option names the form that its reader can use.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

_typing_commands = False


@contextmanager
def command_line() -> Iterator[None]:
    """Inside the block, messages name options of the command line. The `wideseek` command wraps its work in it."""
    global _typing_commands
    before, _typing_commands = _typing_commands, True
    try:
        yield
    finally:
        _typing_commands = before


def option(python: str, command: str) -> str:
    """`command` inside the block of `command_line`, else `python`: ``option("overwrite=True", "--overwrite")``."""
    return command if _typing_commands else python
