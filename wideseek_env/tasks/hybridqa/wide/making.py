"""Makes the finished wide `Task` from a query."""

from __future__ import annotations

from wideseek_env.corpus.hybridqa.pages import page_url, table_url
from wideseek_env.task import ColumnSpec, Language, Table, Task
from wideseek_env.tasks.hybridqa.domains import domain_of
from wideseek_env.tasks.hybridqa.generate import SPECS
from wideseek_env.tasks.hybridqa.making import language_of
from wideseek_env.tasks.hybridqa.splits import Split
from wideseek_env.tasks.hybridqa.wide.unions import WideQuery
from wideseek_env.tasks.hybridqa.wide.wording import Asked, write_question


def header_of(query: WideQuery) -> tuple[str, ...]:
    """The columns of the answer: the name, the edition if the question asks for it, the columns of the lists, and
    those of the pages of the entities."""
    union = query.union
    edition = (query.edition_name,) if query.edition else ()
    told = (column.header for column in query.told)
    return (union.key_header, *edition, *(union.shared[c].header for c in query.columns), *told)


def gold_of(query: WideQuery) -> Table:
    """The gold table."""
    union = query.union
    editions = union.own_editions if query.edition == "own" else union.editions
    return Table(
        header_of(query),
        tuple(
            (
                union.keys[row],
                *((editions[row],) if query.edition else ()),
                *(union.columns[c].values[row] for c in query.columns),
                *(column.values[row] for column in query.told),
            )
            for row in query.rows
        ),
    )


def question_of(query: WideQuery, language: Language) -> str:
    """The question."""
    union = query.union
    asked = Asked(
        union.scope,
        header_of(query),
        query.selection,
        query.edition,
        union.labels[0],
        tuple(column.header for column in query.told),
        query.leaves_out,
    )
    return write_question(query.name, asked, language)


def wide_task(query: WideQuery, split: Split, rank: int, corpus: str, chinese: float) -> Task:
    """The task. Its `meta` has the fields that docs/hybridqa-wide.md lists.

    `rank` is the worst rank of the lists among the hits of a search for their titles and sections.
    """
    union, language = query.union, language_of(query.name, chinese)
    gold = gold_of(query)
    columns = [union.shared[c] for c in query.columns]
    specs = {name: ColumnSpec() for name in gold.header}
    specs.update((column.header, SPECS[column.kind]) for column in columns)
    specs.update((column.header, SPECS[column.kind]) for column in query.told)
    members = union.members
    first = members[0].table
    found_in = {"lists" if member.plan.mode == "table" else "pages" for member in members if columns}
    found_in |= {"pages"} if query.told else set()
    links = [union.links[row] for row in query.rows]
    hidden = [union.shared[c].header for c in query.hidden]
    return Task(
        id=f"hybridqa/wide/{query.name}",
        question=question_of(query, language),
        columns=gold.header,
        key_columns=gold.header[:2] if query.edition in ("key", "own") else gold.header[:1],
        gold=gold,
        specs=specs,
        language=language,
        source="hybridqa",
        meta={
            "kind": "width",
            "split": split,
            "mode": "wide",
            "values": "both" if len(found_in) > 1 else "".join(found_in),
            "domain": domain_of(first.title, first.section, gold.header),
            "family": union.bucket.family,
            "title": first.title,
            "section": first.section,
            "url": table_url(first, members[0].alone),
            "urls": [table_url(member.table, member.alone) for member in members],
            "tables": [member.table.uid for member in members],
            "scope": union.scope.to_dict(),
            "rank": rank,
            "rows": len(gold.rows),
            "list_rows": len(union.places),
            "lists": len({union.places[row][0] for row in query.rows}),
            "list_pages": union.list_pages,
            "entity_pages": len(query.entity_pages),
            "pages": len(query.list_pages) + len(query.entity_pages),
            "columns": len(gold.header),
            "edition": query.edition,
            "corpus": corpus,
            "entities": [page_url(link) if link else None for link in links],
            **({"selection": query.selection.to_dict()} if query.selection.to_dict() else {}),
            **({"hidden": hidden} if hidden else {}),
            **({"from_pages": [column.header for column in query.told]} if query.told else {}),
        },
    )
