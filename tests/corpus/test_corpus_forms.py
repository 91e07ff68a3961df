"""Corpora in the forms in which the field publishes them: rows, shards, compressed files, Parquet, standard input."""

from __future__ import annotations

import gzip
import io
import json
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from wideseek_env.corpus import MemoryCorpus, PageFiles, Passage, StoredCorpus, pages_from_jsonl
from wideseek_env.corpus.base import Corpus
from wideseek_env.errors import CorpusError, MissingDependencyError
from wideseek_env.pages import to_document
from wideseek_env.serve.wire import retrieved
from wideseek_env.testing import check_corpus

WIKI_18 = [
    {"id": "0", "contents": '"Aaron"\nAaron is a prophet and the brother of Moses.'},
    {"id": "1", "contents": '"Aaron"\nHe spoke for Moses at the court of the pharaoh.'},
    {"id": "2", "contents": '"Abacus (device)"\nThe abacus is a counting frame.'},
    {"id": "10", "contents": '"Aaron"\nHe died on Mount Hor at an old age.'},
    {"id": "3", "contents": '"""Heroes"""\nA song about a couple at the wall.'},
]
AARON = "https://local.example/page/Aaron"
WHOLE = (
    "Aaron is a prophet and the brother of Moses.\n\nHe spoke for Moses at the court of the pharaoh.\n\n"
    "He died on Mount Hor at an old age.\n"
)
Make = Callable[[Path, Sequence[object]], Path]


def lines(rows: Sequence[object]) -> bytes:
    return "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows).encode()


def write(path: Path, rows: Sequence[object]) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    if path.suffix == ".parquet":
        parquet = pytest.importorskip("pyarrow.parquet", reason="needs pyarrow")
        import pyarrow

        parquet.write_table(pyarrow.Table.from_pylist(list(rows)), path, row_group_size=2)
    else:
        path.write_bytes(gzip.compress(lines(rows)) if path.suffix == ".gz" else lines(rows))
    return path


def built(source: PageFiles | list[Any], path: Path | None) -> MemoryCorpus | StoredCorpus:
    return MemoryCorpus(source, "c") if path is None else StoredCorpus.build(path, source, name="c")


def markdown(corpus: Corpus, url: str) -> str:
    page = corpus.fetch(url)
    assert page is not None, url
    return to_document(page.html).markdown


@pytest.mark.parametrize("stored", [False, True])
def test_passages_are_one_page_to_browse_and_separate_hits(tmp_path: Path, stored: bool):
    source = pages_from_jsonl(write(tmp_path / "wiki.jsonl", WIKI_18))
    corpus = built(source, tmp_path / "c" if stored else None)
    (hits,) = corpus.search(["Aaron Moses Mount Hor"], 5)
    assert [hit.title for hit in hits] == ["Aaron"] * 3
    assert {hit.url for hit in hits} == {AARON, f"{AARON}#passage-2", f"{AARON}#passage-3"}
    assert {hit.snippet for hit in hits} == set(WHOLE.strip().split("\n\n"))
    for hit in hits:
        assert markdown(corpus, hit.url) == WHOLE
        page = corpus.fetch(hit.url)
        assert page is not None
        assert (page.url, page.title) == (AARON, "Aaron")
    assert corpus.search(["died on Mount Hor"], 1)[0][0].url == f"{AARON}#passage-3"
    assert markdown(corpus, "local.example/page/Abacus_(device)") == "The abacus is a counting frame.\n"
    assert corpus.search(["Heroes song"], 1)[0][0].title == '"Heroes"'
    assert list(corpus.urls()) == sorted(
        [AARON, "https://local.example/page/Abacus_%28device%29", "https://local.example/page/%22Heroes%22"]
    )
    assert len(corpus) == 3
    assert corpus.fetch(f"{AARON}#passage-x") is not None  # a fragment of the page
    assert corpus.fetch("https://local.example/page/Nobody#passage-2") is None
    assert corpus.passage(f"{AARON}#passage-3") == "He died on Mount Hor at an old age."
    assert corpus.passage(AARON) == "Aaron is a prophet and the brother of Moses."
    for unknown in (f"{AARON}#passage-4", f"{AARON}#passage-0", "x", f"{AARON}#x"):
        assert corpus.passage(unknown) is None
    (documents,) = retrieved(corpus, ["died on Mount Hor"], 1, scores=False, ours=False, passage_chars=500)
    assert documents[0]["contents"] == "Aaron\nHe died on Mount Hor at an old age."
    check_corpus(corpus, ["Aaron Moses", "counting frame", "song wall"])


@pytest.mark.parametrize(
    ("rows", "pages"),
    [
        # {id, url, contents}: the URL is the page, wherever its rows are
        (
            [
                {"id": 7, "url": "https://w.org/A", "contents": '"A"\none'},
                {"id": 9, "url": "https://w.org/B", "contents": '"B"\nother'},
                {"id": 8, "url": "https://w.org/A", "contents": '"A"\ntwo'},
            ],
            {"https://w.org/A": "one\n\ntwo\n", "https://w.org/B": "other\n"},
        ),
        # {url, contents}: whole pages with lines
        (
            [{"url": "https://w.org/A", "contents": "line one\nline two\n\nparagraph"}],
            {"https://w.org/A": "line one\nline two\n\nparagraph\n"},
        ),
        # {docid, text, url}
        (
            [
                {"docid": "5", "text": "---\ntitle: T\n---\nBody.\n\n- item", "url": "https://b.org/x"},
                {"docid": "6", "text": "Further.", "url": "https://b.org/x"},
            ],
            {"https://b.org/x": "Body.\n\n- item\n\nFurther.\n"},
        ),
        # ids that count the passages of a document, out of order
        (
            [
                {"id": "12_10", "contents": '"T"\nlast'},
                {"id": "12_9", "contents": '"T"\nnext'},
                {"id": "57_0", "contents": '"T"\nanother page of this title'},
                {"id": "doc_3", "contents": "without title"},
                {"id": "doc_4", "contents": "without title"},
            ],
            {
                "https://local.example/page/12/T": "next\n\nlast\n",
                "https://local.example/page/57/T": "another page of this title\n",
                "https://local.example/doc/doc_3": "without title\n",
                "https://local.example/doc/doc_4": "without title\n",
            },
        ),
        (
            [
                {"id": "a#0", "title": "T", "text": "first"},
                {"id": "a#1", "title": "T", "text": "second"},
                {"_id": "b", "title": "T", "text": "a document of another kind"},
                {"id": 4, "title": "T", "text": "documents by number"},
                {"id": 5, "title": "T", "text": "are no passages"},
            ],
            {
                "https://local.example/page/a/T": "first\n\nsecond\n",
                "https://local.example/doc/b": "a document of another kind\n",
                "https://local.example/doc/4": "documents by number\n",
                "https://local.example/doc/5": "are no passages\n",
            },
        ),
        # a row may say its title in a field
        (
            [{"id": 1, "title": "T", "contents": "one"}, {"id": 2, "title": "T", "contents": "two"}],
            {"https://local.example/page/T": "one\n\ntwo\n"},
        ),
        # passages of one line and of several
        (
            [
                {"id": 1, "url": "u:1", "contents": "one line"},
                {"id": 2, "url": "u:1", "contents": "two\nlines <|im_end|>"},
                {"id": 3, "url": "u:1", "contents": "one line more"},
            ],
            {"u:1": "one line\n\ntwo\nlines ‹|im_end|›\n\none line more\n"},
        ),
    ],
)
@pytest.mark.parametrize("stored", [False, True])
def test_rows_of_one_page_are_found(tmp_path: Path, rows: list[object], pages: dict[str, str], stored: bool):
    source = PageFiles(write(tmp_path / "rows.jsonl", rows))
    corpus = built(source, tmp_path / "c" if stored else None)
    assert {url: markdown(corpus, url) for url in corpus.urls()} == pages


def test_the_parts_of_a_page_may_come_in_any_order(tmp_path: Path):
    orders = [WIKI_18, WIKI_18[::-1], [*WIKI_18[2:], *WIKI_18[:2]]]
    found = []
    for number, rows in enumerate(orders):
        corpus = built(PageFiles(write(tmp_path / f"{number}.jsonl", rows)), tmp_path / str(number))
        found.append((corpus.search(["Aaron Moses", "frame"], 4), markdown(corpus, AARON)))
        corpus.close()
    assert found[0] == found[1] == found[2]
    assert found[0][1] == WHOLE


def one_file(folder: Path, rows: Sequence[object], name: str) -> list[str]:
    return [str(write(folder / name, rows))]


def some_files(folder: Path, rows: Sequence[object]) -> list[str]:
    return [str(write(folder / f"part-{n}.jsonl.gz", rows[n : n + 2])) for n in range(0, len(rows), 2)]


def mixed_folder(folder: Path, rows: Sequence[object]) -> list[str]:
    write(folder / "data" / "a.jsonl", rows[:2])
    write(folder / "data" / "deep" / "b.jsonl.gz", rows[2:])
    (folder / "README.md").write_text("# How this was made")
    (folder / "paper.PDF").write_bytes(b"%PDF-1.4")
    (folder / ".gitattributes").write_text("x")
    return [str(folder)]


def pattern(folder: Path, rows: Sequence[object]) -> list[str]:
    some_files(folder, rows)
    write(folder / "other.jsonl", [{"url": "x:1", "text": "not a part"}])
    return [str(folder / "part-*.jsonl.gz")]


@pytest.mark.parametrize(
    "made",
    [
        lambda folder, rows: one_file(folder, rows, "w.jsonl"),
        lambda folder, rows: one_file(folder, rows, "w.jsonl.gz"),
        lambda folder, rows: one_file(folder, rows, "W.JSONL"),
        lambda folder, rows: one_file(folder, rows, "w.parquet"),
        some_files,
        mixed_folder,
        pattern,
    ],
)  # fmt: skip
def test_shards_are_one_corpus(tmp_path: Path, made: Callable[[Path, Sequence[object]], list[str]]):
    files = PageFiles(*made(tmp_path / "in", WIKI_18))
    corpus = built(files, tmp_path / "c")
    assert len(corpus) == 3
    assert markdown(corpus, AARON) == WHOLE
    assert files.share == 1.0
    if made is mixed_folder:
        assert files.skipped.counts == {".md files": 1, "PDFs": 1}
    else:
        assert files.skipped.counts == {}


@pytest.mark.parametrize("packed", [False, True])
def test_standard_input(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, packed: bool):
    data = gzip.compress(lines(WIKI_18)) if packed else lines(WIKI_18)
    stream = SimpleNamespace(buffer=io.BufferedReader(io.BytesIO(data)))  # type: ignore[arg-type]
    monkeypatch.setattr(sys, "stdin", stream)
    files = PageFiles("-")
    corpus = built(files, tmp_path / "c")
    assert (len(corpus), files.share) == (3, None)


def test_parquet_without_pyarrow_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    (tmp_path / "a.parquet").write_bytes(b"PAR1")
    monkeypatch.setitem(sys.modules, "pyarrow.parquet", None)
    with pytest.raises(MissingDependencyError, match=r"\[parquet\]"):
        list(PageFiles(tmp_path / "a.parquet"))


SKIPPED: list[tuple[object, str]] = [
    ("", "empty lines"),
    (" \t ", "empty lines"),
    ({"id": 1, "contents": ""}, "rows without text"),
    ({"id": 1, "contents": None}, "rows without text"),
    ({"id": 1, "contents": " \n "}, "rows without text"),
    ({"id": 1, "contents": '"Title"\n'}, "rows without text"),
    ({"url": "x:2", "html": "", "text": None}, "rows without text"),
    ({"docid": "2", "text": "---\ntitle: T\n---\n", "url": "x:2"}, "rows without text"),
    ({"docid": "2", "text": "%PDF-1.7\n%\ufffd\ufffd", "url": "x:2"}, "PDFs"),
    ({"docid": "2", "text": "\ufeff\n%PDF-1.7", "url": "x:2"}, "PDFs"),
    ({"docid": "1", "text": "kept", "url": "x:1"}, "repeated rows"),
    ({"docid": "1", "html": "<p>page", "url": "x:0"}, "repeated rows"),
]


@pytest.mark.parametrize(("row", "kind"), SKIPPED)
def test_what_is_skipped_is_counted_and_located(tmp_path: Path, row: object, kind: str):
    path = tmp_path / "rows.jsonl"
    kept = [{"docid": "0", "html": "<p>page", "url": "x:0"}, {"docid": "1", "text": "kept", "url": "x:1"}]
    text = row if isinstance(row, str) else json.dumps(row)
    path.write_bytes(lines(kept) + text.encode() + b"\n" + text.encode() + b"\n")
    files = PageFiles(path)
    corpus = built(files, tmp_path / "c")
    assert list(corpus.urls()) == ["x:0", "x:1"]
    assert files.skipped.counts == {kind: 2}
    if kind != "repeated rows":
        assert str(files.skipped) == f"2 {kind} (first: {path}:3)"


def raw(data: bytes, name: str = "rows.jsonl") -> Callable[[Path], list[str]]:
    def make(folder: Path) -> list[str]:
        (folder / name).write_bytes(data)
        return [str(folder / name)]

    return make


def cut(folder: Path) -> list[str]:
    whole = gzip.compress(lines([{"id": n, "contents": f"text {n * 7919}"} for n in range(5_000)]))
    return raw(whole[: len(whole) // 2], "rows.jsonl.gz")(folder)


def cut_table(folder: Path) -> list[str]:
    data = write(folder / "whole.parquet", WIKI_18).read_bytes()
    return raw(data[: len(data) // 2], "rows.parquet")(folder)


GOOD = lines([{"id": 1, "contents": '"T"\nfine'}])


@pytest.mark.parametrize(
    ("made", "message"),
    [
        (raw(GOOD + b'{"id": 2, "conte'), r"rows\.jsonl:2: not JSON in UTF-8.*cut off"),
        (raw(GOOD + b"[1, 2]\n"), r"rows\.jsonl:2: a row must be an object, not list"),
        (raw(GOOD + b'"text"\n'), r"rows\.jsonl:2: a row must be an object, not str"),
        (raw(GOOD + b'{"contents": "caf\xe9", "id": 1}\n'), r"rows\.jsonl:2: not JSON in UTF-8"),
        (raw(GOOD.decode().encode("utf-16")), r"rows\.jsonl:1: not JSON in UTF-8"),
        (raw(GOOD + b'\n\n{"id": 2, "body": "x"}\n'), r"rows\.jsonl:4: there is none of .*only 'id', 'body'"),
        (raw(GOOD + b'{"id": 2, "contents": ["x"]}\n'), r"rows\.jsonl:2: 'contents' must be a string, not list"),
        (raw(GOOD + b'{"id": 2, "url": 5, "text": "x"}\n'), r"rows\.jsonl:2: 'url' must be a string, not int"),
        (raw(GOOD + b'{"contents": "x"}\n'), r"rows\.jsonl:2: there is no 'url'"),
        (raw(GOOD + b'{"id": null, "text": "x"}\n'), r"rows\.jsonl:2: there is no 'url'"),
        (raw(b""), "holds no pages"),
        (raw(b"\n\n"), r"holds no pages; skipped: 2 empty lines \(first: .*rows\.jsonl:1\)"),
        (raw(b"not gzip", "rows.jsonl.gz"), r"cannot read .*rows\.jsonl\.gz"),
        (cut, r"cannot read .*rows\.jsonl\.gz, after line \d+"),
        (raw(b"PAR1 and nothing", "rows.parquet"), r"cannot read .*rows\.parquet"),
        (cut_table, r"cannot read .*rows\.parquet"),
        (lambda f: one_file(f, [{"a": 1}], "rows.parquet"), r"rows\.parquet: its columns are a; a page needs"),
        (
            lambda f: one_file(f, [{"id": 1, "contents": "x"}, {"id": None, "contents": "y"}], "rows.parquet"),
            r"rows\.parquet, row 2: there is no 'url'",
        ),
        (lambda f: one_file(f, [{"text": 5, "id": 1}], "rows.parquet"), r"row 1: 'text' must be a string, not int"),
        (lambda f: [str(f / "none*.jsonl")], "there is no file or folder"),
        (lambda f: [str(f)], "holds no .html"),
        (lambda f: [str(f / "none.jsonl")], "there is no file or folder"),
        (
            raw(lines([{"url": "x:1", "html": "<p>a"}, {"url": "x:1", "html": "<p>b"}])),
            r"two documents have the URL 'x:1' \(.*rows\.jsonl:1 and .*rows\.jsonl:2\)",
        ),
        (
            raw(lines([{"url": "x:1", "html": "<p>a"}, {"url": "x:1", "text": "b"}])),
            r"two documents have the URL 'x:1' \(.*rows\.jsonl:1\)",
        ),
    ],
)  # fmt: skip
def test_bad_input_is_named(tmp_path: Path, made: Callable[[Path], list[str]], message: str):
    folder = tmp_path / "in"
    folder.mkdir()
    with pytest.raises(CorpusError, match=message):
        StoredCorpus.build(tmp_path / "c", PageFiles(*made(folder)), name="c")
    assert [entry.name for entry in tmp_path.iterdir()] == ["in"]


def test_a_passage_can_be_given_directly(tmp_path: Path):
    parts = [Passage("x:1", "T", "second", 2), Passage("x:1", "T", "first", 1), Passage("x:2", "U", "alone")]
    for path in (None, tmp_path / "c"):
        corpus = built(list(parts), path)
        assert markdown(corpus, "x:1") == "first\n\nsecond\n"
        assert [hit.url for hit in corpus.search(["second"], 3)[0]] == ["x:1#passage-2"]
