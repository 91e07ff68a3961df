"""The record of a run, such as ``run.json``: settings, versions and the command line that played the episodes."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from wideseek_env.files import write_json
from wideseek_env.provenance.comparing import check_versions, grown
from wideseek_env.provenance.secrets import hidden, hidden_text
from wideseek_env.provenance.versions import versions

FORMAT = 1


class RunRecord:
    """The record in a file. A run that is resumed replaces it only if it plays something.

    Until then, only settings that grow, such as the number of trials, are changed in it.

    Args:
        path: The file.
        settings: The settings of the run.
        command: The command line.
        earlier: The record that the file has already, if a run is resumed.
        place: The folder of the run, for messages. Default: the folder of `path`.
    """

    def __init__(
        self,
        path: Path,
        settings: Mapping[str, Any],
        command: str = "",
        earlier: Mapping[str, Any] | None = None,
        place: Path | None = None,
    ) -> None:
        self.path = path
        self._record = record_of(settings, command)
        self._earlier = earlier
        self.written = False
        """Whether the file has the settings of this run."""
        if earlier is not None:
            check_versions(place or path.parent, _versions(earlier), self._record["versions"])
            if larger := grown(earlier["settings"], self._record["settings"]):
                self._earlier = {**earlier, "settings": {**earlier["settings"], **larger}}
                write_json(path, self._earlier)

    @property
    def command(self) -> str:
        """The command in the file."""
        current = self._record if self.written or self._earlier is None else self._earlier
        return str(current.get("command") or "")

    @property
    def versions(self) -> dict[str, str]:
        """The versions in the file."""
        return _versions(self._record if self.written or self._earlier is None else self._earlier)

    def write(self) -> None:
        """Write the record, once. The commands and versions of earlier parts of the run are kept in ``earlier``."""
        if self.written:
            return
        record = dict(self._record)
        if self._earlier is not None:
            parts = list(self._earlier.get("earlier") or ())
            last = {name: self._earlier.get(name) for name in ("command", "versions")}
            if last != {name: record[name] for name in last}:
                parts.append(last)
            if parts:
                record["earlier"] = parts
        write_json(self.path, record)
        self.written = True


def record_of(settings: Mapping[str, Any], command: str = "") -> dict[str, Any]:
    """A record as JSON values, without keys."""
    return {
        "format": FORMAT,
        "settings": hidden(json.loads(json.dumps(settings))),
        "versions": versions(),
        "command": hidden_text(command),
    }


def _versions(record: Mapping[str, Any]) -> dict[str, str]:
    found = record.get("versions")
    return {str(name): str(each) for name, each in found.items()} if isinstance(found, Mapping) else {}
