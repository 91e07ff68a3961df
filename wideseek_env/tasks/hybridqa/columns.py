"""The columns of a table with their values and kinds, and the rows that a selection keeps."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from wideseek_env.corpus.hybridqa.plan import TablePlan, table_attributes
from wideseek_env.corpus.hybridqa.reader import WikiTable
from wideseek_env.corpus.hybridqa.values import Kind, normalize, parse_date
from wideseek_env.tasks.hybridqa.selection import Condition, Selection, label_of


@dataclass(frozen=True, slots=True)
class Column:
    """One attribute of a table, with a value for each row of the plan."""

    index: int
    header: str
    kind: Kind
    values: tuple[str, ...]

    @property
    def label(self) -> str:
        """The column's name in the form that questions use."""
        return label_of(self.header)


def columns_of(table: WikiTable, plan: TablePlan) -> tuple[Column, ...]:
    """The columns that a question can ask for besides the key.

    In mode `pages` these are the plan's attributes. In mode `table` they are the columns of `table_attributes`.
    """
    found = (
        zip(plan.attributes, plan.kinds, strict=True)
        if plan.mode == "pages"
        else table_attributes(table, plan.key)
    )
    return tuple(
        Column(index, table.header[index], kind, tuple(table.rows[r][index].text for r in plan.rows))
        for index, kind in found
    )  # fmt: skip


def selected(selection: Selection, columns: Sequence[Column], rows: int) -> tuple[int, ...]:
    """The indices (from 0) of the rows that `selection` keeps.

    `rows` is the number of all rows. Columns are found by their label.
    """
    by_label = {label_of(column.header): column for column in columns}
    places = list(range(rows))
    for condition in selection.conditions:
        column = by_label[condition.label]
        places = [place for place in places if holds(condition, column.values[place], column.kind)]
    part = selection.part
    if part is None:
        return tuple(places)
    if part.kind == "rows":
        first = part.first - 1 if part.first > 0 else rows + part.first
        last = part.last if part.last > 0 else rows + part.last + 1
        return tuple(places[first:last])
    column = by_label[part.label]
    descending = part.kind in ("highest", "latest")
    ordered = sorted(
        places, key=lambda p: (-1 if descending else 1) * order_of(column.values[p], column.kind)
    )
    return tuple(sorted(ordered[: part.last]))


def holds(condition: Condition, value: str, kind: Kind) -> bool:
    """Whether `condition` keeps a row with this value."""
    if condition.relation in ("is", "is_not"):
        return (normalize(value) == normalize(condition.value)) == (condition.relation == "is")
    if condition.relation in ("before", "after"):
        year, limit = year_of(value, kind), int(condition.value)
        return year < limit if condition.relation == "before" else year > limit
    number, bound = number_of(value), number_of(condition.value)
    match condition.relation:
        case "more":
            return number > bound
        case "less":
            return number < bound
        case "at_least":
            return number >= bound
        case _:
            return number <= bound


def number_of(value: str) -> float:
    """The number in a cell of kind `number`."""
    digits = re.sub(r"[^\d.−-]", "", value).replace("−", "-")
    return float(digits)


def year_of(value: str, kind: Kind) -> int:
    """The year in a cell of kind `year` or `date`."""
    if kind == "year":
        return int(value)
    day = parse_date(value)
    assert day is not None  # `column_kind` guarantees it
    return day.year


def order_of(value: str, kind: Kind) -> float:
    """The number by which rows are ranked."""
    if kind == "date":
        day = parse_date(value)
        assert day is not None
        return float(day.toordinal())
    return number_of(value)
