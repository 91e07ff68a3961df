"""Tables and sketches for the terminal: summaries, groups of tasks, comparisons and width curves."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from textwrap import fill
from typing import TYPE_CHECKING

from rich.box import SIMPLE_HEAD
from rich.table import Table
from rich.text import Text

from wideseek_env.cli.row_tables import add_rows
from wideseek_env.evaluation.folder import scoring_name
from wideseek_env.evaluation.questions import SetScore, about, average_title, set_title
from wideseek_env.evaluation.speedup import amdahl_lines
from wideseek_env.evaluation.tables.text import filled, number_text
from wideseek_env.render.printable import one_line
from wideseek_env.scoring.judged import share_text

if TYPE_CHECKING:
    from wideseek_env.evaluation.compare import Comparison
    from wideseek_env.evaluation.speedup import Speedup
    from wideseek_env.evaluation.summary import Summary
    from wideseek_env.evaluation.sweep import Sweep
    from wideseek_env.evaluation.tables.model import ResultTable

_BAR = 40
_EIGHTHS = " ▏▎▍▌▋▊▉"
_GROUPS = 20
_WIDE = 40

_TRIAL_METRICS = {"f1_by_item": "item-F1", "f1_by_row": "row F1", "score": "success"}
_METRIC_LABELS = {
    "f1_by_item": "item-F1",
    "f1_by_row": "row F1",
    "score": "success",
    "turns": "turns",
    "critical_path": "critical path",
    "subagents": "subagents",
    "tool_calls": "tool calls",
    "seconds": "seconds",
    "prompt_tokens": "tokens read",
    "completion_tokens": "tokens written",
    "cost": "cost",
}
"""The compared metrics and their names in tables. The first three are shown as points out of 100."""


def points(share: float) -> str:
    """A share from 0 to 1 as points out of 100."""
    return f"{100 * share:.1f}"


def summary_table(summary: Summary, *, played: bool = True, strict: bool = False) -> Table:
    """A table with one line for each metric of a summary.

    If `played` is False, the answers were scored without running episodes. Turns, calls and reward are then left out.
    `strict` is whether they were scored strictly.
    """
    table = Table(box=None, show_header=False, padding=(0, 2, 0, 0))
    table.add_column()
    table.add_column(justify="right")
    table.add_column(style="dim")
    trials = f"{summary.tasks} tasks" if summary.tasks != summary.episodes else ""
    table.add_row("episodes" if played else "responses", str(summary.episodes), trials)
    if summary.failed:
        table.add_row(
            "failed", str(summary.failed), "stopped by an exception; they count with score 0", style="red"
        )
    low, high = points(summary.item_f1_low), points(summary.item_f1_high)
    told = f"95 % interval {low} – {high}; {scoring_name(strict)} scoring"
    table.add_row("item-F1", Text(points(summary.item_f1), style="bold"), told)
    table.add_row("item precision", points(summary.item_precision))
    table.add_row("item recall", points(summary.item_recall))
    row = summary.metrics.get("f1_by_row")
    spread = f"95 % interval {points(row.avg_low)} – {points(row.avg_high)}" if row is not None else ""
    table.add_row("row F1", points(summary.row_f1), spread)
    table.add_row("success", points(summary.success), "answers that are entirely right")
    add_rows(table, summary)
    for name, value in summary.extra.items():
        table.add_row(Text(one_line(name, 40)), points(value), "over the tasks that have it")
    endings = ", ".join(f"{n} {name.replace('_', ' ')}" for name, n in summary.endings.items())
    if played:
        table.add_row("reward", f"{summary.reward:.3f}")
    table.add_row("answered", points(summary.answered), endings)
    if played:
        table.add_row("turns", f"{summary.turns:.1f}", "of all agents")
        table.add_row("critical path", f"{summary.critical_path:.1f}", "turns; parallel turns count once")
        calls = ", ".join(f"{kind} {count:.1f}" for kind, count in summary.tool_calls.items())
        table.add_row("tool calls", f"{sum(summary.tool_calls.values()):.1f}", calls)
        table.add_row("subagents", f"{summary.subagents:.1f}")
        table.add_row("errors", f"{summary.errors:.2f}", "calls that failed")
        if summary.dropped:
            table.add_row("dropped", f"{summary.dropped:.2f}", "calls and items that the protocol left out")
        table.add_row(
            "seconds", f"{summary.seconds:.2f}", f"per episode; {summary.seconds_total:,.1f} in total"
        )
    _usage_rows(table, summary)
    _summary_row(table, summary.summary_usage_total)
    if summary.judges:
        table.add_row("judge", "", Text(", ".join(one_line(judge, 80) for judge in summary.judges)))
    if summary.by_rules:
        told = "of the cells are for a model; set --judge to compare with published scores"
        table.add_row("judged by rules", share_text(summary.by_rules), told, style="yellow")
    return table


def _usage_rows(table: Table, summary: Summary) -> None:
    mean, total = summary.usage, summary.usage_total
    if summary.metered:
        of = "" if summary.metered == summary.episodes else f"; counted in {summary.metered} episodes"
        for name, called in (("prompt_tokens", "tokens read"), ("completion_tokens", "tokens written")):
            if name in mean:
                table.add_row(called, f"{mean[name]:,.0f}", f"per episode; {total[name]:,.0f} in total{of}")
        if total.get("cost"):
            table.add_row("cost", f"{mean['cost']:.4f}", f"per episode; {total['cost']:,.4f} in total{of}")
    judge = summary.judge_usage_total
    if judge:
        tokens = judge.get("prompt_tokens", 0) + judge.get("completion_tokens", 0)
        cached = f", {judge['cached']:,.0f} answers from the cache" if judge.get("cached") else ""
        cost = f", cost {judge['cost']:,.4f}" if judge.get("cost") else ""
        table.add_row(
            "judge's tokens", f"{tokens:,.0f}", f"in {judge.get('requests', 0):,.0f} requests{cached}{cost}"
        )


def _summary_row(table: Table, used: Mapping[str, float]) -> None:
    if not used:
        return
    tokens = used.get("prompt_tokens", 0) + used.get("completion_tokens", 0)
    told = [f"for {used.get('summaries', 0):,.0f} summaries of pages"]
    told += [f"{used['cached']:,.0f} from the cache"] if used.get("cached") else []
    told += [f"{used['failed']:,.0f} failed"] if used.get("failed") else []
    table.add_row("summariser's tokens", f"{tokens:,.0f}", ", ".join(told))


def trials_table(summary: Summary) -> Table:
    """A table with the mean, the best and the worst of each task's trials, with intervals."""
    k = summary.trials
    table = Table(box=SIMPLE_HEAD, padding=(0, 1), pad_edge=False)
    table.add_column("")
    for name in ("avg", "max", "min"):
        table.add_column(f"{name}@{k}", justify="right")
        table.add_column("95 %", justify="right", style="dim")
    for metric, called in _TRIAL_METRICS.items():
        m = summary.metrics[metric]
        table.add_row(
            called,
            Text(points(m.avg), style="bold"),
            f"{points(m.avg_low)}–{points(m.avg_high)}",
            points(m.max),
            f"{points(m.max_low)}–{points(m.max_high)}",
            points(m.min),
            f"{points(m.min_low)}–{points(m.min_high)}",
        )
    return table


def questions_table(summary: Summary) -> Table:
    """One line for each question answering set and each average over sets."""
    found = summary.questions
    table = Table(box=SIMPLE_HEAD, padding=(0, 1), pad_edge=False, caption=about(found, summary.judges))
    table.add_column("set")
    columns = ("tasks", f"avg@{summary.trials}", "95 %", f"max@{summary.trials}", "exact match", "token F1")
    for column in columns:
        table.add_column(column, justify="right")

    def add(title: str, score: SetScore) -> None:
        low, high = score.avg_low, score.avg_high
        table.add_row(
            Text(one_line(title, _WIDE)),
            str(score.tasks),
            Text(points(score.avg), style="bold"),
            f"{points(low)}–{points(high)}" if low is not None and high is not None else "",
            *map(points, (score.max, score.exact_match, score.token_f1)),
        )

    for name, score in found.sets.items():
        add(set_title(name), score)
    table.add_section()
    for kind, average in found.averages.items():
        add(average_title(kind, average), average.score)
    return table


def pass_line(summary: Summary) -> str:
    """pass@k in one line, for each k that is a power of two and for the largest k."""
    shares = [(int(k), share) for k, share in summary.pass_at.items()]
    shown = [pair for pair in shares if pair[0] & (pair[0] - 1) == 0 or pair[0] == len(shares)]
    return "pass@k  " + "   ".join(f"{k}: {points(share)}" for k, share in shown)


def groups_table(key: str, groups: Mapping[str, Summary], *, played: bool = True) -> Table:
    """One line for each group of tasks. With many groups, only the largest are shown.

    If `played` is False, the answers were scored without running episodes. Turns, calls and seconds are then left out.
    """
    table = Table(box=SIMPLE_HEAD, padding=(0, 1), pad_edge=False)
    table.add_column(one_line(key, _WIDE))
    columns = ["tasks", "item-F1", "95 %", "row F1", "success"]
    columns += ["turns", "critical path", "tool calls", "s/episode"] if played else []
    for column in columns:
        table.add_column(column, justify="right")
    largest = sorted(groups, key=lambda name: -groups[name].tasks)[:_GROUPS]
    for name, part in groups.items():
        if name not in largest:
            continue
        cells = [
            f"{points(part.item_f1_low)}–{points(part.item_f1_high)}",
            points(part.row_f1),
            points(part.success),
        ]
        if played:
            calls = sum(part.tool_calls.values())
            cells += [
                f"{part.turns:.1f}",
                f"{part.critical_path:.1f}",
                f"{calls:.1f}",
                f"{part.seconds:.2f}",
            ]
        table.add_row(
            Text(one_line(name, _WIDE)),
            str(part.tasks),
            Text(points(part.item_f1), style="bold"),
            *cells,
        )
    if len(groups) > _GROUPS:
        table.caption = f"the {_GROUPS} largest of {len(groups)} groups"
    return table


def comparison_table(comparison: Comparison) -> Table:
    """One line for each metric: both means, their difference with its interval, and the p-value."""
    table = Table(box=SIMPLE_HEAD, padding=(0, 1), pad_edge=False)
    table.add_column("")
    for column in ("first", "second", "difference", "95 %", "p", "rose", "fell", "same"):
        table.add_column(column, justify="right")
    for name, metric in comparison.metrics.items():
        share = name in _TRIAL_METRICS
        scale, digits = (100.0, 1) if share else (1.0, 4 if name == "cost" else 2)
        low, high = scale * metric.low, scale * metric.high
        table.add_row(
            _METRIC_LABELS.get(name, name),
            f"{scale * metric.first:,.{digits}f}",
            f"{scale * metric.second:,.{digits}f}",
            Text(f"{scale * metric.difference:+,.{digits}f}", style="bold" if metric.significant else ""),
            f"{low:+,.{digits}f} – {high:+,.{digits}f}",
            _p_value(metric.p),
            str(metric.rose),
            str(metric.fell),
            str(metric.same),
        )
    return table


def changes_table(comparison: Comparison) -> Table:
    """A table of the tasks that differ most."""
    table = Table(box=SIMPLE_HEAD, padding=(0, 1), pad_edge=False)
    table.add_column("task")
    for column in ("first", "second", "difference"):
        table.add_column(column, justify="right")
    for change in comparison.changes:
        table.add_row(
            Text(one_line(change.task_id, _WIDE)),
            points(change.first),
            points(change.second),
            f"{100 * (change.second - change.first):+.1f}",
        )
    return table


def metric_label(name: str) -> str:
    """The name of a metric in tables."""
    return _METRIC_LABELS.get(name, name)


def _p_value(p: float) -> str:
    return f"{p:.3f}" if p >= 0.001 else "<0.001"


def sweep_table(sweep: Sweep) -> Table:
    """One line for each point of a sweep."""
    table = Table(box=SIMPLE_HEAD, padding=(0, 0, 0, 1), pad_edge=False)
    metered = any("completion_tokens" in point.summary.usage for point in sweep.points)
    share = max((point.summary.by_rules for point in sweep.points), default=0.0)
    headers = [
        sweep.kind,
        "item-F1",
        "95 %",
        "row\nF1",
        "suc-\ncess",
        "critical\npath",
        "turns",
        "tool\ncalls",
    ]
    headers += [*(["tokens"] if metered else []), "s/ep."]
    for header in headers:
        table.add_column(header, justify="right", no_wrap=True)
    for point in sweep.points:
        summary = point.summary
        tokens = summary.usage.get("completion_tokens")
        table.add_row(
            point.label,
            Text(points(summary.item_f1), style="bold"),
            f"{points(summary.item_f1_low)}–{points(summary.item_f1_high)}",
            points(summary.row_f1),
            points(summary.success),
            f"{summary.critical_path:.1f}",
            f"{summary.turns:.1f}",
            f"{sum(summary.tool_calls.values()):.1f}",
            *([f"{tokens:,.0f}" if tokens is not None else ""] if metered else []),
            f"{summary.seconds:.2f}",
        )
    table.caption = "lenient scoring"
    if share:
        table.caption += (
            f"; {share_text(share)} of the cells are for a model to judge, but rules decided them"
        )
    return table


def sweep_sketch(sweep: Sweep) -> list[Text]:
    """The curve as one bar for each point of the sweep. A full bar is an item-F1 of 100 points."""
    size = max((len(point.label) for point in sweep.points), default=0)
    return [
        Text(f"  {sweep.kind} {point.label:>{size}} ")
        .append(f"{_bar(point.summary.item_f1):<{_BAR}}", style="cyan")
        .append(f" {points(point.summary.item_f1)}")
        for point in sweep.points
    ]


def speedup_table(speedup: Speedup) -> list[Table | Text]:
    """One line for each width: speed-up and efficiency by critical path. Below it, the fit of Amdahl's law in words."""
    table = Table(box=SIMPLE_HEAD, padding=(0, 0, 0, 1), pad_edge=False)
    smallest = f"item-F1 –\nwidth {speedup.points[0].width}"
    for header in ("width", "speed-up", "95 %", "efficiency", smallest, "95 %", "same\nwork"):
        table.add_column(header, justify="right", no_wrap=True)
    for point in speedup.points:
        table.add_row(
            str(point.width),
            Text(f"{point.speedup:.2f}", style="bold"),
            f"{point.low:.2f}–{point.high:.2f}",
            f"{100 * point.efficiency:.0f} %",
            f"{100 * point.difference:+.1f}",
            f"{100 * point.difference_low:+.1f} – {100 * point.difference_high:+.1f}",
            "yes" if point.comparable else "no",
        )
    return [table, *(Text(line) for line in amdahl_lines(speedup))]


def result_tables(made: ResultTable) -> list[Table | Text]:
    """One table for each group of a table of results, with the intervals under the values, then the notes."""
    parts: list[Table | Text] = []
    for group in made.groups:
        shown = filled(made, group)
        table = Table(
            box=SIMPLE_HEAD, padding=0, pad_edge=False, title=Text(group.title, style="bold"), title_justify="left"
        )  # fmt: skip
        for at, (_, label) in enumerate(made.names):
            table.add_column(label, no_wrap=at > 0)
        for at in shown:
            table.add_column(_header(made.columns[at].label), justify="right", no_wrap=True)
        for line in group.lines:
            cells: list[Text] = [Text(one_line(name, _WIDE)) for name in line.names]
            for at in shown:
                column, value = made.columns[at], line.values[at]
                cell = Text(number_text(column, value.value), style="bold" if value.mark == "best" else "")
                cell.append("†" if value.mark == "tied" else "")
                if value.low is not None:
                    span = f"\n{number_text(column, value.low)}–{number_text(column, value.high)}"
                    cell.append(span, style="not bold dim")
                cells.append(cell)
            table.add_row(*cells)
        parts.append(table)
    return [*parts, *(Text(note) for note in made.notes)]


def _header(label: str) -> str:
    """The name of a column in several short lines."""
    return fill(label.replace(" per episode", ""), 9)


def _bar(share: float) -> str:
    whole, eighth = divmod(round(max(0.0, min(1.0, share)) * _BAR * 8), 8)
    return "█" * whole + _EIGHTHS[eighth].strip()


def join(words: Sequence[str], limit: int = 8) -> str:
    """`words` joined with commas. Only the first `limit` words are shown. The text also says how many are left out."""
    more = f", … ({len(words)} in total)" if len(words) > limit else ""
    return ", ".join(words[:limit]) + more
