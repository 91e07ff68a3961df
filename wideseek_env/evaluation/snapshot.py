"""Snapshots: the state of a run at one moment, for `wideseek watch`. Each kind of run has its own class."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, TypeAlias

from wideseek_env.evaluation.progress import Progress, Seen, number
from wideseek_env.evaluation.running_summary import Mean, RunningSummary
from wideseek_env.json_text import json_text


@dataclass(frozen=True, slots=True)
class InFlight:
    """One running episode. `turns` counts the turns of all its agents. None if the number is not known."""

    task: str
    trial: int
    seconds: float
    turns: int | None


@dataclass(frozen=True, slots=True)
class Episodes:
    """A run of episodes: `wideseek eval`, one width of a bench, or `wideseek rollout`.

    Rates are those of the current process, or of the last process if the run has stopped. `unread` is the number of
    bytes of records that have not been read yet. `damaged` is the number of records that cannot be read.
    """

    kind: str
    name: str
    state: Seen
    title: str = ""
    done: int = 0
    total: int | None = None
    failed: int = 0
    under_way: int = 0
    slowest: InFlight | None = None
    item_f1: Mean | None = None
    reward: Mean | None = None
    seconds: float | None = None
    """Seconds since this process began to run episodes."""
    seconds_left: float | None = None
    episodes_per_second: float | None = None
    tokens_per_second: float | None = None
    calls_per_second: float | None = None
    unread: int = 0
    damaged: int = 0


@dataclass(frozen=True, slots=True)
class Training:
    """A run of `wideseek train`. Values that are not finite are NaN.

    `rows` are the metrics of the latest steps, and `evaluations` those of the latest evaluations. `reward` has the
    reward of every step.
    """

    kind: str
    name: str
    state: Seen
    step: int = 0
    total: int | None = None
    rows: tuple[Mapping[str, float], ...] = ()
    evaluations: tuple[Mapping[str, float], ...] = ()
    reward: tuple[float, ...] = field(default=(), repr=False)
    warnings: tuple[str, ...] = ()
    seconds_left: float | None = None
    unread: int = 0
    damaged: int = 0


@dataclass(frozen=True, slots=True)
class Bench:
    """Several runs in one folder."""

    kind: str
    name: str
    state: Seen
    parts: tuple[Episodes, ...] = ()
    total: int | None = None
    """The final number of runs. None if it is not known."""

    @property
    def unread(self) -> int:
        """The number of bytes of records that have not been read yet."""
        return sum(part.unread for part in self.parts)


Snapshot: TypeAlias = Episodes | Training | Bench


def to_json(snapshot: Snapshot) -> str:
    """One line of JSON. It is ASCII, so that it cannot control a terminal. NaN becomes null."""
    return json_text(snapshot)


def episodes_of(
    kind: str,
    name: str,
    progress: Progress | None,
    now: float,
    *,
    so_far: RunningSummary | None = None,
    title: str | None = None,
    unread: int = 0,
    damaged: int = 0,
) -> Episodes:
    """The snapshot of a run of episodes, from its progress file and its records.

    Args:
        kind: The kind of run, if the progress file does not name it.
        name: The path of the run.
        progress: The content of its progress file. None if there is no file.
        now: The time in seconds since 1970.
        so_far: The running means of its records. None if only the progress file can be read.
        title: Policy and tasks of the run. None takes the title of the progress file.
        unread: Number of bytes of records that have not been read yet.
        damaged: Number of records that cannot be read.
    """
    values: Mapping[str, Any] = progress.values if progress is not None else {}
    seen: Seen = progress.seen(now) if progress is not None else "unknown"
    running = seen == "running"
    session = values.get("session")
    session = session if isinstance(session, dict) else {}
    seconds = number(session.get("seconds"))
    if seconds is not None and progress is not None and running:
        seconds += max(0.0, now - progress.updated)
    episodes, total = number(session.get("episodes")), number(values.get("total"))
    if so_far is not None and so_far.episodes:
        done, failed = so_far.episodes, so_far.failed
    else:
        done, failed = (int(number(values.get(name)) or 0) for name in ("done", "failed"))
    left = 0.0 if seen == "finished" else None
    if running and episodes and seconds and total is not None:
        left = max(0.0, total - done) * seconds / episodes
    means = so_far.means(exact=not running and not unread) if so_far is not None else None
    said = {name: values.get(name) for name in ("title", "kind")}
    return Episodes(
        kind=said["kind"] if isinstance(said["kind"], str) else kind,
        name=name,
        state=seen,
        title=title or (said["title"] if isinstance(said["title"], str) else ""),
        done=done,
        total=int(total) if total else None,
        failed=failed,
        under_way=int(number(values.get("under_way")) or 0) if running else 0,
        slowest=_slowest(values.get("slowest"), now) if running else None,
        item_f1=means[0] if means is not None else _mean(values.get("item_f1")),
        reward=means[1] if means is not None else _mean(values.get("reward")),
        seconds=seconds,
        seconds_left=left,
        episodes_per_second=_rate(episodes, seconds),
        tokens_per_second=_rate(session.get("tokens"), seconds),
        calls_per_second=_rate(session.get("calls"), seconds),
        unread=unread,
        damaged=damaged,
    )


def _slowest(entries: Any, now: float) -> InFlight | None:
    if not isinstance(entries, list) or not entries or not isinstance(entries[0], dict):
        return None
    first = entries[0]
    since, trial, turns = number(first.get("since")), number(first.get("trial")), number(first.get("turns"))
    if not isinstance(first.get("task"), str) or since is None or trial is None:
        return None
    return InFlight(
        first["task"], int(trial), max(0.0, now - since), int(turns) if turns is not None else None
    )


def _mean(value: Any) -> Mean | None:
    if not isinstance(value, dict):
        return None
    numbers = [value.get(name) for name in ("mean", "low", "high")]
    if not all(isinstance(each, int | float) and math.isfinite(each) for each in numbers):
        return None
    return Mean(*map(float, numbers))  # type: ignore[arg-type]


def _rate(amount: Any, seconds: float | None) -> float | None:
    found = number(amount)
    return found / seconds if found is not None and seconds else None
