"""The command line, `wideseek …`. Every command imports what it needs when it runs, so that `--help` is quick."""

from __future__ import annotations

import os
import signal
import sys
from types import FrameType

__all__ = ["main"]


_TERMINATED = 128 + signal.SIGTERM


def main() -> None:
    """The entry point of the `wideseek` command.

    SIGTERM ends a command as Ctrl-C does, with its clean-up (engines are processes of their own, and would stay),
    and with exit code 143.
    """
    from wideseek_env.cli.app import app

    # Parts of one's own (module:name) may lie in the current folder; last, so that they shadow nothing.
    sys.path.append(os.getcwd())
    ended: list[int] = []

    def terminate(number: int, frame: FrameType | None) -> None:
        ended.append(number)
        raise KeyboardInterrupt

    signal.signal(signal.SIGTERM, terminate)
    try:
        app(prog_name="wideseek")
    except KeyboardInterrupt:  # before or after a command, which handle their own
        raise SystemExit(_TERMINATED if ended else 130) from None
    except SystemExit as error:
        if ended and error.code == 130:
            raise SystemExit(_TERMINATED) from None
        raise
