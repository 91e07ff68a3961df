"""`wideseek summary`: the metrics of a recorded run, without running episodes."""

from __future__ import annotations

from pathlib import Path

import click

from wideseek_env.cli import options
from wideseek_env.cli.output import ResultCommand


@click.command(cls=ResultCommand)
@click.argument("run", type=click.Path(path_type=Path))
@options.by_option
@click.option(
    "--seed", type=click.IntRange(0), help="Seed of the bootstrap intervals. Default: the seed of the run."
)
@options.format_option("table", "json", "benchmark")
def summary(run: Path, by: tuple[str, ...], seed: int | None, form: str) -> None:
    """Summarise a recorded run. The run may be unfinished.

    RUN is a folder of `wideseek eval` or `wideseek score`, the folder of one width of `wideseek bench width`, or a
    file of trajectories.

    \b
    Examples:
      wideseek summary runs/a
      wideseek summary runs/a --by difficulty --by kind
      wideseek summary runs/a --format benchmark
    """
    from wideseek_env.cli.progress import working
    from wideseek_env.cli.reports import print_metrics
    from wideseek_env.evaluation.labels import check_keys
    from wideseek_env.evaluation.reading import read_run

    with working(f"Reading {run}"):
        found = read_run(run)
    check_keys(by, (record.labels for record in found.records))
    if seed is None:
        seed = int(found.settings.get("seed") or 0)
    strict = bool(found.settings.get("strict"))
    print_metrics(found.accumulator, by, form=form, played=found.played, strict=strict, seed=seed)
