"""Tasks whose every cell is where they say it is, in splits that share no page."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest
from hybridqa_data import (
    cell,
    dataset,
    fetch,
    html_rows,
    lighthouses,
    links,
    table,
    walk,
    write_jsonl,
    write_ottqa,
)

from wideseek_env.corpus.hybridqa import load_plans
from wideseek_env.corpus.hybridqa.pages import page_url
from wideseek_env.corpus.hybridqa.plan import key_columns
from wideseek_env.corpus.hybridqa.reader import DataFolder
from wideseek_env.corpus.hybridqa.values import column_kind, normalize, states
from wideseek_env.corpus.stored import StoredCorpus
from wideseek_env.errors import ConfigError
from wideseek_env.task import Task
from wideseek_env.tasks.hybridqa import SPLITS, hybridqa_tasks, split_of
from wideseek_env.tasks.hybridqa.questions import question
from wideseek_env.tasks.hybridqa.splits import pages_of, split_tables
from wideseek_env.tasks.phrasing import column_sentence


def all_tasks(data: Path) -> list[Task]:
    return [task for split in SPLITS for task in hybridqa_tasks(data, split, min_rows=8)]


def by_table(data: Path) -> dict[str, Task]:
    return {str(task.meta["table"]): task for task in all_tasks(data)}


def test_a_task_whose_values_are_on_the_entities_pages(small: Path) -> None:
    task = by_table(small)["List_of_lighthouses_0"]
    assert task.id == "hybridqa/List_of_lighthouses_0"
    assert task.columns == ("Lighthouse", "Country")
    assert task.key_columns == ("Lighthouse",)
    assert task.gold is not None
    assert len(task.gold.rows) == 11
    assert task.gold.rows[:2] == (("Alder Bay Light", "Norway"), ("Birch Bay Light", "Chile"))
    assert "Elm Bay Light" not in task.gold.column("Lighthouse")
    assert task.meta["mode"] == "pages"
    assert task.meta["url"] == "https://en.wikipedia.org/wiki/List_of_lighthouses"
    assert task.meta["entities"][0] == "https://en.wikipedia.org/wiki/Alder_Bay_Light"
    assert task.meta["corpus"] == load_plans(small).corpus_name


def test_a_task_whose_values_are_in_the_table_alone(small: Path) -> None:
    task = by_table(small)["Bay_Race_3"]
    assert task.columns == ("Rider", "Rank", "Time")
    assert task.gold is not None
    assert task.gold.rows[1] == ("Rider Men Bson", "2", "1:01.15")
    assert task.meta["mode"] == "table"
    assert task.meta["url"] == "https://en.wikipedia.org/wiki/Bay_Race?table=3"
    assert [task.spec(name).metrics for name in task.columns] == [
        ("exact_match",),
        ("number_near",),
        ("exact_match",),
    ]


def test_questions_name_article_section_and_columns(small: Path) -> None:
    for task in all_tasks(small):
        quoted = re.findall("“(.+?)”", task.question)
        assert quoted[:2] == [task.meta["title"], task.meta["section"]]
        assert task.question.endswith(column_sentence(task.columns))


def test_questions_vary_in_wording_but_not_from_call_to_call() -> None:
    columns, intro = (
        ("Player", "Club", "Age"),
        "This is a list of people who played the game well. It is long.",
    )
    texts = [question(f"T_{n}", "T", "S", columns, intro) for n in range(60)]
    assert texts == [question(f"T_{n}", "T", "S", columns, intro) for n in range(60)]
    assert len(set(texts)) == 10  # five wordings, each with and without background
    assert all("player" in text and "Club and Age" in text for text in texts)
    assert any("Background: This is a list of people who played the game well." in text for text in texts)


def test_questions_in_chinese() -> None:
    text = question("T_0", "List of T", "", ("Player", "Club"), "", "zh")
    assert "“List of T”" in text
    assert text.endswith(column_sentence(("Player", "Club"), "zh"))


def test_unsuitable_keys(tmp_path: Path) -> None:
    def keys(header: list[str], rows: list[list[object]]) -> list[int]:
        folder = write_jsonl(tmp_path, [table("T", 0, header, rows)], {})
        (read,) = DataFolder.find(folder).tables()
        return [key.column for key in key_columns(read)]

    names = [f"Bay {chr(65 + n)}son" for n in range(12)]
    good = [[cell(name, f"/wiki/{name.replace(' ', '_')}"), cell("x")] for name in names]
    assert keys(["Bay", "Other"], good) == [0]
    assert keys(["Notes", "Other"], good) == []
    assert keys(["Second", "Other"], good) == []
    assert keys(["", "Other"], good) == []
    assert keys(["Bay", "bay "], good) == []
    assert keys(["Bay", "Other"], good[:7]) == []  # too few rows
    assert keys(["Bay", "Other"], [[row[0], row[1]] for row in good[:6] * 2]) == []  # nothing distinct
    assert (
        keys(["Year", "Other"], [[cell(str(y), f"/wiki/{y}_in_film"), cell("x")] for y in range(1990, 2002)])
        == []
    )
    assert (
        keys(["Bay", "Other"], [[cell(n, f"/wiki/Else_{i}"), cell("x")] for i, n in enumerate(names)]) == []
    )
    # The table is about the buildings, which have no pages; the bays are not what it lists.
    towns = [[cell(f"House {n[-4:]}"), good[i][0]] for i, n in enumerate(names)]
    assert keys(["Building", "Bay"], towns) == []


def test_the_other_layout_gives_the_same_tasks(small: Path, tmp_path: Path) -> None:
    other = write_ottqa(tmp_path / "data", *dataset())
    mine = {task.id: (task.question, task.gold) for task in all_tasks(small)}
    assert {task.id: (task.question, task.gold) for task in all_tasks(other)} == mine


def test_filters_and_order(small: Path) -> None:
    split = split_of("Bay Race")
    both = hybridqa_tasks(small, split)
    assert {task.meta["table"] for task in both} >= {"Bay_Race_0", "Bay_Race_3"}
    assert len(hybridqa_tasks(small, split, mode="table", per_article=1)) == 1
    assert len(hybridqa_tasks(small, split, count=1)) == 1
    assert len(hybridqa_tasks(small, split, min_rows=14)) == 0
    assert all(task.meta["mode"] == "pages" for task in hybridqa_tasks(small, split, mode="pages"))
    orders = {hybridqa_tasks(small, split, mode="table", seed=seed).ids for seed in range(10)}
    assert len(orders) == 2
    chinese = hybridqa_tasks(small, split, language="zh")
    assert all(task.language == "zh" and task.id.endswith("/zh") for task in chinese)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"split": "dev"}, "unknown split 'dev'"),
        ({"mode": "mixed"}, "unknown mode 'mixed'"),
        ({"count": 0}, "count must be at least 1"),
        ({"min_rows": 0}, "min_rows must be at least 1"),
    ],
)
def test_bad_arguments(small: Path, arguments: dict[str, object], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        hybridqa_tasks(small, **{"split": "test", **arguments})  # type: ignore[arg-type]


def test_ambiguous_sections_give_no_task(tmp_path: Path) -> None:
    record, passages = lighthouses()
    twin = {**record, "uid": "List_of_lighthouses_1", "data": record["data"][::-1]}
    assert all_tasks(write_jsonl(tmp_path, [record, twin], passages)) == []


def test_splits_follow_the_title() -> None:
    shares = Counter(split_of(f"Article {n}") for n in range(2000))
    assert 1500 < shares["train"] < 1700
    assert 150 < shares["validation"] < 250
    assert 150 < shares["test"] < 250


def test_training_tables_that_share_an_entity_are_dropped(tmp_path: Path) -> None:
    record, passages = lighthouses()
    names = [f"Lights {n}" for n in range(40)]
    tables = [
        {**record, "uid": f"{n}_0", "title": n, "url": f"https://en.wikipedia.org/wiki/{n}"} for n in names
    ]
    plans = load_plans(write_jsonl(tmp_path, tables, passages))
    found = {split: len(members) for split, members in split_tables(plans).items()}
    assert found["train"] == found["validation"] == 0
    assert found["test"] == sum(split_of(name) == "test" for name in names) > 0


def test_tasks_do_not_depend_on_the_hash_seed(small: Path) -> None:
    program = (
        "import sys; from wideseek_env.tasks.hybridqa import *\n"
        "for split in SPLITS:\n"
        "    for task in hybridqa_tasks(sys.argv[1], split): print(repr(task))\n"
    )
    outputs = [
        subprocess.run(
            [sys.executable, "-c", program, str(small)],
            env={**os.environ, "PYTHONHASHSEED": seed},
            capture_output=True,
            check=True,
        ).stdout
        for seed in ("1", "2")
    ]
    assert outputs[0]
    assert outputs[0] == outputs[1]


def test_real_tasks_in_mode_pages(sample: Path, sample_corpus: StoredCorpus) -> None:
    tasks = [task for task in all_tasks(sample) if task.meta["mode"] == "pages"]
    assert len(tasks) > 50
    for task in tasks[::3]:
        assert task.gold is not None
        pages = walk(sample_corpus, task.meta["url"])
        tables = [html_rows(page) for page in pages]
        # The list shows the keys, in the order of the gold table, and nothing else.
        assert {tuple(rows[0]) for rows in tables} == {task.key_columns}
        assert [name for rows in tables for (name,) in rows[1:]] == list(
            task.gold.column(task.key_columns[0])
        )
        linked = {text: url for page in pages for text, url in links(page, "table").items()}
        kinds = [column_kind(task.gold.column(name)) for name in task.columns[1:]]
        for row, url in zip(task.gold.rows, task.meta["entities"], strict=True):
            assert linked[row[0]] == url
            text = normalize(" ".join(fetch(sample_corpus, url).html.split("<h1>")[1].split()))
            for value, kind in zip(row[1:], kinds, strict=True):
                assert states(text, value, kind) or states(text, value, "text"), (task.id, row)


def test_real_tasks_in_mode_table(sample: Path, sample_corpus: StoredCorpus) -> None:
    tasks = [task for task in all_tasks(sample) if task.meta["mode"] == "table"]
    assert len(tasks) > 50
    for task in tasks[::3]:
        assert task.gold is not None
        pages = walk(sample_corpus, task.meta["url"])
        assert len(pages) >= 2
        header, *_ = html_rows(pages[0])
        columns = [header.index(name) for name in task.columns]
        shown = [tuple(row[c] for c in columns) for page in pages for row in html_rows(page)[1:]]
        assert tuple(shown) == task.gold.rows
        for url in filter(None, task.meta["entities"]):
            fetch(sample_corpus, url)


def test_real_lists_are_found_by_title(sample: Path, sample_corpus: StoredCorpus) -> None:
    tasks = all_tasks(sample)
    found = sample_corpus.search([str(task.meta["title"]) for task in tasks], 3)
    articles = [str(task.meta["url"]).partition("?")[0] for task in tasks]
    hits = sum(
        any(h.url.partition("?")[0] == a for h in each) for a, each in zip(articles, found, strict=True)
    )
    assert hits >= 0.98 * len(tasks)


def test_real_splits_share_no_page(sample: Path) -> None:
    plans = load_plans(sample)
    pages = {
        split: set().union(*(pages_of(table, plans.by_uid[table.uid]) for table in tables))
        for split, tables in split_tables(plans).items()
    }
    assert all(pages.values())
    for first, second in (("train", "validation"), ("train", "test"), ("validation", "test")):
        assert not pages[first] & pages[second]
    tasks = {split: hybridqa_tasks(sample, split, min_rows=8) for split in SPLITS}
    for split, members in tasks.items():
        assert {page_url(table.path) for table in plans.tables if split_of(table.title) == split} >= {
            str(task.meta["url"]).partition("?")[0] for task in members
        }


def test_real_questions_and_keys_are_sound(sample: Path) -> None:
    for task in all_tasks(sample):
        assert task.gold is not None
        assert re.findall("“(.+?)”", task.question)[0] == task.meta["title"]
        keys = [normalize(key) for key in task.gold.column(task.key_columns[0])]
        assert len(set(keys)) == len(keys) >= 8
        assert len({name.casefold().replace(" ", "") for name in task.columns}) == len(task.columns) >= 2
        assert all(value.strip() for row in task.gold.rows for value in row)
