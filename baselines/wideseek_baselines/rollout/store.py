"""Rollouts on disk: JSONL while a run is going on, Parquet for a data set that is done.

JSONL (also ``.gz``) is safe against being killed: every rollout is on disk before the next, and a partial last one is
cut off on opening. A Parquet file can be read only after it was closed. What goes into `Rollout.meta` must be JSON
values; they come back as such (tuples as lists).
"""

from __future__ import annotations

import contextlib
import gzip
import json
import os
import zlib
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType
from typing import BinaryIO, Protocol

from wideseek_baselines.tokens.record import Rollout
from wideseek_env.errors import ConfigError, TrajectoryError

BLOCK = 1 << 20


class RolloutWriter(Protocol):
    """Where rollouts go; also a context manager."""

    def write(self, rollout: Rollout) -> None:
        """Keep one rollout."""
        ...

    def close(self) -> None:
        """Nothing more comes; harmless when closed."""
        ...

    def __enter__(self) -> RolloutWriter: ...

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None: ...


class JsonlRollouts:
    """Appends rollouts to a JSONL file, each one compressed by itself where its name ends in ``.gz``."""

    def __init__(self, path: Path | str) -> None:
        self.path = Path(path)
        self.path.parent.mkdir(parents=True, exist_ok=True)
        self._packed = self.path.suffix == ".gz"
        keep = (_whole_members if self._packed else _whole_lines)(self.path)
        self._file = open(self.path, "ab")  # noqa: SIM115 (closed by `close`)
        self._file.truncate(keep)

    def write(self, rollout: Rollout) -> None:
        """Append one rollout and wait until it is on disk."""
        line = json.dumps(rollout.to_dict(), ensure_ascii=False, separators=(",", ":")).encode() + b"\n"
        self._file.write(gzip.compress(line, compresslevel=6, mtime=0) if self._packed else line)
        self._file.flush()
        os.fsync(self._file.fileno())

    def close(self) -> None:
        """Close the file; harmless when closed."""
        self._file.close()

    def __enter__(self) -> JsonlRollouts:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


class MemoryRollouts:
    """Keeps rollouts in the list `rollouts`."""

    def __init__(self) -> None:
        self.rollouts: list[Rollout] = []

    def write(self, rollout: Rollout) -> None:
        """Keep one rollout."""
        self.rollouts.append(rollout)

    def close(self) -> None:
        """Nothing is open."""

    def __enter__(self) -> MemoryRollouts:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def open_rollouts(path: Path | str) -> RolloutWriter:
    """A writer for the file's suffix: ``.jsonl``, ``.jsonl.gz`` (both continue a file that is there) or ``.parquet``
    (which begins a new one). `ConfigError` for any other."""
    path = Path(path)
    if path.name.endswith((".jsonl", ".jsonl.gz")):
        return JsonlRollouts(path)
    if path.suffix == ".parquet":
        from wideseek_baselines.rollout.parquet import ParquetRollouts

        return ParquetRollouts(path)
    raise ConfigError(f"rollouts are kept in .jsonl, .jsonl.gz or .parquet files, not {path.name!r}")


def iter_rollouts(path: Path | str) -> Iterator[Rollout]:
    """The rollouts of a file, one at a time; the suffix says which kind it is.

    A killed process leaves a last line without its line break, or a ``.gz`` that is cut off. Both are skipped. Anything
    else that cannot be read raises `TrajectoryError` with file and line.
    """
    path = Path(path)
    if path.suffix == ".parquet":
        from wideseek_baselines.rollout.parquet import read_parquet

        yield from read_parquet(path)
        return
    for number, line in enumerate(_lines(path), 1):
        try:
            rollout = Rollout.from_dict(json.loads(line))
        except (ValueError, AttributeError) as error:
            raise TrajectoryError(f"{path}:{number}: {error}") from error
        yield rollout


def load_rollouts(path: Path | str) -> list[Rollout]:
    """All rollouts of a file; see `iter_rollouts`."""
    return list(iter_rollouts(path))


def _lines(path: Path) -> Iterator[bytes]:
    """The lines that end with a line break."""
    with contextlib.ExitStack() as stack:
        try:
            file = stack.enter_context(open(path, "rb"))
        except OSError as error:
            raise TrajectoryError(f"{path} cannot be read: {error.strerror}") from error
        if path.suffix != ".gz":
            for line in file:
                if line.endswith(b"\n"):
                    yield line
            return
        rest = b""
        for block, _ in _unpacked(file):
            *lines, rest = (rest + block).split(b"\n")
            yield from lines


def _whole_lines(path: Path) -> int:
    """The length of a file without a partial last line; 0 where there is none."""
    if not path.exists():
        return 0
    with open(path, "rb") as file:
        position = file.seek(0, os.SEEK_END)
        while position > 0:
            start = max(0, position - BLOCK)
            file.seek(start)
            newline = file.read(position - start).rfind(b"\n")
            if newline >= 0:
                return start + newline + 1
            position = start
    return 0


def _whole_members(path: Path) -> int:
    """The length of a gzip file without a partial last member; 0 where there is none."""
    if not path.exists():
        return 0
    with open(path, "rb") as file:
        return max((keep for _, keep in _unpacked(file)), default=0)


def _unpacked(file: BinaryIO) -> Iterator[tuple[bytes, int]]:
    """Unpacked blocks of a gzip file, each with the number of packed bytes that are whole members.

    The file may be cut off anywhere, in the first byte of a header too (where Python's own reader takes the rest for
    damage). `TrajectoryError` for what is no gzip at all.
    """
    keep = position = 0
    unpacker = zlib.decompressobj(zlib.MAX_WBITS | 16)
    while block := file.read(BLOCK):
        position += len(block)
        while block:
            try:
                unpacked = unpacker.decompress(block)
            except zlib.error as error:
                raise TrajectoryError(f"{file.name} is damaged after byte {keep}: {error}") from error
            block = b""
            if unpacker.eof:
                block = unpacker.unused_data
                keep = position - len(block)
                unpacker = zlib.decompressobj(zlib.MAX_WBITS | 16)
            yield unpacked, keep
