"""`wideseek bench table` and `wideseek bench leaderboard`: tables of results for papers and README files."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from wideseek_env.cli import options
from wideseek_env.cli.output import ResultCommand, result

if TYPE_CHECKING:
    from wideseek_env.evaluation.tables import ResultTable

_ENDINGS = {".md": "markdown", ".tex": "latex", ".csv": "csv"}

_form = click.option(
    "--format",
    "form",
    type=click.Choice(("table", "markdown", "latex", "csv")),
    help="Form of the table. Default: by the ending of --out, else a table for the terminal.",
)
_out = click.option(
    "--out", "-o", type=click.Path(dir_okay=False, path_type=Path),
    help="Write the table into this file (.md, .tex or .csv) instead of printing it.",
)  # fmt: skip
_shared = options.stack(
    click.option(
        "--name", "names", multiple=True,
        help="Name of a run in the table. Repeat the option for further runs, in the same order.",
    ),
    _form,
    _out,
)  # fmt: skip


@click.command(cls=ResultCommand, short_help="Write a table of any runs for a paper.")
@click.argument("runs", metavar="RUN…", nargs=-1, required=True, type=click.Path(path_type=Path))
@_shared
def table(runs: tuple[Path, ...], names: tuple[str, ...], form: str | None, out: Path | None) -> None:
    """Write a table of runs: one line for each run and each width or depth.

    The columns are item-F1, row F1 and success with 95 % intervals, and the costs of an episode. In each group of runs
    whose scores compare, the best value is bold. A † marks values that are not significantly worse than the best.

    RUN is the --out folder of `bench width`, `bench depth`, `eval` or `score`, or a file of trajectories.

    \b
    Examples:
      wideseek bench table runs/width
      wideseek bench table runs/base runs/trained --name before --name after --out results.tex
    """
    from wideseek_env.evaluation.report import read_entries, run_names
    from wideseek_env.evaluation.tables import results_table

    _write(results_table(read_entries(runs, run_names(runs, names))), form, out)


@click.command(cls=ResultCommand, short_help="Compare policies, widths and task sets over many runs.")
@click.argument("folders", metavar="FOLDER…", nargs=-1, required=True, type=click.Path(path_type=Path))
@click.option(
    "--metric", type=click.Choice(("item-f1", "row-f1", "success")), default="item-f1", show_default=True,
    help="The score in the table.",
)  # fmt: skip
@_form
@_out
def leaderboard(folders: tuple[Path, ...], metric: str, form: str | None, out: Path | None) -> None:
    """Write a leaderboard of all runs in folders: policies in lines, widths in columns.

    There is a group for each task set, and for different rules or budgets. In each column of a group, the best value is
    bold. A † marks values that are not significantly worse than the best. For the cards of the benchmark suite, use
    `bench cards`.

    FOLDER contains runs of `bench width`, `bench depth`, `eval` or `score`, at any depth.

    \b
    Examples:
      wideseek bench leaderboard runs
      wideseek bench leaderboard runs --metric success --out leaderboard.csv
    """
    from wideseek_env.evaluation.report import read_entries, run_names
    from wideseek_env.evaluation.tables import leaderboard as made
    from wideseek_env.evaluation.tables.leaderboard import find_runs

    runs = find_runs(folders)
    _write(made(read_entries(runs, run_names(runs)), metric), form, out)


def _write(made: ResultTable, form: str | None, out: Path | None) -> None:
    from dataclasses import asdict

    from wideseek_env.cli.tables import result_tables
    from wideseek_env.errors import ConfigError
    from wideseek_env.evaluation.tables import render
    from wideseek_env.files import write_whole

    if out is None and form in (None, "table"):
        from wideseek_env.cli.console import console

        def show() -> None:
            for part in result_tables(made):
                console().print(part)

        result(lambda: asdict(made), show)
        return
    if form == "table":
        raise ConfigError("--format table is for the terminal; leave out --out, or give another format")
    if out is not None and form is None and out.suffix not in _ENDINGS:
        raise ConfigError(f"{out} must end with .md, .tex or .csv, or give --format")
    text = render(made, form or _ENDINGS.get(out.suffix if out is not None else "", "markdown"))
    if out is None:
        result(lambda: asdict(made), text.removesuffix("\n"))
        return
    out.parent.mkdir(parents=True, exist_ok=True)
    write_whole(out, text)
    result(lambda: {**asdict(made), "written": out}, f"Written: {out}")
