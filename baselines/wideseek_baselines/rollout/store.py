"""Rollouts on disk: JSONL for a run in progress, Parquet for a finished dataset.

A JSONL file (also ``.gz``) survives a killed process. Every rollout is on disk before the next one, and an incomplete
last one is cut off when the file is opened. A Parquet file can be read only after it was closed. `Rollout.meta` must
contain JSON values. Tuples are read back as lists.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType
from typing import Protocol

from wideseek_baselines.tokens.record import Rollout
from wideseek_env.errors import ConfigError, TrajectoryError
from wideseek_env.files import JsonlWriter, whole_lines


class RolloutWriter(Protocol):
    """Writes rollouts to a file or a list. It is also a context manager."""

    def write(self, rollout: Rollout) -> None:
        """Add one rollout."""
        ...

    def close(self) -> None:
        """Finish writing. Does nothing if it is closed."""
        ...

    def __enter__(self) -> RolloutWriter: ...

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None: ...


class JsonlRollouts(JsonlWriter):
    """Appends rollouts to a JSONL file. If its name ends in ``.gz``, each rollout is compressed separately."""

    def write(self, rollout: Rollout) -> None:
        """Append one rollout and wait until it is on disk."""
        super().write(rollout.to_dict())


class MemoryRollouts:
    """Keeps rollouts in the list `rollouts`."""

    def __init__(self) -> None:
        self.rollouts: list[Rollout] = []

    def write(self, rollout: Rollout) -> None:
        """Add one rollout."""
        self.rollouts.append(rollout)

    def close(self) -> None:
        """Does nothing."""

    def __enter__(self) -> MemoryRollouts:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def open_rollouts(path: Path | str) -> RolloutWriter:
    """Open a writer for the file's suffix: ``.jsonl``, ``.jsonl.gz`` or ``.parquet``.

    The JSONL writers append to an existing file. The Parquet writer begins a new one. Other suffixes raise
    `ConfigError`.
    """
    path = Path(path)
    if path.name.endswith((".jsonl", ".jsonl.gz")):
        return JsonlRollouts(path)
    if path.suffix == ".parquet":
        from wideseek_baselines.rollout.parquet import ParquetRollouts

        return ParquetRollouts(path)
    raise ConfigError(f"name the file of rollouts .jsonl, .jsonl.gz or .parquet, not {path.name!r}")


def iter_rollouts(path: Path | str) -> Iterator[Rollout]:
    """The rollouts of a file, one at a time. The file's suffix tells its format.

    If a process was killed, the last line has no line break, or the ``.gz`` file is incomplete. That part is skipped.
    Everything else that cannot be read raises `TrajectoryError` with file and line.
    """
    path = Path(path)
    if path.suffix == ".parquet":
        from wideseek_baselines.rollout.parquet import read_parquet

        yield from read_parquet(path)
        return
    try:
        for number, line in enumerate(whole_lines(path), 1):
            try:
                rollout = Rollout.from_dict(json.loads(line))
            except (ValueError, AttributeError) as error:
                raise TrajectoryError(f"{path}:{number}: {error}") from error
            yield rollout
    except OSError as error:
        raise TrajectoryError(f"{path} cannot be read: {error.strerror}") from error


def load_rollouts(path: Path | str) -> list[Rollout]:
    """All rollouts of a file, as a list."""
    return list(iter_rollouts(path))
