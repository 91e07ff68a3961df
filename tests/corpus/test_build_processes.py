"""Building with several processes: the same corpus whatever their number, errors in order, and kills at any moment."""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from wideseek_env.corpus import Passage, SourcePage, StoredCorpus, index, indexing, page_files, spool
from wideseek_env.corpus.files import PageFiles
from wideseek_env.corpus.folders import LOCK, locked
from wideseek_env.corpus.workers import WorkerGone, Workers
from wideseek_env.errors import CorpusError

WORDS = [f"w{n}" for n in range(300)]


def rows(count: int, seed: int = 0) -> list[dict[str, Any]]:
    rng = random.Random(seed)
    found = []
    for n in range(count):
        text = " ".join(rng.choices(WORDS, k=rng.randrange(5, 40)))
        found.append({"id": n, "contents": f'"{" ".join(rng.choices(WORDS[:60], k=2))}"\n{text}'})
    return found


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("source") / "rows.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows(6_000)))
    return path


QUERIES = [" ".join(random.Random(n).sample(WORDS, 4)) for n in range(80)]


def small(monkeypatch: pytest.MonkeyPatch, processes: int, shard: int = 1_000) -> None:
    """Build with this many processes, in small pieces."""
    for module in (indexing, index):
        monkeypatch.setattr(module, "cpus", lambda: processes)
    monkeypatch.setattr(indexing, "_ALONE", 1)
    monkeypatch.setattr(indexing, "SHARD_ROWS", shard)
    monkeypatch.setattr("wideseek_env.corpus.files._BLOCK", 50_000)
    monkeypatch.setattr(spool, "RUN_BYTES", 300_000)


def manifest(path: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((path / "index" / "manifest.json").read_text())
    return found


def test_the_number_of_processes_and_threads_makes_no_difference(
    tmp_path: Path, source: Path, monkeypatch: pytest.MonkeyPatch
):
    found, pages = [], []
    for processes in (1, 2, 5):
        with monkeypatch.context() as patch:
            small(patch, processes)
            corpus = StoredCorpus.build(tmp_path / f"{processes}", PageFiles(source), name="c")
            found.append(corpus.search(QUERIES, 9))
            pages.append([corpus.fetch(url) for url in corpus.urls()])
            corpus.close()
    assert all(len(hits) == 9 for hits in found[0])
    assert any(len({hit.score for hit in hits}) < 9 for hits in found[0])  # ties are among them
    assert found[0] == found[1] == found[2]
    assert pages[0] == pages[1] == pages[2]
    facts = [manifest(tmp_path / name) for name in "125"]
    assert facts[0]["segments"] == [0, 1_000, 2_000, 3_000, 4_000, 5_000]
    for key in ("content", "documents", "segments", "in_order"):
        assert facts[0][key] == facts[1][key] == facts[2][key]


def test_segments_make_no_difference(tmp_path: Path, source: Path, monkeypatch: pytest.MonkeyPatch):
    """One segment or many, with their rows known or looked up: the same hits in the same order."""
    found = []
    for shard in (700, 100_000):
        with monkeypatch.context() as patch:
            small(patch, 1, shard)
            corpus = StoredCorpus.build(tmp_path / f"{shard}", PageFiles(source), name="c")
            found.append(corpus.search(QUERIES, 9))
            corpus.close()
    assert found[0] == found[1]
    facts = manifest(tmp_path / "700")
    assert len(facts.pop("segments")) == 9
    (tmp_path / "700" / "index" / "manifest.json").write_text(json.dumps(facts))
    corpus = StoredCorpus.open(tmp_path / "700")
    assert corpus.search(QUERIES, 9) == found[1]
    corpus.close()


def test_pages_that_exist_already_are_sent_to_workers_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    def pages() -> Iterator[SourcePage | Passage]:
        for n in range(2_000):
            yield SourcePage(f"https://e.example/{n}", f"P {n}", f"<p>{n} page", None)
            yield Passage(f"https://e.example/joined/{n // 3}", "J", f"part {n}")

    small(monkeypatch, 2)
    seen: list[int] = []
    corpus = StoredCorpus.build(tmp_path / "c", pages(), name="c", progress=seen.append)
    assert (len(corpus), corpus.passages) == (2_667, 4_000)
    assert (seen, seen[-1]) == (sorted(seen), 4_000)
    page = corpus.fetch("https://e.example/joined/5")
    assert page is not None
    assert "part 15" in page.html
    corpus.close()


@pytest.mark.parametrize("places", [(2_500, 5_500), (5_500,), (0, 1)])
def test_the_first_error_is_raised(
    tmp_path: Path, source: Path, monkeypatch: pytest.MonkeyPatch, places: tuple[int, ...]
):
    lines = source.read_text().splitlines()
    for place in places:
        lines[place] = '{"id": 1}'
    bad = tmp_path / "bad.jsonl"
    bad.write_text("\n".join(lines))
    small(monkeypatch, 3)
    with pytest.raises(CorpusError, match=rf"bad\.jsonl:{places[0] + 1}:"):
        StoredCorpus.build(tmp_path / "c", PageFiles(bad), name="c")
    assert [entry.name for entry in tmp_path.iterdir()] == ["bad.jsonl"]


def test_tables_of_urls_are_sorted_in_parts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    pages = [SourcePage(f"https://e.example/{n}", "T", f"<p>{n}") for n in range(500)]
    StoredCorpus.build(tmp_path / "whole", pages, name="c").close()
    monkeypatch.setattr(page_files, "_SORTED", 60)
    StoredCorpus.build(tmp_path / "parts", pages, name="c").close()
    for name in ("urls.npy", "keys.npy"):
        assert (tmp_path / "whole" / name).read_bytes() == (tmp_path / "parts" / name).read_bytes()


class Die:
    """A job that ends its process."""

    def run(self, state: dict[str, Any], report: Any) -> None:
        os.kill(os.getpid(), signal.SIGKILL)


def test_a_worker_that_dies_is_named():
    workers = Workers(2)
    try:
        workers.submit(0, Die(), lambda _: None)
        with pytest.raises(WorkerGone, match="exit code -9; if memory or disk is short"):
            workers.wait()
    finally:
        workers.close()


KILLED = """
import os, signal, sys
from pathlib import Path
from wideseek_env.corpus import PageFiles, StoredCorpus, folders, indexing, page_files, spool
source, out, point = Path(sys.argv[1]), Path(sys.argv[2]), sys.argv[3]

def die(*_, **__):
    os.kill(os.getpid(), signal.SIGKILL)

def after(function, calls):
    count = 0
    def changed(*arguments, **named):
        nonlocal count
        count += 1
        if count > calls:
            die()
        return function(*arguments, **named)
    return changed

indexing.cpus, indexing._ALONE, indexing.SHARD_ROWS = (lambda: 2), 1, 1_000
spool.RUN_BYTES = 300_000
import wideseek_env.corpus.files as files
files._BLOCK = 50_000
progress = None
if point == "made":
    folders.locked = die
elif point == "read":
    progress = lambda done: done > 1_000 and die()
elif point == "stored":
    page_files.PageWriter.add = after(page_files.PageWriter.add, 300)
elif point == "indexed":
    progress = lambda done: done > 5_000 and die()
elif point == "joined":
    indexing.join = after(indexing.join, 0)
elif point == "manifest":
    indexing.write_manifest = die
elif point == "finished":
    page_files.PageWriter.finish = die
elif point in ("before the old folder is moved", "before the new folder is moved"):
    replace, last = os.replace, ".c.old-" if "old" in point else "/c"
    folders.os.replace = lambda old, new: die() if last in "/" + Path(new).name else replace(old, new)
StoredCorpus.build(out, PageFiles(source), name="c", overwrite=True, progress=progress)
"""


def kill(source: Path, out: Path, point: str) -> None:
    command = [sys.executable, "-c", KILLED, str(source), str(out), point]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == -signal.SIGKILL, done.stderr


POINTS = ["made", "read", "stored", "indexed", "joined", "manifest", "finished"]


@pytest.mark.skipif(sys.platform == "win32", reason="needs signals")
@pytest.mark.parametrize("point", POINTS)
def test_a_killed_build_starts_over_and_leaves_nothing(
    tmp_path: Path, source: Path, monkeypatch: pytest.MonkeyPatch, point: str
):
    small(monkeypatch, 1)
    monkeypatch.setattr("wideseek_env.corpus.folders._UNLOCKED", 0.0)
    out = tmp_path / "c"
    kill(source, out, point)
    remains = list(tmp_path.iterdir())
    assert not out.exists()
    assert remains  # so this test can fail
    if point != "made":  # the workers end by themselves
        wait_until_unused(remains[0])
    corpus = StoredCorpus.build(out, PageFiles(source), name="c")
    assert corpus.passages == 6_000
    corpus.close()
    assert list(tmp_path.iterdir()) == [out]


@pytest.mark.skipif(sys.platform == "win32", reason="needs signals")
@pytest.mark.parametrize("point", ["before the old folder is moved", "before the new folder is moved"])
def test_a_build_that_is_killed_while_it_replaces_a_corpus(
    tmp_path: Path, source: Path, monkeypatch: pytest.MonkeyPatch, point: str
):
    small(monkeypatch, 1)
    out = tmp_path / "c"
    old = StoredCorpus.build(out, [SourcePage("https://e.example/old", "Old", "<p>old")], name="old")
    old.close()
    kill(source, out, point)
    assert out.exists() == ("old" in point)
    assert len(list(tmp_path.iterdir())) > 1
    with pytest.raises(CorpusError, match="exists already"):
        StoredCorpus.build(out, PageFiles(source), name="c")
    kept = StoredCorpus.open(out)
    assert kept.name == "old"
    kept.close()
    assert list(tmp_path.iterdir()) == [out]
    StoredCorpus.build(out, PageFiles(source), name="c", overwrite=True).close()
    assert list(tmp_path.iterdir()) == [out]


def wait_until_unused(folder: Path) -> None:
    """Wait until no process has a file of `folder` open."""
    for _ in range(200):
        used = False
        for process in Path("/proc").glob("[0-9]*"):
            try:
                used = used or any(
                    os.readlink(link).startswith(str(folder)) for link in (process / "fd").iterdir()
                )
            except OSError:
                continue
        if not used:
            return
        time.sleep(0.05)
    raise AssertionError(f"a process still uses {folder}")


def test_a_build_that_runs_is_left_alone(tmp_path: Path):
    running = tmp_path / ".c.building-other"
    running.mkdir()
    holder = subprocess.Popen(
        [
            sys.executable,
            "-c",
            "import sys; from pathlib import Path; from wideseek_env.corpus.folders import locked\n"
            f"held = locked(Path(sys.argv[1]) / {LOCK!r}); print('locked', flush=True); sys.stdin.read()",
            str(running),
        ],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert holder.stdout is not None
    assert holder.stdout.readline() == "locked\n"
    StoredCorpus.build(tmp_path / "c", [SourcePage("x:1", "T", "<p>x")], name="c").close()
    assert running.exists()
    holder.communicate("")
    StoredCorpus.build(tmp_path / "c", [SourcePage("x:1", "T", "<p>x")], name="c", overwrite=True).close()
    assert [entry.name for entry in tmp_path.iterdir()] == ["c"]


def test_two_builds_in_one_process_do_not_remove_each_other(tmp_path: Path):
    def pages() -> Iterator[SourcePage]:
        yield SourcePage("x:1", "T", "<p>x")
        other = StoredCorpus.build(tmp_path / "c", [SourcePage("x:2", "T", "<p>y")], name="inner")
        other.close()

    with pytest.raises(CorpusError, match="exists already"):
        StoredCorpus.build(tmp_path / "c", pages(), name="outer")
    corpus = StoredCorpus.open(tmp_path / "c")
    assert corpus.name == "inner"
    corpus.close()
    assert [entry.name for entry in tmp_path.iterdir()] == ["c"]


def test_a_lock_is_given_once(tmp_path: Path):
    first = locked(tmp_path / "x.lock")
    assert first is not None
    os.close(first)
