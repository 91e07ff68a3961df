"""Makes a `Task` from one row of the WideSearch benchmark and its gold table, and makes the row and the table from a
task."""

from __future__ import annotations

import csv
import io
import os
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, cast

from wideseek_env.errors import TaskError
from wideseek_env.scoring.entity import ENTITY
from wideseek_env.scoring.entity import SOURCE as DEEP_SOURCE
from wideseek_env.scoring.widesearch.delimited import UnreadableTable, read_delimited
from wideseek_env.scoring.widesearch.gold import TYPED, norm_column
from wideseek_env.scoring.widesearch.infer import column_texts
from wideseek_env.task import ColumnSpec, Language, Table, Task
from wideseek_env.tasks.rows import evaluation_of, id_of, language_of, text_of

SOURCE = "widesearch"
"""The `source` of the benchmark's tasks."""

_FIELDS = ("instance_id", "query", "question", "evaluation", "language")
_CHINESE = re.compile("[\u4e00-\u9fff]")


def task_from_widesearch(row: Mapping[str, Any], gold: Any) -> Task:
    """The task of one row of the benchmark.

    `row` has ``instance_id``, ``query`` (or ``question``), ``evaluation`` and ``language``. Other fields are stored in
    ``meta``. A row with an ``entity`` is a task of DeepWideSearch. Without ``language``, a question with Chinese
    characters is Chinese. ``evaluation`` is an object or its JSON text, with ``required``, ``unique_columns`` and
    ``eval_pipeline``. `gold` is the path of a CSV file, a `Table` with the cells of a CSV file, or a data frame.

    Raises `TaskError` that names the wrong field or column.
    """
    evaluation = evaluation_of(row.get("evaluation"))
    required, keys = _names(evaluation, "required"), _names(evaluation, "unique_columns")
    for name in keys:
        if name not in required:
            raise TaskError(
                f"'evaluation.unique_columns' has {name!r}, which is not in 'evaluation.required'; add it there"
            )
    pipeline = evaluation.get("eval_pipeline")
    if not isinstance(pipeline, Mapping):
        raise TaskError("field 'evaluation.eval_pipeline' must be an object")
    specs = {name: _spec(name, pipeline.get(name), name in keys) for name in required}
    for name, item in pipeline.items():
        if name not in specs and isinstance(item, Mapping) and item.get("preprocess"):
            raise TaskError(f"'evaluation.eval_pipeline' has the column {name!r}, which is not required")
    table, typed = _gold(gold, required)
    question = text_of(row, "query", "question")
    others = {name: value for name, value in row.items() if name not in _FIELDS}
    return Task(
        id=id_of(row, "instance_id"),
        question=question,
        columns=required,
        key_columns=keys,
        gold=table,
        specs=specs,
        aliases=_aliases(evaluation.get("aliases"), required),
        language=cast(Language, language_of(row, "zh" if _CHINESE.search(question) else "en")),
        source=DEEP_SOURCE if row.get(ENTITY) else SOURCE,
        meta={**others, **({TYPED: True} if typed else {})},
    )


def widesearch_row(task: Task) -> dict[str, Any]:
    """The row of `task` in the benchmark's form, with ``evaluation`` as an object. Raises `TaskError` if the task is
    not in that form."""
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
            **({"aliases": _plain(task)} if task.aliases else {}),
        },
        "language": task.language,
        **task.meta,
    }


def _plain(task: Task) -> dict[str, dict[str, list[str]]]:
    return {
        column: {cell: list(names) for cell, names in cells.items()} for column, cells in task.aliases.items()
    }


def _aliases(value: Any, required: Sequence[str]) -> dict[str, dict[str, tuple[str, ...]]]:
    if value is None:
        return {}
    form = "field 'evaluation.aliases' must be {column: {gold cell: [other text, …]}}"
    if not isinstance(value, Mapping) or not all(isinstance(cells, Mapping) for cells in value.values()):
        raise TaskError(form)
    for column, cells in value.items():
        if column not in required:
            raise TaskError(f"'evaluation.aliases' has the column {column!r}, which is not required")
        if not all(
            isinstance(names, list) and all(isinstance(name, str) for name in names)
            for names in cells.values()
        ):
            raise TaskError(form)
    return {column: {cell: tuple(names) for cell, names in cells.items()} for column, cells in value.items()}


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
    """The required columns of a gold table, and whether scoring must use the texts of its cells as they are.

    The second value is True only for a data frame with cells whose text would change if pandas read it again. Without
    such cells, scoring first converts the cells as pandas does when it reads a CSV file.
    """
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
        # The cells of a data frame have types already. Their text is compared, and parsing that text again may change
        # it.
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
    made = ColumnSpec(metrics, steps, criterion)
    made.check_criterion()
    return made


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
