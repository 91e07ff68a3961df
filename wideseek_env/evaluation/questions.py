"""The results of a run on question answering sets: for each set, and averages over sets.

The average over sets is unweighted: every set counts the same, whatever its size. It is the average of the second table
of WideSeek-R1 (arXiv 2602.04634), where a model judges the answers of four trials (avg@4).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from math import fsum

from wideseek_env.evaluation.record import EpisodeRecord
from wideseek_env.scoring.answer_metrics import EXACT_MATCH, SOURCE, TOKEN_F1
from wideseek_env.tasks.question_answering import SET
from wideseek_env.tasks.question_sets import BY_NAME, SETS

AVERAGES = ("single-hop", "multi-hop", "all")
"""The groups of sets over which results are averaged."""

Trials = Sequence[EpisodeRecord]


@dataclass(frozen=True, slots=True)
class SetScore:
    """The results on one set, or averages over sets. Scores are from 0 to 1.

    * `avg` and `max` are the means over tasks of the mean and the best trial, where a trial is 1 if its answer was
      judged right. `avg_low` and `avg_high` bound the 95 % bootstrap interval over tasks. They are None for averages.
    * `exact_match` and `token_f1` are means over tasks of the means over trials.
    * `tasks` and `trials` are the number of tasks, and the largest number of trials of a task.
    """

    tasks: int
    trials: int
    avg: float
    max: float
    exact_match: float
    token_f1: float
    avg_low: float | None = None
    avg_high: float | None = None


@dataclass(frozen=True, slots=True)
class SetAverage:
    """The unweighted average over some of the seven sets. `sets` are the sets that the run has, of `of` sets."""

    score: SetScore
    sets: tuple[str, ...]
    of: int


@dataclass(frozen=True, slots=True)
class QuestionSummary:
    """The results on question answering sets. Empty for a run on other tasks.

    `sets` has the results by the name of the set: the seven sets in their order, then others. `averages` has those over
    single-hop sets, multi-hop sets and all of the seven sets, as far as there are any. `missing` names the sets of the
    seven that the run lacks.
    """

    sets: Mapping[str, SetScore] = field(default_factory=dict)
    averages: Mapping[str, SetAverage] = field(default_factory=dict)
    missing: tuple[str, ...] = ()


def question_summary(
    groups: Sequence[Trials],
    interval: Callable[[Sequence[float]], tuple[float, float]],
    round_: Callable[[float], float],
) -> QuestionSummary:
    """The results of the episodes. Each element of `groups` has the trials of one task.

    `interval` returns the interval of the mean of values, and `round_` rounds a value for storage.
    """
    by_set: dict[str, list[Trials]] = {}
    for trials in groups:
        labels = trials[0].labels
        if labels.get("source") == SOURCE and SET in labels:
            by_set.setdefault(str(labels[SET]), []).append(trials)
    if not by_set:
        return QuestionSummary()
    names = [name for name in BY_NAME if name in by_set] + sorted(set(by_set) - set(BY_NAME))
    sets = {name: _score(by_set[name], interval, round_) for name in names}
    averages = {}
    for kind in AVERAGES:
        wanted = [each.name for each in SETS if kind in (each.hops, "all")]
        if found := [name for name in wanted if name in sets]:
            averages[kind] = SetAverage(
                _average([sets[name] for name in found], round_), tuple(found), len(wanted)
            )
    return QuestionSummary(sets, averages, tuple(name for name in BY_NAME if name not in sets))


def set_title(name: str) -> str:
    """The name of a set in tables."""
    return BY_NAME[name].title if name in BY_NAME else name


def average_title(kind: str, average: SetAverage) -> str:
    """The name of an average in tables. It says if sets are missing."""
    called = "all sets" if kind == "all" else kind
    return f"average, {called}" + (
        "" if len(average.sets) == average.of else f" ({len(average.sets)} of {average.of})"
    )


def about(summary: QuestionSummary, judges: Sequence[str]) -> str:
    """What the results mean, in sentences."""
    judged = f", or that {', '.join(judges)} accepts" if judges else ""
    told = [
        f"avg and max count answers that equal an accepted one{judged}.",
        "Averages count every set the same.",
    ]
    if summary.missing:
        told.append(f"Without {', '.join(map(set_title, summary.missing))}.")
    return " ".join(told)


def _score(
    tasks: Sequence[Trials],
    interval: Callable[[Sequence[float]], tuple[float, float]],
    round_: Callable[[float], float],
) -> SetScore:
    def mean(value: Callable[[EpisodeRecord], float]) -> list[float]:
        return [_mean([value(record) for record in trials]) for trials in tasks]

    right = mean(lambda record: record.success)
    low, high = interval(right)
    return SetScore(
        tasks=len(tasks),
        trials=max(map(len, tasks)),
        avg=round_(_mean(right)),
        max=round_(_mean([max(record.success for record in trials) for trials in tasks])),
        exact_match=round_(_mean(mean(lambda record: record.extra.get(EXACT_MATCH, 0.0)))),
        token_f1=round_(_mean(mean(lambda record: record.extra.get(TOKEN_F1, 0.0)))),
        avg_low=round_(low),
        avg_high=round_(high),
    )


def _average(scores: Sequence[SetScore], round_: Callable[[float], float]) -> SetScore:
    def mean(name: str) -> float:
        return round_(_mean([float(getattr(score, name)) for score in scores]))

    return SetScore(
        tasks=sum(score.tasks for score in scores),
        trials=max(score.trials for score in scores),
        avg=mean("avg"),
        max=mean("max"),
        exact_match=mean("exact_match"),
        token_f1=mean("token_f1"),
    )


def _mean(values: Sequence[float]) -> float:
    return fsum(values) / len(values)
