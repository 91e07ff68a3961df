"""Turns pairs of matched rows and their verdicts into a `TableScore`. The scorings of WideSearch and of WideSeek-R1
share this module."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from wideseek_env.errors import WideSeekError
from wideseek_env.scoring.judges import Judge, KeyAligner
from wideseek_env.scoring.result import CellVerdict, RowVerdict, TableScore
from wideseek_env.scoring.text import is_empty, text_key

Texts = Sequence[str]
Pair = tuple[int, int]
"""The positions of a gold row and a predicted row with equal keys."""

_EPSILON = 1e-9


class Matched(NamedTuple):
    """The gold table and the predicted table (by column), the numbers of the gold rows for the report, the pairs of
    rows, and the verdicts of each metric (by column).

    Each list of verdicts has one entry per pair. A column without metrics has no list.
    """

    columns: tuple[str, ...]
    gold: Sequence[Texts]
    gold_rows: Sequence[int]
    predicted: Sequence[Texts]
    pairs: Sequence[Pair]
    verdicts: Sequence[Sequence[Sequence[bool]]]


def join(gold: Sequence[Texts], predicted: Sequence[Texts]) -> list[Pair]:
    """Every pair of a gold row and a predicted row that are equal in all the given (key) columns."""
    index: dict[object, list[int]] = {}
    for at, key in enumerate(zip(*predicted, strict=True)):
        index.setdefault(key, []).append(at)
    keys = enumerate(zip(*gold, strict=True))
    return [(row, at) for row, key in keys if (found := index.get(key)) for at in found]


def judge_cells(
    column: str, criterion: float | str | None, cells: Sequence[tuple[str, str]], judge: Judge
) -> tuple[list[bool], str]:
    """A verdict for each (predicted, gold) pair, and the judge's name if the judge was asked.

    Some pairs are decided without the judge. Equal texts are right, and so are two missing values. A missing value and
    any other value are wrong.
    """
    verdicts: list[bool] = []
    open_pairs: list[int] = []
    for at, (one, other) in enumerate(cells):
        blank = is_empty(one) + is_empty(other)
        same = blank == 2 or text_key(one) == text_key(other)
        verdicts.append(same)
        if not (same or blank):
            open_pairs.append(at)
    if not open_pairs:
        return verdicts, ""
    said = criterion if isinstance(criterion, str) else ""
    answers = judge.judge(column, said, [cells[at] for at in open_pairs])
    if len(answers) != len(open_pairs):
        raise WideSeekError(
            f"the judge {judge.name} gave {len(answers)} verdicts for {len(open_pairs)} pairs of column {column!r}"
        )
    for at, answer in zip(open_pairs, answers, strict=True):
        verdicts[at] = bool(answer)
    return verdicts, judge.name


def aligned(column: str, predicted: Texts, gold: Texts, judge: Judge | None) -> tuple[Texts, str]:
    """`predicted`, where a name is replaced if `judge` maps it to a name in `gold`. The second value is the judge's
    name if the judge was asked.

    A judge that is not a `KeyAligner` maps no names. The judge is not asked about blank names and names that are in
    `gold`.
    """
    if not isinstance(judge, KeyAligner):
        return predicted, ""
    known = dict.fromkeys(cell for cell in gold if not is_empty(cell))
    unknown = [cell for cell in dict.fromkeys(predicted) if cell not in known and not is_empty(cell)]
    if not unknown or not known:
        return predicted, ""
    mapping = judge.align_keys(column, unknown, list(known))
    return [mapping.get(cell, cell) for cell in predicted], judge.name


def table_score(tables: Matched, judge: str = "", *, success: bool = False) -> TableScore:
    """The score of matched tables. The row of a pair is right when all verdicts of the pair are right.

    The score is perfect if everything is right or if `success` is True. The number of items is rows times columns, for
    the gold table and for the answer. A column with two metrics counts twice in the numerator and once in the
    denominator.
    """
    width, predicted, expected = len(tables.columns), len(tables.predicted[0]), len(tables.gold_rows)
    every = [verdicts for column in tables.verdicts for verdicts in column]
    items = sum(map(sum, every))
    rows = sum(map(all, zip(*every, strict=True)))
    by_row = _measures(rows, predicted, expected)
    by_item = _measures(items, predicted * width, expected * width)
    if by_row == by_item == (1.0, 1.0, 1.0):
        success = True
    used = {at for _, at in tables.pairs}
    extra = [at for at in range(predicted) if at not in used]
    return TableScore(
        1.0 if success else 0.0,
        *by_row,
        *by_item,
        message=(
            f"{items} cells are right, of {expected * width} in the gold table and {predicted * width} in the answer; "
            f"{rows} rows, of {expected} and {predicted}"
        ),
        columns=tables.columns,
        cells=row_verdicts(tables),
        extra_rows=tuple([tuple([column[at] for column in tables.predicted]) for at in extra]),
        judge=judge,
    )


def row_verdicts(tables: Matched) -> tuple[RowVerdict, ...]:
    """The verdicts of each gold row. If a gold row has several matches, the verdicts are those of the first match."""
    count = len(tables.pairs)
    words: list[Sequence[str]] = []
    for column in tables.verdicts:
        right: Sequence[bool] = column[0] if len(column) == 1 else list(map(all, zip(*column, strict=True)))
        words.append(["right" if good else "wrong" for good in right] if column else ["right"] * count)
    matches: dict[int, int] = {}
    for number, (row, _) in enumerate(tables.pairs):
        matches.setdefault(row, number)
    names, make = tables.columns, CellVerdict._make
    said, shown = list(zip(*words, strict=True)), list(zip(*tables.predicted, strict=True))
    missing, nothing = ("missing",) * len(names), ("",) * len(names)
    rows: list[RowVerdict] = []
    for row, gold in enumerate(zip(*tables.gold, strict=True)):
        found = matches.get(row)
        at = None if found is None else tables.pairs[found][1]
        verdicts = missing if found is None else said[found]
        given = nothing if at is None else shown[at]
        cells = tuple(map(make, zip(names, verdicts, given, gold, strict=True)))
        rows.append(RowVerdict(tables.gold_rows[row], at, cells))
    return tuple(rows)


def _measures(right: int, predicted: int, expected: int) -> tuple[float, float, float]:
    precision = right / predicted if predicted else 0.0
    recall = right / expected if expected else 0.0
    total = precision + recall
    return precision, recall, 2 * precision * recall / total if total > _EPSILON else 0.0
