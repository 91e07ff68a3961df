"""A recorded run can be played again without the network, byte for byte; what it did not ask is refused."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest
from loopback_web import Web, reply

from wideseek_env.corpus.base import Corpus, FailedSearch, Page, SearchHit
from wideseek_env.corpus.live import DirectReader, LiveCorpus, Recorder, Replay, SearchError, Serper
from wideseek_env.errors import CorpusError
from wideseek_env.game import GameConfig
from wideseek_env.net import Fetcher
from wideseek_env.task import Task
from wideseek_env.tools.executor import CorpusTools

Make = Callable[..., Fetcher]


class Moody:
    """A corpus that answers differently every time."""

    name = "moody"
    blocking = False

    def __init__(self) -> None:
        self.calls = 0
        self.closed = 0

    def search(self, queries: Sequence[str], k: int) -> list[list[SearchHit]]:
        self.calls += 1
        if "broken" in queries:
            raise CorpusError("the server is away")
        mark = str(self.calls)
        return [
            FailedSearch(f"failed {mark}") if "fail" in q else [SearchHit(f"https://{q}/", q, mark, 0.1)] * k
            for q in queries
        ]

    def fetch(self, url: str) -> Page | None:
        self.calls += 1
        if "unknown" in url:
            return None
        if "broken" in url:
            raise CorpusError("the server is away")
        status = 503 if "bad" in url else 200
        return Page(
            url,
            f"ü {self.calls} \ud800",
            "<p>\0\x1b" + "x" * self.calls,
            status,
            "" if status == 200 else "no",
        )

    def close(self) -> None:
        self.closed += 1


def ask(corpus: Corpus) -> list[object]:
    urls = ["https://a/", "bad", "unknown", "broken", "https://a/", "", "\ud800"]
    answers: list[object] = [corpus.fetch(url) for url in urls]
    for queries, k in ((["a", "fail"], 2), (["fail", "b"], 2), (["a"], 1), ([], 3)):
        found = corpus.search(queries, k)
        answers += [found, [getattr(hits, "error", "") for hits in found]]
    for queries in (["fail"], ["broken"]):
        with pytest.raises(SearchError) as caught:
            corpus.search(queries, 2)
        answers.append(str(caught.value))
    return answers


def test_a_replay_is_equal_to_what_was_recorded(tmp_path: Path) -> None:
    moody = Moody()
    recorder = Recorder(tmp_path / "run.rec", moody)
    assert isinstance(recorder, Corpus)
    recorded = ask(recorder)
    calls = moody.calls
    assert ask(recorder) == recorded  # what comes twice is passed on once
    assert moody.calls == calls
    recorder.close()
    assert moody.closed == 1
    replay = Replay(tmp_path / "run.rec")
    assert isinstance(replay, Corpus)
    assert (replay.name, replay.blocking) == ("moody", False)
    assert ask(replay) == recorded
    assert len(replay) == 6 + 5
    replay.close()


def test_what_was_not_recorded_is_refused(tmp_path: Path) -> None:
    recorder = Recorder(tmp_path / "run.rec", Moody())
    recorder.search(["a"], 2)
    recorder.fetch("https://a/")
    recorder.close()
    replay = Replay(tmp_path / "run.rec")
    page = replay.fetch("https://b/")
    assert page == Page(
        "https://b/", "", "", 404, "This page is not in the recording that is being replayed."
    )
    good, bad = replay.search(["a", "b"], 2)
    assert len(good) == 2
    assert isinstance(bad, FailedSearch)
    with pytest.raises(SearchError, match="not in the recording"):
        replay.search(["a"], 3)
    replay.close()


def test_a_recording_belongs_to_one_corpus(tmp_path: Path) -> None:
    recorder = Recorder(tmp_path / "run.rec", Moody())
    recorder.fetch("https://a/")
    recorder.close()
    again = Recorder(tmp_path / "run.rec", Moody())  # continued
    assert again.fetch("https://a/") == Page("https://a/", "ü 1 \ud800", "<p>\0\x1bx")
    again.close()
    other = Moody()
    other.name = "other"
    with pytest.raises(CorpusError, match="a recording of moody"):
        Recorder(tmp_path / "run.rec", other)
    with pytest.raises(CorpusError, match="there is no recording"):
        Replay(tmp_path / "nothing.rec")


def test_threads_that_ask_the_same_get_the_same(tmp_path: Path) -> None:
    together = threading.Barrier(4, timeout=10)

    class Slow(Moody):
        def fetch(self, url: str) -> Page | None:
            together.wait()
            return super().fetch(url)

    recorder = Recorder(tmp_path / "run.rec", Slow())
    pages: list[Page | None] = []
    threads = [threading.Thread(target=lambda: pages.append(recorder.fetch("https://a/"))) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(20)
    assert len(pages) == 4
    assert len(set(pages)) == 1
    recorder.close()


def play(corpus: Corpus, urls: Sequence[str]) -> list[object]:
    """An episode in which a single agent searches and browses; the conversation it had."""
    setup = GameConfig(
        tasks=[Task("t", "Which one?", answers=("x",))],
        corpus=corpus,
        team=False,
        executor=CorpusTools(corpus),
    ).open()
    episode = setup.episode(setup.tasks[0])
    for url in urls:
        calls = [
            {"name": "search", "arguments": {"query": url}},
            {"name": "browse", "arguments": {"url": url}},
        ]
        text = "".join(f"<tool_call>{json.dumps(call)}</tool_call>" for call in calls)
        requests = episode.act("agent", text)
        for request, result in zip(requests, setup.executor.run(requests), strict=True):
            episode.deliver(request, result)
    episode.act("agent", "done")
    return list(episode.messages("agent"))


def test_a_run_against_the_web_is_replayed_without_it(
    web: Web, fetcher_for: Make, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SERPER_API_KEY", "top-secret-key")
    web.sites |= {
        "/search": reply(
            json.dumps({"organic": [{"link": web.url("/a"), "title": "A", "snippet": "top-secret-key"}]}),
            "application/json",
        ),
        "/a": reply(
            "<title>A</title><p>Größe <a href='/b'>b</a>".encode("latin-1"), "text/html; charset=latin-1"
        ),
        "/pdf": reply("%PDF-1.4", "application/pdf"),
        "/busy": reply(status=429, Retry_After="999"),
    }
    urls = [web.url(path) for path in ("/a", "/pdf", "/busy", "/missing", "/a#b")] + [
        "http://169.254.169.254/"
    ]

    def live() -> LiveCorpus:
        engine = Serper(url=web.url("/search"), fetcher=fetcher_for(web))
        return LiveCorpus(search=engine, browse=DirectReader(fetcher_for(web)))

    recorder = Recorder(tmp_path / "run.rec", live())
    recorded = play(recorder, urls)
    recorder.close()
    web.close()  # the web is gone
    replay = Replay(tmp_path / "run.rec")
    assert json.dumps(play(replay, urls)) == json.dumps(recorded)
    replay.close()
    text = json.dumps(recorded, ensure_ascii=False)
    for expected in ("Größe", "PDF document", "status 429", "status 404", "public web", "[key]"):
        assert expected in text
    files = b"".join(file.read_bytes() for file in tmp_path.iterdir())
    assert b"top-secret-key" not in files
    assert "top-secret-key" not in text
