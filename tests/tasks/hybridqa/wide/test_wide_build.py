"""Wide tasks from data to file: gold, pages, splits, and the same bytes every time."""

from __future__ import annotations

import gzip
import hashlib
import json
import os
import re
import subprocess
import sys
from collections import Counter
from contextlib import closing
from html import unescape
from pathlib import Path

import pytest
from hybridqa_data import Record, fetch, html_rows, walk, write_jsonl
from tasks.hybridqa.wide.wide_data import a_list, crews, everything, names, passages

from wideseek_env.corpus.hybridqa import build_hybridqa, load_plans
from wideseek_env.corpus.hybridqa.values import normalize
from wideseek_env.corpus.stored import StoredCorpus
from wideseek_env.errors import ConfigError, TaskError
from wideseek_env.scoring import score_response
from wideseek_env.task import Task
from wideseek_env.tasks.hybridqa import hybridqa_tasks
from wideseek_env.tasks.hybridqa.material import materials
from wideseek_env.tasks.hybridqa.pipeline import report_file
from wideseek_env.tasks.hybridqa.splits import (
    SPLITS,
    pages_of,
    split_of,
    split_of_family,
    split_tables,
    wide_pages,
)
from wideseek_env.tasks.hybridqa.wide import WideConfig, WideReport, build_wide_tasks
from wideseek_env.tasks.hybridqa.wide.mixture import build_mixture
from wideseek_env.tasks.hybridqa.wide.scope import Scope
from wideseek_env.tasks.hybridqa.wide.wording import parse_wide
from wideseek_env.tasks.hybridqa.world import HybridQAWorld
from wideseek_env.tasks.jsonl import load_tasks


def corpus_of(folder: Path, tables: list[Record]) -> tuple[Path, Path]:
    data = write_jsonl(folder / "data", tables, passages(tables))
    build_hybridqa(data, folder / "corpus").close()
    return data, folder / "corpus"


def build(folder: Path, tables: list[Record], **settings: object) -> tuple[list[Task], WideReport]:
    data, corpus = corpus_of(folder, tables)
    config = WideConfig(**settings)  # type: ignore[arg-type]
    report = build_wide_tasks(data, folder / "t.jsonl", config, corpus=corpus, workers=1)
    return list(load_tasks(folder / "t.jsonl")), report


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> tuple[list[Task], WideReport, Path]:
    folder = tmp_path_factory.mktemp("wide")
    return *build(folder, everything()), folder


def title_in(split: str, word: str = "Trophy") -> str:
    """A title whose family is in this split."""
    titles = (f"Bay {letter * many} {word}" for many in range(1, 9) for letter in "abcdefghklmnopqrstuw")
    return next(
        title
        for title in titles
        if split_of_family(title.casefold()) == split
        and all(split_of(f"{year} {title}") == "train" for year in (2001, 2002, 2003))
    )


def rows_of(task: Task) -> set[tuple[str, ...]]:
    assert task.gold is not None
    return {(*row[: len(task.key_columns)], str(task.meta["family"])) for row in task.gold.rows}


def check_task(task: Task, corpus: StoredCorpus) -> None:
    """The promises that hold for every wide task, checked on the pages that an agent reads."""
    assert task.gold is not None
    assert 21 <= len(task.gold.rows) == task.meta["rows"] <= 200
    parsed = parse_wide(task.question)
    assert parsed is not None
    assert parsed.columns == task.columns == task.gold.header
    assert parsed.selection.to_dict() == task.meta.get("selection", {})
    assert parsed.scope.named == Scope.from_dict(task.meta["scope"]).named
    assert score_response(task.gold.to_markdown(), task).score == 1.0
    names = [row[: len(task.key_columns)] for row in task.gold.rows]
    assert len(set(names)) == len(names)
    lists: list[tuple[list[str], list[list[str]]]] = []
    for url in task.meta["urls"]:
        pages = walk(corpus, url)
        table = [row for page in pages for row in html_rows(page)[1:]]
        # The headers of siblings may differ in upper and lower case.
        lists.append(
            (
                [normalize(name) for name in html_rows(pages[0])[0]],
                [[" ".join(cell.split()) for cell in row] for row in table],
            )
        )
    assert len(lists) >= 2
    assert parsed.from_pages == tuple(task.meta.get("from_pages", ()))
    if "selection" not in task.meta and not parsed.leaves_out:
        assert sum(len(rows) for _, rows in lists) == len(task.gold.rows)
    found: Counter[int] = Counter()
    for row, entity in zip(task.gold.rows, task.meta["entities"], strict=True):
        values = dict(
            zip(map(normalize, task.columns), (" ".join(cell.split()) for cell in row), strict=True)
        )
        page = normalize(unescape(re.sub("<[^>]+>", " ", fetch(corpus, entity).html))) if entity else ""
        places = [n for n, (header, rows) in enumerate(lists) if holds(task, values, header, rows, page)]
        assert places, (task.id, row)
        found.update(places[:1])
    assert len(found) == task.meta["lists"] >= 2
    assert max(found.values()) <= 0.9 * len(task.gold.rows)  # a row may be in two lists


def holds(task: Task, values: dict[str, str], header: list[str], rows: list[list[str]], page: str) -> bool:
    """Whether one list shows the row's name, and the list or the page of the name shows each value."""
    columns = [normalize(name) for name in task.columns]
    if columns[0] not in header:
        return False
    key = header.index(columns[0])
    labels = {columns[1]} if task.meta["edition"] in ("column", "key") else set()
    for row in rows:
        if row[key] == values[columns[0]]:
            shown = dict(zip(header, row, strict=True))
            if all(
                name in labels or shown.get(name) == value or (name not in shown and said(value, page))
                for name, value in values.items()
            ):
                return True
    return False


def said(value: str, page: str) -> bool:
    words = normalize(value).split()
    return normalize(value) in page or all(f" {word} " in page for word in words)


def test_tasks_of_every_kind(made: tuple[list[Task], WideReport, Path]) -> None:
    tasks, report, folder = made
    assert {task.meta["family"] for task in tasks} == {
        "bay regatta", "harbour league", "list of piers in", "bay council", "list of bay museums",
    }  # fmt: skip
    assert report.proposed == sum(report.dropped.values()) + report.unused + sum(report.kept.values())
    assert report.dropped["shared rows"] > 0
    assert json.loads(report_file(folder / "t.jsonl").read_text()) == report.to_dict()
    assert {task.language for task in tasks} == {"en", "zh"}
    for task in tasks:
        assert task.meta["split"] == split_of_family(str(task.meta["family"]))


def test_every_gold_value_is_on_a_page(made: tuple[list[Task], WideReport, Path]) -> None:
    tasks, _, folder = made
    with closing(StoredCorpus.open(folder / "corpus")) as corpus:
        for task in tasks:
            check_task(task, corpus)


def test_recurring_names_have_a_row_for_each_edition(made: tuple[list[Task], WideReport, Path]) -> None:
    leagues = [task for task in made[0] if task.meta["family"] == "harbour league"]
    assert leagues
    for task in leagues:
        assert task.gold is not None
        assert task.key_columns == ("Crew", "Year")
        assert len(set(task.gold.column("Crew"))) < len(task.gold.rows)


def test_no_two_tasks_share_more_than_half_of_their_rows(made: tuple[list[Task], WideReport, Path]) -> None:
    rows = [rows_of(task) for task in made[0]]
    for number, one in enumerate(rows):
        for other in rows[number + 1 :]:
            assert len(one & other) <= 0.5 * min(len(one), len(other))


def test_a_list_that_names_most_rows_makes_tasks_too_easy(tmp_path: Path) -> None:
    # Twenty of 24 crews are in one further list.
    overview = a_list("Bay sailors", names("Crew", 20), {"Town": names("Town", 20)}, section="All")
    runs = [crews(f"{year} {title_in('test')}", 12 * n) for n, year in enumerate((2001, 2002))]
    tasks, report = build(tmp_path / "a", [*runs, overview])
    assert not tasks
    assert report.dropped["too easy"] == report.proposed > 0
    tasks, _ = build(tmp_path / "b", runs)
    assert tasks


def test_lists_with_the_same_rows_add_nothing(tmp_path: Path) -> None:
    def cups(first: int) -> list[Record]:
        return [
            a_list(
                f"{2001 + n} {title_in('test')}",
                names("Crew", 12, n * first),
                {"Hull": names("Hull", 12, n * first)},
            )
            for n in range(2)
        ]

    tasks, report = build(tmp_path / "a", cups(3))  # nine of twelve crews recur with the same hulls
    assert not tasks
    assert report.dropped["same rows"] == report.proposed > 0
    tasks, report = build(tmp_path / "b", cups(9))
    assert tasks
    assert not report.dropped["same rows"]


def test_lists_on_two_pages_are_used_once(tmp_path: Path) -> None:
    titles = (title_in("test"), title_in("test", "Shield"))
    copies = [crews(f"{2001 + n} {title}", 12 * n) for title in titles for n in range(2)]
    tasks, report = build(tmp_path, copies)
    assert len(tasks) == 1
    assert report.dropped["too easy"] + report.dropped["shared rows"] + report.dropped["near-duplicate"] > 0


def test_pages_of_a_held_out_family_are_in_no_other_split(tmp_path: Path) -> None:
    held, free = title_in("test"), title_in("train")
    tables = [crews(f"{year} {held}", 12 * n) for n, year in enumerate((2001, 2002, 2003))]
    # The first training list shares one crew with the test lists. The others share none.
    tables += [crews(f"{year} {free}", first) for year, first in ((2001, 35), (2002, 60), (2003, 80))]
    plans = load_plans(write_jsonl(tmp_path / "look", tables, passages(tables)))
    assert "/wiki/Crew_Bjton" in wide_pages(plans).test
    tasks, report = build(tmp_path, tables)
    by_split = {split: [task for task in tasks if task.meta["split"] == split] for split in SPLITS}
    assert by_split["test"]
    assert by_split["train"]
    assert all("2001" not in str(task.meta["urls"]) for task in by_split["train"])
    assert report.held_out["train"] == 1
    for material in materials(plans):
        if material.split != "test":
            assert wide_pages(plans).test.isdisjoint(pages_of(material.table, material.plan))
    for split, found in split_tables(plans).items():
        if split != "test":
            assert all(wide_pages(plans).test.isdisjoint(pages_of(t, plans.by_uid[t.uid])) for t in found)


def test_the_same_bytes_for_any_hash_seed_and_number_of_processes(tmp_path: Path) -> None:
    data, corpus = corpus_of(tmp_path, everything())
    program = (
        "import sys, wideseek_env.tasks.hybridqa.stages as s, wideseek_env.tasks.hybridqa.wide.build as b\n"
        "if __name__ == '__main__':\n"
        "    b.CHUNK = 4\n"
        "    data, out, corpus, workers = sys.argv[1:]\n"
        "    b.build_wide_tasks(data, out, b.WideConfig(), corpus=corpus, workers=int(workers))\n"
    )
    (tmp_path / "p.py").write_text(program)
    written = []
    for seed, workers in (("0", "1"), ("1", "2"), ("77", "3")):
        out = tmp_path / f"{seed}.jsonl"
        environment = {**os.environ, "PYTHONHASHSEED": seed}
        command = [sys.executable, str(tmp_path / "p.py"), str(data), str(out), str(corpus), workers]
        subprocess.run(command, check=True, env=environment)
        written.append((out.read_bytes(), report_file(out).read_bytes()))
    assert written[0] == written[1] == written[2]
    assert len(written[0][0]) > 1000


def test_a_killed_build_is_resumed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("wideseek_env.tasks.hybridqa.wide.build.CHUNK", 4)
    data, corpus = corpus_of(tmp_path, everything())

    def die(what: str, done: int, total: int) -> None:
        if what == "tables" and done:
            raise KeyboardInterrupt

    out, whole = tmp_path / "killed.jsonl", tmp_path / "whole.jsonl"
    with pytest.raises(KeyboardInterrupt):
        build_wide_tasks(data, out, WideConfig(), corpus=corpus, workers=1, progress=die)
    (done,) = (tmp_path / "killed.stages" / "1-evidence").glob("*.jsonl")
    stamp = done.stat().st_mtime_ns
    build_wide_tasks(data, out, WideConfig(), corpus=corpus, workers=1)
    build_wide_tasks(data, whole, WideConfig(), corpus=corpus, workers=1)
    assert done.stat().st_mtime_ns == stamp
    assert out.read_bytes() == whole.read_bytes()


def test_bad_requests(tmp_path: Path) -> None:
    data, corpus = corpus_of(tmp_path, everything())
    out = tmp_path / "t.jsonl"
    with pytest.raises(TaskError, match="wide tasks, not 999"):
        build_wide_tasks(data, out, WideConfig(count=999), corpus=corpus, workers=1)
    assert not out.exists()
    for wrong in ({"split": "dev"}, {"count": 0}, {"chinese": 2}, {"per_family": 0}):
        with pytest.raises(ConfigError):
            WideConfig(**wrong)  # type: ignore[arg-type]
    with pytest.raises(ConfigError, match="add up to 1"):
        build_mixture(data, out, {"wide": 0.5}, corpus=corpus)
    with pytest.raises(TaskError, match="tasks in this mixture, not 9999"):
        build_mixture(data, out, {"wide": 0.5, "table": 0.5}, corpus=corpus, count=9999, workers=1)


def test_a_mixture_has_the_shares(tmp_path: Path) -> None:
    data, corpus = corpus_of(tmp_path, everything())
    out = tmp_path / "mix.jsonl"
    report = build_mixture(data, out, {"wide": 0.25, "table": 0.5, "depth": 0.25}, corpus=corpus, workers=1)
    tasks = list(load_tasks(out))
    kinds = Counter("depth" if task.gold is None else str(task.meta["mode"]) for task in tasks)
    assert kinds == report.kept
    assert kinds["wide"] * 2 == kinds["depth"] * 2 == kinds["table"] > 0


def test_the_world_of_wide_tasks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    data = write_jsonl(tmp_path / "data", everything(), passages(everything()))
    world = HybridQAWorld.from_spec(f"hybridqa:{data},mode=wide", tmp_path / "cache")
    assert (world.min_rows, world.max_rows) == (21, 200)
    found = {split: list(world.tasks(split)) for split in SPLITS}
    tasks = [task for split in SPLITS for task in found[split]]
    assert len(tasks) > 5
    assert {task.language for task in tasks} == {"en"}
    with closing(world.corpus()) as corpus:
        assert {task.meta["corpus"] for task in tasks} == {corpus.name}
    monkeypatch.setattr(
        "wideseek_env.tasks.hybridqa.world.build_wide_tasks", None
    )  # a second build would fail
    assert {split: list(world.tasks(split)) for split in SPLITS} == found
    large = HybridQAWorld.from_spec(f"hybridqa:{data},mode=wide,min_rows=30", tmp_path / "cache")
    kept = [task for split in SPLITS for task in large.tasks(split)]
    assert kept == [task for task in tasks if task.meta["rows"] >= 30]


@pytest.fixture(scope="module")
def real(data_dir: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    if not (data_dir / "hybridqa").is_dir():
        pytest.skip(f"no HybridQA data in {data_dir}")
    return data_dir / "hybridqa"


FAMILIES = re.compile(
    r"NFL Draft|College Baseball All-America|List of airports in|in country music|Virtual Console games"
    r"|submissions (?:to|for) the|Diamond League|International Cross Country|at the \d+ Winter Olympics"
    r"|List of National Historic Landmarks|Legislature|busiest airports|winners of the New York|Kilpatrick Trophy"
    r"|Lok Sabha"
)


@pytest.fixture(scope="module")
def siblings(real: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """Some families of the real data, and their corpus."""
    folder = tmp_path_factory.mktemp("siblings")
    (folder / "data").mkdir()
    with gzip.open(real / "tables.jsonl.gz", "rt", encoding="utf-8") as file:
        lines = [line for line in file if FAMILIES.search(json.loads(line)["title"])]
    links = {link for line in lines for row in json.loads(line)["data"] for _, found in row for link in found}
    (folder / "data" / "tables.jsonl").write_text("".join(lines), encoding="utf-8")
    with (
        gzip.open(real / "passages.jsonl.gz", "rt", encoding="utf-8") as file,
        (folder / "data" / "passages.jsonl").open("w", encoding="utf-8") as out,
    ):
        out.writelines(line for line in file if json.loads(line)["url"] in links)
    build_hybridqa(folder / "data", folder / "corpus").close()
    return folder / "data", folder / "corpus"


def test_real_wide_tasks_keep_their_promises(siblings: tuple[Path, Path], tmp_path: Path) -> None:
    data, place = siblings
    report = build_wide_tasks(data, tmp_path / "t.jsonl", WideConfig(), corpus=place, workers=1)
    tasks = list(load_tasks(tmp_path / "t.jsonl"))
    assert len(tasks) == sum(report.kept.values()) > 40
    assert {task.meta["edition"] for task in tasks} == {"", "column", "key", "own"}
    assert {task.meta["values"] for task in tasks} == {"lists", "pages", "both"}
    assert {task.meta["scope"]["form"] for task in tasks} >= {"sections", "titles", "counterparts", "range"}
    with closing(StoredCorpus.open(place)) as corpus:
        for task in tasks:
            check_task(task, corpus)
        # A search for title and section finds every list, or the article that links to it.
        names = {url: None for task in tasks for url in task.meta["urls"]}
        titles = [fetch(corpus, url).title.replace(": ", " ") for url in names]
        hits = corpus.search(titles, 5)
    found = [
        {hit.url.partition("?")[0] for hit in each} >= {url.partition("?")[0]}
        for url, each in zip(names, hits, strict=True)
    ]
    assert sum(found) >= 0.98 * len(found)


def digest(tasks: list[Task]) -> str:
    found = hashlib.sha256()
    for task in sorted(tasks, key=lambda task: task.id):
        gold = [task.gold.header, task.gold.rows] if task.gold is not None else task.answers
        found.update(json.dumps([task.id, task.question, gold], ensure_ascii=False).encode())
    return found.hexdigest()[:16]


def test_the_test_tasks_of_single_lists_are_unchanged(real: Path) -> None:
    tasks = list(hybridqa_tasks(real, "test"))
    assert (len(tasks), digest(tasks)) == (352, "cf7611c310c08544")
    uids = sorted(material.table.uid for material in materials(load_plans(real)) if material.split == "test")
    assert (len(uids), hashlib.sha256("\n".join(uids).encode()).hexdigest()[:16]) == (593, "e21f2c8c33601f11")


def test_real_splits_share_no_page_with_wide_families(real: Path) -> None:
    plans = load_plans(real)
    wide = wide_pages(plans)
    assert wide.test
    assert wide.validation
    for material in materials(plans):
        own = pages_of(material.table, material.plan)
        assert material.split == "test" or wide.test.isdisjoint(own)
        assert material.split != "train" or wide.validation.isdisjoint(own)
