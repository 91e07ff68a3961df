"""Configuring the live corpus by name, table and file; every mistake names itself."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from loopback_web import Web, reply

from wideseek_env.corpus.live import LiveConfig, LiveCorpus, Recorder, Replay, open_live
from wideseek_env.errors import ConfigError


@pytest.fixture(autouse=True)
def keys(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SERPER_API_KEY", "serper-key")
    monkeypatch.setenv("JINA_API_KEY", "jina-key")
    monkeypatch.setenv("BRAVE_KEY", "brave-key")


@pytest.mark.parametrize(
    ("spec", "name"),
    [
        ("live:serper", "live:serper,direct"),
        ("live:serper,country=de,language=en,browse=jina", "live:serper,gl=de,hl=en,jina"),
        ("live:search=serper,browse=none,name=mine", "mine"),
        (
            "live:searxng=https://s.example/x,engines=bing,brave,robots",
            "live:searxng=https://s.example/x,engines=bing,brave,direct",
        ),
        (
            "live:json=https://j.example/?q={query}&f=a,b,results=data.items,timeout=5,per_second=0.5,robots=false",
            "live:json=https://j.example/?q={query}&f=a,b,results=data.items,direct",
        ),
        ("live:jina=http://10.0.0.7:3000/", "live:jina=http://10.0.0.7:3000/"),
        ("live:", "live:direct"),
    ],
)
def test_names_of_live_corpora(spec: str, name: str) -> None:
    corpus = open_live(spec)
    assert isinstance(corpus, LiveCorpus)
    assert corpus.name == name
    corpus.close()


@pytest.mark.parametrize(
    ("settings", "says"),
    [
        ("live:serpre", "no setting 'serpre'; there are: search"),
        ("live:searxng=", "searxng= in the name of a live corpus has no value"),
        ("live:search=searxng", "say where the SearXNG server is"),
        ("live:search=json", "say which endpoint to search"),
        ("live:search=google", "no search engine 'google'; there are: serper, searxng, json"),
        ("live:serper,searxng=https://s.example", "one search engine, not searxng, serper"),
        ("live:search=json,serper,json=https://a.example/?q={query}", "one search engine"),
        ("live:searxng=https://user:pa55@s.example", "user name or password"),
        ("live:searxng=https://s.example/?token=pa55", "a key in its address"),
        ("live:serper,browse=curl", "browse must be direct, jina or none"),
        ("live:serper,robots=maybe", "true or false, not 'maybe'"),
        ("live:serper,timeout=soon", "timeout of a live corpus must be a number, not 'soon'"),
        ("live:serper,per_host=0", "per_host must be at least 1"),
        ("live:serper,timeout=0", "total must be a number"),
        ("live:serper,headers=x", "headers cannot be given in the name"),
        ("live:serper,record=a,replay=b", "record and replay"),
        ("live:nowhere.toml", "cannot read nowhere.toml"),
        ("synthetic:serper", "must begin with live:"),
        ({"serper": "yes"}, "serper of a live corpus must be true or false, not 'yes'"),
        ({"serper": True, "per_host": 1.5}, "a whole number"),
        ({"serper": True, "timeout": True}, "a number"),
        ({"headers": "x"}, "a table of texts"),
        (
            {"json": "https://j.example/?q={query}", "headers": {"X-Api-Key": "abc"}},
            "carries a key: write \\$NAME",
        ),
        (
            {"json": "https://j.example/?q={query}", "headers": {"X-Token": "$UNSET_KEY"}},
            "variable UNSET_KEY",
        ),
        ({"json": "https://j.example/?q={query}", "headers": {"X": 1}}, "a table of texts"),
        ({"serper": True, "user_agent": "two\nlines"}, "printable"),
        ({"serper": True, "ca_file": "nowhere.pem"}, "no file nowhere.pem"),
    ],
)
def test_mistakes(settings: Any, says: str) -> None:
    with pytest.raises(ConfigError, match=says) as caught:
        open_live(settings).close()
    assert "pa55" not in str(caught.value)


def test_a_missing_key_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("SERPER_API_KEY")
    with pytest.raises(ConfigError, match="SERPER_API_KEY"):
        open_live("live:serper")
    monkeypatch.delenv("JINA_API_KEY")
    open_live("live:browse=jina").close()  # which works without


def test_a_file_with_everything(web: Web, tmp_path: Path) -> None:
    web.sites["/find"] = reply(
        json.dumps({"hits": [{"u": "https://a.example/", "n": "A"}]}), "application/json"
    )
    file = tmp_path / "live.toml"
    file.write_text(
        f"""
        [live]
        json = "http://127.0.0.1:{web.port}/find?q={{query}}"
        results = "hits"
        url_field = "u"
        title_field = "n"
        headers = {{ Authorization = "Bearer ${{BRAVE_KEY}}", Accept-Language = "en" }}
        browse = "none"
        timeout = 3
        """
    )
    record = tmp_path / "run.rec"
    corpus = open_live(f"live:{file},cache={tmp_path / 'cache'},record={record}")
    assert isinstance(corpus, Recorder)
    recorded = corpus.search(["x", "y"], 3)
    corpus.close()
    assert [hit.title for hits in recorded for hit in hits] == ["A", "A"]
    assert {seen.headers["authorization"] for seen in web.seen} == {"Bearer brave-key"}
    assert {seen.headers["accept-language"] for seen in web.seen} == {"en"}
    assert "brave-key" not in corpus.name
    web.close()
    replay = open_live(f"live:replay={record}")
    assert isinstance(replay, Replay)
    assert replay.search(["x", "y"], 3) == recorded
    replay.close()
    cached = open_live(f"live:{file},cache={tmp_path / 'cache'}")  # the server is gone
    assert cached.search(["x", "y"], 3) == recorded
    cached.close()
    assert b"brave-key" not in b"".join(file.read_bytes() for file in tmp_path.glob("[cr]*"))


def test_every_setting_is_described() -> None:
    guide = (Path(__file__).parents[3] / "docs" / "live-web.md").read_text()
    for name in LiveConfig.__dataclass_fields__:
        assert f"`{name}`" in guide, name
