"""Records on disk: byte strings, stored one after the other, each with a checksum. A reader may read them in any
order."""

from __future__ import annotations

import os
import sys
import zlib
from array import array
from collections.abc import Iterator, Sequence
from pathlib import Path
from types import TracebackType
from typing import Self

import numpy as np

from wideseek_env.errors import IndexDamagedError

_CHECKSUM_BYTES = 4
_BUFFER = 1 << 20
_HELD = 1 << 14  # numbers in memory before they are written
_MAGIC = b"\x93NUMPY\x01\x00"
HEADER = 128
"""The bytes before the numbers of an array file that `ArrayWriter` writes."""


class ArrayWriter:
    """Writes a `.npy` file of 64-bit whole numbers, number by number."""

    def __init__(self, path: Path, dtype: str = "<i8") -> None:
        self._dtype = dtype
        self._file = open(path, "wb")  # noqa: SIM115 (closed in finish)
        self._file.write(bytes(HEADER))
        self._held = array("q" if dtype == "<i8" else "Q")
        self._written = 0

    def __len__(self) -> int:
        return self._written + len(self._held)

    def append(self, *numbers: int) -> None:
        self._held.extend(numbers)
        if len(self._held) >= _HELD:
            self.flush()

    def flush(self) -> None:
        if sys.byteorder == "big":
            self._held.byteswap()
        self._file.write(self._held.tobytes())
        self._file.flush()
        self._written += len(self._held)
        del self._held[:]

    def finish(self, shape: tuple[int, ...]) -> None:
        """Write the header of an array of this shape, and close the file."""
        self.flush()
        self._file.seek(0)
        self._file.write(array_header(self._dtype, shape))
        self.close()

    def close(self) -> None:
        self._file.close()


def array_header(dtype: str, shape: tuple[int, ...]) -> bytes:
    """The first `HEADER` bytes of a `.npy` file."""
    text = repr({"descr": dtype, "fortran_order": False, "shape": shape}).encode()
    text += b" " * (HEADER - len(_MAGIC) - 2 - len(text) - 1) + b"\n"
    return _MAGIC + len(text).to_bytes(2, "little") + text


class RecordWriter:
    """Appends records to `<stem>.bin`, and their positions to `<stem>.npy`. Memory does not grow with the records."""

    def __init__(self, stem: Path) -> None:
        self.stem = stem
        self._file = open(_data(stem), "wb", buffering=_BUFFER)  # noqa: SIM115 (closed in finish)
        self._places = ArrayWriter(_places(stem))
        self._end = 0

    def __len__(self) -> int:
        return len(self._places) // 2

    @property
    def size(self) -> int:
        """The bytes written so far."""
        return self._end

    def append(self, *parts: bytes) -> None:
        """Write the parts as one record."""
        checksum, size = 0, _CHECKSUM_BYTES
        for part in parts:
            checksum = zlib.crc32(part, checksum)
            size += len(part)
        self._file.write(checksum.to_bytes(_CHECKSUM_BYTES, "little"))
        self._file.writelines(parts)
        self._places.append(self._end, self._end + size)
        self._end += size

    def flush(self) -> None:
        """Make the records that were appended readable for other processes (`read_range`)."""
        self._file.flush()
        self._places.flush()

    def finish(self) -> None:
        """Close the files. Record i of the reader is the i-th that was appended."""
        self._file.close()
        self._places.finish((len(self), 2))

    def close(self) -> None:
        self._file.close()
        self._places.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def read_range(stem: Path, start: int, end: int) -> Iterator[bytes]:
    """Records `start` to `end` of an unfinished `RecordWriter`, after its `flush`. They are read in order."""
    places = np.fromfile(_places(stem), np.int64, 2 * (end - start), offset=HEADER + 16 * start)
    with open(_data(stem), "rb", buffering=_BUFFER) as file:
        if len(places):
            file.seek(int(places[0]))
        for size in (places[1::2] - places[::2]).tolist():
            yield file.read(size)[_CHECKSUM_BYTES:]


class RecordReader:
    """Reads the records that a `RecordWriter` wrote.

    Each read passes its position (`pread`), so threads and forked processes may share one reader. The operating system
    does not count the bytes that were read as memory of this process.
    """

    def __init__(self, stem: Path) -> None:
        self.stem = stem
        try:
            # A plain view, because indexing a memory map object takes several times as long.
            self._places = np.asarray(np.load(_places(stem), mmap_mode="r", allow_pickle=False))
            self._file: int | None = os.open(_data(stem), os.O_RDONLY)
        except (OSError, ValueError) as error:
            raise IndexDamagedError(f"{stem}: cannot be opened ({error}); build it again") from None
        # The check of the manifest has compared the size of the file. This class relies on the shape of the array.
        if self._places.ndim != 2 or self._places.shape[1:] != (2,) or self._places.dtype != np.int64:
            self.close()
            raise IndexDamagedError(f"{_places(stem)} is not a table of places; build it again")

    def __len__(self) -> int:
        return len(self._places)

    def read(self, row: int) -> bytes:
        """Record `row`. Raises `IndexDamagedError` when its bytes differ from those that were written."""
        (record,) = self.read_many((row,))
        return record

    def read_many(self, rows: Sequence[int]) -> Iterator[bytes]:
        """These records. The iterator reads each record when it reaches it. This takes half the time of one call of
        `read` per record."""
        if self._file is None:
            raise ValueError(f"{self.stem} is closed")
        file, head = self._file, _CHECKSUM_BYTES
        for row, (start, end) in zip(rows, self._places[list(rows)].tolist(), strict=True):
            data = os.pread(file, end - start, start) if 0 <= start <= end else b""
            body = data[head:]
            if len(data) != end - start or zlib.crc32(body) != int.from_bytes(data[:head], "little"):
                raise IndexDamagedError(f"{_data(self.stem)}: record {row} is damaged; build it again")
            yield body

    def close(self) -> None:
        """Close the file. A second call does no harm."""
        if self._file is not None:
            os.close(self._file)
            self._file = None

    def __del__(self) -> None:
        if getattr(self, "_file", None) is not None:
            self.close()


def _data(stem: Path) -> Path:
    return stem.with_name(stem.name + ".bin")


def _places(stem: Path) -> Path:
    return stem.with_name(stem.name + ".npy")
