"""`HybridCorpus`: fuses the results of full-text and dense search by rank. Pages are from the full-text corpus."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from wideseek_env.corpus.base import Corpus, Page, SearchHit, check_chars, search_passages
from wideseek_env.corpus.dense.index import check_search
from wideseek_env.corpus.urls import url_key
from wideseek_env.errors import ConfigError
from wideseek_env.reprs import short

RRF = 60
"""The constant of reciprocal-rank fusion (Cormack, Clarke and Büttcher, SIGIR 2009)."""

DEPTH = 50
"""The default number of results from each search that are fused."""


class HybridCorpus:
    """A `Corpus` that fuses the results of two other corpora. Closing it closes both corpora.

    The score of a page is the sum of weight / (`rrf` + rank) over both searches, with ranks from 1. A search adds
    nothing to the score if the page is not among its best `depth` results. Two URLs are the same page when they are
    trivial variants of each other. If the full-text search found the page, the title, snippet and URL of the result are
    from that search. Equal scores are ordered by the full-text rank, then by the dense rank.

    Args:
        lexical: The full-text corpus. Every page is fetched from it.
        dense: A `DenseIndex`, a `QdrantIndex`, or any other corpus.
        rrf: The constant of the fusion. With a greater constant, the difference between a high and a low rank is
            smaller.
        depth: The number of results from each search that are fused. A search for k > `depth` results fuses k results
            from each.
        weights: The weights of the full-text search and of the dense search.
        name: The name in recorded runs. By default it is made from the names of both corpora.
    """

    def __init__(
        self,
        lexical: Corpus,
        dense: Corpus,
        *,
        rrf: float = RRF,
        depth: int = DEPTH,
        weights: tuple[float, float] = (1.0, 1.0),
        name: str | None = None,
    ) -> None:
        if rrf <= 0 or depth < 1 or min(weights) < 0 or max(weights) <= 0:
            raise ConfigError(
                "HybridCorpus needs rrf above 0, depth of at least 1, and weights of 0 or more, not both 0"
            )
        self.lexical, self.dense = lexical, dense
        self.blocking = lexical.blocking or dense.blocking
        self._rrf, self._depth, self._weights = rrf, depth, weights
        self.name = name or f"hybrid({lexical.name}+{dense.name})"

    def search(self, queries: Sequence[str], k: int) -> list[list[SearchHit]]:
        """The best `k` pages for each query by fused rank. Raises `ConfigError` when k is less than 1."""
        return self._search(queries, k, None)

    def search_passages(self, queries: Sequence[str], k: int, chars: int) -> list[list[SearchHit]]:
        """Like `search`, with snippets of up to `chars` characters from the corpus that found the page."""
        check_chars(chars)
        return self._search(queries, k, chars)

    def _search(self, queries: Sequence[str], k: int, chars: int | None) -> list[list[SearchHit]]:
        check_search(queries, k)
        depth = max(self._depth, k)
        nothing: list[list[SearchHit]] = [[] for _ in queries]
        lexical = search_passages(self.lexical, queries, depth, chars) if self._weights[0] else nothing
        dense = search_passages(self.dense, queries, depth, chars) if self._weights[1] else nothing
        return [self._fuse(*hits, k) for hits in zip(lexical, dense, strict=True)]

    def _fuse(self, lexical: Sequence[SearchHit], dense: Sequence[SearchHit], k: int) -> list[SearchHit]:
        shown: dict[str, SearchHit] = {}
        scores: dict[str, float] = {}
        for hits, weight in zip((lexical, dense), self._weights, strict=True):
            for key, rank in _ranks(hits).items():
                shown.setdefault(key, hits[rank - 1])
                scores[key] = scores.get(key, 0.0) + weight / (self._rrf + rank)
        # Sorting is stable, and `scores` is already in the order in which equal scores are ranked.
        best = sorted(scores, key=lambda key: -round(scores[key], 9))[:k]
        return [shown[key]._replace(score=round(scores[key], 9)) for key in best]

    def fetch(self, url: str) -> Page | None:
        """The page at `url` from the full-text corpus, or else from the dense one."""
        page = self.lexical.fetch(url)
        return page if page is not None else self.dense.fetch(url)

    def close(self) -> None:
        """Close both corpora. A second call does no harm."""
        self.lexical.close()
        self.dense.close()

    def __copy__(self) -> HybridCorpus:
        return self

    def __deepcopy__(self, memo: dict[int, Any]) -> HybridCorpus:
        return self  # it cannot change

    def __repr__(self) -> str:
        return f"HybridCorpus({short(self.lexical)}, {short(self.dense)})"


def _ranks(hits: Sequence[SearchHit]) -> dict[str, int]:
    """The rank of each page by its key, from 1. If two results are variants of one URL, the better rank is used."""
    ranks: dict[str, int] = {}
    for rank, hit in enumerate(hits, 1):
        ranks.setdefault(url_key(hit.url), rank)
    return ranks
