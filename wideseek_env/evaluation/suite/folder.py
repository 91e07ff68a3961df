"""`SuiteFolder`: the folder of a suite's run. ``suite.json`` has the settings, and each kind has a sweep's folder."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Any

from wideseek_env.audience import option
from wideseek_env.errors import ChangedRunError, ConfigError, SuiteError, TrajectoryError
from wideseek_env.evaluation.lock import FileLock
from wideseek_env.evaluation.suite.digests import Digests, changed
from wideseek_env.files import is_temporary, write_json
from wideseek_env.provenance.comparing import check_same, check_versions
from wideseek_env.provenance.kinds import NAMES, kind_of
from wideseek_env.provenance.secrets import hidden, hidden_text
from wideseek_env.provenance.versions import versions
from wideseek_env.reprs import short

FORMAT = 1
SETTINGS, LOCK = "suite.json", "suite.lock"
_COMPARED = ("suite", "size", "policy", "policy_options", "speed_options", "seed", "inputs")


class SuiteFolder:
    """The folder of one run of a suite, locked against other processes. Open it with `SuiteFolder.open`."""

    def __init__(self, path: Path, lock: FileLock, record: dict[str, Any], earlier: dict[str, Any]) -> None:
        self.path = path
        self._lock = lock
        self._record = record
        self._earlier = earlier
        self._written = False
        if not earlier or set(record["kinds"]) - set(earlier.get("kinds", ())):
            self.write()

    def write(self) -> None:
        """Write ``suite.json``, once. A run that is resumed does this when it plays an episode."""
        if not self._written:
            write_json(self.path / SETTINGS, self._record)
            self._written = True

    @property
    def command(self) -> str:
        """The command in ``suite.json``."""
        return str(self._current.get("command") or "")

    @property
    def versions(self) -> dict[str, str]:
        """The versions in ``suite.json``."""
        return dict(self._current.get("versions") or {})

    @property
    def _current(self) -> dict[str, Any]:
        return self._record if self._written else self._earlier

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
            earlier = {} if overwrite else _recorded(path)
            about = {"format": FORMAT, **hidden(settings), "kinds": dict(digests), "versions": versions()}
            if earlier:
                check_versions(path, earlier.get("versions") or {}, about["versions"])
            return cls(path, lock, {**about, "command": hidden_text(command)}, earlier)
        except BaseException:
            lock.close()
            raise

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
    recorded, wanted = _recorded(path), hidden(json.loads(json.dumps(settings)))
    before, now = ({name: each[name] for name in _COMPARED if name in each} for each in (recorded, wanted))
    try:
        check_same(path, before, now, what="a suite's run", show=short)
    except ChangedRunError as error:
        raise SuiteError(str(error)) from error


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
    found = kind_of(path)
    if found is not None:
        return NAMES[found]
    ours = (each for each in path.iterdir() if each.name != LOCK and not is_temporary(each, (SETTINGS,)))
    return "other files" if any(ours) else ""
