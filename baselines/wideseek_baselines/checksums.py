"""Checksums of the files of a folder: a checkpoint or an exported model.

`write_checksums` hashes the files of a folder that is complete and writes the file `NAME` into it. `check_files`
compares the files with it. So silent damage, such as a flipped bit on a disk, is found before the files are used.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from wideseek_env.errors import WideSeekError

NAME = "checksums.json"
FORMAT = 1
_BLOCK = 1 << 22
_checked: dict[Path, tuple[tuple[str, int, int], ...]] = {}
"""The model folders that this process has checked, with the names, sizes and times of their files."""


class DamagedError(WideSeekError):
    """A file of a folder is missing, or is not the file that was written. The message names the file."""


def write_checksums(folder: Path, about: Mapping[str, Any] | None = None) -> None:
    """Hash all files of a folder and write the checksums into it.

    Args:
        folder: A folder whose files are complete. Files in folders inside it count too.
        about: JSON values to store with the checksums, such as the step of a model.
    """
    files = {
        path.relative_to(folder).as_posix(): {"bytes": path.stat().st_size, "sha256": _sha256(path)}
        for path in sorted(folder.rglob("*"))
        if path.is_file() and path.name != NAME
    }
    record = {"format": FORMAT, "about": dict(about or {}), "files": files}
    (folder / NAME).write_text(json.dumps(record, indent=1) + "\n", "utf-8")


def check_files(folder: Path, required: Iterable[str] = ()) -> dict[str, Any]:
    """Compare the files of a folder with its checksums. Returns the values that were stored with them.

    Args:
        folder: The folder.
        required: Names of files that must have a checksum.

    Raises:
        DamagedError: A file is missing, has another size or another checksum, or the checksums cannot be read.
    """
    files, about = _read(folder)
    for name in required:
        if name not in files:
            raise DamagedError(f"the file {NAME} has no checksum of {name}")
    for name, expected in files.items():
        path = folder / name
        try:
            size = path.stat().st_size
            if size != expected["bytes"]:
                raise DamagedError(
                    f"the file {name} has {size:,} bytes, but {expected['bytes']:,} were written"
                )
            if _sha256(path) != expected["sha256"]:
                raise DamagedError(
                    f"the file {name} has changed since it was written (its SHA-256 checksum differs)"
                )
        except OSError as error:
            raise DamagedError(_unread(name, error)) from error
    return about


def check_model(folder: Path) -> None:
    """Check the files of a model folder, if it has checksums. A process hashes the same files only once.

    Raises:
        DamagedError: A file is damaged or was changed. The message says what to do.
    """
    if not (folder / NAME).is_file():
        return
    folder = folder.resolve()
    stamps = tuple(
        (path.name, path.stat().st_size, path.stat().st_mtime_ns)
        for path in sorted(folder.iterdir())
        if path.is_file()
    )
    if _checked.get(folder) == stamps:
        return
    try:
        check_files(folder)
    except DamagedError as error:
        raise DamagedError(
            f"the model {folder} is damaged: {error}. Export or copy the model again. If you changed the file on "
            f"purpose, delete {folder / NAME}"
        ) from error
    _checked[folder] = stamps


def about_model(folder: Path) -> dict[str, Any]:
    """The values that were stored with the checksums of a model folder. Empty if there are none."""
    try:
        return _read(folder)[1]
    except DamagedError:
        return {}


def _read(folder: Path) -> tuple[dict[str, Any], dict[str, Any]]:
    """The checksums by file name, and the values that were stored with them."""
    path = folder / NAME
    try:
        record = json.loads(path.read_text("utf-8"))
    except OSError as error:
        raise DamagedError(_unread(NAME, error)) from error
    except (ValueError, RecursionError) as error:
        raise DamagedError(f"the file {NAME} is not JSON ({error})") from error
    if not isinstance(record, dict) or record.get("format") != FORMAT:
        raise DamagedError(f"the file {NAME} does not have the format {FORMAT}")
    files, about = record.get("files"), record.get("about")
    if not isinstance(files, dict) or not files or not isinstance(about, dict):
        raise DamagedError(f"the file {NAME} lists no files")
    for name, entry in files.items():
        if not isinstance(entry, dict) or not entry.keys() >= {"bytes", "sha256"}:
            raise DamagedError(f"the file {NAME} has no checksum of {name}")
        if not isinstance(entry["bytes"], int) or ".." in Path(name).parts or Path(name).is_absolute():
            raise DamagedError(f"the file {NAME} has an entry that is not valid: {name!r}")
    return files, about


def _unread(name: str, error: OSError) -> str:
    """Why a file cannot be read, in words."""
    if isinstance(error, FileNotFoundError):
        return f"the file {name} is missing"
    return f"the file {name} cannot be read ({error.strerror or error})"


def _sha256(path: Path) -> str:
    found = hashlib.sha256()
    with open(path, "rb") as file:
        while block := file.read(_BLOCK):
            found.update(block)
    return found.hexdigest()
