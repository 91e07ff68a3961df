"""`RunFolder`: a run on disk (settings, trajectories, summary) that can be taken up again where it stopped.

``run.json`` has the settings and versions, ``trajectories.jsonl`` a line for each episode as soon as it ends,
``episodes.jsonl`` the same episodes in figures, ``summary.json`` what they come to, ``progress.json`` what is under
way. A later line for the same task and trial counts instead of an earlier one. ``run.lock`` keeps a second process out.
"""

from __future__ import annotations

import json
import platform
from collections.abc import Iterator, Mapping
from pathlib import Path
from types import TracebackType
from typing import Any

from wideseek_env.errors import ConfigError, TrajectoryError
from wideseek_env.evaluation.lock import FileLock
from wideseek_env.evaluation.metrics import EPISODES, SCORES, TRAJECTORIES, MetricsWriter
from wideseek_env.evaluation.progress import PROGRESS
from wideseek_env.evaluation.record import EpisodeRecord
from wideseek_env.evaluation.summary import Summary, SummaryAccumulator
from wideseek_env.files import is_temporary, write_json
from wideseek_env.game import Game
from wideseek_env.trajectory import Trajectory, TrajectoryWriter
from wideseek_env.version import __version__

FORMAT = 1
SETTINGS, SUMMARY, LOCK = "run.json", "summary.json", "run.lock"
OLD_METRICS = "figures.jsonl"

_MAY_GROW = ("limit", "trials")
"""Settings that may be larger when a run is taken up again: the episodes played so far belong to it still."""

_WRITTEN_WHOLE = (SETTINGS, SUMMARY, PROGRESS, SCORES)
"""A process that is killed while it writes one of these leaves a temporary file."""


def run_settings(
    game: Game,
    policy: str,
    *,
    policy_options: Mapping[str, Any] | None = None,
    seed: int = 0,
    trials: int = 1,
    limit: int | None = None,
) -> dict[str, Any]:
    """What decides the results of a run, as JSON values: two runs with equal settings play the same episodes."""
    return {
        "policy": policy,
        "policy_options": dict(policy_options or {}),
        **game.record(),
        **({"limit": limit} if limit is not None else {}),
        "seed": seed,
        "trials": trials,
    }


class RunFolder:
    """A folder in which one run is recorded, locked against others; open it with `RunFolder.open`."""

    def __init__(self, path: Path, lock: FileLock) -> None:
        self.path = path
        self._lock = lock
        self._writer = TrajectoryWriter(path / TRAJECTORIES)
        self._metrics = MetricsWriter(path)

    @classmethod
    def open(
        cls, path: Path | str, settings: Mapping[str, Any], *, overwrite: bool = False, command: str = ""
    ) -> RunFolder:
        """Begin a run in `path`, or take up the one that is there; `command` is kept as what played it.

        `ConfigError` when the folder holds something else, another process is writing it, or it holds a run with
        other settings and `overwrite` is False; `overwrite` deletes that run's files and begins anew.
        """
        path = Path(path)
        if path.exists() and not path.is_dir():
            raise ConfigError(f"{path} is a file; give a folder for the run")
        if not (path / SETTINGS).is_file() and any(foreign(path)):
            raise ConfigError(f"{path} is not empty and holds no run; give another folder")
        if (path / SCORES).exists():
            raise ConfigError(f"{path} holds the scores of `wideseek score`; give another folder")
        settings = json.loads(json.dumps(settings))  # as it reads back
        path.mkdir(parents=True, exist_ok=True)
        lock = FileLock(path / LOCK)
        try:
            clear_temporary(path)
            (path / OLD_METRICS).unlink(
                missing_ok=True
            )  # made again from the trajectories, under its new name
            if (path / SETTINGS).is_file():
                if not overwrite:
                    _compare(path, read_settings(path), settings)
                else:
                    # The settings last: a process that is killed here leaves a folder that can be overwritten.
                    for old in (PROGRESS, SUMMARY, EPISODES, TRAJECTORIES, SETTINGS):
                        (path / old).unlink(missing_ok=True)
            about = {"format": FORMAT, "settings": settings, "versions": versions(), "command": command}
            write_json(path / SETTINGS, about)
            return cls(path, lock)
        except BaseException:
            lock.close()
            raise

    def load(self, tally: SummaryAccumulator) -> None:
        """Count the episodes recorded so far."""
        for record in self._metrics.catch_up():
            tally.add(record)

    def write(self, trajectory: Trajectory) -> None:
        """Record one episode; it is on disk when this returns."""
        self._writer.write(trajectory)
        self._metrics.append(EpisodeRecord.of(trajectory))

    def write_summary(self, summary: Summary, by: Mapping[str, Mapping[str, Summary]] | None = None) -> None:
        """Write ``summary.json``; `by` are the summaries of parts of the run, under the key of that name."""
        write_json(self.path / SUMMARY, summary_dict(summary, by or {}))

    def close(self) -> None:
        """Close the files and let others write; harmless when closed."""
        self._writer.close()
        self._metrics.close()
        self._lock.close()

    def __enter__(self) -> RunFolder:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def summary_dict(summary: Summary, by: Mapping[str, Mapping[str, Summary]]) -> dict[str, Any]:
    """A summary and its breakdowns as the JSON values of ``summary.json``."""
    parts = {key: {name: part.to_dict() for name, part in groups.items()} for key, groups in by.items()}
    return {**summary.to_dict(), "by": parts}


def versions() -> dict[str, str]:
    """The versions of what produced a run."""
    return {"wideseek-env": __version__, "python": platform.python_version(), "system": platform.system()}


def read_settings(folder: Path) -> dict[str, Any]:
    """The settings of the run in `folder`; `TrajectoryError` when its ``run.json`` cannot be read."""
    path = folder / SETTINGS
    try:
        record = json.loads(path.read_text(encoding="utf-8"))
        if not isinstance(record["settings"], dict):
            raise TypeError("settings")
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise TrajectoryError(
            f"{path} cannot be read ({type(error).__name__}); start the run afresh with overwrite"
        ) from error
    return dict(record["settings"])


def differences(before: Mapping[str, Any], now: Mapping[str, Any]) -> list[tuple[str, Any, Any]]:
    """The settings that are not equal, with both values; single limits where the rules differ."""
    found: list[tuple[str, Any, Any]] = []
    for name in dict.fromkeys((*before, *now)):
        one, other = before.get(name), now.get(name)
        if one == other or name == "game":  # its values are compared one by one
            continue
        if name == "rules" and isinstance(one, dict) and isinstance(other, dict):
            limits = dict.fromkeys((*one, *other))
            found += [(f"rules.{k}", one.get(k), other.get(k)) for k in limits if one.get(k) != other.get(k)]
        else:
            found.append((name, one, other))
    return found


def clear_temporary(path: Path) -> None:
    """Delete what processes that were killed left in `path`; only for the holder of its lock."""
    for each in path.iterdir():
        if is_temporary(each, _WRITTEN_WHOLE):
            each.unlink(missing_ok=True)


def foreign(path: Path) -> Iterator[Path]:
    """What is in `path` and no trace of a run that was killed before its settings were written."""
    if not path.is_dir():
        return iter(())
    return (each for each in path.iterdir() if each.name != LOCK and not is_temporary(each, _WRITTEN_WHOLE))


def _compare(path: Path, recorded: Mapping[str, Any], wanted: Mapping[str, Any]) -> None:
    different = [
        f"{name}: {before} → {now}"
        for name, before, now in differences(recorded, wanted)
        if not (name in _MAY_GROW and _grown(before, now))
    ]
    if different:
        raise ConfigError(
            f"{path} holds a run with other settings ({'; '.join(different)}); give another folder, or overwrite"
        )


def _grown(before: Any, now: Any) -> bool:
    """Whether a limit is at least what it was; None is no limit."""
    return now is None or (before is not None and now >= before)
