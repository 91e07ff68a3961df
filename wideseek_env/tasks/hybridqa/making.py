"""Makes the finished `Task`: a broad task (with a table as the answer) from a query, or a depth task (with a short
answer) from one cell."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

from wideseek_env.task import ColumnSpec, Language, Table, Task
from wideseek_env.tasks.hybridqa.columns import Column
from wideseek_env.tasks.hybridqa.depth import HOPS, Ask, ask_question
from wideseek_env.tasks.hybridqa.domains import domain_of
from wideseek_env.tasks.hybridqa.generate import SPECS
from wideseek_env.tasks.hybridqa.material import Material
from wideseek_env.tasks.hybridqa.queries import Query
from wideseek_env.tasks.hybridqa.wording import write_question


def language_of(name: str, chinese: float) -> Language:
    """The language of the task called `name`. The share `chinese` of all names gets Chinese."""
    number = int.from_bytes(hashlib.sha256(f"language {name}".encode()).digest()[:4], "big")
    return "zh" if number < chinese * 2**32 else "en"


def question_of(material: Material, query: Query, columns: Sequence[Column], language: Language) -> str:
    """The question of a broad task."""
    table = material.table
    header = _header(material, query, columns)
    return write_question(
        query.name, table.title, table.section, header, query.selection, language, table.intro
    )


def gold_of(material: Material, query: Query, columns: Sequence[Column], rows: Sequence[int]) -> Table:
    """The gold table of a broad task: the rows with these indices in the plan."""
    table, plan = material.table, material.plan
    by_index = {column.index: column for column in columns}
    return Table(
        _header(material, query, columns),
        tuple(
            (
                table.rows[plan.rows[place]][plan.key].text,
                *(by_index[c].values[place] for c in query.columns),
            )
            for place in rows
        ),
    )


def broad_task(
    material: Material,
    query: Query,
    columns: Sequence[Column],
    rows: Sequence[int],
    rank: int,
    corpus: str,
    chinese: float,
) -> Task:
    """A broad task. Its `meta` has the keys of `hybridqa_tasks` and the query (docs/hybridqa.md lists them)."""
    plan, language = material.plan, language_of(query.name, chinese)
    by_index = {column.index: column for column in columns}
    gold = gold_of(material, query, columns, rows)
    specs = {gold.header[0]: ColumnSpec()}
    specs.update((by_index[index].header, SPECS[by_index[index].kind]) for index in query.columns)
    hidden = [by_index[index].header for index in query.hidden]
    return Task(
        id=f"hybridqa/{plan.uid}/{query.name}",
        question=question_of(material, query, columns, language),
        columns=gold.header,
        key_columns=gold.header[:1],
        gold=gold,
        specs=specs,
        language=language,
        source="hybridqa",
        meta={
            "kind": "width",
            **_about(material, rank, corpus, gold.header),
            "rows": len(gold.rows),
            "list_rows": len(plan.rows),
            "columns": len(gold.header),
            "entities": [material.entity(place) for place in rows],
            **({"selection": query.selection.to_dict()} if query.selection.to_dict() else {}),
            **({"hidden": hidden} if hidden else {}),
        },
    )


def depth_task(material: Material, ask: Ask, rank: int, corpus: str, chinese: float) -> Task:
    """A task with a short answer."""
    language = language_of(ask.name, chinese)
    table, plan = material.table, material.plan
    header = (table.header[plan.key], ask.label)
    return Task(
        id=f"hybridqa/{plan.uid}/d{ask.name}",
        question=ask_question(material, ask, language),
        language=language,
        answers=(ask.answer,),
        source="hybridqa",
        meta={
            "kind": "depth",
            **_about(material, rank, corpus, header),
            "style": ask.style,
            "hops": HOPS[ask.style],
            "key": table.rows[plan.rows[ask.place]][plan.key].text,
            "column": ask.label,
            "entities": [material.entity(ask.place)],
        },
    )


def _header(material: Material, query: Query, columns: Sequence[Column]) -> tuple[str, ...]:
    names = {column.index: column.header for column in columns}
    return (material.table.header[material.plan.key], *(names[index] for index in query.columns))


def _about(material: Material, rank: int, corpus: str, header: Sequence[str]) -> dict[str, object]:
    table = material.table
    return {
        "split": material.split,
        "mode": material.plan.mode,
        "domain": domain_of(table.title, table.section, header),
        "title": table.title,
        "section": table.section,
        "url": material.url,
        "rank": rank,
        "table": table.uid,
        "corpus": corpus,
    }
