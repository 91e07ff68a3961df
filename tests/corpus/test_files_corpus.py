"""Users' documents as pages: JSON lines and folders, in any character set, with errors that name the place."""

from __future__ import annotations

import gzip
import json
from pathlib import Path

import pytest

from wideseek_env.corpus import MemoryCorpus, StoredCorpus, pages_from_folder, pages_from_jsonl
from wideseek_env.errors import CorpusError
from wideseek_env.pages import to_document
from wideseek_env.pages.from_markdown import markdown_to_html, text_to_html

RECORDS = [
    {"url": "https://e.example/h", "title": "H", "html": "<h1>x</h1><p>hyper"},
    {"url": "https://e.example/own", "html": "<title>Own</title><p>text"},
    {"url": "https://e.example/both", "title": "B", "html": "<p>shown", "text": "searched walrus"},
    {"url": "https://e.example/m", "markdown": "# Head\n\n| A | B |\n| --- | --- |\n| 1 | 2 |\n"},
    {"url": "https://e.example/some_text.txt", "title": None, "text": "1 < 2\n\nsecond & last"},
]


def write(path: Path, *lines: object) -> Path:
    text = "".join(
        (line if isinstance(line, str) else json.dumps(line, ensure_ascii=False)) + "\n" for line in lines
    )
    data = text.encode()
    path.write_bytes(gzip.compress(data) if path.suffix == ".gz" else data)
    return path


@pytest.mark.parametrize("name", ["pages.jsonl", "pages.jsonl.gz"])
def test_json_lines(tmp_path: Path, name: str):
    pages = list(pages_from_jsonl(write(tmp_path / name, RECORDS[0], "", *RECORDS[1:])))
    assert [page.url for page in pages] == [record["url"] for record in RECORDS]
    assert [page.title for page in pages] == ["H", "Own", "B", "Head", "some text"]
    assert (pages[0].html, pages[0].text) == ("<h1>x</h1><p>hyper", None)
    assert (pages[2].html, pages[2].text) == ("<p>shown", "searched walrus")
    assert to_document(pages[3].html).markdown == RECORDS[3]["markdown"]
    assert to_document(pages[4].html).markdown == "1 < 2\n\nsecond & last\n"
    corpus = MemoryCorpus(pages, "files")
    assert corpus.search(["walrus"], 1)[0][0].url == "https://e.example/both"


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("{", "not JSON"),
        ("[" * 100_000, "not JSON"),
        ("[]", "must be an object, not list"),
        ({"html": "x"}, "no 'url'"),
        ({"url": " ", "html": "x"}, "no 'url'"),
        ({"url": 3, "html": "x"}, "'url' must be a string, not int"),
        ({"url": "u"}, "none of 'html', 'markdown', 'text' and 'contents'"),
        ({"url": "u", "text": ["x"]}, "'text' must be a string, not list"),
        ({"url": "u", "text": "x", "title": {}}, "'title' must be a string|nothing"),
    ],
)
def test_bad_lines_are_named(tmp_path: Path, line: object, message: str):
    if line == {"url": "u", "text": "x", "title": {}}:
        line = {"url": "u", "text": "x", "title": {"a": 1}}
    path = write(tmp_path / "pages.jsonl", RECORDS[0], line)
    with pytest.raises(CorpusError, match=message) as caught:
        list(pages_from_jsonl(path))
    assert f"{path}:2:" in str(caught.value)


def test_files_that_cannot_be_read(tmp_path: Path):
    with pytest.raises(CorpusError, match=r"none\.jsonl"):
        list(pages_from_jsonl(tmp_path / "none.jsonl"))
    whole = write(tmp_path / "whole.jsonl.gz", *RECORDS)
    half = tmp_path / "half.jsonl.gz"
    half.write_bytes(whole.read_bytes()[:-20])
    with pytest.raises(CorpusError, match=r"half\.jsonl\.gz"):
        list(pages_from_jsonl(half))
    (tmp_path / "latin.jsonl").write_bytes('{"url": "u", "text": "caf\xe9"}\n'.encode("latin-1"))
    with pytest.raises(CorpusError, match=r"latin\.jsonl:1: not JSON in UTF-8"):
        list(pages_from_jsonl(tmp_path / "latin.jsonl"))


def folder(path: Path) -> Path:
    (path / "sub dir").mkdir(parents=True)
    (path / ".hidden").mkdir()
    (path / ".hidden" / "x.html").write_text("hidden")
    (path / "picture.png").write_bytes(b"\x89PNG")
    (path / "b.html").write_bytes("<meta charset=windows-1251><title>Привет</title><p>мир".encode("cp1251"))
    (path / "a.HTM").write_bytes("<meta charset=gb2312><h1>北京大学</h1>".encode("gb2312"))
    (path / "c.md").write_bytes(b"\xef\xbb\xbf# Caf\xc3\xa9\n\ntext")
    (path / "d.txt").write_bytes("naïve café plain".encode("cp1252"))
    (path / "e.html").write_bytes("<p>utf sixteen".encode("utf-16"))
    (path / "f.md").write_bytes(b"")
    (path / "sub dir" / "näme_x.txt").write_text("<b>not bold</b>", encoding="utf-8")
    return path


def test_a_folder(tmp_path: Path):
    pages = list(pages_from_folder(folder(tmp_path / "docs")))
    assert [page.url.removeprefix("https://local.example/") for page in pages] == [
        "a.HTM",
        "b.html",
        "c.md",
        "d.txt",
        "e.html",
        "f.md",
        "sub%20dir/n%C3%A4me_x.txt",
    ]
    assert [page.title for page in pages] == ["北京大学", "Привет", "Café", "d", "e", "f", "näme x"]
    assert "мир" in pages[1].html
    assert "café" in pages[3].html
    assert "utf sixteen" in pages[4].html
    assert to_document(pages[6].html).markdown == "<b>not bold</b>\n"
    corpus = StoredCorpus.build(tmp_path / "corpus", pages_from_folder(tmp_path / "docs"), name="docs")
    assert corpus.search(["北京"], 1)[0][0].title == "北京大学"
    assert corpus.fetch("https://local.example/sub dir/näme_x.txt") is not None


def test_folders_that_are_none(tmp_path: Path):
    for path, message in ((tmp_path / "none", "not a folder"), (tmp_path, "holds no")):
        with pytest.raises(CorpusError, match=message):
            list(pages_from_folder(path))


def test_markdown_comes_back_as_it_was():
    markdown = (
        "# Title\n\nA [link](https://a.example/x_(y)) and\na second line.\n\n- a\n  more\n- b\n\nthen\n\n3. x\n4. y\n\n"
        "| A | B |\n| --- | --- |\n| 1 | a\\|b |\n| <i> | [l](https://a.example/) |\n\n```\ncode | <b>\n\n  x\n```\n\n"
        "> said\n"
    )
    document = to_document(markdown_to_html(markdown))
    assert document.title == "Title"
    assert document.markdown == markdown


def test_text_is_never_markup():
    assert to_document(text_to_html("# no <b>heading</b>\n| a |\n\n[x](y)", "T")).markdown == (
        "# no <b>heading</b>\n| a |\n\n[x](y)\n"
    )


def test_corpora_of_benchmarks_load(tmp_path: Path):
    front = '---\ntitle: "The Tower"\ndate: 2020\n---\nIt is tall.'
    rows = [
        {"id": "1", "url": "https://a.org/x", "contents": '"The ""Old"" House"\nIt is old.'},
        {"id": "2", "url": "https://a.org/x", "contents": '"The ""Old"" House"\nIt is red.'},
        {"id": "3", "url": "https://a.org/y", "contents": "No title\nhere."},
        {"id": 4, "contents": '"Only an id"\nText.'},
        {"docid": "5/6", "text": front},
        {"docid": "7", "text": front, "url": "https://b.org/t"},
        {"docid": "8", "text": "--- no title", "url": "https://b.org/u"},
        {"docid": "9", "text": "---\nkey: value\n---\nBody.", "url": "https://b.org/v_w.html"},
        {"_id": "a", "title": "Given", "text": front},
    ]
    pages = list(pages_from_jsonl(write(tmp_path / "corpus.jsonl", *rows)))
    assert [(page.url, page.title) for page in pages] == [
        ("https://a.org/x", 'The "Old" House'),
        ("https://a.org/y", "y"),
        ("https://local.example/doc/4", "Only an id"),
        ("https://local.example/doc/5%2F6", "The Tower"),
        ("https://b.org/t", "The Tower"),
        ("https://b.org/u", "u"),
        ("https://b.org/v_w.html", "v w"),
        ("https://local.example/doc/a", "Given"),
    ]
    assert pages[0].text == "It is old.\n\nIt is red."
    assert (pages[3].text, pages[5].text, pages[6].text) == ("It is tall.", "--- no title", "Body.")


def test_a_corpus_without_pages_is_an_error(tmp_path: Path):
    (tmp_path / "empty.jsonl").write_text("\n\n")
    with pytest.raises(CorpusError, match="holds no pages"):
        list(pages_from_jsonl(tmp_path / "empty.jsonl"))
