"""`RunView`: shows the progress of a run of episodes in the process that runs it.

On a terminal, it updates its display all the time. Elsewhere, for example in a pipe, it prints the lines of
`wideseek_env.cli.progress`.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from types import TracebackType
from typing import TYPE_CHECKING

from rich.live import Live
from rich.text import Text

from wideseek_env.cli.console import console
from wideseek_env.cli.live import progress_line, table_of
from wideseek_env.cli.output import is_quiet
from wideseek_env.cli.progress import Lines
from wideseek_env.evaluation.progress import Progress
from wideseek_env.evaluation.snapshot import Episodes, episodes_of

if TYPE_CHECKING:
    from wideseek_env.evaluation.run_status import RunStatus


class RunView:
    """Shows the state of a run, as a `RunStatus` reports it. Use it in a ``with`` statement."""

    def __init__(self, status: RunStatus, clock: Callable[[], float] = time.monotonic) -> None:
        self._status = status
        self._console = console(stderr=True)
        self._live: Live | None = None
        self._lines = Lines(status.total, clock)

    def __enter__(self) -> RunView:
        if not is_quiet() and self._console.is_terminal and not self._console.is_dumb_terminal:
            self._live = Live(
                get_renderable=lambda: table_of(self.look()),
                console=self._console,
                refresh_per_second=2,
                transient=True,
            )
            self._live.start()
        return self

    def look(self) -> Episodes:
        """The current state of the run."""
        now = time.time()
        progress = Progress("running", self._status.look(), os.getpid(), "", now)
        return episodes_of(self._status.kind, self._status.title, progress, now)

    def update(self) -> None:
        """Print a line if enough has changed. Call it when the run begins and when an episode ends."""
        if self._live is not None or is_quiet():
            return  # on a terminal, the display calls `look` by itself
        if self._lines.due(self._status.done):
            self._console.print(Text(progress_line(self.look())), soft_wrap=True)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._live is not None:
            self._live.stop()
