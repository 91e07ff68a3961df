"""`HybridCorpus`: full-text and dense results fused by rank, pages from the full-text corpus."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from wideseek_env.corpus.base import Corpus, Page, SearchHit
from wideseek_env.corpus.dense.index import check_search
from wideseek_env.corpus.urls import url_key
from wideseek_env.errors import ConfigError
from wideseek_env.reprs import short

RRF = 60
"""The constant of reciprocal-rank fusion (Cormack, Clarke and Büttcher, SIGIR 2009)."""

DEPTH = 50
"""Results of either search that are fused."""


class HybridCorpus:
    """A `Corpus` over two others; closing it closes both.

    A page scores the sum over both searches of weight / (`rrf` + rank), ranks from 1, and nothing from a search
    that did not find it among its best `depth`. Pages are the same when their URLs are trivial variants of each
    other; title, snippet and URL are the full-text search's where it found the page. Equal scores are settled
    by the full-text rank, then by the dense one.

    Args:
        lexical: The full-text corpus; every page is fetched from it.
        dense: `DenseIndex`, `QdrantIndex`, or any other corpus.
        rrf: Constant of the fusion; greater ones make ranks count more alike.
        depth: Results of either search that are fused; k results need no fewer.
        weights: Of the full-text and of the dense search.
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
        check_search(queries, k)
        depth = max(self._depth, k)
        nothing: list[list[SearchHit]] = [[] for _ in queries]
        lexical = self.lexical.search(queries, depth) if self._weights[0] else nothing
        dense = self.dense.search(queries, depth) if self._weights[1] else nothing
        return [self._fuse(*hits, k) for hits in zip(lexical, dense, strict=True)]

    def _fuse(self, lexical: Sequence[SearchHit], dense: Sequence[SearchHit], k: int) -> list[SearchHit]:
        shown: dict[str, SearchHit] = {}
        scores: dict[str, float] = {}
        for hits, weight in zip((lexical, dense), self._weights, strict=True):
            for key, rank in _ranks(hits).items():
                shown.setdefault(key, hits[rank - 1])
                scores[key] = scores.get(key, 0.0) + weight / (self._rrf + rank)
        # Sorting is stable and `scores` is in the order that settles equal ones.
        best = sorted(scores, key=lambda key: -round(scores[key], 9))[:k]
        return [shown[key]._replace(score=round(scores[key], 9)) for key in best]

    def fetch(self, url: str) -> Page | None:
        """The page at `url` as the full-text corpus has it; the dense one's where that does not know it."""
        page = self.lexical.fetch(url)
        return page if page is not None else self.dense.fetch(url)

    def close(self) -> None:
        """Close both corpora; calling it twice is harmless."""
        self.lexical.close()
        self.dense.close()

    def __copy__(self) -> HybridCorpus:
        return self

    def __deepcopy__(self, memo: dict[int, Any]) -> HybridCorpus:
        return self  # nothing about it can change

    def __repr__(self) -> str:
        return f"HybridCorpus({short(self.lexical)}, {short(self.dense)})"


def _ranks(hits: Sequence[SearchHit]) -> dict[str, int]:
    """The rank of each page by its key, from 1; the better one where two results are variants of one URL."""
    ranks: dict[str, int] = {}
    for rank, hit in enumerate(hits, 1):
        ranks.setdefault(url_key(hit.url), rank)
    return ranks
