"""`RecordedRun`: the results of a run, read from its folder without writing or locking."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from wideseek_env.errors import ConfigError
from wideseek_env.evaluation.folder import SETTINGS, read_settings
from wideseek_env.evaluation.metrics import SCORES, TRAJECTORIES, read_entries
from wideseek_env.evaluation.record import EpisodeRecord
from wideseek_env.evaluation.scored import read_scored
from wideseek_env.evaluation.summary import SummaryAccumulator
from wideseek_env.trajectory import iter_trajectories


@dataclass(frozen=True, slots=True)
class RecordedRun:
    """The episodes of a run as metrics. `settings` is empty if the run was read from a file of trajectories."""

    name: str
    settings: Mapping[str, Any]
    accumulator: SummaryAccumulator

    @property
    def records(self) -> list[EpisodeRecord]:
        """The episodes, sorted by task and trial."""
        return self.accumulator.records

    @property
    def played(self) -> bool:
        """Whether WideSeek ran the episodes. If it did not, `wideseek score` scored the answers of another program."""
        return self.settings.get("kind") != "responses"


def read_run(path: Path | str) -> RecordedRun:
    """Read the run at `path`: a folder of `wideseek eval` or `wideseek score`, or a file of trajectories (JSONL, .gz).

    Nothing is written and no lock is taken, so the run may still be running.

    Raises:
        ConfigError: There is no run at `path`.
        TrajectoryError: The run cannot be read.
    """
    path = Path(path)
    accumulator = SummaryAccumulator()
    settings: Mapping[str, Any] = {}
    if path.is_dir() and (path / SETTINGS).is_file():
        settings = read_settings(path)
        if settings.get("kind") == "responses":
            for record in read_scored(path):
                accumulator.add(record)
        else:
            for entry in read_entries(path):
                accumulator.add(entry.record)
    elif path.is_file():
        played: Counter[str] = Counter()
        for trajectory in iter_trajectories(path):
            record = EpisodeRecord.of(trajectory)
            if (
                "trial" not in trajectory.meta
            ):  # such as episodes of visiting agents, who may play a task again
                record = replace(record, trial=played[record.task_id])
                played[record.task_id] += 1
            accumulator.add(record)
    else:
        what = f"{path} contains no run" if path.exists() else f"{path} does not exist"
        raise ConfigError(
            f"{what}; give a folder of `wideseek eval` or `wideseek score` (with {SETTINGS} and {TRAJECTORIES} "
            f"or {SCORES}), or a file of trajectories"
        )
    return RecordedRun(str(path), settings, accumulator)
