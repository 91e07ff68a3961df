"""Room in shared memory for files that several processes of a machine write at the same time.

Each process that trains sends its engine a whole copy of the weights. All of them begin at the same moment, so each
sees the memory that the others are about to use as free. Therefore a process reserves its room before it writes. The
reservation is a locked file, so it ends with its process. It counts for all processes of one user on the machine. The
folder of the weights is locked too, until it is deleted. So other processes know whether its owner was killed.
"""

from __future__ import annotations

import fcntl
import logging
import os
import shutil
import tempfile
from contextlib import ExitStack, suppress
from pathlib import Path
from threading import Event
from typing import IO

from wideseek_env.temporary import remove_left, temporary_folder

log = logging.getLogger(__name__)

SHARED_MEMORY = Path("/dev/shm")
PREFIX = "wideseek-weights-"
MARGIN = 1.2
"""The room that is reserved, as a multiple of the size of the files."""
_RESERVED = "reserved"
_warned = Event()


class WeightsFolder:
    """A new folder for `size` bytes, for a ``with`` block. The folder is deleted at the end of the block.

    The folder is in shared memory if there is room for it and for what other processes of this machine have reserved.
    Otherwise it is in the temporary folder, and the first time a warning says how much room is missing. Call `written`
    when all files are written. What killed processes have left is deleted first.
    """

    def __init__(self, size: int) -> None:
        self._size = int(MARGIN * size)
        self._held: IO[str] | None = None
        self._stack = ExitStack()

    def __enter__(self) -> Path:
        clear_left()
        with ExitStack() as stack:
            self.path = self._open(stack)
            self._stack = stack.pop_all()
        return self.path

    def __exit__(self, *_: object) -> None:
        self.written()
        self._stack.close()

    def written(self) -> None:
        """Give back the room that was reserved and is not used. A second call does nothing."""
        if self._held is not None:
            (self.path / _RESERVED).unlink(missing_ok=True)
            self._held.close()  # gives up the lock
            self._held = None

    def _open(self, stack: ExitStack) -> Path:
        if not usable():
            return stack.enter_context(temporary_folder(PREFIX))
        with (SHARED_MEMORY / f"{PREFIX}{os.getuid()}.lock").open("a") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            others = _others()
            free = free_bytes()
            if free - sum(others) >= self._size:
                folder = stack.enter_context(temporary_folder(PREFIX, SHARED_MEMORY))
                self._held = (folder / _RESERVED).open("w")
                fcntl.flock(self._held, fcntl.LOCK_EX)
                self._held.write(str(self._size))
                self._held.flush()
                return folder
        warn_of_shortage(self._size + sum(others), 1 + len(others), free)
        return stack.enter_context(temporary_folder(PREFIX))


def clear_left() -> None:
    """Delete the weights that killed processes of this machine have left in shared memory and the temporary folder."""
    for place in {SHARED_MEMORY, Path(tempfile.gettempdir())}:
        if place.is_dir():
            remove_left(place, PREFIX)


def usable() -> bool:
    """Whether this machine has shared memory in which this process can write."""
    return SHARED_MEMORY.is_dir() and os.access(SHARED_MEMORY, os.W_OK)


def free_bytes() -> int:
    """The number of free bytes in shared memory."""
    return shutil.disk_usage(SHARED_MEMORY).free


def warn_of_shortage(needed: int, processes: int, free: int, *, silent: bool = False) -> None:
    """Warn that `processes` processes of this machine together need `needed` bytes, but only `free` are free.

    A process warns only once. With `silent`, it never warns, because another process does.
    """
    if _warned.is_set() or silent:
        _warned.set()
        return
    _warned.set()
    place, elsewhere = SHARED_MEMORY, tempfile.gettempdir()
    size = -(-(shutil.disk_usage(place).total - free + needed) // 2**30) + 1
    log.warning(
        f"{place} has {free / 1e9:,.1f} GB free, but {processes} process{'es' * (processes > 1)} of this machine need "
        f"{needed / 1e9:,.1f} GB there at the same time to send weights to engines. What does not fit is written to "
        f"{elsewhere}, which is slower on a disk. Enlarge it with 'mount -o remount,size={size}G {place}', or in a "
        f"container with the option --shm-size={size}g of docker run"
    )


def _others() -> list[int]:
    """The bytes that each other process has reserved and not yet written. Removes what killed processes left."""
    found: list[int] = []
    for path in SHARED_MEMORY.glob(f"{PREFIX}*/{_RESERVED}"):
        with suppress(OSError, ValueError), path.open("r+") as file:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                written = sum(each.stat().st_size for each in path.parent.iterdir())
                found.append(max(0, int(file.read()) - written))
            else:  # its process ended while it wrote
                shutil.rmtree(path.parent, ignore_errors=True)
    return found
