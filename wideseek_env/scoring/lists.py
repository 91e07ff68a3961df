"""Scores answers that are a set or a list of values, such as those of GISA."""

from __future__ import annotations

import re
from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import replace

from wideseek_env.scoring.cells import comparison
from wideseek_env.scoring.markup import plain_text
from wideseek_env.scoring.result import CellVerdict, RowVerdict, TableScore
from wideseek_env.scoring.short_answer import short_answers
from wideseek_env.scoring.table_text import strip_thinking, visible_text
from wideseek_env.scoring.tables import MAX_ROWS, parse_table
from wideseek_env.scoring.text import is_empty, lenient_key, text_key
from wideseek_env.task import ColumnSpec, Task

ANSWER_TYPE = "answer_type"
"""The name in a task's ``meta`` that says whether its one column is a ``set`` or a ``list`` (whose order counts)."""

ORDER = "order"
"""The further metric of lists: the longest run of right values in the right order, over the number of gold values."""

_FENCE = re.compile(r"```[\w+-]*[ \t]*\n(.*?)```", re.DOTALL)
_MARKED = re.compile(r"\s*+(?:[-*+•●]|[（(]?\d{1,4}[.)、）])\s++(.+)")
_SEMICOLON = re.compile(r"\s*[;；、\n]\s*")
_COMMA = re.compile(r",\s+|，\s*")
_HEADINGS = frozenset("answer answers item items name names value values result results 答案 名称".split())
_MOST_NUMBERS = 1000
_RANK = re.compile(r"#?\d{1,4}\.?")


def is_list_task(task: Task) -> bool:
    """Whether the gold of `task` is a set or a list of values."""
    return task.gold is not None and len(task.columns) == 1 and task.meta.get(ANSWER_TYPE) in ("set", "list")


def list_values(response: str, column: str = "") -> list[str]:
    """The values that a response lists.

    They are looked for in this order: the last code fence, the last Markdown table, the last lines with bullets or
    numbers, and the last line, with commas or semicolons between the values. A first value that is `column` or a word
    such as "Answer" is a heading.
    """
    text = visible_text(strip_thinking(response)).strip()
    fences = _FENCE.findall(text)
    table = parse_table(text).table
    if table is not None and (not fences or "|" in fences[-1]):
        if len(table.header) > 1 and column in table.header:
            return _without_blanks(table.column(column))
        ranked = len(table.header) > 1 and all(_RANK.fullmatch(row[0]) for row in table.rows)
        return _without_blanks([row[1 if ranked else 0] for row in table.rows])
    lines = [line for line in (fences[-1] if fences else text).split("\n") if line.strip()]
    marked = [match[1] for line in lines if (match := _MARKED.fullmatch(line)) is not None]
    if fences:
        values = marked if len(marked) == len(lines) else lines
        if len(values) == 1:
            values = values[0].split("\t") if "\t" in values[0] else _split(values[0])
    elif marked:
        values = _last_run(lines)
    else:
        answers = short_answers(response)
        values = _split(answers[min(1, len(answers) - 1)]) if answers else []
    values = _without_blanks(values)
    if len(values) > 1 and text_key(values[0]) in {*_HEADINGS, text_key(column)}:
        del values[0]
    return values


def score_list(response: str, task: Task) -> TableScore:
    """The score of a set or list. Precision, recall and F1 are over values, whose order does not matter.

    `score` is 1 when the values are the gold values and, in a list, in the gold order. The extra metric `ORDER` of a
    list says how far the order is right. In a set, a repeated value counts once.
    """
    assert task.gold is not None
    column = task.columns[0]
    gold, given = task.gold.column(column), list_values(response, column)
    ordered = task.meta.get(ANSWER_TYPE) == "list"
    if not ordered:
        given = list({text_key(value): value for value in reversed(given)}.values())[::-1]
    places = _places(gold, given, task)
    right = len(places) - places.count(None)
    used = set(places)
    extra = [value for at, value in enumerate(given) if at not in used]
    precision, recall = right / len(given) if given else 0.0, right / len(gold) if gold else 0.0
    f1 = 2 * right / (len(given) + len(gold)) if right else 0.0
    order = _longest_rise([at for at in places if at is not None])
    same = right == len(gold) == len(given) and (not ordered or order == len(gold))
    score = TableScore(
        1.0 if same else 0.0,
        *(precision, recall, f1) * 2,
        message=f"{right} of {len(gold)} values are right; {len(extra)} values are not in the gold list",
        columns=(column,),
        cells=tuple(
            RowVerdict(
                row,
                at,
                (
                    CellVerdict(
                        column,
                        "missing" if at is None else "right",
                        "" if at is None else given[at],
                        value,
                    ),
                ),
            )
            for row, (value, at) in enumerate(zip(gold, places, strict=True))
        ),
        extra_rows=tuple((value,) for value in extra),
        well_formed=bool(given),
        missing_columns=() if given else (column,),
    )
    return replace(score, extra={ORDER: order / len(gold) if gold else 0.0}) if ordered else score


def _places(gold: Sequence[str], given: Sequence[str], task: Task) -> list[int | None]:
    """For each gold value the position of the given value that equals it. No given value is used twice."""
    agree = comparison(ColumnSpec())
    aliases = task.aliases.get(task.columns[0], {})
    free = dict(enumerate(given))
    places: list[int | None] = [None] * len(gold)
    for lenient in (False, True):
        index: dict[str, list[int]] = {}
        for at, value in free.items():
            index.setdefault(lenient_key(value) if lenient else text_key(value), []).append(at)
        for row, value in enumerate(gold):
            for text in (value, *aliases.get(value, ())):
                found = index.get(lenient_key(text) if lenient else text_key(text))
                if places[row] is None and found:
                    at = places[row] = found.pop(0)
                    del free[at]
    # Numbers and dates in other spellings. The limit keeps the time linear for hostile text.
    numbers = [at for at, text in free.items() if any(char.isdigit() for char in text)][:_MOST_NUMBERS]
    for row, value in enumerate(gold):
        if places[row] is None and any(char.isdigit() for char in value):
            near = next((at for at in numbers if at in free and agree(free[at], value)), None)
            if near is not None:
                places[row] = near
                del free[near]
    return places


def _longest_rise(numbers: Sequence[int]) -> int:
    """The length of the longest subsequence of growing numbers."""
    ends: list[int] = []
    for number in numbers:
        at = bisect_left(ends, number)
        ends[at : at + 1] = [number]
    return len(ends)


def _last_run(lines: Sequence[str]) -> list[str]:
    """The last lines with bullets or numbers that follow each other."""
    run: list[str] = []
    for line in reversed(lines):
        match = _MARKED.fullmatch(line)
        if match is not None:
            run.append(match[1])
        elif run:
            break
    return run[::-1]


def _split(line: str) -> list[str]:
    """The values of one line, separated by semicolons, or else by commas."""
    values = _SEMICOLON.split(line)
    return values if len(values) > 1 else _COMMA.split(line)


def _without_blanks(values: Sequence[str]) -> list[str]:
    texts = (plain_text(value).strip(" \t\r\"'“”,;；，") for value in values[:MAX_ROWS])
    return [text for text in texts if not is_empty(text)]
