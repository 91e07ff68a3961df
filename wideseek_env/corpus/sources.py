"""What a corpus is built from: whole pages, passages of pages, and batches of both."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import islice
from typing import NamedTuple, Protocol

BATCH = 512
"""The number of pages or rows that one process prepares at a time."""


class SourcePage(NamedTuple):
    """A page to be added to a corpus.

    The index searches `text`. If `text` is None, the text is extracted from the HTML. `where` is the file and line of
    the page, for error messages.
    """

    url: str
    title: str
    html: str
    text: str | None = None
    where: str = ""


class Passage(NamedTuple):
    """A part of a page, as plain text.

    All passages with one URL are one page to `fetch`, and separate hits to `search`. They are ordered by `number`.
    Passages without a number are in the order of arrival.
    """

    url: str
    title: str
    text: str
    number: int | None = None


class Skipped:
    """Counts what was left out of a corpus, by kind, with the place of the first case."""

    def __init__(self) -> None:
        self._kinds: dict[str, tuple[int, str]] = {}

    def add(self, kind: str, where: str, count: int = 1) -> None:
        """Count `count` further cases. `where` is the file and line of the first of them."""
        known, first = self._kinds.get(kind, (0, where))
        self._kinds[kind] = (known + count, first)

    def update(self, other: Skipped) -> None:
        """Add the counts of `other`."""
        for kind, (count, where) in other._kinds.items():
            self.add(kind, where, count)

    @property
    def counts(self) -> dict[str, int]:
        """The number of cases of each kind, by name of the kind."""
        return {kind: count for kind, (count, _) in sorted(self._kinds.items())}

    def __str__(self) -> str:
        """All kinds in one line, for example "2 empty lines (first: a.jsonl:7)"."""
        return ", ".join(
            f"{count:,} {kind}{f' (first: {where})' if where else ''}"
            for kind, (count, where) in sorted(self._kinds.items())
        )


class Batch(Protocol):
    """Some input that one process turns into pages. It can be pickled."""

    def pages(self, skipped: Skipped) -> Iterator[SourcePage | Passage]:
        """The pages and passages of this batch. What is left out is counted in `skipped`."""
        ...


class PageBatch(NamedTuple):
    """Pages that exist already."""

    held: list[SourcePage | Passage]

    def pages(self, skipped: Skipped) -> Iterator[SourcePage | Passage]:
        return iter(self.held)


def batches_of(pages: Iterable[SourcePage | Passage]) -> Iterator[Batch]:
    """The pages in batches. If `pages` has a method `batches`, as `PageFiles` has, the batches are read from it."""
    own = getattr(pages, "batches", None)
    if own is not None:
        yield from own()
        return
    stream = iter(pages)
    while held := list(islice(stream, BATCH)):
        yield PageBatch(held)
