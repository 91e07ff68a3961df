"""Splits long documents into passages that a model can read, and lists the documents of a corpus."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Protocol

from wideseek_env.corpus.base import Page

PASSAGE_CHARS = 1000
"""The most characters of a passage. This is about 256 tokens, the limit of small embedding models."""

OVERLAP = 100
"""The number of characters that a passage shares with the passage before it."""


class Listed(Protocol):
    """A corpus that can list its pages, such as `StoredCorpus` and `MemoryCorpus`."""

    def urls(self) -> Iterable[str]: ...

    def fetch(self, url: str) -> Page | None: ...


def documents_of(corpus: Listed) -> Iterator[tuple[str, str, str]]:
    """`(url, title, text)` of every page of a corpus. The text is the text that a reader sees."""
    from wideseek_env.pages.text import plain_text

    for url in corpus.urls():
        page = corpus.fetch(url)
        if page is not None and page.status == 200:
            title, text = plain_text(page.html)
            yield page.url, page.title or title, text


def passages(text: str, longest: int = PASSAGE_CHARS, overlap: int = OVERLAP) -> Iterator[tuple[int, int]]:
    """The start and end of each passage of `text`. Passages overlap and are cut between words. There is at least one
    passage.

    A last piece that is shorter than the overlap is joined to the passage before it.
    """
    start = 0
    while len(text) - start > longest + overlap:
        end = text.rfind(" ", start + longest // 2, start + longest + 1)
        if end < 0:
            end = start + longest
        yield start, end
        start = max(start + 1, end - overlap)
        space = text.find(" ", start, end)
        start = space + 1 if space >= 0 else end
    yield start, len(text)
