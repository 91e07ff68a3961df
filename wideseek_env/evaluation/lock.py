"""A lock on a folder. The operating system releases the lock when the process ends, even if the process is killed."""

from __future__ import annotations

import contextlib
import errno
import logging
import os
import socket
import sys
import threading
from pathlib import Path
from types import TracebackType
from typing import Self

from wideseek_env.errors import ConfigError

_UNSUPPORTED = {errno.ENOLCK, errno.ENOSYS, errno.EOPNOTSUPP, errno.EINVAL}
_log = logging.getLogger(__name__)

_here: dict[Path, int] = {}
"""The locks of this process, by file. A POSIX lock does not prevent the same process from locking again.

The values are process ids: a fork copies this dictionary but not the locks.
"""
_guard = threading.Lock()


class FileLock:
    """Locks the file `path` until `close`, or until the process ends.

    The file is created if needed, and it is never deleted.

    The lock belongs to this process. Forked children do not hold it.

    Raises:
        ConfigError: Another process, or another part of this process, holds the lock. The message names the holder.
    """

    def __init__(self, path: Path) -> None:
        self.path = path.resolve()
        self._fd: int | None = None
        with _guard:
            if _here.get(self.path) == os.getpid():
                raise ConfigError(f"{path.parent} is being written by this process already")
            self._fd = os.open(self.path, os.O_RDWR | os.O_CREAT | getattr(os, "O_BINARY", 0), 0o644)
            try:
                self._take()
            except BaseException:
                os.close(self._fd)
                self._fd = None
                raise
            _here[self.path] = os.getpid()

    def _take(self) -> None:
        assert self._fd is not None
        try:
            _lock(self._fd)
        except OSError as error:
            if error.errno in _UNSUPPORTED:
                _log.warning("%s: this file system has no locks (%s)", self.path, error.strerror)
            else:
                holder = os.read(self._fd, 200).decode("utf-8", "replace").strip() or "another process"
                raise ConfigError(
                    f"{self.path.parent} is being written by {holder}; wait for it, or give another folder"
                ) from error
        os.ftruncate(self._fd, 0)
        os.write(self._fd, f"process {os.getpid()} on {socket.gethostname()}\n".encode())

    def close(self) -> None:
        """Release the lock. Further calls do nothing, and a call in a forked child does nothing."""
        with _guard:
            if self._fd is None:
                return
            fd, self._fd = self._fd, None
            if _here.get(self.path) == os.getpid():
                with contextlib.suppress(OSError):  # the text in the file is only for people
                    os.ftruncate(fd, 0)
                del _here[self.path]
            os.close(fd)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


if sys.platform == "win32":
    import msvcrt

    def _lock(fd: int) -> None:
        # The locked byte is after the text, so that other processes can read the text.
        os.lseek(fd, 1 << 30, os.SEEK_SET)
        try:
            msvcrt.locking(fd, msvcrt.LK_NBLCK, 1)
        finally:
            os.lseek(fd, 0, os.SEEK_SET)

else:
    import fcntl

    def _lock(fd: int) -> None:
        # Not `flock`: a forked child would hold that lock even after its parent was killed.
        fcntl.lockf(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
