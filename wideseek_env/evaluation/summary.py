"""`Summary`: the metrics of a run as means over its tasks, with intervals and the WideSearch benchmark's metrics."""

from __future__ import annotations

import dataclasses
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from math import fsum
from typing import Any

import numpy as np

from wideseek_env.errors import ConfigError
from wideseek_env.evaluation.labels import group_order, label
from wideseek_env.evaluation.questions import QuestionSummary, question_summary
from wideseek_env.evaluation.record import EpisodeRecord, Pair
from wideseek_env.evaluation.statistics import RESAMPLES, bootstrap_intervals, pass_at_k
from wideseek_env.trajectory import Trajectory

METRICS: Mapping[str, str] = {
    "score": "success",
    "precision_by_row": "precision_by_row",
    "recall_by_row": "recall_by_row",
    "f1_by_row": "f1_by_row",
    "precision_by_item": "precision_by_item",
    "recall_by_item": "recall_by_item",
    "f1_by_item": "f1_by_item",
}
"""The benchmark's metrics. For each, the attribute of `EpisodeRecord` that has its value."""

_DIGITS = 9  # decimals of stored numbers: the last bits of a sum may differ between machines
_MEANS = ("reward", "answered", "turns", "critical_path", "subagents", "errors", "dropped", "seconds")


@dataclass(frozen=True, slots=True)
class TrialMetric:
    """One metric over tasks with k trials each.

    `avg`, `max` and `min` are the means over tasks of each task's mean, best and worst trial. The benchmark's summary
    calls them ``avg_n``, ``max_n`` and ``min_n``. `…_low` and `…_high` bound their 95 % bootstrap intervals over tasks.
    """

    avg: float = 0.0
    avg_low: float = 0.0
    avg_high: float = 0.0
    max: float = 0.0
    max_low: float = 0.0
    max_high: float = 0.0
    min: float = 0.0
    min_low: float = 0.0
    min_high: float = 0.0


@dataclass(frozen=True, slots=True, repr=False)
class Summary:
    """The metrics of a run. Values are averaged over each task's trials, then over tasks.

    Scores are in [0, 1] and times are in seconds. All values are 0 for a run without episodes.

    * `item_f1_low` and `item_f1_high` bound the 95 % bootstrap interval of mean item-F1 over tasks.
    * `item_f1_best` and `success_any` are means over tasks of the best trial of each task. With one trial per task,
      they equal the mean.
    * `turns` counts the turns of all agents. In `critical_path`, turns that agents take at the same time count once.
    """

    episodes: int = 0
    tasks: int = 0
    trials: int = 0
    """The largest number of episodes of a task."""
    incomplete: int = 0
    """Number of tasks with fewer than `trials` episodes.

    If it is not 0, metrics over trials are not the benchmark's.
    """
    failed: int = 0
    """Number of episodes that an exception of a policy or tool stopped. They count with score 0."""
    item_precision: float = 0.0
    item_recall: float = 0.0
    item_f1: float = 0.0
    item_f1_low: float = 0.0
    item_f1_high: float = 0.0
    item_f1_best: float = 0.0
    row_precision: float = 0.0
    row_recall: float = 0.0
    row_f1: float = 0.0
    success: float = 0.0
    success_any: float = 0.0
    reward: float = 0.0
    answered: float = 0.0
    """Share of episodes that ended with an answer."""
    turns: float = 0.0
    critical_path: float = 0.0
    subagents: float = 0.0
    errors: float = 0.0
    """Failed or invalid tool calls per episode."""
    dropped: float = 0.0
    """Calls and items of their lists that the protocol left out, per episode. Agents are not told about them."""
    tool_calls: Mapping[str, float] = field(default_factory=dict)
    """Tool calls per episode, by kind."""
    endings: Mapping[str, int] = field(default_factory=dict)
    """Number of episodes for each way in which an episode ended."""
    seconds: float = 0.0
    """Wall-clock seconds per episode."""
    seconds_total: float = 0.0
    metrics: Mapping[str, TrialMetric] = field(default_factory=dict)
    """The benchmark's metrics by the benchmark's names. ``score`` is success."""
    pass_at: Mapping[str, float] = field(default_factory=dict)
    """Unbiased chance that at least one of k trials is entirely right, by k ("1", "2", …)."""
    metered: int = 0
    """Number of episodes whose tokens are known."""
    usage: Mapping[str, float] = field(default_factory=dict)
    """Tokens and cost per episode, over the episodes whose tokens are known."""
    usage_total: Mapping[str, float] = field(default_factory=dict)
    judge_usage_total: Mapping[str, float] = field(default_factory=dict)
    """Tokens and cost of the judge in the whole run."""
    summary_usage_total: Mapping[str, float] = field(default_factory=dict)
    """Tokens of the model that summarised pages, in the whole run: `summaries` requests, of which `cached` were
    answered from a cache and `failed` were not answered."""
    judges: tuple[str, ...] = ()
    """The judges that decided cells."""
    extra: Mapping[str, float] = field(default_factory=dict)
    """Means over tasks of the metrics that only some tasks have, over the tasks that have them. Empty if no task has
    any."""
    rows: Mapping[str, float] = field(default_factory=dict)
    """Where gold rows were lost, as means over tasks (`wideseek_env.evaluation.coverage.METRICS`). A metric is averaged
    over the tasks that have it. Empty if no episode has any."""
    questions: QuestionSummary = field(default_factory=QuestionSummary)
    """The results for each question answering set, and averages over sets. Empty for other tasks."""
    by_rules: float = 0.0
    """Share of the gold cells that rules decided although a model should judge them. If it is not 0, scores do not
    compare with published ones."""

    def __repr__(self) -> str:
        return (
            f"<Summary of {self.episodes} episodes, {self.tasks} tasks: item-F1 {self.item_f1:.3f} "
            f"[{self.item_f1_low:.3f}, {self.item_f1_high:.3f}], row-F1 {self.row_f1:.3f}, success {self.success:.3f}, "
            f"{self.failed} failed>"
        )

    def to_dict(self) -> dict[str, Any]:
        """All metrics by name, as JSON values."""
        data = {**dataclasses.asdict(self), "judges": list(self.judges)}
        if not self.extra:
            del data["extra"]
        if not self.questions.sets:
            del data["questions"]
        return data


class SummaryAccumulator:
    """Collects episodes one by one. It keeps only their metrics, so a run of any length fits in memory.

    A second episode of a task and trial replaces the first.
    """

    def __init__(self) -> None:
        self._records: dict[Pair, EpisodeRecord] = {}
        self._f1 = 0.0

    def add(self, record: EpisodeRecord) -> None:
        """Add one episode."""
        before = self._records.get(record.pair)
        self._f1 += record.f1_by_item - (before.f1_by_item if before is not None else 0.0)
        self._records[record.pair] = record

    def __len__(self) -> int:
        return len(self._records)

    @property
    def records(self) -> list[EpisodeRecord]:
        """The episodes, sorted by task and trial, so that a resumed run gives the same list as one without a stop."""
        return [self._records[pair] for pair in sorted(self._records)]

    def finished(self) -> set[Pair]:
        """The pairs of task and trial that need not be run again.

        Failed episodes are run again, so they are not included.
        """
        return {pair for pair, record in self._records.items() if not record.failed}

    @property
    def item_f1(self) -> float:
        """The running mean of item-F1 over episodes. 0 without episodes."""
        return self._f1 / len(self._records) if self._records else 0.0

    def summary(self, *, seed: int = 0, resamples: int = RESAMPLES) -> Summary:
        """The summary of the episodes so far. `seed` is the seed of the bootstrap."""
        records = self.records
        return dataclasses.replace(
            _summary(records, seed, resamples), questions=_questions(records, seed, resamples)
        )

    def by(
        self, keys: Iterable[str], *, seed: int = 0, resamples: int = RESAMPLES
    ) -> dict[str, dict[str, Summary]]:
        """For each key, the summaries of the groups of tasks with the same label."""
        parts: dict[str, dict[str, Summary]] = {}
        for key in keys:
            groups: dict[str, list[EpisodeRecord]] = {}
            for record in self.records:
                groups.setdefault(label(record.labels, key), []).append(record)
            order = group_order(key, groups)
            parts[key] = {name: _summary(groups[name], seed, resamples) for name in order}
        return parts


def summarise(episodes: Iterable[Trajectory | EpisodeRecord], *, seed: int = 0) -> Summary:
    """The summary of recorded episodes. They are read one at a time, so `episodes` may be an iterator over a file."""
    accumulator = SummaryAccumulator()
    for episode in episodes:
        accumulator.add(episode if isinstance(episode, EpisodeRecord) else EpisodeRecord.of(episode))
    return accumulator.summary(seed=seed)


def benchmark_summary(
    records: Iterable[EpisodeRecord], trials: int | None = None
) -> dict[str, dict[str, float]]:
    """The content of the WideSearch benchmark's summary file, unrounded.

    The result has the form ``{metric: {"avg_n": …, "max_n": …, "min_n": …}}``. It follows `calc_summary_results` in
    ``scripts/run_infer_and_eval_batching.py`` of ByteDance-Seed/WideSearch. Without episodes, the summary is empty.

    Args:
        records: The episodes.
        trials: Trials per task. Default: the number of trials of the task that has most.

    Raises:
        ConfigError: A task has fewer than `trials` trials, which is an error in the benchmark too.
    """
    by_task: dict[str, list[EpisodeRecord]] = {}
    for record in records:
        by_task.setdefault(record.task_id, []).append(record)
    wanted = trials if trials is not None else max(map(len, by_task.values()), default=0)
    few = [task for task, each in by_task.items() if len(each) < wanted]
    if few:
        raise ConfigError(
            f"{len(few)} of {len(by_task)} tasks have fewer than {wanted} trials (the first is {few[0]!r}); the "
            "benchmark's summary needs all trials: complete the run first"
        )
    if not by_task:
        return {}
    summary = {}
    for metric, name in METRICS.items():
        values = [np.array([getattr(record, name) for record in each], float) for each in by_task.values()]
        summary[metric] = {
            "avg_n": float(np.mean([each.mean() for each in values])),
            "max_n": float(np.mean([each.max() for each in values])),
            "min_n": float(np.mean([each.min() for each in values])),
        }
    return summary


def _summary(records: Sequence[EpisodeRecord], seed: int, resamples: int) -> Summary:
    if not records:
        return Summary()
    groups = _trials(records)
    sizes = [len(trials) for trials in groups]

    def mean(name: str) -> float:
        """The mean over tasks of the means over their trials."""
        return _round(_mean(_mean(getattr(r, name) for r in trials) for trials in groups))

    kinds = sorted({kind for record in records for kind in record.tool_calls})
    metrics = _metrics(groups, seed, resamples)
    item, row, score = metrics["f1_by_item"], metrics["f1_by_row"], metrics["score"]
    usage = [record.usage for record in records if record.usage is not None]
    spent = _totals(usage)
    return Summary(
        episodes=len(records),
        tasks=len(groups),
        trials=max(sizes),
        incomplete=sum(size < max(sizes) for size in sizes),
        failed=sum(r.failed for r in records),
        item_precision=metrics["precision_by_item"].avg,
        item_recall=metrics["recall_by_item"].avg,
        item_f1=item.avg,
        item_f1_low=item.avg_low,
        item_f1_high=item.avg_high,
        item_f1_best=item.max,
        row_precision=metrics["precision_by_row"].avg,
        row_recall=metrics["recall_by_row"].avg,
        row_f1=row.avg,
        success=score.avg,
        success_any=score.max,
        **{name: mean(name) for name in _MEANS},
        tool_calls={
            kind: _round(_mean(_mean(r.tool_calls.get(kind, 0) for r in trials) for trials in groups))
            for kind in kinds
        },
        endings=dict(sorted(Counter(r.ending for r in records).items())),
        seconds_total=_round(fsum(r.seconds for r in records)),
        metrics=metrics,
        pass_at=_pass_at(groups),
        metered=len(usage),
        usage={name: _round(total / len(usage)) for name, total in spent.items()},
        usage_total=spent,
        judge_usage_total=_totals([r.judge_usage for r in records if r.judge_usage is not None]),
        summary_usage_total=_totals([r.summary_usage for r in records if r.summary_usage is not None]),
        judges=tuple(sorted({record.judge for record in records if record.judge})),
        extra=_means([[record.extra for record in trials] for trials in groups]),
        rows=_means([[record.rows for record in trials] for trials in groups]),
        questions=QuestionSummary(),
        by_rules=_round(sum(r.by_rules for r in records) / max(1, sum(r.cells for r in records))),
    )


def _trials(records: Iterable[EpisodeRecord]) -> list[list[EpisodeRecord]]:
    """The trials of each task."""
    by_task: dict[str, list[EpisodeRecord]] = {}
    for record in records:
        by_task.setdefault(record.task_id, []).append(record)
    return list(by_task.values())


def _questions(records: Sequence[EpisodeRecord], seed: int, resamples: int) -> QuestionSummary:
    def interval(values: Sequence[float]) -> tuple[float, float]:
        found = bootstrap_intervals(np.array([values]).T, seed=seed, resamples=resamples)
        return float(found[0, 0]), float(found[0, 1])

    return question_summary(_trials(records), interval, _round)


def _metrics(groups: Sequence[Sequence[EpisodeRecord]], seed: int, resamples: int) -> dict[str, TrialMetric]:
    columns: list[list[float]] = []
    for name in METRICS.values():
        values = [[float(getattr(record, name)) for record in trials] for trials in groups]
        columns += [
            [_mean(each) for each in values],
            [max(each) for each in values],
            [min(each) for each in values],
        ]
    intervals = bootstrap_intervals(np.array(columns).T, seed=seed, resamples=resamples)
    means = iter(
        _round(value)
        for column, (low, high) in zip(columns, intervals.tolist(), strict=True)
        for value in (_mean(column), low, high)
    )
    return {metric: TrialMetric(*(next(means) for _ in range(9))) for metric in METRICS}


def _means(groups: Sequence[Sequence[Mapping[str, float]]]) -> dict[str, float]:
    """Means over tasks of the means over trials, of each metric over the tasks and trials that have it."""
    names = dict.fromkeys(name for trials in groups for metrics in trials for name in metrics)
    means = {
        name: [
            _mean(found)
            for trials in groups
            if (found := [metrics[name] for metrics in trials if name in metrics])
        ]
        for name in names
    }
    return {name: _round(_mean(values)) for name, values in means.items()}


def _pass_at(groups: Sequence[Sequence[EpisodeRecord]]) -> dict[str, float]:
    counts = [(len(trials), sum(r.success == 1 for r in trials)) for trials in groups]
    fewest = min(trials for trials, _ in counts)
    return {
        str(k): _round(_mean(pass_at_k(trials, right, k) for trials, right in counts))
        for k in range(1, fewest + 1)
    }


def _totals(usages: Sequence[Mapping[str, float]]) -> dict[str, float]:
    names = sorted({name for usage in usages for name in usage})
    return {name: _round(fsum(usage.get(name, 0) for usage in usages)) for name in names}


def _mean(values: Iterable[float]) -> float:
    numbers = list(values)
    return fsum(numbers) / len(numbers)


def _round(value: float) -> float:
    return round(float(value), _DIGITS)
