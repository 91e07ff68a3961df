"""The command line, `wideseek …`. Each command imports its modules only when it runs, so `--help` is fast."""

from __future__ import annotations

import os
import signal
import sys
from types import FrameType

__all__ = ["main"]


_TERMINATED = 128 + signal.SIGTERM


def main() -> None:
    """The entry point of the `wideseek` command.

    SIGTERM ends a command like Ctrl-C does, but with exit code 143. Both run the command's clean-up, which ends
    engine processes.
    """
    from wideseek_env.cli.app import app

    # Custom parts (module:name) may be in the current folder. The folder comes last on the path so that it hides no
    # installed module.
    sys.path.append(os.getcwd())
    ended: list[int] = []

    def terminate(number: int, frame: FrameType | None) -> None:
        ended.append(number)
        raise KeyboardInterrupt

    signal.signal(signal.SIGTERM, terminate)
    try:
        app(prog_name="wideseek")
    except KeyboardInterrupt:  # before or after a command; commands handle their own interrupts
        raise SystemExit(_TERMINATED if ended else 130) from None
    except SystemExit as error:
        if ended and error.code == 130:
            raise SystemExit(_TERMINATED) from None
        raise
