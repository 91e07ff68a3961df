"""Writes an index: cleans documents, numbers them in the order of their URLs, and passes them to the engine.

A folder has `documents` (one record per document), `postings` (tantivy's files) and a manifest with checksums.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from hashlib import blake2b
from pathlib import Path
from struct import Struct
from typing import TYPE_CHECKING, NamedTuple

from wideseek_env.clean import clean_text
from wideseek_env.corpus.folders import write_manifest
from wideseek_env.corpus.records import RecordReader, RecordWriter
from wideseek_env.corpus.words import ANALYZER, document_text, register, title_keys
from wideseek_env.errors import CorpusError
from wideseek_env.pages.neutral import neutralise

if TYPE_CHECKING:
    import tantivy

FORMAT = 1
"""The version of the layout on disk. Increase this number whenever the code would read an older index wrongly."""

KIND = "search index"

_HEAP = 256_000_000  # bytes in memory before the engine writes a segment; about 500k passages fit one segment
_PROGRESS_EVERY = 512
_CHECKED = 1 << 14  # rows compared at a time
_SIZES = Struct("<II")  # bytes of URL and title; the text is the rest of the record


class Document(NamedTuple):
    """The stored form of a document. `text` is plain text. If the original had line breaks, each run of white space is
    one space."""

    url: str
    title: str
    text: str


class Progress:
    """Reports the progress of two passes over n documents as one count from 0 to n."""

    def __init__(self, callback: Callable[[int], None] | None) -> None:
        self._callback = callback
        self._read = 0
        self._indexed = 0

    def read(self) -> None:
        self._read += 1
        self._report(self._read)

    def indexed(self, last: bool = False) -> None:
        self._indexed += not last
        self._report(self._indexed, last)

    def _report(self, done: int, last: bool = False) -> None:
        if self._callback is not None and (last or done % _PROGRESS_EVERY == 0):
            self._callback(self._read if last else (self._read + self._indexed) // 2)


def build_folder(
    folder: Path, documents: Iterable[tuple[str, str, str]], progress: Callable[[int], None] | None
) -> list[int]:
    """Write an index into an existing empty folder. Returns the document (by order of arrival) of each row."""
    import tantivy

    report = Progress(progress)
    urls: list[str] = []
    stem = folder / "documents"
    with RecordWriter(stem) as records:
        for document in documents:
            cleaned = clean(document)
            urls.append(cleaned.url)
            records.append(*_pack(cleaned))
            report.read()
        check_urls(urls)
        order = sorted(range(len(urls)), key=urls.__getitem__)
        records.finish(order)
    content = blake2b(digest_size=16)
    reader = RecordReader(stem)

    def read() -> Iterable[Document]:
        for record in reader.read_many(range(len(reader))):
            content.update(len(record).to_bytes(8, "little"))
            content.update(record)
            yield unpack(record)

    (folder / "postings").mkdir()
    try:
        index = tantivy.Index(schema(), path=str(folder / "postings"))
        fill(index, read(), report)
    finally:
        reader.close()
    facts = {
        "tantivy": tantivy_series(),
        "documents": len(urls),
        "content": content.hexdigest(),
        "in_order": in_order(index),
    }
    write_manifest(folder, KIND, FORMAT, facts)
    return order


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


def fill(index: tantivy.Index, documents: Iterable[Document], report: Progress) -> None:
    import tantivy

    register(index)
    # One thread, because several threads would share the documents in random order.
    writer = index.writer(_HEAP, 1)
    for row, (_, title, text) in enumerate(documents):
        entry = tantivy.Document()
        entry.add_unsigned("row", row)
        entry.add_text("title", document_text(title))
        entry.add_text("text", document_text(text))
        for key in title_keys(title):
            entry.add_text("named", key)
        writer.add_document(entry)
        report.indexed()
    writer.commit()
    writer.wait_merging_threads()
    index.reload()
    report.indexed(last=True)


def in_order(index: tantivy.Index) -> bool:
    """Whether the engine's number of each document is its row, so that rows need no look-up.

    This is the case if the engine wrote only one segment. Several or merged segments have another numbering.
    """
    from tantivy import DocAddress

    searcher = index.searcher()
    if searcher.num_segments > 1:
        return False
    for start in range(0, searcher.num_docs, _CHECKED):
        rows = range(start, min(start + _CHECKED, searcher.num_docs))
        if searcher.fast_field_values("row", [DocAddress(0, row) for row in rows]) != list(rows):
            return False
    return True


def clean(document: tuple[str, str, str]) -> Document:
    url, title, text = document
    return Document(clean_text(url), _plain(title), _plain(text))


def _plain(text: str) -> str:
    if "\n" in text or "\t" in text:
        text = " ".join(text.split())
    return neutralise(clean_text(text))


def check_urls(urls: Sequence[str]) -> None:
    """Raise `CorpusError` when a URL is empty or occurs twice."""
    seen: set[str] = set()
    for number, url in enumerate(urls):
        if not url.strip():
            raise CorpusError(f"document {number} has no URL")
        if url in seen:
            raise CorpusError(f"two documents have the URL {url!r}; merge them or give them different URLs")
        seen.add(url)


def _pack(document: Document) -> tuple[bytes, bytes, bytes, bytes]:
    url, title, text = document.url.encode(), document.title.encode(), document.text.encode()
    return _SIZES.pack(len(url), len(title)), url, title, text


def unpack(record: bytes) -> Document:
    url_size, title_size = _SIZES.unpack_from(record)
    title_at = _SIZES.size + url_size
    text_at = title_at + title_size
    start = _SIZES.size
    return Document(
        record[start:title_at].decode(), record[title_at:text_at].decode(), record[text_at:].decode()
    )


def tantivy_series() -> str:
    from importlib.metadata import version

    return ".".join(version("tantivy").split(".")[:2])
