"""Search engines: what is sent to them, what is made of their answers, and where their keys do not appear."""

from __future__ import annotations

import json
from collections.abc import Callable
from urllib.parse import parse_qs, urlsplit

import pytest
from loopback_web import Web, reply

from wideseek_env.corpus.base import SearchHit
from wideseek_env.corpus.live import JsonSearch, SearXNG, Serper
from wideseek_env.corpus.live.engines import Fields, at_path, plain, read_hits
from wideseek_env.errors import ConfigError
from wideseek_env.net import Fetcher, FetchError, Retries, Secret

Make = Callable[..., Fetcher]

# Imitations of the documented forms of these services' answers.
SERPER = {
    "searchParameters": {"q": "x", "gl": "us", "hl": "en", "num": 10, "type": "search", "engine": "google"},
    "knowledgeGraph": {"title": "X", "website": "https://kg.example/"},
    "answerBox": {"answer": "42", "link": "https://box.example/"},
    "organic": [
        {"title": "First", "link": "https://first.example/?a=1", "snippet": "About first.", "position": 1},
        {"title": "Second", "link": "https://second.example/", "position": 2, "sitelinks": []},
        {"title": "Twice", "link": "https://first.example/?a=1", "snippet": "again", "position": 3},
        {"title": "Odd", "link": "http://user:password@odd.example/", "position": 4},
        {"title": "No link", "position": 5},
    ],
    "peopleAlsoAsk": [{"question": "why?", "link": "https://paa.example/"}],
    "credits": 1,
}
SEARXNG = {
    "query": "x",
    "number_of_results": 0,
    "results": [
        {
            "url": "https://a.example/",
            "title": "A",
            "content": "<b>All</b> about &quot;A&quot;",
            "score": 4.0,
        },
        {"url": "magnet:?xt=1", "title": "B", "content": "", "score": 2.0},
        {"url": "https://c.example/#part", "title": None, "content": None},
        "not an object",
    ],
    "answers": [],
    "infoboxes": [],
    "suggestions": [],
    "unresponsive_engines": [["bing", "timeout"]],
}


@pytest.fixture
def serper_key(monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.setenv("SERPER_API_KEY", "serper-key-123")
    return "serper-key-123"


def test_serper(web: Web, fetcher_for: Make, serper_key: str) -> None:
    web.sites["/search"] = reply(json.dumps(SERPER), "application/json")
    engine = Serper(country="de", language="en", url=web.url("/search"), fetcher=fetcher_for(web))
    assert engine.search("museums in Köln \ud800", 3) == [
        SearchHit("https://first.example/?a=1", "First", "About first.", 1.0),
        SearchHit("https://second.example/", "Second", "", 0.5),
    ]
    seen = web.seen[0]
    assert (seen.method, seen.headers["x-api-key"]) == ("POST", serper_key)
    assert json.loads(seen.body) == {"q": "museums in Köln ?", "num": 10, "gl": "de", "hl": "en"}
    assert seen.headers["content-type"] == "application/json"
    assert serper_key not in engine.name + repr(vars(engine))
    assert Serper().name == "serper"


def test_serper_without_a_key(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("SERPER_API_KEY", raising=False)
    with pytest.raises(ConfigError, match="SERPER_API_KEY"):
        Serper()


def test_searxng(web: Web, fetcher_for: Make) -> None:
    web.sites["/sx/search"] = reply(json.dumps(SEARXNG), "application/json")
    engine = SearXNG(web.url("/sx/"), language="de", engines="bing,brave", fetcher=fetcher_for(web))
    assert engine.search("a & b = c?", 3) == [
        SearchHit("https://a.example/", "A", 'All about "A"', 4.0),
        SearchHit("https://c.example/", "", "", 0.5),
    ]
    assert parse_qs(urlsplit(web.seen[0].target).query) == {
        "q": ["a & b = c?"],
        "format": ["json"],
        "language": ["de"],
        "engines": ["bing,brave"],
    }
    assert engine.name == f"searxng={web.url('/sx')},language=de,engines=bing,brave"


def test_searxng_on_loopback_needs_no_exception(web: Web) -> None:
    web.sites["/search"] = reply(json.dumps(SEARXNG), "application/json")
    for host in ("127.0.0.1", "localhost"):  # the operator chose it
        assert len(SearXNG(f"http://{host}:{web.port}").search("x", 3)) == 2


def test_searxng_that_does_not_speak_json(web: Web, fetcher_for: Make) -> None:
    web.sites["/search"] = reply("Forbidden", status=403)
    with pytest.raises(FetchError, match="settings must allow that format"):
        SearXNG(web.url(), fetcher=fetcher_for(web)).search("x", 3)


def test_any_json_endpoint(web: Web, fetcher_for: Make) -> None:
    answer = {"web": {"items": [{"page": {"href": "https://a.example/"}, "name": "A", "text": "x" * 6000}]}}
    web.sites["/find"] = reply(json.dumps(answer), "application/json")
    engine = JsonSearch(
        web.url("/find?q={query}&n={count}&lang=en"),
        results="web.items",
        fields=Fields("page.href", "name", "text"),
        headers={"X-Token": Secret("json-key-9", "JSON_KEY"), "X-Plain": "1"},
        fetcher=fetcher_for(web),
    )
    (hit,) = engine.search("../a&b#c {count}", 20)
    assert (hit.url, hit.title, len(hit.snippet)) == ("https://a.example/", "A", 5000)
    query = parse_qs(urlsplit(web.seen[0].target).query)
    assert query == {"q": ["../a&b#c {count}"], "n": ["20"], "lang": ["en"]}
    assert (web.seen[0].headers["x-token"], web.seen[0].headers["x-plain"]) == ("json-key-9", "1")
    assert "json-key" not in engine.name + repr(vars(engine))


@pytest.mark.parametrize(
    "url",
    [
        "https://s.example/?q=x",
        "https://{query}.example/?q={query}",
        "https://s.example/{query}?q={query}",
        "https://s.example/?q={query}&api_key=12345",
        "https://user:password@s.example/?q={query}",
        "https://s.example/?q={query}&k={key}",
        "ftp://s.example/?q={query}",
    ],
)
def test_addresses_that_a_json_search_does_not_take(url: str) -> None:
    with pytest.raises(ConfigError) as caught:
        JsonSearch(url)
    assert "password" not in str(caught.value).replace("user name or password", "")


@pytest.mark.parametrize(
    ("answer", "kind"),
    [
        (reply("<html>maintenance", "text/html"), "answer"),
        (reply("[" * 100_000, "application/json"), "answer"),
        (reply('{"organic": "none"}', "application/json"), "answer"),
        (reply("[1, 2]", "application/json"), "answer"),
        (reply(status=302, Location="http://elsewhere.example/"), "redirects"),
        (reply('{"message": "Unauthorized."}', "application/json", status=403), "http"),
    ],
)
def test_answers_that_are_none(
    web: Web, fetcher_for: Make, serper_key: str, answer: bytes, kind: str
) -> None:
    web.sites["/"] = answer
    engine = Serper(url=web.url(), fetcher=fetcher_for(web, retries=Retries(attempts=1)))
    with pytest.raises(FetchError) as caught:
        engine.search("x", 3)
    assert caught.value.kind == kind
    assert serper_key not in repr(caught.value)


def test_no_list_is_no_results() -> None:
    assert read_hits({"searchParameters": {}}, "organic", Fields("link")) == []
    assert read_hits({"organic": None}, "organic", Fields("link")) == []
    assert at_path([{"a": [1, {"b": 2}]}], "0.a.1.b") == 2
    assert at_path({"a": 1}, "a.b.c") is None


def test_snippets_are_one_line_of_text() -> None:
    assert plain("The <strong>Deutsches</strong>\n Museum&#39;s <em class='x'>hall</em>", 99) == (
        "The Deutsches Museum's hall"
    )
    assert plain("a < b and <c>", 99) == "a < b and <c>"
    assert plain(["no"], 99) == ""
    assert plain("word " * 50, 30) == "word word word word word…"


def test_an_engine_leads_nowhere_else(web: Web, fetcher_for: Make) -> None:
    web.sites["/elsewhere"] = reply('{"results": []}', "application/json")
    web.sites["/search"] = reply(status=302, Location="/elsewhere")
    engines = [
        SearXNG(web.url(), fetcher=fetcher_for(web)),
        JsonSearch(web.url("/search?q={query}"), fetcher=fetcher_for(web)),
    ]
    for engine in engines:
        with pytest.raises(FetchError) as caught:
            engine.search("x", 3)
        assert caught.value.kind == "redirects"
    assert "/elsewhere" not in [seen.target for seen in web.seen]
