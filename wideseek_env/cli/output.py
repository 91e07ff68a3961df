"""What every command prints: its result on stdout, and everything else on stderr.

`--json` prints the result as one JSON document, and `--quiet` prints nothing but the result. Every command has both
options, because `ResultCommand` adds them. A command passes its result to `result`.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, redirect_stdout, suppress
from dataclasses import dataclass
from io import UnsupportedOperation
from typing import IO, Any

import click

from wideseek_env.json_text import json_text

PRINTING = ("quiet", "as_json")
"""Parameters that change only what is printed. Records of a command line leave them out."""


@dataclass(slots=True)
class Mode:
    """What the running command prints. `out` is where JSON goes, and `printed` says whether there was any."""

    quiet: bool = False
    json: bool = False
    out: IO[str] | None = None
    printed: bool = False


_mode = Mode()


def is_quiet() -> bool:
    """Whether only the result is printed."""
    return _mode.quiet


def is_json() -> bool:
    """Whether the result is printed as JSON."""
    return _mode.json


def result(
    value: Callable[[], Any],
    show: Callable[[], None] | str = "",
    *,
    line: bool = False,
    json: bool = False,
) -> None:
    """Print the result of a command.

    Args:
        value: Makes the result for ``--json`` (`json_text`). It is not called without this option.
        show: The result for people: a text, or a function that prints it to stdout. It has no effect with ``--json``.
        line: Print the JSON in one line, for commands that print several results.
        json: Print JSON also without ``--json``.
    """
    if _mode.json or json:
        click.echo(json_text(value(), indent=None if line else 2), file=_mode.out)
        _mode.printed = True
    elif callable(show):
        show()
    elif show:
        from wideseek_env.render.printable import printable

        click.echo(printable(show))


class ResultCommand(click.Command):
    """A command with ``--quiet`` and ``--json``."""

    def __init__(self, *args: Any, **settings: Any) -> None:
        super().__init__(*args, **settings)
        taken = {name for each in self.params for name in each.opts}
        self.params += [
            click.Option(
                [name for name in ("-q", "--quiet") if name not in taken], is_flag=True, expose_value=False,
                callback=_remember, help="Print the result only: no progress and no notes.",
            ),
            click.Option(
                ["--json", "as_json"], is_flag=True, expose_value=False, callback=_remember,
                help="Print the result as JSON on stdout, and everything else on stderr.",
            ),
        ]  # fmt: skip

    def invoke(self, ctx: click.Context) -> Any:
        """Run the command with the chosen way of printing."""
        with printing(quiet=_chosen(ctx, "quiet"), json=_chosen(ctx, "as_json")):
            return super().invoke(ctx)


class ResultGroup(click.Group):
    """A group whose commands have ``--quiet`` and ``--json``."""

    command_class = ResultCommand
    group_class = type


@contextmanager
def printing(*, quiet: bool = False, json: bool = False) -> Iterator[None]:
    """Set what `result`, the notes and the progress print during a block.

    With `json`, whatever else is written to stdout goes to stderr, also by libraries and by child processes.
    """
    global _mode
    before, _mode = _mode, Mode(quiet, json)
    try:
        if not json:
            yield
            return
        with _stdout_kept() as out:
            _mode.out = out
            yield
            if not _mode.printed:
                click.echo("null", file=out)  # such as a command of another package that calls no `result`
    finally:
        _mode = before


@contextmanager
def _stdout_kept() -> Iterator[IO[str]]:
    """Send stdout to stderr during a block. Gives the stream of the real stdout."""
    real = sys.stdout
    real.flush()
    number = None
    with suppress(UnsupportedOperation, AttributeError, OSError, ValueError):
        if real.fileno() == 1:
            number = os.dup(1)
    if number is None:  # stdout was replaced, as in a test or a notebook
        with redirect_stdout(sys.stderr):
            yield real
        return
    try:
        sys.stderr.flush()
        os.dup2(2, 1)
        with open(os.dup(number), "w", encoding="utf-8", newline="\n") as out, redirect_stdout(sys.stderr):
            yield out
    finally:
        with suppress(BrokenPipeError):
            real.flush()
        os.dup2(number, 1)
        os.close(number)


def _remember(ctx: click.Context, parameter: click.Parameter, value: bool) -> bool:
    ctx.meta[f"wideseek_env.{parameter.name}"] = value
    return value


def _chosen(ctx: click.Context, name: str) -> bool:
    return bool(ctx.meta.get(f"wideseek_env.{name}"))
