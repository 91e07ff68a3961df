"""From tables to thousands of tasks: stages that can be interrupted, and tasks whose every cell is on a page."""

from __future__ import annotations

import json
import re
from collections import Counter
from html import unescape
from pathlib import Path

import pytest
from hybridqa_data import fetch, html_rows, walk

from wideseek_env.corpus.hybridqa import load_plans
from wideseek_env.corpus.hybridqa.values import column_kind, normalize, states
from wideseek_env.corpus.stored import StoredCorpus
from wideseek_env.errors import ConfigError, TaskError
from wideseek_env.scoring import score_response
from wideseek_env.task import Task
from wideseek_env.tasks.hybridqa import pipeline
from wideseek_env.tasks.hybridqa.material import materials
from wideseek_env.tasks.hybridqa.pipeline import BuildConfig, BuildReport, build_tasks, report_file
from wideseek_env.tasks.hybridqa.splits import SPLITS
from wideseek_env.tasks.hybridqa.wording import parse_question
from wideseek_env.tasks.jsonl import load_tasks


@pytest.fixture(scope="module")
def built(
    sample: Path, sample_corpus: StoredCorpus, tmp_path_factory: pytest.TempPathFactory
) -> tuple[list[Task], BuildReport]:
    """Tasks of the sample of real tables, broad ones and short answers."""
    out = tmp_path_factory.mktemp("built") / "tasks.jsonl"
    report = build_tasks(sample, out, BuildConfig(count=700, broad=0.8), corpus=sample_corpus.path, workers=1)
    return list(load_tasks(out)), report


def broad(tasks: list[Task]) -> list[Task]:
    return [task for task in tasks if task.gold is not None]


def test_counts_and_mix(built: tuple[list[Task], BuildReport]) -> None:
    tasks, report = built
    assert len(broad(tasks)) == report.kept["broad"] == 560
    assert len(tasks) - 560 == report.kept["depth"] == 140
    for kind in ("broad", "depth"):
        assert report.proposed[kind] == (
            sum(report.dropped[kind].values()) + report.unused[kind] + report.kept[kind]
        )
    assert report.dropped["broad"]["near-duplicate"] > 0
    assert report.dropped["broad"]["ambiguous values"] > 0
    languages = Counter(task.language for task in tasks)
    assert 0.15 * len(tasks) < languages["zh"] < 0.35 * len(tasks)
    assert max(Counter(task.meta["table"] for task in broad(tasks)).values()) <= 12


def test_the_first_tasks_of_a_file_are_a_sample_of_it(built: tuple[list[Task], BuildReport]) -> None:
    tasks = built[0]
    for fact in (
        lambda task: task.meta["kind"] == "depth",
        lambda task: task.meta["mode"] == "pages",
        lambda task: task.language == "zh",
        lambda task: task.meta.get("rows", 0) >= 10,
    ):
        share, first = (sum(map(fact, some)) / len(some) for some in (tasks, tasks[:200]))
        assert abs(share - first) < 0.1
        assert 0 < first < 1


def test_questions_say_exactly_what_the_gold_holds(built: tuple[list[Task], BuildReport]) -> None:
    for task in broad(built[0]):
        assert task.gold is not None
        parsed = parse_question(task.question)
        assert parsed is not None
        assert parsed.columns == task.columns == task.gold.header
        assert (parsed.title, parsed.section) == (task.meta["title"], task.meta["section"])
        assert parsed.selection.to_dict() == task.meta.get("selection", {})
        assert 5 <= len(task.gold.rows) == task.meta["rows"] <= task.meta["list_rows"]
        assert score_response(task.gold.to_markdown(), task).score == 1.0


def test_every_cell_is_on_a_page(built: tuple[list[Task], BuildReport], sample_corpus: StoredCorpus) -> None:
    for task in broad(built[0])[::4]:
        assert task.gold is not None
        pages = walk(sample_corpus, str(task.meta["url"]))
        assert len(pages) >= 2
        listed = [row for page in pages for row in html_rows(page)[1:]]
        header = html_rows(pages[0])[0]
        for row, url in zip(task.gold.rows, task.meta["entities"], strict=True):
            if task.meta["mode"] == "table":
                places = [header.index(name) for name in task.columns]
                assert [" ".join(cell.split()) for cell in row] in [
                    [" ".join(line[place].split()) for place in places] for line in listed
                ]
                continue
            assert [row[0]] in listed
            page = normalize(unescape(re.sub("<[^>]+>", " ", fetch(sample_corpus, url).html)))
            for name, value in zip(task.columns[1:], row[1:], strict=True):
                assert states(page, value, column_kind(list(task.gold.column(name)))) or states(
                    page, value, "text"
                )


def test_short_answers(built: tuple[list[Task], BuildReport], sample_corpus: StoredCorpus) -> None:
    tasks = [task for task in built[0] if task.gold is None]
    assert {task.meta["style"] for task in tasks} >= {"page", "reverse"}
    for task in tasks:
        assert task.answers[0] not in re.sub("“[^”]*”", "", task.question).split(" What ")[0]
        assert "\\boxed{}" in task.question
        url = task.meta["entities"][0] if task.meta["style"] in ("page", "bridge") else task.meta["url"]
        pages = walk(sample_corpus, str(url))
        text = normalize(unescape(re.sub("<[^>]+>", " ", " ".join(page.html for page in pages))))
        assert (
            states(text, task.answers[0], column_kind([task.answers[0]]))
            or normalize(task.answers[0]) in text
        )


def test_no_two_splits_share_a_page(built: tuple[list[Task], BuildReport], sample: Path) -> None:
    by_uid = {m.table.uid: m for m in materials(load_plans(sample))}
    pages: dict[str, set[str]] = {split: set() for split in SPLITS}
    for task in built[0]:
        material = by_uid[str(task.meta["table"])]
        assert task.meta["split"] == material.split
        pages[material.split].add(material.table.path)
        for row in material.plan.rows:
            pages[material.split].update(material.table.rows[row][material.plan.key].links)
    assert all(pages.values())
    assert not pages["train"] & pages["test"]
    assert not pages["train"] & pages["validation"]
    assert not pages["validation"] & pages["test"]


def config(**changes: object) -> BuildConfig:
    return BuildConfig(**{"broad": 0.5, **changes})  # type: ignore[arg-type]


def test_a_killed_build_goes_on_and_gives_the_same_bytes(
    small: Path, small_corpus: StoredCorpus, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pipeline, "CHUNK", 1)
    whole, killed, wide = (tmp_path / f"{name}.jsonl" for name in ("whole", "killed", "wide"))
    build_tasks(small, whole, config(), corpus=small_corpus.path, workers=1)

    def die(what: str, done: int, total: int) -> None:
        if done:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        build_tasks(small, killed, config(), corpus=small_corpus.path, workers=1, progress=die)
    assert not killed.exists()
    done = list((tmp_path / "killed.stages" / "3-verdicts").glob("*.jsonl"))
    assert len(done) == 1
    stamp = done[0].stat().st_mtime_ns
    (tmp_path / "killed.stages" / "1-queries" / ".0001.jsonl.9.tmp").write_text("half a li")
    build_tasks(small, killed, config(), corpus=small_corpus.path, workers=1)
    assert done[0].stat().st_mtime_ns == stamp
    build_tasks(small, wide, config(), corpus=small_corpus.path, workers=2)
    assert len(whole.read_bytes()) > 1000
    assert whole.read_bytes() == killed.read_bytes() == wide.read_bytes()
    assert report_file(whole).read_bytes() == report_file(wide).read_bytes()


def test_stages_serve_another_count_but_not_another_seed(
    small: Path, small_corpus: StoredCorpus, tmp_path: Path
) -> None:
    out, stages = tmp_path / "a.jsonl", tmp_path / "stages"
    build_tasks(small, out, config(count=4), corpus=small_corpus.path, stages=stages, workers=1)
    assert len(load_tasks(out)) == 4
    build_tasks(small, out, config(count=2), corpus=small_corpus.path, stages=stages, workers=1)
    assert len(load_tasks(out)) == 2
    with pytest.raises(ConfigError, match="other settings or data"):
        build_tasks(small, out, config(seed=1), corpus=small_corpus.path, stages=stages, workers=1)
    (stages / "2-answers" / "0000.jsonl").write_text("{")
    with pytest.raises(TaskError, match=r"0000\.jsonl cannot be read"):
        build_tasks(small, out, config(), corpus=small_corpus.path, stages=stages, workers=1)
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "notes.txt").write_text("mine")
    with pytest.raises(ConfigError, match="is not a folder of stages"):
        build_tasks(small, out, config(), corpus=small_corpus.path, stages=tmp_path / "mine", workers=1)


def test_bad_requests(
    small: Path, small_corpus: StoredCorpus, sample_corpus: StoredCorpus, tmp_path: Path
) -> None:
    out = tmp_path / "t.jsonl"
    with pytest.raises(TaskError, match="broad tasks, not 999"):
        build_tasks(small, out, config(count=999, broad=1.0), corpus=small_corpus.path, workers=1)
    assert not out.exists()
    with pytest.raises(ConfigError, match="built from other data"):
        build_tasks(small, out, config(), corpus=sample_corpus.path, workers=1)
    with pytest.raises(ConfigError, match="unknown split"):
        config(split="dev")
    with pytest.raises(ConfigError, match="not broad"):
        config(least_rows=3)


def test_the_report_is_readable(small: Path, small_corpus: StoredCorpus, tmp_path: Path) -> None:
    out = tmp_path / "t.jsonl.gz"
    report = build_tasks(small, out, config(), corpus=small_corpus.path, workers=1)
    assert json.loads((tmp_path / "t.report.json").read_text()) == report.to_dict()
