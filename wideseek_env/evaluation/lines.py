"""Reads the lines of files that grow: records of episodes, and the log of a training run."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from wideseek_env.evaluation.progress import number
from wideseek_env.evaluation.running_summary import Ended, RunningSummary, tokens_of
from wideseek_env.evaluation.tail import Tail
from wideseek_env.evaluation.usage import usage_of

_ROWS = 2000  # number of training steps whose metrics are all kept
_WARNINGS = 5


class TrainingLines:
    """Reads the ``metrics.jsonl`` of a training run: its metrics by step. Values that are not finite become NaN.

    If a step appears again, because the run resumed from a checkpoint, the later line replaces the earlier line.
    """

    def __init__(self, path: Path) -> None:
        self.tail = Tail(path)
        self._generation = 0
        self._forget()

    def _forget(self) -> None:
        self.rows: dict[int, dict[str, float]] = {}
        self.evaluations: dict[int, dict[str, float]] = {}
        self.rewards: dict[int, float] = {}
        self.warnings: list[str] = []
        self._unreadable = 0

    @property
    def damaged(self) -> int:
        """The number of lines that are not records."""
        return self._unreadable + self.tail.damaged

    @property
    def step(self) -> int:
        """The number of the latest step."""
        return max((*self.rows, *self.evaluations, 0))

    def read(self) -> None:
        """Read the new lines."""
        for line in self.tail.lines():
            self._begin_anew()
            self._take(line)
        self._begin_anew()

    def _begin_anew(self) -> None:
        if self.tail.generation != self._generation:
            self._generation = self.tail.generation
            self._forget()

    def _take(self, line: bytes) -> None:
        record = _record(line)
        step = number(record.get("step")) if record is not None else None
        if record is None or step is None:
            self._unreadable += 1
            return
        at = int(step)
        metrics = {str(name): _number(value) for name, value in record.items() if _is_number(value)}
        if any(name.startswith("eval_") or name == "held_out_loss" for name in metrics):
            self.evaluations[at] = metrics
            return
        if "reward" in metrics:
            self.rewards[at] = metrics["reward"]
        self.rows[at] = metrics
        if len(self.rows) > _ROWS:
            del self.rows[next(iter(self.rows))]
        said = record.get("warnings")
        if isinstance(said, list):
            self.warnings = [*self.warnings, *(f"step {at}: {each}" for each in said)][-_WARNINGS:]


class EpisodeLines:
    """Reads records of episodes of any kind: metrics, trajectories or rollouts."""

    def __init__(self, path: Path, seed: int = 0) -> None:
        self.tail = Tail(path)
        self._seed = seed
        self._generation = 0
        self.so_far = RunningSummary(seed)
        self._unreadable = 0

    @property
    def damaged(self) -> int:
        """The number of lines that are not records."""
        return self._unreadable + self.tail.damaged

    def read(self) -> None:
        """Read the new lines."""
        for line in self.tail.lines():
            self._begin_anew()
            record = _record(line)
            ended = _ended(record) if record is not None else None
            if ended is None:
                self._unreadable += 1
            else:
                self.so_far.add(ended)
        self._begin_anew()  # the file was cut and has no line yet

    def _begin_anew(self) -> None:
        if self.tail.generation != self._generation:
            self._generation = self.tail.generation
            self.so_far = RunningSummary(self._seed)
            self._unreadable = 0


def _ended(record: Mapping[str, Any]) -> Ended | None:
    """The episode of a line of metrics, a trajectory or a rollout. None for anything else."""
    try:
        if "conversations" in record:
            meta, score = record["meta"], record["score"]
            task, trial, failed = record["task"]["id"], meta.get("trial", 0), meta.get("failed", False)
            f1, usage, calls = score["f1_by_item"], meta.get("usage"), record["outcome"]["tool_calls"]
        elif "agents" in record:
            task, trial, failed = record["task_id"], record["trial"], record.get("error")
            f1, calls = record["score"]["item_f1"], None
            usage = {"completion_tokens": _generated(record["agents"])}
        else:
            task, trial, failed = record["task_id"], record["trial"], record["failed"]
            f1, usage, calls = record["f1_by_item"], record.get("usage"), record["tool_calls"]
        if not isinstance(task, str) or not isinstance(trial, int):
            return None
        return Ended(
            task_id=task,
            trial=trial,
            item_f1=_number(f1),
            reward=_number(record["reward"]),
            failed=bool(failed),
            tokens=tokens_of(usage_of(usage)),
            calls=_number(sum(calls.values())) if calls is not None else None,
        )
    except (KeyError, TypeError, AttributeError, ValueError):
        return None


def _generated(agents: Any) -> float:
    turns = [turn for agent in agents for sequence in agent["sequences"] for turn in sequence["turns"]]
    return _number(sum(turn["stop"] - turn["start"] for turn in turns))


def _record(line: bytes) -> Mapping[str, Any] | None:
    try:
        record = json.loads(line)
    except (ValueError, RecursionError):
        return None
    return record if isinstance(record, dict) else None


def _is_number(value: Any) -> bool:
    """Whether `value` is a number, or the text that a log has for a number that is not finite."""
    return (isinstance(value, int | float) and not isinstance(value, bool)) or value in (
        "nan", "inf", "-inf",
    )  # fmt: skip


def _number(value: Any) -> float:
    try:
        found = float(value)
    except OverflowError:
        return math.nan
    return found if math.isfinite(found) else math.nan
