"""A figure of a set of tasks: sizes, kinds, topics, and how many proposed tasks a pipeline dropped and why."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from wideseek_env.errors import ConfigError
from wideseek_env.evaluation.drawing import COLOURS, INK, Picture, picture
from wideseek_env.render.printable import one_line
from wideseek_env.tasks.statistics import TaskStatistics

_WIDE, _HIGH = 3.4, 2.1  # width and height of a panel, in inches
_BARS = 14  # bars of a panel
_LANGUAGES = {"en": "English", "zh": "Chinese"}
_NAME = 34

_Panel = tuple[str, Callable[[Any], None]]


def plot_tasks(
    statistics: TaskStatistics, path: Path | str, report: Mapping[str, Any] | None = None, title: str = ""
) -> None:
    """Draw `statistics` into the file `path`, which ends with .svg, .png or .pdf.

    Args:
        statistics: The counts.
        path: The file.
        report: The report that `build_tasks` wrote next to the tasks.
        title: The title. Default: the number of tasks.

    Raises:
        MissingDependencyError: matplotlib is not installed.
        ConfigError: There are no tasks to draw, or the file name has another ending.
    """
    draw_tasks(statistics, report, title).save(path)


def draw_tasks(
    statistics: TaskStatistics, report: Mapping[str, Any] | None = None, title: str = ""
) -> Picture:
    """The figure of `plot_tasks`. Only counts with something to show have a panel."""
    if not statistics.tasks:
        raise ConfigError("there are no tasks to draw")
    panels = _panels(statistics, report or {})
    across = 2 if len(panels) in (2, 4) else min(3, len(panels))
    lines = -(-len(panels) // across)

    def draw(figure: Any) -> None:
        every = figure.subplots(lines, across, squeeze=False).ravel()
        for number, axes in enumerate(every):
            if number >= len(panels):
                axes.set_axis_off()
                continue
            name, fill = panels[number]
            fill(axes)
            axes.set_title(name, loc="left", parse_math=False)
        shown = title or f"{statistics.tasks:,} tasks"
        figure.suptitle(one_line(shown, 120), fontsize=9, parse_math=False, x=0.01, ha="left")

    return picture(_WIDE * across, _HIGH * lines + 0.3, draw)


def _panels(found: TaskStatistics, report: Mapping[str, Any]) -> list[_Panel]:
    """The panels in their order. A count with one value only says nothing, so it is left out."""
    blue, orange, green, pink, *_ = COLOURS
    several: list[tuple[str, Mapping[str, int], str]] = [
        ("Kinds of questions", found.said.get("kind", {}), green),
        ("Topics", found.said.get("domain", {}), green),
        ("Which rows the questions ask for", found.selection, pink),
        ("Languages", {_LANGUAGES.get(name, name): n for name, n in found.languages.items()}, pink),
        ("Splits", found.said.get("split", {}), orange),
        ("Modes", found.said.get("mode", {}), orange),
    ]
    counted: list[tuple[str, Mapping[int, int], str, str]] = [
        ("Rows of the gold table", found.rows, blue, "rows"),
        ("Columns of the gold table", found.columns, blue, "columns"),
        ("Lists with rows of the answer", found.lists, blue, "lists"),
        ("Pages of all named lists", found.list_pages, blue, "pages"),
    ]
    panels = [(name, _columns(counts, colour, unit)) for name, counts, colour, unit in counted if counts]
    panels += [(name, _bars(counts, colour)) for name, counts, colour in several if len(counts) > 1]
    if found.metrics:
        panels.append(("How columns are compared", _bars(found.metrics, orange, "columns")))
    if found.rank:
        hits = Counter({f"hit {rank}": many for rank, many in sorted(found.rank.items())})
        panels.append(("Place of the list in a search for its title", _bars(hits, green, sort=False)))
    if funnel := _funnel(report):
        panels.append(("Proposed, dropped and kept tasks", _bars(funnel, pink, sort=False)))
    return panels


def _funnel(report: Mapping[str, Any]) -> dict[str, int]:
    funnel: dict[str, int] = {}
    for kind, proposed in report.get("proposed", {}).items():
        dropped = report.get("dropped", {}).get(kind, {})
        mark = "" if len(report["proposed"]) == 1 else f"{kind}: "
        funnel[f"{mark}proposed"] = proposed
        funnel |= {
            f"{mark}dropped, {reason}": n for reason, n in sorted(dropped.items(), key=lambda d: -d[1])
        }
        funnel[f"{mark}not needed"] = report.get("unused", {}).get(kind, 0)
        funnel[f"{mark}kept"] = report.get("kept", {}).get(kind, 0)
    return funnel


def _columns(counts: Mapping[int, int], colour: str, unit: str) -> Callable[[Any], None]:
    """A panel of upright bars. Many different numbers share bars of the same width."""

    def draw(axes: Any) -> None:
        from matplotlib.ticker import MaxNLocator, StrMethodFormatter

        low, high = min(counts), max(counts)
        step = _step(high - low + 1)
        bars: Counter[int] = Counter()
        for value, many in counts.items():
            bars[value // step] += many
        places = [bar * step + (step - 1) / 2 for bar in bars]
        axes.bar(places, list(bars.values()), width=0.9 * step if step > 1 else 0.8, color=colour)
        if high - low < _BARS and step == 1:
            axes.set_xticks(range(low, high + 1))
        else:
            axes.xaxis.set_major_locator(MaxNLocator(nbins=8, integer=True, steps=[1, 2, 5, 10]))
        if high == low:
            axes.set_xlim(low - 2, low + 2)
        axes.yaxis.set_major_locator(MaxNLocator(nbins=5, integer=True, steps=[1, 2, 5, 10]))
        axes.yaxis.set_major_formatter(StrMethodFormatter("{x:,.0f}"))
        axes.set_xlabel(unit if step == 1 else f"{unit}, in groups of {step}")
        axes.set_ylabel("tasks")

    return draw


def _step(span: int) -> int:
    """How many neighbouring numbers share a bar: 1, 2, 5, 10, 20, …"""
    step, factors = 1, (2, 2.5, 2)
    for number in range(60):
        if span / step <= 2 * _BARS:
            break
        step = int(step * factors[number % 3])
    return step


def _bars(
    counts: Mapping[str, int], colour: str, unit: str = "tasks", *, sort: bool = True
) -> Callable[[Any], None]:
    """A panel of horizontal bars with their numbers. The smallest bars of a long list share one."""

    def draw(axes: Any) -> None:
        from matplotlib.ticker import MaxNLocator, StrMethodFormatter

        items: Sequence[tuple[str, int]] = [(name, number) for name, number in counts.items() if number]
        if sort:
            items = sorted(items, key=lambda item: (-item[1], item[0]))
            if len(items) > _BARS:
                rest = items[_BARS - 1 :]
                items = [*items[: _BARS - 1], (f"{len(rest)} others", sum(number for _, number in rest))]
        items = items[::-1]
        axes.barh(range(len(items)), [number for _, number in items], color=colour, height=0.72)
        names = [one_line(name.replace("_", " "), _NAME) for name, _ in items]
        axes.set_yticks(
            range(len(items)), labels=names, parse_math=False, fontsize=7 if len(items) < 12 else 6
        )
        for place, (_, number) in enumerate(items):
            axes.annotate(
                f"{number:,}", (number, place), xytext=(3, 0), textcoords="offset points", va="center", fontsize=6.5,
                color=INK,
            )  # fmt: skip
        axes.set_xlim(0, max(number for _, number in items) * 1.22)
        axes.set_ylim(-0.6 - max(0, 3 - len(items)), len(items) - 0.4)  # few bars are not thick
        axes.xaxis.set_major_locator(MaxNLocator(nbins=4, integer=True, steps=[1, 2, 5, 10]))
        axes.xaxis.set_major_formatter(StrMethodFormatter("{x:,.0f}"))
        axes.grid(visible=False, axis="y")
        axes.set_xlabel(unit)

    return draw
