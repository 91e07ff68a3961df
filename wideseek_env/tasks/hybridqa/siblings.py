"""Lists that belong together: the parts of one article, and the same list in sibling articles.

Sibling articles have titles that differ in one year, one number or one place. A *bucket* is a largest set of lists that
a question can unite. Its *units* are the parts that a question can name: one list of an article, or one article.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain
from typing import Literal

from wideseek_env.corpus.hybridqa.plan import Plans
from wideseek_env.corpus.hybridqa.reader import WikiTable
from wideseek_env.corpus.hybridqa.values import normalize
from wideseek_env.tasks.hybridqa.members import Member, shared_columns
from wideseek_env.tasks.hybridqa.titles import SlotKind, Title, family_of, number_in, read_title

LEAST_ROWS, MOST_ROWS = 21, 200
"""The rows of a wide task. The lists of the data have at most 20 rows, so no list alone gives such an answer."""

Where = Literal["section", "heading", "article"]
HEADING = " – "
"""What joins a heading and a heading below it in the name of a section."""


@dataclass(frozen=True, slots=True)
class Unit:
    """A part of a bucket that a question can name by `label`, and its lists in the order of the article."""

    label: str
    members: tuple[Member, ...]

    @property
    def rows(self) -> int:
        """The number of rows of all lists."""
        return sum(len(member.plan.rows) for member in self.members)

    @property
    def title(self) -> str:
        """The title of the article."""
        return self.members[0].table.title


@dataclass(frozen=True, slots=True)
class Bucket:
    """Lists with the same kind of key that belong together.

    `slot` is None when the units are parts of one article. Then labels are the names of their sections. Otherwise
    `slot` is the kind of the one text in which the titles differ, `position` is its number among the slots, and labels
    are these texts. `where` says which lists of each article belong to the bucket: those in `section`, those under the
    heading `section`, or all.
    """

    family: str
    units: tuple[Unit, ...]
    slot: SlotKind | None
    position: int = 0
    where: Where = "article"
    section: str = ""

    @property
    def name(self) -> str:
        """A name that no other bucket has."""
        first = self.units[0].members[0].table.uid
        return f"{first}|{self.slot}|{self.position}|{self.where}|{self.section}"

    @property
    def members(self) -> list[Member]:
        """The lists of all units."""
        return [member for unit in self.units for member in unit.members]


@dataclass(frozen=True, slots=True)
class Articles:
    """All articles of the corpus: their tables by path, their titles by template, and which tables are members."""

    tables: Mapping[str, Sequence[WikiTable]]
    titles: Mapping[str, Sequence[tuple[Title, str]]]
    members: Mapping[str, Member]

    @classmethod
    def of(cls, plans: Plans, members: Sequence[Member]) -> Articles:
        """The articles of `plans`."""
        tables: dict[str, list[WikiTable]] = defaultdict(list)
        for table in plans.tables:
            tables[table.path].append(table)
        titles: dict[str, list[tuple[Title, str]]] = defaultdict(list)
        for path, found in tables.items():
            found.sort(key=lambda table: table.number)
            title = read_title(found[0].title)
            titles[title.template].append((title, path))
        return cls(tables, titles, {member.table.uid: member for member in members})

    def under(self, path: str, where: Where, section: str) -> list[WikiTable]:
        """The tables of one article that `where` and `section` name."""
        tables = self.tables[path]
        if where == "article":
            return list(tables)
        if where == "section":
            return [table for table in tables if normalize(table.section) == normalize(section)]
        return [table for table in tables if is_under(table.section, section)]


def is_under(section: str, heading: str) -> bool:
    """Whether a section is the heading itself or below it."""
    return section == heading or section.startswith(heading + HEADING)


def headings(section: str) -> list[str]:
    """The headings above a section, from the highest: `A – B – C` gives `A` and `A – B`."""
    parts = section.split(HEADING)
    return [HEADING.join(parts[:many]) for many in range(1, len(parts))]


def find_buckets(articles: Articles) -> list[Bucket]:
    """All buckets with at least two units, `LEAST_ROWS` rows and one common column, in a fixed order."""
    found = chain(_parts(articles), _siblings(articles))
    return [bucket for bucket in found if _is_useful(bucket)]


def _is_useful(bucket: Bucket) -> bool:
    if len(bucket.units) < 2 or sum(unit.rows for unit in bucket.units) < LEAST_ROWS:
        return False
    # Some two units must have a column in common. Which columns a question uses is decided later.
    return any(
        shared_columns((*one.members, *other.members))
        for one, other in zip(bucket.units, bucket.units[1:], strict=False)
    )


def _parts(articles: Articles) -> Iterator[Bucket]:
    """The parts of one article with the same columns."""
    for tables in articles.tables.values():
        found = [articles.members[table.uid] for table in tables if table.uid in articles.members]
        for members in _alike([Unit(member.table.section, (member,)) for member in found]):
            yield Bucket(family_of(tables[0].title), members, None)


def _alike(units: Sequence[Unit]) -> Iterator[tuple[Unit, ...]]:
    """Groups of units whose lists have mostly the same columns as the first list of the group."""
    groups: list[list[Unit]] = []
    for unit in units:
        for group in groups:
            if all(member.is_like(group[0].members[0]) for member in unit.members):
                group.append(unit)
                break
        else:
            groups.append([unit])
    yield from map(tuple, groups)


def _siblings(articles: Articles) -> Iterator[Bucket]:
    """The same lists in articles whose titles differ in one slot."""
    for titled in articles.titles.values():
        if len(titled) < 2:
            continue
        for position in range(len(titled[0][0].slots)):
            groups: dict[tuple[str, ...], list[tuple[Title, str]]] = defaultdict(list)
            for title, path in titled:
                values = title.values
                groups[values[:position] + values[position + 1 :]].append((title, path))
            for group in groups.values():
                if len(group) > 1 and len({title.values[position] for title, _ in group}) == len(group):
                    group.sort(key=lambda item: _order(item[0].values[position], item[0].text))
                    yield from _same_lists(articles, group, position, family_of(group[0][0].text))


def _order(text: str, title: str) -> tuple[int, str, str]:
    """Years and numbers in their order. Places of the same state are neighbours."""
    return number_in(text), text.rpartition(", ")[2], title


def _same_lists(
    articles: Articles, group: Sequence[tuple[Title, str]], position: int, family: str
) -> Iterator[Bucket]:
    """The buckets of some sibling articles: by section, by heading, and whole articles."""
    kind = group[0][0].slots[position].kind
    places: dict[tuple[Where, str], list[str]] = defaultdict(list)
    for _, path in group:
        tables = articles.tables[path]
        names = {normalize(table.section) for table in tables if table.section}
        for name in sorted(names):
            places["section", name].append(path)
        for heading in sorted({name for table in tables for name in headings(table.section)}):
            places["heading", heading].append(path)
        places["article", ""].append(path)
    titles = {path: title for title, path in group}
    for (where, section), paths in places.items():
        found: dict[str, list[Unit]] = defaultdict(list)
        shown = section
        for path in paths:
            tables = articles.under(path, where, section)
            members = [articles.members[table.uid] for table in tables if table.uid in articles.members]
            if len(members) < len(tables) or (where == "heading" and len(tables) < 2):
                continue
            if all(member.is_like(members[0]) for member in members):
                # The same section may have other columns in some years. Other lists must have the same columns.
                several = where == "article" and len(tables) > 1
                found[members[0].key_header if where == "section" else str(several)].append(
                    Unit(titles[path].values[position], tuple(members))
                )
                shown = tables[0].section if where == "section" else section
        for units in found.values():
            for alike in [tuple(units)] if where == "section" else _alike(units):
                yield Bucket(family, alike, kind, position, where, shown)
