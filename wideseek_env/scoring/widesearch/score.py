"""Strict scoring: the numbers of the WideSearch benchmark's own evaluation, for any response.

Source: ``src/evaluation/evaluation.py`` of ByteDance-Seed/WideSearch. This module follows that file step by step,
including its accidental details. ``docs/scoring.md`` lists the surprising details. The module does not need pandas.
"""

from __future__ import annotations

import datetime
from collections.abc import Sequence

from wideseek_env.errors import WideSeekError
from wideseek_env.scoring.judges import Judge, OfflineJudge
from wideseek_env.scoring.result import TableScore
from wideseek_env.scoring.widesearch.delimited import Frame, UnreadableTable
from wideseek_env.scoring.widesearch.extract import blocks, read_block
from wideseek_env.scoring.widesearch.gold import Gold, first_rows, gold_of, norm_column
from wideseek_env.scoring.widesearch.infer import column_texts
from wideseek_env.scoring.widesearch.metrics import metric, preprocess
from wideseek_env.scoring.widesearch.verdicts import (
    Matched,
    Pair,
    Texts,
    aligned,
    join,
    judge_cells,
    row_verdicts,
    table_score,
)
from wideseek_env.task import Task

_OFFLINE = OfflineJudge()
_ALIGNED = frozenset(("llm_judge", "exact_match"))
"""If a key column has one of these metrics, a model aligns its keys."""


class _Worthless(Exception):
    """The benchmark gives this response the score 0. The message gives the reason."""

    def __init__(self, message: str, missing: Sequence[str] = (), *, table: bool = True) -> None:
        super().__init__(message)
        self.missing = tuple(missing)
        self.table = table


def score_widesearch(
    response: str, task: Task, judge: Judge | None = None, *, today: datetime.date | None = None
) -> TableScore:
    """Score `response` as the WideSearch benchmark does. For tasks without `llm_judge` columns, the numbers are exactly
    the same.

    Recall and F1 may exceed 1. `cells` has one row for each gold row that is used. Of several gold rows with the same
    key, only the first is used. If a gold row is matched more than once, its verdicts are those of the first match. No
    response makes this function raise an error.

    Args:
        response: The text of the answer.
        task: A task with a gold table.
        judge: Decides `llm_judge` columns. None means an `OfflineJudge`. The judge is not asked about equal texts and
            missing values. A judge that is a `KeyAligner` also maps column names and keys to those of the gold table.
            Other judges leave names and keys unchanged.
        today: The day (or moment) from which relative and incomplete dates are counted. None means now.

    Raises:
        TaskError: Two column names of the task are the same.
        MissingDependencyError: A date needs dateparser, which is not installed.
    """
    gold = gold_of(task)
    columns = tuple(dict.fromkeys(task.columns))
    try:
        return _score(response, gold, columns, judge, today)
    except _Worthless as reason:
        missing = tuple(columns[gold.places[name]] for name in reason.missing)
        nothing = Matched(columns, gold.texts, gold.rows, (), (), [()] * len(columns))
        return TableScore(
            message=str(reason),
            columns=columns,
            cells=row_verdicts(nothing),
            well_formed=reason.table,
            missing_columns=missing if reason.table else columns,
        )


def _score(
    response: str, gold: Gold, columns: tuple[str, ...], judge: Judge | None, today: datetime.date | None
) -> TableScore:
    frame = _frame(response)
    names: Texts = [norm_column(name) for name in frame.names]
    asked = ""
    if set(names) != gold.places.keys():
        names, asked = aligned("", names, gold.names, judge)
    order = _order(names, gold)
    texts: list[Texts] = [column_texts(frame.columns[at]) for at in order]
    rows = first_rows([texts[at] for at in gold.keys])
    if len(rows) < frame.height:
        texts = [[column[row] for row in rows] for column in texts]
    wanted, given = list(gold.cells), list(texts)
    try:
        for at, spec in enumerate(gold.specs):
            if at in gold.keys and not _ALIGNED.isdisjoint(spec.metrics):
                given[at], by = aligned(columns[at], given[at], gold.texts[at], judge)
                asked = by or asked
            given[at] = preprocess(given[at], spec, today)
            if at in gold.dated:
                wanted[at] = preprocess(gold.cells[at], spec, today)
        pairs = join([wanted[at] for at in gold.keys], [given[at] for at in gold.keys])
        verdicts, by = _verdicts(gold, columns, wanted, given, pairs, judge, today)
    except (WideSeekError, _Worthless):
        raise
    except Exception as error:  # for any error the benchmark's score is 0
        raise _Worthless(f"the benchmark's evaluation fails on this table: {error}") from error
    # The benchmark also compares the whole tables. They are never equal if it added a column for an aligned key.
    plain = all(_ALIGNED.isdisjoint(gold.specs[at].metrics) for at in gold.keys)
    success = plain and order == sorted(order) and _same_rows(wanted, given)
    tables = Matched(columns, gold.texts, gold.rows, texts, pairs, verdicts)
    return table_score(tables, by or asked, success=success)


def _frame(response: str) -> Frame:
    found = blocks(response)
    if not found:
        raise _Worthless("the response has no table", table=False)
    try:
        return read_block(found[0], lower_header=True)
    except UnreadableTable as error:
        raise _Worthless(f"the table cannot be read: {error}", table=False) from error


def _order(names: Sequence[str], gold: Gold) -> list[int]:
    """The position of each required column in the response, which must have exactly these columns."""
    missing = [name for name in gold.names if name not in names]
    extra = [name for name in names if name not in gold.places]
    if missing or extra:
        said = [f"missing columns: {', '.join(missing)}" if missing else ""]
        said.append(f"columns that were not asked for: {', '.join(extra)}" if extra else "")
        raise _Worthless("; ".join(filter(None, said)), missing)
    if len(names) > len(gold.names):
        raise _Worthless("a column occurs twice")
    return [names.index(name) for name in gold.names]


def _verdicts(
    gold: Gold,
    columns: Sequence[str],
    wanted: Sequence[Texts],
    given: Sequence[Texts],
    pairs: Sequence[Pair],
    judge: Judge | None,
    today: datetime.date | None,
) -> tuple[list[list[Sequence[bool]]], str]:
    """The verdicts of each metric on every pair of rows, by column, and the judge's name if the judge was asked."""
    result: list[list[Sequence[bool]]] = []
    asked = ""
    for at, spec in enumerate(gold.specs):
        if at in gold.keys:
            result.append([[True] * len(pairs)])
            continue
        ours, theirs = given[at], wanted[at]
        ones, others = [ours[row] for _, row in pairs], [theirs[place] for place, _ in pairs]
        column: list[Sequence[bool]] = []
        for name in dict.fromkeys(spec.metrics):
            if name == "llm_judge":
                verdicts, by = judge_cells(
                    columns[at], spec.criterion, list(zip(ones, others, strict=True)), judge or _OFFLINE
                )
                asked = by or asked
                column.append(verdicts)
                continue
            if not pairs and name != "date_near":
                raise _Worthless("no key of the response is one of the gold table")
            rule = metric(name, spec, today)
            column.append(list(map(rule, ones, others)))
        result.append(column)
    return result, asked


def _same_rows(wanted: Sequence[Texts], given: Sequence[Texts]) -> bool:
    if len(wanted[0]) != len(given[0]):
        return False
    return sorted(zip(*wanted, strict=True)) == sorted(zip(*given, strict=True))
