"""Figures of sweeps.

A figure shows one metric and is as wide as a column of a paper. Or it is an overview of quality, time, calls and
speed-up, as wide as a page.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from math import ceil, floor, log2
from pathlib import Path
from textwrap import fill
from typing import Any

from wideseek_env.errors import ConfigError
from wideseek_env.evaluation.curves import (
    ANSWERED,
    COSTS,
    METRICS,
    SIZE_LABELS,
    Axis,
    Curve,
    check_axis,
    quality,
)
from wideseek_env.evaluation.drawing import (
    COLUMN,
    GRID,
    INK,
    PAGE,
    PAPER,
    Picture,
    Stroke,
    picture,
    stroke,
)
from wideseek_env.evaluation.naming import budget_name, policy_name, tasks_name
from wideseek_env.evaluation.placing import Labels
from wideseek_env.evaluation.speedup import Speedup, same_work, speedup_of
from wideseek_env.evaluation.summary import Summary
from wideseek_env.evaluation.sweep import Sweep
from wideseek_env.render.printable import one_line

Values = Callable[[Summary], Sequence[float] | None]

_NAME = 48
_COLUMN_TITLE, _PAGE_TITLE = 52, 110  # characters in a line of a title
_BEYOND = 1.1  # how far the line of a single agent goes beyond the points, as a factor
_LEAST_APART = 0.035  # of the axis, between two numbers of sizes
_LEAST_COUNTED = 3.0
_SINGLE = "single agent"


def draw_metric(
    curves: Sequence[Curve], *, axis: str = "size", metric: str = "item-f1", title: str = ""
) -> Picture:
    """Draw one metric with its 95 % intervals, as wide as one column of a paper.

    If the axis is the size (the width or the number of turns), the intervals are drawn as a band. If the axis is a
    measured cost, each point has a bar that shows its interval, and a label that gives its size.

    Args:
        curves: The runs to draw.
        axis: The horizontal axis, one of `AXES`.
        metric: The metric, one of `METRICS`.
        title: A title above the figure.

    Raises:
        ConfigError: The curves cannot be drawn together, or the axis or metric is unknown.
        MissingDependencyError: matplotlib is not installed.
    """
    check_axis(axis, curves)
    values = quality(metric)

    def draw(figure: Any) -> None:
        labels = Labels()
        axes = figure.subplots()
        for number, curve in enumerate(curves):
            _curve(axes, curve, stroke(number), axis, values, curve.name)
        _shares(axes, f"{METRICS[metric][1]} (0–100)")
        _singles(axes, labels, curves, axis, values)
        _x_axis(axes, curves, axis)
        if axis != "size":
            _size_names(axes, labels, curves, axis, values)
        _head(figure, title, _COLUMN_TITLE)
        if len(curves) > 1:
            _legend(figure, axes)
        labels.place(figure)

    return picture(COLUMN, 2.3 + _room(curves, title, _COLUMN_TITLE), draw)


def draw_cost(curves: Sequence[Curve], cost: str, *, title: str = "") -> Picture:
    """Draw a cost of an episode against the size, as wide as one column of a paper.

    Args:
        curves: The runs to draw. Runs without this cost have no line.
        cost: One of `COSTS`.
        title: A title above the figure.

    Raises:
        ConfigError: The curves cannot be drawn together, or the cost is unknown.
        MissingDependencyError: matplotlib is not installed.
    """
    check_axis("size", curves)
    if cost not in COSTS:
        raise ConfigError(f"unknown cost {cost!r}; use one of {', '.join(COSTS)}")

    def draw(figure: Any) -> None:
        labels = Labels()
        axes = figure.subplots()
        _cost_panel(axes, labels, curves, COSTS[cost])
        axes.set_xlabel(SIZE_LABELS[curves[0].kind])
        _head(figure, title, _COLUMN_TITLE)
        if len(curves) > 1:
            _legend(figure, axes)
        labels.place(figure)

    return picture(COLUMN, 2.3 + _room(curves, title, _COLUMN_TITLE), draw)


def draw_overview(
    curves: Sequence[Curve], speedups: Sequence[Speedup | None] = (), title: str = ""
) -> Picture:
    """Draw four panels for the full width of a page.

    The panels are quality, critical path, calls, and speed-up. The speed-up is drawn only if a wider team did the same
    work as the narrowest. Otherwise the last panel shows tokens, answered episodes or turns. With one curve, the
    quality panel shows item-F1, row F1 and success. With several curves, it shows the item-F1 of each.

    Raises:
        ConfigError: The curves cannot be drawn together.
        MissingDependencyError: matplotlib is not installed.
    """
    check_axis("size", curves)
    fast = [found if found is not None and same_work(found) else None for found in speedups]
    panels: list[Callable[[Any, Labels], None]] = [
        lambda axes, labels: _quality_panel(axes, labels, curves),
        lambda axes, labels: _cost_panel(axes, labels, curves, COSTS["critical-path"]),
        lambda axes, labels: _cost_panel(axes, labels, curves, COSTS["calls"]),
    ]
    if any(fast):
        panels.append(lambda axes, labels: _speedup_panel(axes, labels, fast))
    elif all(curve.against("tokens", lambda _: ()) for curve in curves):
        panels.append(lambda axes, labels: _cost_panel(axes, labels, curves, COSTS["tokens"]))
    elif curves[0].kind == "depth":  # the turns of a single agent are its critical path
        panels.append(lambda axes, labels: _cost_panel(axes, labels, curves, ANSWERED))
    else:
        panels.append(lambda axes, labels: _cost_panel(axes, labels, curves, COSTS["turns"]))

    def draw(figure: Any) -> None:
        labels = Labels()
        every = figure.subplots(2, 2).ravel()
        for axes, panel in zip(every, panels, strict=True):
            panel(axes, labels)
            axes.set_title(axes.get_ylabel(), loc="left", parse_math=False)
            axes.set_ylabel("")
        for axes in every[2:]:
            axes.set_xlabel(SIZE_LABELS[curves[0].kind])
        _head(figure, title, _PAGE_TITLE)
        if len(curves) > 1:
            handles, names = every[1].get_legend_handles_labels()
            legend = figure.legend(handles, names, loc="outside lower center", ncols=min(len(names), 3))
            _plain(legend)
        labels.place(figure)

    return picture(PAGE, 4.3 + (0.15 * -(-len(curves) // 3) if len(curves) > 1 else 0), draw)


def plot_sweep(sweep: Sweep, path: Path | str, *, title: str | None = None) -> None:
    """Draw the overview of `sweep` into the file `path`, which ends with .svg, .png or .pdf.

    Raises:
        MissingDependencyError: matplotlib is not installed.
    """
    sweep_picture(sweep, title=title).save(path)


def sweep_picture(sweep: Sweep, *, title: str | None = None) -> Picture:
    """The overview of one sweep."""
    curve = Curve.of(sweep, policy_name(sweep.settings))
    return draw_overview([curve], [sweep_speedup(sweep)], sweep_title(sweep) if title is None else title)


def sweep_title(sweep: Sweep) -> str:
    """The policy, tasks, episodes and budget of a sweep in one line."""
    summary = sweep.points[-1].summary if sweep.points else None
    parts = [
        f"{policy_name(sweep.settings)} on {tasks_name(sweep.settings, summary.tasks if summary else None)}"
    ]
    if summary is not None and summary.episodes > summary.tasks:
        parts.append(f"{summary.episodes:,} episodes each")
    return ", ".join([*parts, *filter(None, [budget_name(sweep.settings)])])


def sweep_speedup(sweep: Sweep) -> Speedup | None:
    """The speed-ups by critical path. None if the sweep has none."""
    try:
        return speedup_of(sweep)
    except ConfigError:
        return None


# --- panels ------------------------------------------------------------------------------------------------------


def _quality_panel(axes: Any, labels: Labels, curves: Sequence[Curve]) -> None:
    if len(curves) > 1:
        for number, curve in enumerate(curves):
            _curve(axes, curve, stroke(number), "size", quality("item-f1"), curve.name)
        _shares(axes, "Item-F1, with 95 % intervals over tasks")
    else:
        for number, (metric, (_, label)) in enumerate(METRICS.items()):
            # each curve is thinner than the one under it, so that equal curves stay visible
            _curve(axes, curves[0], stroke(number), "size", quality(metric), label, 1.25 - 0.22 * number)
        _shares(axes, "Quality (0–100), with 95 % intervals over tasks")
        _plain(axes.legend(loc="best"))
    _singles(axes, labels, curves, "size", quality("item-f1"))
    _x_axis(axes, curves, "size")
    axes.set_xlabel("")


def _cost_panel(axes: Any, labels: Labels, curves: Sequence[Curve], cost: Axis) -> None:
    def values(summary: Summary) -> Sequence[float] | None:
        value = cost.of(summary)
        return None if value is None else (value,)

    for number, curve in enumerate(curves):
        _curve(axes, curve, stroke(number), "size", values, curve.name)
    if len(curves) == 1:
        rows = curves[0].against("size", values)
        whole = all(row[2] == round(row[2]) or row[2] >= 1000 for row in rows)
        for x, _, y, *_ in rows:
            labels.add(axes, x, y, f"{y:,.0f}" if whole else f"{y:,.1f}", INK)
    _singles(axes, labels, curves, "size", values)
    axes.set_ylim(0, max(axes.dataLim.y1 * 1.2, 1e-9) if cost is not ANSWERED else 104)
    _whole_numbers(axes.yaxis, cost)
    axes.set_ylabel(cost.label)
    _x_axis(axes, curves, "size")
    axes.set_xlabel("")


def _speedup_panel(axes: Any, labels: Labels, speedups: Sequence[Speedup | None]) -> None:
    fast = [(number, found) for number, found in enumerate(speedups) if found is not None]
    sizes = sorted({point.width for _, found in fast for point in found.points})
    first = sizes[0]
    low = min(1.0, *(point.low for _, found in fast for point in found.points))
    high = max(1.0, *(point.high for _, found in fast for point in found.points))
    top = max(1.5, high + 0.25 * (high - low))
    for number, found in fast:
        look = stroke(number)
        widths = [point.width for point in found.points]
        values = [point.speedup for point in found.points]
        axes.fill_between(
            widths, [p.low for p in found.points], [p.high for p in found.points], color=look.colour, alpha=0.18,
            linewidth=0,
        )  # fmt: skip
        axes.plot(widths, values, color=look.colour, linestyle=look.line)
        for point in found.points:  # a hollow marker: item-F1 differs, so the teams did not do the same work
            inside = look.colour if point.comparable else PAPER
            axes.plot(
                [point.width], [point.speedup], marker=look.marker, color=look.colour, markerfacecolor=inside,
                linestyle="none",
            )  # fmt: skip
        if len(fast) == 1:
            for point in found.points:
                labels.add(axes, point.width, point.speedup, f"{point.speedup:.2f}", INK)
            if found.fit is not None:
                _fit_line(axes, found)
    # the line of a perfect speed-up ends inside the frame
    end = min(sizes[-1], first * (0.4 * high + 0.6 * top))
    steps = _steps(first, end)
    axes.plot(steps, [step / first for step in steps], color=INK, linewidth=0.8, linestyle=(0, (1, 2)))
    labels.add(axes, end, end / first, "linear", INK, 6)
    axes.set_ylim(low - 0.15 * (top - low), top)
    if any(not point.comparable for _, found in fast for point in found.points):
        axes.plot(
            [], [], marker="o", color=INK, markerfacecolor=PAPER, linestyle="none", label="not the same work"
        )  # fmt: skip
    if axes.get_legend_handles_labels()[1]:
        _plain(axes.legend(loc="best"))
    axes.set_ylabel("Speed-up by critical path")
    _size_ticks(axes, sizes)


def _fit_line(axes: Any, found: Speedup) -> None:
    fit = found.fit
    if fit is None:
        return
    first = found.points[0].width
    steps = _steps(first, found.points[-1].width)
    axes.plot(
        steps, [fit.speedup(step, first) for step in steps], color=INK, linewidth=0.9, linestyle=(0, (4, 2)),
        label=f"Amdahl's law: {100 * fit.serial:.0f} % serial "
        f"({100 * fit.low:.0f}–{100 * fit.high:.0f}), R² {fit.r2:.2f}",
    )  # fmt: skip


def _steps(first: float, last: float) -> list[float]:
    """Widths from `first` to `last`, close to each other on a logarithmic axis."""
    return [first * 2 ** (i / 24 * log2(last / first)) for i in range(25)]


# --- parts of a panel ------------------------------------------------------------------------------------------------


def _curve(
    axes: Any, curve: Curve, look: Stroke, axis: str, values: Values, label: str, thickness: float = 1.0
) -> None:
    """Draw the line of a curve, with its confidence interval if `values` gives (value, low, high)."""
    rows = curve.against(axis, values)
    if not rows:
        return
    xs, ys = [row[0] for row in rows], [row[2] for row in rows]
    axes.plot(
        xs, ys, color=look.colour, marker=look.marker, linestyle=look.line, label=one_line(label, _NAME), clip_on=False,
        zorder=3, linewidth=1.4 * thickness, markersize=4.2 * thickness,
    )  # fmt: skip
    if len(rows[0]) > 3:
        low, high = [row[3] for row in rows], [row[4] for row in rows]
        if axis == "size" and len(rows) > 1:
            axes.fill_between(xs, low, high, color=look.colour, alpha=0.18, linewidth=0)
        else:
            spread = [
                [max(0.0, y - a) for y, a in zip(ys, low, strict=True)],
                [max(0.0, b - y) for y, b in zip(ys, high, strict=True)],
            ]
            axes.errorbar(
                xs, ys, yerr=spread, fmt="none", ecolor=look.colour, elinewidth=0.9, capsize=2, alpha=0.8
            )


def _singles(axes: Any, labels: Labels, curves: Sequence[Curve], axis: str, values: Values) -> None:
    """Draw the single agents next to their teams: a dotted line, or a hollow point if the axis is a cost."""
    sizes = [size for curve in curves for size, _ in curve.points]
    named: list[float] = []
    for number, curve in enumerate(curves):
        look = stroke(number)
        found = values(curve.single) if curve.single is not None else None
        if found is None or curve.single is None:
            continue
        if axis != "size":
            x = COSTS[axis].of(curve.single)
            if x is not None:
                axes.plot(
                    [x], [found[0]], marker=look.marker, color=look.colour, markerfacecolor=PAPER, linestyle="none"
                )  # fmt: skip
            continue
        ends = (min(sizes) / _BEYOND, max(sizes) * _BEYOND)
        axes.plot(ends, [found[0]] * 2, color=look.colour, linewidth=0.8, linestyle=(0, (1, 2)))
        if all(abs(found[0] - other) > 0.07 * max(axes.dataLim.height, found[0]) for other in named):
            named.append(found[0])  # names would overlap; the lines have the colours of their curves
            anchors = [
                (ends[0] * (ends[1] / ends[0]) ** share, found[0]) for share in (0.86, 0.14, 0.68, 0.32, 0.5)
            ]
            labels.add_along(axes, anchors, _SINGLE, look.colour)


def _size_names(axes: Any, labels: Labels, curves: Sequence[Curve], axis: str, values: Values) -> None:
    """Label each point with its size, where there is room. The ends of a curve also say what the number is."""
    for number, curve in enumerate(curves):
        colour = stroke(number).colour
        rows = curve.against(axis, values)
        order = [
            *dict.fromkeys((0, len(rows) - 1)),
            *range(1, len(rows) - 1),
        ]  # the ends have the longest labels
        for at in order if rows else ():
            x, size, y, *_ = rows[at]
            end = at in (0, len(rows) - 1)
            name = f"width {size:g}" if curve.kind == "width" else f"{size:g} turns"
            labels.add(axes, x, y, name if end else f"{size:g}", colour, 6)
        cost = COSTS[axis].of(curve.single) if curve.single is not None else None
        found = values(curve.single) if curve.single is not None else None
        if cost is not None and found is not None:
            labels.add(axes, cost, found[0], _SINGLE, colour, 6)


def _whole_numbers(axis: Any, cost: Axis) -> None:
    """Whole numbers as ticks, if the axis counts something."""
    if cost is not COSTS["seconds"]:
        from matplotlib.ticker import MaxNLocator, StrMethodFormatter

        axis.set_major_locator(MaxNLocator(nbins=6, integer=True, steps=[1, 2, 5, 10]))
        axis.set_major_formatter(StrMethodFormatter("{x:,.0f}"))


def _shares(axes: Any, label: str) -> None:
    top = max(axes.dataLim.y1 if axes.dataLim.y1 > 0 else 1.0, 1.0)
    axes.set_ylim(0, 104 if top > 75 else top * 1.18)
    if top > 75:
        axes.set_yticks(range(0, 101, 20))
    axes.set_ylabel(label)


def _x_axis(axes: Any, curves: Sequence[Curve], axis: str) -> None:
    if axis == "size":
        axes.set_xlabel(SIZE_LABELS[curves[0].kind])
        _size_ticks(axes, sorted({size for curve in curves for size, _ in curve.points}))
        return
    every = [x for curve in curves for x, *_ in curve.against(axis, lambda _: ())]
    every += [x for curve in curves if curve.single and (x := COSTS[axis].of(curve.single)) is not None]
    axes.set_xlabel(COSTS[axis].label)
    axes.grid(axis="x", color=GRID, linewidth=0.3)
    counted = axis != "seconds"
    low, high = min(every), max(every)
    if low > 0 and high / low >= 4:
        axes.set_xscale("log", base=2)
        powers = range(int(log2(low)) - 1, int(log2(high)) + 2)
        ticks = [2.0**p for p in powers if low / 1.3 <= 2.0**p <= high * 1.3 and (p >= 0 or not counted)]
        axes.set_xticks(
            ticks, labels=[f"{tick:,g}" if tick < 1e5 else f"{tick / 1000:,.0f}k" for tick in ticks]
        )
        axes.set_xticks([], minor=True)
        axes.set_xlim(low / 1.3, high * 1.3)
        return
    room = 0.12 * (high - low) or 0.1 * high or 1.0
    low, high = low - room, high + room
    if counted and high - low < _LEAST_COUNTED:  # several whole numbers are on the axis
        low, high = max(0, floor(low)), ceil(high)
        high += high - low < _LEAST_COUNTED
    axes.set_xlim(low, high)
    _whole_numbers(axes.xaxis, COSTS[axis])


def _size_ticks(axes: Any, sizes: Sequence[int]) -> None:
    """A tick for each size. A size without room for its number has none."""
    axes.set_xscale("log", base=2)
    least = _LEAST_APART * log2(sizes[-1] * _BEYOND / (sizes[0] / _BEYOND))
    shown = [sizes[-1]]
    for size in sizes[:-1]:
        if log2(shown[-1] / size) >= least and (len(shown) == 1 or log2(size / shown[-2]) >= least):
            shown.insert(len(shown) - 1, size)
    axes.set_xticks(sizes, labels=[str(size) if size in shown else "" for size in sizes])
    axes.set_xticks([], minor=True)
    axes.set_xlim(sizes[0] / 1.2, sizes[-1] * 1.2)
    axes.grid(axis="x", color=GRID, linewidth=0.3)


def _head(figure: Any, title: str, width: int) -> None:
    if title:
        figure.suptitle(fill(one_line(title, 300), width), fontsize=8, parse_math=False, x=0.01, ha="left")


def _room(curves: Sequence[Curve], title: str, width: int) -> float:
    """The height in inches that the legend and the title of a column need."""
    lines = fill(one_line(title, 300), width).count("\n") + 1 if title else 0
    return (0.15 * len(curves) if len(curves) > 1 else 0) + 0.14 * lines


def _legend(figure: Any, axes: Any) -> None:
    handles, labels = axes.get_legend_handles_labels()
    beside = 2 if max(map(len, labels)) <= 20 else 1
    _plain(figure.legend(handles, labels, loc="outside lower center", ncols=beside))


def _plain(legend: Any) -> None:
    """Show names as plain text, never as formulas."""
    for text in legend.get_texts():
        text.set_parse_math(False)
