"""Folders that appear whole or not at all. Such a folder is built under a temporary name, gets a manifest (a list of
its files) and is then renamed."""

from __future__ import annotations

import json
import os
import shutil
import tempfile
import time
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from wideseek_env.audience import option
from wideseek_env.errors import CorpusError, IndexDamagedError
from wideseek_env.files import locked
from wideseek_env.pages.text import READING

MANIFEST = "manifest.json"
LOCK = "building.lock"
_BLOCK = 1 << 20
_BUILDING, _OLD = ".building-", ".old-"
_UNLOCKED = 60.0  # seconds after which a folder without a lock belongs to no running build
_ACTIVE: set[Path] = set()  # the folders that this process is building


@contextmanager
def building(path: Path, *, overwrite: bool) -> Iterator[Path]:
    """A temporary folder next to `path`. It is renamed to `path` when the block ends without an exception.

    Raises:
        CorpusError: There is something at `path`, and either `overwrite` is False or this package did not build it. So
            a wrong path never deletes other data.
    """
    path = path.absolute()
    if path.parent.is_dir():
        remove_remains(path)
    _refuse(path, overwrite)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        temporary = Path(tempfile.mkdtemp(prefix=f".{path.name}{_BUILDING}", dir=path.parent))
    except OSError as error:
        raise CorpusError(f"cannot build in {path.parent}: {error}") from error
    _ACTIVE.add(temporary)
    lock = locked(temporary / LOCK)
    try:
        yield temporary
        # The folder at `path` may have changed during the build.
        _refuse(path, overwrite)
        temporary.chmod(0o755)
        if path.exists():
            old = Path(tempfile.mkdtemp(prefix=f".{path.name}{_OLD}", dir=path.parent))
            os.replace(path, old)
            os.replace(temporary, path)
            shutil.rmtree(old, ignore_errors=True)
        else:
            os.replace(temporary, path)
        (path / LOCK).unlink(missing_ok=True)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)
        if lock is not None:
            os.close(lock)
        _ACTIVE.discard(temporary)
        remove_remains(path)


def remove_remains(path: Path) -> None:
    """Remove what killed builds of `path` left next to it.

    If a build was killed while it replaced a folder, that folder is put back first. A build that still runs, in this
    process or in another one, is left alone.
    """
    running = False
    for entry in _entries(path, _BUILDING):
        if _is_abandoned(entry):
            shutil.rmtree(entry, ignore_errors=True)
        else:
            running = True
    for entry in [] if running else _entries(path, _OLD):
        if not path.exists() and (entry / MANIFEST).is_file():
            os.replace(entry, path)
        else:
            shutil.rmtree(entry, ignore_errors=True)


def _entries(path: Path, kind: str) -> list[Path]:
    try:
        return [entry for entry in path.parent.iterdir() if entry.name.startswith(f".{path.name}{kind}")]
    except OSError:
        return []


def _is_abandoned(folder: Path) -> bool:
    if folder in _ACTIVE:  # closing a second handle would release the lock
        return False
    try:
        if not (folder / LOCK).exists():
            # It is about to be locked or renamed, or it was killed then.
            return time.time() - folder.stat().st_mtime > _UNLOCKED
        lock = locked(folder / LOCK)
    except OSError:
        return False
    if lock is not None:
        os.close(lock)
    return lock is not None


def _refuse(path: Path, overwrite: bool) -> None:
    if not path.exists() or (path.is_dir() and not any(path.iterdir())):
        return
    # A build that was killed after its last renaming has told nobody that it ended. So the same call builds again.
    if not overwrite and not ((path / LOCK).exists() and _is_abandoned(path)):
        raise CorpusError(
            f"{path} exists already: open it, or build with {option('overwrite=True', '--overwrite')} to replace it"
        )
    if not (path / MANIFEST).is_file():
        raise CorpusError(
            f"{path} was not built by this package, so it is not overwritten; remove it yourself or choose another path"
        )


def write_manifest(folder: Path, kind: str, version: int, facts: dict[str, Any]) -> None:
    """Describe every file below `folder` (size in bytes, and a checksum except for `*.bin`) and sync the manifest.

    Record files (`*.bin`) have no checksum here, because each record has one that is checked when it is read.
    """
    files = {}
    for file in sorted(_files(folder)):
        name = file.relative_to(folder).as_posix()
        files[name] = {"bytes": file.stat().st_size, "crc32": None if file.suffix == ".bin" else _crc32(file)}
    text = json.dumps(
        {"kind": kind, "version": version, **facts, "files": files}, indent=1, ensure_ascii=False
    )
    with open(folder / MANIFEST, "w", encoding="utf-8") as out:
        out.write(text + "\n")
        out.flush()
        os.fsync(out.fileno())


def read_manifest(folder: Path, kind: str, version: int) -> dict[str, Any]:
    """The manifest of `folder`, after every file has been compared with it.

    Raises `IndexDamagedError` when the folder is missing, is damaged or was built by another version.
    """
    if not folder.is_dir():
        raise IndexDamagedError(f"there is no {kind} at {folder}; build it first")
    try:
        manifest = json.loads((folder / MANIFEST).read_text("utf-8"))
    except FileNotFoundError:
        raise IndexDamagedError(
            f"{folder} has no {MANIFEST}: it is no {kind}, or was not finished; build it again"
        ) from None
    except (OSError, ValueError) as error:
        raise IndexDamagedError(f"{folder / MANIFEST} cannot be read ({error}); build it again") from None
    if not isinstance(manifest, dict) or manifest.get("kind") != kind:
        raise IndexDamagedError(f"{folder} does not hold a {kind}; build it again")
    if manifest.get("version") != version:
        raise IndexDamagedError(
            f"{folder} is a {kind} of version {manifest.get('version')!r}, this package reads version {version}; "
            "build it again"
        )
    files = manifest.get("files")
    if not isinstance(files, dict) or not files:
        raise IndexDamagedError(f"{folder / MANIFEST} lists no files; build it again")
    for name, facts in files.items():
        _compare(folder, name, facts)
    return manifest


def check_reading(folder: Path, manifest: dict[str, Any]) -> None:
    """Check that the texts of pages in `folder` were read as this package reads pages.

    `manifest["reading"]` is the `READING` of the build. Raises `IndexDamagedError` when it is another one: the stored
    texts, and the results that agents see, would differ from the pages that they open.
    """
    if manifest.get("reading") != READING:
        raise IndexDamagedError(
            f"{folder} holds pages that an older or newer version of this package read "
            f"(reading {manifest.get('reading')!r}, this package has reading {READING}); build it again"
        )


def _compare(folder: Path, name: str, facts: Any) -> None:
    file = folder / name
    try:
        size, checksum = facts["bytes"], facts["crc32"]
        actual = file.stat().st_size
        if actual != size:
            raise IndexDamagedError(f"{file} has {actual} bytes instead of {size}; build it again")
        if checksum is not None and _crc32(file) != checksum:
            raise IndexDamagedError(f"{file} is damaged (its checksum differs); build it again")
    except (OSError, KeyError, TypeError) as error:
        raise IndexDamagedError(f"{file} is missing or unreadable ({error!r}); build it again") from None


def _files(folder: Path) -> Iterator[Path]:
    for entry in folder.iterdir():
        if entry.is_dir():
            if not (entry / MANIFEST).exists():  # a folder with a manifest is described there
                yield from _files(entry)
        # Writers of tantivy create and remove lock files.
        elif entry.suffix != ".lock" and entry.name != MANIFEST:
            yield entry


def _crc32(file: Path) -> int:
    checksum = 0
    with open(file, "rb") as data:
        while block := data.read(_BLOCK):
            checksum = zlib.crc32(block, checksum)
    return checksum
