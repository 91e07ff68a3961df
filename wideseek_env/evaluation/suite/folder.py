"""`SuiteFolder`: the folder of a suite's run. ``suite.json`` has the settings, and each kind has a sweep's folder."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Any

from wideseek_env.audience import option
from wideseek_env.errors import ConfigError, SuiteError, TrajectoryError
from wideseek_env.evaluation.folder import SETTINGS as RUN_SETTINGS
from wideseek_env.evaluation.folder import versions
from wideseek_env.evaluation.lock import FileLock
from wideseek_env.evaluation.suite.digests import Digests, changed
from wideseek_env.evaluation.sweep import is_sweep
from wideseek_env.files import is_temporary, write_json
from wideseek_env.reprs import short

FORMAT = 1
SETTINGS, LOCK = "suite.json", "suite.lock"
_COMPARED = ("suite", "size", "policy", "policy_options", "seed")


class SuiteFolder:
    """The folder of one run of a suite, locked against other processes. Open it with `SuiteFolder.open`."""

    def __init__(self, path: Path, lock: FileLock) -> None:
        self.path = path
        self._lock = lock

    @classmethod
    def open(
        cls,
        path: Path,
        settings: Mapping[str, Any],
        digests: Mapping[str, Digests],
        *,
        overwrite: bool = False,
        command: str = "",
    ) -> SuiteFolder:
        """Start a run in the folder `path`, or resume the run that it contains.

        Args:
            path: The folder. It is created if it does not exist.
            settings: Suite, size, policy and so on.
            digests: The digests of the kinds that are run.
            overwrite: Start over, also if the folder has a suite's run with other settings.
            command: The command line, for the record.

        Raises:
            SuiteError: The folder contains a run of another suite, size or policy, or something else.
            ConfigError: The path is a file, or another process writes the folder.
        """
        settings = json.loads(json.dumps(settings))
        check_folder(path, settings, overwrite=overwrite)
        if not overwrite:
            check_kinds(path, digests)
        try:
            path.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise TrajectoryError(
                f"{path} cannot be the folder of a suite ({error}); give another folder"
            ) from error
        lock = FileLock(path / LOCK)
        try:
            about = {"format": FORMAT, **settings, "kinds": dict(digests), "versions": versions()}
            write_json(path / SETTINGS, {**about, "command": command})
        except BaseException:
            lock.close()
            raise
        return cls(path, lock)

    def close(self) -> None:
        """Release the lock. Further calls do nothing."""
        self._lock.close()

    def __enter__(self) -> SuiteFolder:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def check_folder(path: Path, settings: Mapping[str, Any], *, overwrite: bool = False) -> None:
    """Check that `path` can be the folder of a run with these settings. Nothing is written.

    Raises:
        SuiteError, ConfigError: It cannot. The message says what it contains.
    """
    if path.exists() and not path.is_dir():
        raise ConfigError(f"{path} is a file; give a folder for the suite")
    if not (path / SETTINGS).is_file():
        if found := _contents(path):
            raise SuiteError(f"{path} contains {found}; give another folder for the suite")
        return
    if overwrite:
        return
    recorded = _recorded(path)
    different = [
        f"{name}: {short(recorded.get(name))} → {short(settings.get(name))}"
        for name in _COMPARED
        if recorded.get(name) != settings.get(name)
    ]
    if different:
        raise SuiteError(
            f"{path} contains a suite's run with other settings ({'; '.join(different)}); give another folder, or "
            + option("overwrite=True", "--overwrite")
        )


def check_kinds(path: Path, digests: Mapping[str, Digests]) -> None:
    """Check that the kinds that `path` has results of are run now, with the same digests. Nothing is written.

    Raises:
        SuiteError: A kind is absent now, or its tasks, pages or prompts differ.
    """
    for kind, each in _recorded(path).get("kinds", {}).items():
        if kind not in digests:
            raise SuiteError(
                f"{path} has results of the kind {kind}, whose data is absent now; name the data with "
                f"{option('data=', '--data')}, or give another folder"
            )
        if parts := changed(each, digests[kind]):
            raise SuiteError(
                f"{path} has results of the kind {kind} with other {' and '.join(parts)}; give another folder, or "
                + option("overwrite=True", "--overwrite")
            )


def _recorded(path: Path) -> dict[str, Any]:
    file = path / SETTINGS
    if not file.is_file():
        return {}
    try:
        data = json.loads(file.read_text(encoding="utf-8"))
        written = data["format"]
        if not isinstance(written, int) or not isinstance(data["kinds"], dict):
            raise TypeError("it is not the file of a suite")
    except (OSError, ValueError, KeyError, TypeError, RecursionError) as error:
        raise SuiteError(
            f"{file} cannot be read ({type(error).__name__}: {error}); give another folder, or "
            + option("overwrite=True", "--overwrite")
        ) from error
    if written > FORMAT:
        raise SuiteError(
            f"{file} has format {written}, and this version reads format {FORMAT}: install a newer wideseek-env"
        )
    return dict(data)


def _contents(path: Path) -> str:
    """What a folder without a suite contains, in words. "" if it is empty or does not exist."""
    if not path.is_dir():
        return ""
    if (path / RUN_SETTINGS).is_file():
        return "a run of `wideseek eval` or `wideseek score`"
    if is_sweep(path):
        return "a sweep of `wideseek bench width` or `depth`"
    ours = (each for each in path.iterdir() if each.name != LOCK and not is_temporary(each, (SETTINGS,)))
    return "other files" if any(ours) else ""
