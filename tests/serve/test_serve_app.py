"""The service, asked in process: what each client gets, what is refused, what is counted."""

from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import Iterator
from typing import Any

import pytest
from serve_pages import GONE, corpus

from wideseek_env.corpus.base import Page, SearchHit
from wideseek_env.corpus.remote import CLIENT_HEADER
from wideseek_env.errors import ConfigError
from wideseek_env.serve.settings import ServeSettings
from wideseek_env.timeouts import check_time

pytest.importorskip("fastapi", reason="needs the extra serve")
httpx = pytest.importorskip("httpx", reason="needs httpx to ask the application without a network")

from wideseek_env.serve.app import create_app  # noqa: E402

OURS = {CLIENT_HEADER: "1"}


class Client:
    """Asks an application without a network."""

    def __init__(self, app: Any) -> None:
        self.app = app

    def __call__(
        self, method: str, path: str, body: Any = None, headers: dict[str, str] | None = None
    ) -> Any:
        return self.all([(method, path, body, headers)])[0]

    def all(self, asked: list[tuple[str, str, Any, dict[str, str] | None]]) -> list[Any]:
        """Ask everything at the same time."""

        async def run() -> list[Any]:
            transport = httpx.ASGITransport(self.app, raise_app_exceptions=False)
            async with httpx.AsyncClient(transport=transport, base_url="http://t") as client:
                return await asyncio.gather(*(self._one(client, *one) for one in asked))

        return asyncio.run(run())

    @staticmethod
    async def _one(client: Any, method: str, path: str, body: Any, headers: dict[str, str] | None) -> Any:
        content = body if isinstance(body, bytes) or body is None else json.dumps(body).encode()
        declared = {} if body is None else {"content-type": "application/json"}
        return await client.request(method, path, content=content, headers={**declared, **(headers or {})})

    def metrics(self) -> dict[str, float]:
        lines = self("GET", "/metrics").text.splitlines()
        return {line.rpartition(" ")[0]: float(line.rpartition(" ")[2]) for line in lines if line[0] != "#"}


@pytest.fixture(scope="module")
def ask() -> Iterator[Client]:
    held = corpus()
    yield Client(create_app(held))
    held.close()


def test_search_r1_gets_documents_with_scores(ask: Client) -> None:
    answer = ask(
        "POST", "/retrieve", {"queries": ["Museum 3", "no such thing"], "topk": 2, "return_scores": True}
    )
    assert answer.status_code == 200
    first, second = answer.json()["result"]
    assert first[0]["document"]["contents"].split("\n")[0] == "Museum 3"
    assert first[0]["score"] >= first[1]["score"]
    assert second == []


def test_asearcher_and_rlinf_get_contents_and_urls(ask: Client) -> None:
    # The fields that their clients read, with the request that they send.
    answer = ask("POST", "/retrieve", {"queries": ["Museum 3"], "topk": 3, "return_scores": False}).json()
    (result,) = answer["result"]
    assert result[0]["url"] == "https://w.example/m3"
    assert "Opened by clerk 3." in result[0]["contents"]
    page, missing, gone = ask(
        "POST", "/access", {"urls": ["https://w.example/m3", "https://x.example/", GONE]}
    ).json()["result"]
    assert missing is None
    assert gone is None
    assert page["url"] == "https://w.example/m3"
    assert "# Museum 3" in page["contents"]
    assert "| 1874 |" in page["contents"]


def test_our_own_client_gets_html_snippets_and_status(ask: Client) -> None:
    (items,) = ask("POST", "/retrieve", {"queries": "Zürich", "return_scores": True}, OURS).json()["result"]
    assert items[0]["document"]["snippet"] == "河流的长度 and clerk"
    page, gone = ask("POST", "/access", {"urls": ["https://w.example/m3", GONE]}, OURS).json()["result"]
    assert page["html"].startswith("<h1>")
    assert (gone["status"], gone["html"]) == (410, "")


def test_whole_passages_where_they_are_wanted() -> None:
    held = corpus()
    client = Client(create_app(held, ServeSettings(passage_chars=20)))
    (documents,) = client("POST", "/retrieve", {"queries": ["Museum 3"], "topk": 1}).json()["result"]
    assert documents[0]["contents"] == "Museum 3\nMuseum 3 Opened by c"
    held.close()


def test_the_default_number_of_results(ask: Client) -> None:
    for body in (
        {"queries": ["museum"]},
        {"queries": ["museum"], "topk": None},
        {"queries": ["museum"], "topk": 0},
    ):
        assert [len(hits) for hits in ask("POST", "/retrieve", body).json()["result"]] == [3]
    assert ask("POST", "/retrieve", {"queries": []}).json() == {"result": []}


LIMITS = ServeSettings(max_k=5, max_queries=2, max_urls=1, max_query_chars=10, max_body_bytes=300)


@pytest.mark.parametrize(
    ("path", "body", "status", "says"),
    [
        ("/retrieve", b"{", 400, "not JSON"),
        ("/retrieve", b"\xff\xfe", 400, "not JSON"),
        ("/retrieve", b"", 422, "required"),
        ("/retrieve", {}, 422, "queries: Field required"),
        ("/retrieve", [], 422, "dictionary"),
        ("/retrieve", {"queries": [1]}, 422, "queries.0: Input should be a valid string"),
        ("/retrieve", {"queries": {"a": 1}}, 422, "queries: Input should be a valid list"),
        ("/retrieve", {"queries": ["a"], "topk": "many"}, 422, "topk: "),
        ("/retrieve", {"queries": ["a"], "topk": 6}, 422, "from 1 to 5, not 6"),
        ("/retrieve", {"queries": ["a"], "topk": -1}, 422, "from 1 to 5, not -1"),
        ("/retrieve", {"queries": ["a", "b", "c"]}, 413, "3 queries are too many: at most 2"),
        ("/retrieve", {"queries": ["a", "b" * 11]}, 422, "queries[1] has 11 characters"),
        ("/retrieve", {"queries": ["a"], "more": "x" * 300}, 413, "longer than 300 bytes"),
        ("/access", {"urls": ["a", "b"]}, 413, "2 urls are too many"),
        ("/access", {}, 422, "urls: Field required"),
        ("/nothing", {}, 404, "Not Found"),
    ],
)
def test_what_is_refused(path: str, body: Any, status: int, says: str) -> None:
    held = corpus()
    answer = Client(create_app(held, LIMITS))("POST", path, body)
    held.close()
    assert answer.status_code == status
    assert says in answer.json()["error"]


def test_a_body_without_declared_length_is_limited_too() -> None:
    held = corpus()
    app = create_app(held, LIMITS)
    sent: list[dict[str, Any]] = []
    chunks = 0

    async def receive() -> dict[str, Any]:
        nonlocal chunks
        chunks += 1
        return {"type": "http.request", "body": b"x" * 100, "more_body": True}

    async def send(message: Any) -> None:
        sent.append(message)

    scope = {"type": "http", "method": "POST", "path": "/retrieve", "headers": [], "query_string": b""}
    asyncio.run(app(scope, receive, send))
    held.close()
    assert sent[0]["status"] == 413
    assert chunks == 4


def test_any_text_is_a_legal_query(ask: Client) -> None:
    body = b'{"queries": ["\\ud800 museum", "title:(", ""], "topk": 1}'
    answer = ask("POST", "/retrieve", body)
    assert answer.status_code in (200, 400, 422)
    odd = ask("POST", "/retrieve", {"queries": ["title:(", "", "\x00", "🗺" * 50], "topk": 1})
    assert odd.status_code == 200
    assert ask("POST", "/access", {"urls": ["", "javascript:x", "\x00"]}).json() == {"result": [None] * 3}


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({}, 401),
        ({"Authorization": "Bearer wrong"}, 401),
        ({"Authorization": "Bearer s3cret-"}, 401),
        ({"Authorization": "Basic s3cret"}, 401),
        ({"X-API-Key": ""}, 401),
        ({"X-API-Key": "s3cret"}, 200),
        ({"Authorization": "bearer s3cret"}, 200),
    ],
)
def test_the_key(monkeypatch: pytest.MonkeyPatch, headers: dict[str, str], status: int) -> None:
    monkeypatch.setenv("WIDESEEK_SERVE_KEY", "s3cret")
    held = corpus()
    client = Client(create_app(held))
    for method, path, body in (
        ("POST", "/retrieve", {"queries": ["a"]}),
        ("GET", "/metrics", None),
        ("GET", "/x", None),
    ):
        answer = client(method, path, body, headers)
        assert answer.status_code == (404 if (path, status) == ("/x", 200) else status)
        assert "s3cret" not in answer.text
    assert client("GET", "/health").status_code == 200
    held.close()


def test_a_required_key(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("OTHER", raising=False)
    with pytest.raises(ConfigError, match="environment variable OTHER"):
        create_app(corpus(), ServeSettings(key_variable="OTHER", require_key=True))


@pytest.mark.parametrize(
    "wrong", [{"max_k": 0}, {"timeout": 0}, {"threads": -1}, {"default_k": 200}, {"grace": -1}]
)
def test_limits_that_make_no_sense(wrong: dict[str, Any]) -> None:
    with pytest.raises(ConfigError):
        ServeSettings(**wrong)


class Slow:
    """A corpus that waits until it is told to go on, or fails."""

    name, blocking = "slow", True

    def __init__(self) -> None:
        self.go = threading.Event()
        self.began = threading.Semaphore(0)

    def search(self, queries: list[str], k: int) -> list[list[SearchHit]]:
        self.began.release()
        self.go.wait(10)
        return [[] for _ in queries]

    def fetch(self, url: str) -> Page | None:
        raise RuntimeError("the path /private is damaged")

    def close(self) -> None:
        pass


def test_more_requests_than_may_be_under_way() -> None:
    slow = Slow()
    client = Client(create_app(slow, ServeSettings(max_in_flight=2, threads=2)))
    search = ("POST", "/retrieve", {"queries": ["a"]}, None)

    def let_go() -> None:
        for _ in range(2):
            slow.began.acquire()
        slow.go.set()

    thread = threading.Thread(target=let_go)
    thread.start()
    answers = client.all([search] * 5)
    thread.join()
    assert sorted(answer.status_code for answer in answers) == [200, 200, 503, 503, 503]
    assert {answer.headers["retry-after"] for answer in answers if answer.status_code == 503} == {"1"}
    counted = client.metrics()
    assert counted['wideseek_requests_total{path="/retrieve",status="503"}'] == 3
    assert counted["wideseek_in_flight"] == 1  # the one that asks


def test_a_corpus_that_takes_too_long() -> None:
    slow = Slow()
    client = Client(create_app(slow, ServeSettings(timeout=0.01)))
    answer = client("POST", "/retrieve", {"queries": ["a"]})
    slow.go.set()
    assert (answer.status_code, answer.json()["error"]) == (504, "no answer within 0.01 seconds")


class Endless(Slow):
    """Pages take forever, as far as the time limit lets them. The page at `/short` does not."""

    def fetch(self, url: str) -> Page | None:
        for _ in range(0 if url.endswith("/short") else 20_000_000):
            check_time()
        return Page(url, "Short", "<p>short</p>")


def test_a_page_that_takes_too_long_frees_its_thread() -> None:
    client = Client(create_app(Endless(), ServeSettings(timeout=0.5, threads=1)))
    assert client("POST", "/access", {"urls": ["https://w.example/"]}).status_code == 504
    assert client("POST", "/access", {"urls": ["https://w.example/short"]}).status_code == 200


def test_an_answer_has_room_for_some_pages_only(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("wideseek_env.serve.wire.MAX_CHARS", 9)
    monkeypatch.setattr("wideseek_env.serve.wire._MOST_HTML", 25)
    body = {"urls": [f"https://w.example/{number}/short" for number in range(4)]}
    pages = Client(create_app(Endless()))("POST", "/access", body, OURS).json()["result"]
    assert [(page["status"], page["html"]) for page in pages] == [(200, "<p>short</")] * 2 + [(413, "")] * 2
    assert "ask for this page alone" in pages[-1]["error"]


def test_a_corpus_that_fails_says_little_to_the_client(caplog: pytest.LogCaptureFixture) -> None:
    client = Client(create_app(Slow()))
    answer = client("POST", "/access", {"urls": ["https://w.example/"]})
    assert (answer.status_code, answer.json()) == (500, {"error": "the corpus failed (RuntimeError)"})
    assert "/private" in caplog.text
    assert client.metrics()['wideseek_failures_total{path="/access"}'] == 1


def test_what_is_counted() -> None:
    held = corpus()
    client = Client(create_app(held))
    client("POST", "/retrieve", {"queries": ["a", "b", "c"]})
    client("POST", "/retrieve", {"queries": ["a"]})
    client("POST", "/retrieve", {})
    client("GET", "/health")
    client("GET", "/secret/path")
    counted = client.metrics()
    held.close()
    expected = {
        'wideseek_requests_total{path="/retrieve",status="200"}': 2,
        'wideseek_requests_total{path="/retrieve",status="422"}': 1,
        'wideseek_requests_total{path="/health",status="200"}': 1,
        'wideseek_requests_total{path="other",status="404"}': 1,
        'wideseek_batch_size_bucket{path="/retrieve",le="1"}': 1,
        'wideseek_batch_size_bucket{path="/retrieve",le="2"}': 1,
        'wideseek_batch_size_bucket{path="/retrieve",le="4"}': 2,
        'wideseek_batch_size_bucket{path="/retrieve",le="+Inf"}': 2,
        'wideseek_batch_size_sum{path="/retrieve"}': 4,
        'wideseek_batch_size_count{path="/retrieve"}': 2,
        'wideseek_request_seconds_count{path="/retrieve"}': 3,
        'wideseek_request_seconds_count{path="/access"}': 0,
        "wideseek_workers": 1,
    }
    assert {name: counted[name] for name in expected} == expected
    assert not any("secret" in name for name in counted)


def test_health(ask: Client) -> None:
    answer = ask("GET", "/health").json()
    assert {name: answer[name] for name in ("status", "corpus", "pages")} == {
        "status": "ok",
        "corpus": "museums",
        "pages": 21,
    }
