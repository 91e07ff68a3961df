"""Records on disk: byte strings, stored one after the other, each with a checksum. A reader may read them in any
order."""

from __future__ import annotations

import os
import zlib
from collections.abc import Iterator, Sequence
from pathlib import Path
from types import TracebackType
from typing import Self

import numpy as np

from wideseek_env.errors import IndexDamagedError

_CHECKSUM_BYTES = 4
_BUFFER = 1 << 20


class RecordWriter:
    """Appends records to `<stem>.bin`. `finish` writes the positions of the records to `<stem>.npy`, in an order of the
    caller's choice."""

    def __init__(self, stem: Path) -> None:
        self.stem = stem
        self._file = open(_data(stem), "wb", buffering=_BUFFER)  # noqa: SIM115 (closed in finish)
        self._starts = [0]

    def __len__(self) -> int:
        return len(self._starts) - 1

    def append(self, *parts: bytes) -> None:
        """Write the parts as one record."""
        checksum, size = 0, _CHECKSUM_BYTES
        for part in parts:
            checksum = zlib.crc32(part, checksum)
            size += len(part)
        self._file.write(checksum.to_bytes(_CHECKSUM_BYTES, "little"))
        self._file.writelines(parts)
        self._starts.append(self._starts[-1] + size)

    def finish(self, order: Sequence[int]) -> None:
        """Close the data and write the positions. Record i of the reader will be the `order[i]`-th appended."""
        self.close()
        starts = np.array(self._starts, dtype=np.int64)
        index = np.array(order, dtype=np.int64)
        np.save(_places(self.stem), np.stack([starts[index], starts[index + 1]], axis=1))

    def close(self) -> None:
        self._file.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


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
