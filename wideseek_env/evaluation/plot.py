"""Figures of sweeps.

A figure shows one metric and is as wide as a column of a paper. Or it is an overview of quality, time, calls and
speed-up, as wide as a page.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from math import log2
from pathlib import Path
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
from wideseek_env.evaluation.speedup import Speedup, speedup_of
from wideseek_env.evaluation.summary import Summary
from wideseek_env.evaluation.sweep import Sweep
from wideseek_env.render.printable import one_line

Values = Callable[[Summary], Sequence[float] | None]

_NAME = 48
_SINGLE = "single agent"


def draw_metric(curves: Sequence[Curve], *, axis: str = "size", metric: str = "item-f1") -> Picture:
    """Draw one metric with its 95 % intervals, as wide as one column of a paper.

    If the axis is the size (the width or the number of turns), the intervals are drawn as a band. If the axis is a
    measured cost, each point has a bar that shows its interval, and a label that gives its size.

    Args:
        curves: The runs to draw.
        axis: The horizontal axis, one of `AXES`.
        metric: The metric, one of `METRICS`.

    Raises:
        ConfigError: The curves cannot be drawn together, or the axis or metric is unknown.
        MissingDependencyError: matplotlib is not installed.
    """
    check_axis(axis, curves)
    values = quality(metric)

    def draw(figure: Any) -> None:
        axes = figure.subplots()
        for number, curve in enumerate(curves):
            _curve(axes, curve, stroke(number), axis, values, curve.name)
            _single(axes, curve, stroke(number), axis, values)
        _shares(axes, f"{METRICS[metric][1]} (0–100)")
        _x_axis(axes, curves, axis)
        if axis != "size":
            _size_names(axes, curves, axis, values)
        if len(curves) > 1:
            _legend(figure, axes)

    rows = len(curves) if len(curves) > 1 else 0
    return picture(COLUMN, 2.3 + 0.15 * rows, draw)


def draw_cost(curves: Sequence[Curve], cost: str) -> Picture:
    """Draw a cost of an episode against the size, as wide as one column of a paper.

    Args:
        curves: The runs to draw. Runs without this cost have no line.
        cost: One of `COSTS`.

    Raises:
        ConfigError: The curves cannot be drawn together, or the cost is unknown.
        MissingDependencyError: matplotlib is not installed.
    """
    check_axis("size", curves)
    if cost not in COSTS:
        raise ConfigError(f"unknown cost {cost!r}; use one of {', '.join(COSTS)}")

    def draw(figure: Any) -> None:
        axes = figure.subplots()
        _cost_panel(axes, curves, COSTS[cost])
        axes.set_xlabel(SIZE_LABELS[curves[0].kind])
        if len(curves) > 1:
            _legend(figure, axes)

    return picture(COLUMN, 2.3 + 0.15 * (len(curves) if len(curves) > 1 else 0), draw)


def draw_overview(
    curves: Sequence[Curve], speedups: Sequence[Speedup | None] = (), title: str = ""
) -> Picture:
    """Draw four panels for the full width of a page.

    The panels are quality, critical path, calls, and speed-up. Without speed-ups, the last panel shows tokens, answered
    episodes or turns. With one curve, the quality panel shows item-F1, row F1 and success. With several curves, it
    shows the item-F1 of each.

    Raises:
        ConfigError: The curves cannot be drawn together.
        MissingDependencyError: matplotlib is not installed.
    """
    check_axis("size", curves)
    fast = [found for found in speedups if found is not None]
    panels: list[Callable[[Any], None]] = [
        lambda axes: _quality_panel(axes, curves),
        lambda axes: _cost_panel(axes, curves, COSTS["critical-path"]),
        lambda axes: _cost_panel(axes, curves, COSTS["calls"]),
    ]
    if fast:
        panels.append(lambda axes: _speedup_panel(axes, speedups))
    elif all(curve.against("tokens", lambda _: ()) for curve in curves):
        panels.append(lambda axes: _cost_panel(axes, curves, COSTS["tokens"]))
    elif curves[0].kind == "depth":  # the turns of a single agent are its critical path
        panels.append(lambda axes: _cost_panel(axes, curves, ANSWERED))
    else:
        panels.append(lambda axes: _cost_panel(axes, curves, COSTS["turns"]))

    def draw(figure: Any) -> None:
        every = figure.subplots(2, 2).ravel()
        for axes, panel in zip(every, panels, strict=True):
            panel(axes)
            axes.set_title(axes.get_ylabel(), loc="left", parse_math=False)
            axes.set_ylabel("")
        for axes in every[2:]:
            axes.set_xlabel(SIZE_LABELS[curves[0].kind])
        if title:
            figure.suptitle(one_line(title, 120), fontsize=8, parse_math=False, x=0.01, ha="left")
        if len(curves) > 1:
            handles, labels = every[1].get_legend_handles_labels()
            legend = figure.legend(handles, labels, loc="outside lower center", ncols=min(len(labels), 3))
            _plain(legend)

    return picture(PAGE, 4.3 + (0.15 * -(-len(curves) // 3) if len(curves) > 1 else 0), draw)


def plot_sweep(sweep: Sweep, path: Path | str, *, title: str | None = None) -> None:
    """Draw the overview of `sweep` into the file `path`, which ends with .svg, .png or .pdf.

    Raises:
        MissingDependencyError: matplotlib is not installed.
    """
    sweep_picture(sweep, title=title).save(path)


def sweep_picture(sweep: Sweep, *, title: str | None = None) -> Picture:
    """The overview of one sweep."""
    name = str(sweep.settings.get("policy", "policy"))
    curve = Curve.of(sweep, name)
    return draw_overview([curve], [sweep_speedup(sweep)], sweep_title(sweep) if title is None else title)


def sweep_title(sweep: Sweep) -> str:
    """The policy, tasks, episodes and budget of a sweep in one line."""
    settings = sweep.settings
    episodes = sweep.points[-1].summary.episodes if sweep.points else 0
    equal = settings.get("equal")
    budget = f", at most {equal['amount']} {equal['kind']} per episode" if isinstance(equal, dict) else ""
    tasks = one_line(str(settings.get("tasks", "tasks")), 60)
    return f"{one_line(str(settings.get('policy', 'policy')), _NAME)} on {tasks} ({episodes} episodes/point{budget})"


def sweep_speedup(sweep: Sweep) -> Speedup | None:
    """The speed-ups by critical path. None if the sweep has none."""
    try:
        return speedup_of(sweep)
    except ConfigError:
        return None


# --- panels ------------------------------------------------------------------------------------------------------


def _quality_panel(axes: Any, curves: Sequence[Curve]) -> None:
    if len(curves) > 1:
        for number, curve in enumerate(curves):
            _curve(axes, curve, stroke(number), "size", quality("item-f1"), curve.name)
            _single(axes, curve, stroke(number), "size", quality("item-f1"))
        _shares(axes, "Item-F1, with 95 % intervals over tasks")
    else:
        for number, (metric, (_, label)) in enumerate(METRICS.items()):
            _curve(axes, curves[0], stroke(number), "size", quality(metric), label)
        _single(axes, curves[0], stroke(0), "size", quality("item-f1"))
        _shares(axes, "Quality (0–100), with 95 % intervals over tasks")
        _plain(axes.legend(loc="best"))
    _x_axis(axes, curves, "size")
    axes.set_xlabel("")


def _cost_panel(axes: Any, curves: Sequence[Curve], cost: Axis) -> None:
    def values(summary: Summary) -> Sequence[float] | None:
        value = cost.of(summary)
        return None if value is None else (value,)

    for number, curve in enumerate(curves):
        _curve(axes, curve, stroke(number), "size", values, curve.name)
        _single(axes, curve, stroke(number), "size", values)
        if len(curves) == 1:
            _numbers(axes, curve.against("size", values))
    axes.set_ylim(0, max(axes.get_ylim()[1] * 1.08, 1e-9))
    axes.set_ylabel(cost.label)
    _x_axis(axes, curves, "size")
    axes.set_xlabel("")


def _speedup_panel(axes: Any, speedups: Sequence[Speedup | None]) -> None:
    fast = [(number, found) for number, found in enumerate(speedups) if found is not None]
    sizes = sorted({point.width for _, found in fast for point in found.points})
    first, last = sizes[0], sizes[-1]
    steps = [first * 2 ** (i / 24 * log2(last / first)) for i in range(25)]
    axes.plot(
        steps,
        [step / first for step in steps],
        color=INK,
        linewidth=0.8,
        linestyle=(0, (1, 2)),
        label="linear",
    )
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
        if len(fast) == 1 and found.fit is not None:
            _fit_line(axes, found)
    hollow = any(not point.comparable for _, found in fast for point in found.points)
    low = min(1.0, *(point.low for _, found in fast for point in found.points))
    best = max(point.high for _, found in fast for point in found.points)
    axes.set_ylim(low - 0.1, max(1.5, min(last / first, 1.5 * best)))
    _plain(axes.legend(loc="upper left", frameon=True, facecolor=PAPER, edgecolor="none", framealpha=0.85))
    axes.set_ylabel(f"Speed-up by critical path{' (hollow: different item-F1)' if hollow else ''}")
    _size_ticks(axes, sizes)


def _fit_line(axes: Any, found: Speedup) -> None:
    fit = found.fit
    if fit is None or not 0 <= fit.serial <= 1:
        return
    first, last = found.points[0].width, found.points[-1].width
    steps = [first * 2 ** (i / 24 * log2(last / first)) for i in range(25)]
    axes.plot(
        steps, [fit.speedup(step, first) for step in steps], color=INK, linewidth=0.9, linestyle=(0, (4, 2)),
        label=f"Amdahl: {100 * fit.serial:.0f} % serial [{100 * fit.low:.0f}, {100 * fit.high:.0f}], R² {fit.r2:.2f}",
    )  # fmt: skip


# --- parts of a panel ------------------------------------------------------------------------------------------------


def _curve(axes: Any, curve: Curve, look: Stroke, axis: str, values: Values, label: str) -> None:
    """Draw the line of a curve, with its confidence interval if `values` gives (value, low, high)."""
    rows = curve.against(axis, values)
    if not rows:
        return
    xs, ys = [row[0] for row in rows], [row[2] for row in rows]
    axes.plot(
        xs, ys, color=look.colour, marker=look.marker, linestyle=look.line, label=one_line(label, _NAME), clip_on=False,
        zorder=3,
    )  # fmt: skip
    if len(rows[0]) > 3:
        low, high = [row[3] for row in rows], [row[4] for row in rows]
        if axis == "size" and len(rows) > 1:
            axes.fill_between(xs, low, high, color=look.colour, alpha=0.18, linewidth=0)
        else:
            spread = [
                [y - a for y, a in zip(ys, low, strict=True)],
                [b - y for y, b in zip(ys, high, strict=True)],
            ]
            axes.errorbar(
                xs, ys, yerr=spread, fmt="none", ecolor=look.colour, elinewidth=0.9, capsize=2, alpha=0.8
            )


def _single(axes: Any, curve: Curve, look: Stroke, axis: str, values: Values) -> None:
    """Draw the single agent next to a team: a horizontal line, or a hollow point if the axis is a cost."""
    found = values(curve.single) if curve.single is not None else None
    if found is None or curve.single is None:
        return
    if axis == "size":
        axes.axhline(found[0], color=look.colour, linewidth=0.8, linestyle=(0, (1, 2)))
        near = 0.07 * max(axes.dataLim.height, found[0])
        if any(abs(label.xy[1] - found[0]) < near for label in axes.texts if label.get_text() == _SINGLE):
            return  # the names would overlap; the lines have the colours of their curves
        axes.annotate(
            _SINGLE, (1, found[0]), xycoords=("axes fraction", "data"), xytext=(0, 2),
            textcoords="offset points", ha="right", va="bottom", fontsize=6, color=look.colour,
        )  # fmt: skip
        return
    x = COSTS[axis].of(curve.single)
    if x is not None:
        axes.plot(
            [x], [found[0]], marker=look.marker, color=look.colour, markerfacecolor=PAPER, linestyle="none"
        )


def _size_names(axes: Any, curves: Sequence[Curve], axis: str, values: Values) -> None:
    """Label each point with its size, where there is room. Used if the horizontal axis is a cost."""
    named = []
    for number, curve in enumerate(curves):
        colour = stroke(number).colour
        named += [(x, y, f"{size:g}", colour) for x, size, y, *_ in curve.against(axis, values)]
        cost = COSTS[axis].of(curve.single) if curve.single is not None else None
        found = values(curve.single) if curve.single is not None else None
        if cost is not None and found is not None:
            named.append((cost, found[0], "single", colour))
    taken: list[tuple[float, float]] = []
    for x, y, text, colour in named:
        across, up = axes.transAxes.inverted().transform(axes.transData.transform((x, y)))
        if all(abs(across - a) > 0.06 or abs(up - b) > 0.06 for a, b in taken):
            taken.append((across, up))
            place = (4, -7) if up > 0.5 else (4, 3)
            axes.annotate(text, (x, y), xytext=place, textcoords="offset points", fontsize=6, color=colour)


def _numbers(axes: Any, rows: Sequence[Sequence[float]]) -> None:
    for x, _, y, *_ in rows:
        text = f"{y:.1f}" if y < 1000 else f"{y:,.0f}"
        axes.annotate(text, (x, y), xytext=(0, 4), textcoords="offset points", ha="center", fontsize=6.5)


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
    names = "/".join("width" if kind == "width" else "turns" for kind in sorted({c.kind for c in curves}))
    axes.set_xlabel(f"{COSTS[axis].label}; points: {names}")
    low, high = min(every), max(every)
    if low > 0 and high / low >= 4:
        axes.set_xscale("log", base=2)
        powers = range(int(log2(low)) - 1, int(log2(high)) + 2)
        ticks = [2.0**p for p in powers if low / 1.3 <= 2.0**p <= high * 1.3]
        axes.set_xticks(
            ticks, labels=[f"{tick:,g}" if tick < 1e5 else f"{tick / 1000:,.0f}k" for tick in ticks]
        )
        axes.set_xticks([], minor=True)
        axes.set_xlim(low / 1.3, high * 1.3)
    else:
        room = 0.12 * (high - low) or 0.1 * high or 1.0
        axes.set_xlim(low - room, high + room)


def _size_ticks(axes: Any, sizes: Sequence[int]) -> None:
    axes.set_xscale("log", base=2)
    axes.set_xticks(sizes, labels=[str(size) for size in sizes])
    axes.set_xticks([], minor=True)
    axes.set_xlim(sizes[0] / 1.2, sizes[-1] * 1.2)
    axes.grid(axis="x", color=GRID, linewidth=0.3)


def _legend(figure: Any, axes: Any) -> None:
    handles, labels = axes.get_legend_handles_labels()
    beside = 2 if max(map(len, labels)) <= 20 else 1
    _plain(figure.legend(handles, labels, loc="outside lower center", ncols=beside))


def _plain(legend: Any) -> None:
    """Show names as plain text, never as formulas."""
    for text in legend.get_texts():
        text.set_parse_math(False)
