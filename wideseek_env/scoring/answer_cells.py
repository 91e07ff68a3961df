"""The cells of an answer as a table, and tables in other texts that are compared with it."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from wideseek_env.scoring.align import match_columns
from wideseek_env.scoring.cells import comparison
from wideseek_env.scoring.result import TableScore
from wideseek_env.scoring.score import rows_by_gold
from wideseek_env.scoring.tables import parse_table
from wideseek_env.scoring.text import is_empty, lenient_key, text_key
from wideseek_env.task import Table, Task


class Cell(NamedTuple):
    """One cell of the answer: the number of its row in `AnswerCells.task`, and its column."""

    row: int
    column: str


@dataclass(frozen=True)
class AnswerCells:
    """The filled cells of an answer. The gold table of `task` has the answer's rows instead of the right rows."""

    task: Task
    right: frozenset[Cell]
    wrong: frozenset[Cell]


@dataclass(frozen=True)
class TextTable:
    """A table in a text: the places of the task's columns, the written rows, and the task's rows that it has."""

    task: Task
    places: Mapping[str, int]
    written: Sequence[tuple[str, ...]]
    rows: set[int]

    def values(self, *, sure: bool) -> set[tuple[int, str]]:
        """The cells outside the key columns that have their value in their column. With `sure`, all written rows with
        the key must agree. Otherwise one of them is enough."""
        keys = [name for name in dict.fromkeys(self.task.key_columns) if name in self.places]
        by_key: dict[tuple[str, ...], list[tuple[str, ...]]] = {}
        for cells in self.written:
            by_key.setdefault(tuple(lenient_key(cells[self.places[name]]) for name in keys), []).append(cells)
        found: set[tuple[int, str]] = set()
        for row in self.rows:
            forms = [set(map(lenient_key, self._texts(row, name))) for name in keys]
            same = [
                cells
                for key, group in by_key.items()
                if all(part in form for part, form in zip(key, forms, strict=True))
                for cells in group
            ]
            for name, place in self.places.items():
                texts = self._texts(row, name)
                if name in keys or not texts[0]:
                    continue
                agree = comparison(self.task.spec(name))
                right = [
                    any(agree(cells[place], each) for each in texts)
                    for cells in same
                    if not is_empty(cells[place])
                ]
                if right and (all(right) if sure else any(right)):
                    found.add((row, name))
        return found

    def _texts(self, row: int, name: str) -> tuple[str, ...]:
        """The cell of the task, and its other right texts."""
        assert self.task.gold is not None
        text = self.task.gold.rows[row][self.task.gold.header.index(name)]
        return (text, *self.task.aliases.get(name, {}).get(text, ()))


def answer_cells(task: Task, score: TableScore) -> AnswerCells | None:
    """The filled cells of a scored answer. None if the task has no gold table, or the answer has no row.

    A further row with the key of a matched row is left out: a repetition is the lead's mistake.
    """
    columns = tuple(dict.fromkeys(task.columns))
    if task.gold is None or not task.gold.rows or score.columns != columns:
        return None
    rows: list[tuple[str, ...]] = []
    right: list[Cell] = []
    wrong: list[Cell] = []
    aliases: dict[str, dict[str, tuple[str, ...]]] = {}
    keys = [columns.index(name) for name in dict.fromkeys(task.key_columns)]
    matched: set[tuple[str, ...]] = set()
    for verdict in score.cells:
        if verdict.predicted_row is None:
            continue
        row = []
        for at, cell in enumerate(verdict.cells):
            text = cell.gold if cell.verdict == "right" or at in keys else cell.predicted
            text = "" if is_empty(text) else text
            row.append(text)
            if not text or cell.verdict == "missing":
                continue
            (right if cell.verdict == "right" else wrong).append(Cell(len(rows), cell.column))
            other = [*task.aliases.get(cell.column, {}).get(text, ()), cell.predicted]
            known = aliases.setdefault(cell.column, {})
            known[text] = tuple(dict.fromkeys((*known.get(text, ()), *other)))
        matched |= {_key(row, keys), _key([cell.predicted for cell in verdict.cells], keys)}
        rows.append(tuple(row))
    for extra in score.extra_rows:
        if _key(extra, keys) not in matched:
            wrong += [
                Cell(len(rows), name) for name, text in zip(columns, extra, strict=True) if not is_empty(text)
            ]
            rows.append(tuple("" if is_empty(text) else text for text in extra))
    if not rows:
        return None
    table = Table(columns, tuple(rows))
    return AnswerCells(
        dataclasses.replace(task, gold=table, aliases=aliases), frozenset(right), frozenset(wrong)
    )


def text_table(text: str, task: Task) -> TextTable:
    """The table in a text that is read as answers are. It has no rows if the text has no table with a key column."""
    columns = tuple(dict.fromkeys(task.columns))
    parsed = parse_table(text, task.columns, task.key_columns) if "|" in text else None
    if parsed is None or parsed.raw is None:
        return TextTable(task, {}, (), set())
    rows = {row for row, cells in enumerate(rows_by_gold(parsed, task)) if cells is not None}
    return TextTable(task, match_columns(columns, parsed.raw.header), parsed.raw.rows, rows)


def _key(row: Sequence[str], keys: Sequence[int]) -> tuple[str, ...]:
    return tuple(text_key(row[at]) for at in keys)
