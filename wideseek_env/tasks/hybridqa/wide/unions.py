"""`Union`: some lists of a bucket under a name that fits no other list of the corpus, and the queries on its rows."""

from __future__ import annotations

import hashlib
import json
import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import pairwise
from random import Random
from typing import Literal

from wideseek_env.corpus.hybridqa.pages import page_count, page_size
from wideseek_env.corpus.hybridqa.values import normalize
from wideseek_env.scoring.text import lenient_key
from wideseek_env.tasks.hybridqa.columns import Column
from wideseek_env.tasks.hybridqa.members import Member, Shared, column_of, shared_columns
from wideseek_env.tasks.hybridqa.queries import NO_COLUMN, filters_of, is_uniform, pairs_of
from wideseek_env.tasks.hybridqa.selection import Selection
from wideseek_env.tasks.hybridqa.siblings import (
    HEADING,
    LEAST_ROWS,
    MOST_ROWS,
    Articles,
    Bucket,
    Unit,
    headings,
    is_under,
)
from wideseek_env.tasks.hybridqa.titles import number_in
from wideseek_env.tasks.hybridqa.wide.scope import MOST_COUNTERPARTS, MOST_NAMED, Scope

UNIONS_PER_BUCKET = 60
FILTERS_PER_UNION = 6
MOST_COLUMNS = 4
"""The most columns that a question asks for, besides the name and the edition."""

_UNSAYABLE = re.compile(
    r"runners|winners|\b(?:won|lost|drawn|final)\b|^(?:most|by|pos|tot)\b| \w+ed$|(?:^| )(?:no|nos|number|code|id)$",
    re.IGNORECASE,
)
"""Labels that do not fit into a condition."""

_UNCLEAN = re.compile(r"\[±\]|\? ?\?|�|\bkm \(\d|°|^\[|\{\{|\}\}|<\w")
"""Remains of markup in a value."""

_FORMULAS = re.compile(r"\b(?:symbol|unit|formula|expression|dimension)s?\b", re.IGNORECASE)
"""Headers of columns with raised numbers, which the data has lost."""

EditionUse = Literal["", "column", "key", "own"]
"""How a question uses editions. "" means not at all, and ``column`` means as a further column. ``key`` and ``own`` mean
as a second key: from the title or heading, or from a column of the lists such as `Year`."""


@dataclass(frozen=True)
class Union:
    """Several lists as one table.

    `columns` are the columns that all lists have; the `index` of each is its position here. `edition` is the name of a
    column that says from which article or list a row comes, or "".
    """

    bucket: Bucket
    units: tuple[Unit, ...]
    scope: Scope
    edition: str
    labels: tuple[str, ...]

    @cached_property
    def members(self) -> tuple[Member, ...]:
        """The lists, in order."""
        return tuple(member for unit in self.units for member in unit.members)

    @cached_property
    def shared(self) -> tuple[Shared, ...]:
        """The columns that all lists have."""
        return tuple(shared_columns(self.members))

    @cached_property
    def columns(self) -> tuple[Column, ...]:
        """The same columns with their values."""
        return tuple(column_of(shared, n, self.members) for n, shared in enumerate(self.shared))

    @cached_property
    def places(self) -> tuple[tuple[int, int], ...]:
        """For each row, the number of its list and its place in that list's plan."""
        return tuple(
            (n, place) for n, member in enumerate(self.members) for place in range(len(member.plan.rows))
        )

    @cached_property
    def keys(self) -> tuple[str, ...]:
        """The names of the rows."""
        return tuple(cell.text for member in self.members for cell in member.key_cells())

    @cached_property
    def links(self) -> tuple[str | None, ...]:
        """The linked page of each name. None if the cell does not have exactly one link."""
        cells = (cell for member in self.members for cell in member.key_cells())
        return tuple(cell.links[0] if len(cell.links) == 1 else None for cell in cells)

    @cached_property
    def editions(self) -> tuple[str, ...]:
        """The label of each row's unit."""
        return tuple(
            label
            for unit, label in zip(self.units, self.labels, strict=True)
            for member in unit.members
            for _ in member.plan.rows
        )

    @cached_property
    def own_edition(self) -> str:
        """The header of the column of the lists that says which year or event a row is about. It is "" without one."""
        first = self.members[0]
        if first.edition is None:
            return ""
        header = first.table.header[first.edition]
        alike = all(
            member.edition is not None and member.table.header[member.edition] == header
            for member in self.members
        )
        return header if alike else ""

    @cached_property
    def own_editions(self) -> tuple[str, ...]:
        """The values of that column."""
        return tuple(
            value
            for member in self.members
            for value in (
                member.values(member.edition) if member.edition is not None else [""] * len(member.plan.rows)
            )
        )

    @property
    def key_header(self) -> str:
        """The header of the names."""
        first = self.members[0]
        return first.table.header[first.plan.key]

    @property
    def list_pages(self) -> int:
        """The number of pages that show the lists."""
        return sum(page_count(len(member.plan.rows)) for member in self.members)

    def marks(self, edition: EditionUse) -> tuple[str, ...]:
        """What tells rows with the same name apart."""
        if edition == "own":
            return self.own_editions
        return self.editions if edition == "key" else ("",) * len(self.places)

    def repeats(self, rows: Sequence[int], edition: EditionUse) -> bool:
        """Whether two of the `rows` have the same name or the same linked page, and nothing tells them apart."""
        marks = self.marks(edition)
        names = {(lenient_key(self.keys[row]), lenient_key(marks[row])) for row in rows}
        linked = [(self.links[row], lenient_key(marks[row])) for row in rows if self.links[row]]
        return len(names) < len(rows) or len(set(linked)) < len(linked)


@dataclass(frozen=True)
class WideQuery:
    """The rows and columns of a union that a question asks for.

    `rows` and `columns` are positions in the union. `hidden` are the columns of conditions that are not in `columns`.
    `told` are further columns, whose values only the pages of the entities state. A row without such a value is not in
    `rows`. A `spare` query is chosen after all others.
    """

    union: Union
    selection: Selection
    rows: tuple[int, ...]
    columns: tuple[int, ...]
    hidden: tuple[int, ...]
    edition: EditionUse
    told: tuple[Column, ...] = ()
    spare: bool = False

    @property
    def leaves_out(self) -> bool:
        """Whether some rows of the lists do not count because no page gives their values."""
        return bool(self.told) and len(self.rows) < len(self.union.places)

    @cached_property
    def entity_pages(self) -> frozenset[str]:
        """The pages of entities with values of the answer."""
        return frozenset(
            link
            for row in self.rows
            if (link := self.union.links[row])
            and (self.told or self.union.members[self.union.places[row][0]].plan.mode == "pages")
        )

    @cached_property
    def list_pages(self) -> frozenset[tuple[int, int]]:
        """The pages of lists with rows of the answer, as pairs of the number of the list and of its page."""
        sizes = [page_size(len(member.plan.rows)) for member in self.union.members]
        return frozenset(
            (number, place // sizes[number])
            for number, place in (self.union.places[row] for row in self.rows)
        )

    @property
    def edition_name(self) -> str:
        """The header of the edition in the answer."""
        if self.edition == "own":
            return self.union.own_edition
        return self.union.edition if self.edition else ""

    @cached_property
    def name(self) -> str:
        """A name of ten hexadecimal digits that depend only on the lists, rows and columns."""
        uids = [member.table.uid for member in self.union.members]
        headers = [self.union.shared[c].header for c in self.columns]
        content = json.dumps(
            [
                uids,
                headers,
                self.edition,
                self.selection.to_dict(),
                *([column.header] for column in self.told),
            ],
            sort_keys=True,
        )
        return hashlib.sha256(content.encode()).hexdigest()[:10]


def propose(bucket: Bucket, articles: Articles, seed: int) -> Iterator[WideQuery]:
    """Queries of one bucket. They depend only on the bucket and the seed."""
    dice = Random(f"wide {seed} {bucket.name}")
    for union in unions_of(bucket, articles, dice):
        rows = tuple(range(len(union.places)))
        if not union.columns:
            continue
        if LEAST_ROWS <= len(rows) <= MOST_ROWS:
            yield from _asked(union, Selection(), rows, (), dice)
        found = [
            choice
            for choice in filters_of(union.columns, len(rows), LEAST_ROWS, dice)
            if not _UNSAYABLE.search(choice.selection.conditions[0].label)
        ]
        found += pairs_of(found, LEAST_ROWS, dice)
        for choice in dice.sample(found, min(FILTERS_PER_UNION, len(found))):
            if len(choice.rows) <= MOST_ROWS:
                yield from _asked(union, choice.selection, choice.rows, choice.about, dice)


def propose_small(bucket: Bucket, articles: Articles, seed: int) -> Iterator[WideQuery]:
    """Queries about two or three neighbouring units, for rows that no other task uses."""
    dice = Random(f"small {seed} {bucket.name}")
    for size in (2, 3):
        for start in range(len(bucket.units) - size + 1):
            union = union_of(bucket, bucket.units[start : start + size], articles)
            if union is not None and union.columns and LEAST_ROWS <= len(union.places) <= MOST_ROWS:
                for query in _asked(union, Selection(), tuple(range(len(union.places))), (), dice):
                    yield replace(query, spare=True)


def _asked(
    union: Union, selection: Selection, rows: tuple[int, ...], about: Sequence[int], dice: Random
) -> Iterator[WideQuery]:
    """One query, if some columns have different values in these rows."""
    fixed = {
        column
        for column, condition in zip(about, selection.conditions, strict=True)
        if condition.relation == "is"
    }
    usable = [column for column in usable_columns(union, rows) if column not in fixed]
    if not usable:
        return
    edition, usable = edition_for(union, rows, usable)
    if not usable:
        return
    many = dice.randint(min(2, len(usable)), min(len(usable), MOST_COLUMNS))
    columns = tuple(sorted(dice.sample(usable, many)))
    if edition:
        pass
    elif union.edition and dice.random() < 0.5 and len({union.editions[row] for row in rows}) > 1:
        edition = "column"
    yield WideQuery(union, selection, rows, columns, tuple(c for c in about if c not in columns), edition)


def usable_columns(union: Union, rows: Sequence[int]) -> list[int]:
    """The columns of the lists whose values differ in these rows."""
    return [
        column.index
        for column in union.columns
        if not NO_COLUMN.fullmatch(column.header)
        and not _FORMULAS.search(column.header)
        and normalize(column.header) != normalize(union.key_header)
        and not any(_UNCLEAN.search(column.values[row]) for row in rows)
        and not is_uniform([column.values[row] for row in rows])
    ]


def edition_for(union: Union, rows: Sequence[int], usable: list[int]) -> tuple[EditionUse, list[int]]:
    """The second key that tells these rows apart, and the columns without this key."""
    if not union.repeats(rows, ""):
        return "", usable
    recurs = any(member.recurs for member in union.members)
    if not recurs and union.edition and not union.repeats(rows, "key"):
        return "key", usable
    name = normalize(union.own_edition)
    return "own", [column for column in usable if normalize(union.shared[column].header) != name]


def unions_of(bucket: Bucket, articles: Articles, dice: Random) -> Iterator[Union]:
    """The unions of one bucket: all units, and choices of units of different sizes. All are different."""
    seen: set[tuple[int, ...]] = set()
    for chosen in _choices(bucket, dice):
        if len(chosen) < 2 or chosen in seen:
            continue
        seen.add(chosen)
        union = union_of(bucket, tuple(bucket.units[n] for n in chosen), articles)
        if union is not None:
            yield union


def union_of(bucket: Bucket, units: tuple[Unit, ...], articles: Articles) -> Union | None:
    """The union of these units. None if they have no name."""
    scope = scope_of(bucket, units, articles)
    if scope is None:
        return None
    labels = _labels(units, scope)
    return Union(bucket, units, scope, _edition(bucket, units, labels), labels)


def _choices(bucket: Bucket, dice: Random) -> Iterator[tuple[int, ...]]:
    """Numbers of units: all, those under each heading, and choices of the same number of units.

    Two tasks may share at most half of their rows. Choices of one size leave room for many such tasks, but a large
    union leaves no room for a part of it. So a bucket gives whole unions or choices of one size.
    """
    units = bucket.units
    every = range(len(units))
    size = _size(bucket, dice)
    if size == len(units):
        yield tuple(every)
        if bucket.slot is None:
            for heading in sorted({name for unit in units for name in headings(unit.label)}):
                yield tuple(n for n in every if is_under(units[n].label, heading))
        return
    # Most people ask for neighbours: a row of years, or lists that follow each other.
    starts = range(len(units) - size + 1)
    for start in dice.sample(starts, len(starts)):
        yield tuple(every[start : start + size])
    letters = bucket.slot is None and min(len(unit.label.rpartition(HEADING)[2]) for unit in units) < 4
    if size <= MOST_NAMED and not letters:
        for _ in range(UNIONS_PER_BUCKET):
            yield tuple(sorted(dice.sample(every, size)))
    yield tuple(every)  # for conditions


def _size(bucket: Bucket, dice: Random) -> int:
    """How many units the unions of a bucket have."""
    many = len(bucket.units)
    rows = sum(unit.rows for unit in bucket.units)
    options = [2, 2, many] if many < 6 else [2, 4, 4, many] if many < 10 else [4, 4, 6, 6, 8, many]
    possible = [n for n in options if n <= many and LEAST_ROWS <= rows * n / many <= MOST_ROWS]
    return dice.choice(possible) if possible else min(many, max(2, round(MOST_ROWS * many / rows / 2)))


def scope_of(bucket: Bucket, units: Sequence[Unit], articles: Articles) -> Scope | None:
    """The name of these units. None if every name would also fit another list of the corpus, or would be too long."""
    if bucket.slot is None:
        return _scope_of_parts(units, articles)
    titles = tuple(unit.title for unit in units)
    where, section = bucket.where, bucket.section
    several = any(len(unit.members) > 1 for unit in units)
    common = {
        "where": where,
        "section": section,
        "slot": bucket.slot,
        "several": several and where == "article",
    }
    if bucket.slot == "place":
        return Scope("titles", titles, **common) if len(titles) <= MOST_NAMED else None  # type: ignore[arg-type]
    numbers = [number_in(unit.label) for unit in units]
    if len(units) >= 3 and numbers == sorted(set(numbers)) and _is_closed(bucket, units, articles):
        steps = {later - earlier for earlier, later in pairwise(numbers)}
        step = steps.pop() if len(steps) == 1 else 0
        scope = Scope("range", (titles[0], titles[-1]), step=step, **common)  # type: ignore[arg-type]
        if scope.span == (numbers[0], numbers[-1]):
            return scope
    if len(titles) > MOST_COUNTERPARTS:
        return None
    labels = tuple(unit.label for unit in units)
    scope = Scope("counterparts", titles[:1], values=labels[1:], **common)  # type: ignore[arg-type]
    if scope.all_titles == titles and len({label[-1].isdigit() for label in labels}) == 1:
        return scope
    return Scope("titles", titles, **common) if len(titles) <= MOST_NAMED else None  # type: ignore[arg-type]


def _is_closed(bucket: Bucket, units: Sequence[Unit], articles: Articles) -> bool:
    """Whether the corpus has no other article between the first and the last of the units."""
    first = units[0].members[0].title
    others = first.values[: bucket.position] + first.values[bucket.position + 1 :]
    ends = number_in(units[0].label), number_in(units[-1].label)
    between = {
        path
        for title, path in articles.titles[first.template]
        if title.values[: bucket.position] + title.values[bucket.position + 1 :] == others
        and ends[0] <= number_in(title.values[bucket.position]) <= ends[1]
    }
    return between == {unit.members[0].table.path for unit in units}


def _scope_of_parts(units: Sequence[Unit], articles: Articles) -> Scope | None:
    path = units[0].members[0].table.path
    title = units[0].title
    tables = articles.tables[path]
    uids = {member.table.uid for unit in units for member in unit.members}
    if {table.uid for table in tables} == uids:
        return Scope("article", (title,), several=True)
    sections = [unit.label for unit in units]
    above = [heading for heading in headings(sections[0]) if all(is_under(s, heading) for s in sections)]
    for heading in reversed(above):
        if {table.uid for table in articles.under(path, "heading", heading)} == uids:
            return Scope("article", (title,), "heading", heading, several=True)
    names = Counter(normalize(table.section) for table in tables)
    if len(units) > MOST_NAMED or any(not s or names[normalize(s)] > 1 for s in sections):
        return None
    heading = above[-1] if above and above[-1] not in sections else ""
    named = tuple(_below(section, heading) for section in sections)
    return Scope("sections", (title,), "heading" if heading else "article", heading, named)


def _below(section: str, heading: str) -> str:
    return section[len(heading) + len(HEADING) :] if heading and section != heading else section


def _labels(units: Sequence[Unit], scope: Scope) -> tuple[str, ...]:
    """What the edition column says for each unit."""
    heading = scope.section if scope.form in ("article", "sections") and scope.where == "heading" else ""
    return tuple(_below(unit.label, heading) for unit in units)


def _edition(bucket: Bucket, units: Sequence[Unit], labels: Sequence[str]) -> str:
    """The name of the column with the `labels`. It is "" if the labels do not tell the units apart."""
    if len({lenient_key(label) for label in labels}) < len(labels) or any(
        not label or len(label) > 80 for label in labels
    ):
        return ""
    if bucket.slot is None:
        names = ["List", "Part"]
    elif bucket.slot == "year":
        names = ["Year" if all(label.isdigit() for label in labels) else "Season", "Edition"]
    else:
        names = ["Number" if bucket.slot == "number" else "Place", "Edition"]
    taken = {normalize(header) for unit in units for member in unit.members for header in member.table.header}
    return next((name for name in names if normalize(name) not in taken), "")
