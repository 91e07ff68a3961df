"""Prepares pages for an index, and sorts them on disk: sorted runs that one pass merges.

Memory does not grow with the number of pages. One process keeps at most `RUN_BYTES` of prepared pages.
"""

from __future__ import annotations

import heapq
import io
import os
import zlib
from collections.abc import Iterator, Sequence
from pathlib import Path
from struct import Struct
from typing import NamedTuple

from wideseek_env.clean import clean_text
from wideseek_env.corpus.documents import Document, clean, pack
from wideseek_env.corpus.sources import Batch, Passage, Skipped, SourcePage
from wideseek_env.corpus.urls import url_hash, url_key
from wideseek_env.errors import CorpusError

RUN_BYTES = 40 << 20
"""The bytes of prepared pages that a process sorts in memory and writes as one run."""

PLAIN = b""
"""The stored part of a passage whose text in the index has all that the page shows."""

_HEAD = Struct("<IIIIBQQ")
_ORDER = Struct(">QQ")
_COMPRESSION = 1  # zlib level: takes a third of the default's time and gives a few per cent more bytes
_READ = 1 << 17
_IN_BATCH = 1 << 24  # more pages than a batch has


class Prepared(NamedTuple):
    """A page or passage, ready to be stored. The first two fields give the order: by URL, then by place in the page."""

    url: bytes
    order: bytes
    passage: bool
    document: bytes  # the record of the document
    stored: bytes  # the compressed HTML of a page; of a passage the compressed text, or PLAIN
    where: bytes
    url_hash: int
    key_hash: int


class Run(NamedTuple):
    """A sorted part of a spool file."""

    file: str
    start: int
    end: int


def compressed(text: str) -> bytes:
    """Text as the page records of a corpus store it."""
    return zlib.compress(text.encode("utf-8", "replace"), _COMPRESSION)


def prepare(batch: Batch, number: int, skipped: Skipped, *, with_pages: bool) -> Iterator[Prepared]:
    """What the `number`-th batch gives. Without `with_pages`, nothing but the documents of the index is kept.

    Raises:
        CorpusError: A page has no URL, or an input has another form.
    """
    for place, page in enumerate(batch.pages(skipped)):
        arrival = number * _IN_BATCH + place
        url = clean_text(page.url)
        if not url.strip():
            raise CorpusError(f"a document has no URL; its title is {page.title!r:.80}")
        if isinstance(page, Passage):
            document = clean((url, page.title, page.text))
            stored = PLAIN if page.text == document.text else compressed(page.text)
            order = _ORDER.pack(arrival if page.number is None else page.number, arrival)
            where = b""
        else:
            document, stored = _page(page, url, with_pages)
            order, where = _ORDER.pack(0, arrival), page.where.encode("utf-8", "replace")
        yield Prepared(
            document.url.encode(),
            order,
            isinstance(page, Passage),
            pack(document),
            stored,
            where,
            url_hash(url),
            url_hash(url_key(url)),
        )


def _page(page: SourcePage, url: str, with_pages: bool) -> tuple[Document, bytes]:
    title, text = page.title, page.text
    if text is None:
        from wideseek_env.pages.text import plain_text

        found, text = plain_text(page.html)
        title = title or found
    return clean((url, title, text)), compressed(page.html) if with_pages else b""


class Spool:
    """Collects prepared pages, and writes them as sorted runs to one file."""

    def __init__(self, file: Path) -> None:
        self._name = str(file)
        self._file = open(file, "wb", buffering=1 << 20)  # noqa: SIM115 (closed in finish)
        self._held: list[Prepared] = []
        self._size = 0
        self._runs: list[Run] = []

    def add(self, page: Prepared) -> None:
        self._held.append(page)
        self._size += 300 + len(page.document) + len(page.stored)  # with the size of Python's objects
        if self._size >= RUN_BYTES:
            self._write()

    def _write(self) -> None:
        if not self._held:
            return
        self._held.sort(key=lambda page: page[:2])
        start = self._file.tell()
        for url, order, passage, document, stored, where, by_url, by_key in self._held:
            head = _HEAD.pack(len(url), len(document), len(stored), len(where), passage, by_url, by_key)
            self._file.writelines((head, url, order, document, stored, where))
        self._runs.append(Run(self._name, start, self._file.tell()))
        self._held.clear()
        self._size = 0

    def finish(self) -> list[Run]:
        """Write the rest, and close the file."""
        self._write()
        self._file.close()
        return self._runs

    def close(self) -> None:
        self._file.close()


def merged(runs: Sequence[Run]) -> Iterator[Prepared]:
    """All prepared pages of the runs, in order."""
    files = {run.file: os.open(run.file, os.O_RDONLY) for run in runs}
    try:
        yield from heapq.merge(*(_read(files[run.file], run) for run in runs))
    finally:
        for file in files.values():
            os.close(file)


def _read(file: int, run: Run) -> Iterator[Prepared]:
    stream = io.BufferedReader(_Part(file, run.start, run.end), _READ)
    while head := stream.read(_HEAD.size):
        url, document, stored, where, passage, url_hash, key_hash = _HEAD.unpack(head)
        body = stream.read(url + _ORDER.size + document + stored + where)
        a = url + _ORDER.size
        b = a + document
        c = b + stored
        yield Prepared(
            body[:url], body[url:a], bool(passage), body[a:b], body[b:c], body[c:], url_hash, key_hash
        )


class _Part(io.RawIOBase):
    """Reads a part of an open file, whatever others read from it."""

    def __init__(self, file: int, start: int, end: int) -> None:
        self._file, self._at, self._end = file, start, end

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override]
        data = os.pread(self._file, min(len(buffer), self._end - self._at), self._at)
        buffer[: len(data)] = data
        self._at += len(data)
        return len(data)
