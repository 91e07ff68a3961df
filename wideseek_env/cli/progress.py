"""Progress of long work, in one form for all commands: count, rate and time left.

On a terminal, `Bar` draws a bar. Elsewhere, for example in a pipe, it prints a line at the start, after every fifth of
the work, after every minute and at the end. Everything goes to stderr, and `--quiet` prints nothing.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from types import TracebackType
from typing import Self, TypeVar

from rich.live import Live
from rich.text import Text

from wideseek_env.cli.console import console
from wideseek_env.cli.output import is_quiet
from wideseek_env.render.printable import one_line

T = TypeVar("T")

WIDTH = 30
"""Width of a bar in characters."""
_FIFTHS = 5
_PATIENCE = 60.0
"""After this number of seconds, a line is printed even if the next fifth is not done."""
_PAUSE = 10.0
"""Seconds between two lines if the end is not known."""
_INDEXING = 1.5
"""Time of indexing, as a multiple of the time of reading, until it is known."""
_ESTIMATED = 2_000
"""Pages after which the time left is estimated."""


def duration(seconds: float) -> str:
    """A number of seconds in readable units: 45 s, 3 min 20 s, 2 h 5 min, 3 d 4 h."""
    whole = round(seconds)
    for large, small, names in ((86_400, 3600, ("d", "h")), (3600, 60, ("h", "min")), (60, 1, ("min", "s"))):
        if whole >= large:
            return f"{whole // large} {names[0]} {whole % large // small} {names[1]}"
    return f"{whole} s"


def rate_text(rate: float, unit: str) -> str:
    """A number of units per second in readable form: 1,234 pages/s, 3.2 pages/s, 12.0 pages/min, 1.5 pages/h."""
    for scale, name in ((1.0, "s"), (60.0, "min"), (3600.0, "h")):
        if rate * scale >= 1 or name == "h":
            shown = rate * scale
            return f"{shown:,.0f} {unit}/{name}" if shown >= 100 else f"{shown:,.1f} {unit}/{name}"
    return ""


def count_text(done: int, total: int | None, unit: str) -> str:
    """How much is done: 12 of 50 episodes, or 12 pages if the total is not known."""
    return f"{done:,}{f' of {total:,}' if total is not None else ''} {unit}"


def bar_text(done: int, total: int | None) -> Text:
    """A bar of `WIDTH` characters and two blanks. Empty if the total is not known."""
    if not total:
        return Text()
    filled = round(WIDTH * min(1.0, max(0.0, done / total)))
    bar = Text().append("━" * filled, style="green").append("━" * (WIDTH - filled), style="bright_black")
    return bar.append("  ")


class Pace:
    """Rate and time left of work that counts up.

    Args:
        total: The count at the end. None if it is not known.
        before: What was done before, such as the episodes of a resumed run. It does not count for the rate.
        clock: Seconds since any moment.
    """

    def __init__(
        self, total: int | None, *, before: int = 0, clock: Callable[[], float] | None = None
    ) -> None:
        self.total = total
        self.before = before
        self._clock = clock or (lambda: time.monotonic())
        self._began = self._clock()

    @property
    def passed(self) -> float:
        """Seconds since the work began."""
        return self._clock() - self._began

    def rate(self, done: int) -> float | None:
        """Units per second. None if nothing is done yet."""
        more, passed = done - self.before, self.passed
        return more / passed if more > 0 and passed > 0 else None

    def left(self, done: int) -> float | None:
        """Seconds until the end. None if it is not known, or if everything is done."""
        rate = self.rate(done)
        if rate is None or self.total is None or done >= self.total:
            return None
        return (self.total - done) / rate

    def parts(self, done: int, unit: str) -> list[str]:
        """Rate and time left in words, as far as they are known."""
        rate, left = self.rate(done), self.left(done)
        return [
            *([rate_text(rate, unit)] if rate is not None else []),
            *([f"{duration(left)} left"] if left is not None else []),
        ]


class Lines:
    """Decides when a pipe gets the next line."""

    def __init__(self, total: int | None, clock: Callable[[], float] | None = None) -> None:
        self._total = total
        self._clock = clock or (lambda: time.monotonic())
        self._printed = self._clock()
        self._step = max(1, -(-total // _FIFTHS)) if total else 1
        self._next = 0

    def due(self, done: int) -> bool:
        """Whether to print a line now. A True is remembered as printed."""
        now = self._clock()
        waited = now - self._printed
        if self._total is None:
            due = waited >= _PAUSE
        else:
            due = done >= self._next or done == self._total or waited >= _PATIENCE
        if due:
            self._printed, self._next = now, (done // self._step + 1) * self._step
        return due


class Bar:
    """Progress of a long operation, used in a ``with`` statement.

    Args:
        title: What is done.
        total: The count at the end. None if it is not known.
        unit: The plural noun of what is counted.
        before: What was done before the operation began.
        draws: False prints lines on a terminal too, for commands that print their own lines meanwhile.
    """

    def __init__(
        self, title: str, total: int | None, unit: str, *, before: int = 0, draws: bool = True
    ) -> None:
        self._title = one_line(title, 60)
        self._unit = unit
        self._console = console(stderr=True)
        self._live: Live | None = None
        self.pace = Pace(total, before=before)
        self._lines = Lines(total)
        self._done = before
        self._note = ""
        self._draws = draws and self._console.is_terminal and not self._console.is_dumb_terminal

    def __enter__(self) -> Self:
        if self._draws and not is_quiet():
            self._live = Live(
                get_renderable=self.draw, console=self._console, refresh_per_second=4, transient=True
            )
            self._live.start()
        return self

    def update(self, done: int, note: str = "") -> None:
        """Show that `done` units are done, with `note` next to the number."""
        self._done, self._note = done, note
        if self._live is None and not is_quiet() and self._lines.due(done):
            self._console.print(Text(f"{self._title}: {', '.join(self._parts())}"), soft_wrap=True)

    def track(self, items: Iterable[T]) -> Iterator[T]:
        """Yield the items unchanged, and count them."""
        for number, item in enumerate(items, 1):
            yield item
            self.update(number)

    def draw(self) -> Text:
        """The bar as a terminal shows it now."""
        line = Text(no_wrap=True, overflow="ellipsis").append(f"{self._title}  ", style="bold")
        return line.append_text(bar_text(self._done, self.pace.total)).append("   ".join(self._parts()))

    def _parts(self) -> Sequence[str]:
        count = count_text(self._done, self.pace.total, self._unit)
        return [count, *([self._note] if self._note else []), *self._pace()]

    def _pace(self) -> Sequence[str]:
        return self.pace.parts(self._done, self._unit)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._live is not None:
            self._live.stop()
            self._live = None


class PageBar(Bar):
    """Progress of indexing pages. The bar appears with the first page, so it stays hidden if no page is indexed."""

    def __init__(self, title: str = "Indexing pages", total: int | None = None) -> None:
        super().__init__(title, total, "pages")
        self._shown = False
        self._half: int | None = None
        self._read = 0.0
        self.share: Callable[[], float | None] = lambda: None
        """Returns the share of the input that was read, if it is known."""

    def __enter__(self) -> Self:
        return self

    def __call__(self, done: int) -> None:
        """Show that `done` pages are indexed."""
        if not self._shown:
            self._shown = True
            super().__enter__()
        self.update(done)

    def _pace(self) -> Sequence[str]:
        rate, left = self.pace.rate(self._done), self._left(self._done)
        return [
            *([rate_text(rate, self._unit)] if rate is not None else []),
            *([f"about {duration(left)} left"] if left else []),
        ]

    def _left(self, done: int) -> float | None:
        """Seconds left. Pages are read first and indexed then, and each step counts half of `done`."""
        share = self.share()
        if not share or done < _ESTIMATED:
            return self.pace.left(done)
        passed = self.pace.passed
        if share < 1:
            return passed / share * (1 - share + _INDEXING)
        if self._half is None:
            self._half, self._read = done, passed
            return passed * _INDEXING
        indexed = min(1.0, (done - self._half) / self._half)
        return (passed - self._read) * (1 - indexed) / indexed if indexed else None


@contextmanager
def working(text: str) -> Iterator[None]:
    """Show a spinner with `text` during an operation of unknown length.

    Elsewhere than on a terminal, print a line after ten seconds and then after every minute.
    """
    stderr = console(stderr=True)
    if is_quiet():
        yield
        return
    if stderr.is_terminal and not stderr.is_dumb_terminal:
        with stderr.status(Text(text)):
            yield
        return
    over, began = threading.Event(), time.monotonic()

    def tell() -> None:
        pause = _PAUSE
        while not over.wait(pause):
            stderr.print(Text(f"{text}: {duration(time.monotonic() - began)} so far"), soft_wrap=True)
            pause = _PATIENCE

    threading.Thread(target=tell, name="wideseek-working", daemon=True).start()
    try:
        yield
    finally:
        over.set()
