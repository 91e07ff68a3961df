"""Queries that need many pages of entities: large unions whose values only these pages state.

Some values are facts of `wideseek_env.tasks.hybridqa.page_facts`, which no list shows. Others are columns of lists in
mode `pages`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import combinations
from random import Random

from wideseek_env.tasks.hybridqa.columns import Column
from wideseek_env.tasks.hybridqa.page_facts import BY_HEADER
from wideseek_env.tasks.hybridqa.queries import is_uniform
from wideseek_env.tasks.hybridqa.selection import Selection
from wideseek_env.tasks.hybridqa.siblings import LEAST_ROWS, MOST_ROWS, Articles, Bucket, Unit
from wideseek_env.tasks.hybridqa.wide.entity_pages import STATED, PageValues
from wideseek_env.tasks.hybridqa.wide.unions import Union, WideQuery, edition_for, union_of, usable_columns

MANY = 50
"""From this number of pages of entities, a task is large."""
ROWS = (60, 80, 100, 140)
"""The numbers of rows that the unions aim at. A bucket with fewer rows gives one union."""
MOST_FACTS = 2
VARIANTS = 2
"""For each union, the number of queries with columns of the lists."""


def propose_with_pages(
    bucket: Bucket, articles: Articles, known: Mapping[str, PageValues], seed: int
) -> Iterator[WideQuery]:
    """Queries of one bucket. They depend only on the bucket, the pages and the seed."""
    dice = Random(f"pages {seed} {bucket.name}")
    for many in range(MOST_FACTS + 1):
        for headers in combinations(BY_HEADER, many):
            units = [unit for unit in bucket.units if _is_on_pages(unit, headers, known)]
            if len(units) < 2:
                continue
            for chosen in dict.fromkeys(_windows([_count(unit, headers, known) for unit in units])):
                union = union_of(bucket, tuple(units[n] for n in chosen), articles)
                if union is not None:
                    yield from _asked(union, headers, known, dice)


def _is_on_pages(unit: Unit, headers: Sequence[str], known: Mapping[str, PageValues]) -> bool:
    """Whether the pages of most rows state all these facts. Without facts, whether the lists are in mode `pages`."""
    if not headers:
        return all(member.plan.mode == "pages" for member in unit.members)
    lists = [known[member.table.uid].facts for member in unit.members]
    if not all(header in facts for facts in lists for header in headers):
        return False
    return _count(unit, headers, known) >= STATED * unit.rows


def _count(unit: Unit, headers: Sequence[str], known: Mapping[str, PageValues]) -> int:
    """The number of rows with all these facts."""
    if not headers:
        return unit.rows
    return sum(
        all(values)
        for member in unit.members
        for values in zip(*(known[member.table.uid].facts[header] for header in headers), strict=True)
    )


def _windows(counts: Sequence[int]) -> Iterator[tuple[int, ...]]:
    """Neighbouring units that have about `ROWS` rows together, and all units."""
    for wanted in ROWS:
        for start in range(len(counts)):
            rows, end = 0, start
            while end < len(counts) and rows < wanted:
                rows += counts[end]
                end += 1
            if end - start > 1:
                yield tuple(range(start, end))
    yield tuple(range(len(counts)))


def _asked(
    union: Union, headers: Sequence[str], known: Mapping[str, PageValues], dice: Random
) -> Iterator[WideQuery]:
    told = tuple(_column(n, header, union, known) for n, header in enumerate(headers))
    rows = tuple(row for row in range(len(union.places)) if all(column.values[row] for column in told))
    if not (LEAST_ROWS if told else MANY) <= len(rows) <= MOST_ROWS:
        return
    if any(is_uniform([column.values[row] for row in rows]) for column in told):
        return
    edition, usable = edition_for(union, rows, usable_columns(union, rows))
    chosen: list[tuple[int, ...]] = [(column,) for column in dice.sample(usable, min(VARIANTS, len(usable)))]
    if told:
        chosen.append(())
    elif len(usable) > 1:
        chosen.append(tuple(sorted(dice.sample(usable, 2))))
    for columns in chosen:
        yield WideQuery(union, Selection(), rows, columns, (), edition, told)


def _column(index: int, header: str, union: Union, known: Mapping[str, PageValues]) -> Column:
    values = [value for member in union.members for value in known[member.table.uid].facts[header]]
    return Column(index, header, BY_HEADER[header].kind, tuple(values))
