"""Rows of task files in foreign formats, read line by line. Bad rows are reported with file and line."""

from __future__ import annotations

import gzip
import json
import logging
import os
import zlib
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, Literal, TypeAlias

from wideseek_env.errors import ConfigError, TaskError
from wideseek_env.tasks.task import Task

OnError: TypeAlias = Literal["raise", "skip"]
"""What to do with a bad row: raise a `TaskError` that says where it is, or log a warning and continue."""

_log = logging.getLogger(__name__)


def read_rows(path: Path) -> Iterator[tuple[str, bytes]]:
    """The position (``file:line``) and the bytes of each line of `path`. Blank lines are skipped.

    Files ending in ``.gz`` are decompressed. Raises `TaskError` when the file cannot be read to its end.
    """
    number = 0
    try:
        with gzip.open(path) if path.suffix == ".gz" else open(path, "rb") as file:
            for number, line in enumerate(file, start=1):
                content = line.removeprefix(b"\xef\xbb\xbf") if number == 1 else line
                if content.strip():
                    yield f"{path}:{number}", content
    except (OSError, EOFError, zlib.error) as error:
        after = f" after line {number}" if number else ""
        raise TaskError(f"cannot read tasks from {path}{after}: {error}") from error


def collect(
    rows: Iterable[tuple[str, bytes]], make: Callable[[Mapping[str, Any], str], Task], on_error: OnError
) -> list[Task]:
    """The tasks that `make` makes of the rows, in order. `make` gets a row's object and its position. An id may occur
    once."""
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
    partial = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        partial.write_bytes(text.encode())
        os.replace(partial, path)
    except (OSError, UnicodeEncodeError) as error:
        raise TaskError(f"cannot write {path}: {error}") from error
    finally:
        partial.unlink(missing_ok=True)


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
