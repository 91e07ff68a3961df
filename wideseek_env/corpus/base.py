"""The interface of a corpus: it answers searches in batches and returns pages by URL.

A `PassageCorpus` can also show longer passages in its search results. `search_passages` uses this where it exists.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple, Protocol, runtime_checkable

from wideseek_env.errors import ConfigError
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

    `name` identifies the corpus and its version in recorded runs, for example ``synthetic:seed=0,…``. `blocking` True
    when calls wait for something outside this process, such as a network or a server. An executor then runs the
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


@runtime_checkable
class PassageCorpus(Corpus, Protocol):
    """A corpus that shows passages of a chosen length in its search results. All corpora of this package do."""

    def search_passages(self, queries: Sequence[str], k: int, chars: int) -> list[list[SearchHit]]:
        """Like `search`, but the snippet of a hit has up to `chars` characters of the passage, at least 1."""
        ...


def search_passages(
    corpus: Corpus, queries: Sequence[str], k: int, chars: int | None
) -> list[list[SearchHit]]:
    """Search with passages of up to `chars` characters. None means the length that the corpus shows by itself.

    If the corpus is no `PassageCorpus`, its snippets are cut to this length.
    """
    if chars is None:
        return corpus.search(queries, k)
    if isinstance(corpus, PassageCorpus):
        return corpus.search_passages(queries, k, chars)
    return [cut_hits(hits, chars) for hits in corpus.search(queries, k)]


def cut_hits(hits: list[SearchHit], chars: int) -> list[SearchHit]:
    """The hits with the first `chars` characters of their snippets. A `FailedSearch` stays as it is."""
    if isinstance(hits, FailedSearch):
        return hits
    return [hit if len(hit.snippet) <= chars else hit._replace(snippet=hit.snippet[:chars]) for hit in hits]


def check_chars(chars: int) -> None:
    """Raise `ConfigError` when the length of a passage is less than 1."""
    if chars < 1:
        raise ConfigError(f"a passage must have at least 1 character, not {chars}")
