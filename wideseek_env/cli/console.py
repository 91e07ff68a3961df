"""Output of commands. Results go to stdout and progress to stderr. Progress bars appear only on a terminal.

Elsewhere, for example in a pipe, progress is a few plain lines.
"""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import TracebackType
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.text import Text

from wideseek_env.render.printable import one_line


def console(*, stderr: bool = False) -> Console:
    """A console that takes text literally (no markup, no emoji codes)."""
    stream = sys.stderr if stderr else sys.stdout
    # If the output is a file or a pipe, Rich would squeeze tables into 80 columns.
    wide = None if stream.isatty() or os.environ.get("COLUMNS") else 120
    return Console(stderr=stderr, markup=False, emoji=False, highlight=False, width=wide)


_PAUSE = 10.0  # seconds between two lines, if the end is not known
_INDEXING = 1.5  # time of indexing, as a multiple of the time of reading, until it is known
_ESTIMATED = 2_000  # pages after which the time left is estimated


class Bar:
    """Progress of a long operation, used in a ``with`` statement. `total` is None if the end is not known."""

    def __init__(self, title: str, total: int | None, unit: str) -> None:
        self._title = one_line(title, 60)
        self._total = total
        self._unit = unit
        self._console = console(stderr=True)
        self._progress: Progress | None = None
        self._task: Any = None
        self._step = max(1, -(-total // 5)) if total is not None else 20_000
        self._clock = time.monotonic
        self._pause = 0.0 if total is not None else _PAUSE
        self._printed = self._clock() - self._pause
        self._next = 0 if total is not None else self._step

    def __enter__(self) -> Bar:
        if self._console.is_terminal and not self._console.is_dumb_terminal:
            self._progress = Progress(
                TextColumn("{task.description}", markup=False),
                BarColumn(bar_width=30),
                MofNCompleteColumn(),
                TextColumn("{task.fields[note]}", markup=False),
                TimeElapsedColumn(),
                console=self._console,
                transient=True,
            )
            self._progress.start()
            self._task = self._progress.add_task(self._title, total=self._total, note="")
        return self

    def update(self, done: int, note: str = "") -> None:
        """Show that `done` units are done, with `note` next to the number."""
        if self._progress is not None:
            self._progress.update(self._task, completed=done, note=note)
        elif (done >= self._next and self._clock() - self._printed >= self._pause) or done == self._total:
            self._printed = self._clock()
            of = f" of {self._total:,}" if self._total is not None else ""
            line = f"{self._title}: {done:,}{of} {self._unit}{f', {note}' if note else ''}"
            self._console.print(Text(line), soft_wrap=True)
            self._next = (done // self._step + 1) * self._step

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._progress is not None:
            self._progress.stop()


class PageBar(Bar):
    """Progress of indexing pages. The bar appears with the first page, so it stays hidden if no page is indexed."""

    def __init__(self, title: str = "Indexing pages", total: int | None = None) -> None:
        super().__init__(title, total, "pages")
        self._shown = False
        self._began = self._clock()
        self._half: int | None = None
        self._read = 0.0
        self.share: Callable[[], float | None] = lambda: None
        """Returns the share of the input that was read, if it is known."""

    def __enter__(self) -> PageBar:
        return self

    def __call__(self, done: int) -> None:
        """Show that `done` pages are indexed."""
        if not self._shown:
            self._shown = True
            super().__enter__()
        self.update(done, self._left(done))

    def _left(self, done: int) -> str:
        """The time left, in words. Pages are read first and indexed then, and each step counts half of `done`."""
        share = self.share()
        if not share or done < _ESTIMATED:
            return ""
        now = self._clock()
        if share < 1:
            reading = (now - self._began) / share
            return f"about {_duration(reading * (1 - share + _INDEXING))} left"
        if self._half is None:
            self._half, self._read = done, now
            return f"about {_duration((now - self._began) * _INDEXING)} left"
        indexed = min(1.0, (done - self._half) / self._half)
        seconds = (now - self._read) * (1 - indexed) / indexed if indexed else 0.0
        return f"about {_duration(seconds)} left" if seconds else ""


def _duration(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return (
        f"{hours} h {minutes} min"
        if hours
        else f"{minutes} min"
        if minutes > 2
        else f"{60 * minutes + rest} s"
    )


@contextmanager
def working(text: str) -> Iterator[None]:
    """Show a spinner with `text` during an operation of unknown length. The spinner appears only on a terminal."""
    stderr = console(stderr=True)
    if stderr.is_terminal and not stderr.is_dumb_terminal:
        with stderr.status(Text(text)):
            yield
    else:
        yield


def say(text: str) -> None:
    """Print a line on stderr, so that it does not mix with the results on stdout."""
    console(stderr=True).print(Text(text), soft_wrap=True)
