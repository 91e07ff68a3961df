"""`RemoteCorpus` against services that answer well, badly, late or not at all."""

from __future__ import annotations

import pickle
import threading
from pathlib import Path
from typing import Any

import pytest
from remote_services import Answer, serving

from wideseek_env.corpus.remote import CLIENT_HEADER, RemoteCorpus, RemoteError
from wideseek_env.corpus.remote_shapes import NAMELESS
from wideseek_env.errors import ConfigError
from wideseek_env.messages import ToolCall
from wideseek_env.tools.executor import CorpusTools


def found(*contents: str) -> Answer:
    return 200, {"result": [[{"id": str(n), "contents": text} for n, text in enumerate(contents)]]}, {}


def quick(url: str, **settings: Any) -> RemoteCorpus:
    return RemoteCorpus(url, **{"backoff": 0.001, "timeout": 5.0, **settings})


def test_what_is_sent() -> None:
    with serving(lambda path, body: (200, {"result": [[] for _ in body["queries"]]}, {})) as service:
        corpus = quick(service.url + "/retrieve", batch=2, query_chars=10, fields={"pool": "wiki"})
        assert corpus.search(["a", "", "b", "a", "word " * 100, "\ud800x"], 3) == [[]] * 6
        corpus.close()
    bodies = [body for _, body, _ in service.asked]
    assert bodies == [
        {"pool": "wiki", "queries": ["a", "b"], "topk": 3, "return_scores": True},
        {"pool": "wiki", "queries": ["word word ", "\ufffdx"], "topk": 3, "return_scores": True},
    ]
    assert {path for path, _, _ in service.asked} == {"/retrieve"}
    assert all(CLIENT_HEADER in headers for _, _, headers in service.asked)


def test_search_r1_passages_without_urls_can_be_opened() -> None:
    with serving(lambda path, body: found('"Oslo"\nOslo is the capital.', '"Bergen"\nRain.')) as service:
        corpus = quick(service.url)
        hits = corpus.search(["capital"], 3)[0]
        assert [(hit.title, hit.snippet) for hit in hits] == [
            ("Oslo", "Oslo is the capital."),
            ("Bergen", "Rain."),
        ]
        assert [hit.score for hit in hits] == [1.0, 0.5]  # the server gave none
        page = corpus.fetch(hits[1].url)
        assert page is not None
        assert "<p>Rain.</p>" in page.html
        assert corpus.fetch(f"{NAMELESS}99") is None
        corpus.close()
    assert len(service.asked) == 1


def test_a_server_without_access_gives_what_was_found() -> None:
    def answer(path: str, body: Any) -> Answer:
        if path == "/access":
            return 404, {"detail": "Not Found"}, {}
        return 200, {"result": [[{"url": "https://w.example/a", "contents": "A\nThe letter."}]]}, {}

    with serving(answer) as service:
        corpus = quick(service.url)
        assert corpus.fetch("https://w.example/a") is None
        corpus.search(["letter"], 1)
        page = corpus.fetch("http://w.example/a#top")
        assert page is not None
        assert "The letter." in page.html
        corpus.close()
    assert [path for path, _, _ in service.asked] == ["/access", "/retrieve"]


def test_passages_of_one_page_are_one_result_and_distances_become_ranks() -> None:
    documents = [("u1", 0.1), ("u2", 0.2), ("u1", 0.3), ("u3", 0.4)]
    items = [
        {"document": {"url": f"https://w.example/{u}", "contents": "T\nx"}, "score": s} for u, s in documents
    ]
    with serving(lambda path, body: (200, {"result": [items]}, {})) as service:
        corpus = quick(service.url)
        hits = corpus.search(["x"], 2)[0]
        assert [(hit.url[-2:], hit.score) for hit in hits] == [("u1", 1.0), ("u2", 0.5)]
        corpus.close()


def test_busy_and_broken_servers_are_asked_again() -> None:
    troubles: list[Answer | None] = [
        None,
        (503, {"error": "busy"}, {"Retry-After": "0"}),
        (500, b"oops", {}),
        found("A\nb"),
    ]
    with serving(lambda path, body: troubles.pop(0)) as service:
        corpus = quick(service.url, retries=3)
        assert [hit.title for hit in corpus.search(["b"], 3)[0]] == ["A"]
        corpus.close()
    assert len(service.asked) == 4


def test_a_server_that_stays_broken_is_given_up() -> None:
    with serving(lambda path, body: (503, {"error": "busy"}, {})) as service:
        corpus = quick(service.url, retries=2)
        with pytest.raises(
            RemoteError, match=r"failed after 3 attempts: it answered with status 503 \(busy\)"
        ):
            corpus.search(["a"], 1)
        corpus.close()
    assert len(service.asked) == 3


def test_a_server_that_never_answers() -> None:
    release = threading.Event()

    def answer(path: str, body: Any) -> Answer | None:
        release.wait(10)
        return None

    with serving(answer) as service:
        corpus = quick(service.url, retries=0, timeout=0.05)
        with pytest.raises(RemoteError, match=r"failed after one attempt: no answer within 0\.05 seconds"):
            corpus.search(["a"], 1)
        release.set()
        corpus.close()


def test_nobody_there() -> None:
    with serving(lambda path, body: None) as service:
        pass
    corpus = quick(service.url, retries=1)
    with pytest.raises(RemoteError, match="the connection failed"):
        corpus.fetch("https://w.example/")
    corpus.close()


@pytest.mark.parametrize(
    ("answer", "message"),
    [
        ((422, {"error": "topk must be from 1 to 100"}, {}), "refused: status 422 .topk must be"),
        ((302, b"", {"Location": "http://127.0.0.1:1/"}), "refused: status 302"),
        ((404, b"", {}), "has no /retrieve"),
        ((200, b"<html>", {}), "unknown form"),
        ((200, {"result": [[], []]}, {}), "1 queries got 2 lists"),
    ],
)
def test_answers_that_are_not_asked_for_again(answer: Answer, message: str) -> None:
    with serving(lambda path, body: answer) as service:
        corpus = quick(service.url)
        with pytest.raises(RemoteError, match=message):
            corpus.search(["a"], 1)
        corpus.close()
    assert len(service.asked) == 1


def test_the_key_is_sent_and_never_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MY_KEY", "secret-123")
    replies: list[Answer] = [(401, {"error": "not secret-123"}, {}), (400, {"error": "no: secret-123"}, {})]
    with serving(lambda path, body: replies.pop(0)) as service:
        corpus = quick(service.url, key_variable="MY_KEY")
        for message in ("environment variable MY_KEY", "refused"):
            with pytest.raises(RemoteError, match=message) as caught:
                corpus.search(["a"], 1)
            assert "secret-123" not in str(caught.value)
        assert "secret-123" not in repr(corpus) + corpus.name + pickle.dumps(corpus).decode("latin-1")
        corpus.close()
    assert service.asked[0][2]["Authorization"] == "Bearer secret-123"


@pytest.mark.parametrize(
    "address", ["ftp://a.example", "http://", "http://user:word@a.example", "https://:@a.example"]
)
def test_addresses_that_are_refused(address: str) -> None:
    with pytest.raises(ConfigError) as caught:
        RemoteCorpus(address)
    assert "word" not in str(caught.value)


def test_an_executor_turns_failures_into_results() -> None:
    with serving(lambda path, body: (500, b"", {})) as service:
        corpus = quick(service.url, retries=0)
        tools = CorpusTools(corpus)
        (result,) = tools.run([ToolCall("c", "lead", "search", {"query": "a", "count": 3})])
        corpus.close()
    assert not result.ok
    assert "failed after one attempt" in result.text


def test_pickled_and_named(tmp_path: Path) -> None:
    corpus = RemoteCorpus("node7:8000/wiki/", retries=7)
    assert corpus.name == "remote:node7:8000/wiki"
    again = pickle.loads(pickle.dumps(corpus))
    assert (again.base_url, again.name, again._settings) == (corpus.base_url, corpus.name, corpus._settings)
    corpus.close()
    corpus.close()
    again.close()
