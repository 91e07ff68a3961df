"""`Curve`: the numbers that a figure draws for one run.

The vertical axis is a quality metric with its confidence interval. The horizontal axis is the size (the width or the
number of turns) or a cost.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from wideseek_env.errors import ConfigError
from wideseek_env.evaluation.budget import calls_of
from wideseek_env.evaluation.summary import Summary
from wideseek_env.evaluation.sweep import Kind, Sweep

METRICS: Mapping[str, tuple[str, str]] = {
    "item-f1": ("f1_by_item", "Item-F1"),
    "row-f1": ("f1_by_row", "Row F1"),
    "success": ("score", "Success"),
}
"""The metrics that a figure can show. The keys are the names on the command line. The values are the name in
`Summary.metrics` and the name in a figure."""


@dataclass(frozen=True, slots=True)
class Axis:
    """A quantity for an axis of a figure. `of` returns None if the quantity was not measured."""

    label: str
    of: Callable[[Summary], float | None]


def _tokens(summary: Summary) -> float | None:
    whole = bool(summary.metered) and summary.metered == summary.episodes
    return summary.usage.get("completion_tokens") if whole else None


COSTS: Mapping[str, Axis] = {
    "critical-path": Axis("Critical path (turns)", lambda s: s.critical_path or None),
    "seconds": Axis("Seconds per episode", lambda s: s.seconds or None),
    "tokens": Axis("Generated tokens per episode", _tokens),
    "calls": Axis("Searches and pages per episode", lambda s: calls_of(s.tool_calls)),
    "turns": Axis("Turns of all agents", lambda s: s.turns or None),
}
"""Costs of an episode, by their name on the command line."""

ANSWERED = Axis("Episodes that end with an answer (%)", lambda s: 100 * s.answered)

AXES = ("size", *COSTS)
"""The horizontal axes of figures. "size" is the width, or the number of turns in a depth sweep."""

SIZE_LABELS: Mapping[Kind, str] = {
    "width": "Width: subagents at once",
    "depth": "Depth: turns of the single agent",
}


@dataclass(frozen=True, slots=True)
class Curve:
    """One run in a figure.

    `points` are pairs of a size and the summary at that size. `single` is the summary of a single agent, for
    comparison, if the run has one.
    """

    name: str
    kind: Kind
    points: tuple[tuple[int, Summary], ...]
    single: Summary | None = None

    @classmethod
    def of(cls, sweep: Sweep, name: str) -> Curve:
        """The curve of a sweep.

        Raises:
            ConfigError: The sweep has no point with a size.
        """
        points = tuple((point.size, point.summary) for point in sweep.points if point.size is not None)
        if not points:
            raise ConfigError(f"{name} has no {sweep.kind} to draw")
        single = next((point.summary for point in sweep.points if point.size is None), None)
        return cls(name, sweep.kind, points, single)

    def against(self, axis: str, of: Callable[[Summary], Sequence[float] | None]) -> list[tuple[float, ...]]:
        """One tuple (x, size, *values) for each point, in the order of `points`.

        Points where `axis` or `of` gives None are left out.
        """
        rows = []
        for size, summary in self.points:
            x = float(size) if axis == "size" else COSTS[axis].of(summary)
            values = of(summary)
            if x is not None and values is not None:
                rows.append((x, float(size), *values))
        return rows


def quality(metric: str) -> Callable[[Summary], tuple[float, float, float] | None]:
    """A function that gives a metric of a summary as (value, low, high) in points out of 100.

    `low` and `high` bound the 95 % interval.

    Raises:
        ConfigError: The metric is not one of `METRICS`.
    """
    if metric not in METRICS:
        raise ConfigError(f"no metric {metric!r} to draw; use one of {', '.join(METRICS)}")

    def of(summary: Summary) -> tuple[float, float, float] | None:
        found = summary.metrics.get(METRICS[metric][0])
        return (100 * found.avg, 100 * found.avg_low, 100 * found.avg_high) if found is not None else None

    return of


def check_axis(axis: str, curves: Sequence[Curve]) -> None:
    """Check that the curves can be drawn in one figure against `axis`.

    Raises:
        ConfigError: The axis is unknown, there are no curves, or a curve has no values for the axis.
    """
    if axis not in AXES:
        raise ConfigError(f"unknown axis {axis!r}; use one of {', '.join(AXES)}")
    if not curves:
        raise ConfigError("there is nothing to draw; give at least one run")
    if axis == "size":
        if len({curve.kind for curve in curves}) > 1:
            raise ConfigError(
                "widths and turns are different sizes; draw width and depth sweeps together against critical-path, "
                "seconds, tokens or calls"
            )
        return
    for curve in curves:
        if not curve.against(axis, lambda _: ()):
            what = COSTS[axis].label[0].lower() + COSTS[axis].label[1:]
            raise ConfigError(f"{curve.name} has no {what}: it was not measured; choose another axis")
