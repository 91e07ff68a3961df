"""`RunFolder`: a run on disk that can be resumed.

* ``run.json`` has the settings and versions.
* ``trajectories.jsonl`` gets one line for each episode when it ends. If a task and trial has several lines, the last
  one counts.
* ``episodes.jsonl`` has the metrics of the same episodes.
* ``summary.json`` has the metrics of the whole run.
* ``progress.json`` has the current state and the running episodes.
* ``tokens.json`` has the tokens of services that all sessions of the run have used, if there are such services.
* ``run.lock`` prevents a second process from writing the run.
"""

from __future__ import annotations

import json
import platform
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from types import TracebackType
from typing import Any

from wideseek_env.errors import ConfigError, TrajectoryError
from wideseek_env.evaluation.checks import whole_number
from wideseek_env.evaluation.lock import FileLock
from wideseek_env.evaluation.metrics import EPISODES, SCORES, TRAJECTORIES, MetricsWriter
from wideseek_env.evaluation.progress import PROGRESS
from wideseek_env.evaluation.record import EpisodeRecord
from wideseek_env.evaluation.summary import Summary, SummaryAccumulator
from wideseek_env.files import is_temporary, write_json
from wideseek_env.game import Game
from wideseek_env.llm.budget import TOKENS
from wideseek_env.renamed import RENAMED_GAME_KEYS, renamed
from wideseek_env.reprs import short
from wideseek_env.trajectory import Trajectory, TrajectoryWriter
from wideseek_env.version import __version__

FORMAT = 1
SETTINGS, SUMMARY, LOCK = "run.json", "summary.json", "run.lock"
OLD_METRICS = "figures.jsonl"

_MAY_GROW = ("limit", "trials")
"""Settings that may grow when a run is resumed. The recorded episodes are also part of the larger run."""

_NEW = ("tools", "counter", "executor", "game")
"""Settings that earlier versions did not write. A run without "game" is of such a version."""

_NEW_LIMITS = ("page_chars",)
"""Limits that earlier versions did not have, and that have no effect on their runs."""

_DERIVED = ("game", "judging")
"""Settings that follow from others, so that they are not compared themselves."""

_PARTS = ("corpus", "reward", "credit", "profile", "judge", "counter", "tools", "executor", "summariser")
"""Parts of the nested record "game". They are recorded as a name, or as ``name@digest`` for a live object."""

_WRITTEN_WHOLE = (SETTINGS, SUMMARY, PROGRESS, SCORES, TOKENS)
"""Files that are written through a temporary file. A killed process may leave the temporary file behind."""


def run_settings(
    game: Game,
    policy: str,
    *,
    policy_options: Mapping[str, Any] | None = None,
    seed: int = 0,
    trials: int = 1,
    limit: int | None = None,
) -> dict[str, Any]:
    """The settings that decide the results of a run, as JSON values. Runs with equal settings run the same episodes.

    Raises:
        ConfigError: An option of the policy is no JSON value, or `seed` or `trials` is wrong.
    """
    options = dict(policy_options or {})
    for name, value in options.items():
        try:
            json.dumps([name, value], ensure_ascii=False).encode()
        except (TypeError, ValueError, RecursionError) as error:
            raise ConfigError(
                f"the policy's option {short(name)} is {short(value)}, which a run cannot record: give JSON values, "
                "or pass a Policy that has its options already"
            ) from error
    return {
        "policy": policy,
        "policy_options": options,
        **game.record(),
        **({"limit": limit} if limit is not None else {}),
        "seed": whole_number("seed", seed, 0),
        "trials": whole_number("trials", trials, 1),
    }


class RunFolder:
    """A folder that records one run, locked against other processes. Open it with `RunFolder.open`."""

    def __init__(self, path: Path, lock: FileLock) -> None:
        self.path = path
        self._lock = lock
        self._writer = TrajectoryWriter(path / TRAJECTORIES)
        self._metrics = MetricsWriter(path)

    @classmethod
    def open(
        cls, path: Path | str, settings: Mapping[str, Any], *, overwrite: bool = False, command: str = ""
    ) -> RunFolder:
        """Start a run in the folder `path`, or resume the run that it contains.

        Args:
            path: The folder. It is created if it does not exist.
            settings: The settings of the run, as `run_settings` returns them.
            overwrite: Delete the files of a run in the folder and start over.
            command: The command line, which is stored with the run.

        Raises:
            ConfigError: The path is not valid, the folder contains something else, another process is writing it, or it
                contains a run with other settings and `overwrite` is False. A folder that is refused stays as it was.
            TrajectoryError: The folder cannot be made. Or its settings cannot be read, and `overwrite` is False.
        """
        path = _folder(path)
        settings = json.loads(json.dumps(settings))  # as they are when they are read again
        try:
            lock = _locked(path)
        except ConfigError:
            raise
        except (
            OSError,
            ValueError,
        ) as error:  # a file in the way, a name that is too long, a folder of others
            told = f"{short(str(path))} cannot be the folder of a run ({error}); give another folder"
            raise (TrajectoryError if isinstance(error, OSError) else ConfigError)(told) from error
        try:
            if (path / SETTINGS).is_file():
                if not overwrite:
                    _compare(path, read_settings(path), settings)
                    # The metrics are written again from the trajectories, under their new name.
                    (path / OLD_METRICS).unlink(missing_ok=True)
                else:
                    # The settings last: a process that is killed here leaves a folder that can be overwritten.
                    for old in (PROGRESS, TOKENS, SUMMARY, EPISODES, OLD_METRICS, TRAJECTORIES, SETTINGS):
                        (path / old).unlink(missing_ok=True)
            clear_temporary(path)
            about = {"format": FORMAT, "settings": settings, "versions": versions(), "command": command}
            write_json(path / SETTINGS, about)
            return cls(path, lock)
        except BaseException:
            lock.close()
            raise

    def load(self, accumulator: SummaryAccumulator) -> None:
        """Add the recorded episodes to an accumulator."""
        for record in self._metrics.catch_up():
            accumulator.add(record)

    def write(self, trajectory: Trajectory, record: EpisodeRecord | None = None) -> None:
        """Record one episode. The record is on disk when this method returns.

        `record` has the metrics of `trajectory`, if the caller has computed them already.
        """
        self._writer.write(trajectory)
        self._metrics.append(record if record is not None else EpisodeRecord.of(trajectory))

    def write_summary(self, summary: Summary, by: Mapping[str, Mapping[str, Summary]] | None = None) -> None:
        """Write ``summary.json``. `by` has the summaries of groups of tasks, stored under the key ``by``."""
        write_json(self.path / SUMMARY, summary_dict(summary, by or {}))

    def close(self) -> None:
        """Close the files and release the lock. Further calls do nothing."""
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
    """The content of ``summary.json``: a summary, and the summaries of groups of tasks."""
    parts = {key: {name: part.to_dict() for name, part in groups.items()} for key, groups in by.items()}
    return {**summary.to_dict(), "by": parts}


def versions() -> dict[str, str]:
    """The versions of this package, Python and other software, as a run stores them."""
    return {"wideseek-env": __version__, "python": platform.python_version(), "system": platform.system()}


def read_settings(folder: Path) -> dict[str, Any]:
    """The settings of the run in `folder`, under their current names.

    Raises:
        TrajectoryError: ``run.json`` cannot be read, or a newer version wrote it.
    """
    path = folder / SETTINGS
    try:
        record = json.loads(path.read_text(encoding="utf-8"))
        written, settings = record.get("format", FORMAT), record["settings"]
        if not isinstance(settings, dict):
            raise TypeError("settings are no object")
        if not isinstance(written, int):
            raise TypeError(f"the format is {short(written)}")
        seed = settings.get("seed")
        if seed is not None and (not isinstance(seed, int) or seed < 0):
            raise TypeError(f"the seed is {short(seed)}, not a whole number of at least 0")
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise TrajectoryError(
            f"{path} cannot be read ({type(error).__name__}: {error}); start the run over with --overwrite "
            "(overwrite=True)"
        ) from error
    if written > FORMAT:
        raise TrajectoryError(
            f"{path} has format {written}, and this version reads format {FORMAT}: install a newer wideseek-env"
        )
    settings = renamed(settings, RENAMED_GAME_KEYS)
    if isinstance(settings.get("game"), dict):
        settings["game"] = renamed(settings["game"], RENAMED_GAME_KEYS)
    return settings


def differences(before: Mapping[str, Any], now: Mapping[str, Any]) -> list[tuple[str, Any, Any]]:
    """The settings that differ, with both values. If the rules differ, each limit that differs is listed.

    Parts of the game are listed as ``game.reward`` and so on if only their digests or options differ.
    """
    found: list[tuple[str, Any, Any]] = []
    for name in dict.fromkeys((*before, *now)):
        one, other = before.get(name), now.get(name)
        if one == other or name in _DERIVED:
            continue
        if name == "rules" and isinstance(one, dict) and isinstance(other, dict):
            limits = dict.fromkeys((*one, *other))
            found += [
                (f"rules.{k}", one.get(k), other.get(k))
                for k in limits
                if one.get(k) != other.get(k) and (k in one or k not in _NEW_LIMITS)
            ]
        else:
            found.append((name, one, other))
    listed = {name for name, _, _ in found}
    return found + [each for each in _other_parts(before, now) if each[0].removeprefix("game.") not in listed]


def _other_parts(before: Mapping[str, Any], now: Mapping[str, Any]) -> list[tuple[str, Any, Any]]:
    one, other = before.get("game"), now.get("game")
    if not isinstance(one, Mapping) or not isinstance(other, Mapping):
        return []
    return [
        (f"game.{name}", one[name], other[name])
        for name in _PARTS
        if name in one
        and name in other
        and one[name] != other[name]
        # The folder of a corpus may be moved: the corpus has a name of its own, which is compared.
        and not (name == "corpus" and _is_folder(one[name]) and _is_folder(other[name]))
    ]


def _is_folder(corpus: Any) -> bool:
    return isinstance(corpus, str) and re.search("[:@]", corpus) is None


def clear_temporary(path: Path) -> None:
    """Delete temporary files that killed processes left in `path`.

    Only the process that holds the lock of `path` may call this.
    """
    for each in path.iterdir():
        if is_temporary(each, _WRITTEN_WHOLE):
            each.unlink(missing_ok=True)


def foreign(path: Path) -> Iterator[Path]:
    """The files in `path` except the lock and temporary files. A run that is killed early leaves those."""
    if not path.is_dir():
        return iter(())
    return (each for each in path.iterdir() if each.name != LOCK and not is_temporary(each, _WRITTEN_WHOLE))


def _compare(path: Path, recorded: Mapping[str, Any], wanted: Mapping[str, Any]) -> None:
    different = [
        f"{name}: {before} → {now}"
        for name, before, now in differences(recorded, wanted)
        if not (name in _MAY_GROW and _grown(before, now))
        and not (name in _NEW and name not in recorded and "game" not in recorded)
    ]
    if different:
        raise ConfigError(
            f"{path} contains a run with other settings ({'; '.join(different)}); give another folder, "
            "or --overwrite (overwrite=True in Python)"
        )


def _folder(path: Path | str) -> Path:
    try:
        return Path(path)
    except TypeError as error:
        raise ConfigError(f"the folder of a run must be a path, not {short(path)}") from error


def _locked(path: Path) -> FileLock:
    """The lock of a folder that may hold a run. The folder is made if it does not exist."""
    if path.exists() and not path.is_dir():
        raise ConfigError(f"{path} is a file; give a folder for the run")
    if not (path / SETTINGS).is_file() and any(foreign(path)):
        raise ConfigError(f"{path} is not empty and contains no run; give another folder")
    if (path / SCORES).exists():
        raise ConfigError(f"{path} contains scores of `wideseek score`; give another folder")
    path.mkdir(parents=True, exist_ok=True)
    return FileLock(path / LOCK)


def _grown(before: Any, now: Any) -> bool:
    """Whether the new value of the setting is at least as large as the old value. None means no limit."""
    return now is None or (before is not None and now >= before)
