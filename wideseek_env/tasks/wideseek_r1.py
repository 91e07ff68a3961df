r"""WideSeek-R1's training files (``width_20k``, ``depth_20k``, ``hybrid_20k``): one JSON object per line.

- ``question``: text.
- ``answer``: for a broad task the gold table in Markdown, for a depth task the accepted short answer or a list of them.
- ``is_markdown``: whether the answer is a table. The default is true if the row has ``unique_columns``.
- ``unique_columns``: list of text, the columns that identify a row of a table.
- ``required``: list of text, the required columns. The default is all columns of the table. This list may also be
  inside ``evaluation`` (an object or its JSON text).
- ``instance_id``: text or number. The default is the file's name and the line number.
- ``language``: ``"en"`` or ``"zh"``. The default is ``zh`` if the id contains "zh", else ``en``.

All other fields of a row are stored in the task's ``meta``.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, cast

from wideseek_env.errors import TaskError
from wideseek_env.scoring.widesearch.delimited import UnreadableTable
from wideseek_env.scoring.widesearch.extract import blocks, read_block
from wideseek_env.task import ColumnSpec, Language, Table, Task
from wideseek_env.tasks.rows import OnError, collect, read_rows, write_text
from wideseek_env.tasks.taskset import TaskSet

SOURCE = "wideseek-r1"
JUDGED = ColumnSpec(("llm_judge",), ("norm_str",), "approximately the same meaning, or the same entity")
"""How cells that are not keys are compared. In the published system a model decides whether such a cell is right."""

_FIELDS = frozenset("question answer is_markdown unique_columns required instance_id language".split())


def load_wideseek_r1(path: str | os.PathLike[str], *, on_error: OnError = "raise") -> TaskSet:
    """The tasks of a training file (``.jsonl`` or ``.jsonl.gz``), in its order.

    With ``on_error="skip"`` a bad row is logged as a warning and left out.

    Raises:
        TaskError: A row is bad. The message names file and line.
    """
    source = Path(path)
    stem = source.name.removesuffix(".gz").removesuffix(".jsonl")

    def make(row: Mapping[str, Any], where: str) -> Task:
        return task_from_wideseek_r1(row, default_id=f"{stem}-{where.rpartition(':')[2]}")

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
    evaluation = row.get("evaluation")
    if isinstance(evaluation, str):
        try:
            evaluation = json.loads(evaluation)
        except ValueError as error:
            raise TaskError(f"field 'evaluation' is not JSON: {error}") from error
    if evaluation is not None and not isinstance(evaluation, Mapping):
        raise TaskError("field 'evaluation' must be an object or its JSON text")
    given_id = row.get("instance_id")
    if isinstance(given_id, bool) or not isinstance(given_id, str | int | None):
        raise TaskError("field 'instance_id' must be text or a number")
    task_id = default_id if given_id is None or given_id == "" else str(given_id)
    question, answer = row.get("question"), row.get("answer")
    if not isinstance(question, str) or not question.strip():
        raise TaskError("field 'question' must be text")
    keys = _names(row, "unique_columns")
    is_table = row.get("is_markdown")
    if not isinstance(is_table, bool | None):
        raise TaskError("field 'is_markdown' must be true or false")
    language = row.get("language") or ("zh" if "zh" in task_id else "en")
    meta = {name: value for name, value in row.items() if name not in _FIELDS}
    if is_table is False or (is_table is None and not keys):
        answers = [answer] if not isinstance(answer, list) else answer
        if not answers or not all(
            isinstance(one, str | int | float) and not isinstance(one, bool) for one in answers
        ):
            raise TaskError("field 'answer' must be a short answer or a list of them")
        return Task(
            task_id,
            question,
            answers=tuple(map(str, answers)),
            language=cast(Language, language),
            source=SOURCE,
            meta=meta,
        )
    required = _names(row, "required") or _names(evaluation or {}, "required")
    table = _table(answer)
    columns = tuple(_place(table, name, "required") for name in required) or table.header
    key_columns = tuple(dict.fromkeys(_place(table, name, "unique_columns") for name in keys))
    if not key_columns:
        raise TaskError("field 'unique_columns' must name at least one column of the table")
    return Task(
        task_id,
        question,
        columns=columns,
        key_columns=key_columns,
        gold=table,
        specs={name: ColumnSpec() if name in key_columns else JUDGED for name in columns},
        language=cast(Language, language),
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


def _table(answer: Any) -> Table:
    if not isinstance(answer, str):
        raise TaskError("field 'answer' must be a table in Markdown")
    found = blocks(answer.rpartition("</think>")[2].strip())
    if not found:
        raise TaskError("field 'answer' has no table in Markdown")
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
