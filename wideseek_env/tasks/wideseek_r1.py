r"""WideSeek-R1's files (``width_20k``, ``depth_20k``, ``hybrid_20k``, ``test``): JSON Lines, or a list in a ``.json``
file.

- ``question`` or ``query``: text.
- ``answer``: for a broad task the gold table in Markdown, for a depth task the accepted short answer or a list of them.
- ``is_markdown``: whether the answer is a table. By default it is a table if the row has ``unique_columns`` or if the
  answer is a text with a table.
- ``unique_columns``: list of text, the columns that identify a row of a table.
- ``required``: list of text, the required columns. The default is all columns of the table. This list may also be
  inside ``evaluation`` (an object or its JSON text).
- ``instance_id``: text or number. The default is the file's name and the number of the row.
- ``language``: ``"en"`` or ``"zh"``. The default is ``zh`` if the id contains "zh", else ``en``.

All other fields of a row are stored in the task's ``meta``.

The published scoring gives no reward to a table without ``unique_columns``, and does not count the cells of key columns
that are not required. Other scorings need keys among the columns. So such a task has usable columns and keys, and
``meta`` keeps the row's ``required`` and ``unique_columns`` for the published scoring
(`wideseek_env.scoring.wideseek_r1`).
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, cast

from wideseek_env.errors import TaskError
from wideseek_env.scoring.widesearch.delimited import UnreadableTable
from wideseek_env.scoring.widesearch.extract import blocks, read_block
from wideseek_env.scoring.wideseek_r1 import KEYS, REQUIRED
from wideseek_env.task import ColumnSpec, Language, Table, Task
from wideseek_env.tasks.rows import (
    OnError,
    Row,
    collect,
    evaluation_of,
    id_of,
    identifying_columns,
    kind_of,
    language_of,
    read_rows,
    stem_of,
    text_of,
    write_text,
)
from wideseek_env.tasks.taskset import TaskSet

SOURCE = "wideseek-r1"
JUDGED = ColumnSpec(("llm_judge",), ("norm_str",), "approximately the same meaning, or the same entity")
"""How cells that are not keys are compared. In the published system a model decides whether such a cell is right."""

_RULE = re.compile(r"^[ \t]*+\|?(?:[ \t]*+:?-{2,}:?[ \t]*+\|)", re.MULTILINE)
_FIELDS = frozenset("question query answer is_markdown unique_columns required instance_id language".split())


def load_wideseek_r1(path: str | os.PathLike[str], *, on_error: OnError = "raise") -> TaskSet:
    """The tasks of a file (``.jsonl`` or ``.json``, also with ``.gz``), in its order.

    With ``on_error="skip"`` a bad row is logged as a warning and left out.

    Raises:
        TaskError: A row is bad, or the file has none. The message names file and line.
    """
    source = Path(path)
    stem = stem_of(source)

    def make(data: Mapping[str, Any], row: Row) -> Task:
        return task_from_wideseek_r1(data, default_id=f"{stem}-{row.number}")

    return TaskSet(collect(read_rows(source), make, on_error), name=stem)


def save_wideseek_r1(tasks: Iterable[Task], path: str | os.PathLike[str]) -> int:
    """Write `tasks` as a training file and return their number.

    `load_wideseek_r1` then gives equal tasks, with two exceptions. In cells, line breaks and runs of white space become
    one space. The format has no column metrics, so columns load as `JUDGED` and key columns as exact text.
    """
    lines = [json.dumps(wideseek_r1_row(task), ensure_ascii=False) + "\n" for task in tasks]
    write_text(Path(path), "".join(lines))
    return len(lines)


def task_from_wideseek_r1(row: Mapping[str, Any], *, default_id: str = "") -> Task:
    """The task of one row. Raises `TaskError` that names the field that is wrong."""
    evaluation = evaluation_of(row.get("evaluation") or {})
    task_id = id_of(row, "instance_id", default=default_id)
    question, answer = text_of(row, "question", "query"), row.get("answer")
    keys = _names(row, "unique_columns")
    is_table = row.get("is_markdown")
    if not isinstance(is_table, bool | None):
        raise TaskError("field 'is_markdown' must be true or false")
    language = cast(Language, language_of(row, "zh" if "zh" in task_id else "en"))
    meta = {name: value for name, value in row.items() if name not in _FIELDS}
    if is_table is None:
        is_table = bool(keys) or (isinstance(answer, str) and _RULE.search(answer) is not None)
    if not is_table:
        return Task(task_id, question, answers=_answers(answer), language=language, source=SOURCE, meta=meta)
    table = _table(answer)
    required = _names(row, "required") or _names(evaluation, "required")
    columns = tuple(dict.fromkeys(_place(table, name, "required") for name in required)) or table.header
    if not keys:
        meta[KEYS] = []
        keys = _names(evaluation, "unique_columns")
        keys = keys or identifying_columns(_select(table, columns))
    key_columns = tuple(dict.fromkeys(_place(table, name, "unique_columns") for name in keys))
    if not set(key_columns) <= set(columns):
        meta[REQUIRED] = list(columns)
        columns = tuple(dict.fromkeys((*columns, *key_columns)))
    return Task(
        task_id,
        question,
        columns=columns,
        key_columns=key_columns,
        gold=table,
        specs={name: ColumnSpec() if name in key_columns else JUDGED for name in columns},
        language=language,
        source=SOURCE,
        meta=meta,
    )


def wideseek_r1_row(task: Task) -> dict[str, Any]:
    """The row of `task`. Tables are inside a code fence, because the published training reward expects answers in this
    form."""
    row: dict[str, Any] = {"instance_id": task.id, "question": task.question}
    if task.gold is None:
        row |= {"answer": list(task.answers), "is_markdown": False}
    else:
        row |= {
            "answer": f"```markdown\n{_markdown(task.gold)}\n```",
            "unique_columns": list(task.key_columns),
            "required": list(task.columns),
            "is_markdown": True,
        }
    return {**row, "language": task.language, **task.meta}


def _answers(answer: Any) -> tuple[str, ...]:
    answers = answer if isinstance(answer, list) else [answer]
    if not answers or not all(
        isinstance(one, str | int | float) and not isinstance(one, bool) and str(one).strip()
        for one in answers
    ):
        raise TaskError("field 'answer' must be a short answer or a list of them")
    return tuple(map(str, answers))


def _select(table: Table, columns: Sequence[str]) -> Table:
    places = [table.header.index(name) for name in columns]
    return Table(tuple(columns), tuple(tuple([row[at] for at in places]) for row in table.rows))


def _table(answer: Any) -> Table:
    if not isinstance(answer, str):
        raise TaskError(f"field 'answer' must be a table in Markdown, not {kind_of(answer)}")
    found = blocks(answer.replace("\ufeff", "").rpartition("</think>")[2].strip())
    if not found:
        raise TaskError(
            "field 'answer' has no table in Markdown, as 'is_markdown' or 'unique_columns' demand"
        )
    try:
        frame = read_block(found[-1], lower_header=False)
    except UnreadableTable as error:
        raise TaskError(f"field 'answer': the table cannot be read: {error}") from error
    if not frame.names:
        raise TaskError("field 'answer': the table has no named column")
    return Table(frame.names, tuple(zip(*frame.columns, strict=True)))


def _place(table: Table, name: str, field: str) -> str:
    """The name in the table's header that equals `name`, without regard to case and spaces."""
    for form in (str, lambda text: text.strip().lower(), lambda text: text.strip().lower().replace(" ", "")):
        for own in table.header:
            if form(own) == form(name):
                return own
    raise TaskError(f"field {field!r}: the table has no column {name!r}; it has {', '.join(table.header)}")


def _names(record: Mapping[str, Any], field: str) -> tuple[str, ...]:
    value = record.get(field)
    if value is None:
        return ()
    if isinstance(value, str):
        return (value,)
    if not isinstance(value, list | tuple) or not all(isinstance(name, str) for name in value):
        raise TaskError(f"field {field!r} must be a list of text")
    return tuple(value)


def _markdown(table: Table) -> str:
    """The table as Markdown that is parsed to the same table. Cells that the parser would split are quoted as in
    CSV."""
    lines = [_line(table.header, quote=False), "|" + " --- |" * len(table.header)]
    for row in table.rows:
        lines.append(_line(row, quote=not "".join(row).strip("|- :")))
    return "\n".join(lines)


def _line(cells: Sequence[str], *, quote: bool) -> str:
    return "| " + " | ".join(_cell(cell, quote=quote) for cell in cells) + " |"


def _cell(cell: str, *, quote: bool) -> str:
    text = " ".join(cell.split())
    if "|" in text:
        text = "|".join(part.strip() for part in text.split("|"))
    if quote or "|" in text or text.startswith('"'):
        return '"' + text.replace('"', '""') + '"'
    return text
