"""`RunFolder`: a run on disk that can be resumed.

* ``run.json`` has the settings, the digests of all inputs, the versions and the command
  (`wideseek_env.provenance`).
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
from collections.abc import Iterator, Mapping
from pathlib import Path
from types import TracebackType
from typing import Any

from wideseek_env.audience import option
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
from wideseek_env.policy import speed_options
from wideseek_env.provenance.comparing import check_same
from wideseek_env.provenance.inputs import inputs_of
from wideseek_env.provenance.kinds import check_kind
from wideseek_env.provenance.record import FORMAT, RunRecord
from wideseek_env.provenance.secrets import hidden
from wideseek_env.renamed import RENAMED_GAME_KEYS, renamed
from wideseek_env.reprs import short
from wideseek_env.trajectory import Trajectory, TrajectoryWriter

SETTINGS, SUMMARY, LOCK = "run.json", "summary.json", "run.lock"
OLD_METRICS = "figures.jsonl"

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
    made_by: object = None,
    verify: bool = False,
) -> dict[str, Any]:
    """The settings and inputs that decide the results of a run, as JSON values without keys.

    Runs with equal settings run the same episodes. The key ``inputs`` has digests of code, weights, pages and prompts
    (`wideseek_env.provenance.inputs`), and ``speed_options`` names the options of the policy that only set speed.

    Args:
        game: The opened game.
        policy: The name of the policy, or a label.
        policy_options: The options of the policy.
        seed: The base seed.
        trials: Episodes per task.
        limit: The number of tasks, if it is not that of the game.
        made_by: The policy, or the function that makes it. Its code is recorded if `policy` is only a label.
        verify: Hash large files again, also if their size and time have not changed since they were hashed.

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
    corpus = getattr(game.executor, "corpus", None)
    settings = {
        "policy": policy,
        "policy_options": options,
        "speed_options": speed_options(policy),
        **game.record(),
        **({"limit": limit} if limit is not None else {}),
        "seed": whole_number("seed", seed, 0),
        "trials": whole_number("trials", trials, 1),
        "inputs": inputs_of(
            game.config, game.profile, policy, options, made_by=made_by, corpus=corpus, verify=verify
        ),
    }
    return dict(hidden(settings))


class RunFolder:
    """A folder that records one run, locked against other processes. Open it with `RunFolder.open`."""

    def __init__(self, path: Path, lock: FileLock, record: RunRecord) -> None:
        self.path = path
        self.record = record
        """What ``run.json`` has. A resumed run changes it only if it plays an episode."""
        self.played = 0
        """The number of episodes that were recorded since the folder was opened."""
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
            ConfigError: The path is not valid, the folder contains something else, or another process is writing it.
            ChangedRunError: The folder contains a run with other settings or inputs, and `overwrite` is False. A folder
                that is refused stays as it was.
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
            earlier = None
            if (path / SETTINGS).is_file():
                if not overwrite:
                    earlier = read_record(path)
                    check_same(path, earlier["settings"], settings)
                    # The metrics are written again from the trajectories, under their new name.
                    (path / OLD_METRICS).unlink(missing_ok=True)
                else:
                    # The settings last: a process that is killed here leaves a folder that can be overwritten.
                    for old in (PROGRESS, TOKENS, SUMMARY, EPISODES, OLD_METRICS, TRAJECTORIES, SETTINGS):
                        (path / old).unlink(missing_ok=True)
            clear_temporary(path)
            record = RunRecord(path / SETTINGS, settings, command, earlier)
            if earlier is None:
                record.write()
            return cls(path, lock, record)
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
        self.record.write()
        self._writer.write(trajectory)
        self.played += 1
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


def summary_dict(
    summary: Summary, by: Mapping[str, Mapping[str, Summary]], *, strict: bool = False
) -> dict[str, Any]:
    """The content of ``summary.json``: a summary, how the answers were scored, and the summaries of groups of tasks."""
    parts = {key: {name: part.to_dict() for name, part in groups.items()} for key, groups in by.items()}
    return {**summary.to_dict(), "scoring": scoring_name(strict), "by": parts}


def scoring_name(strict: object) -> str:
    """The name of the scoring in tables and reports: ``strict`` or ``lenient``."""
    return "strict" if strict else "lenient"


def check_run(path: Path, settings: Mapping[str, Any]) -> None:
    """Check that a run with these settings may resume the run in `path`, if there is one. Nothing is written.

    Raises:
        ConfigError, TrajectoryError: It may not, as for `RunFolder.open`.
    """
    check_kind(path, "eval")
    if (path / SETTINGS).is_file():
        check_same(path, read_settings(path), json.loads(json.dumps(settings)))


def read_settings(folder: Path) -> dict[str, Any]:
    """The settings of the run in `folder`, under their current names.

    Raises:
        TrajectoryError: ``run.json`` cannot be read, or a newer version wrote it.
    """
    return dict(read_record(folder)["settings"])


def read_record(folder: Path) -> dict[str, Any]:
    """The record of the run in `folder`: ``settings`` under their current names, ``versions`` and ``command``.

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
            f"{path} cannot be read ({type(error).__name__}: {error}); start the run over with "
            + option("overwrite=True", "--overwrite")
        ) from error
    if written > FORMAT:
        raise TrajectoryError(
            f"{path} has format {written}, and this version reads format {FORMAT}: install a newer wideseek-env"
        )
    settings = renamed(settings, RENAMED_GAME_KEYS)
    if isinstance(settings.get("game"), dict):
        settings["game"] = renamed(settings["game"], RENAMED_GAME_KEYS)
    return {**record, "settings": settings}


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


def _folder(path: Path | str) -> Path:
    try:
        return Path(path)
    except TypeError as error:
        raise ConfigError(f"the folder of a run must be a path, not {short(path)}") from error


def _locked(path: Path) -> FileLock:
    """The lock of a folder that may hold a run. The folder is made if it does not exist."""
    if path.exists() and not path.is_dir():
        raise ConfigError(f"{path} is a file; give a folder for the run")
    check_kind(path, "eval")
    if not (path / SETTINGS).is_file() and any(foreign(path)):
        raise ConfigError(f"{path} is not empty and contains no run; give another folder")
    path.mkdir(parents=True, exist_ok=True)
    return FileLock(path / LOCK)
