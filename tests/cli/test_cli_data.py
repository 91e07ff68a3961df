"""`corpus` and `tasks`: building, searching, showing, counting."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import Result

from wideseek_env.catalog import synthetic_world
from wideseek_env.cli.progress import PageBar
from wideseek_env.corpus.stored import StoredCorpus
from wideseek_env.tasks.jsonl import load_tasks

Call = Callable[..., Result]
SMALL = "synthetic:seed=4,pages=600,rows=8-12"


def test_a_folder_becomes_a_corpus(call: Call, world: Path, tmp_path: Path) -> None:
    out = tmp_path / "corpus"
    result = call("corpus", "build", world / "pages", "--out", out, "--name", "towns-1")
    assert result.exit_code == 0
    assert result.stdout == f"{out}: 12 pages, called towns-1\n"
    again = call("corpus", "build", world / "pages", "--out", out)
    assert again.exit_code == 1
    assert "exists already" in again.stderr
    assert call("corpus", "build", world / "pages", "--out", out, "--overwrite").stdout.endswith(
        "called pages\n"
    )


def test_a_file_becomes_a_corpus(call: Call, tmp_path: Path) -> None:
    pages = [
        {"url": f"https://x.example/{n}", "title": f"Page {n}", "text": f"Number {n}."} for n in range(3)
    ]
    (tmp_path / "pages.jsonl").write_text("".join(json.dumps(page) + "\n" for page in pages))
    assert (
        "3 pages, called pages"
        in call("corpus", "build", tmp_path / "pages.jsonl", "--out", tmp_path / "c").stdout
    )
    (tmp_path / "pages.jsonl").write_text('{"url": "https://x.example/"}\n')
    wrong = call("corpus", "build", tmp_path / "pages.jsonl", "--out", tmp_path / "d")
    assert wrong.exit_code == 1
    assert "pages.jsonl:1" in wrong.stderr
    assert not (tmp_path / "d").exists()


def test_another_file_is_no_source(call: Call, tmp_path: Path) -> None:
    (tmp_path / "pages.csv").write_text("a,b")
    result = call("corpus", "build", tmp_path / "pages.csv", "--out", tmp_path / "c")
    assert (result.exit_code, "is not a .jsonl file" in result.stderr) == (1, True)


def test_a_synthetic_world_becomes_a_corpus(call: Call, tmp_path: Path) -> None:
    result = call("corpus", "build", SMALL, "--out", tmp_path / "c")
    assert result.exit_code == 0
    assert "600 pages" in result.stdout
    found = call("corpus", "search", tmp_path / "c", "list", "of", "-k", 2)
    assert found.stdout.startswith("1. [List of")
    world = synthetic_world(SMALL)
    built = StoredCorpus.open(tmp_path / "c")
    assert world.gone
    assert [page.status for url in world.gone if (page := built.fetch(url))] == [410] * len(world.gone)
    built.close()


def test_searching_and_showing(call: Call, world: Path) -> None:
    found = call("corpus", "search", world / "corpus", "town", "of", "Elm", "--count", 1)
    assert found.stdout.startswith("1. [Elm](https://local.example/elm.md)")
    assert call("corpus", "search", world / "corpus", "zebra").stdout == "No results. Try other words.\n"
    page = call("corpus", "show", world / "corpus", "https://local.example/elm.md")
    assert "The town of Elm has 1148 inhabitants." in page.stdout
    gone = call("corpus", "show", world / "corpus", "https://local.example/none")
    assert (gone.exit_code, gone.stdout) == (1, "")
    assert gone.stderr.startswith("Error: there is no page at this address.")
    beyond = call("corpus", "show", world / "corpus", "https://local.example/elm.md", "--chunk", 7)
    assert (beyond.exit_code, "only 1 chunk" in beyond.stderr) == (1, True)


def test_pages_cannot_write_escapes_to_the_terminal(call: Call, tmp_path: Path) -> None:
    page = {
        "url": "https://x.example/",
        "title": "T\u001b[2J",
        "text": "Words \u001b]0;owned\u0007 \u009b2J more.",
    }
    (tmp_path / "p.jsonl").write_text(json.dumps(page))
    call("corpus", "build", tmp_path / "p.jsonl", "--out", tmp_path / "c")
    for command in (("search", "words"), ("show", "https://x.example/")):
        result = call("corpus", command[0], tmp_path / "c", command[1])
        assert result.exit_code == 0
        assert not {"\x1b", "\x9b", "\x07"} & set(result.stdout)


def test_tasks_are_generated_into_a_file(call: Call, tmp_path: Path) -> None:
    out = tmp_path / "sub" / "t.jsonl"
    result = call("tasks", "build", SMALL, "--split", "train", "--count", 3, "--seed", 2, "--out", out)
    assert result.exit_code == 0
    assert "3 tasks from" in result.stdout
    assert len(load_tasks(out)) == 3
    first = out.read_bytes()
    refused = call("tasks", "build", SMALL, "--count", 2, "--out", out)
    assert (refused.exit_code, "exists; give another name or --overwrite" in refused.stderr) == (2, True)
    assert (
        call("tasks", "build", SMALL, "--split", "train", "--count", 3, "--out", out, "--overwrite").exit_code
        == 0
    )
    assert out.read_bytes() != first


def test_more_tasks_than_there_are(call: Call, tmp_path: Path) -> None:
    result = call("tasks", "build", SMALL, "--count", 100_000, "--out", tmp_path / "t.jsonl")
    assert result.exit_code == 1
    assert not (tmp_path / "t.jsonl").exists()


def test_tasks_are_shown(call: Call, world: Path) -> None:
    result = call("tasks", "show", world / "tasks.jsonl", "--limit", 2, "--rows", 3)
    assert result.exit_code == 0
    assert "towns-0" in result.stdout
    assert "Town (key)" in result.stdout
    assert "… and 5 more rows" in result.stdout
    assert "2 of 4 tasks of tasks" in result.stdout
    one = call("tasks", "show", world / "tasks.jsonl", "--task-id", "towns-3")
    assert "towns-3" in one.stdout
    assert "towns-0" not in one.stdout
    assert call("tasks", "show", world / "tasks.jsonl", "--task-id", "x").exit_code == 1


def test_tasks_are_counted(call: Call, world: Path) -> None:
    result = call("tasks", "stats", world / "tasks.jsonl")
    lines = [line.split() for line in result.stdout.split("\n")]
    assert ["rows", "8", "–", "8,", "median", "8,", "32", "in", "total"] in lines
    assert ["metrics", "exact_match", "8"] in lines


@pytest.mark.parametrize("command", ["show", "stats"])
def test_a_damaged_file_names_its_line(call: Call, tmp_path: Path, command: str) -> None:
    (tmp_path / "t.jsonl").write_text("{}\n")
    result = call("tasks", command, tmp_path / "t.jsonl")
    assert result.exit_code == 1
    assert "t.jsonl:1" in result.stderr


@pytest.fixture
def hybridqa(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """The name of a small world in HybridQA's form; the cache is a folder of the test."""
    from hybridqa_data import dataset, write_jsonl

    monkeypatch.setenv("WIDESEEK_CACHE", str(tmp_path / "cache"))
    return f"hybridqa:{write_jsonl(tmp_path / 'data', *dataset())}"


def test_a_world_of_real_tables_is_built_on_first_use(call: Call, hybridqa: str, tmp_path: Path) -> None:
    assert not (tmp_path / "cache").exists()
    assert call("corpus", "search", hybridqa, "lighthouses").exit_code == 0
    (built,) = (tmp_path / "cache").iterdir()
    stamp = (built / "manifest.json").stat().st_mtime_ns
    assert call("corpus", "search", hybridqa, "lighthouses").exit_code == 0
    assert (built / "manifest.json").stat().st_mtime_ns == stamp


def test_real_tables_become_a_corpus_and_tasks(call: Call, hybridqa: str, tmp_path: Path) -> None:
    assert "pages, called hybridqa:" in call("corpus", "build", hybridqa, "--out", tmp_path / "c").stdout
    named = call("corpus", "build", hybridqa, "--out", tmp_path / "d", "--name", "mine")
    assert (named.exit_code, "leave --name out" in named.stderr) == (2, True)
    found = [call("tasks", "stats", hybridqa, "--split", split) for split in ("train", "validation", "test")]
    assert any("hybridqa" in result.stdout for result in found)
    many = call("tasks", "build", hybridqa, "--count", 10_000, "--out", tmp_path / "t.jsonl")
    assert many.exit_code == 1
    assert "tasks, not 10000" in many.stderr


def test_shards_become_a_corpus_and_what_is_skipped_is_said(call: Call, tmp_path: Path) -> None:
    rows = [{"id": str(n), "contents": f'"Page {n // 2}"\nPart {n}.'} for n in range(6)]
    for shard in range(2):
        lines = [json.dumps(row) for row in rows[3 * shard : 3 * shard + 3]]
        (tmp_path / f"part-{shard}.jsonl").write_text("\n".join(["", *lines]) + "\n")
    result = call("corpus", "build", tmp_path / "part-*.jsonl", "--out", tmp_path / "c")
    assert result.stdout == f"{tmp_path / 'c'}: 3 pages with 6 passages, called c\n"
    assert f"Skipped: 2 empty lines (first: {tmp_path / 'part-0.jsonl'}:1)" in result.stderr
    again = call(
        "corpus", "build", tmp_path / "part-1.jsonl", tmp_path / "part-0.jsonl", "--out", tmp_path / "d"
    )
    assert "3 pages with 6 passages, called d" in again.stdout
    shown = call("corpus", "show", tmp_path / "d", "https://local.example/page/Page_1#passage-2")
    assert "Part 2.\n\nPart 3." in shown.stdout
    mixed = call("corpus", "build", SMALL, tmp_path / "part-1.jsonl", "--out", tmp_path / "e")
    assert (mixed.exit_code, "cannot be combined" in mixed.stderr) == (2, True)


def test_the_bar_says_the_time_left(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    state = {"now": 0.0, "share": 0.0}
    monkeypatch.setattr("wideseek_env.cli.progress.time.monotonic", lambda: state["now"])
    with PageBar() as bar:
        bar.share = lambda: state["share"]
        for now, share, done in [
            (10.0, 0.25, 25_000),
            (40.0, 1.0, 100_000),
            (70.0, 1.0, 150_000),
            (4_000.0, 1.0, 190_000),
        ]:
            state.update(now=now, share=share)
            bar(done)
    lines = capsys.readouterr().err.splitlines()
    assert (
        lines
        == [
            "Indexing pages: 25,000 pages, 2,500 pages/s, about 1 min 30 s left",  # 30 s of reading, 60 s of indexing
            "Indexing pages: 100,000 pages, 2,500 pages/s, about 1 min 0 s left",
            "Indexing pages: 150,000 pages, 2,143 pages/s, about 30 s left",
            "Indexing pages: 190,000 pages, 47.5 pages/s, about 7 min 20 s left",
        ]
    )
