"""`Tail`: reads the new lines of a file that grows.

The file may be missing, end with an incomplete line, be cut when a run is resumed, or be replaced. A file with the
ending ``.gz`` consists of gzip members, and the last member may be incomplete.
"""

from __future__ import annotations

import os
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import IO

_BLOCK = 1 << 20
_WINDOW = (
    256  # number of bytes before the read position that are compared; if they differ, it is another file
)

LONGEST = 1 << 28
"""Maximum length of a line in bytes. A longer line is skipped and counted as damaged."""

BUDGET = 1 << 26
"""Approximate number of bytes that one call of `Tail.lines` reads.

The limit keeps a view of a large file responsive.
"""


class Tail:
    """Reads each whole line of the file at `path` once.

    If the file was cut or replaced, `generation` rises by one and all lines are read again. From a ``.gz`` file, the
    same line may be read twice. `behind` is the number of bytes that the last call left for the next call.
    """

    def __init__(self, path: Path, *, budget: int = BUDGET, longest: int = LONGEST) -> None:
        self.path = path
        self.generation = 0
        self.behind = 0
        self.size = 0
        self.damaged = 0
        """Number of lines that were too long, plus number of damaged parts of a ``.gz`` file.

        The lines are not parsed.
        """
        self._budget = budget
        self._longest = longest
        self._packed = path.suffix == ".gz"
        self._end = 0
        self._window = b""
        self._inode = 0
        self._state: tuple[int, int, int] | None = None

    @property
    def exists(self) -> bool:
        """Whether the file existed at the last call of `lines`."""
        return self._state is not None

    def lines(self) -> Iterator[bytes]:
        """The new whole lines, without their line breaks. The list is empty if the file cannot be read."""
        try:
            with open(self.path, "rb") as file:
                stat = os.fstat(file.fileno())
                state = (stat.st_ino, stat.st_size, stat.st_mtime_ns)
                if state == self._state and not self.behind:
                    return
                if not self._same(file, stat.st_ino, stat.st_size):
                    self._forget()
                self._state, self._inode, self.size = state, stat.st_ino, stat.st_size
                file.seek(self._end)
                yield from self._unpack(file) if self._packed else self._split(file)
                self._remember(file)
        except OSError:
            if self._state is not None:
                self._forget()
                self._state = None

    def _same(self, file: IO[bytes], inode: int, size: int) -> bool:
        """Whether the file still begins with the bytes that were read."""
        if self._state is None:
            return True
        if inode != self._inode or size < self._end:
            return False
        file.seek(self._end - len(self._window))
        return file.read(len(self._window)) == self._window

    def _remember(self, file: IO[bytes]) -> None:
        start = max(0, self._end - _WINDOW)
        file.seek(start)
        self._window = file.read(self._end - start)

    def _forget(self) -> None:
        if self._end:
            self.generation += 1
        self._end = self.behind = self.size = self.damaged = 0
        self._window = b""

    def _split(self, file: IO[bytes]) -> Iterator[bytes]:
        begun = self._end
        self.behind = 0
        while line := file.readline(self._longest):
            if not line.endswith(b"\n"):
                if len(line) < self._longest:
                    return  # an incomplete line: it is read again when the file has grown
                if not (rest := _skip_line(file)):
                    return
                self.damaged += 1
                self._end += len(line) + rest
            else:
                self._end += len(line)
                yield line[:-1]
            if self._end - begun >= self._budget:
                self.behind = max(0, self.size - self._end)
                return

    def _unpack(self, file: IO[bytes]) -> Iterator[bytes]:
        """Lines of gzip members. A member is read again unless it is complete and ends with a whole line."""
        begun = position = self._end
        self.behind = 0
        unpacker = zlib.decompressobj(zlib.MAX_WBITS | 16)
        rest = b""
        while block := file.read(_BLOCK):
            position += len(block)
            while block:
                try:
                    rest += unpacker.decompress(block)
                except zlib.error:
                    # Data after the damage cannot be recognised. It is skipped, and read again if it is replaced.
                    self.damaged += 1
                    return
                *lines, rest = rest.split(b"\n")
                yield from lines
                block = b""
                if unpacker.eof:
                    block = unpacker.unused_data
                    unpacker = zlib.decompressobj(zlib.MAX_WBITS | 16)
                    if not rest:
                        self._end = position - len(block)
                elif len(rest) > self._longest:
                    self.damaged += 1
                    return
            if self._end - begun >= self._budget:
                self.behind = max(0, self.size - self._end)
                return


def _skip_line(file: IO[bytes]) -> int:
    """Skip the rest of a line and return its number of bytes. 0 if the end of the line is not written yet."""
    passed = 0
    while part := file.readline(_BLOCK):
        passed += len(part)
        if part.endswith(b"\n"):
            return passed
    return 0
