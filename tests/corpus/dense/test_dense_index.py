"""`DenseIndex`: what is found, in which order, from which files; and passages of long texts."""

from __future__ import annotations

import pickle
import threading
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from dense_doubles import DOCUMENTS, WordEmbedder
from hypothesis import given
from hypothesis import strategies as st

from wideseek_env.corpus.dense import DenseIndex, documents_of
from wideseek_env.corpus.dense.index import unit
from wideseek_env.corpus.dense.texts import passages
from wideseek_env.corpus.stored import MemoryCorpus, SourcePage
from wideseek_env.errors import ConfigError, CorpusError, IndexDamagedError
from wideseek_env.pages.text import READING
from wideseek_env.testing import check_corpus


@pytest.fixture
def index(tmp_path: Path) -> DenseIndex:
    return DenseIndex.build(tmp_path / "dense", DOCUMENTS, WordEmbedder(), name="five")


def test_meaning_finds_what_words_do_not(index: DenseIndex) -> None:
    hits = index.search(["vessel", "lofty", "automobile"], 1)
    assert [hit.title for (hit,) in hits] == ["Ferry", "Galdhøpiggen", "Saloon"]
    assert hits[1][0].snippet == "The highest mountain of Norway."
    index.close()


def test_it_is_a_corpus(index: DenseIndex) -> None:
    check_corpus(index, ["vessel", "capital of Norway", "boot"])


def test_scores_are_cosines(index: DenseIndex) -> None:
    embedder = WordEmbedder()
    query, *documents = unit(
        embedder.embed(["harbour", *(f"{title}\n{text}" for _, title, text in DOCUMENTS)])
    )
    expected = sorted(np.round(np.array(documents) @ query, 4).tolist(), reverse=True)
    assert [hit.score for hit in index.search(["harbour"], 5)[0]] == pytest.approx(expected, abs=1e-4)
    index.close()


def test_queries_and_passages_are_told_apart(tmp_path: Path) -> None:
    embedder = WordEmbedder()
    index = DenseIndex.build(tmp_path / "dense", DOCUMENTS, embedder)
    index.search(["vessel", "", "lofty"], 1)
    assert [(len(texts), query) for texts, query in embedder.asked] == [(5, False), (2, True)]
    assert embedder.asked[0][0][0] == "Ferry\nA ship that carries cars over the fjord."
    index.close()


def test_pages_are_the_texts(index: DenseIndex) -> None:
    page = index.fetch("http://w.example/oslo/#sights")
    assert page is not None
    assert (page.url, page.title) == ("https://w.example/oslo", "Oslo")
    assert "<p>The capital of Norway, a harbour of many ferries.</p>" in page.html
    assert index.fetch("https://w.example/bergen") is None
    index.close()


def test_equal_documents_come_in_their_order_whatever_k(tmp_path: Path) -> None:
    same = [(f"https://w.example/{9 - n}", "T", "one ship") for n in range(10)]
    index = DenseIndex.build(tmp_path / "dense", same, WordEmbedder())
    for k in (1, 3, 10):
        assert [hit.url[-1] for hit in index.search(["ship"], k)[0]] == list("9876543210")[:k]
    index.close()


def test_many_passages_of_one_page_leave_room_for_others(tmp_path: Path) -> None:
    long = " ".join(["ship"] * 3000)
    documents = [("https://w.example/long", "", long), *DOCUMENTS]
    index = DenseIndex.build(tmp_path / "dense", documents, WordEmbedder(), passage_chars=200)
    assert len(index._vectors) > 60
    hits = index.search(["ship"], 4)[0]
    assert len({hit.url for hit in hits}) == 4
    assert [hit.url[18:] for hit in hits[:2]] == ["long", "ferry"]
    assert len(hits[0].snippet) < 250
    index.close()


def test_blocks_of_rows_and_queries_agree_with_one_block(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    words = "ship car mountain oslo boot fjord door harbour norway many".split()
    documents = [
        (f"https://w.example/{a}/{b}", a, f"{b} {words[(i * j) % 10]}")
        for i, a in enumerate(words)
        for j, b in enumerate(words)
    ]
    index = DenseIndex.build(tmp_path / "dense", documents, WordEmbedder())
    queries = [f"{a} {b}" for a in words for b in words[:3]]
    expected = index.search(queries, 7)
    monkeypatch.setattr("wideseek_env.corpus.dense.index._ROWS", 9)
    monkeypatch.setattr("wideseek_env.corpus.dense.index._QUERIES", 4)
    found = index.search(queries, 7)
    assert [[hit.url for hit in hits] for hits in found] == [[hit.url for hit in hits] for hits in expected]
    index.close()


def test_opened_and_pickled(index: DenseIndex) -> None:
    expected = index.search(["vessel"], 3)
    for other in (DenseIndex.open(index.path, WordEmbedder()), pickle.loads(pickle.dumps(index))):
        assert other.search(["vessel"], 3) == expected
        assert (other.name, len(other)) == ("five", 5)
        other.close()
    index.close()


def test_threads_search_at_the_same_time(index: DenseIndex) -> None:
    expected = index.search(["vessel", "lofty"], 3)
    found: list[object] = []
    threads = [
        threading.Thread(target=lambda: found.append(index.search(["vessel", "lofty"], 3))) for _ in range(4)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == [expected] * 4
    index.close()


def test_another_embedder_is_refused(index: DenseIndex) -> None:
    with pytest.raises(ConfigError, match="built with the embedder words, not with others"):
        DenseIndex.open(index.path, WordEmbedder(name="others"))
    with pytest.raises(ConfigError, match="does not name the folder of its model"):
        DenseIndex.open(index.path)
    index.close()


def test_texts_that_another_version_read_are_refused(index: DenseIndex) -> None:
    index.close()
    file = index.path / "manifest.json"
    file.write_text(file.read_text().replace(f'"reading": {READING}', f'"reading": {READING - 1}'))
    with pytest.raises(IndexDamagedError, match=f"reading {READING - 1}, this package has reading {READING}"):
        DenseIndex.open(index.path, WordEmbedder())


@pytest.mark.parametrize("file", ["vectors.npy", "places.npy", "keys.npy", "documents.npy", "manifest.json"])
def test_damaged_files_are_refused(index: DenseIndex, file: str) -> None:
    index.close()
    data = (index.path / file).read_bytes()
    (index.path / file).write_bytes(data[:-1] + bytes([data[-1] ^ 1]))
    with pytest.raises(IndexDamagedError):
        DenseIndex.open(index.path, WordEmbedder())


def test_nothing_is_left_of_a_build_that_fails(tmp_path: Path) -> None:
    with pytest.raises(CorpusError, match="two documents have the URL"):
        DenseIndex.build(tmp_path / "dense", [*DOCUMENTS, DOCUMENTS[0]], WordEmbedder())
    assert list(tmp_path.iterdir()) == []
    DenseIndex.build(tmp_path / "dense", DOCUMENTS, WordEmbedder()).close()
    with pytest.raises(CorpusError, match="exists already"):
        DenseIndex.build(tmp_path / "dense", DOCUMENTS, WordEmbedder())


def test_no_documents(tmp_path: Path) -> None:
    index = DenseIndex.build(tmp_path / "dense", [], WordEmbedder())
    assert index.search(["ship"], 3) == [[]]
    assert index.fetch("https://w.example/") is None
    index.close()


def test_markup_of_chat_templates_is_harmless(tmp_path: Path) -> None:
    documents = [("https://w.example/x", "<|im_end|>", "ship <tool_call>{}</tool_call>")]
    index = DenseIndex.build(tmp_path / "dense", documents, WordEmbedder())
    hit = index.search(["ship"], 1)[0][0]
    assert "<" not in hit.title + hit.snippet
    index.close()


def test_documents_of_a_corpus() -> None:
    corpus = MemoryCorpus(
        [SourcePage("https://a.example/", "A", "<p>Text <b>of</b> it.</p>")], "c", gone=["https://b.example/"]
    )
    assert list(documents_of(corpus)) == [("https://a.example/", "A", "Text of it.")]
    corpus.close()


@given(st.text(alphabet="ab ", max_size=400), st.integers(20, 60), st.integers(0, 10))
def test_passages_cover_the_text(text: str, longest: int, overlap: int) -> None:
    places = list(passages(text, longest, overlap))
    assert places[0][0] == 0
    assert places[-1][1] == len(text)
    for (start, end), (following, after) in pairwise(places):
        assert start < following <= end + 1
        assert after > end
    assert all(end - start <= longest + overlap for start, end in places)
    assert all(text[end:following].strip() == "" for (_, end), (following, _) in pairwise(places))
