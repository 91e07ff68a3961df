"""`QdrantIndex` on Qdrant's local mode: collections made here, and those that were there before."""

from __future__ import annotations

import pickle
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from dense_doubles import DOCUMENTS, WordEmbedder
from key_forms import FORMS, KEY, traces

from wideseek_env.corpus.dense import DenseIndex, QdrantFields, QdrantIndex
from wideseek_env.corpus.dense.index import unit
from wideseek_env.errors import ConfigError, CorpusError
from wideseek_env.testing import check_corpus

qdrant = pytest.importorskip("qdrant_client", reason="needs the extra qdrant")
models = qdrant.models


@pytest.fixture
def client() -> Iterator[Any]:
    opened = qdrant.QdrantClient(":memory:")
    yield opened
    opened.close()


def existing(client: Any, payloads: list[dict[str, Any]], texts: list[str], **params: Any) -> None:
    """A collection as someone else made it."""
    vectors = unit(WordEmbedder().embed(texts)).tolist()
    named = params.pop("named", None)
    facts = models.VectorParams(size=64, distance=params.pop("distance", models.Distance.COSINE))
    client.create_collection("theirs", vectors_config={named: facts} if named else facts)
    points = [
        models.PointStruct(id=number, vector={named: vector} if named else vector, payload=payload)
        for number, (vector, payload) in enumerate(zip(vectors, payloads, strict=True))
    ]
    client.upsert("theirs", points)


def test_a_collection_made_here_finds_what_the_dense_index_finds(tmp_path: Path) -> None:
    index = DenseIndex.build(tmp_path / "dense", DOCUMENTS[:4], WordEmbedder())
    made = QdrantIndex.build("ours", DOCUMENTS[:4], WordEmbedder(), location=":memory:")
    queries = ["vessel", "capital of Norway", "boot", ""]
    for theirs, ours in zip(made.search(queries, 3), index.search(queries, 3), strict=True):
        assert [hit[:3] for hit in theirs] == [hit[:3] for hit in ours]
        assert [hit.score for hit in theirs] == pytest.approx([hit.score for hit in ours], abs=2e-4)
    check_corpus(made, queries[:3])
    index.close()


def test_an_existing_collection_is_used_as_it_is(client: Any) -> None:
    contents = ['"Ferry"\nA ship that carries cars.', "Peak\nThe highest mountain."]
    payloads = [{"link": f"https://w.example/{n}", "contents": text} for n, text in enumerate(contents)]
    existing(client, payloads, contents, named="e5")
    fields = QdrantFields(url="link", title=None, text="contents")
    index = QdrantIndex("theirs", WordEmbedder(), client=client, fields=fields, vector="e5")
    (hit,) = index.search(["vessel"], 1)[0]
    assert hit[:3] == ("https://w.example/0", "Ferry", "A ship that carries cars.")
    page = index.fetch("https://w.example/1")
    assert page is not None
    assert page.title == "Peak"
    assert "The highest mountain." in page.html
    index.close()
    client.get_collections()  # the client is not ours to close


@pytest.mark.filterwarnings("ignore:Local mode performs exact")
def test_search_parameters_are_passed_on(client: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    existing(client, [{"url": "https://w.example/", "title": "x", "text": "x"}], ["x"])
    index = QdrantIndex("theirs", WordEmbedder(), client=client, search_params={"hnsw_ef": 256})
    asked: list[Any] = []
    real = client.query_batch_points
    monkeypatch.setattr(
        client, "query_batch_points", lambda name, requests: asked.extend(requests) or real(name, requests)
    )
    assert len(index.search(["x"], 1)[0]) == 1
    assert asked[0].params == models.SearchParams(hnsw_ef=256)


def test_points_of_one_page_are_one_result_and_one_page(client: Any) -> None:
    text = " ".join(f"ship{n % 7} number {n}" for n in range(400))
    documents = [("https://w.example/long", "Long", text), *DOCUMENTS]
    index = QdrantIndex.build("ours", documents, WordEmbedder(), client=client, passage_chars=200)
    assert client.count("ours").count > 20
    hits = index.search(["number ship"], 5)[0]
    assert len({hit.url for hit in hits}) == 5
    assert hits[0].title == "Long"
    page = index.fetch("https://w.example/long")
    assert page is not None
    assert f"<p>{text}</p>" in page.html  # the passages overlap, the page does not
    index.close()


def test_distances_become_scores(client: Any) -> None:
    texts = ["ship", "car", "ship car"]
    payloads = [
        {"url": f"https://w.example/{n}", "title": text, "text": text} for n, text in enumerate(texts)
    ]
    existing(client, payloads, texts, distance=models.Distance.EUCLID)
    index = QdrantIndex("theirs", WordEmbedder(), client=client)
    hits = index.search(["ship"], 3)[0]
    assert [hit.title for hit in hits] == ["ship", "ship car", "car"]
    assert hits[0].score == 0.0
    assert [hit.score for hit in hits] == sorted((hit.score for hit in hits), reverse=True)


def test_a_folder_of_local_mode_is_opened_again(tmp_path: Path) -> None:
    made = QdrantIndex.build("ours", DOCUMENTS, WordEmbedder(), path=tmp_path / "q")
    expected = made.search(["vessel"], 2)
    made.close()
    made.close()
    again = QdrantIndex("ours", WordEmbedder(), path=tmp_path / "q")
    assert again.search(["vessel"], 2) == expected
    data = pickle.dumps(again)
    again.close()
    third = pickle.loads(data)
    assert third.search(["vessel"], 2) == expected
    third.close()


def test_in_memory_it_cannot_be_pickled() -> None:
    made = QdrantIndex.build("ours", DOCUMENTS, WordEmbedder(), location=":memory:")
    with pytest.raises(TypeError, match="cannot be pickled"):
        pickle.dumps(made)
    made.close()


def test_mistakes_are_told(client: Any) -> None:
    existing(client, [{"contents": "x"}], ["x"], named="e5")
    with pytest.raises(CorpusError, match="no usable collection 'nothing'"):
        QdrantIndex("nothing", WordEmbedder(), client=client)
    with pytest.raises(ConfigError, match="have the vectors e5; say which"):
        QdrantIndex("theirs", WordEmbedder(), client=client)
    with pytest.raises(ConfigError, match="have 64 numbers, those of words 32"):
        QdrantIndex("theirs", WordEmbedder(32), client=client, vector="e5")
    index = QdrantIndex("theirs", WordEmbedder(), client=client, vector="e5")
    with pytest.raises(CorpusError, match="lack the payload fields 'url' and 'text'"):
        index.search(["x"], 1)
    with pytest.raises(ConfigError, match="by one of url, path, location and client"):
        QdrantIndex("theirs", WordEmbedder())
    with pytest.raises(CorpusError, match="has a collection"):
        QdrantIndex.build("theirs", DOCUMENTS, WordEmbedder(), client=client)


def test_no_server_there_and_no_key_in_the_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("QDRANT_API_KEY", "s3cret")
    with pytest.warns(UserWarning, match="insecure"), pytest.raises(CorpusError) as caught:
        QdrantIndex("x", WordEmbedder(), url="http://127.0.0.1:1")
    assert "no usable collection 'x'" in str(caught.value)
    assert "s3cret" not in str(caught.value)


def test_a_repeated_key_is_hidden(client: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("QDRANT_API_KEY", KEY)
    existing(
        client,
        [{"url": f"u{n}", "title": form, "text": form} for n, form in enumerate(FORMS.values())],
        list(FORMS),
    )
    index = QdrantIndex("theirs", WordEmbedder(), client=client)
    for hit in index.search(["json"], len(FORMS))[0]:
        page = index.fetch(hit.url)
        assert page is not None
        assert traces(hit.title + hit.snippet + page.title + page.html) == []

    def broken(*_: Any, **__: Any) -> None:
        raise RuntimeError(f"refused: {KEY}")

    monkeypatch.setattr(client, "scroll", broken)
    with pytest.raises(CorpusError, match=r"refused: \[key\]"):
        index.fetch("u1")
    with pytest.raises(ConfigError, match="the address of Qdrant has a key"):
        QdrantIndex("theirs", WordEmbedder(), url="http://localhost:6333/?api-key=abc")
