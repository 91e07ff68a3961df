"""GISA's questions: the decrypted file, one JSON object per line, and a folder with one CSV file for each answer.

::

    FOLDER/question.jsonl     id, question, answer_type, question_type, topic
    FOLDER/answer/ID.csv      the answer (the folder may also be called answers)

``answer_type`` decides what the CSV file has. The file of an ``item`` has one value. The files of a ``set`` and of a
``list`` have one value per line and no header. The file of a ``table`` begins with its header. An item becomes a depth
task, and the others become broad tasks. A set or list has the one column `COLUMN`, and its answer need not be a table
(`wideseek_env.scoring.lists`). A table names no key columns, so its key columns are the first ones that identify its
rows (`identifying_columns`).

Source: the data card of RUC-NLPIR/GISA and its leaderboard (exact match; F1 for sets; F1 and order for lists; row-F1
and item-F1 for tables).
"""

from __future__ import annotations

import csv
import io
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any, cast

from wideseek_env.errors import TaskError
from wideseek_env.scoring.lists import ANSWER_TYPE
from wideseek_env.task import Language, Table, Task
from wideseek_env.tasks.rows import (
    OnError,
    Row,
    collect,
    gold_folder,
    id_of,
    identifying_columns,
    kind_of,
    language_of,
    read_rows,
    refuse_encrypted,
    row_files,
    stem_of,
    text_of,
)
from wideseek_env.tasks.taskset import TaskSet

SOURCE = "gisa"
COLUMN = "Answer"
TYPES = ("item", "set", "list", "table")
_FIELDS = frozenset("id question language canary".split())


def load_gisa(
    source: str | os.PathLike[str],
    gold: str | os.PathLike[str] | None = None,
    *,
    on_error: OnError = "raise",
) -> TaskSet:
    """The tasks of a folder in the benchmark's layout, or of one file of questions.

    `gold` is the folder of answers. By default it is ``answer`` or ``answers`` next to the questions. With
    ``on_error="skip"``, a bad question or answer is logged as a warning and left out.

    Raises:
        TaskError: A row or its answer is bad, or the questions are encrypted. The message names file and line.
    """
    path = Path(source)
    files = row_files(path)
    folder = gold_folder(files, None if gold is None else Path(gold), ("answer", "answers"), SOURCE)

    def make(data: Mapping[str, Any], row: Row) -> Task:
        return task_from_gisa(data, folder / f"{Path(id_of(data, 'id')).name}.csv")

    rows = (item for file in files for item in read_rows(file))
    return TaskSet(collect(rows, make, on_error), name=stem_of(path) or SOURCE)


def task_from_gisa(row: Mapping[str, Any], gold: str | os.PathLike[str]) -> Task:
    """The task of one row, with the answer in the CSV file `gold`. Raises `TaskError` that names what is wrong."""
    task_id, question = id_of(row, "id"), text_of(row, "question", "query")
    refuse_encrypted(question)
    kind = row.get(ANSWER_TYPE)
    if kind not in TYPES:
        raise TaskError(f"field {ANSWER_TYPE!r} must be one of {', '.join(TYPES)}, not {kind_of(kind)}")
    text = _text(Path(gold))
    language = cast(Language, language_of(row, "en"))
    meta = {name: value for name, value in row.items() if name not in _FIELDS}
    if kind == "table":
        table = _table(text, gold)
        keys = identifying_columns(table)
    else:
        values = tuple(_value(line) for line in text.splitlines() if line.strip())
        if kind == "item":
            if len(values) != 1:
                raise TaskError(f"the answer {gold} of an item has {len(values)} lines instead of 1")
            return Task(task_id, question, answers=values, language=language, source=SOURCE, meta=meta)
        table, keys = Table((COLUMN,), tuple((value,) for value in values)), (COLUMN,)
    return Task(
        task_id,
        question,
        columns=table.header,
        key_columns=keys,
        gold=table,
        language=language,
        source=SOURCE,
        meta=meta,
    )


def _text(path: Path) -> str:
    try:
        text = path.read_bytes().decode("utf-8-sig")
    except OSError as error:
        raise TaskError(f"cannot read the answer {path}: {error.strerror or error}") from error
    except UnicodeDecodeError as error:
        raise TaskError(f"the answer {path} is not UTF-8 (byte {error.start + 1})") from error
    if not text.strip():
        raise TaskError(f"the answer {path} is empty")
    return text


def _value(line: str) -> str:
    """The value of a line. It is quoted if it has a comma, but not always."""
    text = line.strip()
    if text[:1] == text[-1:] == '"' and len(text) > 1:
        cells = next(csv.reader([text]))
        return cells[0].strip() if len(cells) == 1 else text
    return text


def _table(text: str, gold: str | os.PathLike[str]) -> Table:
    try:
        lines = [
            [cell.strip() for cell in line] for line in csv.reader(io.StringIO(text, newline=""), strict=True)
        ]
        header, *rows = [line for line in lines if any(line)]
        table = Table(tuple(header), tuple(map(tuple, rows)))
    except (csv.Error, TaskError) as error:
        raise TaskError(f"the answer {gold}: {error}") from error
    if not rows:
        raise TaskError(f"the answer {gold} of a table has only a header")
    if len(set(header)) < len(header) or "" in header:
        raise TaskError(f"the answer {gold} has two columns with the same name, or one without a name")
    return table
