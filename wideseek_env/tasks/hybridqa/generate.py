"""HybridQA tasks: one question for each table that has a plan. The answer has the rows and columns of the plan.

The gold table contains what the corpus shows, cell by cell. In mode `pages` the values are on the entities' pages. If
the page of an entity lacks a value of its row, the row is left out of the gold table and of the list in the corpus
(`wideseek_env.corpus.hybridqa.plan`).
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path

from wideseek_env.corpus.hybridqa.pages import page_url, table_url
from wideseek_env.corpus.hybridqa.plan import Mode, Plans, TablePlan, load_plans
from wideseek_env.corpus.hybridqa.reader import WikiTable
from wideseek_env.corpus.hybridqa.values import Kind
from wideseek_env.errors import ConfigError
from wideseek_env.task import ColumnSpec, Language, Table, Task
from wideseek_env.tasks.hybridqa.questions import question
from wideseek_env.tasks.hybridqa.splits import SPLITS, Split, split_tables
from wideseek_env.tasks.taskset import TaskSet

TASK_VERSION = 3
"""Increase this number when a change of the code makes different tasks from the same plans. Stored tasks are then made
again."""

SPECS: dict[Kind, ColumnSpec] = {
    "text": ColumnSpec(),
    "year": ColumnSpec(),  # compared as text: any tolerance would accept neighbouring years
    "number": ColumnSpec(("number_near",), ("extract_number",), 0.01),
    "date": ColumnSpec(("date_near",), ("norm_date",), 1.0),
}
"""How the cells of each kind of column are compared: dates to the day, numbers to 1 %."""


def hybridqa_tasks(
    data: Path | str,
    split: Split,
    count: int | None = None,
    *,
    seed: int = 0,
    mode: Mode | None = None,
    min_rows: int = 10,
    max_rows: int = 60,
    per_article: int | None = 3,
    language: Language = "en",
) -> TaskSet:
    """At most `count` tasks of one split, in an order that `seed` decides.

    A task does not depend on the seed and the filters. Its id is `hybridqa/` and the table's `uid`. Its `meta` has
    `mode`, `title`, `section`, `url` (of the table's first page), `rows`, `columns`, `table` (the uid), `corpus` (the
    name of the corpus that answers it) and `entities`. `entities` has one URL per row: the page of the row's key. A key
    without a page has None. Such keys occur in mode `table`.

    Args:
        data: The data folder. Its tables are read and planned once per process, in about 20 s.
        split: The split.
        count: The most tasks. None means all tasks.
        seed: Decides the order.
        mode: `pages` keeps tasks whose values are on the entities' pages. `table` keeps tasks whose values are in the
            table. None keeps all tasks.
        min_rows: The fewest rows of the gold table.
        max_rows: The most rows of the gold table.
        per_article: The most tasks from one article. None means no limit.
        language: The language of the questions.

    Raises:
        ConfigError: The split or mode is unknown, or a bound is below 1.
        CorpusError: The data cannot be read.
    """
    if split not in SPLITS:
        raise ConfigError(f"unknown split {split!r}; splits are {', '.join(SPLITS)}")
    if mode not in (None, "pages", "table"):
        raise ConfigError(f"unknown mode {mode!r}; modes are 'pages', 'table' and None for both")
    for name, bound in (
        ("count", count),
        ("min_rows", min_rows),
        ("max_rows", max_rows),
        ("per_article", per_article),
    ):
        if bound is not None and bound < 1:
            raise ConfigError(f"{name} must be at least 1, not {bound}")
    plans = load_plans(data)
    candidates = [
        table
        for table in _tables(plans, split)
        if (mode is None or plans.by_uid[table.uid].mode == mode)
        and min_rows <= len(plans.by_uid[table.uid].rows) <= max_rows
    ]
    candidates.sort(key=lambda table: hashlib.sha256(f"{seed}/{table.uid}".encode()).digest())
    chosen: list[WikiTable] = []
    taken: Counter[str] = Counter()
    for table in candidates:
        if per_article is None or taken[table.path] < per_article:
            taken[table.path] += 1
            chosen.append(table)
    articles = Counter(table.path for table in plans.tables)
    tasks = (
        _task(table, plans.by_uid[table.uid], plans.corpus_name, articles[table.path] == 1, language)
        for table in chosen[:count]
    )
    return TaskSet(tasks, f"{plans.corpus_name}/{split}")


def _tables(plans: Plans, split: Split) -> Iterator[WikiTable]:
    """The tables of `split` without those that share their article and section with another table."""
    names = Counter((table.path, table.section.casefold()) for table in plans.tables)
    alone = Counter(table.path for table in plans.tables)
    for table in split_tables(plans)[split]:
        unique = names[table.path, table.section.casefold()] == 1
        if (
            unique
            and (table.section or alone[table.path] == 1)
            and not {"“", "”"} & set(table.title + table.section)
        ):
            yield table


def _task(table: WikiTable, plan: TablePlan, corpus: str, alone: bool, language: Language) -> Task:
    columns = [plan.key, *plan.attributes]
    header = tuple(table.header[c] for c in columns)
    gold = Table(header, tuple(tuple(table.rows[r][c].text for c in columns) for r in plan.rows))
    kinds: tuple[Kind, ...] = ("text", *plan.kinds)
    return Task(
        id=f"hybridqa/{table.uid}" + ("" if language == "en" else f"/{language}"),
        question=question(table.uid, table.title, table.section, header, table.intro, language),
        columns=header,
        key_columns=header[:1],
        gold=gold,
        specs={name: SPECS[kind] for name, kind in zip(header, kinds, strict=True)},
        language=language,
        source="hybridqa",
        meta={
            "mode": plan.mode,
            "title": table.title,
            "section": table.section,
            "url": table_url(table, alone),
            "rows": len(gold.rows),
            "columns": len(header),
            "entities": [_entity(table.rows[r][plan.key].links) for r in plan.rows],
            "table": table.uid,
            "corpus": corpus,
        },
    )


def _entity(links: Sequence[str]) -> str | None:
    return page_url(links[0]) if len(links) == 1 else None
