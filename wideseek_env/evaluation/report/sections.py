"""The sections of a report: results, figures, speed-up, comparisons, settings and commands."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import combinations
from typing import Any

from wideseek_env.errors import ConfigError
from wideseek_env.evaluation.compare import Difference, compare_runs
from wideseek_env.evaluation.curves import COSTS, METRICS, Curve, quality
from wideseek_env.evaluation.drawing import INSTALL, plot_available
from wideseek_env.evaluation.folder import scoring_name
from wideseek_env.evaluation.naming import budget_name, policy_name, tasks_name
from wideseek_env.evaluation.plot import draw_metric, draw_overview
from wideseek_env.evaluation.report.entries import Entry, Part
from wideseek_env.evaluation.report.html import Markup, figure, heading, interval, items, table, text
from wideseek_env.evaluation.same_game import (
    Differences,
    difference_text,
    game_differences,
    sweep_differences,
)
from wideseek_env.evaluation.speedup import (
    TOLERANCE,
    Clock,
    Speedup,
    amdahl_lines,
    no_speedup,
    speedup_of,
)
from wideseek_env.evaluation.statistics import SIGNIFICANT
from wideseek_env.evaluation.summary import Summary
from wideseek_env.evaluation.sweep import Sweep
from wideseek_env.scoring.judged import by_rules_text

_CLOCKS: Mapping[Clock, str] = {"critical_path": "critical path", "seconds": "wall-clock time"}
_COSTS = ("critical-path", "turns", "calls", "tokens", "seconds")
_SCORES = ("f1_by_item", "f1_by_row", "score")
_COMPARED = {
    "f1_by_item": "item-F1", "f1_by_row": "row F1", "score": "success", "critical_path": "critical path",
    "completion_tokens": "tokens",
}  # fmt: skip
_MOST_PAIRS = 30
_YES = "significant"


def runs(entries: Sequence[Entry]) -> Markup:
    """What each run is, in words: policy, tasks and budget. Empty for one run, whose name is the heading."""
    lines: list[Markup] = []
    if len(entries) < 2:
        return Markup("")
    for entry in entries:
        if not entry.settings:
            continue
        tasks = max((part.summary.tasks for part in entry.parts), default=None)
        budget = budget_name(entry.settings)
        said = f"{policy_name(entry.settings)} on {tasks_name(entry.settings, tasks)}{f', {budget}' if budget else ''}"
        lines.append(Markup(f"<b>{text(entry.name)}</b>: {text(said)}"))
    return items(lines) if lines else Markup("")


def unfinished(entries: Sequence[Entry]) -> Markup:
    """A note at the top about missing episodes. Empty if nothing is missing."""
    lines = [Markup(f"<b>{text(e.name)}</b>: {text(line)}") for e in entries for line in e.missing]
    if not lines:
        return Markup("")
    return Markup(f'<div class="note" id="unfinished"><b>Some runs are incomplete:</b>{items(lines)}</div>')


def judged_by_rules(entries: Sequence[Entry]) -> Markup:
    """A note at the top about cells that no model judged. Empty if there are none."""
    lines = []
    for entry in entries:
        share = max((part.summary.by_rules for part in entry.parts), default=0.0)
        if share:
            names = sorted({judge for part in entry.parts for judge in part.summary.judges})
            lines.append(f"{entry.name}: {by_rules_text(share, ', '.join(names) or 'the offline judge')}")
    if not lines:
        return Markup("")
    return Markup(f'<div class="note" id="judge"><b>No model judged some cells:</b>{items(lines)}</div>')


def conditions(entries: Sequence[Entry]) -> Markup:
    """A note at the top about runs of different games. Empty if all scores compare."""
    first = entries[0]
    lines = [
        f"{first.name} and {entry.name}: {difference_text(found)}"
        for entry in entries[1:]
        if (found := _differences(first, entry))
    ]
    if not lines:
        return Markup("")
    about = "Runs under different conditions, whose scores do not compare:"
    return Markup(f'<div class="note" id="conditions"><b>{about}</b>{items(lines)}</div>')


def _differences(first: Entry, second: Entry) -> Differences:
    if first.sweep is not None and second.sweep is not None:
        return sweep_differences(first.sweep, second.sweep)
    return game_differences(first.settings, second.settings) if first.settings and second.settings else []


def results(entries: Sequence[Entry]) -> Markup:
    """A table with one line of metrics and intervals for each point and run."""
    header = [
        "run",
        "",
        "tasks",
        "episodes",
        *(label for _, label in METRICS.values()),
        "answered",
    ]
    costs = [cost for cost in _COSTS if any(COSTS[cost].of(p.summary) for e in entries for p in e.parts)]
    header += [*(COSTS[cost].label.removesuffix(" per episode") for cost in costs), "scoring"]
    rows = [_result(entry, part, costs) for entry in entries for part in entry.parts]
    about = (
        "Values are averaged over each task's trials, then over tasks. Scores are from 0 to 100, with 95 % bootstrap "
        "intervals over tasks. Costs are per episode. The critical path counts turns that agents take at the same time "
        "once. Tokens are generated tokens, averaged over episodes."
    )
    return Markup(f'{heading(2, "Results", "results")}<p class="soft">{about}</p>{table(header, rows)}')


def _result(entry: Entry, part: Part, costs: Sequence[str]) -> list[object]:
    summary = part.summary
    row: list[object] = [entry.name, part.label, summary.tasks, summary.episodes]
    for metric in METRICS:
        found = quality(metric)(summary)
        row.append(interval(*(f"{value:.1f}" for value in found)) if found is not None else "–")
    row.append(f"{100 * summary.answered:.0f} %" if summary.episodes else "–")
    return [*row, *(_cost(summary, cost) for cost in costs), scoring_name(part.run.settings.get("strict"))]


def _cost(summary: Summary, cost: str) -> str:
    value = COSTS[cost].of(summary)
    if value is None or not summary.episodes:
        return "–"
    return f"{value:,.0f}" if value >= 1000 else f"{value:.2f}" if cost == "seconds" else f"{value:.1f}"


def figures(entries: Sequence[Entry]) -> Markup:
    """Figures: all sweeps of a kind together, each sweep alone, and item-F1 against costs per episode."""
    sweeps = [
        (e.name, e.sweep) for e in entries if e.sweep is not None and any(p.size for p in e.sweep.points)
    ]
    if not sweeps:
        return Markup("")
    title = heading(2, "Figures", "figures")
    if not plot_available():
        return Markup(
            f"{title}<p>No figures were drawn, because matplotlib is not installed: {text(INSTALL)}</p>"
        )
    parts = [title]
    curves = [Curve.of(sweep, name) for name, sweep in sweeps]
    together = same_games([sweep for _, sweep in sweeps])
    for kind in ("width", "depth"):
        for at, group in enumerate(together):
            chosen = [number for number in group if curves[number].kind == kind]
            if len(chosen) > 1:
                fast = [_speedup(sweeps[number][1], "critical_path") for number in chosen]
                drawn = draw_overview([curves[number] for number in chosen], fast)
                parts.append(
                    figure(drawn, f"All {kind} sweeps{_of(group, sweeps, together)}", _anchor(kind, at))
                )
    for number, (name, sweep) in enumerate(sweeps):
        drawn = draw_overview([curves[number]], [_speedup(sweep, "critical_path")])
        parts.append(figure(drawn, f"{name}: {kind_of(sweep)}", f"figure-run-{number}"))
    for cost in ("critical-path", "tokens"):
        for at, group in enumerate(together):
            try:
                drawn = draw_metric([curves[number] for number in group], axis=cost)
            except ConfigError:  # the cost was not measured in one of the runs
                continue
            label = COSTS[cost].label
            caption = f"Item-F1 against {label[0].lower()}{label[1:]}{_of(group, sweeps, together)}"
            parts.append(figure(drawn, caption, _anchor(cost, at), column=True))
    return Markup("\n".join(parts))


def same_games(sweeps: Sequence[Sweep]) -> list[list[int]]:
    """The positions of the sweeps, in groups with the same game. Only the scores of one group are drawn together."""
    groups: list[list[int]] = []
    for number, sweep in enumerate(sweeps):
        fits = (group for group in groups if not any(sweep_differences(sweeps[at], sweep) for at in group))
        if (group := next(fits, None)) is None:
            groups.append([number])
        else:
            group.append(number)
    return groups


def _of(group: Sequence[int], sweeps: Sequence[tuple[str, Sweep]], groups: Sequence[Sequence[int]]) -> str:
    """The names of the runs in a figure, if not all runs are in it."""
    return f" ({', '.join(sweeps[number][0] for number in group)})" if len(groups) > 1 else ""


def _anchor(name: str, at: int) -> str:
    return f"figure-{name}" if at == 0 else f"figure-{name}-{at}"


def kind_of(sweep: Sweep) -> str:
    """What the sweep varied, in words, and its budget."""
    what = "number of subagents at once" if sweep.kind == "width" else "number of turns of the single agent"
    equal = sweep.settings.get("equal")
    source = f" ({equal.get('from')})" if isinstance(equal, dict) else ""
    return ", ".join(filter(None, [what, budget_name(sweep.settings)])) + source


def speedups(entries: Sequence[Entry], seed: int) -> Markup:
    """Speed-up, efficiency and Amdahl's law for every width sweep with at least two widths.

    A sweep in which no wider team did the same work has one sentence instead.
    """
    parts = []
    for number, entry in enumerate(entries):
        if entry.sweep is not None and (why := no_speedup(entry.sweep)):
            parts.append(Markup(f"<p>{text(entry.name)} has no speed-up: {text(why)}.</p>"))
            continue
        for clock, called in _CLOCKS.items():
            found = _speedup(entry.sweep, clock, seed)
            if found is None:
                continue
            rows: list[list[object]] = [
                [
                    f"width {point.width}",
                    f"{point.time:.2f}",
                    interval(f"{point.speedup:.2f}", f"{point.low:.2f}", f"{point.high:.2f}"),
                    f"{100 * point.efficiency:.0f} %",
                    _points(point.difference, point.difference_low, point.difference_high),
                    "yes" if point.comparable else "no",
                ]
                for point in found.points
            ]
            unit = "turns" if clock == "critical_path" else "seconds"
            smallest = f"item-F1 against width {found.points[0].width}"
            header = ["", unit, "speed-up", "efficiency", smallest, "same work"]
            anchor = f"speed-up-{number}-{clock.replace('_', '-')}"
            parts.append(heading(3, f"{entry.name}, by {called}", anchor))
            parts.append(table(header, rows, [i for i, p in enumerate(found.points) if not p.comparable]))
            parts += [Markup(f"<p>{text(line)}</p>") for line in amdahl_lines(found)]
    if not parts:
        return Markup("")
    about = (
        "Speed-up is the mean time of the smallest width divided by the mean time of each width, over the tasks that "
        "all widths have. Efficiency is the speed-up divided by the growth of the width. Two widths did the same work "
        "if the 95 % interval of the paired difference of item-F1 contains 0, or if the difference is at most "
        f"{100 * TOLERANCE:g} point. Other lines are marked."
    )
    shown = f'<p class="soft">{about}</p>' if any("<table" in part for part in parts) else ""
    return Markup(f"{heading(2, 'Speed-up', 'speed-up')}{shown}" + "\n".join(parts))


def _speedup(sweep: Any, clock: Clock, seed: int = 0) -> Speedup | None:
    try:
        return speedup_of(sweep, clock=clock, seed=seed) if sweep is not None else None
    except ConfigError:
        return None


def comparisons(entries: Sequence[Entry], seed: int) -> Markup:
    """Paired comparisons: the same size in different runs, and the sizes of one sweep against its smallest size."""
    rows: list[list[object]] = []
    notes: list[str] = []
    pairs = list(_pairs(entries))
    for first, second in pairs[:_MOST_PAIRS]:
        names = _against(first, second)
        try:
            found = compare_runs(first.run, second.run, top=0, seed=seed)
        except ConfigError as error:
            notes.append(f"{names}: not compared: {error}")
            continue
        for name, called in _COMPARED.items():
            if name in found.metrics:
                rows.append([names, called, found.tasks, *_difference(found.metrics[name], name in _SCORES)])
        notes += [f"{names}: {note}" for note in found.notes]
        if other_game := _part_differences(first, second):
            notes.append(f"{names}: run under different conditions ({difference_text(other_game)})")
    if len(pairs) > _MOST_PAIRS:
        notes.append(
            f"{len(pairs) - _MOST_PAIRS} more pairs are left out; compare them with `wideseek compare`"
        )
    if not rows and not notes:
        return Markup("")
    marked = [number for number, row in enumerate(rows) if row[-1] == _YES]
    shown = table(
        ["runs", "", "tasks", "first", "second", "difference", "p", ""], rows, marked
    ) if rows else Markup("")  # fmt: skip
    about = (
        "A against B: B is the first column, and A the second. Values are means over the tasks that both have. "
        "Differences are A minus B, with 95 % paired bootstrap intervals and the two-sided p-value of a sign-flip "
        f"test. A difference is significant, and its line is marked, if p is below {SIGNIFICANT:g}. With fewer than "
        "six tasks that differ, p cannot be that small. The p-values are not corrected for multiple comparisons."
    )
    return Markup(
        f'{heading(2, "Paired comparisons", "comparisons")}<p class="soft">{about}</p>{shown}{items(notes)}'
    )


def _against(first: Part, second: Part) -> str:
    """The names of two compared parts. A sweep is named once."""
    one, _, first_size = first.run.name.rpartition(", ")
    other, _, second_size = second.run.name.rpartition(", ")
    if one and one == other:
        return f"{one}: {second_size} against {first_size}"
    return f"{second.run.name} against {first.run.name}"


def _part_differences(first: Part, second: Part) -> Differences:
    one, other = first.run.settings, second.run.settings
    return game_differences(one, other) if one and other else []


def _pairs(entries: Sequence[Entry]) -> Iterator[tuple[Part, Part]]:
    for one, other in combinations(entries, 2):
        if one.sweep is None and other.sweep is None:
            if one.parts[0].summary.episodes and other.parts[0].summary.episodes:
                yield one.parts[0], other.parts[0]
            continue
        by_label = {part.label: part for part in other.parts}
        yield from ((part, by_label[part.label]) for part in one.parts if part.label in by_label)
    for entry in entries:
        sized = [part for part in entry.parts if entry.sweep is not None]
        yield from ((sized[0], part) for part in sized[1:])


def _difference(found: Difference, share: bool) -> list[object]:
    scale = 100.0 if share else 1.0
    return [
        f"{scale * found.first:,.1f}",
        f"{scale * found.second:,.1f}",
        interval(*(_signed(scale * value) for value in (found.difference, found.low, found.high))),
        f"{found.p:.3f}" if found.p >= 0.001 else "<\u00a00.001",
        _YES if found.significant else "not significant",
    ]


def _points(value: float, low: float, high: float) -> Markup:
    return interval(*(_signed(100 * each) for each in (value, low, high)))


def _signed(value: float) -> str:
    """A difference with its sign. 0 has none."""
    shown = f"{value:+,.1f}"
    return shown[1:] if float(shown.replace(",", "")) == 0 else shown.replace("-", "\u2212")


def settings(entries: Sequence[Entry]) -> Markup:
    """Settings and versions of the runs side by side. Lines that differ are marked."""
    columns = [_flat(entry) for entry in entries]
    names = list(dict.fromkeys(name for column in columns for name in column))
    rows = [[name, *(column.get(name, "–") for column in columns)] for name in names]
    differ = [number for number, row in enumerate(rows) if len(set(map(str, row[1:]))) > 1]
    about = " Lines that differ are marked." if len(entries) > 1 else ""
    shown = table(["", *(entry.name for entry in entries)], rows, differ)
    return Markup(
        f'{heading(2, "Settings and versions", "settings")}<p class="soft">The settings of each run.{about}</p>{shown}'
    )


def _flat(entry: Entry) -> dict[str, str]:
    flat: dict[str, str] = {}
    for name, value in entry.settings.items():
        if isinstance(value, Mapping):
            flat |= {f"{name}.{key}": str(part) for key, part in value.items()}
        else:
            flat[name] = ", ".join(map(str, value)) if isinstance(value, list) else str(value)
    return flat | {f"version of {name}": version for name, version in entry.versions.items()}


def commands(entries: Sequence[Entry]) -> Markup:
    """The command that makes each run again."""
    parts = [heading(2, "Commands", "commands")]
    for number, entry in enumerate(entries):
        parts.append(heading(3, entry.name, f"command-{number}"))
        parts.append(Markup(f'<p class="soft">Read from {text(entry.path)}.</p>'))
        if not entry.command:
            parts.append(Markup("<p>The run does not record its command.</p>"))
            continue
        parts.append(Markup(f"<pre>{text(entry.command, 4000)}</pre>"))
        if entry.reconstructed:
            parts.append(
                Markup('<p class="soft">Derived from the settings, which have only the names of files.</p>')
            )
    return Markup("\n".join(parts))
