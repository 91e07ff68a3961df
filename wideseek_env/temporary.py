"""Temporary folders that are deleted even if the process that made them was killed."""

from __future__ import annotations

import contextlib
import os
import shutil
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from wideseek_env.files import locked

_LOCK = ".lock"
_UNLOCKED = 60.0
"""Seconds after which a folder without a lock belongs to a killed process."""

_own: set[Path] = set()


@contextmanager
def temporary_folder(prefix: str, parent: Path | None = None) -> Iterator[Path]:
    """A new folder that is deleted at the end of the block.

    Folders with the same `prefix` that killed processes have left are deleted first. Each prefix is for one purpose,
    and ends with a hyphen. A folder is locked while its process runs.

    Args:
        prefix: Begin of the folder's name.
        parent: Where the folder is made. None means the system's folder for temporary files.
    """
    place = parent or Path(tempfile.gettempdir())
    remove_left(place, prefix)
    folder = Path(tempfile.mkdtemp(prefix=prefix, dir=place))
    _own.add(folder)
    lock = locked(folder / _LOCK)
    try:
        yield folder
    finally:
        if lock is not None:
            os.close(lock)
        shutil.rmtree(folder, ignore_errors=True)
        _own.discard(folder)


def remove_left(place: Path, prefix: str) -> None:
    """Delete the folders that killed processes have left in `place`. Folders of running processes stay."""
    for folder in place.glob(f"{prefix}*"):
        with contextlib.suppress(OSError):  # of another user, or just deleted
            if folder not in _own and folder.is_dir() and not folder.is_symlink() and _is_left(folder):
                shutil.rmtree(folder, ignore_errors=True)


def _is_left(folder: Path) -> bool:
    if not (folder / _LOCK).exists():
        return time.time() - folder.stat().st_mtime > _UNLOCKED
    lock = locked(folder / _LOCK)
    if lock is not None:
        os.close(lock)
    return lock is not None
