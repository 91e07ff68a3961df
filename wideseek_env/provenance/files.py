"""SHA-256 digests of files and folders. A large file is hashed once and remembered by path, size and time of change."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import time
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from wideseek_env.files import cache_folder, write_whole

CACHE = "digests.json"
"""The file in `wideseek_env.files.cache_folder` that remembers digests."""

_FORMAT = 1
_SMALL = 1 << 20
"""Files of fewer bytes are always hashed. This takes less than a millisecond."""
_FRESH = 2.0
"""Seconds after its last change in which the digest of a file is not remembered. It may still be written."""
_MOST = 20_000


class FileDigests:
    """Hashes files.

    Args:
        verify: Hash every file again, also if its size and time of change are those of an earlier time.
    """

    def __init__(self, *, verify: bool = False) -> None:
        self._verify = verify
        self._known = _read()
        self._new: dict[str, Any] = {}

    def of(self, path: Path) -> str:
        """The SHA-256 of a file, as hexadecimal digits.

        Raises:
            OSError: The file cannot be read.
        """
        place = str(path.resolve())
        found = os.stat(place)
        stamp = [found.st_size, found.st_mtime_ns, found.st_ino]
        if found.st_size < _SMALL:
            return hashlib.sha256(Path(place).read_bytes()).hexdigest()
        known = self._new.get(place) or (None if self._verify else self._known.get(place))
        if isinstance(known, dict) and known.get("stamp") == stamp:
            return str(known["sha256"])
        digest = sha256_of(place)
        if time.time() - found.st_mtime > _FRESH:
            self._new[place] = {"stamp": stamp, "sha256": digest}
        return digest

    def of_files(self, paths: Iterable[Path], folder: Path) -> dict[str, str]:
        """The digests of files by their names in `folder`, sorted. A file that cannot be read is left out."""
        found = {}
        for path in sorted(paths):
            with contextlib.suppress(OSError):
                found[path.relative_to(folder).as_posix()] = self.of(path)
        return found

    def save(self) -> None:
        """Remember the new digests. If the cache folder cannot be written, they are not remembered."""
        if not self._new:
            return
        files = {**_read(), **self._new}
        kept = dict(list(files.items())[-_MOST:])
        self._new = {}
        with contextlib.suppress(OSError):
            cache_folder().mkdir(parents=True, exist_ok=True)
            write_whole(cache_folder() / CACHE, json.dumps({"format": _FORMAT, "files": kept}) + "\n")


def sha256_of(path: Path | str) -> str:
    """The SHA-256 of a file, as hexadecimal digits."""
    digest = hashlib.sha256()
    with open(path, "rb", buffering=0) as file:
        while block := file.read(1 << 22):
            digest.update(block)
    return digest.hexdigest()


def _read() -> dict[str, Any]:
    try:
        data = json.loads((cache_folder() / CACHE).read_text("utf-8"))
        files = data["files"]
        return files if data["format"] == _FORMAT and isinstance(files, dict) else {}
    except (OSError, ValueError, KeyError, TypeError, RecursionError):
        return {}
