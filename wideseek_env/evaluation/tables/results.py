"""A table with one line for each run and size: scores with intervals, and costs."""

from __future__ import annotations

from collections.abc import Sequence

from wideseek_env.errors import ConfigError
from wideseek_env.evaluation.curves import COSTS, METRICS, quality
from wideseek_env.evaluation.report.entries import Entry
from wideseek_env.evaluation.tables.marking import RULE, groups_of, marks
from wideseek_env.evaluation.tables.model import Column, Group, Line, ResultTable, Value

_COSTS = ("critical-path", "calls", "tokens", "seconds")


def results_table(entries: Sequence[Entry]) -> ResultTable:
    """One line for each point of a sweep and each run. Runs whose scores compare are in one group.

    In each group, the best value of each score is marked, and the values that are not significantly worse.

    Raises:
        ConfigError: No run has an episode.
    """
    costs = [
        name
        for name in _COSTS
        if any(COSTS[name].of(part.summary) for entry in entries for part in entry.parts)
    ]
    columns = [Column(name.replace("-", "_"), label, 1, True) for name, (_, label) in METRICS.items()]
    columns += [
        Column(name.replace("-", "_"), COSTS[name].label, 2 if name == "seconds" else 1) for name in costs
    ]
    groups = []
    for title, group in groups_of(entries):
        parts = [(entry, part) for entry in group for part in entry.parts if part.summary.episodes]
        marked = {
            metric: marks([part.run.records for _, part in parts], name)
            for metric, (name, _) in METRICS.items()
        }
        lines = []
        for at, (entry, part) in enumerate(parts):
            values = []
            for metric in METRICS:
                found = quality(metric)(part.summary)
                values.append(Value(*found, marked[metric][at]) if found is not None else Value())
            values += [Value(COSTS[name].of(part.summary)) for name in costs]
            lines.append(Line((entry.name, part.label, f"{part.summary.tasks}"), tuple(values)))
        if lines:
            groups.append(Group(title, tuple(lines)))
    if not groups:
        raise ConfigError("no run has a finished episode, so there is nothing for a table")
    return ResultTable(
        (("run", "Run"), ("size", "Size"), ("tasks", "Tasks")), tuple(columns), tuple(groups), tuple(_notes(entries))
    )  # fmt: skip


def _notes(entries: Sequence[Entry]) -> list[str]:
    notes = [
        "Scores are means over tasks, from 0 to 100, with 95 % bootstrap intervals over tasks. Costs are means per "
        "episode and are not marked.",
        f"In each group of the same tasks and conditions, bold marks {RULE.format(of='value of a score')}",
    ]
    return notes + [f"{entry.name}: {line}." for entry in entries for line in entry.missing]
