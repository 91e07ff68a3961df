"""`RunLog` writes the metrics of a run, one JSON line per step. A resumed run continues the file without repeated
steps."""

from __future__ import annotations

import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from wideseek_baselines.train import distributed
from wideseek_env.files import JsonlWriter, json_line, json_values, whole_lines, writing


class RunLog:
    """Appends records to a JSONL file. Every record has a `step`. Only the first process writes.

    Args:
        path: The file.
        step: The step of the checkpoint from which the run resumes. Records of later steps are removed, because the run
            does these steps again.
    """

    def __init__(self, path: Path, step: int = 0) -> None:
        self.path = path
        self._file: JsonlWriter | None = None
        if not distributed.is_main():
            return
        kept = [json_line(record) for record in read_log(path) if record["step"] <= step]
        path.parent.mkdir(parents=True, exist_ok=True)
        with writing(path) as file:
            file.writelines(kept)
        self._file = JsonlWriter(path)

    def write(self, step: int, values: Mapping[str, Any]) -> None:
        """Append the metrics of a step. Numbers that are not finite are written as text, because JSON cannot express
        them.
        """
        if self._file is None:
            return
        self._file.write({name: _plain(value) for name, value in {"step": step, **values}.items()})

    def close(self) -> None:
        """Close the file."""
        if self._file is not None:
            self._file.close()

    def __enter__(self) -> RunLog:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def read_log(path: Path | str) -> list[dict[str, Any]]:
    """The records of a run's log."""
    file = Path(path)
    return [record for _, record in json_values(file, whole_lines(file))] if file.exists() else []


def _plain(value: Any) -> Any:
    return str(value) if isinstance(value, float) and not math.isfinite(value) else value
