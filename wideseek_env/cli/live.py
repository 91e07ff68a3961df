"""Shows the state of runs: as tables on a terminal, and as short lines in a pipe.

Texts from records are cut to one printable line (`one_line`) and wrapped in `Text`. So escape sequences and markup in
a record have no effect.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

from rich.box import SIMPLE_HEAD
from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from wideseek_env.cli.progress import bar_text, count_text, duration, rate_text
from wideseek_env.evaluation.running_summary import Mean
from wideseek_env.evaluation.snapshot import Bench, Episodes, Snapshot, Training
from wideseek_env.render.printable import one_line

_BLOCKS = "▁▂▃▄▅▆▇█"
_SPARKS = 60
_STEPS = 12
_EVALUATIONS = 6
_PARTS = 40
_STYLES = {
    "finished": "green",
    "running": "cyan",
    "killed": "red",
    "failed": "red",
    "interrupted": "yellow",
    "silent": "yellow",
}
_TOLD = {
    "waiting": "waiting for the run to begin",
    "killed": "its process is gone; the same command resumes the run",
    "silent": "no sign of life for a minute",
    "interrupted": "stopped by Ctrl-C or --max-tokens; the same command resumes the run",
    "failed": "ended by an error",
    "unknown": "the folder does not say whether the run is still running",
}

COLUMNS: tuple[tuple[str, str, str], ...] = (
    ("reward", "reward", ".3f"),
    ("item_f1", "item-F1", ".3f"),
    ("loss", "loss", ".4f"),
    ("kl_reference", "KL", ".5f"),
    ("entropy", "entropy", ".3f"),
    ("subagents", "agents", ".2f"),
    ("failed_share", "failed", ".2f"),
    ("generated_tokens_per_second", "tokens/s", ",.0f"),
    ("tokens_per_second", "tokens/s", ",.0f"),
)
"""Training metrics: their name in the log, their title and their format. A metric is shown if the log contains it."""


def table_of(snapshot: Snapshot) -> RenderableType:
    """A snapshot as tables and text for a terminal."""
    if isinstance(snapshot, Training):
        return _training(snapshot)
    if isinstance(snapshot, Bench):
        return _bench(snapshot)
    return Group(*_episodes(snapshot))


def line_of(snapshot: Snapshot) -> str:
    """A snapshot as one line of text."""
    name = one_line(snapshot.name, 60)
    if isinstance(snapshot, Training):
        of = f"/{snapshot.total}" if snapshot.total else ""
        metrics = [
            f"{title} {_number(snapshot.rows[-1][key], form)}" for key, title, form in _columns(snapshot)
        ]
        parts = [f"step {snapshot.step}{of}", *metrics, *_left(snapshot.seconds_left, snapshot.state)]
    elif isinstance(snapshot, Bench):
        done = sum(part.state == "finished" for part in snapshot.parts)
        parts = [f"{done} of {snapshot.total or len(snapshot.parts)} runs finished"]
        parts += [line_of(part) for part in snapshot.parts if part.state == "running"]
    else:
        parts = _metrics(snapshot)
    return f"{name}: {snapshot.state}, {', '.join(parts)}"


def progress_line(snapshot: Episodes) -> str:
    """The state of this process's run as one line of text."""
    return f"{one_line(snapshot.title, 60)}: {', '.join(_metrics(snapshot))}"


def changing_part(snapshot: Snapshot) -> tuple[object, ...]:
    """The part of a snapshot that must change before `wideseek watch` prints another line."""
    if isinstance(snapshot, Training):
        return (snapshot.state, snapshot.step, len(snapshot.evaluations))
    if isinstance(snapshot, Bench):
        return (snapshot.state, *map(changing_part, snapshot.parts))
    return (snapshot.state, snapshot.done, snapshot.failed)


def sparkline(values: Sequence[float], width: int = _SPARKS) -> str:
    """`values` as a row of at most `width` blocks, scaled from the smallest to the largest value.

    If there are more than `width` values, each block shows the mean of several values. Values that are not finite are
    left out.
    """
    finite = [value for value in values if math.isfinite(value)]
    if not finite:
        return ""
    groups = min(width, len(finite))
    means = []
    for at in range(groups):
        part = finite[at * len(finite) // groups : (at + 1) * len(finite) // groups]
        means.append(sum(part) / len(part))
    low, span = min(means), max(means) - min(means)
    return "".join(_BLOCKS[round((value - low) / span * 7) if span else 3] for value in means)


def _episodes(snapshot: Episodes) -> list[RenderableType]:
    lines: list[RenderableType] = [_head(snapshot.name, snapshot.state, snapshot.title)]
    if snapshot.state == "waiting":
        return lines
    lines.append(bar_text(snapshot.done, snapshot.total).append(_count(snapshot)))
    metrics = _metrics(snapshot)[1:]
    if metrics:
        lines.append(Text("   ".join(metrics)))
    if snapshot.slowest is not None:
        slow = snapshot.slowest
        turns = f", {slow.turns} turns" if slow.turns is not None else ""
        trial = f" (trial {slow.trial})" if slow.trial else ""
        text = f"slowest: {one_line(slow.task, 60)}{trial}, {duration(slow.seconds)}{turns}"
        lines.append(Text(text, style="bright_black"))
    return lines + _notes(snapshot.unread, snapshot.damaged)


def _training(snapshot: Training) -> RenderableType:
    lines: list[RenderableType] = [_head(snapshot.name, snapshot.state, "")]
    of = f" of {snapshot.total}" if snapshot.total else ""
    said = [f"step {snapshot.step}{of}", *_left(snapshot.seconds_left, snapshot.state)]
    lines.append(Text("   ".join(said)))
    if snapshot.reward:
        lines.append(Text("reward ").append(sparkline(snapshot.reward), style="cyan"))
    if snapshot.rows:
        columns = _columns(snapshot)
        table = _table("step", *(title for _, title, _ in columns))
        for row in snapshot.rows[-_STEPS:]:
            table.add_row(
                f"{row.get('step', math.nan):.0f}", *(_number(row.get(key), form) for key, _, form in columns)
            )
        lines.append(table)
    if snapshot.evaluations:
        lines.append(_evaluations(snapshot))
    lines += [Text(f"warning: {one_line(each, 100)}", style="yellow") for each in snapshot.warnings]
    return Group(*lines, *_notes(snapshot.unread, snapshot.damaged))


def _evaluations(snapshot: Training) -> Table:
    """The held-out metrics that the run has: item-F1 (one column per width), reward and loss."""
    latest = snapshot.evaluations[-_EVALUATIONS:]
    names = list(dict.fromkeys(name for row in latest for name in row if name.startswith("eval_item_f1")))
    names += [name for name in ("eval_reward", "held_out_loss") if any(name in row for row in latest)]
    titles = []
    for name in names:
        _, _, width = name.partition("@")
        called = {"eval_reward": "reward", "held_out_loss": "loss"}.get(name, "item-F1")
        titles.append(one_line(f"{called} at width {width}" if width else called, 30))
    table = _table("held out at step", *titles)
    for row in latest:
        table.add_row(f"{row.get('step', math.nan):.0f}", *(_number(row.get(name), ".3f") for name in names))
    return table


def _bench(snapshot: Bench) -> RenderableType:
    lines: list[RenderableType] = [_head(snapshot.name, snapshot.state, "")]
    finished = sum(part.state == "finished" for part in snapshot.parts)
    lines.append(Text(f"{finished} of {snapshot.total or len(snapshot.parts)} runs finished"))
    table = _table("run", "state", "episodes", "failed", "item-F1", "95 %", "reward", "left")
    for part in snapshot.parts[-_PARTS:]:
        label = part.name.removeprefix(snapshot.name).strip("/\\") or part.name
        mean = part.item_f1
        table.add_row(
            Text(one_line(label, 40)),
            Text(part.state, style=_STYLES.get(part.state, "")),
            f"{part.done}/{part.total}" if part.total else str(part.done),
            str(part.failed),
            f"{100 * mean.mean:.1f}" if mean is not None else "",
            f"{100 * mean.low:.1f}–{100 * mean.high:.1f}" if mean is not None else "",
            f"{part.reward.mean:.3f}" if part.reward is not None else "",
            duration(part.seconds_left) if part.seconds_left is not None and part.state == "running" else "",
        )
    if snapshot.parts:
        lines.append(table)
    for part in snapshot.parts:
        if part.state == "running" and part.slowest is not None:
            lines += _episodes(part)[2:]
    return Group(*lines)


def _table(first: str, *others: str) -> Table:
    table = Table(box=SIMPLE_HEAD, padding=(0, 1), pad_edge=False)
    table.add_column(first)
    for title in others:
        table.add_column(Text(title), justify="right")
    return table


def _head(name: str, state: str, title: str) -> Text:
    head = Text(one_line(title or name, 80), style="bold").append(f"  {state}", style=_STYLES.get(state, ""))
    return head.append(f" ({_TOLD[state]})", style="not bold") if state in _TOLD else head


def _notes(unread: int, damaged: int) -> list[RenderableType]:
    notes: list[RenderableType] = []
    if unread:
        notes.append(
            Text(f"reading: {unread / 1e6:,.0f} MB of records are left to read", style="bright_black")
        )
    if damaged:
        lines = "line is" if damaged == 1 else "lines are"
        notes.append(Text(f"{damaged:,} {lines} damaged and left out", style="yellow"))
    return notes


def _columns(snapshot: Training) -> list[tuple[str, str, str]]:
    last = snapshot.rows[-1] if snapshot.rows else {}
    return [column for column in COLUMNS if column[0] in last]


def _count(snapshot: Episodes) -> str:
    more = [f"{snapshot.under_way:,} running"] if snapshot.under_way else []
    more += [f"{snapshot.failed:,} failed"] if snapshot.failed else []
    return ", ".join([count_text(snapshot.done, snapshot.total or None, "episodes"), *more])


def _metrics(snapshot: Episodes) -> list[str]:
    parts = [_count(snapshot)]
    if snapshot.item_f1 is not None:
        parts.append(f"item-F1 {_interval(snapshot.item_f1, 100)}")
    if snapshot.reward is not None:
        parts.append(f"reward {_interval(snapshot.reward, 1)}")
    return [*parts, *_rates(snapshot), *_left(snapshot.seconds_left, snapshot.state)]


def _interval(mean: Mean, scale: float) -> str:
    digits = 1 if scale == 100 else 3
    low, high = scale * mean.low, scale * mean.high
    return f"{scale * mean.mean:.{digits}f} ({low:.{digits}f}–{high:.{digits}f})"


def _rates(snapshot: Episodes) -> list[str]:
    if snapshot.state != "running":
        return []
    rates = [(snapshot.episodes_per_second, "episodes")]
    if snapshot.tokens_per_second is not None:
        rates.append((snapshot.tokens_per_second, "tokens"))
    else:
        rates.append((snapshot.calls_per_second, "calls"))
    return [rate_text(rate, unit) for rate, unit in rates if rate]


def _left(seconds: float | None, state: str) -> list[str]:
    return [f"{duration(seconds)} left"] if seconds and state == "running" else []


def _number(value: float | None, form: str) -> str:
    return "-" if value is None else "nan" if math.isnan(value) else f"{value:{form}}"
