"""The interface of a corpus: it answers searches in batches and returns pages by URL."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple, Protocol, runtime_checkable

from wideseek_env.reprs import short


class SearchHit(NamedTuple):
    """One search result: its URL, its title, the passage that matched and its score."""

    url: str
    title: str
    snippet: str
    score: float


class FailedSearch(list[SearchHit]):
    """The empty result of a query whose search failed. `error` is a sentence for the agent."""

    def __init__(self, error: str) -> None:
        super().__init__()
        self.error = error

    def __reduce__(self) -> tuple[type[FailedSearch], tuple[str]]:
        return FailedSearch, (self.error,)


@dataclass(frozen=True, slots=True, repr=False)
class Page:
    """A page of a corpus.

    `status` follows HTTP: 200 for a page, 410 for a page that is gone. `error` is a sentence with the reason why the
    page has no content. If the page has content, `error` is empty.
    """

    url: str
    title: str
    html: str
    status: int = 200
    error: str = ""

    def __repr__(self) -> str:
        return (
            f"Page({short(self.url)}, {short(self.title)}, {len(self.html)} characters, status={self.status})"
        )


@runtime_checkable
class Corpus(Protocol):
    """The protocol of every corpus: local, synthetic, remote or live.

    `name` identifies the corpus and its version in recorded runs, for example ``synthetic:seed=0,…``. `blocking` is It
    is True when calls wait for something outside this process, such as a network or a server. An executor then runs the
    calls on threads with timeouts. Otherwise the executor calls the corpus directly.
    """

    name: str
    blocking: bool

    def search(self, queries: Sequence[str], k: int) -> list[list[SearchHit]]:
        """The best `k` hits for each query, best first: one list per query, in the same order.

        Any string is a legal query. A query without words gives an empty list. If the search for a query fails, the
        result has a `FailedSearch` in the position of that query.
        """
        ...

    def fetch(self, url: str) -> Page | None:
        """The page at `url`, or None when the corpus does not know this URL."""
        ...

    def close(self) -> None:
        """Release files and connections. A second call does no harm."""
        ...
