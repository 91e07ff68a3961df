"""The work of `wideseek tasks check`: read the files of tasks and keep all their faults."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from wideseek_env.catalog import file_tasks
from wideseek_env.errors import ConfigError, TaskError
from wideseek_env.render.printable import one_line

_LENGTH = 500


@dataclass(frozen=True, slots=True)
class Checked:
    """The result of a check."""

    name: str
    tasks: int
    """Number of tasks that can be used."""
    faults: list[str]
    """What is wrong, each with file and line."""

    def lines(self, limit: int) -> list[str]:
        """The first `limit` faults and a summary, as text."""
        shown = [one_line(fault, _LENGTH) for fault in self.faults[:limit]]
        if more := len(self.faults) - len(shown):
            shown.append(f"… and {more:,} more; show them with a larger --limit")
        if not self.faults:
            return [f"{self.name}: {_count(self.tasks, 'task')}, no faults"]
        return [
            *shown,
            f"{self.name}: {_count(len(self.faults), 'fault')}, {_count(self.tasks, 'task')} without faults",
        ]

    def to_dict(self, limit: int) -> dict[str, Any]:
        """The result as JSON values, with the first `limit` faults."""
        return {
            "name": self.name, "tasks": self.tasks, "faults": len(self.faults), "messages": self.faults[:limit]
        }  # fmt: skip


def check_tasks(name: str) -> Checked:
    """Read the files of tasks that `name` names with their usual reader.

    Raises:
        ConfigError: `name` is not the name of files.
        TaskError: A file does not exist.
    """
    faults: list[str] = []
    try:
        found = file_tasks(name, on_error=faults.append)
    except TaskError as error:
        if not faults:
            raise
        return Checked(name, 0, [*faults, str(error)])  # such as a compressed file that is cut off
    if found is None:
        raise ConfigError(
            f"{name!r} is no file of tasks: give a .jsonl or .jsonl.gz file, or a benchmark such as widesearch:FOLDER"
        )
    if not len(found) and not faults:
        faults.append(f"{name}: the file has no tasks")
    return Checked(name, len(found), faults)


def _count(number: int, what: str) -> str:
    return f"{number:,} {what}" if number == 1 else f"{number:,} {what}s"
