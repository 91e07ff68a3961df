"""Builds an index: prepares pages, sorts them by URL, stores them, and passes them to the engine.

A folder has `documents` (one record per document), `postings` (tantivy's files) and a manifest with checksums.

Large inputs are prepared and indexed by several processes. The sorting and storing, which one process does, overlaps
with the indexing. Memory does not grow with the number of documents (`wideseek_env.corpus.spool`). The result does not
depend on the number of processes.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterable, Iterator, Sequence
from hashlib import blake2b
from itertools import groupby
from operator import itemgetter
from pathlib import Path
from typing import Any, NamedTuple, Protocol

from wideseek_env.corpus.documents import with_suffix
from wideseek_env.corpus.folders import write_manifest
from wideseek_env.corpus.records import RecordWriter
from wideseek_env.corpus.shards import AT_ONCE, SHARD_BYTES, SHARD_ROWS, IndexRange, Segment, join
from wideseek_env.corpus.sources import Batch, Passage, Skipped, SourcePage, batches_of
from wideseek_env.corpus.spool import Prepared, Run, Spool, merged, prepare
from wideseek_env.corpus.urls import PASSAGE
from wideseek_env.corpus.workers import MAX_WORKERS, Workers, cpus
from wideseek_env.errors import CorpusError

FORMAT = 1
"""The version of the layout on disk. Increase this number whenever the code would read an older index wrongly."""

KIND = "search index"
REPEATED = "repeated rows"

_ALONE = 12  # batches that this process prepares by itself before it starts workers
_POLL_EVERY = 1_024


class Progress:
    """Reports the progress of two passes over n documents as one count from 0 to n."""

    def __init__(self, callback: Callable[[int], None] | None) -> None:
        self._callback = callback
        self._latest = 0
        self.read = 0
        self._indexed: dict[int, int] = {}

    def add_read(self, count: int = 1) -> None:
        """Count `count` further documents as read."""
        self.read += count
        self._report()

    def indexed(self, count: int, part: int = 0) -> None:
        """Report that `count` documents of a part of the index are indexed."""
        self._indexed[part] = count
        self._report()

    def done(self, count: int) -> None:
        """Report that all `count` documents are done."""
        if self._callback is not None:
            self._callback(count)

    def _report(self) -> None:
        done = (self.read + sum(self._indexed.values())) // 2
        if self._callback is not None and done > self._latest:
            self._latest = done
            self._callback(done)


class PageStore(Protocol):
    """Takes the pages while an index is built, in the order of their URLs."""

    def add(self, first: Prepared, row: int, parts: Sequence[bytes]) -> None:
        """Store a page.

        `first` is the page or its first passage, `row` its first document, and `parts` the stored forms of the
        passages.
        """
        ...


def build_folder(
    folder: Path,
    pages: Iterable[SourcePage | Passage],
    progress: Callable[[int], None] | None,
    store: PageStore | None = None,
    skipped: Skipped | None = None,
) -> int:
    """Write an index into an existing empty folder. Returns the number of documents.

    Raises:
        CorpusError: A URL is empty or occurs twice, or the input cannot be read.
    """
    build = _Build(folder, Progress(progress), skipped if skipped is not None else Skipped())
    try:
        runs = build.prepare(batches_of(pages), with_pages=store is not None)
        documents, content = build.write(runs, store)
        build.finish(documents, content)
    finally:
        build.close()
    return documents


class _Build:
    def __init__(self, folder: Path, report: Progress, skipped: Skipped) -> None:
        self._folder = folder
        self._report = report
        self._skipped = skipped
        self._spools = folder / "spools"
        self._spools.mkdir()
        self._here: dict[str, Any] = {}
        self._workers: Workers | None = None
        self._parts: list[tuple[Path, list[Segment]]] = []

    def prepare(self, batches: Iterator[Batch], *, with_pages: bool) -> list[Run]:
        """Prepare all batches. Returns the sorted runs."""
        for number, batch in enumerate(batches):
            job = _Prepare(batch, number, self._spools, with_pages)
            if self._workers is None and (number < _ALONE or cpus() < 2):
                self._prepared(job.run(self._here, _nothing))
                continue
            if self._workers is None:
                self._workers = Workers(min(cpus(), MAX_WORKERS))
            self._workers.submit(number, job, self._prepared)
        runs: list[Run] = list(_Finish().run(self._here, _nothing))
        if self._workers is not None:
            self._workers.each(_Finish(), runs.extend)
            # Fresh processes, because the old ones keep the memory in which they sorted.
            self._workers.close()
            self._workers = Workers(min(cpus(), AT_ONCE))
        return runs

    def _prepared(self, result: tuple[int, Skipped]) -> None:
        count, skipped = result
        self._skipped.update(skipped)
        self._report.add_read(count)

    def write(self, runs: Sequence[Run], store: PageStore | None) -> tuple[int, str]:
        """Write all documents in the order of their URLs, and index them. Returns their number and digest."""
        content = blake2b(digest_size=16)
        stem = self._folder / "documents"
        start = start_size = 0
        with RecordWriter(stem) as records:
            for _, group in groupby(merged(runs), key=itemgetter(0)):
                row, first, parts = len(records), None, []
                for page, document in _rows(group, self._skipped):
                    records.append(document)
                    content.update(len(document).to_bytes(8, "little"))
                    content.update(document)
                    first = first or page
                    parts.append(page.stored)
                    if len(records) - start >= SHARD_ROWS or records.size - start_size >= SHARD_BYTES:
                        records.flush()
                        self._index(stem, start, len(records))
                        start, start_size = len(records), records.size
                    if self._workers is not None and len(records) % _POLL_EVERY == 0:
                        self._workers.poll()
                if store is not None and first is not None:
                    store.add(first, row, parts)
            documents = len(records)
            records.finish()
        shutil.rmtree(self._spools)
        if start < documents or not documents:
            self._index(stem, start, documents)
        if self._workers is not None:
            self._workers.wait()
        return documents, content.hexdigest()

    def _index(self, stem: Path, start: int, end: int) -> None:
        number = len(self._parts)
        part = self._folder / f"part-{number}"
        self._parts.append((part, []))
        found = self._parts[number][1]
        job = IndexRange(stem, start, end, part)

        def progress(done: int) -> None:
            self._report.indexed(done, number)

        if self._workers is None:
            found.extend(job.run({}, progress))
        else:
            self._workers.submit(number, job, found.extend, progress, AT_ONCE)

    def finish(self, documents: int, content: str) -> None:
        """Join the parts of the index, and write the manifest."""
        firsts = join(self._parts, self._folder / "postings")
        facts: dict[str, Any] = {
            "tantivy": tantivy_series(),
            "documents": documents,
            "content": content,
            "in_order": firsts is not None and len(firsts) < 2,
        }
        if firsts is not None and len(firsts) > 1:
            facts["segments"] = firsts
        write_manifest(self._folder, KIND, FORMAT, facts)
        self._report.done(documents)

    def close(self) -> None:
        """End the workers and close the files."""
        if self._workers is not None:
            self._workers.close()
        if spool := self._here.get("spool"):
            spool.close()


def _nothing(_: int) -> None:
    """Ignore the progress of a job."""


class _Prepare(NamedTuple):
    """The work of preparing a batch. The result is the number of documents, and what was skipped."""

    batch: Batch
    number: int
    spools: Path
    with_pages: bool

    def run(self, state: dict[str, Any], report: Callable[[int], None]) -> tuple[int, Skipped]:
        if "spool" not in state:
            state["spool"] = Spool(self.spools / str(os.getpid()))
        spool: Spool = state["spool"]
        skipped = Skipped()
        count = 0
        for page in prepare(self.batch, self.number, skipped, with_pages=self.with_pages):
            spool.add(page)
            count += 1
        return count, skipped


class _Finish(NamedTuple):
    """The end of the preparation in one process. The result is its runs."""

    def run(self, state: dict[str, Any], report: Callable[[int], None]) -> list[Run]:
        spool = state.pop("spool", None)
        return spool.finish() if spool is not None else []


def _rows(group: Iterable[Prepared], skipped: Skipped) -> Iterator[tuple[Prepared, bytes]]:
    """The documents of one page. The addresses of all but the first say which passage they are."""
    first: Prepared | None = None
    seen: set[bytes] = set()
    number = 1
    for page in group:
        if first is None:
            first = page
            yield page, page.document
            continue
        if not seen:
            seen.add(_digest(first))
        if (page.passage or page.where) and page.passage == first.passage and _digest(page) in seen:
            skipped.add(REPEATED, page.where.decode())
            continue
        if not (page.passage and first.passage):
            raise _twice(first, page)
        seen.add(_digest(page))
        number += 1
        yield page, with_suffix(page.document, f"{PASSAGE}{number}".encode())


def _digest(page: Prepared) -> bytes:
    digest = blake2b(page.document, digest_size=16)
    digest.update(page.stored)
    return digest.digest()


def _twice(first: Prepared, second: Prepared) -> CorpusError:
    places = " and ".join(place.where.decode() for place in (first, second) if place.where)
    at = f" ({places})" if places else ""
    return CorpusError(
        f"two documents have the URL {first.url.decode()!r}{at}; merge them or give them different URLs"
    )


def check_urls(urls: Sequence[str]) -> None:
    """Raise `CorpusError` when a URL is empty or occurs twice."""
    seen: set[str] = set()
    for number, url in enumerate(urls):
        if not url.strip():
            raise CorpusError(f"document {number} has no URL")
        if url in seen:
            raise CorpusError(f"two documents have the URL {url!r}; merge them or give them different URLs")
        seen.add(url)


def tantivy_series() -> str:
    from importlib.metadata import version

    return ".".join(version("tantivy").split(".")[:2])
