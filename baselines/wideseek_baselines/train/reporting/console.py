"""The output of a training run: `LiveView` draws on a terminal, `print_step` and `print_supervised` print lines."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from threading import Lock
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

import click
from rich.box import SIMPLE_HEAD
from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.table import Table
from rich.text import Text

from wideseek_env.cli.progress import Bar, Pace, bar_text, count_text, duration
from wideseek_env.render.printable import one_line

if TYPE_CHECKING:
    from wideseek_baselines.train.rollouts.manager import Progress

REINFORCED: Mapping[str, tuple[str, str]] = {
    "reward": ("reward", ".3f"),
    "reward_std": ("reward, deviation", ".3f"),
    "item_f1": ("item-F1", ".3f"),
    "loss": ("loss", ".4f"),
    "value_loss": ("critic's loss", ".4f"),
    "gradient_norm": ("gradient norm", ".3f"),
    "kl_reference": ("KL to the reference", ".5f"),
    "kl_penalty": ("KL penalty", ".5f"),
    "entropy": ("entropy", ".3f"),
    "clip_share": ("clipped share", ".3f"),
    "mismatch": ("mismatch with the engine", ".5f"),
    "value_error": ("critic's error", ".4f"),
    "explained_variance": ("explained variance", ".3f"),
    "subagents": ("subagents used", ".2f"),
    "episode_tokens": ("tokens of an episode", ",.0f"),
    "turn_tokens": ("tokens of a turn", ",.0f"),
    "cut_share": ("turns cut off", ".2f"),
    "generated_tokens_per_second": ("generated tokens/s", ",.0f"),
    "train_tokens_per_second": ("trained tokens/s", ",.0f"),
    "mfu": ("model FLOPs utilisation", ".1%"),
    "gpu_memory_peak_gb": ("GPU memory, peak in GB", ".1f"),
    "queue_seconds": ("seconds of a turn in queues", ".2f"),
    "tool_seconds": ("seconds of a turn in tools", ".2f"),
    "rollout_seconds": ("seconds playing", ".1f"),
    "train_seconds": ("seconds training", ".1f"),
    "wait_seconds": ("seconds waiting", ".1f"),
}
"""Metrics of reinforcement learning: title and format. Metrics that a run does not have are left out."""
SUPERVISED: Mapping[str, tuple[str, str]] = {
    "loss": ("loss", ".4f"),
    "gradient_norm": ("gradient norm", ".2f"),
    "lr": ("learning rate", ".2e"),
    "tokens_per_second": ("tokens/s", ",.0f"),
    "mfu": ("model FLOPs utilisation", ".1%"),
    "gpu_memory_peak_gb": ("GPU memory, peak in GB", ".1f"),
}
"""Metrics of a warm start."""
RECENT = 10
WARNINGS = 3


class LiveView:
    """Progress bars, metrics, evaluations and warnings of a run, until the ``with`` block ends.

    Drawing begins with the first call of `on_step` or `on_episode`. Any thread may call these two methods.

    Args:
        title: The title of the run.
        rows: The metrics of a step to show, by name, each with a title and a number format.
        console: A terminal.
        clock: A clock in seconds.
    """

    def __init__(
        self,
        title: str,
        rows: Mapping[str, tuple[str, str]],
        console: Console,
        *,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._title = one_line(title, 60)
        self._rows = rows
        self._pace = Pace(None, clock=clock)
        self._lock = Lock()
        self._step: tuple[int, int] | None = None
        self._progress: Progress | None = None
        self._recent: deque[Mapping[str, Any]] = deque(maxlen=RECENT)
        self._held_out: tuple[int, Mapping[str, Any]] | None = None
        self._warnings: deque[str] = deque(maxlen=WARNINGS)
        self._live = Live(console=console, get_renderable=self.draw, refresh_per_second=4)

    def on_step(self, values: Mapping[str, Any]) -> None:
        """Show the metrics of a step or an evaluation."""
        step, steps = values["step"], values["steps"]
        metrics = {name: value for name, value in values.items() if name not in ("step", "steps")}
        with self._lock:
            if any(name in metrics for name in self._rows):
                if not self._recent:
                    self._pace.before = step - 1  # a resumed run has done these before
                self._recent.append(metrics)
            else:
                self._held_out = (step, metrics)
            self._step, self._pace.total = (step, steps), steps
            self._warnings.extend(f"step {step}: {warning}" for warning in metrics.get("warnings", ()))
        self._live.start()

    def on_episode(self, progress: Progress) -> None:
        """Show how many episodes have ended."""
        with self._lock:
            self._progress = progress
        self._live.start()

    def draw(self) -> RenderableType:
        """The current view."""
        with self._lock:
            parts: list[RenderableType] = [self._bars()]
            if self._recent:
                parts.append(self._metrics())
            if self._held_out is not None:
                parts.append(_held_out(*self._held_out))
            parts += [Text(f"warning: {warning}", style="yellow") for warning in self._warnings]
        return Group(*parts)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._live.stop()

    def _bars(self) -> Table:
        grid = Table.grid(padding=(0, 2))
        grid.add_column()  # the title, which is cut if the terminal is narrow
        grid.add_column(no_wrap=True)
        grid.add_column(no_wrap=True)
        title = Text(self._title, style="bold", no_wrap=True, overflow="ellipsis")
        passed = f"{duration(self._pace.passed)} passed"
        if self._step is None:
            grid.add_row(title, "", Text(passed))
        else:
            step, steps = self._step
            pace = self._pace.parts(step, "steps") if self._recent else []
            grid.add_row(
                title,
                bar_text(step, steps).append(count_text(step, steps, "steps")),
                Text("   ".join(pace) or passed),
            )
        progress = self._progress
        if progress is not None and progress.done < progress.total:
            unit = "held out" if progress.held_out else "this step"
            grid.add_row(
                Text(unit),
                bar_text(progress.done, progress.total).append(
                    count_text(progress.done, progress.total, "episodes")
                ),
                Text(f"mean reward {progress.reward:.3f}"),
            )
        return grid

    def _metrics(self) -> Table:
        table = Table(box=SIMPLE_HEAD, pad_edge=False)
        table.add_column("")
        table.add_column("last step", justify="right")
        table.add_column(f"mean of {len(self._recent)}", justify="right")
        for name, (title, form) in self._rows.items():
            values = [metrics[name] for metrics in self._recent if name in metrics]
            if values:
                last = self._recent[-1].get(name)
                shown = "–" if last is None else f"{last:{form}}"
                table.add_row(title, shown, f"{sum(values) / len(values):{form}}")
        return table


def _held_out(step: int, metrics: Mapping[str, Any]) -> Table:
    """A table for an evaluation, with a row for each metric and a column for each width."""
    cells: dict[str, dict[str, float]] = {}
    for name, value in metrics.items():
        metric, _, width = name.removeprefix("eval_").partition("@")
        cells.setdefault(metric, {})[width] = value
    widths = list(dict.fromkeys(width for row in cells.values() for width in row))
    table = Table(box=SIMPLE_HEAD, pad_edge=False)
    table.add_column(f"held out, step {step}")
    for width in widths:
        table.add_column(f"width {width}" if width else "", justify="right")
    for metric, row in cells.items():
        title = metric.replace("item_f1", "item-F1").replace("_", " ")
        table.add_row(title, *(f"{row[width]:.3f}" if width in row else "–" for width in widths))
    return table


COLUMNS: Mapping[str, tuple[str, str]] = {
    "reward": ("reward", "7.3f"),
    "item_f1": ("item-F1", "7.3f"),
    "loss": ("loss", "8.4f"),
    "kl_reference": ("KL", "8.5f"),
    "entropy": ("entropy", "7.3f"),
    "clip_share": ("clipped", "7.3f"),
    "mismatch": ("mismatch", "8.5f"),
    "subagents": ("agents", "6.2f"),
    "episode_tokens": ("tokens", "7.0f"),
    "cut_share": ("cut", "5.2f"),
    "generated_tokens_per_second": ("tokens/s", "8,.0f"),
    "rollout_seconds": ("play s", "7.1f"),
    "train_seconds": ("train s", "7.1f"),
}
"""Metrics of the printed table: title and format."""


_ITEM_F1 = "eval_item_f1"


def print_step(values: Mapping[str, Any]) -> None:
    """Print one line for a step, with a header every 20 steps. Evaluations and warnings get separate lines."""
    place = f"{values['step']:>5}/{values['steps']:<5}"
    if "reward" not in values:
        metrics = (
            f"{name.removeprefix('eval_')} {value:.3f}" for name, value in values.items() if "eval_" in name
        )
        click.echo(f"{place}  held out: {', '.join(metrics)}")
        return
    if values["step"] % 20 == 1:
        titles = (f"{title:>{_width(form)}}" for title, form in COLUMNS.values())
        click.echo(f"{'step':>11}  {'  '.join(titles)}")
    cells = (
        f"{values[name]:{form}}" if name in values else f"{'-':>{_width(form)}}"
        for name, (_, form) in COLUMNS.items()
    )
    click.echo(f"{place}  {'  '.join(cells)}")
    for warning in values.get("warnings", ()):
        click.echo(f"{place}  warning: {warning}")


def held_out_change(records: Sequence[Mapping[str, Any]]) -> str:
    """One line about the first and the last evaluation in a run's log: held-out item-F1 by width. "" without them."""
    looks = [record for record in records if any(name.startswith(_ITEM_F1) for name in record)]
    if len(looks) < 2:
        return ""
    first, last = looks[0], looks[-1]
    parts = []
    for name in first:
        if name.startswith(_ITEM_F1) and name in last:
            width = name.removeprefix(_ITEM_F1).removeprefix("@")
            change = f"{100 * first[name]:.1f} → {100 * last[name]:.1f}"
            parts.append(f"{change} at width {width}" if width else change)
    return f"Held-out item-F1, step {first['step']} → {last['step']}: {', '.join(parts)}"


def print_supervised(values: Mapping[str, Any]) -> None:
    """Print one line for a step of a warm start, or for its held-out loss."""
    head = f"{values['step']:>6}/{values['steps']}"
    if "held_out_loss" in values:
        click.echo(f"{head}  held-out loss {values['held_out_loss']:.4f}")
        return
    click.echo(
        f"{head}  loss {values['loss']:.4f}  lr {values['lr']:.2e}  gradient {values['gradient_norm']:.2f}  "
        f"{values['tokens_per_second']:,.0f} tokens/s"
    )


class StepLines:
    """Prints a line for each step where there is no live view, and the progress of the run. Use it in a ``with``
    statement.

    Args:
        title: The title of the run.
        line: Prints the metrics of a step or an evaluation.
    """

    def __init__(self, title: str, line: Callable[[Mapping[str, Any]], None]) -> None:
        self._title = title
        self._line = line
        self._bar: Bar | None = None

    def on_step(self, values: Mapping[str, Any]) -> None:
        """Print the metrics of a step or an evaluation."""
        self._line(values)
        step = values["step"]
        if self._bar is None:
            # The first step, in which kernels are made, does not count for the rate.
            self._bar = Bar(self._title, values["steps"], "steps", before=step, draws=False)
            self._bar.__enter__()
        if _is_step(values):
            self._bar.update(step)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._bar is not None:
            self._bar.__exit__(kind, error, trace)


def _is_step(values: Mapping[str, Any]) -> bool:
    """Whether these are the metrics of a training step, and not those of an evaluation."""
    return "loss" in values or "reward" in values


def _width(form: str) -> int:
    """The number of characters of a number in this format."""
    return int(form.split(".")[0].rstrip(","))
