"""``episodes.jsonl``: the metrics of every recorded episode. Summaries read this file instead of the trajectories.

A line is ``{"end": …, "crc": …, …}``: the byte at which the episode's line in ``trajectories.jsonl`` ends, the CRC-32
of that line, and the metrics. The trajectories are authoritative. Metrics that are missing or do not match the
trajectories are computed again.
"""

from __future__ import annotations

import json
import os
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any, NamedTuple

from wideseek_env.errors import TrajectoryError
from wideseek_env.evaluation.record import EpisodeRecord
from wideseek_env.files import append_whole, warn_of_line
from wideseek_env.trajectory import UNUSABLE, Trajectory, described

EPISODES, TRAJECTORIES, SCORES = "episodes.jsonl", "trajectories.jsonl", "scores.jsonl"


class Entry(NamedTuple):
    """One line of metrics."""

    end: int
    crc: int
    record: EpisodeRecord
    size: int
    """Size of this line of metrics in bytes, with its line break. 0 if the line is not in the file."""

    def line(self) -> bytes:
        """The line as the bytes that are written to the file."""
        data = {"end": self.end, "crc": self.crc, **self.record.to_dict()}
        return json.dumps(data, ensure_ascii=False, separators=(",", ":")).encode("utf-8", "replace") + b"\n"


def read_entries(folder: Path) -> Iterator[Entry]:
    """An entry for every recorded episode of the run in `folder`, in recorded order. Nothing is written.

    Episodes without stored metrics (`Entry.size` is 0) are read from the trajectories, one at a time.

    Raises:
        TrajectoryError: A trajectory cannot be read. The message names file and line.
    """
    stored = _stored(folder)
    yield from stored
    yield from _from_trajectories(folder / TRAJECTORIES, stored[-1].end if stored else 0)


class MetricsWriter:
    """Writes the metrics of a run's episodes. Only the process that holds the run's lock may use it."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._file: IO[bytes] | None = None
        self._end = 0

    def catch_up(self) -> Iterator[EpisodeRecord]:
        """Yield the metrics of every recorded episode. Metrics that the file does not have yet are stored in it."""
        valid = 0
        for entry in read_entries(self._folder):
            if entry.size:
                valid += entry.size
            else:
                append_whole(self._open(valid), entry.line(), sync=False)
            self._end = entry.end
            yield entry.record
        self._open(valid)

    def append(self, record: EpisodeRecord) -> None:
        """Store the metrics of the episode whose trajectory was written last."""
        if self._file is None:
            for _ in self.catch_up():  # the trajectory is on disk already, so this size includes it
                pass
            return
        with open(self._folder / TRAJECTORIES, "rb") as trajectories:
            trajectories.seek(self._end)
            line = trajectories.read()
        self._end += len(line)
        append_whole(self._file, Entry(self._end, zlib.crc32(line), record, 0).line(), sync=False)

    def close(self) -> None:
        """Close the file. Further calls do nothing."""
        if self._file is not None:
            self._file.close()

    def _open(self, valid: int) -> IO[bytes]:
        """The open file. The first call cuts it to its first `valid` bytes."""
        if self._file is None:
            self._file = open(self._folder / EPISODES, "ab", buffering=0)  # noqa: SIM115 (closed by `close`)
            if self._file.seek(0, os.SEEK_END) != valid:
                self._file.truncate(valid)
        return self._file


def _stored(folder: Path) -> list[Entry]:
    """The stored metrics that match the current trajectories."""
    entries: list[Entry] = []
    try:
        with open(folder / EPISODES, "rb") as file:
            for line in file:
                entry = _entry(line)
                if entry is None or entry.end <= (entries[-1].end if entries else 0):
                    break  # an incomplete or unknown line: from here on, read the trajectories
                entries.append(entry)
    except OSError:
        return []
    try:
        with open(folder / TRAJECTORIES, "rb") as trajectories:
            size = os.fstat(trajectories.fileno()).st_size
            while entries and entries[-1].end > size:  # the trajectories were cut
                entries.pop()
            if entries:
                start = entries[-2].end if len(entries) > 1 else 0
                trajectories.seek(start)
                line = trajectories.read(entries[-1].end - start)
                if not line.endswith(b"\n") or zlib.crc32(line) != entries[-1].crc:
                    return []  # the trajectories were edited, so no stored position is reliable
    except OSError:
        return []
    return entries


def _entry(line: bytes) -> Entry | None:
    try:
        data = json.loads(line)
        end, crc = data.pop("end"), data.pop("crc")
        if "rows" not in data:  # written by an earlier version
            return None
        if not line.endswith(b"\n") or not isinstance(end, int) or not isinstance(crc, int):
            return None
        return Entry(end, crc, EpisodeRecord.from_dict(data), len(line))
    except (ValueError, KeyError, TypeError, AttributeError):  # a TrajectoryError is a ValueError
        return None


def _from_trajectories(path: Path, start: int) -> Iterator[Entry]:
    """The episodes from byte `start` on. The checksum of an episode includes the damaged lines before it."""
    try:
        file = open(path, "rb")  # noqa: SIM115 (closed below)
    except FileNotFoundError:
        return
    except OSError as error:
        raise TrajectoryError(f"{path} cannot be read: {error.strerror}") from error
    with file:
        file.seek(start)
        end = start
        crc = 0
        for line in file:
            if not line.endswith(b"\n"):
                return  # an incomplete line, left by a killed process
            begin, end = end, end + len(line)
            crc = zlib.crc32(line, crc)
            record = _record(path, begin, line)
            if record is not None:
                yield Entry(end, crc, record, 0)
                crc = 0


def _record(path: Path, begin: int, line: bytes) -> EpisodeRecord | None:
    """The metrics of the line that begins at byte `begin`. None, with a warning, if the line is damaged."""
    try:
        data: Any = json.loads(line)
    except (ValueError, RecursionError):
        warn_of_line(path, _number(path, begin))
        return None
    try:
        return EpisodeRecord.of(Trajectory.from_dict(data))
    except UNUSABLE as error:
        raise TrajectoryError(f"{path}:{_number(path, begin)}: {described(error)}") from error


def _number(path: Path, begin: int) -> int:
    """The number of the line that begins at byte `begin`, from 1."""
    with open(path, "rb") as file:
        return file.read(begin).count(b"\n") + 1
