r"""The scoring behind WideSeek-R1's training reward: fenced tables, numbers with six significant digits, ``\boxed{}``
answers.

Source: ``rlinf/agents/wideseek_r1/utils/reward.py`` of RLinf/RLinf (`extract_final_answer`, `evaluate_markdown`). In
that code, a model decides about every cell that is not a key, and aligns keys and column names. Here, a `Judge` (by
default the `OfflineJudge`) decides about the cells. A judge that is a `KeyAligner` aligns keys and column names.
"""

from __future__ import annotations

import math
import re
from collections.abc import Sequence

from wideseek_env.scoring.judges import Judge, OfflineJudge
from wideseek_env.scoring.result import CellVerdict, RowVerdict, TableScore
from wideseek_env.scoring.short_answer import answer_rule
from wideseek_env.scoring.widesearch.delimited import Frame, UnreadableTable
from wideseek_env.scoring.widesearch.extract import blocks, read_block
from wideseek_env.scoring.widesearch.gold import first_rows
from wideseek_env.scoring.widesearch.infer import column_texts, parse_float
from wideseek_env.scoring.widesearch.verdicts import (
    Matched,
    Texts,
    aligned,
    join,
    judge_cells,
    row_verdicts,
    table_score,
)
from wideseek_env.task import Task

KEYS, REQUIRED = "unique_columns", "required"
"""Names in a task's ``meta`` under which it keeps the key columns and the required columns of the published row, where
they differ from the task's."""

_OFFLINE = OfflineJudge()
_BOX = "\\boxed{"
_BRACE = re.compile(r"\\boxed\{|[{}]")
_BREAK = "<br>"
_TURN_END = "<|im_end|>"


class _Malformed(Exception):
    """The published reward treats this answer as malformed. The message gives the reason."""

    def __init__(self, message: str, missing: Sequence[str] = ()) -> None:
        super().__init__(message)
        self.missing = tuple(missing)


def score_wideseek_r1(
    response: str, task: Task, judge: Judge | None = None, *, squeeze_columns: bool = False
) -> TableScore:
    r"""Score `response` as WideSeek-R1's training reward does. `f1_by_item` is the part of that reward that depends on
    the answer's quality.

    The answer is the text after the last ``</think>``.

    Broad tasks: the table in the last ``markdown`` code fence must have at least one row and every required column.
    Column names are compared without case and outer spaces. With `squeeze_columns`, used for evaluation on WideSearch,
    they are compared without any spaces. Further columns do not lower the score. If any cell of a column is a number,
    the cells are compared as numbers with six significant digits, and cells without a number count as blank. Of rows
    with equal keys, only the first is used.

    Depth tasks: the last complete ``\boxed{…}`` is compared with the accepted answers.

    Keys must be equal as text. The row of the data may name key columns that are not required (`REQUIRED` in the task's
    ``meta``): they join rows by their unchanged values, and their cells do not count. A table whose row names no key
    columns (`KEYS` in ``meta`` is empty) gets no reward.

    Other cells are right when they are equal or `judge` accepts them. `well_formed` is False if the published system
    rejects the format and gives no reward. `score` and the row scores are computed from these verdicts as in the
    WideSearch benchmark. No response makes this function raise an error.
    """
    answer = response.split(_TURN_END)[0].split("</think>")[-1].strip()
    if task.gold is None:
        return _score_box(answer, task, judge or _OFFLINE)
    columns, keys = _published(task, REQUIRED, task.columns), _published(task, KEYS, task.key_columns)
    try:
        return _score_table(answer, task, columns, keys, judge, squeeze_columns)
    except _Malformed as reason:
        gold = [task.gold.column(name) for name in columns]
        nothing = Matched(columns, gold, range(len(task.gold.rows)), (), (), [()] * len(columns))
        return TableScore(
            message=str(reason),
            columns=columns,
            cells=row_verdicts(nothing),
            well_formed=False,
            missing_columns=reason.missing,
        )


def boxed_answer(text: str) -> str | None:
    r"""The content of the last ``\boxed{…}`` of `text` whose braces are balanced. None when there is no such box."""
    found: str | None = None
    opened: list[
        int | None
    ] = []  # the start of the content of each open box, or None for any other open brace
    for brace in _BRACE.finditer(text):
        if brace[0] != "}":
            opened.append(brace.end() if brace[0] == _BOX else None)
        elif opened and (start := opened.pop()) is not None:
            found = text[start : brace.start()]
    return found


def normalised(cells: Sequence[str]) -> list[str]:
    """A column in the form for comparison: numbers with six significant digits if any cell is a number, otherwise
    stripped texts."""
    texts = [
        text.replace(_BREAK, "\n").strip() if text else "nan" for text in column_texts(cells, frozenset())
    ]
    numbers = [_number(text) for text in texts]
    if all(number is None for number in numbers):
        return texts
    return ["" if number is None else f"{number:g}" for number in numbers]


def _published(task: Task, name: str, default: Sequence[str]) -> tuple[str, ...]:
    """The columns that the published row names: those in the task's ``meta``, or else `default`."""
    assert task.gold is not None
    kept = task.meta.get(name)
    # `meta` of other data may have anything here. No required columns are no statement either.
    if isinstance(kept, list | tuple) and all(each in task.gold.header for each in kept):
        default = kept if kept or name == KEYS else default
    return tuple(dict.fromkeys(default))


def _score_table(
    answer: str,
    task: Task,
    columns: tuple[str, ...],
    key_columns: tuple[str, ...],
    judge: Judge | None,
    squeeze: bool,
) -> TableScore:
    assert task.gold is not None
    frame = _read(answer)
    wanted_names = [_column_key(name, squeeze) for name in columns]
    names: Texts = [_column_key(name, squeeze) for name in frame.names]
    asked = ""
    if not set(wanted_names) <= set(names):
        names, asked = aligned("", names, wanted_names, judge)
    missing = [column for column, name in zip(columns, wanted_names, strict=True) if name not in names]
    if missing:
        raise _Malformed(f"missing columns: {', '.join(missing)}", missing)
    if not key_columns:
        raise _Malformed("the data name no unique columns, so no row can be joined")
    others = [name for name in key_columns if name not in columns]
    other_names = [_column_key(name, squeeze) for name in others]
    absent = [column for column, name in zip(others, other_names, strict=True) if name not in names]
    if absent:
        raise _Malformed(f"missing key columns: {', '.join(absent)}", absent)
    if any(names.count(name) > 1 for name in (*wanted_names, *other_names)):
        raise _Malformed("a required column occurs twice")
    width, table = len(columns), (*columns, *others)
    keys = [at for at, name in enumerate(table) if name in key_columns]
    gold = [normalised(task.gold.column(name)) for name in columns]
    mine = [normalised(frame.columns[names.index(name)]) for name in wanted_names]
    for name, own in zip(others, other_names, strict=True):
        ours, theirs = _typed(frame.columns[names.index(own)]), _typed(task.gold.column(name))
        if ours[0] != theirs[0]:
            raise _Malformed(f"the column {name!r} has {ours[0]} where {theirs[0]} were expected")
        mine.append(ours[1])
        gold.append(theirs[1])
    wanted, gold_rows = _distinct(gold, keys)
    given, _ = _distinct(mine, keys)
    mapped = list(given)
    for at in keys:
        mapped[at], by = aligned(table[at], given[at], wanted[at], judge)
        asked = by or asked
    pairs = join([wanted[at] for at in keys], [mapped[at] for at in keys])
    verdicts: list[list[Sequence[bool]]] = []
    for at, name in enumerate(columns):
        if at in keys:
            verdicts.append([[True] * len(pairs)])
            continue
        cells = [(given[at][row], wanted[at][place]) for place, row in pairs]
        column, by = judge_cells(name, task.spec(name).criterion, cells, judge or _OFFLINE)
        verdicts.append([column])
        asked = by or asked
    return table_score(Matched(columns, wanted[:width], gold_rows, given[:width], pairs, verdicts), asked)


def _typed(cells: Sequence[str]) -> tuple[str, list[str]]:
    """What a key column that is not required contains, and its values as they are joined: pandas joins no numbers with
    texts."""
    texts = [text.replace(_BREAK, "\n") if text else "nan" for text in column_texts(cells, frozenset())]
    numbers = [_number(text) for text in texts]
    if cells and all(number is not None for number in numbers):
        return "numbers", [repr(float(number)) for number in numbers if number is not None]
    return "texts", texts


def _distinct(table: Sequence[Texts], keys: Sequence[int]) -> tuple[list[Texts], list[int]]:
    """The cells (by column) and the positions of the rows that are the first with their keys."""
    rows = first_rows([table[at] for at in keys])
    return [[column[at] for at in rows] for column in table], rows


def _read(answer: str) -> Frame:
    found = blocks(answer, fenced_only=True)
    if not found:
        raise _Malformed("the answer has no ```markdown block")
    try:
        frame = read_block(found[-1], lower_header=False)
    except UnreadableTable as error:
        raise _Malformed(f"the table cannot be read: {error}") from error
    if not frame.height or not frame.names:
        raise _Malformed("the table is empty")
    return frame


def _column_key(name: str, squeeze: bool) -> str:
    key = name.strip().lower()
    return key.replace(" ", "") if squeeze else key


def _number(text: str) -> float | None:
    number = parse_float(text)
    return None if number is None or math.isnan(number) else number


def _score_box(answer: str, task: Task, judge: Judge) -> TableScore:
    given = boxed_answer(answer)
    right, judged_by = False, ""
    gold = task.answers[0]
    if given is not None:
        pairs = [(given, other) for other in task.answers]
        verdicts, judged_by = judge_cells("answer", answer_rule(task), pairs, judge)
        right = any(verdicts)
        gold = task.answers[verdicts.index(True)] if right else gold
    value = 1.0 if right else 0.0
    verdict = CellVerdict(
        "answer", "right" if right else "missing" if given is None else "wrong", given or "", gold
    )
    said = (
        "the answer is not boxed"
        if given is None
        else f"the boxed answer is {'' if right else 'not '}accepted"
    )
    return TableScore(
        *(value,) * 7,
        message=said,
        columns=("answer",),
        cells=(RowVerdict(0, None if given is None else 0, (verdict,)),),
        judge=judged_by,
        well_formed=given is not None,
    )
