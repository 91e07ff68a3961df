"""`wideseek compare`: compare each run with the first run, task by task."""

from __future__ import annotations

from pathlib import Path

import click

from wideseek_env.cli import options
from wideseek_env.cli.output import ResultCommand, result


@click.command(cls=ResultCommand, short_help="Compare runs with the first run, task by task.")
@click.argument("runs", metavar="RUN RUN…", nargs=-1, required=True, type=click.Path(path_type=Path))
@click.option(
    "--metric", default="f1_by_item", show_default=True, metavar="NAME",
    help="The metric that selects the tasks to list: f1_by_item, f1_by_row, score, …",
)  # fmt: skip
@click.option(
    "--top",
    type=click.IntRange(min=0),
    default=10,
    show_default=True,
    help="Number of changed tasks to list.",
)
@click.option("--seed", type=int, default=0, show_default=True, help="Seed of the intervals and of the test.")
@options.format_option("table", "json")
def compare(runs: tuple[Path, ...], metric: str, top: int, seed: int, form: str) -> None:
    """Compare each run with the first run, on the tasks that both runs have.

    Shows the means over tasks, their differences with 95 % paired bootstrap intervals, and the p-value of a sign-flip
    test. The command refuses runs whose tasks have the same ids but different content.

    \b
    Examples:
      wideseek compare runs/base runs/new
      wideseek compare runs/width/width-1 runs/width/width-4 runs/width/width-8 --top 0
      wideseek compare runs/base runs/new --metric score --format json
    """
    from wideseek_env.cli.reports import print_comparison
    from wideseek_env.errors import ConfigError
    from wideseek_env.evaluation.compare import compare_runs
    from wideseek_env.evaluation.reading import read_run

    if len(runs) < 2:
        raise ConfigError("give at least two runs; each further run is compared with the first")
    first, *others = [read_run(run) for run in runs]
    comparisons = [compare_runs(first, other, changed_by=metric, top=top, seed=seed) for other in others]

    def show() -> None:
        for number, comparison in enumerate(comparisons):
            if number:
                click.echo()
            print_comparison(comparison)

    result(lambda: [comparison.to_dict() for comparison in comparisons], show, json=form == "json")
