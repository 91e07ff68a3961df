"""The command line, `wideseek …`. Every command imports what it needs when it runs, so that `--help` is quick."""

from __future__ import annotations

import os
import sys

__all__ = ["main"]


def main() -> None:
    """The entry point of the `wideseek` command."""
    from wideseek_env.cli.app import app

    # Parts of one's own (module:name) may lie in the current folder; last, so that they shadow nothing.
    sys.path.append(os.getcwd())
    try:
        app(prog_name="wideseek")
    except KeyboardInterrupt:  # before or after a command, which handle their own
        raise SystemExit(130) from None
