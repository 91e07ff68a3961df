"""Output of commands. Results go to stdout. Notes go to stderr, so that they do not mix with the results."""

from __future__ import annotations

import os
import sys

from rich.console import Console
from rich.text import Text

from wideseek_env.cli.output import is_quiet


def console(*, stderr: bool = False, quiet: bool = False) -> Console:
    """A console that takes text literally (no markup, no emoji codes). With `quiet`, it prints nothing."""
    stream = sys.stderr if stderr else sys.stdout
    # If the output is a file or a pipe, Rich would squeeze tables into 80 columns.
    wide = None if stream.isatty() or os.environ.get("COLUMNS") else 120
    return Console(stderr=stderr, markup=False, emoji=False, highlight=False, width=wide, quiet=quiet)


def say(text: str) -> None:
    """Print a note on stderr. `--quiet` prints none."""
    if not is_quiet():
        console(stderr=True).print(Text(text), soft_wrap=True)
