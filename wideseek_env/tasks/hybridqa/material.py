"""The facts about one table that the stages use: the table, its plan, its pages, and the values that other pages
show."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from wideseek_env.corpus.hybridqa.pages import page_url, table_url
from wideseek_env.corpus.hybridqa.plan import Plans, TablePlan, subject_column, table_attributes
from wideseek_env.corpus.hybridqa.reader import WikiTable
from wideseek_env.corpus.hybridqa.values import Kind, normalize
from wideseek_env.tasks.hybridqa.splits import Split, share_out, wide_pages

LEAKED = 0.6
"""A column counts as leaked when another table shows the column's values for at least this share of the rows."""


class Bridge(NamedTuple):
    """A fact on the page of a row's key: `header` has the value `value`. The fact is known from another list with the
    same entity."""

    place: int
    header: str
    value: str
    kind: Kind


@dataclass(frozen=True, slots=True)
class Material:
    """All facts about one table that the stages need. An object of this class can be pickled. It has no references to
    other tables.

    `leaked` are the columns that another table of the corpus shows for most rows. `bridges` are facts about the keys
    from other lists.
    """

    table: WikiTable
    plan: TablePlan
    split: Split
    alone: bool
    leaked: tuple[int, ...] = ()
    bridges: tuple[Bridge, ...] = ()

    @property
    def url(self) -> str:
        """The URL of the table's first page."""
        return table_url(self.table, self.alone)

    def entity(self, place: int) -> str | None:
        """The URL of the page of the key in row `place` of the plan. None when the key's cell does not have exactly one
        link."""
        links = self.table.rows[self.plan.rows[place]][self.plan.key].links
        return page_url(links[0]) if len(links) == 1 else None


def usable_tables(plans: Plans) -> dict[str, tuple[WikiTable, TablePlan]]:
    """All tables that can give tasks in the modes `pages` and `table`, by `uid` and in file order.

    These are the planned tables, and further tables that the corpus shows in full. A further table must have a column,
    with or without links, that names its subjects. Further tables are used in mode `table`.
    """
    names = Counter((table.path, table.section.casefold()) for table in plans.tables)
    alone = Counter(table.path for table in plans.tables)
    usable: dict[str, tuple[WikiTable, TablePlan]] = {}
    for table in plans.tables:
        if names[table.path, table.section.casefold()] > 1 or {"“", "”"} & set(table.title + table.section):
            continue
        if not table.section and alone[table.path] > 1:
            continue
        plan = plans.by_uid.get(table.uid) or _plain_plan(table)
        if plan is not None:
            usable[table.uid] = table, plan
    return usable


def materials(plans: Plans) -> list[Material]:
    """The tables of `usable_tables` that are in a split, in file order. Tables in different splits share no page."""
    usable = usable_tables(plans)
    alone = Counter(table.path for table in plans.tables)
    splits = _splits(usable, plans)
    leaks = _Leaks(plans)
    bridges = _bridges(usable, splits)
    return [
        Material(
            table,
            plan,
            splits[uid],
            alone[table.path] == 1,
            leaks.columns(table, plan) if plan.mode == "pages" else (),
            tuple(bridges.get(uid, ())),
        )
        for uid, (table, plan) in usable.items()
        if uid in splits
    ]


def _plain_plan(table: WikiTable) -> TablePlan | None:
    key = subject_column(table)
    if key is None:
        return None
    chosen = table_attributes(table, key)
    if len(chosen) < 2:
        return None
    rows = tuple(range(len(table.rows)))
    return TablePlan(table.uid, "table", key, tuple(c for c, _ in chosen), tuple(k for _, k in chosen), rows)


def _splits(usable: Mapping[str, tuple[WikiTable, TablePlan]], plans: Plans) -> dict[str, Split]:
    """The split of each table. A table that shares a page with one of a held-out split is left out."""
    shared = share_out(usable, wide_pages(plans))
    return {uid: split for split in ("test", "validation", "train") for uid in shared[split]}


class _Leaks:
    """Finds columns of lists whose values another table of the corpus shows in full. The lists themselves show only the
    key."""

    def __init__(self, plans: Plans) -> None:
        self._shown: list[WikiTable] = []
        self._rows: dict[str, list[tuple[int, int]]] = defaultdict(list)
        for table in plans.tables:
            plan = plans.by_uid.get(table.uid)
            if plan is None or plan.mode == "table":
                for number, row in enumerate(table.rows):
                    for link in {link for cell in row for link in cell.links}:
                        self._rows[link].append((len(self._shown), number))
                self._shown.append(table)

    def columns(self, table: WikiTable, plan: TablePlan) -> tuple[int, ...]:
        links = [table.rows[row][plan.key].links[0] for row in plan.rows]
        places = [dict(self._rows.get(link, ())) for link in links]
        counts = Counter(number for place in places for number in place)
        least = LEAKED * len(links)
        leaked: set[int] = set()
        for number, many in counts.items():
            if many < least:
                continue
            shown = self._shown[number]
            told = [
                [normalize(cell.text) for cell in shown.rows[place[number]]] if number in place else []
                for place in places
            ]
            for column in plan.attributes:
                values = [normalize(table.rows[row][column].text) for row in plan.rows]
                hits = sum(
                    any(value in cell for cell in cells) for value, cells in zip(values, told, strict=True)
                )
                if hits >= least:
                    leaked.add(column)
        return tuple(sorted(leaked))


def _bridges(
    usable: Mapping[str, tuple[WikiTable, TablePlan]], splits: Mapping[str, Split]
) -> dict[str, list[Bridge]]:
    """Facts on the pages of the keys, for tables in mode `table`. The facts are known from lists in mode `pages` of the
    same split."""
    facts: dict[tuple[Split, str], list[tuple[str, str, Kind]]] = defaultdict(list)
    for uid, split in splits.items():
        table, plan = usable[uid]
        if plan.mode == "pages":
            for row in plan.rows:
                for column, kind in zip(plan.attributes, plan.kinds, strict=True):
                    facts[split, table.rows[row][plan.key].links[0]].append(
                        (table.header[column], table.rows[row][column].text, kind)
                    )
    found: dict[str, list[Bridge]] = {}
    for uid, split in splits.items():
        table, plan = usable[uid]
        if plan.mode == "table":
            bridges = list(_facts_of(table, plan, split, facts))
            if bridges:
                found[uid] = bridges
    return found


def _facts_of(
    table: WikiTable,
    plan: TablePlan,
    split: Split,
    facts: Mapping[tuple[Split, str], Sequence[tuple[str, str, Kind]]],
) -> Iterator[Bridge]:
    own = {name.casefold() for name in table.header}
    for place, row in enumerate(plan.rows):
        links = table.rows[row][plan.key].links
        known = facts.get((split, links[0]), ()) if len(links) == 1 else ()
        headers = Counter(header.casefold() for header, _, _ in known)
        for header, value, kind in known:
            if headers[header.casefold()] == 1 and header.casefold() not in own:
                yield Bridge(place, header, value, kind)
