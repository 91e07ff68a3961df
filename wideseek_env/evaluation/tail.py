"""`Tail`: the lines that a growing file has gained, read from where reading stopped.

The file may be missing, end in half a line, be cut by a run that is taken up again, or be replaced; with a name in
``.gz`` it is a row of gzip members, of which the last may be half there.
"""

from __future__ import annotations

import os
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import IO

_BLOCK = 1 << 20
_WINDOW = 256  # bytes before the place where reading goes on; when they differ the file is another one

LONGEST = 1 << 28
"""Bytes of the longest line that is read; a longer one is passed over and counted as damaged."""

BUDGET = 1 << 26
"""Bytes that one call of `Tail.lines` reads, or little more: who follows a large file stays responsive."""


class Tail:
    """Reads whole lines of the file at `path`, each once.

    After a cut or replaced file, `generation` is one higher and all lines come again; the same line may also come
    twice from a ``.gz`` file. `behind` says how many bytes were left by the last call for the next one.
    """

    def __init__(self, path: Path, *, budget: int = BUDGET, longest: int = LONGEST) -> None:
        self.path = path
        self.generation = 0
        self.behind = 0
        self.size = 0
        self.damaged = 0
        """Lines that were too long, and pieces of a ``.gz`` file that are none; the lines' meaning is not looked at."""
        self._budget = budget
        self._longest = longest
        self._packed = path.suffix == ".gz"
        self._end = 0
        self._window = b""
        self._inode = 0
        self._state: tuple[int, int, int] | None = None

    @property
    def exists(self) -> bool:
        """Whether there was a file at the last call."""
        return self._state is not None

    def lines(self) -> Iterator[bytes]:
        """The whole lines that are new, without their line breaks. A file that cannot be read has none."""
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
        """Whether what has been read is still the beginning of the file."""
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
                    return  # half a line: it is read again when there is more
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
        """Lines of gzip members; only whole members whose last line is whole need not be read again."""
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
                    # What follows cannot be told from the damage. It is passed over, and read again if it is replaced.
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
    """Pass over the rest of a line; its bytes, 0 when its end is not there yet."""
    passed = 0
    while part := file.readline(_BLOCK):
        passed += len(part)
        if part.endswith(b"\n"):
            return passed
    return 0
