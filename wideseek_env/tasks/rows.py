"""Rows of task files in foreign formats, read line by line. Bad rows are reported with file and line."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, Literal, TypeAlias

from wideseek_env.errors import ConfigError, TaskError
from wideseek_env.files import read_lines, write_whole
from wideseek_env.task import Task

OnError: TypeAlias = Literal["raise", "skip"]
"""What to do with a bad row: raise a `TaskError` that says where it is, or log a warning and continue."""

_log = logging.getLogger(__name__)


def read_rows(path: Path) -> Iterator[tuple[str, bytes]]:
    """The position (``file:line``) and the bytes of each line of `path`. Blank lines are skipped.

    Files ending in ``.gz`` are decompressed. Raises `TaskError` when the file cannot be read to its end.
    """
    for number, line in read_lines(path, TaskError, f"cannot read tasks from {path}"):
        yield f"{path}:{number}", line


def collect(
    rows: Iterable[tuple[str, bytes]], make: Callable[[Mapping[str, Any], str], Task], on_error: OnError
) -> list[Task]:
    """The tasks that `make` makes from the rows, in order. `make` gets a row's object and its position. A second task
    with the same id is an error."""
    if on_error not in ("raise", "skip"):
        raise ConfigError(f"on_error must be 'raise' or 'skip', not {on_error!r}")
    tasks: list[Task] = []
    places: dict[str, str] = {}
    for where, line in rows:
        try:
            task = make(_object(line), where)
            if task.id in places:
                raise TaskError(f"the id {task.id!r} was already used at {places[task.id]}")
        except TaskError as error:
            if on_error == "raise":
                raise TaskError(f"{where}: {error}") from error
            _log.warning("skipped %s: %s", where, error)
            continue
        places[task.id] = where
        tasks.append(task)
    return tasks


def write_text(path: Path, text: str) -> None:
    """Write `text` to `path` as UTF-8, whole or not at all. Raises `TaskError` when that fails."""
    try:
        write_whole(path, text)
    except (OSError, UnicodeEncodeError) as error:
        raise TaskError(f"cannot write {path}: {error}") from error


def _object(line: bytes) -> Mapping[str, Any]:
    try:
        row = json.loads(line.decode())
    except UnicodeDecodeError as error:
        raise TaskError(f"the line is not UTF-8 (byte {error.start + 1})") from error
    except json.JSONDecodeError as error:
        raise TaskError(f"the line is not JSON: {error.msg} (column {error.colno})") from error
    except (ValueError, RecursionError) as error:
        raise TaskError(f"the line is not usable JSON: {error}") from error
    if not isinstance(row, Mapping):
        raise TaskError("the line must be an object")
    return row
