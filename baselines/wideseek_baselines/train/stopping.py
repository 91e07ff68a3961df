"""Ctrl-C and SIGTERM during training: the run stops where its state is consistent, so that it can be saved.

One process stops at once while episodes are played, because no weight changes meanwhile. While a step is trained, it
stops at the end of the step. Several processes always stop together at the end of a step. A second signal ends the
process without waiting.
"""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType, TracebackType
from typing import Any, NoReturn, Self

from wideseek_baselines.train import distributed

SIGNALS = (signal.SIGINT, signal.SIGTERM)
REPEATED_SECONDS = 1.0
"""A second signal counts only after this time. With torchrun, Ctrl-C reaches each process twice: from the terminal and
from torchrun."""
_NOTE = b"\nStopping at the end of this step. A second signal stops at once, without a checkpoint.\n"


class Stopping:
    """Handles the signals inside a ``with`` block.

    Args:
        save: Called when a signal has stopped the block. It writes the checkpoint.
    """

    def __init__(self, save: Callable[[], None]) -> None:
        self._save = save
        self._before: dict[int, Any] = {}
        self._asked: int | None = None
        self._since = 0.0
        self._held = 0
        self._stopped = False

    @property
    def soon(self) -> bool:
        """Whether the run will stop at the end of this step. Always false with several processes, where only `check`
        knows whether another process got a signal."""
        return self._asked is not None and distributed.size() == 1

    @contextmanager
    def held(self) -> Iterator[None]:
        """A block that a signal does not interrupt. Call `check` after it."""
        self._held += 1
        try:
            yield
        finally:
            self._held -= 1

    def check(self) -> None:
        """Stop here if a signal came. All processes must call this, and all stop if one of them got a signal."""
        numbers = [number for number in distributed.gathered(self._asked) if number is not None]
        if numbers:
            self._stop(numbers[0])

    def __enter__(self) -> Self:
        if threading.current_thread() is threading.main_thread():
            for number in SIGNALS:
                before = signal.getsignal(number)
                if before is not None and before != signal.SIG_IGN:  # None: not installed by Python
                    self._before[number] = before
                    signal.signal(number, self._handle)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            if self._stopped:
                self._save()
        finally:
            for number, before in self._before.items():
                signal.signal(number, before)

    def _handle(self, number: int, frame: FrameType | None) -> None:
        if self._asked is not None:
            if time.monotonic() < self._since + REPEATED_SECONDS:
                return
            self._stopped = False
            self._raise(number)
        self._asked, self._since = number, time.monotonic()
        if not self._held and distributed.size() == 1:
            self._stop(number)
        if distributed.is_main():
            os.write(2, _NOTE)  # a handler must not use buffered output, which it may have interrupted

    def _stop(self, number: int) -> NoReturn:
        self._stopped = True
        self._raise(number)

    def _raise(self, number: int) -> NoReturn:
        """Do what the program does on this signal. By default, SIGTERM becomes the exit code 143."""
        before = self._before.get(number)
        if callable(before) and before is not signal.default_int_handler:
            before(number, None)
        if number == signal.SIGTERM and not callable(before):
            raise SystemExit(128 + number)
        raise KeyboardInterrupt
