"""The WideSearch benchmark's files: one JSON object per line and a folder of gold tables, as on Hugging Face.

::

    FOLDER/widesearch.jsonl            instance_id, query, evaluation, language
    FOLDER/widesearch_gold/ID.csv      the gold table of the task with this instance_id

``evaluation`` is an object or its JSON text. It has ``required`` and ``unique_columns`` (column names in lower case
without spaces). It also has ``eval_pipeline``, with ``preprocess``, ``metric`` and ``criterion`` for each column.
"""

from __future__ import annotations

import csv
import io
import json
import os
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, cast

from wideseek_env.errors import MissingDependencyError, TaskError
from wideseek_env.scoring.widesearch.delimited import UnreadableTable, read_delimited
from wideseek_env.scoring.widesearch.gold import TYPED, norm_column
from wideseek_env.scoring.widesearch.infer import column_texts
from wideseek_env.tasks.rows import OnError, collect, read_rows, write_text
from wideseek_env.tasks.task import ColumnSpec, Language, Table, Task
from wideseek_env.tasks.taskset import TaskSet

REPOSITORY = "ByteDance-Seed/WideSearch"
"""The benchmark's data set on Hugging Face."""

ROWS = "widesearch.jsonl"
GOLD = "widesearch_gold"
SOURCE = "widesearch"

_FIELDS = ("instance_id", "query", "evaluation", "language")


def load_widesearch(
    source: str | os.PathLike[str],
    gold: str | os.PathLike[str] | None = None,
    *,
    on_error: OnError = "raise",
) -> TaskSet:
    """The tasks of a folder in the benchmark's layout, or of one file of rows.

    `gold` is the folder of gold tables. By default it is ``widesearch_gold`` next to the rows. With
    ``on_error="skip"``, a bad row or gold table is logged as a warning and left out.

    Raises:
        TaskError: A row or its gold table is bad. The message names file and line.
    """
    path = Path(source)
    files = sorted(path.glob("*.jsonl")) if path.is_dir() else [path]
    if not files:
        raise TaskError(f"{path} has no .jsonl file of WideSearch tasks")
    folder = Path(gold) if gold is not None else files[0].parent / GOLD
    if not folder.is_dir():
        raise TaskError(f"there is no folder {folder} with the gold tables; name it with gold=")

    def make(row: Mapping[str, Any], where: str) -> Task:
        return task_from_widesearch(row, folder / f"{_text(row, 'instance_id')}.csv")

    rows = (item for file in files for item in read_rows(file))
    return TaskSet(collect(rows, make, on_error), name=path.name.removesuffix(".jsonl") or SOURCE)


def download_widesearch(repository: str = REPOSITORY, *, on_error: OnError = "raise") -> TaskSet:
    """The tasks of a data set on Hugging Face in the benchmark's layout. It needs ``huggingface_hub`` and a network.

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
    """Write broad tasks in the benchmark's layout and return their number. Loading them gives equal tasks.

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


def task_from_widesearch(row: Mapping[str, Any], gold: Any) -> Task:
    """The task of one row of the benchmark, as `Task.from_widesearch` makes it."""
    evaluation = row.get("evaluation")
    if isinstance(evaluation, str):
        try:
            evaluation = json.loads(evaluation)
        except ValueError as error:
            raise TaskError(f"field 'evaluation' is not JSON: {error}") from error
    if not isinstance(evaluation, Mapping):
        raise TaskError("field 'evaluation' must be an object or its JSON text")
    required, keys = _names(evaluation, "required"), _names(evaluation, "unique_columns")
    pipeline = evaluation.get("eval_pipeline")
    if not isinstance(pipeline, Mapping):
        raise TaskError("field 'evaluation.eval_pipeline' must be an object")
    specs = {name: _spec(name, pipeline.get(name), name in keys) for name in required}
    for name, item in pipeline.items():
        if name not in specs and isinstance(item, Mapping) and item.get("preprocess"):
            raise TaskError(f"'evaluation.eval_pipeline' has the column {name!r}, which is not required")
    table, typed = _gold(gold, required)
    others = {name: value for name, value in row.items() if name not in _FIELDS}
    return Task(
        id=_text(row, "instance_id"),
        question=_text(row, "query"),
        columns=required,
        key_columns=keys,
        gold=table,
        specs=specs,
        language=cast(Language, row.get("language") or "en"),
        source=SOURCE,
        meta={**others, **({TYPED: True} if typed else {})},
    )


def widesearch_row(task: Task) -> dict[str, Any]:
    """The row of `task` in the benchmark's form, with ``evaluation`` as an object. Raises `TaskError` if it has
    none."""
    if task.gold is None:
        raise TaskError(f"task {task.id} has no gold table; WideSearch has no rows for short answers")
    if task.meta.get(TYPED):
        raise TaskError(
            f"task {task.id}: a CSV file would change its gold cells (they are compared as they are)"
        )
    for name in task.columns:
        if name != norm_column(name):
            raise TaskError(
                f"task {task.id}: WideSearch's columns are lower case without spaces, not {name!r}"
            )
    pipeline: dict[str, dict[str, Any]] = {}
    for name in task.columns:
        spec = task.spec(name)
        item: dict[str, Any] = {"preprocess": list(spec.preprocess), "metric": list(spec.metrics)}
        if spec.criterion is not None:
            item["criterion"] = spec.criterion
        pipeline[name] = item
    return {
        "instance_id": task.id,
        "query": task.question,
        "evaluation": {
            "unique_columns": list(task.key_columns),
            "required": list(task.columns),
            "eval_pipeline": pipeline,
        },
        "language": task.language,
        **task.meta,
    }


def gold_csv(task: Task) -> str:
    """The gold table of `task` as a CSV text that pandas reads as the same cells."""
    if task.gold is None:
        raise TaskError(f"task {task.id} has no gold table")
    file = io.StringIO()
    # Quotes keep a line with only one blank cell, which would otherwise be skipped.
    alone = len(task.columns) == 1
    writer = csv.writer(file, lineterminator="\n", quoting=csv.QUOTE_ALL if alone else csv.QUOTE_MINIMAL)
    writer.writerow(task.columns)
    writer.writerows(zip(*(task.gold.column(name) for name in task.columns), strict=True))
    return file.getvalue()


def _gold(gold: Any, required: Sequence[str]) -> tuple[Table, bool]:
    """The required columns of a gold table, and whether its cells are compared as they are."""
    if isinstance(gold, str | os.PathLike):
        try:
            text = Path(gold).read_bytes().decode()
            frame = read_delimited(text, ",")
        except OSError as error:
            raise TaskError(f"cannot read the gold table {gold}: {error.strerror or error}") from error
        except (UnicodeDecodeError, UnreadableTable) as error:
            raise TaskError(f"cannot read the gold table {gold}: {error}") from error
        return _select(frame.names, frame.columns, required), False
    if isinstance(gold, Table):
        return _select(
            gold.header, tuple(zip(*gold.rows, strict=True)) or ((),) * len(gold.header), required
        ), False
    if hasattr(gold, "columns") and hasattr(gold, "iloc"):
        # The cells of a frame have types already. Their text counts, and reading it again may change it.
        columns = [tuple(map(str, gold.iloc[:, at].astype(str))) for at in range(len(gold.columns))]
        table = _select(list(map(str, gold.columns)), columns, required)
        stable = all(column_texts(table.column(name)) == list(table.column(name)) for name in required)
        return table, not stable
    raise TaskError(f"a gold table is a CSV file, a Table or a data frame, not {type(gold).__name__}")


def _select(names: Sequence[str], columns: Sequence[tuple[str, ...]], required: Sequence[str]) -> Table:
    normal = [norm_column(name) for name in names]
    for name in required:
        if normal.count(name) != 1:
            raise TaskError(
                f"the gold table must have the column {name!r} once; its columns are {', '.join(normal)}"
            )
    chosen = [columns[normal.index(name)] for name in required]
    return Table(tuple(required), tuple(zip(*chosen, strict=True)))


def _spec(name: str, item: Any, is_key: bool) -> ColumnSpec:
    if item is None and is_key:
        return ColumnSpec((), ())
    if not isinstance(item, Mapping):
        raise TaskError(f"'evaluation.eval_pipeline' has no column {name!r}")
    metrics, steps = (
        _names(item, field, f"eval_pipeline.{name}.", empty=True) for field in ("metric", "preprocess")
    )
    criterion = item.get("criterion")
    if isinstance(criterion, bool) or not isinstance(criterion, int | float | str | None):
        raise TaskError(f"'eval_pipeline.{name}.criterion' must be a number or text")
    if not {"number_near", "llm_judge"}.intersection(metrics):
        criterion = None  # no other metric of the benchmark has one
    return ColumnSpec(metrics, steps, criterion)


def _text(row: Mapping[str, Any], field: str) -> str:
    value = row.get(field)
    if not isinstance(value, str) or not value.strip():
        raise TaskError(f"field {field!r} must be text")
    return value


def _names(
    record: Mapping[str, Any], field: str, within: str = "", *, empty: bool = False
) -> tuple[str, ...]:
    value = record.get(field)
    if value is None and empty:
        return ()
    if not isinstance(value, list | tuple) or not all(isinstance(name, str) for name in value):
        raise TaskError(f"field '{within or 'evaluation.'}{field}' must be a list of text")
    if not value and not empty:
        raise TaskError(f"field 'evaluation.{field}' is empty")
    if len(set(value)) < len(value) and not empty:
        raise TaskError(f"field 'evaluation.{field}' names a column twice")
    return tuple(value)
