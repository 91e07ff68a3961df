"""Rows of task files in foreign formats: JSON Lines or JSON, plain or gzip-compressed. Bad rows are reported with file
and line."""

from __future__ import annotations

import json
import logging
import math
import re
import zlib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal, NamedTuple, TypeAlias

from wideseek_env.errors import ConfigError, TaskError
from wideseek_env.files import open_bytes, read_lines, write_whole
from wideseek_env.reprs import plain
from wideseek_env.task import Table, Task

OnError: TypeAlias = Literal["raise", "skip"] | Callable[[str], None]
"""What to do with a bad row: raise a `TaskError` that says where it is, log a warning and continue, or call a function
with the place and the fault and continue."""

_LANGUAGES = {"english": "en", "chinese": "zh", "cn": "zh"}
_ENCRYPTED = re.compile(r"[A-Za-z0-9+/]{40,}={0,2}")
_NO_ID = re.compile("[\0\ud800-\udfff]")
_DECODER = json.JSONDecoder()
_LONGEST = 600
"""The most characters of a message about a row. It may quote the row."""

_log = logging.getLogger(__name__)


class Row(NamedTuple):
    """One row of a file: where it is (``file:line``), its number, and its bytes.

    The number is the line of the row. In a ``.json`` file it counts the rows from 1, because rows may share a line.
    """

    where: str
    number: int
    data: bytes


def read_rows(path: Path) -> Iterator[Row]:
    """The rows of `path`. Blank lines are skipped.

    A file ending in ``.json`` has a list of rows, or one row. Any other file has one row on each line. Files ending in
    ``.gz`` are decompressed. A byte order mark is skipped. Raises `TaskError` when the file cannot be read to its end
    or has no rows.
    """
    number = 0
    if path.name.removesuffix(".gz").endswith(".json"):
        for number, (line, text) in enumerate(_items(path), 1):
            yield Row(f"{path}:{line}", number, text.encode())
    else:
        for number, data in read_lines(path, TaskError, f"cannot read tasks from {path}"):
            yield Row(f"{path}:{number}", number, data)
    if not number:
        raise TaskError(f"{path} has no rows; check that the file was downloaded completely")


def collect(
    rows: Iterable[Row], make: Callable[[Mapping[str, Any], Row], Task], on_error: OnError
) -> list[Task]:
    """The tasks that `make` makes from the rows, in order. `make` gets a row's object and the row. A second task
    with the same id is an error."""
    check_on_error(on_error)
    tasks: list[Task] = []
    places: dict[str, str] = {}
    for row in rows:
        try:
            task = make(_object(row.data), row)
            if task.id in places:
                raise TaskError(
                    f"the id {task.id!r} was already used at {places[task.id]}; give each row a separate id"
                )
        except TaskError as error:
            bad_row(f"{row.where}: {error}", error, on_error)
            continue
        places[task.id] = row.where
        tasks.append(task)
    return tasks


def check_on_error(on_error: OnError) -> None:
    """Raise `ConfigError` if `on_error` is not one of the values of `OnError`."""
    if not callable(on_error) and on_error not in ("raise", "skip"):
        raise ConfigError(f"on_error must be 'raise', 'skip' or a function, not {on_error!r}")


def bad_row(fault: str, error: TaskError, on_error: OnError) -> None:
    """Do with a bad row what `on_error` says. `fault` says where the row is and what is wrong with it."""
    fault = plain(fault, _LONGEST)
    if callable(on_error):
        on_error(fault)
    elif on_error == "raise":
        raise TaskError(fault) from error
    else:
        _log.warning("skipped %s", fault)


def stem_of(path: Path) -> str:
    """The name of a file of rows without its endings."""
    return path.name.removesuffix(".gz").removesuffix(".jsonl").removesuffix(".json")


def row_files(path: Path) -> list[Path]:
    """The files of rows that `path` names: `path`, or if it is a folder, the ``.jsonl`` and ``.jsonl.gz`` files in it.

    Raises `TaskError` when there is none.
    """
    if not path.is_dir():
        if not path.exists():
            raise TaskError(f"there is no file or folder {path}")
        return [path]
    files = sorted(file for file in path.iterdir() if file.name.endswith((".jsonl", ".jsonl.gz")))
    if not files:
        raise TaskError(f"{path} has no .jsonl file of tasks; give the file, or the folder that has it")
    return files


def gold_folder(files: Sequence[Path], gold: Path | None, names: Sequence[str], spec: str) -> Path:
    """The folder with the gold tables: `gold`, or the first of `names` that is a folder next to the rows.

    Raises `TaskError` when there is no such folder. `spec` is how the user names it.
    """
    if gold is not None:
        if not gold.is_dir():
            raise TaskError(f"there is no folder {gold} with gold tables, as gold={gold} says")
        return gold
    folder = files[0].parent
    for name in names:
        if (folder / name).is_dir():
            return folder / name
    raise TaskError(
        f"there is no folder with gold tables next to {files[0]} (looked for: {', '.join(names)}); name it as in "
        f"{spec}:{files[0]},gold=FOLDER"
    )


def text_of(row: Mapping[str, Any], *names: str) -> str:
    """The text in the first of these fields that the row has. Raises `TaskError` when it is missing, blank or not
    text."""
    for name in names:
        value = row.get(name)
        if value is None:
            continue
        if not isinstance(value, str) or not value.strip():
            raise TaskError(f"field {name!r} must be text, not {kind_of(value)}")
        return value
    wanted = " or ".join(map(repr, names))
    raise TaskError(f"there is no field {wanted}, which must be text; the row has {', '.join(map(str, row))}")


def id_of(row: Mapping[str, Any], *names: str, default: str = "") -> str:
    """The id in the first of these fields that the row has: text or a whole number. Raises `TaskError` when there is
    none and no default."""
    for name in names:
        value = row.get(name)
        if value is None or value == "":
            continue
        if isinstance(value, bool) or not isinstance(value, str | int) or not str(value).strip():
            raise TaskError(f"field {name!r} must be text or a number, not {kind_of(value)}")
        if _NO_ID.search(str(value)) is not None:  # an id is the name of a file in some benchmarks
            raise TaskError(f"field {name!r} must not contain NUL or a half of a character: {value!r:.80}")
        return str(value)
    if not default:
        raise TaskError(f"there is no field {' or '.join(map(repr, names))} with the id of the task")
    return default


def language_of(row: Mapping[str, Any], default: str) -> str:
    """The language of a row as ``en`` or ``zh``, where the row may also say ``English`` or ``zh-CN``. Other values are
    returned unchanged."""
    value = row.get("language")
    if value is None or value == "":
        return default
    if not isinstance(value, str):
        raise TaskError(f"field 'language' must be text, not {kind_of(value)}")
    short = value.strip().lower()
    code = short.replace("_", "-").partition("-")[0]
    return _LANGUAGES.get(short, code if code in ("en", "zh") else value)


def evaluation_of(evaluation: Any) -> Mapping[str, Any]:
    """The content of the field ``evaluation`` of a row: an object or its JSON text.

    Raises `TaskError` if it is something else.
    """
    if isinstance(evaluation, str):
        try:
            evaluation = json.loads(evaluation, parse_constant=lambda _: None, parse_float=finite)
        except (ValueError, RecursionError) as error:
            raise TaskError(f"field 'evaluation' is not JSON: {error}") from error
    if not isinstance(evaluation, Mapping):
        raise TaskError(f"field 'evaluation' must be an object or its JSON text, not {kind_of(evaluation)}")
    return evaluation


def refuse_encrypted(question: str) -> None:
    """Raise `TaskError` if `question` is one long word of base64, as in benchmarks that publish encrypted questions."""
    if _ENCRYPTED.fullmatch(question) is not None:
        raise TaskError("the question is encrypted; decrypt the file with the script of the benchmark first")


def identifying_columns(table: Table) -> tuple[str, ...]:
    """The columns that identify a row of a table whose author named none: the shortest run of leading columns in which
    no two rows are equal, or else all columns."""
    for width in range(1, len(table.header)):
        if len({row[:width] for row in table.rows}) == len(table.rows):
            return table.header[:width]
    return table.header


def kind_of(value: Any) -> str:
    """What a JSON value is, for an error message."""
    if isinstance(value, str):
        return "blank text" if not value.strip() else f"the text {value[:40]!r}"
    if value is None or isinstance(value, bool):
        return {None: "null", True: "true", False: "false"}[value]
    names = {int: "a number", float: "a number", list: "a list", dict: "an object"}
    return names.get(type(value), type(value).__name__)


def finite(text: str) -> float | None:
    """The number that `text` writes. None if it is too large for a `float`."""
    number = float(text)
    return number if math.isfinite(number) else None


def write_text(path: Path, text: str) -> None:
    """Write `text` to `path` as UTF-8, whole or not at all. Raises `TaskError` when that fails."""
    try:
        write_whole(path, text)
    except (OSError, UnicodeEncodeError) as error:
        raise TaskError(f"cannot write {path}: {error}") from error


def _items(path: Path) -> Iterator[tuple[int, str]]:
    """The line and the text of each value in the list of a JSON file, or of each value that follows another."""
    try:
        with open_bytes(path) as file:
            text = file.read().decode("utf-8-sig")
    except (OSError, EOFError, zlib.error) as error:
        raise TaskError(f"cannot read tasks from {path}: {error}") from error
    except UnicodeDecodeError as error:
        raise TaskError(f"{path} is not UTF-8 (byte {error.start + 1}); save it as UTF-8") from error
    at, line = _next(text, 0), 1 + text[: _next(text, 0)].count("\n")
    listed = text[at : at + 1] == "["
    start = at
    at = _next(text, at + 1) if listed else at
    while at < len(text) and not (listed and text[at] == "]"):
        line += text.count("\n", start, at)
        start = at
        try:
            _, end = _DECODER.raw_decode(text, at)
        except json.JSONDecodeError as error:
            raise TaskError(
                f"{path}:{error.lineno}: the file is not JSON: {error.msg} (column {error.colno})"
            ) from error
        except (ValueError, RecursionError) as error:
            raise TaskError(f"{path}:{line}: the row is not usable JSON: {error}") from error
        yield line, text[at:end]
        at = _next(text, end)
        if listed and text[at : at + 1] == ",":
            at = _next(text, at + 1)
        elif listed and text[at : at + 1] != "]":
            line += text.count("\n", start, at)
            raise TaskError(f"{path}:{line}: the list of rows is cut off or has no comma here")
    if listed and at >= len(text):
        raise TaskError(f"{path}:{line}: the list of rows is cut off")


def _next(text: str, at: int) -> int:
    """The position of the next character that is not white space."""
    while at < len(text) and text[at] in " \t\r\n":
        at += 1
    return at


def _object(line: bytes) -> Mapping[str, Any]:
    try:
        # Programs for tables write NaN for a cell without a value.
        row = json.loads(line.decode("utf-8", "strict"), parse_constant=lambda _: None, parse_float=finite)
    except UnicodeDecodeError as error:
        raise TaskError(f"the line is not UTF-8 (byte {error.start + 1})") from error
    except json.JSONDecodeError as error:
        raise TaskError(f"the line is not JSON: {error.msg} (column {error.colno})") from error
    except (ValueError, RecursionError) as error:
        raise TaskError(f"the line is not usable JSON: {error}") from error
    if isinstance(row, list):
        raise TaskError(
            "the row must be an object, not a list; if the file is one list of rows, let its name end in .json"
        )
    if not isinstance(row, Mapping):
        raise TaskError(f"the row must be an object, not {kind_of(row)}")
    return row
