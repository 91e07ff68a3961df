"""The WideSearch benchmark's files: one JSON object per line and a folder of gold tables, as on Hugging Face.

::

    FOLDER/widesearch.jsonl            instance_id, query, evaluation, language
    FOLDER/widesearch_gold/ID.csv      the gold table of the task with this instance_id

DeepWideSearch has the same layout with other names::

    FOLDER/NAME.jsonl                  instance_id, question, entity, evaluation, language, topic
    FOLDER/NAME_tables/ID.csv

``evaluation`` is an object or its JSON text. It has ``required`` and ``unique_columns`` (column names in lower case
without spaces). It also has ``eval_pipeline``, with ``preprocess``, ``metric`` and ``criterion`` for each column.
``aliases`` is an addition of this package: for each column, other right texts of gold cells (`Task.aliases`).
"""

from __future__ import annotations

import json
import os
import zlib
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from wideseek_env.errors import MissingDependencyError, TaskError
from wideseek_env.files import open_bytes
from wideseek_env.task import Task
from wideseek_env.tasks.rows import (
    OnError,
    Row,
    collect,
    gold_folder,
    id_of,
    read_rows,
    row_files,
    stem_of,
    write_text,
)
from wideseek_env.tasks.taskset import TaskSet
from wideseek_env.tasks.widesearch.rows import (
    SOURCE,
    gold_csv,
    task_from_widesearch,
    widesearch_row,
)

REPOSITORY = "ByteDance-Seed/WideSearch"
"""The benchmark's data set on Hugging Face."""

ROWS = "widesearch.jsonl"
GOLD = "widesearch_gold"


def load_widesearch(
    source: str | os.PathLike[str],
    gold: str | os.PathLike[str] | None = None,
    *,
    on_error: OnError = "raise",
) -> TaskSet:
    """The tasks of a folder in the benchmark's layout, or of one file of rows.

    `gold` is the folder of gold tables. By default it is ``widesearch_gold`` or ``NAME_tables`` next to the file
    ``NAME.jsonl``. With ``on_error="skip"``, a bad row or gold table is logged as a warning and left out.

    Raises:
        TaskError: A row or its gold table is bad. The message names file and line.
    """
    path = Path(source)
    files = row_files(path)
    names = (GOLD, *(f"{stem_of(file)}_tables" for file in files))
    folder = gold_folder(files, None if gold is None else Path(gold), names, SOURCE)

    def make(data: Mapping[str, Any], row: Row) -> Task:
        # The last part of the id, as DeepWideSearch's own loader does.
        return task_from_widesearch(data, folder / f"{Path(id_of(data, 'instance_id')).name}.csv")

    rows = (item for file in files for item in read_rows(file))
    return TaskSet(collect(rows, make, on_error), name=stem_of(path) or SOURCE)


def is_widesearch(path: Path) -> bool:
    """Whether `path` is a folder of files, or a ``.jsonl`` file whose first row is one of the benchmark."""
    if path.is_dir():
        return any(path.glob("*.jsonl")) or any(path.glob("*.jsonl.gz"))
    if not path.name.endswith((".jsonl", ".jsonl.gz")) or not path.is_file():
        return False
    try:
        with open_bytes(path) as file:
            row = json.loads(file.readline())
    except (OSError, EOFError, ValueError, RecursionError, zlib.error):
        return False  # the reader of task files says what is wrong
    return isinstance(row, dict) and {"instance_id", "evaluation"} <= set(row) and "answer" not in row


def download_widesearch(repository: str = REPOSITORY, *, on_error: OnError = "raise") -> TaskSet:
    """The tasks of a data set on Hugging Face in the benchmark's layout. The function needs ``huggingface_hub`` and a
    network.

    Raises `MissingDependencyError` when ``huggingface_hub`` is not installed.
    """
    try:
        from huggingface_hub import snapshot_download  # type: ignore[import-not-found,unused-ignore]
    except ImportError as error:
        raise MissingDependencyError(
            "downloading WideSearch needs huggingface_hub; install it with: pip install huggingface_hub"
        ) from error
    return load_widesearch(snapshot_download(repo_id=repository, repo_type="dataset"), on_error=on_error)


def save_widesearch(tasks: Iterable[Task], folder: str | os.PathLike[str]) -> int:
    """Write broad tasks in the benchmark's layout and return their number. `load_widesearch` then gives equal tasks.

    Raises:
        TaskError: A task has no gold table, an id occurs twice or cannot be a file name, or the layout would change a
            column name (its names are in lower case without spaces).
    """
    target = Path(folder)
    lines: list[str] = []
    tables: dict[str, str] = {}
    for task in tasks:
        row = widesearch_row(task)
        if task.id in tables or task.id != Path(task.id).name:
            raise TaskError(
                f"the task id {task.id!r} occurs twice or is not a file name; nothing was written"
            )
        tables[task.id] = gold_csv(task)
        lines.append(
            json.dumps(
                {**row, "evaluation": json.dumps(row["evaluation"], ensure_ascii=False)}, ensure_ascii=False
            )
        )
    (target / GOLD).mkdir(parents=True, exist_ok=True)
    for name, text in tables.items():
        write_text(target / GOLD / f"{name}.csv", text)
    write_text(target / ROWS, "".join(line + "\n" for line in lines))
    return len(lines)
