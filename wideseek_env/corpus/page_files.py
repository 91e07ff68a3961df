"""The pages of a stored corpus on disk: their HTML, their passages, and tables that find them by URL."""

from __future__ import annotations

import zlib
from collections.abc import Sequence
from pathlib import Path
from typing import BinaryIO

import numpy as np
from numpy.typing import NDArray

from wideseek_env.corpus.records import HEADER, ArrayWriter, RecordReader, RecordWriter, array_header
from wideseek_env.corpus.spool import PLAIN, Prepared
from wideseek_env.corpus.urls import url_hash
from wideseek_env.errors import IndexDamagedError
from wideseek_env.pages.from_markdown import text_to_html

_PARTS = b"P"  # begins a record with the texts of passages. A compressed page begins with another byte.
_FIRSTS = "passages.npy"
_SORTED = 1 << 21  # entries of a table that are sorted in memory at a time
_LENGTH = 4


class PageWriter:
    """Writes the pages of a corpus into its folder, in the order of their URLs."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._html = RecordWriter(folder / "pages")
        self._firsts = ArrayWriter(folder / _FIRSTS)
        self._by_url = UrlTableWriter(folder / "urls.npy")
        self._by_key = UrlTableWriter(folder / "keys.npy")

    def add(self, first: Prepared, row: int, parts: Sequence[bytes]) -> None:
        """Store a page. `first` is the page or its first passage, and `row` its first document."""
        if not first.passage:
            self._html.append(first.stored)
        elif all(part == PLAIN for part in parts):
            self._html.append(b"")
        else:
            self._html.append(_PARTS, *(len(part).to_bytes(_LENGTH, "little") + part for part in parts))
        self._firsts.append(row)
        self._by_url.add(first.url_hash)
        self._by_key.add(first.key_hash)

    def finish(self, documents: int) -> int:
        """Close the files. Returns the number of pages."""
        pages = len(self._html)
        self._html.finish()
        self._firsts.append(documents)
        self._firsts.finish((pages + 1,))
        if pages == documents:  # no page has several passages
            (self._folder / _FIRSTS).unlink()
        self._by_url.finish()
        self._by_key.finish()
        return pages

    def close(self) -> None:
        """Close the files after an error."""
        for file in (self._html, self._firsts, self._by_url, self._by_key):
            file.close()


class PageReader:
    """Reads the pages that a `PageWriter` wrote."""

    def __init__(self, folder: Path, documents: int) -> None:
        self._html = RecordReader(folder / "pages")
        self._firsts: NDArray[np.int64] | None = None
        file = folder / _FIRSTS
        if file.exists():
            try:
                self._firsts = np.asarray(np.load(file, mmap_mode="r", allow_pickle=False))
            except (OSError, ValueError) as error:
                self.close()
                raise IndexDamagedError(f"{file} cannot be opened ({error}); build it again") from None
        last = documents if self._firsts is None else int(self._firsts[-1])
        pages = documents if self._firsts is None else len(self._firsts) - 1
        if pages != len(self._html) or last != documents:
            self.close()
            raise IndexDamagedError(f"{folder}: its files hold different numbers of pages; build it again")

    def __len__(self) -> int:
        return len(self._html)

    def rows(self, page: int) -> range:
        """The rows of the documents of a page."""
        if self._firsts is None:
            return range(page, page + 1)
        return range(int(self._firsts[page]), int(self._firsts[page + 1]))

    def page_of(self, row: int) -> int:
        """The page that has a document."""
        return row if self._firsts is None else int(np.searchsorted(self._firsts, row, "right")) - 1

    def html(self, page: int, title: str, texts: Sequence[str]) -> str:
        """The HTML of a page. `texts` are the texts of its documents in the index."""
        record = self._html.read(page)
        if record and record[:1] != _PARTS:
            return zlib.decompress(record).decode()
        return text_to_html("\n\n".join(_passages(record, texts)), title)

    def text(self, page: int, number: int, texts: Sequence[str]) -> str | None:
        """The text of a passage, counted from 0. None if the page was not made of passages."""
        record = self._html.read(page)
        if record and record[:1] != _PARTS:
            return None
        return _passages(record, texts)[number]

    def close(self) -> None:
        """Release the files. A second call does no harm."""
        self._html.close()


def _passages(record: bytes, texts: Sequence[str]) -> list[str]:
    if not record:
        return list(texts)
    found, at = [], len(_PARTS)
    for text in texts:
        size = int.from_bytes(record[at : at + _LENGTH], "little")
        at += _LENGTH
        found.append(zlib.decompress(record[at : at + size]).decode() if size else text)
        at += size
    return found


class UrlTable:
    """Maps a string to the rows that may have this string. The table has sorted 64-bit hashes and is memory-mapped."""

    def __init__(self, table: NDArray[np.uint64]) -> None:
        self._hashes, self._rows = table

    @classmethod
    def load(cls, file: Path) -> UrlTable:
        try:
            table = np.asarray(np.load(file, mmap_mode="r", allow_pickle=False))
        except (OSError, ValueError) as error:
            raise IndexDamagedError(f"{file} cannot be opened ({error}); build it again") from None
        return cls(table)

    def rows(self, string: str) -> list[int]:
        wanted = np.uint64(url_hash(string))
        start = int(np.searchsorted(self._hashes, wanted, side="left"))
        end = int(np.searchsorted(self._hashes, wanted, side="right"))
        return [int(row) for row in self._rows[start:end]]

    def __len__(self) -> int:
        return len(self._rows)


class UrlTableWriter:
    """Writes the table of the hashes of strings 0, 1, 2 and so on. Memory does not grow with their number."""

    def __init__(self, file: Path) -> None:
        self._file = file
        self._raw = file.with_suffix(".hashes")
        self._hashes = ArrayWriter(self._raw, "<u8")

    def add(self, url_hash: int) -> None:
        """Add the hash of the next string."""
        self._hashes.append(url_hash)

    def finish(self) -> None:
        """Sort the hashes and write the table: for each hash, in order, the number of its string."""
        size = len(self._hashes)
        self._hashes.finish((size,))
        # The hashes are random numbers, so ranges of equal width have about as many of them.
        ranges = 1 << max(0, (size // _SORTED).bit_length())
        width = 2**64 // ranges
        with open(self._file, "wb") as out:
            out.write(array_header("<u8", (2, size)))
            done = 0
            for number in range(ranges):
                hashes, rows = self._range(size, number * width, width)
                _write_at(out, HEADER + 8 * done, hashes)
                _write_at(out, HEADER + 8 * (size + done), rows)
                done += len(hashes)
        self._raw.unlink()

    def _range(self, size: int, low: int, width: int) -> tuple[NDArray[np.uint64], NDArray[np.uint64]]:
        found, places = [], []
        first, last = np.uint64(low), np.uint64(low + width - 1)
        for start in range(0, size, _SORTED):
            block = np.fromfile(self._raw, "<u8", min(_SORTED, size - start), offset=HEADER + 8 * start)
            (inside,) = np.nonzero((block >= first) & (block <= last))
            found.append(block[inside])
            places.append((inside + start).astype("<u8"))
        hashes = np.concatenate(found) if found else np.empty(0, "<u8")
        rows = np.concatenate(places) if places else np.empty(0, "<u8")
        order = np.argsort(hashes, kind="stable")
        return hashes[order], rows[order]

    def close(self) -> None:
        """Close the file after an error."""
        self._hashes.close()


def _write_at(file: BinaryIO, place: int, numbers: NDArray[np.uint64]) -> None:
    file.seek(place)
    file.write(numbers.tobytes())
