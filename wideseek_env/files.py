"""Reads and writes files: whole files that appear at once, and JSON Lines, plain or gzip-compressed."""

from __future__ import annotations

import contextlib
import gzip
import json
import os
import re
import sys
import warnings
import zlib
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import IO, Any, BinaryIO, Self, cast

from wideseek_env.errors import CopyError, DamagedLineWarning, TrajectoryError

_BLOCK = 1 << 20
_MOST_DAMAGED = 10
"""If so many lines at the beginning of a file are no JSON, it is no file of records."""

_left: dict[Path, dict[str, list[str]]] = {}
"""For each folder in which this process wrote: temporary files of other processes, by the file that they were for."""

_TEMPORARY = re.compile(r"\.(.+)\.\d+\.tmp")


def cache_folder() -> Path:
    """The folder of built corpora.

    It is ``WIDESEEK_CACHE`` if that variable is set, otherwise ``XDG_CACHE_HOME``/wideseek if that variable is set,
    otherwise ~/.cache/wideseek.
    """
    if chosen := os.environ.get("WIDESEEK_CACHE"):
        return Path(chosen)
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "wideseek"


def still_there(path: Path) -> Path:
    """`path`, for a pickle that contains nothing else of an object. `CopyError` if there is no such file or folder."""
    if not path.exists():
        raise CopyError(
            f"there is no {path} any more, so a pickle of it could not be opened again: keep the file or folder"
        )
    return path


@contextmanager
def writing(path: Path, *, sync: bool = True) -> Iterator[BinaryIO]:
    """Open a new file that replaces `path` when the block ends. Readers never see an incomplete file.

    An error in the block leaves `path` as it was. With `sync`, the content is on disk before the file is replaced. So a
    crash of the machine cannot leave an empty file.
    """
    _remove_left(path)
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        with open(temporary, "wb") as file:
            _lock(file.fileno())
            yield file
            if sync:
                file.flush()
                os.fsync(file.fileno())
        os.replace(temporary, path)
    finally:
        with contextlib.suppress(OSError):
            temporary.unlink(missing_ok=True)


def _remove_left(path: Path) -> None:
    """Remove the temporary files of `path` that killed processes left. A folder is listed once in a process."""
    if path.parent not in _left:
        with contextlib.suppress(OSError):  # no such folder: opening the file says so
            left: dict[str, list[str]] = {}
            for found in filter(None, map(_TEMPORARY.fullmatch, os.listdir(path.parent))):
                left.setdefault(found[1], []).append(found[0])
            _left[path.parent] = left
    for name in _left.get(path.parent, {}).pop(path.name, ()):
        file = path.with_name(name)
        with contextlib.suppress(OSError):
            if not _runs(int(name.split(".")[-2])) and (lock := locked(file)) is not None:
                os.close(lock)
                file.unlink()


def _runs(process: int) -> bool:
    """Whether a process of this number runs on this machine."""
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except (OSError, OverflowError):
        return True
    return True


def locked(file: Path) -> int | None:
    """The open file `file`, locked until it is closed or this process ends. None if another process has the lock."""
    descriptor = os.open(file, os.O_RDWR | os.O_CREAT, 0o644)
    if _lock(descriptor):
        return descriptor
    os.close(descriptor)
    return None


def _lock(descriptor: int) -> bool:
    if sys.platform == "win32":
        return True
    import fcntl

    try:
        # Not `flock`: a forked child would hold that lock even after its parent was killed.
        fcntl.lockf(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return False
    return True


@contextmanager
def unfinished(path: Path, request: Any) -> Iterator[bool]:
    """Mark that `path` is being made by a command with the options `request`. Yields whether an earlier run of the same
    command was killed, so that a file or folder at `path` is the result of that run.

    The mark is a file next to `path`. It is gone when the block ends. If there is something at `path` that no killed
    run of this command made, no mark is written.
    """
    mark = path.with_name(f".{path.name}.unfinished")
    text = json.dumps(request, default=str, sort_keys=True) + "\n"
    try:
        again = mark.read_text("utf-8") == text
    except (OSError, ValueError):
        again = False
    written = again or not path.exists()
    if written:
        with contextlib.suppress(OSError):  # what is made next says why nothing can be written here
            path.parent.mkdir(parents=True, exist_ok=True)
            write_whole(mark, text)
    try:
        yield again
    finally:
        if written:
            with contextlib.suppress(OSError):
                mark.unlink()


def write_whole(path: Path, text: str, *, sync: bool = True) -> None:
    """Write `text` to `path` as UTF-8, as a whole or not at all. With `sync`, the text is on disk before the old file
    is replaced."""
    with writing(path, sync=sync) as file:
        file.write(text.encode())


def write_json(path: Path, value: Any) -> None:
    """Write `value` to `path` as indented JSON, as a whole or not at all."""
    write_whole(path, json.dumps(value, indent=2, ensure_ascii=False) + "\n")


def is_temporary(path: Path, names: Sequence[str]) -> bool:
    """Whether `path` is the temporary file of a killed process that was writing a file with one of `names`."""
    found = _TEMPORARY.fullmatch(path.name)
    return found is not None and found[1] in names


def open_bytes(path: Path) -> IO[bytes]:
    """Open `path` for reading. If its name ends in ``.gz``, it is decompressed while it is read."""
    return cast("IO[bytes]", gzip.open(path, "rb")) if path.suffix == ".gz" else open(path, "rb")


def read_lines(path: Path, error: type[Exception], what: str = "") -> Iterator[tuple[int, bytes]]:
    """The lines of `path` that are not blank, without a byte order mark, with their numbers from 1.

    Raises `error` if the file cannot be read to its end. The message of the error begins with `what`, by default "PATH
    cannot be read".
    """
    number = 0
    try:
        with open_bytes(path) as file:
            for number, line in enumerate(file, start=1):
                content = line.removeprefix(b"\xef\xbb\xbf") if number == 1 else line
                if content.strip():
                    yield number, content
    except (OSError, EOFError, zlib.error) as cause:
        after = f" after line {number}" if number else ""
        raise error(f"{what or f'{path} cannot be read'}{after}: {cause}") from cause


def whole_lines(path: Path) -> Iterator[bytes]:
    """The lines of `path` that end with a line break. A partial last line, which a killed process left, is skipped.

    A ``.gz`` file may be cut anywhere.

    Raises:
        OSError: The file cannot be opened.
        TrajectoryError: A ``.gz`` file is damaged.
    """
    with open(path, "rb") as file:
        if path.suffix != ".gz":
            for line in file:
                if line.endswith(b"\n"):
                    yield line
            return
        rest = b""
        for block, _ in _unpacked(file):
            *lines, rest = (rest + block).split(b"\n")
            yield from (line + b"\n" for line in lines)


def json_values(path: Path, lines: Iterable[bytes]) -> Iterator[tuple[int, Any]]:
    """The JSON values of `lines`, which are those of the file `path`, with their line numbers from 1.

    Blank lines are skipped. A damaged line is skipped with a `DamagedLineWarning`.

    Raises:
        TrajectoryError: The first lines are all no JSON, so this is a file of another kind.
    """
    first = ""
    bad: list[int] = []
    good = False
    for number, line in enumerate(lines, 1):
        if not line.strip():
            continue
        try:
            value = json.loads(line)
        except (ValueError, RecursionError) as error:
            first = first or f"{path}:{number}: this is not JSON Lines ({error})"
            bad.append(number)
            if not good and len(bad) == _MOST_DAMAGED:
                break
            continue
        good = True
        for each in bad:
            warn_of_line(path, each)
        bad.clear()
        yield number, value
    if bad and not good:
        raise TrajectoryError(f"{first}; give a run folder or a file of records")
    for each in bad:
        warn_of_line(path, each)


def warn_of_line(path: Path, number: int) -> None:
    """Give a `DamagedLineWarning`."""
    warnings.warn(
        f"{path}:{number} is damaged and is skipped, so one record is missing",
        DamagedLineWarning,
        stacklevel=3,
    )


def json_line(value: Any) -> bytes:
    """`value` as one line of JSON in UTF-8."""
    return json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode() + b"\n"


class JsonlWriter:
    """Appends JSON values to a file, one per line.

    Each value is on disk before the next is written, so a crash loses none. If a value cannot be written, for example
    because the disk is full, the file stays as it was before, and later values can be written.

    Opening creates the file and its folder. It cuts off a partial last line, which a process leaves if it is killed
    while it writes. If the name ends in ``.gz``, each line is compressed separately. Raises `TrajectoryError` when such
    a file is damaged.
    """

    def __init__(self, path: Path | str) -> None:
        self.path = Path(path)
        self.path.parent.mkdir(parents=True, exist_ok=True)
        self._packed = self.path.suffix == ".gz"
        self._file: IO[bytes] = open(self.path, "a+b", buffering=0)  # noqa: SIM115 (closed by `close`)
        try:
            keep = _end_of_members(self._file) if self._packed else _end_of_lines(self._file)
            if keep < self._file.seek(0, os.SEEK_END):
                self._file.truncate(keep)
        except BaseException:
            self._file.close()
            raise

    def write(self, value: Any) -> None:
        """Append one value and wait until it is on disk.

        Raises:
            OSError: The value could not be written. Nothing of it is in the file.
        """
        data = json_line(value)
        append_whole(self._file, gzip.compress(data, compresslevel=6, mtime=0) if self._packed else data)

    def close(self) -> None:
        """Close the file. Further calls do nothing."""
        self._file.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def append_whole(file: IO[bytes], data: bytes, *, sync: bool = True) -> None:
    """Append `data` to an unbuffered file. With `sync`, the call returns when it is on disk.

    Raises:
        OSError: `data` could not be written. The file has its former length again, so no part of `data` is left.
    """
    before = os.fstat(file.fileno()).st_size
    try:
        left = memoryview(data)
        while left:
            left = left[file.write(left) :]
        if sync:
            os.fsync(file.fileno())
    except BaseException:
        with contextlib.suppress(OSError):
            os.ftruncate(file.fileno(), before)
        raise


def _end_of_lines(file: IO[bytes]) -> int:
    """The length of a file without a partial last line."""
    position = file.seek(0, os.SEEK_END)
    while position > 0:
        start = max(0, position - _BLOCK)
        file.seek(start)
        newline = file.read(position - start).rfind(b"\n")
        if newline >= 0:
            return start + newline + 1
        position = start
    return 0


def _end_of_members(file: IO[bytes]) -> int:
    """The length of a gzip file without a partial last member."""
    file.seek(0)
    return max((keep for _, keep in _unpacked(file)), default=0)


def _unpacked(file: IO[bytes]) -> Iterator[tuple[bytes, int]]:
    """Decompressed blocks of a gzip file, each with the number of compressed bytes up to the last complete member.

    The file may be cut anywhere, even in the first byte of a header. Python's reader would treat such a cut as damage.
    Raises `TrajectoryError` when the file is not gzip.
    """
    keep = position = 0
    unpacker = zlib.decompressobj(zlib.MAX_WBITS | 16)
    while block := file.read(_BLOCK):
        position += len(block)
        while block:
            try:
                unpacked = unpacker.decompress(block)
            except zlib.error as error:
                raise TrajectoryError(f"{file.name} is damaged after byte {keep}: {error}") from error
            block = b""
            if unpacker.eof:
                block = unpacker.unused_data
                keep = position - len(block)
                unpacker = zlib.decompressobj(zlib.MAX_WBITS | 16)
            yield unpacked, keep
