"""Reads runs for the viewer. Each episode gives a line of the page's list of episodes, and its packed detail.

While a run grows, `RunReader.refresh` reads its new lines.
"""

from __future__ import annotations

import base64
import json
import math
import zlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from wideseek_env.errors import ConfigError, TrajectoryError
from wideseek_env.evaluation.folder import SETTINGS, read_settings
from wideseek_env.evaluation.metrics import SCORES, TRAJECTORIES
from wideseek_env.evaluation.record import EpisodeRecord
from wideseek_env.files import open_bytes
from wideseek_env.trajectory import UNUSABLE, Trajectory, described
from wideseek_env.viewer.detail import episode_detail
from wideseek_env.viewer.scored import is_scored, scored_detail

_QUESTION = 300
_SETTINGS = (
    "policy",
    "policy_options",
    "tasks",
    "corpus",
    "profile",
    "reward",
    "roster",
    "seed",
    "judge",
    "judging",
    "rules",
    "responses",
    "strict",
    "missing",
)


@dataclass(frozen=True, slots=True)
class Shown:
    """One episode: its line in the list as JSON values, and its detail as base64 of deflated JSON."""

    line: Mapping[str, Any]
    packed: str


class RunReader:
    """The episodes of one run: a folder of `wideseek eval`, or a file of trajectories (JSONL, ``.gz``).

    A folder of `wideseek score` has answers of another program instead of episodes. In a folder, only the last episode
    of each task and trial is shown. In a file, every line is shown.

    Raises:
        ConfigError: There is no run at the path.
        TrajectoryError: The run cannot be read. The message names file and line.
    """

    def __init__(self, path: Path | str) -> None:
        self.path = Path(path)
        self.settings: dict[str, Any] = {}
        self._folder = self.path.is_dir()
        self._file = self.path / TRAJECTORIES if self._folder else self.path
        if self._folder:
            self._check_folder()
        elif not self.path.is_file():
            raise ConfigError(
                f"{self.path} does not exist; give a folder of `wideseek eval` or `wideseek score`, or a file of "
                "trajectories"
            )
        self._episodes: dict[tuple[str, int, int], Shown] = {}
        self._state: tuple[int, int, int] | None = None
        self._end = 0
        self._lines = 0

    @property
    def name(self) -> str:
        """The name of the run: the last part of its path."""
        return self.path.resolve().name

    @property
    def episodes(self) -> list[Shown]:
        """The episodes read so far, in recorded order."""
        return list(self._episodes.values())

    def refresh(self) -> bool:
        """Read the new episodes, and return whether anything changed. A cut or replaced file is read from its start."""
        try:
            stat = self._file.stat()
        except FileNotFoundError:
            if self._folder:  # the run has not finished its first episode
                return False
            raise TrajectoryError(f"{self._file} cannot be read: it was deleted") from None
        state = (stat.st_ino, stat.st_size, stat.st_mtime_ns)
        if state == self._state:
            return False
        packed = self._file.suffix == ".gz"
        if packed or self._state is None or stat.st_ino != self._state[0] or stat.st_size < self._end:
            self._forget()
        before = len(self._episodes), self._end
        for line in self._new_lines():
            self._take(line)
        self._state = state
        return (len(self._episodes), self._end) != before

    def _check_folder(self) -> None:
        if (self.path / SCORES).is_file() and not self._file.is_file():
            self._file = self.path / SCORES
        if (self.path / SETTINGS).is_file():
            self.settings = {k: v for k, v in read_settings(self.path).items() if k in _SETTINGS}
        elif not self._file.is_file():
            inside = sorted(each.parent.name for each in self.path.glob(f"*/{SETTINGS}"))
            hint = f"it has runs inside: {', '.join(inside[:8])}" if inside else f"it has no {TRAJECTORIES}"
            raise ConfigError(
                f"{self.path} contains no run ({hint}); give a folder of `wideseek eval` or a file of trajectories"
            )

    def _forget(self) -> None:
        self._episodes = {}
        self._end = self._lines = 0

    def _new_lines(self) -> Iterator[bytes]:
        """The new whole lines. An incomplete line at the end is read later, when it is complete."""
        try:
            with open_bytes(self._file) as file:
                file.seek(self._end)
                for line in file:
                    if not line.endswith(b"\n"):
                        return
                    yield line
                    # If the line cannot be read, this is not reached. So the next call reads the line again.
                    self._end += len(line)
                    self._lines += 1
        except (OSError, EOFError, zlib.error) as error:
            why = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
            raise TrajectoryError(f"{self._file} cannot be read: {why}") from error

    def _take(self, line: bytes) -> None:
        try:
            data = json.loads(line)
            if is_scored(data):
                record, detail = scored_detail(data)
                about = {**_line(detail["question"], record, detail), "played": False}
            else:
                trajectory = Trajectory.from_dict(data)
                record = EpisodeRecord.of(trajectory)
                detail = episode_detail(trajectory)
                about = _line(trajectory.task.question, record, detail)
            shown = Shown(about, pack(detail))
        except UNUSABLE as error:
            raise TrajectoryError(f"{self._file}:{self._lines + 1}: {described(error)}") from error
        key = (record.task_id, record.trial, 0 if self._folder else self._lines)
        self._episodes[key] = shown


def pack(value: Any) -> str:
    """JSON values as base64 of deflated UTF-8, which browsers can unpack (`DecompressionStream`)."""
    return base64.b64encode(zlib.compress(to_json(value).encode("ascii"), 6)).decode("ascii")


def to_json(value: Any) -> str:
    """JSON in ASCII that is safe inside a ``<script>`` element: it cannot close the element or open another one.

    Numbers that JSON does not have (NaN, infinities) become null.
    """
    try:
        text = json.dumps(value, separators=(",", ":"), allow_nan=False)
    except ValueError:
        text = json.dumps(_finite(value), separators=(",", ":"), allow_nan=False)
    return text.replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026")


def _finite(value: Any) -> Any:
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, Mapping):
        return {str(key): _finite(each) for key, each in value.items()}
    return [_finite(each) for each in value] if isinstance(value, list | tuple) else value


def _line(question: str, record: EpisodeRecord, detail: Mapping[str, Any]) -> dict[str, Any]:
    """The line of an episode in the list: its metrics, and the numbers of right, wrong, missing and extra cells."""
    counts = {"right": 0, "wrong": 0, "missing": 0}
    for row in detail["answer"]["rows"]:
        for cell in row["cells"]:
            counts[cell[0]] += 1
    extra = sum(len(row) for row in detail["answer"]["extra"])
    question = " ".join(question.split())
    return {
        "task": record.task_id,
        "trial": record.trial,
        "digest": record.task_digest,
        "question": question if len(question) <= _QUESTION else f"{question[: _QUESTION - 1]}…",
        "f1": record.f1_by_item,
        "row_f1": record.f1_by_row,
        "success": record.success,
        "reward": record.reward,
        "cells": [counts["right"], counts["wrong"], counts["missing"], extra],
        "ending": record.ending,
        "failed": record.failed,
        "turns": record.turns,
        "critical_path": record.critical_path,
        "subagents": record.subagents,
        "calls": sum(record.tool_calls.values()),
        "errors": record.errors,
        "dropped": record.dropped,
        "seconds": record.seconds if detail["timed"] else None,
        "labels": dict(record.labels),
        "usage": dict(record.usage) if record.usage else None,
        "summary_usage": dict(record.summary_usage) if record.summary_usage else None,
    }
