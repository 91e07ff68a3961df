"""Stores texts by key in one SQLite file, for a cache or a recording. Several processes can use the file at the same
time."""

from __future__ import annotations

import os
import sqlite3
import threading
import time
import zlib
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

from wideseek_env.errors import CorpusError
from wideseek_env.files import still_there

FORMAT = 1
_MARK = 0x57534B31  # in the file's header: marks files of this class
_SWEEP = 256  # writes between two checks of the size


class Store:
    """A file of compressed texts, each with an optional time of expiry.

    Args:
        path: The file. The file and its folder are created when absent.
        purpose: The purpose of the file ("cache", "recording"). Opening a file with another purpose raises an error.
        most_bytes: The most bytes of all compressed texts. If there are more, the texts that expire first are removed.
            0 means no limit.
        read_only: Open an existing file without changing it.
        now: The seconds since the epoch.
    """

    def __init__(
        self,
        path: Path | str,
        purpose: str,
        *,
        most_bytes: int = 0,
        read_only: bool = False,
        now: Callable[[], float] = time.time,
    ) -> None:
        self.path = Path(path).absolute()
        self._purpose = purpose
        self._most = most_bytes
        self._read_only = read_only
        self._now = now
        self._lock = threading.Lock()
        self._inherited: list[sqlite3.Connection] = []
        self._writes = 0
        self._closed = False
        if read_only and not self.path.is_file():
            raise CorpusError(f"there is no {purpose} {self.path}")
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            self._pid, self._connection = os.getpid(), self._open()
        except (OSError, sqlite3.Error) as error:
            raise CorpusError(f"cannot open {self.path} as a {purpose}: {error}") from error

    def get(self, key: str) -> str | None:
        """The text of `key`, or None when there is no text or the text has expired."""
        with self._lock:
            row = self._run(
                "SELECT value FROM entries WHERE key = ? AND (expires IS NULL OR expires > ?)",
                (key, self._now()),
            ).fetchone()
        return zlib.decompress(row[0]).decode() if row else None

    def put(self, key: str, text: str, lifetime: float | None = None) -> None:
        """Set the text of `key`, for `lifetime` seconds or without expiry."""
        self._write("INSERT OR REPLACE", key, text, lifetime)

    def add(self, key: str, text: str) -> str:
        """Set the text of `key` unless the key has a text already. Returns the text that the key has after the call."""
        self._write("INSERT OR IGNORE", key, text, None)
        return self.get(key) or text

    def __len__(self) -> int:
        with self._lock:
            return int(self._run("SELECT COUNT(*) FROM entries").fetchone()[0])

    def close(self) -> None:
        """Release the file. A second call does no harm."""
        with self._lock:
            if not self._closed:
                self._closed = True
                if self._pid == os.getpid():
                    self._connection.close()

    def _write(self, verb: str, key: str, text: str, lifetime: float | None) -> None:
        value = zlib.compress(text.encode("utf-8", "replace"))
        expires = None if lifetime is None else self._now() + lifetime
        with self._lock:
            self._run(f"{verb} INTO entries VALUES (?, ?, ?)", (key, expires, value))
            self._writes += 1
            if self._most and self._writes % _SWEEP == 0:
                self._make_room()

    def _make_room(self) -> None:
        self._run("DELETE FROM entries WHERE expires <= ?", (self._now(),))
        total = self._run("SELECT COALESCE(SUM(LENGTH(value)), 0) FROM entries").fetchone()[0]
        if total > self._most:
            surplus, gone = total - int(self._most * 0.9), []
            for key, size in self._run("SELECT key, LENGTH(value) FROM entries ORDER BY expires, key"):
                if surplus <= 0:
                    break
                surplus -= size
                gone.append((key,))
            self._connection.executemany("DELETE FROM entries WHERE key = ?", gone)

    def _run(self, statement: str, values: tuple[Any, ...] = ()) -> sqlite3.Cursor:
        if self._closed:
            raise CorpusError(f"the {self._purpose} {self.path} has been closed")
        if self._pid != os.getpid():
            # After a fork, two processes must not use or close the same connection.
            self._inherited.append(self._connection)
            self._pid, self._connection = os.getpid(), self._open()
        try:
            return self._connection.execute(statement, values)
        except sqlite3.Error as error:
            raise CorpusError(f"the {self._purpose} {self.path} cannot be used: {error}") from error

    def _open(self) -> sqlite3.Connection:
        where = self.path.as_uri() + ("?mode=ro" if self._read_only else "?mode=rwc")
        connection = sqlite3.connect(
            where, uri=True, timeout=30, isolation_level=None, check_same_thread=False
        )
        try:
            self._prepare(connection)
        except BaseException:
            connection.close()
            raise
        return connection

    def _prepare(self, connection: sqlite3.Connection) -> None:
        if not self._read_only:
            connection.execute("BEGIN IMMEDIATE")  # two processes may create the file at the same time
            try:
                if connection.execute("PRAGMA application_id").fetchone()[0] == 0 and not self._tables(
                    connection
                ):
                    connection.execute(f"PRAGMA application_id = {_MARK}")
                    connection.execute(f"PRAGMA user_version = {FORMAT}")
                    connection.execute("CREATE TABLE purpose (name TEXT NOT NULL)")
                    connection.execute("INSERT INTO purpose VALUES (?)", (self._purpose,))
                    connection.execute(
                        "CREATE TABLE entries (key TEXT PRIMARY KEY, expires REAL, value BLOB NOT NULL)"
                    )
            finally:
                connection.execute("COMMIT")
        found = connection.execute("PRAGMA application_id").fetchone()[0]
        version = connection.execute("PRAGMA user_version").fetchone()[0]
        if found != _MARK or version != FORMAT:
            raise sqlite3.DatabaseError("it is a file of another kind or version")
        purpose = connection.execute("SELECT name FROM purpose").fetchone()[0]
        if purpose != self._purpose:
            raise sqlite3.DatabaseError(f"it is a {purpose}")
        if not self._read_only:
            with suppress(
                sqlite3.OperationalError
            ):  # if another process uses the file, that process has done this already
                connection.execute("PRAGMA journal_mode = WAL")
            connection.execute("PRAGMA synchronous = NORMAL")
            connection.execute("DELETE FROM entries WHERE expires <= ?", (self._now(),))

    @staticmethod
    def _tables(connection: sqlite3.Connection) -> int:
        return int(connection.execute("SELECT COUNT(*) FROM sqlite_master").fetchone()[0])

    def __reduce__(self) -> tuple[Any, ...]:
        return _reopen, (still_there(self.path), self._purpose, self._most, self._read_only)

    def __repr__(self) -> str:
        return f"Store({str(self.path)!r}, {self._purpose!r})"


def _reopen(path: Path, purpose: str, most: int, read_only: bool) -> Store:
    return Store(path, purpose, most_bytes=most, read_only=read_only)
