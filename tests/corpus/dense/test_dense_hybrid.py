"""`HybridCorpus`: ranks fused, and pages from the full-text corpus."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest
from dense_doubles import DOCUMENTS, WordEmbedder

from wideseek_env.corpus.base import Page, SearchHit
from wideseek_env.corpus.dense import DenseIndex, HybridCorpus
from wideseek_env.corpus.stored import MemoryCorpus, SourcePage
from wideseek_env.errors import ConfigError
from wideseek_env.testing import check_corpus


class Listed:
    """Gives the same results for every query that has a word."""

    blocking = False

    def __init__(self, name: str, *urls: str) -> None:
        self.name = name
        self.hits = [SearchHit(url, f"{name} {n}", name, 9.0 - n) for n, url in enumerate(urls)]
        self.closed = 0

    def search(self, queries: Sequence[str], k: int) -> list[list[SearchHit]]:
        return [self.hits[:k] if query.strip() else [] for query in queries]

    def fetch(self, url: str) -> Page | None:
        known = url in [hit.url for hit in self.hits]
        return Page(url, self.name, "<p>x</p>") if known else None

    def close(self) -> None:
        self.closed += 1


A, B, C, D = (f"https://w.example/{letter}" for letter in "abcd")


def test_reciprocal_rank_fusion() -> None:
    hybrid = HybridCorpus(Listed("words", A, B, C), Listed("vectors", C, D, B))
    hits = hybrid.search(["q"], 4)[0]
    assert [(hit.url, hit.title, hit.score) for hit in hits] == [
        (C, "words 2", round(1 / 63 + 1 / 61, 9)),
        (B, "words 1", round(1 / 62 + 1 / 63, 9)),
        (A, "words 0", round(1 / 61, 9)),
        (D, "vectors 1", round(1 / 62, 9)),
    ]
    assert hybrid.search(["q", ""], 2) == [hits[:2], []]


def test_variants_of_a_url_are_one_page() -> None:
    hits = HybridCorpus(Listed("words", A), Listed("vectors", "http://W.example/a/", B)).search(["q"], 5)[0]
    assert [(hit.url, hit.score) for hit in hits] == [(A, round(2 / 61, 9)), (B, round(1 / 62, 9))]


def test_weights_and_equal_scores() -> None:
    words, vectors = Listed("words", A, B), Listed("vectors", B, A)
    assert [hit.url for hit in HybridCorpus(words, vectors).search(["q"], 2)[0]] == [A, B]
    for weights, first in (((1.0, 0.5), A), ((0.5, 1.0), B), ((0.0, 1.0), B)):
        assert HybridCorpus(words, vectors, weights=weights).search(["q"], 1)[0][0].url == first


def test_pages_and_closing() -> None:
    words, vectors = Listed("words", A), Listed("vectors", A, B)
    hybrid = HybridCorpus(words, vectors)
    assert [getattr(hybrid.fetch(url), "title", None) for url in (A, B, C)] == ["words", "vectors", None]
    hybrid.close()
    assert (words.closed, vectors.closed) == (1, 1)
    assert hybrid.name == "hybrid(words+vectors)"


def test_fusion_of_real_indexes_is_a_corpus(tmp_path: Path) -> None:
    pages = [SourcePage(url, title, f"<h1>{title}</h1>", f"{title} {text}") for url, title, text in DOCUMENTS]
    hybrid = HybridCorpus(
        MemoryCorpus(pages, "words"), DenseIndex.build(tmp_path / "dense", DOCUMENTS, WordEmbedder())
    )
    assert hybrid.search(["vessel"], 1)[0][0].title == "Ferry"  # only the vectors know
    assert hybrid.search(["Galdhøpiggen"], 1)[0][0].title == "Galdhøpiggen"
    page = hybrid.fetch("https://w.example/oslo")
    assert page is not None
    assert page.html == "<h1>Oslo</h1>"
    check_corpus(hybrid, ["vessel", "capital of Norway"])


@pytest.mark.parametrize(
    "wrong", [{"rrf": 0}, {"depth": 0}, {"weights": (0.0, 0.0)}, {"weights": (1.0, -1.0)}]
)
def test_settings_that_make_no_sense(wrong: dict[str, object]) -> None:
    with pytest.raises(ConfigError):
        HybridCorpus(Listed("a"), Listed("b"), **wrong)  # type: ignore[arg-type]
