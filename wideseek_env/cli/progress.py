"""`RunView`: shows the progress of an evaluation in the process that runs it.

On a terminal, `RunView` updates its display all the time. Elsewhere, for example in a pipe, it prints a few lines.
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
from wideseek_env.evaluation.progress import Progress
from wideseek_env.evaluation.snapshot import Episodes, episodes_of

if TYPE_CHECKING:
    from wideseek_env.evaluation.run_status import RunStatus

_STEPS = 5
_PATIENCE = 60.0
"""After this number of seconds, `RunView` prints a line even if the next fifth of the episodes is not done."""


class RunView:
    """Shows the state of a run, as a `RunStatus` reports it. Use it in a ``with`` statement."""

    def __init__(self, status: RunStatus, clock: Callable[[], float] = time.monotonic) -> None:
        self._status = status
        self._clock = clock
        self._console = console(stderr=True)
        self._live: Live | None = None
        self._step = max(1, -(-status.total // _STEPS))
        self._next = 0
        self._latest = clock()

    def __enter__(self) -> RunView:
        if self._console.is_terminal and not self._console.is_dumb_terminal:
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
        if self._live is not None:
            return  # on a terminal, the display calls `look` by itself
        done = self._status.done
        if done >= self._next or done == self._status.total or self._clock() - self._latest >= _PATIENCE:
            self._console.print(Text(progress_line(self.look())), soft_wrap=True)
            self._next = (done // self._step + 1) * self._step
            self._latest = self._clock()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._live is not None:
            self._live.stop()
