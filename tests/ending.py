"""Ends the processes that tests have started when pytest itself is ended by SIGTERM.

Servers and engines live in sessions of their own, so that they do not get a Ctrl-C that is meant for pytest; without
this they would outlive it.
"""

from __future__ import annotations

import os
import signal
import threading
import time
from collections import defaultdict
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path
from types import FrameType

PROC = Path("/proc")
PATIENCE = 5.0
"""Seconds that processes have after SIGTERM, before they are killed."""

Process = tuple[int, str]
"""A process id and when it was started, so that an id that is used again is not mistaken."""


def end_children_on_sigterm() -> None:
    """From now on SIGTERM ends this process together with all its descendants. Needs `/proc`; else does nothing."""
    if threading.current_thread() is threading.main_thread() and (PROC / "self" / "stat").exists():
        signal.signal(signal.SIGTERM, _end)


def _end(number: int, frame: FrameType | None) -> None:
    found: set[Process] = set()
    for sent in (signal.SIGTERM, signal.SIGKILL):
        until = time.monotonic() + PATIENCE
        told: set[Process] = set()
        # Those that end leave their children to others, so everyone who was ever found is remembered.
        while (found := descendants({(os.getpid(), ""), *found})) and time.monotonic() < until:
            for process in found - told:
                with suppress(ProcessLookupError):
                    os.kill(process[0], sent)
            told |= found
            time.sleep(0.05)
    signal.signal(number, signal.SIG_DFL)
    os.kill(os.getpid(), number)


def descendants(roots: Iterable[Process]) -> set[Process]:
    """Those of the `roots` that are alive, but for this process, and all processes below them."""
    alive: dict[int, Process] = {}
    children: dict[int, list[int]] = defaultdict(list)
    for folder in PROC.iterdir():
        if folder.name.isdigit():
            with suppress(OSError):
                fields = (folder / "stat").read_text().rpartition(")")[2].split()
                if fields[0] != "Z":
                    alive[int(folder.name)] = (int(folder.name), fields[19])
                children[int(fields[1])].append(int(folder.name))
    left = [pid for pid, since in roots if pid == os.getpid() or alive.get(pid) == (pid, since)]
    found: set[int] = set()
    while left:
        pid = left.pop()
        if pid not in found:
            found.add(pid)
            left += children[pid]
    return {alive[pid] for pid in found - {os.getpid()} if pid in alive}
