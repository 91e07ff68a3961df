"""`ResultTable`: the content of a table of results, apart from how it is written."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, TypeAlias

Mark: TypeAlias = Literal["", "best", "tied"]
"""Whether a value is the best of its group, or not significantly worse than the best."""


@dataclass(frozen=True, slots=True)
class Value:
    """A number with its 95 % interval, if it has one. None if the number is not known."""

    value: float | None = None
    low: float | None = None
    high: float | None = None
    mark: Mark = ""


@dataclass(frozen=True, slots=True)
class Column:
    """A column of values. `key` is its name in CSV, `label` its name in a paper.

    `digits` is the number of decimals, and `interval` says whether the values have intervals.
    """

    key: str
    label: str
    digits: int = 1
    interval: bool = False


@dataclass(frozen=True, slots=True)
class Line:
    """One line: the texts of the first columns, and the values of the others."""

    names: tuple[str, ...]
    values: tuple[Value, ...]


@dataclass(frozen=True, slots=True)
class Group:
    """The lines whose scores compare. `title` says which tasks they have."""

    title: str
    lines: tuple[Line, ...]


@dataclass(frozen=True, slots=True)
class ResultTable:
    """A table. `names` are the headers of the first columns, as (name in CSV, name in a paper).

    `notes` are sentences to print under it.
    """

    names: tuple[tuple[str, str], ...]
    columns: tuple[Column, ...]
    groups: tuple[Group, ...]
    notes: tuple[str, ...]
