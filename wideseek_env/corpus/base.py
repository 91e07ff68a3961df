"""What a corpus is: something that can be searched in batches and whose pages can be fetched by URL."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple, Protocol, runtime_checkable

from wideseek_env.reprs import short


class SearchHit(NamedTuple):
    """One search result: where it is, what it is called, the passage that matched, and its score."""

    url: str
    title: str
    snippet: str
    score: float


class FailedSearch(list[SearchHit]):
    """The empty result of a query whose search failed; `error` is a sentence for the agent."""

    def __init__(self, error: str) -> None:
        super().__init__()
        self.error = error

    def __reduce__(self) -> tuple[type[FailedSearch], tuple[str]]:
        return FailedSearch, (self.error,)


@dataclass(frozen=True, slots=True, repr=False)
class Page:
    """A page as a corpus holds it.

    `status` follows HTTP: 200 for a page, 410 for one that is gone. `error` says in a sentence why there is
    no content (empty when there is).
    """

    url: str
    title: str
    html: str
    status: int = 200
    error: str = ""

    def __repr__(self) -> str:
        return f"<Page {short(self.url)}: status {self.status}, {len(self.html)} characters, {short(self.title)}>"


@runtime_checkable
class Corpus(Protocol):
    """The protocol of every corpus: local, synthetic, remote or live.

    `name` identifies the corpus and its version in recorded runs (for example ``synthetic:seed=0,…``).
    `blocking` is True when calls wait for something other than this process's own processor (a network, a
    server): an executor then runs them on threads with time-outs; otherwise it calls them directly.
    """

    name: str
    blocking: bool

    def search(self, queries: Sequence[str], k: int) -> list[list[SearchHit]]:
        """The best `k` hits for each query, best first; one list a query, in the order given.

        Any string is a legal query; one without words gives an empty list. A query that could not be answered
        gives a `FailedSearch`, where the others of its batch were.
        """
        ...

    def fetch(self, url: str) -> Page | None:
        """The page at `url`, or None when this corpus has never heard of it."""
        ...

    def close(self) -> None:
        """Release files and connections; calling it twice is harmless."""
        ...
