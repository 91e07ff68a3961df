"""Groups the runs whose scores compare, and finds the best value of a column and those that are about as good."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import fsum

import numpy as np

from wideseek_env.evaluation.naming import budget_name, tasks_name
from wideseek_env.evaluation.record import EpisodeRecord
from wideseek_env.evaluation.report.entries import Entry
from wideseek_env.evaluation.same_game import Differences, difference_text, game_differences
from wideseek_env.evaluation.statistics import SIGNIFICANT, sign_flip_p
from wideseek_env.evaluation.summary import METRICS
from wideseek_env.evaluation.tables.model import Mark

_SCORING = ("tasks_digest", "strict", "judge")

RULE = (
    "the best {of}, and † a value that is not significantly worse: a paired sign-flip test over the common tasks "
    f"gives p of at least {SIGNIFICANT:g}. The p-values are not corrected for multiple comparisons. With fewer than "
    "six tasks that differ, no value is significantly worse. Zeros are not marked."
)
"""What the marks mean, after the name of the first mark."""


def groups_of(entries: Sequence[Entry]) -> list[tuple[str, list[Entry]]]:
    """The entries in groups whose scores compare, each with a title that says which tasks it has.

    Answers of other programs (`wideseek score`) have no rules. They are in the group of a run with the same tasks,
    judge and scoring.
    """
    groups: list[list[Entry]] = []
    for entry in entries:
        fits = (group for group in groups if not any(_differences(other, entry) for other in group))
        if (group := next(fits, None)) is None:
            groups.append([entry])
        else:
            group.append(entry)
    titles: list[str] = []
    for group in groups:
        first = group[0]
        budget = budget_name(first.settings)
        title = tasks_name(first.settings, _tasks(first)) + (f", {budget}" if budget else "")
        if title in titles:
            others = (_differences(other, first) for other in groups[titles.index(title)])
            found = next(filter(None, others), [])
            title = f"{title} ({difference_text(found, 3)})" if found else f"{title} ({first.name})"
        titles.append(title)
    return list(zip(titles, groups, strict=True))


def marks(records: Sequence[Sequence[EpisodeRecord]], metric: str, digits: int = 1) -> list[Mark]:
    """The mark of each run in `records` by `metric`, a name in `wideseek_env.evaluation.summary.METRICS`.

    The best is the highest mean over tasks, in points out of 100 and rounded to `digits` decimals. There may be several
    best. There are no marks if only one run has records, or if the best is 0.
    """
    means = [_task_means(each, METRICS[metric]) for each in records]
    scores = [round(100 * fsum(each.values()) / len(each), digits) if each else None for each in means]
    known = [score for score in scores if score is not None]
    if len(known) < 2 or max(known) == 0:
        return ["" for _ in records]
    best = scores.index(max(known))
    return [
        ""
        if score is None
        else "best"
        if score == scores[best]
        else "tied"
        if _tied(means[best], each)
        else ""
        for score, each in zip(scores, means, strict=True)
    ]


def _tied(best: Mapping[str, float], other: Mapping[str, float]) -> bool:
    common = sorted(set(best) & set(other))
    return bool(common) and sign_flip_p(np.array([best[t] - other[t] for t in common])) >= SIGNIFICANT


def _task_means(records: Sequence[EpisodeRecord], name: str) -> dict[str, float]:
    """The mean of each task over its trials."""
    by_task: dict[str, list[float]] = {}
    for record in records:
        by_task.setdefault(record.task_id, []).append(float(getattr(record, name)))
    return {task: fsum(values) / len(values) for task, values in by_task.items()}


def _tasks(entry: Entry) -> int:
    return max((part.summary.tasks for part in entry.parts), default=0)


def _differences(first: Entry, second: Entry) -> Differences:
    one, other = first.settings, second.settings
    if not (one and other):
        return [("settings", "recorded" if one else None, "recorded" if other else None)]
    if "responses" in (one.get("kind"), other.get("kind")):
        found = [
            (name, one.get(name), other.get(name))
            for name in _SCORING
            if _plain(one, name) != _plain(other, name)
        ]
        counts = ("number of tasks", _tasks(first), _tasks(second))
        return [*found, counts] if counts[1] != counts[2] and not found else found
    return game_differences(one, other)


def _plain(settings: Mapping[str, object], name: str) -> object:
    """A setting in which "not given" and "off" are the same."""
    return settings.get(name) or None
