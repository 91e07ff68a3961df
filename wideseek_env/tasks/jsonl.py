"""Tasks in files: one JSON object per line, UTF-8, gzip-compressed when the name ends in ``.gz``.

A line of format 1 has the fields below. A field that is null counts as absent. A line with any other field is an error.
Put your own data into ``meta``.

- ``format`` (required): 1.
- ``id`` (required): text, unique in a file.
- ``question`` (required): text.
- ``columns``: list of text, the required columns in order (broad tasks).
- ``key_columns``: list of text, the columns that identify a row.
- ``gold``: ``{"header": [text, …], "rows": [[text, …], …]}``, each row as long as the header.
- ``specs``: ``{column: {"metrics": [name, …], "preprocess": [name, …], "criterion": number or text}}``.
- ``aliases``: ``{column: {gold cell: [text, …]}}``, other right texts of gold cells (broad tasks).
- ``answers``: list of text, the accepted short answers (depth tasks).
- ``language``: ``"en"`` (default) or ``"zh"``.
- ``source``: text, the origin of the task.
- ``meta``: an object with any JSON values. Tuples are read back as lists.
"""

from __future__ import annotations

import gzip
import hashlib
import json
import math
import os
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, BinaryIO, cast

from wideseek_env.errors import TaskError
from wideseek_env.files import read_lines, writing
from wideseek_env.reprs import short
from wideseek_env.suggestions import hint
from wideseek_env.task import ColumnSpec, Language, Table, Task
from wideseek_env.tasks.rows import OnError, bad_row, check_on_error
from wideseek_env.tasks.taskset import TaskSet

FORMAT = 1
"""The version of the format. Functions write this version and read no other."""

_FIELDS = frozenset(
    "format id question columns key_columns gold specs aliases answers language source meta".split()  # as listed above
)


def save_tasks(tasks: Iterable[Task], path: str | os.PathLike[str]) -> int:
    """Write `tasks` to `path` and return their number.

    The file is written whole or not at all. Equal tasks give equal bytes.

    Raises:
        TaskError: An id occurs twice, `meta` has a value that is not JSON, or the file cannot be written.
    """
    target = Path(path)
    try:
        with writing(target) as file:
            return _write(tasks, file, compress=target.suffix == ".gz")
    except OSError as error:
        raise TaskError(f"cannot write tasks to {target}: {error.strerror or error}") from error


def load_tasks(path: str | os.PathLike[str], *, on_error: OnError = "raise") -> TaskSet:
    """The tasks of the file at `path`, in its order. Blank lines are skipped.

    A line is bad if it is not UTF-8 or not JSON, if a field is missing, unknown or of the wrong type, or if its id
    occurred before. With ``on_error="skip"`` a bad line is logged as a warning and left out. A function as
    `on_error` is called with the place and the fault of each bad line, which is left out.

    Raises:
        TaskError: A line is bad (the message names file, line and field), or the file cannot be read to its end.
        ConfigError: `on_error` has another value.
    """
    check_on_error(on_error)
    source = Path(path)
    tasks: dict[str, Task] = {}
    lines: dict[str, int] = {}
    for number, line in read_lines(source, TaskError, f"cannot read tasks from {source}"):
        try:
            task = _task_of_line(line)
            if task.id in lines:
                raise TaskError(f"field 'id': {task.id!r} was already used in line {lines[task.id]}")
        except TaskError as error:
            bad_row(f"{source}:{number}: {error}", error, on_error)
            continue
        tasks[task.id] = task
        lines[task.id] = number
    return TaskSet(tasks.values(), name=source.name.removesuffix(".gz").removesuffix(".jsonl"))


def task_to_dict(task: Task) -> dict[str, Any]:
    """`task` as the object of one line. Empty fields are left out."""
    data: dict[str, Any] = {"format": FORMAT, "id": task.id, "question": task.question}
    if task.columns:
        data["columns"] = list(task.columns)
    if task.key_columns:
        data["key_columns"] = list(task.key_columns)
    if task.gold is not None:
        data["gold"] = {"header": list(task.gold.header), "rows": [list(row) for row in task.gold.rows]}
    if task.specs:
        data["specs"] = {
            column: {
                "metrics": list(spec.metrics),
                "preprocess": list(spec.preprocess),
                **({} if spec.criterion is None else {"criterion": spec.criterion}),
            }
            for column, spec in task.specs.items()
        }
    if task.aliases:
        data["aliases"] = {
            column: {cell: list(names) for cell, names in cells.items()}
            for column, cells in task.aliases.items()
        }
    if task.answers:
        data["answers"] = list(task.answers)
    data["language"] = task.language
    if task.source:
        data["source"] = task.source
    if task.meta:
        data["meta"] = dict(task.meta)
    return data


def task_from_dict(data: Any) -> Task:
    """The task in the object of one line. Raises `TaskError` that names the field with a wrong form."""
    record = _object(data, "the line")
    if record.get("format") != FORMAT or isinstance(record.get("format"), bool):
        told = f"field 'format': this version reads format {FORMAT}, not {short(record.get('format'))}"
        if "format" not in record:
            told += "; name the file of a benchmark with its kind, such as wideseek-r1:FILE"
        raise TaskError(told)
    unknown = sorted(set(record) - _FIELDS)
    if unknown:
        raise TaskError(
            f"field {unknown[0]!r} is not known{hint(unknown[0], _FIELDS)}; put your own data into 'meta'"
        )
    specs = _object(record.get("specs") or {}, "field 'specs'")
    return Task(
        id=_text(record, "id", required=True),
        question=_text(record, "question", required=True),
        columns=_texts(record.get("columns"), "columns"),
        key_columns=_texts(record.get("key_columns"), "key_columns"),
        gold=None if record.get("gold") is None else _table(record["gold"]),
        specs={column: _spec(spec, f"specs.{column}") for column, spec in specs.items()},
        language=cast(Language, _text(record, "language") or "en"),
        answers=_texts(record.get("answers"), "answers"),
        source=_text(record, "source"),
        meta=dict(_object(record.get("meta") or {}, "field 'meta'")),
        aliases=_aliases(record.get("aliases")),
    )


def _write(tasks: Iterable[Task], file: BinaryIO, *, compress: bool) -> int:
    # The gzip header has no name and no time, so equal tasks give equal bytes.
    stream = gzip.GzipFile(filename="", mode="wb", fileobj=file, mtime=0) if compress else file
    seen: set[str] = set()
    for task in tasks:
        if task.id in seen:
            raise TaskError(f"the task id {task.id!r} occurs more than once; nothing was written")
        seen.add(task.id)
        stream.write(_line(task))
    if compress:
        stream.close()
    return len(seen)


def _line(task: Task) -> bytes:
    data = task_to_dict(task)
    try:
        return json.dumps(data, ensure_ascii=False, allow_nan=False).encode() + b"\n"
    except (TypeError, ValueError, RecursionError) as error:
        raise TaskError(f"task {task.id} cannot be written as JSON: {error}") from error


def _task_of_line(line: bytes) -> Task:
    try:
        data = json.loads(line.decode(), parse_constant=_refuse_constant, parse_float=_float)
    except UnicodeDecodeError as error:
        raise TaskError(f"the line is not UTF-8 (byte {error.start + 1})") from error
    except json.JSONDecodeError as error:
        raise TaskError(f"the line is not JSON: {error.msg} (column {error.colno})") from error
    except (ValueError, RecursionError) as error:
        raise TaskError(f"the line is not usable JSON: {error}") from error
    return task_from_dict(data)


def _refuse_constant(name: str) -> Any:
    raise ValueError(f"{name} is not a JSON value")


def _float(text: str) -> float:
    number = float(text)
    if not math.isfinite(number):
        raise ValueError(f"{text[:20]} is too large for a number")
    return number


def _object(value: Any, where: str) -> Mapping[str, Any]:
    if not isinstance(value, Mapping):
        raise TaskError(f"{where} must be an object, not {_kind(value)}")
    return value


def _text(record: Mapping[str, Any], field: str, *, required: bool = False) -> str:
    value = record.get(field)
    if value is None:
        if required:
            raise TaskError(f"field {field!r} is missing")
        return ""
    if not isinstance(value, str):
        raise TaskError(f"field {field!r} must be text, not {_kind(value)}")
    return value


def _texts(value: Any, field: str) -> tuple[str, ...]:
    if value is None:
        return ()
    if not isinstance(value, list):
        raise TaskError(f"field {field!r} must be a list of text, not {_kind(value)}")
    for at, item in enumerate(value):
        if not isinstance(item, str):
            raise TaskError(f"field '{field}[{at}]' must be text, not {_kind(item)}")
    return tuple(value)


def _table(value: Any) -> Table:
    table = _object(value, "field 'gold'")
    if set(table) != {"header", "rows"}:
        raise TaskError(f"field 'gold' must have exactly 'header' and 'rows', not {sorted(table)}")
    rows = table["rows"]
    if not isinstance(rows, list):
        raise TaskError(f"field 'gold.rows' must be a list of rows, not {_kind(rows)}")
    header = _texts(table["header"], "gold.header")
    cells = tuple(_texts(row, f"gold.rows[{at}]") for at, row in enumerate(rows))
    try:
        return Table(header, cells)
    except TaskError as error:
        raise TaskError(f"field 'gold': {error}") from error


def _spec(value: Any, field: str) -> ColumnSpec:
    spec = _object(value, f"field {field!r}")
    unknown = sorted(set(spec) - {"metrics", "preprocess", "criterion"})
    if unknown:
        raise TaskError(f"field '{field}.{unknown[0]}' is not known")
    criterion = spec.get("criterion")
    if isinstance(criterion, bool) or not isinstance(criterion, int | float | str | None):
        raise TaskError(f"field '{field}.criterion' must be a number or text, not {_kind(criterion)}")
    given = {
        name: _texts(spec[name], f"{field}.{name}") for name in ("metrics", "preprocess") if name in spec
    }
    try:
        made = ColumnSpec(**given, criterion=criterion)
        made.check_criterion()
        return made
    except TaskError as error:
        raise TaskError(f"field {field!r}: {error}") from error


def _aliases(value: Any) -> dict[str, dict[str, tuple[str, ...]]]:
    columns = _object(value or {}, "field 'aliases'")
    return {
        column: {
            cell: _texts(names, f"aliases.{column}.{cell}")
            for cell, names in _object(cells, f"field 'aliases.{column}'").items()
        }
        for column, cells in columns.items()
    }


def _kind(value: Any) -> str:
    """The name of the type of `value` in JSON."""
    names = {
        bool: "a boolean",
        int: "a number",
        float: "a number",
        str: "text",
        list: "a list",
        dict: "an object",
    }
    return "null" if value is None else names.get(type(value), type(value).__name__)


def tasks_digest(tasks: TaskSet) -> str:
    """A hash of the content of the tasks. It shows whether a file of tasks has changed."""
    digest = hashlib.sha256()
    for task in tasks:
        text = json.dumps(task_to_dict(task), sort_keys=True, ensure_ascii=False)
        digest.update(text.encode("utf-8", "surrogatepass"))
        digest.update(b"\n")
    return digest.hexdigest()[:16]
