"""Writes tantivy's files for a range of documents, and joins the files of several ranges to one index.

Each range becomes one segment, which tantivy writes in one piece. Where a range ends depends on the documents alone. So
an index is the same however many processes built it, and nothing has to be merged.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from wideseek_env.corpus.documents import Document, unpack
from wideseek_env.corpus.records import read_range
from wideseek_env.corpus.words import ANALYZER, document_text, register, title_keys

if TYPE_CHECKING:
    import tantivy

SHARD_BYTES = 160 << 20
"""The bytes of documents after which a range ends. Tantivy needs about as much memory to index them."""

SHARD_ROWS = 300_000
"""The number of documents after which a range ends."""

AT_ONCE = 3
"""Ranges that are indexed at the same time. Each takes two cores, and up to 360 MB of memory."""

_HEAP = 400_000_000  # bytes in memory before the engine writes a segment: more than a range needs
_CHECKED = 1 << 14  # rows compared at a time
_PROGRESS_EVERY = 8_192
_META = "meta.json"


class Segment(NamedTuple):
    """A segment of tantivy: its first row, its number of documents, its entry in the list of segments."""

    first: int
    documents: int
    entry: dict[str, Any]
    in_order: bool


class IndexRange(NamedTuple):
    """The work of indexing documents `start` to `end` of a record file into `folder`. The result is its segments."""

    stem: Path
    start: int
    end: int
    folder: Path

    def run(self, state: dict[str, Any], report: Callable[[int], None]) -> list[Segment]:
        import tantivy

        self.folder.mkdir()
        index = tantivy.Index(schema(), path=str(self.folder))
        fill(index, map(unpack, read_range(self.stem, self.start, self.end)), report, self.start)
        return _segments(index, self.folder)


def schema() -> tantivy.Schema:
    import tantivy

    # No positions: no search uses phrases, and positions would double the index. Documents are in a record file and not
    # in tantivy's store, because that store is read in blocks.
    builder = tantivy.SchemaBuilder()
    builder.add_unsigned_field("row", fast=True)
    builder.add_text_field("title", tokenizer_name=ANALYZER, index_option="freq")
    builder.add_text_field("text", tokenizer_name=ANALYZER, index_option="freq")
    builder.add_text_field("named", tokenizer_name="raw", index_option="basic")
    return builder.build()


def fill(
    index: tantivy.Index, documents: Iterable[Document], report: Callable[[int], None], first: int = 0
) -> None:
    """Index documents, whose rows begin at `first`. `report` is called with the number of documents done."""
    import tantivy

    register(index)
    # One thread, because several threads would share the documents in random order.
    writer = index.writer(_HEAP, 1)
    done = 0
    for done, (_, title, text) in enumerate(documents, 1):
        entry = tantivy.Document()
        entry.add_unsigned("row", first + done - 1)
        entry.add_text("title", document_text(title))
        entry.add_text("text", document_text(text))
        for key in title_keys(title):
            entry.add_text("named", key)
        writer.add_document(entry)
        if done % _PROGRESS_EVERY == 0:
            report(done)
    writer.commit()
    writer.wait_merging_threads()
    index.reload()
    report(done)


def _segments(index: tantivy.Index, folder: Path) -> list[Segment]:
    searcher = index.searcher()
    entries = json.loads((folder / _META).read_text("utf-8"))["segments"]
    return sorted(
        _segment(searcher, number, int(entry["max_doc"]), entry) for number, entry in enumerate(entries)
    )


def _segment(searcher: tantivy.Searcher, number: int, size: int, entry: dict[str, Any]) -> Segment:
    from tantivy import DocAddress

    first = int(searcher.fast_field_values("row", [DocAddress(number, 0)])[0] or 0)
    for start in range(0, size, _CHECKED):
        places = range(start, min(start + _CHECKED, size))
        rows = searcher.fast_field_values("row", [DocAddress(number, place) for place in places])
        if rows != [first + place for place in places]:
            return Segment(first, size, entry, False)
    return Segment(first, size, entry, True)


def in_order(index: tantivy.Index) -> bool:
    """Whether the engine's number of each document is its row, so that rows need no look-up.

    This is the case if the engine wrote only one segment. Several or merged segments have another numbering.
    """
    searcher = index.searcher()
    if searcher.num_segments > 1:
        return False
    if not searcher.num_docs:
        return True
    found = _segment(searcher, 0, searcher.num_docs, {})
    return found.in_order and found.first == 0


def join(parts: Iterable[tuple[Path, list[Segment]]], folder: Path) -> list[int] | None:
    """Move the files of all parts to `folder`, as one index. The folders of the parts are removed.

    Returns the first row of each segment if the rows of a segment are consecutive. Otherwise the result is None.
    """
    folder.mkdir()
    meta: dict[str, Any] = {}
    segments: list[Segment] = []
    for part, found in parts:
        meta = json.loads((part / _META).read_text("utf-8"))
        segments.extend(found)
        for file in part.iterdir():
            if file.name in (_META, ".managed.json") or file.suffix == ".lock":
                file.unlink()
            else:
                os.replace(file, folder / file.name)
        part.rmdir()
    segments.sort(key=lambda segment: segment.first)
    meta["segments"] = [segment.entry for segment in segments]
    (folder / _META).write_text(json.dumps(meta), "utf-8")
    row = 0
    for segment in segments:
        if not segment.in_order or segment.first != row:
            return None
        row += segment.documents
    return [segment.first for segment in segments]
