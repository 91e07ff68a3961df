"""`compare_runs`: compare two runs on the tasks that both have, with intervals and a paired test per metric."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import fsum
from typing import Any

import numpy as np

from wideseek_env.errors import ConfigError
from wideseek_env.evaluation.folder import scoring_name
from wideseek_env.evaluation.reading import RecordedRun
from wideseek_env.evaluation.record import EpisodeRecord
from wideseek_env.evaluation.statistics import FLIPS, RESAMPLES, SIGNIFICANT, bootstrap_intervals, sign_flip_p
from wideseek_env.evaluation.summary import METRICS
from wideseek_env.provenance.comparing import differences

SCORES = ("f1_by_item", "f1_by_row", "score")
EPISODE = ("turns", "critical_path", "subagents", "tool_calls", "seconds")
"""Metrics of episodes. They are compared if WideSeek ran the episodes of both runs."""

USAGE = ("prompt_tokens", "completion_tokens", "cost")
"""Metrics of usage. They are compared if every episode on the common tasks has them, in both runs."""

_DIGITS = 9
_ASIDE = ("tasks_digest", "kind")


@dataclass(frozen=True, slots=True)
class Difference:
    """One metric of two runs. The trials of a task are averaged first, then the tasks that both runs have.

    `first` and `second` are the means of the two runs. `difference` is `second` − `first`. `low` and `high` bound its
    95 % paired bootstrap interval over tasks. `p` is the two-sided p-value of the sign-flip test. With few tasks, the
    interval can exclude 0 although p is large: `significant` follows p. `rose`, `fell` and
    `same` count the tasks whose value rose, fell or stayed the same.
    """

    first: float
    second: float
    difference: float
    low: float
    high: float
    p: float
    rose: int
    fell: int
    same: int

    @property
    def significant(self) -> bool:
        """Whether p is below `wideseek_env.evaluation.statistics.SIGNIFICANT` (0.05)."""
        return self.p < SIGNIFICANT


@dataclass(frozen=True, slots=True)
class Change:
    """A task whose value differs between the runs. Each value is the mean of the task's trials."""

    task_id: str
    first: float
    second: float


@dataclass(frozen=True, slots=True)
class Comparison:
    """The second run compared with the first, on the tasks that both have. `tasks` is the number of those tasks.

    `changes` are the tasks that differ most in the metric `changed_by`, largest difference first. `settings` are the
    settings that differ, with both values. `notes` warn if the comparison is less reliable for some reason. `scoring`
    says how each run was scored: lenient or strict.
    """

    first: str
    second: str
    tasks: int
    only_first: int
    only_second: int
    metrics: Mapping[str, Difference]
    changed_by: str
    changes: tuple[Change, ...]
    settings: tuple[tuple[str, Any, Any], ...]
    notes: tuple[str, ...]
    scoring: tuple[str, str] = ("lenient", "lenient")

    def to_dict(self) -> dict[str, Any]:
        """The comparison as JSON values."""
        data = dataclasses.asdict(self)
        data["changes"] = [dataclasses.asdict(change) for change in self.changes]
        data["settings"] = [{"name": n, "first": one, "second": other} for n, one, other in self.settings]
        data["notes"] = list(self.notes)
        data["scoring"] = list(self.scoring)
        return data


def compare_runs(
    first: RecordedRun,
    second: RecordedRun,
    *,
    changed_by: str = "f1_by_item",
    top: int = 10,
    seed: int = 0,
    resamples: int = RESAMPLES,
    flips: int = FLIPS,
) -> Comparison:
    """Compare two runs task by task.

    Args:
        first: The reference run.
        second: The run to compare with it.
        changed_by: The metric, one of `METRICS`, that selects `Comparison.changes`.
        top: Maximum number of changes.
        seed: Seed of the bootstrap and of the test.
        resamples: Number of bootstrap resamples.
        flips: Number of random sign flips that the test draws if there are too many sign flips to count all of them.

    Raises:
        ConfigError: The runs have no task in common, or tasks with the same id differ in content.
    """
    if changed_by not in METRICS:
        raise ConfigError(f"unknown metric {changed_by!r}; use one of {', '.join(METRICS)}")
    one, other = _by_task(first.records), _by_task(second.records)
    common = sorted(one.keys() & other.keys())
    if not common:
        raise ConfigError(
            f"{first.name} ({len(one)} tasks) and {second.name} ({len(other)} tasks) have no task in common"
        )
    changed = [task for task in common if one[task][0].task_digest != other[task][0].task_digest]
    if changed:
        more = f" and {len(changed) - 3} more" if len(changed) > 3 else ""
        raise ConfigError(
            f"{first.name} and {second.name} did not run on the same tasks: {len(changed)} of {len(common)} "
            f"tasks with the same id differ in question, columns, gold or metrics ({', '.join(changed[:3])}{more}); "
            "run both on the same file of tasks"
        )
    mine, theirs = [one[task] for task in common], [other[task] for task in common]
    names = _names(first, second, mine, theirs)
    values = np.array([[[_mean(r, n) for n in names] for r in side] for side in (mine, theirs)])
    gaps = values[1] - values[0]
    intervals = bootstrap_intervals(gaps, seed=seed, resamples=resamples)
    metrics = {}
    for at, name in enumerate(names):
        gap = gaps[:, at]
        metrics[name] = Difference(
            first=_round(fsum(values[0, :, at]) / len(common)),
            second=_round(fsum(values[1, :, at]) / len(common)),
            difference=_round(fsum(gap) / len(common)),
            low=_round(intervals[at, 0]),
            high=_round(intervals[at, 1]),
            p=_round(sign_flip_p(gap, seed=seed, flips=flips)),
            rose=int(np.count_nonzero(gap > 0)),
            fell=int(np.count_nonzero(gap < 0)),
            same=int(np.count_nonzero(gap == 0)),
        )
    pairs = [(_mean(a, changed_by), _mean(b, changed_by)) for a, b in zip(mine, theirs, strict=True)]
    changes = [Change(task, *map(_round, pair)) for task, pair in zip(common, pairs, strict=True)]
    changes = [change for change in changes if change.first != change.second]
    changes.sort(key=lambda change: (-abs(change.second - change.first), change.task_id))
    settings = differences(first.settings, second.settings) if first.settings and second.settings else []
    return Comparison(
        first=first.name,
        second=second.name,
        tasks=len(common),
        only_first=len(one) - len(common),
        only_second=len(other) - len(common),
        metrics=metrics,
        changed_by=changed_by,
        changes=tuple(changes[:top]),
        settings=tuple(each for each in settings if each[0] not in _ASIDE),
        notes=tuple(_notes(first, second, mine, theirs)),
        scoring=(scoring_name(first.settings.get("strict")), scoring_name(second.settings.get("strict"))),
    )


def _names(
    first: RecordedRun, second: RecordedRun, *sides: Sequence[Sequence[EpisodeRecord]]
) -> tuple[str, ...]:
    episode = EPISODE if first.played and second.played else ()
    usage = [
        name
        for name in USAGE
        if all(
            record.usage is not None and name in record.usage
            for side in sides
            for trials in side
            for record in trials
        )
    ]
    return (*SCORES, *episode, *usage)


def _notes(
    first: RecordedRun,
    second: RecordedRun,
    mine: Sequence[Sequence[EpisodeRecord]],
    theirs: Sequence[Sequence[EpisodeRecord]],
) -> list[str]:
    notes = []
    if bool(first.settings.get("strict")) != bool(second.settings.get("strict")):
        notes.append("one run is scored strictly and the other is not: their scores are not comparable")
    judges = [sorted({r.judge for trials in side for r in trials if r.judge}) for side in (mine, theirs)]
    if judges[0] != judges[1]:
        named = [", ".join(each) or "none" for each in judges]
        notes.append(f"different judges decided cells: {named[0]} and {named[1]}")
    trials = [sorted({len(each) for each in side}) for side in (mine, theirs)]
    if len(trials[0]) > 1 or trials[0] != trials[1]:
        spans = [f"{each[0]}–{each[-1]}" if len(each) > 1 else str(each[0]) for each in trials]
        notes.append(
            f"the runs have {spans[0]} and {spans[1]} trials per task; each task's mean over its trials is compared"
        )
    for run, side in ((first, mine), (second, theirs)):
        failed = sum(r.failed for trials in side for r in trials)
        if failed:
            notes.append(f"{failed} episodes of {run.name} failed and count with score 0")
    return notes


def _by_task(records: Sequence[EpisodeRecord]) -> dict[str, list[EpisodeRecord]]:
    by_task: dict[str, list[EpisodeRecord]] = {}
    for record in records:
        by_task.setdefault(record.task_id, []).append(record)
    return by_task


def _mean(trials: Sequence[EpisodeRecord], name: str) -> float:
    return fsum(_metric(record, name) for record in trials) / len(trials)


def _metric(record: EpisodeRecord, name: str) -> float:
    if name in METRICS:
        return float(getattr(record, METRICS[name]))
    if name in USAGE:
        return (record.usage or {})[name]
    return float(sum(record.tool_calls.values()) if name == "tool_calls" else getattr(record, name))


def _round(value: float) -> float:
    return round(float(value), _DIGITS)
