"""Rollouts on disk: JSONL while a run is going on, Parquet for a data set that is done.

JSONL (also ``.gz``) is safe against being killed: every rollout is on disk before the next, and a partial last one is
cut off on opening. A Parquet file can be read only after it was closed. What goes into `Rollout.meta` must be JSON
values; they come back as such (tuples as lists).
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
    """Where rollouts go; also a context manager."""

    def write(self, rollout: Rollout) -> None:
        """Keep one rollout."""
        ...

    def close(self) -> None:
        """Nothing more comes; harmless when closed."""
        ...

    def __enter__(self) -> RolloutWriter: ...

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None: ...


class JsonlRollouts(JsonlWriter):
    """Appends rollouts to a JSONL file, each one compressed by itself where its name ends in ``.gz``."""

    def write(self, rollout: Rollout) -> None:
        """Append one rollout and wait until it is on disk."""
        super().write(rollout.to_dict())


class MemoryRollouts:
    """Keeps rollouts in the list `rollouts`."""

    def __init__(self) -> None:
        self.rollouts: list[Rollout] = []

    def write(self, rollout: Rollout) -> None:
        """Keep one rollout."""
        self.rollouts.append(rollout)

    def close(self) -> None:
        """Nothing is open."""

    def __enter__(self) -> MemoryRollouts:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def open_rollouts(path: Path | str) -> RolloutWriter:
    """A writer for the file's suffix: ``.jsonl``, ``.jsonl.gz`` (both continue a file that is there) or ``.parquet``
    (which begins a new one). `ConfigError` for any other."""
    path = Path(path)
    if path.name.endswith((".jsonl", ".jsonl.gz")):
        return JsonlRollouts(path)
    if path.suffix == ".parquet":
        from wideseek_baselines.rollout.parquet import ParquetRollouts

        return ParquetRollouts(path)
    raise ConfigError(f"rollouts are kept in .jsonl, .jsonl.gz or .parquet files, not {path.name!r}")


def iter_rollouts(path: Path | str) -> Iterator[Rollout]:
    """The rollouts of a file, one at a time; the suffix says which kind it is.

    A killed process leaves a last line without its line break, or a ``.gz`` that is cut off. Both are skipped. Anything
    else that cannot be read raises `TrajectoryError` with file and line.
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
    """All rollouts of a file; see `iter_rollouts`."""
    return list(iter_rollouts(path))
