"""The live corpus: searches side by side, pages of every kind, failures that say why, and the cache."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable
from pathlib import Path
from urllib.parse import parse_qs

import pytest
from loopback_web import Web, reply

from wideseek_env.corpus.base import Corpus, FailedSearch, Page, SearchHit
from wideseek_env.corpus.live import DirectReader, JinaReader, LiveCorpus, SearchError
from wideseek_env.errors import ConfigError
from wideseek_env.net import AddressPolicy, Fetcher, FetchError, Limits, Secret, Store
from wideseek_env.pages import to_document
from wideseek_env.tools.executor import CorpusTools

Make = Callable[..., Fetcher]


class Engine:
    """Finds a page for every query except those that are to fail."""

    name = "fake"

    def __init__(self) -> None:
        self.asked: list[tuple[str, int]] = []
        self.together: threading.Barrier | None = None

    def search(self, query: str, k: int) -> list[SearchHit]:
        self.asked.append((query, k))
        if self.together is not None:
            self.together.wait(10)
        if "fail" in query:
            raise FetchError("http", "The server answered with status 500.", 500)
        return [SearchHit(f"https://{query}.example/{n}", query, "…", 1 / n) for n in range(1, k + 1)]


def test_queries_are_searched_side_by_side() -> None:
    engine = Engine()
    engine.together = threading.Barrier(3)
    corpus = LiveCorpus(search=engine)
    assert isinstance(corpus, Corpus)
    assert corpus.blocking
    found = corpus.search(["a", "b", "a", "  ?! ", "c"], 2)
    assert [[hit.url for hit in hits] for hits in found] == [
        ["https://a.example/1", "https://a.example/2"],
        ["https://b.example/1", "https://b.example/2"],
        ["https://a.example/1", "https://a.example/2"],
        [],
        ["https://c.example/1", "https://c.example/2"],
    ]
    assert sorted(engine.asked) == [("a", 10), ("b", 10), ("c", 10)]
    assert corpus.search([], 3) == []


def test_a_failed_search_is_told_from_an_empty_one(caplog: pytest.LogCaptureFixture) -> None:
    corpus = LiveCorpus(search=Engine())
    good, bad, empty = corpus.search(["good", "fail", "?"], 1)
    assert (len(good), bad, empty) == (1, [], [])
    assert isinstance(bad, FailedSearch)
    assert bad.error == "The server answered with status 500."
    assert not isinstance(empty, FailedSearch)
    assert "status 500" in caplog.text
    with pytest.raises(SearchError, match="status 500") as caught:
        corpus.search(["fail", "fail too"], 1)
    assert len(caught.value.errors) == 2


def test_parts_that_are_missing() -> None:
    assert LiveCorpus(search=Engine()).fetch("https://a.example/").status == 501
    with pytest.raises(SearchError, match="no search engine"):
        LiveCorpus(browse=DirectReader()).search(["x"], 1)
    with pytest.raises(ConfigError):
        LiveCorpus()
    with pytest.raises(ConfigError):
        LiveCorpus(search=Engine(), workers=0)
    assert LiveCorpus(search=Engine(), browse=DirectReader()).name == "live:fake,direct"


@pytest.mark.parametrize(
    ("kind", "body", "title", "markdown"),
    [
        ("text/html", "<title> A\n page</title><h1>Hi</h1><p>x", "A page", "# Hi\n\nx\n"),
        ("text/markdown", "# Notes\n\n| a | b |\n|---|---|\n| 1 | 2 |", "Notes", "# Notes\n\n| a | b |"),
        ("text/plain", "one\n\ntwo <b>", "page.txt", "one\n\ntwo <b>\n"),
        (
            "application/json",
            '{"a": ["ü", "<i>"]}',
            "page.txt",
            '```\n{\n "a": [\n  "ü",\n  "<i>"\n ]\n}\n```',
        ),
        ("application/json", "not json", "page.txt", "```\nnot json\n```"),
    ],
)
def test_every_kind_of_text_becomes_a_page(
    web: Web, fetcher_for: Make, kind: str, body: str, title: str, markdown: str
) -> None:
    web.sites["/page.txt"] = reply(body, kind + "; charset=utf-8")
    page = LiveCorpus(browse=DirectReader(fetcher_for(web))).fetch(web.url("/page.txt"))
    assert (page.status, page.error, page.title) == (200, "", title)
    assert markdown in to_document(page.html, page.url).markdown


@pytest.mark.parametrize(
    ("answer", "status", "says"),
    [
        (reply(status=404), 404, "status 404"),
        (reply(status=410), 410, "status 410"),
        (reply(status=503), 503, "status 503"),
        (reply("%PDF-1.4", "application/pdf"), 415, "This is a PDF document; only HTML"),
        (reply("x" * 3000), 413, "too large"),
        (reply(status=302, Location="/"), 508, "circle"),
        (reply(status=302, Location="http://10.0.0.1/"), 403, "public web"),
        (b"rubbish\r\n\r\n", 502, ""),
    ],
)
def test_a_page_that_cannot_be_opened_says_why(
    web: Web, fetcher_for: Make, answer: bytes, status: int, says: str
) -> None:
    web.sites["/"] = answer
    corpus = LiveCorpus(browse=DirectReader(fetcher_for(web, limits=Limits(body=2000))))
    page = corpus.fetch(web.url())
    assert (page.status, page.html) == (status, "")
    assert says in page.error
    (result,) = CorpusTools(corpus).run([_browse(web.url())])
    assert not result.ok
    assert page.error in result.text


def test_links_are_resolved_from_where_the_page_was_found(web: Web, fetcher_for: Make) -> None:
    web.sites["/a"] = reply(status=301, Location="/b/c")
    web.sites["/b/c"] = reply('<p><a href="d">next</a>')
    page = LiveCorpus(browse=DirectReader(fetcher_for(web))).fetch(web.url("/a#x"))
    assert f"[next]({web.url('/b/d')})" in to_document(page.html, page.url).markdown


@pytest.mark.parametrize("url", ["http://127.0.0.1/", "file:///etc/passwd", "http://[::1]:80/", "nonsense"])
def test_the_page_tool_goes_nowhere_inside(url: str) -> None:
    page = LiveCorpus(browse=DirectReader()).fetch(url)
    assert page.status in (400, 403)
    assert page.html == ""


def test_the_cache_answers_until_it_expires(web: Web, fetcher_for: Make, tmp_path: Path) -> None:
    now = [0.0]
    web.sites |= {"/": reply("<p>one"), "/gone": reply(status=404), "/later": reply(status=501)}
    engine = Engine()

    def corpus() -> LiveCorpus:
        cache = Store(tmp_path / "cache", "cache", now=lambda: now[0])
        return LiveCorpus(search=engine, browse=DirectReader(fetcher_for(web)), cache=cache, keep=7200)

    first = corpus()
    page = first.fetch(web.url())
    pages = [first.fetch(web.url(path)) for path in ("/gone", "/later")]
    hits = first.search(["a", "fail"], 3)
    first.close()
    second = corpus()
    assert second.fetch(web.url()) == page
    assert second.fetch(web.url("/#other")) == page
    assert [second.fetch(web.url(path)) for path in ("/gone", "/later")] == pages
    assert second.search(["a", "fail"], 3) == hits
    assert second.search(["a"], 1) == [hits[0][:1]]
    # What may be different the next time is asked again.
    assert [seen.target for seen in web.seen] == ["/", "/gone", "/later", "/later"]
    assert [query for query, _ in engine.asked] == ["a", "fail", "fail"]
    now[0] = 3601.0
    second.fetch(web.url("/gone"))
    now[0] = 7201.0
    second.fetch(web.url())
    assert [seen.target for seen in web.seen][4:] == ["/gone", "/"]
    second.close()
    assert second.fetch(web.url()) == page  # a cache that does not work costs time only


# --- the Jina reader, in an imitation of its documented JSON form ----------------------------------------------------


def jina(web: Web, fetcher_for: Make, **options: object) -> JinaReader:
    options.setdefault("resolver", lambda host, port: ["93.184.216.34"])
    return JinaReader(url=web.url("/"), fetcher=fetcher_for(web), **options)  # type: ignore[arg-type]


def test_jina(web: Web, fetcher_for: Make) -> None:
    answer = {
        "code": 200,
        "status": 20000,
        "data": {
            "title": "A <page>",
            "description": "",
            "url": "https://a.example/final",
            "content": "# A page\n\n[link](https://b.example/) and a table\n\n| x | y |\n| --- | --- |\n| 1 | 2 |",
            "usage": {"tokens": 12},
        },
    }
    web.sites["/"] = reply(json.dumps(answer), "application/json")
    reader = jina(web, fetcher_for, key=Secret("jina-key-7", "JINA_API_KEY"))
    page = LiveCorpus(browse=reader).fetch("https://a.example/x?y=1&z=ü#part")
    assert (page.url, page.title, page.status) == ("https://a.example/final", "A <page>", 200)
    assert "| 1 | 2 |" in to_document(page.html, page.url).markdown
    seen = web.seen[0]
    assert parse_qs(seen.body.decode()) == {"url": ["https://a.example/x?y=1&z=%C3%BC"]}
    assert seen.headers["authorization"] == "Bearer jina-key-7"
    assert seen.headers["accept"] == "application/json"
    assert "jina-key" not in repr(vars(reader))
    assert JinaReader().name == "jina"


@pytest.mark.parametrize(
    ("answer", "status"),
    [
        ({"data": {"content": "x", "warning": "Target URL returned error 404: Not Found"}}, 404),
        ({"data": {"title": "no content"}}, 502),
        ({"data": None}, 502),
        ([], 502),
        ("words", 502),
    ],
)
def test_jina_answers_that_are_no_page(web: Web, fetcher_for: Make, answer: object, status: int) -> None:
    web.sites["/"] = reply(json.dumps(answer), "application/json")
    page = LiveCorpus(browse=jina(web, fetcher_for)).fetch("https://a.example/")
    assert (page.status, page.html) == (status, "")


@pytest.mark.parametrize(
    ("url", "answer"),
    [
        ("http://127.0.0.1/", []),
        ("http://localhost/", []),
        ("http://metadata.google.internal/", ["93.184.216.34"]),
        ("https://inside.example/", ["10.0.0.1"]),
        ("https://inside.example/", ["93.184.216.34", "fd00:ec2::254"]),
        ("file:///etc/passwd", []),
        ("https://user:secret@a.example/", ["93.184.216.34"]),
    ],
)
def test_jina_is_not_sent_where_this_process_would_not_go(
    web: Web, fetcher_for: Make, url: str, answer: list[str]
) -> None:
    reader = jina(web, fetcher_for, resolver=lambda host, port: answer, policy=AddressPolicy())
    assert LiveCorpus(browse=reader).fetch(url).status in (400, 403)
    assert web.seen == []


def test_jina_may_know_names_that_are_unknown_here(web: Web, fetcher_for: Make) -> None:
    web.sites["/"] = reply(json.dumps({"data": {"content": "hello"}}), "application/json")
    page = LiveCorpus(browse=jina(web, fetcher_for, resolver=lambda host, port: [])).fetch(
        "https://a.example/"
    )
    assert (page.status, page.url) == (200, "https://a.example/")
    assert isinstance(page, Page)


def _browse(url: str):  # type: ignore[no-untyped-def]
    from wideseek_env.messages import ToolCall

    return ToolCall("a/1/0", "agent", "browse", {"url": url, "chunk": 1, "focus": ""})
