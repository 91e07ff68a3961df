"""The answer next to the gold table, cell by cell, with the scorer's verdicts and the source of each value."""

from __future__ import annotations

from typing import Any

from wideseek_env.evaluation.coverage import coverage_of
from wideseek_env.scoring import TableScore, score_response
from wideseek_env.scoring.text import is_empty
from wideseek_env.trajectory import Trajectory
from wideseek_env.viewer.sources import Found, Results
from wideseek_env.viewer.timeline import Timeline

MAX_TRACED = 6000
"""Maximum number of cells for which sources are searched. Larger tables are shown without sources."""


def verdicts_of(trajectory: Trajectory) -> tuple[TableScore, bool]:
    """The score with a verdict for every cell.

    The second value is True if the verdicts were computed here, because the record has none.
    """
    score, gold = trajectory.score, trajectory.task.gold
    if score.cells or (gold is not None and not gold.rows):
        return score, False
    return score_response(trajectory.outcome.get("answer") or "", trajectory.task), True


def answer_view(trajectory: Trajectory, timeline: Timeline) -> dict[str, Any]:
    """The table as JSON values.

    * ``rows`` has ``{"predicted", "cells", "trace"}`` for every gold row. ``predicted`` is the number of the aligned
      row of the answer, or None. A cell is ``[verdict, predicted, gold, source of predicted, source of gold]``. The
      last source is given only if the answer does not have the gold value. ``trace`` says where the row was lost:
      ``[fate, conversations that saw its key, conversations that reported it]``. It is None for a short answer.
    * ``coverage`` has the shares of gold rows by name (`wideseek_env.evaluation.coverage`). Empty for a short answer.
    * ``extra`` has the rows of the answer that are aligned with no gold row. A cell is ``[predicted, source]``.
    * ``found`` has, for every conversation, the number of right cells whose value came from its results.

    A source is ``[number of the result, page, kind]``, or None if no result has the value.
    """
    score, anew = verdicts_of(trajectory)
    keys = [at for at, name in enumerate(score.columns) if name in trajectory.task.key_columns]
    coverage = coverage_of(trajectory, score)
    traces = coverage.rows if coverage is not None else ()
    results = Results(timeline) if len(score.cells) * len(score.columns) <= MAX_TRACED else None
    found = [0] * len(timeline.acts)

    def source(value: str, at: int, row: list[str]) -> list[Any] | None:
        if results is None:
            return None
        named = [] if at in keys else [row[key] for key in keys]
        return _listed(results.find(value, named, row))

    rows: list[dict[str, Any]] = []
    for number, verdict in enumerate(score.cells):
        cells: list[list[Any]] = []
        gold_row = [cell.gold for cell in verdict.cells]
        own_row = [cell.predicted for cell in verdict.cells]
        for at, cell in enumerate(verdict.cells):
            place = source(cell.predicted, at, own_row) if not is_empty(cell.predicted) else None
            missed = source(cell.gold, at, gold_row) if cell.verdict != "right" else None
            if cell.verdict == "right" and place is not None:
                found[timeline.requests()[place[0]][0].conversation] += 1
            cells.append([cell.verdict, cell.predicted, cell.gold, place, missed])
        trace = traces[number] if traces else None
        rows.append(
            {
                "predicted": verdict.predicted_row,
                "cells": cells,
                "trace": [trace.fate, list(trace.seen), list(trace.reported)] if trace is not None else None,
            }
        )
    extra = [
        [[value, source(value, at, list(row))] for at, value in enumerate(row)] for row in score.extra_rows
    ]
    return {
        "columns": [_column(trajectory, name) for name in score.columns],
        "rows": rows,
        "extra": extra,
        "coverage": coverage.metrics() if coverage is not None else {},
        "found": found,
        "traced": results is not None,
        "anew": anew,
        "accepted": list(trajectory.task.answers),
    }


def _listed(found: Found | None) -> list[Any] | None:
    return None if found is None else [found.result, found.page, found.kind]


def _column(trajectory: Trajectory, name: str) -> dict[str, Any]:
    spec = trajectory.task.spec(name)
    return {
        "name": name,
        "key": name in trajectory.task.key_columns,
        "metrics": list(spec.metrics),
        "criterion": spec.criterion,
    }
