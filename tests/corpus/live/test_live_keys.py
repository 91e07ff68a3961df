"""Engines and readers whose service repeats the key: neither agents nor records see it."""

from __future__ import annotations

import json
from collections.abc import Callable

import pytest
from key_forms import FORMS, KEY, traces
from loopback_web import Web, reply

from wideseek_env.corpus.live.config import open_live
from wideseek_env.corpus.live.engines import JsonSearch, SearXNG, Serper
from wideseek_env.corpus.live.readers import JinaReader
from wideseek_env.errors import ConfigError
from wideseek_env.net import Fetcher, Secret

Make = Callable[..., Fetcher]
PATH = "/a8f5f167f44f4964e6c998dee827110c"


@pytest.mark.parametrize("form", FORMS.values(), ids=FORMS)
def test_every_service(web: Web, fetcher_for: Make, monkeypatch: pytest.MonkeyPatch, form: str) -> None:
    monkeypatch.setenv("SERPER_API_KEY", KEY)
    hit = {"link": "https://a.example/", "url": "https://a.example/", "title": form, "snippet": f"is {form}?"}
    answers = json.dumps({"organic": [hit], "results": [hit]})
    web.sites["/search"] = web.sites["/search?q=x"] = reply(answers, "application/json")
    secret = Secret(f"Bearer {KEY}", "MY_KEY")
    serper = Serper(url=web.url("/search"), fetcher=fetcher_for(web))
    other = JsonSearch(
        web.url("/search?q={query}"), headers={"Authorization": secret}, fetcher=fetcher_for(web)
    )
    for engine in (serper, other):
        (found,) = engine.search("x", 3)
        assert traces(found.title + found.snippet) == []
    web.sites["/"] = reply(
        json.dumps({"data": {"title": form, "content": f"You sent {form}.", "url": "https://a.example/"}}),
        "application/json",
    )
    reader = JinaReader(
        url=web.url("/"),
        key=Secret(KEY, "JINA_API_KEY"),
        fetcher=fetcher_for(web),
        resolver=lambda host, port: ["93.184.216.34"],
    )
    page = reader.read("https://a.example/")
    assert traces(page.title + page.html) == []


def test_a_key_in_the_path_is_neither_in_names_nor_in_results(web: Web, fetcher_for: Make) -> None:
    said = {"results": [{"url": "https://a.example/", "title": f"at {PATH}", "snippet": ""}]}
    web.sites[f"{PATH}?q=x"] = reply(json.dumps(said), "application/json")
    engine = JsonSearch(web.url(PATH + "?q={query}"), fetcher=fetcher_for(web))
    (hit,) = engine.search("x", 3)
    assert hit.title == "at /[key]"
    for name in (
        engine.name,
        SearXNG(f"https://s.example{PATH}").name,
        JinaReader(url=f"https://s.example{PATH}/").name,
    ):
        assert PATH not in name
        assert "[key-" in name
    assert SearXNG(f"https://s.example{PATH}").name != SearXNG(f"https://s.example{PATH}0").name


def test_keys_in_the_address_of_a_service_are_refused() -> None:
    for tail in ("sig=ab1", "k=ab1", "pwd=ab1", "jwt=ab1", "appid=ab1"):
        with pytest.raises(ConfigError, match="a key in its address") as caught:
            open_live({"json": f"https://s.example/?q={{query}}&{tail}"})
        assert "ab1" not in str(caught.value)
    open_live({"json": "https://s.example/?q={query}&k={count}&keyword=a"}).close()
