"""Rollouts on disk: JSONL for a run in progress, Parquet for a finished dataset.

A JSONL file (also ``.gz``) can be used even if the process that writes it is killed. Each rollout is on disk before the
next one is written. If the last rollout is incomplete, it is cut off when the file is opened again. A Parquet file can
be read only after it was closed. `Rollout.meta` must contain only values that JSON can store. Tuples in it become
lists.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from types import TracebackType
from typing import Protocol

from wideseek_baselines.tokens.record import Rollout
from wideseek_env.errors import ConfigError, TrajectoryError
from wideseek_env.files import JsonlWriter, json_values, whole_lines


class RolloutWriter(Protocol):
    """Writes rollouts to a file or a list. Writers are context managers."""

    def write(self, rollout: Rollout) -> None:
        """Add one rollout."""
        ...

    def close(self) -> None:
        """Finish writing. A second call does nothing."""
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
    """Open a writer for a file. The suffix decides the format: ``.jsonl``, ``.jsonl.gz`` or ``.parquet``.

    A JSONL writer appends to an existing file. The Parquet writer replaces an existing file. Other suffixes raise
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
    """Read the rollouts of a file, one at a time. The suffix of the file tells its format.

    If the process that wrote the file was killed, the last record may be incomplete. An incomplete last record is
    skipped. Any other line that is no JSON is skipped with a `DamagedLineWarning`. Everything else that cannot be read
    raises `TrajectoryError` with the file and line.
    """
    path = Path(path)
    if path.suffix == ".parquet":
        from wideseek_baselines.rollout.parquet import read_parquet

        yield from read_parquet(path)
        return
    try:
        for number, record in json_values(path, whole_lines(path)):
            try:
                rollout = Rollout.from_dict(record)
            except (ValueError, AttributeError) as error:
                raise TrajectoryError(f"{path}:{number}: {error}") from error
            yield rollout
    except OSError as error:
        raise TrajectoryError(f"{path} cannot be read: {error.strerror}") from error


def load_rollouts(path: Path | str) -> list[Rollout]:
    """All rollouts of a file, as a list."""
    return list(iter_rollouts(path))
