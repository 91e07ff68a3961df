"""`Curve`: what a figure shows of a run, as numbers: quality with its interval against size or cost."""

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
"""Metrics by what the command line calls them: the name in `Summary.metrics`, and in a figure."""


@dataclass(frozen=True, slots=True)
class Axis:
    """A quantity that curves are drawn against or that is drawn; `of` gives None where it was not measured."""

    label: str
    of: Callable[[Summary], float | None]


def _tokens(summary: Summary) -> float | None:
    whole = bool(summary.metered) and summary.metered == summary.episodes
    return summary.usage.get("completion_tokens") if whole else None


COSTS: Mapping[str, Axis] = {
    "critical-path": Axis("Critical path (turns)", lambda s: s.critical_path or None),
    "seconds": Axis("Seconds an episode", lambda s: s.seconds or None),
    "tokens": Axis("Generated tokens an episode", _tokens),
    "calls": Axis("Searches and pages an episode", lambda s: calls_of(s.tool_calls)),
    "turns": Axis("Turns of all agents", lambda s: s.turns or None),
}
"""What an episode costs, by what the command line calls it."""

ANSWERED = Axis("Episodes that end with an answer (%)", lambda s: 100 * s.answered)

AXES = ("size", *COSTS)
"""What figures can be drawn against; "size" is the width, or the turns of a depth sweep."""

SIZE_LABELS: Mapping[Kind, str] = {
    "width": "Width: subagents at once",
    "depth": "Depth: turns of the single agent",
}


@dataclass(frozen=True, slots=True)
class Curve:
    """One run of a figure: its points by size, and the single agent beside them. A run of `wideseek eval` has one."""

    name: str
    kind: Kind
    points: tuple[tuple[int, Summary], ...]
    single: Summary | None = None

    @classmethod
    def of(cls, sweep: Sweep, name: str) -> Curve:
        """The curve of a sweep. `ConfigError` when it has no point of a size."""
        points = tuple((point.size, point.summary) for point in sweep.points if point.size is not None)
        if not points:
            raise ConfigError(f"{name} has no {sweep.kind} to draw")
        single = next((point.summary for point in sweep.points if point.size is None), None)
        return cls(name, sweep.kind, points, single)

    def against(self, axis: str, of: Callable[[Summary], Sequence[float] | None]) -> list[tuple[float, ...]]:
        """(x, size, *values) of every point that has both, by size."""
        rows = []
        for size, summary in self.points:
            x = float(size) if axis == "size" else COSTS[axis].of(summary)
            values = of(summary)
            if x is not None and values is not None:
                rows.append((x, float(size), *values))
        return rows


def quality(metric: str) -> Callable[[Summary], tuple[float, float, float] | None]:
    """A metric of `METRICS` in points with its 95 % interval; `ConfigError` for another."""
    if metric not in METRICS:
        raise ConfigError(f"no metric {metric!r} to draw; there are: {', '.join(METRICS)}")

    def of(summary: Summary) -> tuple[float, float, float] | None:
        found = summary.metrics.get(METRICS[metric][0])
        return (100 * found.avg, 100 * found.avg_low, 100 * found.avg_high) if found is not None else None

    return of


def check_axis(axis: str, curves: Sequence[Curve]) -> None:
    """`ConfigError` when the curves cannot be drawn against `axis` together."""
    if axis not in AXES:
        raise ConfigError(f"no axis {axis!r}; there are: {', '.join(AXES)}")
    if not curves:
        raise ConfigError("there is nothing to draw")
    if axis == "size":
        if len({curve.kind for curve in curves}) > 1:
            raise ConfigError(
                "widths and turns are different axes; draw width and depth sweeps against critical-path, seconds, "
                "tokens or calls"
            )
        return
    for curve in curves:
        if not curve.against(axis, lambda _: ()):
            what = COSTS[axis].label[0].lower() + COSTS[axis].label[1:]
            raise ConfigError(f"{curve.name} does not know its {what}; choose another axis")
