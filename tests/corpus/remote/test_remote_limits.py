"""Answers of a retrieval service that are too large, too slow or repeat the key."""

from __future__ import annotations

import gzip
import json
import pickle
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from typing import Any

import pytest
from key_forms import FORMS, KEY, traces
from remote_services import serving

from wideseek_env.corpus import remote, remote_exchange
from wideseek_env.corpus.remote import RemoteCorpus, RemoteError
from wideseek_env.errors import ConfigError
from wideseek_env.net.limits import Limits

TOKEN = "a8f5f167f44f4964e6c998dee827110c"


@contextmanager
def raw_service(answer: Callable[[socket.socket, threading.Event], None]) -> Iterator[str]:
    """A service that answers one request after another with `answer`. It ends when the event is set."""
    end = threading.Event()
    listener = socket.create_server(("127.0.0.1", 0))

    def serve() -> None:
        while not end.is_set():
            try:
                connection = listener.accept()[0]
            except OSError:
                return
            with closing(connection):
                try:
                    connection.recv(65_536)
                    answer(connection, end)
                except OSError:
                    pass

    thread = threading.Thread(target=serve)
    thread.start()
    try:
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"
    finally:
        end.set()
        listener.shutdown(socket.SHUT_RDWR)
        listener.close()
        thread.join()


@pytest.mark.parametrize(
    "head",
    [
        b"",
        b"HTTP/1.1 200 OK\r\nX: ",
        b"HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\n",
        b"HTTP/1.1 200 OK\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n",
    ],
    ids=["status", "header", "body", "body without length", "chunks"],
)
def test_an_answer_that_drips_ends_at_the_timeout(head: bytes) -> None:
    def drip(connection: socket.socket, end: threading.Event) -> None:
        connection.sendall(head)
        for _ in range(100):
            if end.wait(0.02):  # far below the time-out, which each byte resets
                break
            connection.sendall(b"1\r\n1\r\n" if b"chunked" in head else b"H" if not head else b" ")

    with raw_service(drip) as url:
        corpus = RemoteCorpus(url, timeout=0.2, retries=0)
        with pytest.raises(RemoteError, match=r"no answer within 0\.2 seconds"):
            corpus.search(["a"], 1)
        corpus.close()


def small(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(remote_exchange, "_LIMITS", Limits(body=100_000, unpacked=100_000))


def test_an_answer_of_too_many_values_is_refused_before_it_is_decoded(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(remote_exchange, "MOST_SIGNS", 1000)
    for value in ("[]", "{}", '""'):
        body = b'{"result":[[' + b",".join([value.encode()] * 1000) + b"]]}"
        with serving(lambda path, asked, body=body: (200, body, {})) as service:  # type: ignore[misc]
            corpus = RemoteCorpus(service.url, retries=0, timeout=5)
            with pytest.raises(RemoteError, match="ask for fewer results"):
                corpus.search(["a"], 1)
            corpus.close()


@pytest.mark.parametrize("packed", [True, False])
def test_an_answer_that_is_too_large_is_refused_at_once(
    monkeypatch: pytest.MonkeyPatch, packed: bool
) -> None:
    small(monkeypatch)
    body = b"[" + b" " * 1_000_000 + b"]"
    headers = {"Content-Encoding": "gzip"} if packed else {}
    with serving(lambda path, asked: (200, gzip.compress(body) if packed else body, headers)) as service:
        corpus = RemoteCorpus(service.url, retries=3, backoff=0.001)
        with pytest.raises(RemoteError, match=r"more than 32 MiB or .* ask for fewer results"):
            corpus.search(["a"], 1)
        corpus.close()
    assert len(service.asked) == 1


def test_a_packed_answer_is_read_and_connections_are_used_again() -> None:
    answer = gzip.compress(json.dumps({"result": [[{"id": "1", "contents": "Oslo"}]]}).encode())
    with serving(lambda path, asked: (200, answer, {"Content-Encoding": "gzip"})) as service:
        corpus = RemoteCorpus(service.url, timeout=5)
        for query in "abc":
            assert len(corpus.search([query], 1)[0]) == 1
        corpus.close()
    assert len(service.asked) == 3


def test_remembered_passages_are_bounded_in_bytes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(remote, "_REMEMBERED", 100_000)
    numbers = iter(range(1000))

    def answer(path: str, asked: Any) -> Any:
        if path != "/retrieve":
            return 404, {}, {}
        text = f"Page {next(numbers)}\n" + "x" * 30_000
        return 200, {"result": [[{"url": f"https://a.example/{text[:8].strip()}", "contents": text}]]}, {}

    with serving(answer) as service:
        corpus = RemoteCorpus(service.url, timeout=5)
        urls = [corpus.search([query], 1)[0][0].url for query in "abcdefgh"]
        assert corpus.fetch(urls[-1]) is not None
        assert corpus.fetch(urls[0]) is None
        assert 0 < corpus._seen.size <= 100_000
        again = pickle.loads(pickle.dumps(corpus))
        assert again._seen.items() == corpus._seen.items()
        corpus.close()
        again.close()


@pytest.mark.parametrize("form", FORMS.values(), ids=FORMS)
def test_a_repeated_key_is_hidden(monkeypatch: pytest.MonkeyPatch, form: str) -> None:
    monkeypatch.setenv("MY_KEY", KEY)
    hits = {"result": [[{"title": form, "url": "https://a.example/", "contents": f"It is {form}, yes"}]]}
    replies: list[Any] = [(200, hits, {}), (200, {"pages": [form]}, {}), (400, {"error": form}, {})]
    with serving(lambda path, asked: replies.pop(0)) as service:
        corpus = RemoteCorpus(service.url, key_variable="MY_KEY", timeout=5, retries=0)
        ((hit,),) = corpus.search(["a"], 1)
        page = corpus.fetch("https://a.example/")
        assert page is not None
        with pytest.raises(RemoteError) as caught:
            corpus.search(["a"], 1)
        corpus.close()
    assert traces("".join((hit.title, hit.snippet, page.html, str(caught.value)))) == []


def test_a_key_in_the_address() -> None:
    corpus = RemoteCorpus(f"127.0.0.1:9/{TOKEN}/", retries=0)
    with pytest.raises(RemoteError) as caught:
        corpus.search(["a"], 1)
    assert TOKEN not in str(caught.value) + repr(corpus) + corpus.name
    assert corpus.name != RemoteCorpus(f"127.0.0.1:9/{TOKEN}0/").name
    for tail in ("?sig=abc", "?k=abc", ";jwt=abc", "#token=abc", "?x=4eC39HqLyjWDarjtT1zdp7dc"):
        with pytest.raises(ConfigError, match="put the key into"):
            RemoteCorpus(f"http://node7:8000/wiki{tail}")
