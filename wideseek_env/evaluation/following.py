"""`Follower`: reads a run while another process writes it.

It writes nothing and takes no lock. Each record is read once. Lines that are not records are skipped and counted,
so a damaged run can be shown too.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Protocol

from wideseek_env.errors import ConfigError, TrajectoryError
from wideseek_env.evaluation.folder import SETTINGS, read_settings
from wideseek_env.evaluation.lines import EpisodeLines, TrainingLines
from wideseek_env.evaluation.metrics import EPISODES, SCORES, TRAJECTORIES
from wideseek_env.evaluation.progress import PROGRESS, Progress, Seen, number, progress_file, read_progress
from wideseek_env.evaluation.snapshot import Bench, Episodes, Snapshot, Training, episodes_of

METRICS = "metrics.jsonl"
_DEPTH = 3  # maximum number of folder levels between the folder of a bench and its runs
_PARTS = 500

Clock = Callable[[], float]


class _Source(Protocol):
    def look(self) -> Snapshot: ...


class Follower:
    """Follows the run at `path`, which may not exist yet.

    Args:
        path: A folder of `wideseek eval`, `bench` or `train`, or a file of rollouts or trajectories.
        wall: Returns the current time in seconds since 1970, the unit of the times in progress files.
    """

    def __init__(self, path: Path | str, *, wall: Clock = time.time) -> None:
        self.path = Path(path)
        self._wall = wall
        self._source: _Source | None = None

    def look(self) -> Snapshot:
        """The current state of the run.

        Raises:
            ConfigError: The path exists and is not a run.
        """
        self._source = self._source or _source(self.path, self._wall)
        if self._source is None:
            return Episodes("none", str(self.path), "waiting")
        return self._source.look()


def _source(path: Path, wall: Clock) -> _Source | None:
    if path.is_file():
        if path.suffix == ".parquet":
            return _ProgressAlone(path, wall)
        if path.name.endswith((".jsonl", ".jsonl.gz")):
            return _Records(path, wall)
        raise ConfigError(f"{path} is not a run; give a folder, or a .jsonl, .jsonl.gz or .parquet file")
    if not path.is_dir():
        beside = progress_file(path)
        return _ProgressAlone(path, wall) if beside.is_file() and path.suffix == ".parquet" else None
    if (path / SCORES).is_file():
        raise ConfigError(f"{path} contains scores of `wideseek score`; show them with `wideseek summary`")
    if (path / METRICS).is_file():
        return _Train(path, wall)
    if (path / SETTINGS).is_file():
        return _Run(path, wall)
    progress = read_progress(path / PROGRESS)
    if progress is not None and progress.values.get("kind") == "train":
        return _Train(path, wall)
    if (progress is not None and progress.values.get("kind") == "bench") or any(_runs(path)):
        return _Parts(path, wall)
    return None


class _Records:
    """A file of rollouts or trajectories."""

    def __init__(self, path: Path, wall: Clock) -> None:
        self._path = path
        self._wall = wall
        self._reader = EpisodeLines(path)

    def look(self) -> Episodes:
        reader = self._reader
        reader.read()
        return episodes_of(
            "episodes", str(self._path), read_progress(progress_file(self._path)), self._wall(),
            so_far=reader.so_far, unread=reader.tail.behind, damaged=reader.damaged,
        )  # fmt: skip


class _ProgressAlone:
    """A file that cannot be read before it is finished, such as Parquet. Only its progress file is read."""

    def __init__(self, path: Path, wall: Clock) -> None:
        self._path = path
        self._wall = wall

    def look(self) -> Episodes:
        progress = read_progress(progress_file(self._path))
        return episodes_of("rollout", str(self._path), progress, self._wall())


class _Run:
    """A folder of `wideseek eval`."""

    def __init__(self, path: Path, wall: Clock) -> None:
        self.path = path
        self._wall = wall
        self._reader: EpisodeLines | None = None
        self._settings: tuple[int, dict[str, Any]] = (0, {})

    def look(self) -> Episodes:
        settings = self._read_settings()
        seed = settings.get("seed")
        # The file of metrics is small and sufficient. Trajectories are read only if the run has no such file.
        file = next(
            (self.path / name for name in (EPISODES, TRAJECTORIES) if (self.path / name).exists()), None
        )
        if file is not None and (self._reader is None or self._reader.tail.path != file):
            self._reader = EpisodeLines(file, seed if isinstance(seed, int) else 0)
        reader = self._reader
        if reader is not None:
            reader.read()
        return episodes_of(
            "eval", str(self.path), read_progress(self.path / PROGRESS), self._wall(),
            so_far=reader.so_far if reader is not None else None,
            unread=reader.tail.behind if reader is not None else 0,
            damaged=reader.damaged if reader is not None else 0,
            title=f"{settings['policy']} on {settings['tasks']}" if {"policy", "tasks"} <= settings.keys() else None,
        )  # fmt: skip

    def _read_settings(self) -> dict[str, Any]:
        try:
            changed = (self.path / SETTINGS).stat().st_mtime_ns
            if changed != self._settings[0]:
                self._settings = (changed, read_settings(self.path))
        except (OSError, TrajectoryError):
            self._settings = (0, {})
        return self._settings[1]


class _Parts:
    """A folder with several runs: `wideseek bench`."""

    def __init__(self, path: Path, wall: Clock) -> None:
        self._path = path
        self._wall = wall
        self._parts: dict[Path, _Run] = {}

    def look(self) -> Bench:
        for folder in _runs(self._path):
            self._parts.setdefault(folder, _Run(folder, self._wall))
        parts = [run.look() for run in self._parts.values() if run.path.is_dir()]
        progress = read_progress(self._path / PROGRESS)
        total = progress.number("total") if progress is not None else None
        state = progress.seen(self._wall()) if progress is not None else _state_of(parts)
        return Bench("bench", str(self._path), state, tuple(parts), int(total) if total else None)


def _state_of(parts: list[Episodes]) -> Seen:
    """The state of a folder with several runs but without a progress file."""
    states = {part.state for part in parts}
    for state in ("running", "killed", "silent", "failed", "interrupted"):
        if state in states:
            return state
    return "unknown"


class _Train:
    """A folder of `wideseek train`."""

    def __init__(self, path: Path, wall: Clock) -> None:
        self._path = path
        self._wall = wall
        self._lines = TrainingLines(path / METRICS)

    def look(self) -> Training:
        lines = self._lines
        lines.read()
        progress = read_progress(self._path / PROGRESS)
        total = progress.number("total") if progress is not None else None
        state: Seen = progress.seen(self._wall()) if progress is not None else "unknown"
        running = progress is not None and state == "running"
        return Training(
            "train", str(self._path), state, lines.step, int(total) if total else None,
            rows=tuple(lines.rows.values()),
            evaluations=tuple(lines.evaluations.values()),
            reward=tuple(lines.rewards.values()),
            warnings=tuple(lines.warnings),
            seconds_left=_time_left(progress, lines.step) if progress is not None and running else None,
            unread=lines.tail.behind,
            damaged=lines.damaged,
        )  # fmt: skip


def _time_left(progress: Progress, step: int) -> float | None:
    session = progress.values.get("session")
    total = progress.number("total")
    if not isinstance(session, dict) or total is None:
        return None
    seconds, steps = number(session.get("seconds")), number(session.get("steps"))
    if not seconds or not steps:
        return None
    return max(0.0, total - step) * seconds / steps


def _runs(path: Path, depth: int = _DEPTH) -> Iterator[Path]:
    """The run folders below `path`, sorted by name, with numbers in numerical order. Links are not followed."""
    found = 0
    stack = [(path, depth)]
    while stack:
        folder, left = stack.pop(0)
        try:
            below = sorted((each for each in folder.iterdir() if _is_folder(each)), key=_by_number)
        except OSError:
            continue
        for each in below:
            if (each / SETTINGS).is_file():
                found += 1
                yield each
            elif left > 1:
                stack.append((each, left - 1))
            if found >= _PARTS:
                return


def _is_folder(path: Path) -> bool:
    return path.is_dir() and not path.is_symlink()


def _by_number(path: Path) -> tuple[str, int, str]:
    head, _, tail = path.name.rpartition("-")
    return (head, int(tail), "") if tail.isascii() and tail.isdigit() else (path.name, 0, path.name)
