"""The documents of an index and their records on disk."""

from __future__ import annotations

from struct import Struct
from typing import NamedTuple

from wideseek_env.clean import clean_text
from wideseek_env.pages.neutral import neutralise

_SIZES = Struct("<II")  # bytes of URL and title; the text is the rest of the record


class Document(NamedTuple):
    """The stored form of a document. `text` is plain text. If the original had line breaks, each run of white space is
    one space."""

    url: str
    title: str
    text: str


def clean(document: tuple[str, str, str]) -> Document:
    """The document as the index stores it: encodable, and without anything that a model takes for markup."""
    url, title, text = document
    return Document(clean_text(url), _plain(title), _plain(text))


def _plain(text: str) -> str:
    if "\n" in text or "\t" in text:
        text = " ".join(text.split())
    return neutralise(clean_text(text))


def pack(document: Document) -> bytes:
    """The record of a document."""
    url, title, text = document.url.encode(), document.title.encode(), document.text.encode()
    return b"".join((_SIZES.pack(len(url), len(title)), url, title, text))


def unpack(record: bytes) -> Document:
    """The document of a record."""
    url_size, title_size = _SIZES.unpack_from(record)
    title_at = _SIZES.size + url_size
    text_at = title_at + title_size
    start = _SIZES.size
    return Document(
        record[start:title_at].decode(), record[title_at:text_at].decode(), record[text_at:].decode()
    )


def with_suffix(record: bytes, suffix: bytes) -> bytes:
    """The record of the same document with `suffix` at the end of its URL."""
    url_size, title_size = _SIZES.unpack_from(record)
    title_at = _SIZES.size + url_size
    head = _SIZES.pack(url_size + len(suffix), title_size)
    return b"".join((head, record[_SIZES.size : title_at], suffix, record[title_at:]))
