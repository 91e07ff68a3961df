"""`TableScore`: the score of an answer, cell by cell, in a form that can be stored and read back."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from typing import Any, Literal, NamedTuple, get_args

from wideseek_env.errors import TrajectoryError
from wideseek_env.reprs import InNotebook, plain, short

Verdict = Literal["right", "wrong", "missing"]


class CellVerdict(NamedTuple):
    """The verdict on one cell. The verdict is `missing` when the answer has no row, no column or no value for the cell,
    otherwise `right` or `wrong`."""

    column: str
    verdict: Verdict
    predicted: str
    gold: str


class RowVerdict(NamedTuple):
    """One gold row: the predicted row that it is aligned with (from 0, or None) and the verdicts of its cells."""

    gold_row: int
    predicted_row: int | None
    cells: tuple[CellVerdict, ...]


@dataclass(frozen=True, slots=True, repr=False)
class TableScore(InNotebook):
    """The score of one answer. Every number is in [0, 1]. Only recall and F1 of the strict mode can exceed 1.

    `score` is the success: 1.0 when the table is entirely right and has no further rows, otherwise 0.0. The other
    numbers are precision, recall and F1 over rows and over items (cells). A row is right when all its cells are right.

    `cells` has one entry per gold row. `extra_rows` are the predicted rows that are aligned with no gold row, cut to
    the columns of the task. `judge` is the name of the judge that was asked, or "" if no judge was asked. `well_formed`
    is True if the response has a table (or a short answer). `missing_columns` has the names of the required columns
    that the table of the response lacks (all of them when there is no table). `message` explains the score in
    sentences. `extra` has further metrics by name, which only some tasks have, such as the order of a list.
    """

    score: float = 0.0
    precision_by_row: float = 0.0
    recall_by_row: float = 0.0
    f1_by_row: float = 0.0
    precision_by_item: float = 0.0
    recall_by_item: float = 0.0
    f1_by_item: float = 0.0
    message: str = ""
    columns: tuple[str, ...] = ()
    cells: tuple[RowVerdict, ...] = ()
    extra_rows: tuple[tuple[str, ...], ...] = ()
    judge: str = ""
    well_formed: bool = True
    missing_columns: tuple[str, ...] = ()
    extra: Mapping[str, float] = field(default_factory=dict)
    by_rules: int = 0
    """The number of gold cells in columns for a model as the judge (`llm_judge`), if rules decided them."""

    def __repr__(self) -> str:
        return (
            f"<TableScore item-F1 {self.f1_by_item:.3f}, row-F1 {self.f1_by_row:.3f}, success {self.score:g}, "
            f"{len(self.cells)} gold rows, {len(self.extra_rows)} extra rows>"
        )

    def to_dict(self) -> dict[str, Any]:
        """A JSON-ready dictionary. `from_dict` reads it."""
        data = {item.name: getattr(self, item.name) for item in fields(self)}
        data["columns"] = list(self.columns)
        data["missing_columns"] = list(self.missing_columns)
        data["extra"] = dict(self.extra)
        if not self.extra:
            del data["extra"]
        data["extra_rows"] = [list(row) for row in self.extra_rows]
        data["cells"] = [
            {
                "gold_row": row.gold_row,
                "predicted_row": row.predicted_row,
                "cells": [[cell.verdict, cell.predicted, cell.gold] for cell in row.cells],
            }
            for row in self.cells
        ]
        return data

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> TableScore:
        """The score that `to_dict` wrote. Raises `TrajectoryError` when `data` has another form."""
        try:
            values = dict(data)
            columns = tuple(map(str, values.pop("columns")))
            rows = tuple(_row(row, columns) for row in values.pop("cells"))
            extra = tuple(tuple(map(str, row)) for row in values.pop("extra_rows"))
            missing = tuple(map(str, values.pop("missing_columns", ())))
            result = cls(columns=columns, cells=rows, extra_rows=extra, missing_columns=missing, **values)
            if not all(map(_is_number, dict(result.extra).values())):
                raise TypeError(f"extra is {short(result.extra)}")
            for item in fields(cls):
                value = getattr(result, item.name)
                wrong = {
                    "float": not _is_number(value),
                    "str": not isinstance(value, str),
                    "bool": not isinstance(value, bool),
                    "int": not _is_row(value),
                }
                if wrong.get(str(item.type)):
                    raise TypeError(f"{item.name} is {short(value)}")
        except (KeyError, TypeError, ValueError, IndexError, AttributeError, RecursionError) as error:
            raise TrajectoryError(f"this is not a recorded table score: {plain(str(error))}") from error
        return result


def _row(data: Mapping[str, Any], columns: tuple[str, ...]) -> RowVerdict:
    cells = []
    for column, (verdict, predicted, gold) in zip(columns, data["cells"], strict=True):
        if verdict not in get_args(Verdict):
            raise ValueError(f"unknown verdict {short(verdict)}")
        cells.append(CellVerdict(column, verdict, str(predicted), str(gold)))
    gold, predicted = data["gold_row"], data["predicted_row"]
    if not _is_row(gold) or not (predicted is None or _is_row(predicted)):
        raise TypeError(f"gold_row is {short(gold)} and predicted_row is {short(predicted)}")
    return RowVerdict(gold, predicted, tuple(cells))


def _is_row(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and 0 <= value < 2**63


def _is_number(value: Any) -> bool:
    return _is_row(value) or (isinstance(value, float) and math.isfinite(value))
