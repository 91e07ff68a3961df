"""The cache of judges' verdicts: a small store of texts by key that threads and processes share."""

from __future__ import annotations

import sqlite3
import sys
from collections.abc import Iterable, Iterator, Mapping
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Protocol

from wideseek_env.byte_cache import ByteCache
from wideseek_env.errors import ConfigError, WideSeekError

_FORMAT = 1
_MEMORY_BYTES = 64 << 20
_BUSY_SECONDS = 60.0
_AT_ONCE = 500  # SQLite limits the number of variables in one statement


class Cache(Protocol):
    """The protocol of a cache. A value that is stored under a key is never replaced."""

    def get_many(self, keys: Iterable[str]) -> dict[str, str]:
        """The values of those `keys` that are in the cache."""
        ...

    def put_many(self, entries: Mapping[str, str]) -> None:
        """Store `entries`. A key that is already in the cache keeps its value."""
        ...


class MemoryCache:
    """A cache in the memory of this process, of the last 64 MiB of entries that were used."""

    def __init__(self) -> None:
        self._entries: ByteCache[str] = ByteCache(_MEMORY_BYTES, sys.getsizeof)

    def get_many(self, keys: Iterable[str]) -> dict[str, str]:
        """The values of those `keys` that are in the cache."""
        found = ((key, self._entries.get(key)) for key in keys)
        return {key: value for key, value in found if value is not None}

    def put_many(self, entries: Mapping[str, str]) -> None:
        """Store `entries`. A key that is already in the cache keeps its value."""
        for key, value in entries.items():
            if self._entries.get(key) is None:
                self._entries.put(key, value)


class JudgeCache:
    """A cache in one SQLite file. Any number of threads and processes may use the file at the same time.

    The file and its folder are created when the first entry is stored. Each call opens the file again (about 0.2 ms),
    so the object may be forked and pickled and need not be closed.
    """

    def __init__(self, path: str | Path) -> None:
        """Make a cache for the file `path`. This does not open the file."""
        self.path = Path(path)

    def __len__(self) -> int:
        if not self.path.exists():
            return 0
        with self._open() as database:
            return int(database.execute("SELECT count(*) FROM entries").fetchone()[0])

    def __repr__(self) -> str:
        return f"JudgeCache({str(self.path)!r})"

    def get_many(self, keys: Iterable[str]) -> dict[str, str]:
        """The values of those `keys` that are in the cache.

        Raises:
            ConfigError: The file is not a cache.
            WideSeekError: The file cannot be read.
        """
        wanted = list(dict.fromkeys(keys))
        if not wanted or not self.path.exists():
            return {}
        found: dict[str, str] = {}
        with self._open() as database:
            for start in range(0, len(wanted), _AT_ONCE):
                part = wanted[start : start + _AT_ONCE]
                marks = ",".join("?" * len(part))
                found.update(database.execute(f"SELECT key, value FROM entries WHERE key IN ({marks})", part))
        return found

    def put_many(self, entries: Mapping[str, str]) -> None:
        """Store `entries`. A key that is already in the cache keeps its value.

        Raises:
            ConfigError: The file is not a cache.
            WideSeekError: The file cannot be written.
        """
        if not entries:
            return
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise WideSeekError(f"cannot make the folder of the judge cache {self.path}: {error}") from error
        with self._open() as database, database:
            database.executemany("INSERT OR IGNORE INTO entries VALUES (?, ?)", entries.items())

    @contextmanager
    def _open(self) -> Iterator[sqlite3.Connection]:
        try:
            with closing(sqlite3.connect(self.path, timeout=_BUSY_SECONDS)) as database:
                version = database.execute("PRAGMA user_version").fetchone()[0]
                if version == 0:
                    with database:
                        database.execute(
                            "CREATE TABLE IF NOT EXISTS entries (key TEXT PRIMARY KEY, value TEXT)"
                        )
                        database.execute(f"PRAGMA user_version = {_FORMAT}")
                elif version != _FORMAT:
                    raise ConfigError(
                        f"the judge cache {self.path} is from another version; delete or move it"
                    )
                yield database
        except sqlite3.OperationalError as error:
            raise WideSeekError(f"cannot use the judge cache {self.path}: {error}") from error
        except sqlite3.DatabaseError as error:
            raise ConfigError(
                f"{self.path} is not a judge cache or is damaged ({error}); delete or move it"
            ) from error
