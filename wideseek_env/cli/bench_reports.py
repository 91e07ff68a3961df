"""`wideseek bench plot` and `wideseek bench report`, and what a finished sweep prints and writes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from wideseek_env.cli.output import ResultCommand, result

if TYPE_CHECKING:
    from rich.console import Console

    from wideseek_env.evaluation.sweep import Sweep

_FORMATS = ("svg", "png", "pdf")

_runs = click.argument("runs", metavar="RUN…", nargs=-1, required=True, type=click.Path(path_type=Path))
_names = click.option(
    "--name",
    "names",
    multiple=True,
    help="Name of a run in the output. Repeat the option for further runs, in the same order as RUN….",
)


@click.command(cls=ResultCommand)
@_runs
@_names
@click.option(
    "--x", "axis", type=click.Choice(("size", "critical-path", "seconds", "tokens", "calls", "turns")),
    default="size", show_default=True,
    help="The horizontal axis. size is the width or the number of turns. All others are costs per episode.",
)  # fmt: skip
@click.option(
    "--metric", type=click.Choice(("item-f1", "row-f1", "success")), default="item-f1", show_default=True,
    help="The metric to draw.",
)  # fmt: skip
@click.option(
    "--overview",
    is_flag=True,
    help="Draw a figure as wide as a page. It shows item-F1, time, calls and speed-up.",
)
@click.option("--title", default="", help="A title above the figure.")
@click.option(
    "--out", "-o", "outs", type=click.Path(dir_okay=False, path_type=Path), required=True, multiple=True,
    help="An .svg, .png or .pdf file (repeatable).",
)  # fmt: skip
def plot(
    runs: tuple[Path, ...],
    names: tuple[str, ...],
    axis: str,
    metric: str,
    overview: bool,
    title: str,
    outs: tuple[Path, ...],
) -> None:
    """Draw the results of several widths or depths into one figure.

    The figure is as wide as one column of a paper. All runs must have the same rules, budget, tasks, profile and judge,
    because other scores do not compare.

    RUN is the --out folder of `bench width` or `bench depth`. The run may be unfinished. Bands and bars are 95 %
    bootstrap intervals over tasks. Without --name, curves have the names of their policies or models. If these do not
    differ, they have the names of the folders.

    \b
    Examples:
      wideseek bench plot runs/width --out width.svg --out width.pdf
      wideseek bench plot runs/base runs/trained --name before --name after --out trained.pdf
      wideseek bench plot runs/width runs/depth --x critical-path --out width-and-depth.svg
      wideseek bench plot runs/base runs/trained --overview --out overview.png
    """
    from wideseek_env.errors import ConfigError
    from wideseek_env.evaluation.curves import Curve, check_axis
    from wideseek_env.evaluation.naming import series_names
    from wideseek_env.evaluation.plot import draw_metric, draw_overview, sweep_speedup
    from wideseek_env.evaluation.report import run_names
    from wideseek_env.evaluation.same_game import check_same_game
    from wideseek_env.evaluation.sweep import read_sweep

    for out in outs:
        if out.suffix[1:].lower() not in _FORMATS:
            raise ConfigError(f"{out} must end with .svg, .png or .pdf")
    if overview and axis != "size":
        raise ConfigError("--overview is always drawn against the size: leave out --x or --overview")
    sweeps, called = [read_sweep(run) for run in runs], run_names(runs, names)
    curves = [Curve.of(sweep, name) for sweep, name in zip(sweeps, called, strict=True)]
    check_axis("size" if overview else axis, curves)  # errors have the names of the folders
    check_same_game(sweeps, called)
    if not names:
        words = series_names([sweep.settings for sweep in sweeps], called)
        curves = [replace(curve, name=name) for curve, name in zip(curves, words, strict=True)]
    if overview:
        drawn = draw_overview(curves, [sweep_speedup(sweep) for sweep in sweeps], title)
    else:
        drawn = draw_metric(curves, axis=axis, metric=metric, title=title)
    for out in outs:
        drawn.save(out)
    result(lambda: {"written": outs}, "\n".join(f"Written: {out}" for out in outs))


@click.command(cls=ResultCommand, short_help="Write one page about several runs.")
@_runs
@_names
@click.option(
    "--out", "-o", type=click.Path(dir_okay=False, path_type=Path), default=Path("report.html"), show_default=True,
    help="The HTML file to write.",
)  # fmt: skip
@click.option(
    "--seed",
    type=int,
    default=0,
    show_default=True,
    help="Seed of the confidence intervals and the statistical tests.",
)
@click.option("--title", default="", help="Heading of the page. Default: the names of the runs.")
def report(runs: tuple[Path, ...], names: tuple[str, ...], out: Path, seed: int, title: str) -> None:
    """Write one page about several runs.

    The page has figures, confidence intervals, paired comparisons, settings and commands.

    RUN is the --out folder of `bench width`, `bench depth`, `eval` or `score`, or a file of trajectories. If a
    run is unfinished, the page says so. The page is one file and needs no network.

    \b
    Examples:
      wideseek bench report runs/width -o report.html
      wideseek bench report runs/base runs/trained --name before --name after -o trained.html
    """
    from wideseek_env.cli.progress import working
    from wideseek_env.evaluation.drawing import INSTALL, plot_available
    from wideseek_env.evaluation.report import read_entries, run_names, write_report

    with working(f"Reading {len(runs)} runs"):
        write_report(read_entries(runs, run_names(runs, names)), out, seed=seed, title=title)
    hint = "" if plot_available() else f"\nThe page has no figures. To draw them, {INSTALL}"
    result(lambda: {"written": [out]}, f"Written: {out}{hint}")


def show_sweep(sweep: Sweep, out: Path, *, note: str = "", further: Mapping[str, Any] | None = None) -> None:
    """Print tables, a sketch and file names. Write the report, and figures if matplotlib is installed.

    `note` is a last line for people. `further` are further values for the JSON.
    """
    from wideseek_env.cli.console import console
    from wideseek_env.evaluation.drawing import INSTALL, plot_available
    from wideseek_env.evaluation.plot import sweep_title
    from wideseek_env.evaluation.report import read_entries, write_report

    written = [out / f"{sweep.kind}.csv", out / f"{sweep.kind}.json"]
    drawable = any(point.size is not None for point in sweep.points)
    if drawable and plot_available():
        written += _draw(sweep, out)
    write_report(read_entries([out], [out.resolve().name]), out / "report.html", title=sweep_title(sweep))
    written.append(out / "report.html")
    last = [f"Written: {path}" for path in written]
    last += [f"To draw figures, {INSTALL}"] if drawable and not plot_available() else []
    result(
        lambda: {**sweep.to_dict(), "written": written, **(further or {})},
        lambda: _print_sweep(sweep, last + ([note] if note else []), console()),
    )


def _print_sweep(sweep: Sweep, last: Sequence[str], terminal: Console) -> None:
    from rich.text import Text

    from wideseek_env.cli.row_tables import rows_table
    from wideseek_env.cli.tables import speedup_table, sweep_sketch, sweep_table
    from wideseek_env.evaluation.naming import budget_name
    from wideseek_env.evaluation.plot import sweep_speedup
    from wideseek_env.evaluation.speedup import no_speedup

    equal = sweep.settings.get("equal")
    if isinstance(equal, dict):
        terminal.print(Text(f"Budget: {budget_name(sweep.settings)} ({equal['from']})"), soft_wrap=True)
    terminal.print(sweep_table(sweep))
    if (rows := rows_table(sweep)) is not None:
        terminal.print(rows)
    terminal.print(Text("item-F1 (0–100)"))
    for line in sweep_sketch(sweep):
        terminal.print(line)
    if why := no_speedup(sweep):
        terminal.print(Text(f"\nNo speed-up: {why}."))
    elif (fast := sweep_speedup(sweep)) is not None:
        terminal.print()
        for part in speedup_table(fast):
            terminal.print(part)
    terminal.print()
    for told in last:
        terminal.print(Text(told), soft_wrap=True)


def _draw(sweep: Sweep, out: Path) -> Sequence[Path]:
    from wideseek_env.evaluation.curves import Curve
    from wideseek_env.evaluation.naming import policy_name
    from wideseek_env.evaluation.plot import draw_metric, sweep_picture
    from wideseek_env.evaluation.plot_rows import draw_rows, has_rows

    curve = Curve.of(sweep, policy_name(sweep.settings))
    pictures = {
        sweep.kind: sweep_picture(sweep),
        f"{sweep.kind}-item-f1": draw_metric([curve]),
    }
    if has_rows(curve):
        pictures[f"{sweep.kind}-rows"] = draw_rows(curve)
    paths = [out / f"{stem}.{form}" for stem in pictures for form in _FORMATS]
    for path in paths:
        pictures[path.stem].save(path)
    return paths
