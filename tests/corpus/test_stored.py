"""Corpora with their own pages, on disk and in memory: fetching, variants of URLs, gone pages, damage."""

from __future__ import annotations

import json
import os
import pickle
import shutil
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

import wideseek_env.corpus as corpus_package
from wideseek_env.corpus import Corpus, MemoryCorpus, SourcePage, StoredCorpus
from wideseek_env.corpus.urls import lookup_keys, url_key
from wideseek_env.errors import CorpusError, IndexDamagedError
from wideseek_env.pages.text import READING

PAGES = [
    SourcePage("https://en.example/wiki/Fargo_(film)", "Fargo", "<h1>Fargo</h1><p>Snow and a 1996 crime."),
    SourcePage("https://en.example/wiki/S%C3%A3o_Paulo", "São Paulo", "<p>A city of Brazil"),
    SourcePage("https://en.example/wiki/What?", "What?", "<p>Interrogative"),
    SourcePage("https://en.example/wiki/#1_Crush", "#1 Crush", "<p>A song by Garbage"),
    SourcePage("https://en.example/list?page=2", "List 2", "<p>second of the list"),
    SourcePage("https://en.example/list?page=3", "List 3", "<p>third of the list"),
    SourcePage("https://en.example/a", "A", "<p>without slash"),
    SourcePage("https://en.example/a/", "A/", "<p>with slash"),
    SourcePage("https://en.example/", "Home", "<p>front door"),
    SourcePage("https://en.example/text", "Text", "<p>html side", "indexed side zebra"),
    SourcePage("https://en.example/untitled", "", "<title>Own &amp; title</title><p>quokka"),
    SourcePage("https://en.example/odd", "Odd", "<p>caf\u00e9 \x00 \U0001f980"),
]


@pytest.fixture(scope="module", params=["memory", "disk"])
def corpus(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[MemoryCorpus | StoredCorpus]:
    opened: MemoryCorpus | StoredCorpus
    if request.param == "memory":
        opened = MemoryCorpus(PAGES, "test")
    else:
        opened = StoredCorpus.build(tmp_path_factory.mktemp("corpus") / "built", PAGES, name="test")
    yield opened
    opened.close()


def test_it_is_a_corpus(corpus: MemoryCorpus | StoredCorpus):
    assert isinstance(corpus, Corpus)
    assert (corpus.name, corpus.blocking, len(corpus)) == ("test", False, len(PAGES))
    assert list(corpus.urls()) == sorted(page.url for page in PAGES)


def test_every_page_is_fetched_as_it_was(corpus: MemoryCorpus | StoredCorpus):
    for page in PAGES:
        fetched = corpus.fetch(page.url)
        assert fetched is not None
        assert (fetched.url, fetched.html, fetched.status, fetched.error) == (page.url, page.html, 200, "")
        assert fetched.title == (page.title or "Own & title")


@pytest.mark.parametrize(
    ("asked", "url"),
    [
        ("http://en.example/wiki/Fargo_(film)", "https://en.example/wiki/Fargo_(film)"),
        ("en.example/wiki/Fargo_%28film%29", "https://en.example/wiki/Fargo_(film)"),
        ("//EN.example:443/wiki/Fargo_(film)/#Plot", "https://en.example/wiki/Fargo_(film)"),
        (" <https://en.example/wiki/Fargo_(film)> ", "https://en.example/wiki/Fargo_(film)"),
        ("https://en.example/wiki/São_Paulo", "https://en.example/wiki/S%C3%A3o_Paulo"),
        ("https://en.example/wiki/Sa\u0303o_Paulo", "https://en.example/wiki/S%C3%A3o_Paulo"),
        ("https://en.example/wiki/What%3F", "https://en.example/wiki/What?"),
        ("https://en.example/wiki/%231_Crush", "https://en.example/wiki/#1_Crush"),
        ("https://en.example/list?page=2#top", "https://en.example/list?page=2"),
        ("https://en.example/list?page=3", "https://en.example/list?page=3"),
        ("https://en.example/a", "https://en.example/a"),
        ("https://en.example/a/", "https://en.example/a/"),
        ("http://en.example", "https://en.example/"),
        ("en.example?", "https://en.example/"),
    ],
)
def test_trivial_variants_find_the_page(corpus: MemoryCorpus | StoredCorpus, asked: str, url: str):
    fetched = corpus.fetch(asked)
    assert fetched is not None
    assert fetched.url == url


@pytest.mark.parametrize(
    "asked",
    ["", " ", "https://en.example/wiki/", "https://en.example/wiki/fargo_(film)", "https://other.example/a",
     "https://en.example/list", "https://en.example/list?page=4", "ftp://en.example/a", "\ud800", "\x00", "%", "http://",
     "x" * 100_000, "https://en.example/wiki/Fargo"],
)  # fmt: skip
def test_other_urls_find_nothing(corpus: MemoryCorpus | StoredCorpus, asked: str):
    assert corpus.fetch(asked) is None


def test_text_is_searched_where_given_and_html_otherwise(corpus: MemoryCorpus | StoredCorpus):
    def first(query: str) -> str:
        (hits,) = corpus.search([query], 1)
        return hits[0].url.rpartition("/")[2] if hits else ""

    assert (first("zebra"), first("side zebra"), first("snow"), first("quokka")) == (
        "text",
        "text",
        "Fargo_(film)",
        "untitled",
    )
    assert first("Own title") == "untitled"
    assert first("html") == ""


def test_pickle_threads(corpus: MemoryCorpus | StoredCorpus):
    again = pickle.loads(pickle.dumps(corpus))
    assert again.name == corpus.name
    assert again.search(["fargo snow"], 3) == corpus.search(["fargo snow"], 3)
    assert [again.fetch(page.url) for page in PAGES] == [corpus.fetch(page.url) for page in PAGES]
    with ThreadPoolExecutor(8) as pool:
        fetched = list(pool.map(lambda n: corpus.fetch(PAGES[n % len(PAGES)].url), range(400)))
    assert [page.html for page in fetched if page] == [PAGES[n % len(PAGES)].html for n in range(400)]


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
@pytest.mark.filterwarnings(
    "ignore::DeprecationWarning"
)  # Python 3.12 warns of fork in a process with threads
def test_forked_children_read_their_own_pages(corpus: MemoryCorpus | StoredCorpus):
    def wrong() -> bool:
        return any(page.html != p.html for p in PAGES * 50 if (page := corpus.fetch(p.url)) is not None)

    children = []
    for _ in range(3):
        child = os.fork()
        if child == 0:
            os._exit(1 if wrong() else 0)
        children.append(child)
    assert not wrong()
    assert [os.waitpid(child, 0)[1] for child in children] == [0, 0, 0]


def shout(url: str) -> str:
    return f"<p>made for {url}"


def test_pages_made_on_demand_and_pages_that_are_gone():
    pages = [
        SourcePage(f"https://e.example/{n}", f"Page {n}", "", f"body of page number {n}") for n in range(5)
    ]
    gone = ["https://e.example/3", "https://e.example/lost"]
    corpus = MemoryCorpus(iter(pages), "made", html_of=shout, gone=gone)
    for made in (corpus, pickle.loads(pickle.dumps(corpus))):
        page = made.fetch("http://e.example/1/")
        assert page is not None
        assert (page.html, page.title) == ("<p>made for https://e.example/1", "Page 1")
        for url, title in (("https://e.example/3", "Page 3"), ("e.example/lost", "")):
            page = made.fetch(url)
            assert page is not None
            assert (page.status, page.title, page.html) == (410, title, "")
            assert "gone" in page.error
        assert [hit.url for hit in made.search(["number 3"], 1)[0]] == ["https://e.example/3"]
        assert "https://e.example/3" not in made.urls()
        assert len(made) == 5


def test_a_stored_corpus_knows_the_pages_that_are_gone(tmp_path: Path):
    gone = [
        "https://en.example/a",
        "https://en.example/lost?x=1",
        "https://en.example/LOST",
        "https://en.example/lost",
    ]
    stored = StoredCorpus.build(tmp_path / "c", PAGES, name="n", gone=iter(gone))
    memory = MemoryCorpus(PAGES, "n", gone=gone)
    for corpus in (stored, StoredCorpus.open(tmp_path / "c"), pickle.loads(pickle.dumps(stored))):
        for url in (
            *gone,
            "http://en.example/lost/",
            "en.example/a#top",
            "https://en.example/a/",
            "https://en.example/b",
        ):
            assert corpus.fetch(url) == memory.fetch(url), url
        page = corpus.fetch("https://en.example/a")
        assert page is not None
        assert (page.status, page.title, page.html) == (410, "A", "")
        assert list(corpus.urls()) == list(memory.urls())
        assert len(corpus) == len(PAGES)
        corpus.close()
    (tmp_path / "c" / "gone.json").write_text("[]")
    with pytest.raises(IndexDamagedError, match=r"gone\.json"):
        StoredCorpus.open(tmp_path / "c")


def test_building_streams_reports_and_refuses(tmp_path: Path):
    seen: list[int] = []

    def pages() -> Iterator[SourcePage]:
        for n in range(2_000):
            yield SourcePage(f"https://e.example/{n}", f"P {n}", f"<p>{n}", f"text {n}")

    path = tmp_path / "deep" / "corpus"
    StoredCorpus.build(path, pages(), name="n", progress=seen.append).close()
    assert seen == sorted(seen)
    assert seen[-1] == 2_000
    with pytest.raises(CorpusError, match="overwrite=True"):
        StoredCorpus.build(path, PAGES, name="n")
    with pytest.raises(CorpusError, match="two documents"):
        StoredCorpus.build(path, [PAGES[0], PAGES[0]], name="n", overwrite=True)
    assert len(StoredCorpus.open(path)) == 2_000
    assert len(StoredCorpus.build(path, PAGES, name="n", overwrite=True)) == len(PAGES)
    assert [entry.name for entry in path.parent.iterdir()] == ["corpus"]


def test_lone_surrogates_are_stored_as_replacement_characters(tmp_path: Path):
    page = SourcePage("https://e.example/\ud800", "t\ud800", "<p>\ud800 x", None)
    for corpus in (StoredCorpus.build(tmp_path / "c", [page], name="n"), MemoryCorpus([page], "n")):
        assert corpus.fetch("https://e.example/\ufffd") is not None
        assert corpus.search(["x"], 1)[0][0].title == "t\ufffd"


def read_all(path: Path) -> None:
    corpus = StoredCorpus.open(path)
    for page in PAGES:
        assert corpus.fetch(page.url)


@pytest.mark.parametrize("damage", ["delete", "truncate", "flip"])
def test_damage_is_noticed(tmp_path: Path, damage: str):
    built = tmp_path / "built"
    StoredCorpus.build(built, PAGES, name="test").close()
    names = [f.relative_to(built) for f in sorted(built.rglob("*")) if f.is_file() and f.suffix != ".lock"]
    assert len(names) >= 12
    for number, name in enumerate(names):
        path = tmp_path / str(number)
        shutil.copytree(built, path)
        data = bytearray((path / name).read_bytes())
        if damage == "delete":
            (path / name).unlink()
        elif damage == "truncate":
            (path / name).write_bytes(data[: len(data) // 2])
        else:
            data[len(data) // 2 : len(data) // 2 + 1] = bytes([data[len(data) // 2] ^ 0xFF]) if data else b"x"
            (path / name).write_bytes(data)
        with pytest.raises(IndexDamagedError, match="build it"):
            read_all(path)


def test_another_version_is_refused(tmp_path: Path):
    StoredCorpus.build(tmp_path / "c", PAGES, name="test").close()
    manifest = json.loads((tmp_path / "c" / "manifest.json").read_text())
    (tmp_path / "c" / "manifest.json").write_text(json.dumps({**manifest, "version": 99}))
    with pytest.raises(IndexDamagedError, match="version 99"):
        StoredCorpus.open(tmp_path / "c")
    with pytest.raises(IndexDamagedError, match="build it first"):
        StoredCorpus.open(tmp_path / "none")


@pytest.mark.parametrize("reading", [None, READING - 1, READING + 1])
def test_pages_that_another_version_read_are_refused(tmp_path: Path, reading: int | None):
    StoredCorpus.build(tmp_path / "c", PAGES, name="test").close()
    file = tmp_path / "c" / "manifest.json"
    manifest = json.loads(file.read_text())
    assert manifest.pop("reading") == READING
    file.write_text(json.dumps(manifest if reading is None else {**manifest, "reading": reading}))
    with pytest.raises(IndexDamagedError, match=f"reading {reading}, this package has reading {READING}"):
        StoredCorpus.open(tmp_path / "c")
    StoredCorpus.build(tmp_path / "c", PAGES, name="test", overwrite=True).close()
    StoredCorpus.open(tmp_path / "c").close()


def test_raised_text_is_found_and_shown_as_it_is_read(tmp_path: Path):
    page = SourcePage(
        "https://e.example/star", "Star", "<p>Its mass is 5 × 10<sup>30</sup> kg, or 1,234<sup>1</sup>."
    )
    with_marks = StoredCorpus.build(tmp_path / "c", [page], name="test")
    assert "5 × 10^30 kg, or 1,234 [1]." in with_marks.search(["mass of the star"], 1)[0][0].snippet
    with_marks.close()


def test_keys_of_urls():
    assert url_key("HTTPS://En.Example:443/A%20b/?#x") == "en.example/A b/?#x"
    assert lookup_keys("https://e.example/A#x") == ["e.example/A#x", "e.example/A"]
    assert url_key("e.example:8080/") == "e.example:8080"


def test_the_package_loads_its_parts_on_demand():
    assert set(corpus_package.__all__) <= set(dir(corpus_package))
    for name in corpus_package.__all__:
        assert getattr(corpus_package, name) is not None
    with pytest.raises(AttributeError, match="nothing_like_it"):
        corpus_package.nothing_like_it  # noqa: B018
