"""Draws statistics of tasks: sizes, kinds, topics, and how many tasks the stages of a pipeline dropped and why."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from wideseek_env.errors import ConfigError, MissingDependencyError, extra_hint
from wideseek_env.tasks.statistics import TaskStatistics

INSTALL = extra_hint("plot")

# The palette of Okabe and Ito, which people with any colour vision can tell apart.
_BLUE, _ORANGE, _GREEN, _PINK = "#0072B2", "#D55E00", "#009E73", "#CC79A7"
_INK = "#222222"


def plot_tasks(
    statistics: TaskStatistics, path: Path | str, report: Mapping[str, Any] | None = None, title: str = ""
) -> None:
    """Draw `statistics` into a PNG at `path`. `report` is the report that `build_tasks` wrote next to the tasks.

    Raises:
        MissingDependencyError: matplotlib is not installed.
        ConfigError: There are no tasks to draw.
    """
    try:
        from matplotlib.backends.backend_agg import FigureCanvasAgg
        from matplotlib.figure import Figure
    except ImportError as error:
        raise MissingDependencyError(f"drawing needs matplotlib; {INSTALL}") from error
    if not statistics.tasks:
        raise ConfigError("there are no tasks to draw")
    wide = bool(statistics.list_pages)
    figure = Figure(figsize=(14 if wide else 11, 6.6), dpi=110, layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.subplots(2, 4 if wide else 3)
    if wide:
        _columns(axes[0, 3], statistics.list_pages, "Pages of the lists", _PINK)
        _columns(axes[1, 3], statistics.lists, "Lists with rows of the answer", _GREEN)
    _columns(axes[0, 0], statistics.rows, "Rows of the gold table", _BLUE)
    _columns(axes[0, 1], statistics.columns, "Columns", _ORANGE)
    _bars(axes[0, 2], statistics.said.get("domain", {}), "Topics", _GREEN)
    what = dict(statistics.selection) or dict(statistics.languages)
    _bars(axes[1, 0], what, "Which rows are asked for" if statistics.selection else "Languages", _PINK)
    _bars(axes[1, 1], _facts(statistics), "Metrics (by column), modes, splits, reach", _BLUE, sort=False)
    _bars(axes[1, 2], _funnel(report or {}), "What became of the proposals", _ORANGE, sort=False)
    figure.suptitle(title or f"{statistics.tasks:,} tasks", fontsize=11, color=_INK, parse_math=False)
    figure.savefig(path, format="png")


def _facts(statistics: TaskStatistics) -> dict[str, int]:
    facts = dict(statistics.metrics.most_common())
    for name in ("mode", "kind", "split"):
        facts.update(statistics.said.get(name, {}))
    facts.update(sorted(statistics.languages.items()))
    facts.update({f"list is hit {rank}": many for rank, many in sorted(statistics.rank.items())})
    return facts


def _funnel(report: Mapping[str, Any]) -> dict[str, int]:
    funnel: dict[str, int] = {}
    for kind, proposed in report.get("proposed", {}).items():
        dropped = report.get("dropped", {}).get(kind, {})
        mark = "" if len(report["proposed"]) == 1 else f"{kind}: "
        funnel[f"{mark}proposed"] = proposed
        funnel.update({f"{mark}{reason}": n for reason, n in sorted(dropped.items(), key=lambda d: -d[1])})
        funnel[f"{mark}not needed"] = report.get("unused", {}).get(kind, 0)
        funnel[f"{mark}kept"] = report.get("kept", {}).get(kind, 0)
    return funnel


def _columns(axis: Any, counts: Mapping[int, int], title: str, colour: str) -> None:
    places = sorted(counts)
    axis.bar(places, [counts[place] for place in places], color=colour)
    if len(places) <= 12:
        axis.set_xticks(places)
    _finish(axis, title)


def _bars(axis: Any, counts: Mapping[str, int], title: str, colour: str, *, sort: bool = True) -> None:
    items: Sequence[tuple[str, int]] = list(counts.items())
    if sort:
        items = sorted(items, key=lambda item: (-item[1], item[0]))
    names = [name for name, _ in items][::-1]
    axis.barh(names, [number for _, number in items][::-1], color=colour)
    for place, (_, number) in enumerate(items[::-1]):
        axis.annotate(
            f"{number:,}", (number, place), xytext=(3, 0), textcoords="offset points", va="center", fontsize=7.5,
            color=_INK,
        )  # fmt: skip
    axis.set_xlim(0, max([number for _, number in items], default=1) * 1.2)
    _finish(axis, title)


def _finish(axis: Any, title: str) -> None:
    axis.set_title(title, fontsize=10, loc="left", color=_INK)
    axis.tick_params(colors=_INK, labelsize=8)
    for side in ("top", "right"):
        axis.spines[side].set_visible(False)
