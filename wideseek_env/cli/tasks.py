"""`wideseek tasks`: write tasks to a file, show them and count them."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

from wideseek_env.cli.effects import check_split, refuse
from wideseek_env.cli.options import SPLITS, stack
from wideseek_env.cli.output import ResultGroup, result

split_option = click.option(
    "--split", type=click.Choice(SPLITS), default="test", show_default=True, help="Part of a world's tasks."
)

hybridqa_options: Callable[[Any], Any] = stack(
    click.option(
        "--data", type=click.Path(path_type=Path), help="Folder of the HybridQA data. SPEC can also be hybridqa:FOLDER."
    ),
    click.option(
        "--corpus", type=click.Path(path_type=Path), help="A corpus built from the data. Default: the one in the cache."
    ),
    click.option("--mode", type=click.Choice(("pages", "table", "wide")),
        help="Only tasks of one mode. wide unites lists. Default: pages and table."),
    click.option("--mix", metavar="MIX",
        help="Kinds of tasks: width (default), depth, hybrid or broad=0.8,depth=0.2. With --mode wide: wide (default), "
        "hybrid (a quarter each of wide, pages, table and depth) or wide=0.7,pages=0.3."),
    click.option("--chinese", type=click.FloatRange(0, 1), help="Share of questions in Chinese. Default: 0.25."),
    click.option("--least-rows", type=click.IntRange(min=5),
        help="Minimum number of rows of a gold table. Default: 5."),
    click.option("--per-table", type=click.IntRange(min=1),
        help="Maximum number of tasks of one kind per table. Default: 24. With --mode wide, per family: 30."),
    click.option(
        "--stages", type=click.Path(file_okay=False, path_type=Path),
        help="Folder for the stored stages of the build. Default: next to OUT."
    ),
    click.option("--workers", type=click.IntRange(min=1), help="Number of processes. Default: one per core."),
    click.option("--one-a-table", is_flag=True, help="Make at most one task per table, and store no stages."),
    click.option("--llm", metavar="URL", help="An OpenAI-compatible server whose model rewrites the questions."),
    click.option("--llm-model", metavar="NAME", help="Name of the model on the server of --llm."),
    click.option("--llm-answers", is_flag=True,
        help="Let the model answer each question twice. Drop tasks whose two answers differ."),
    click.option(
        "--llm-agreement", type=click.FloatRange(0, 1),
        help="Minimum item-F1 between the two answers to keep a task. Default: 0.7.",
    ),
)  # fmt: skip


@click.group(cls=ResultGroup)
def tasks() -> None:
    """Generate, check, show and count tasks."""


@tasks.command()
@click.argument("spec")
@click.option(
    "--out",
    type=click.Path(dir_okay=False, path_type=Path),
    required=True,
    help="The file to write: .jsonl or .jsonl.gz.",
)
@click.option(
    "--split",
    type=click.Choice((*SPLITS, "all")),
    help="Part of a world's tasks. Default: test, or all for hybridqa.",
)
@click.option("--count", type=click.IntRange(min=1), help="Number of tasks. Default: all.")
@click.option(
    "--seed", type=int, default=0, show_default=True, help="Seed that selects and orders the tasks."
)
@click.option("--overwrite", is_flag=True, help="Replace an existing file, and start its stages over.")
@hybridqa_options
def build(
    spec: str, out: Path, split: str | None, count: int | None, seed: int, overwrite: bool, **given: Any
) -> None:
    """Generate tasks from a world and write them to a file.

    For HybridQA, the command builds many tasks in stages and stores the stages next to the file. The same command
    resumes a stopped run. The option --data and all options below it apply only to HybridQA.

    \b
    Examples:
      wideseek tasks build synthetic:seed=3 --split train --count 500 --out train.jsonl
      wideseek tasks build hybridqa --data data/hybridqa --count 20000 --out tasks.jsonl.gz
      wideseek tasks build hybridqa:data/hybridqa --split train --mix hybrid --out train.jsonl
      wideseek tasks build hybridqa:data/hybridqa --mode wide --out wide.jsonl
    """
    from wideseek_env.cli.generating import generate_tasks
    from wideseek_env.cli.progress import Bar, working
    from wideseek_env.errors import ConfigError
    from wideseek_env.files import unfinished
    from wideseek_env.tasks.jsonl import save_tasks

    if not out.name.endswith((".jsonl", ".jsonl.gz")):
        raise ConfigError(f"{out}: the name of a file of tasks must end with .jsonl or .jsonl.gz")
    with unfinished(out, [spec, split, count, seed, given]) as again:
        if out.exists() and not (overwrite or again):
            raise ConfigError(f"{out} exists; give another name or --overwrite")
        out.parent.mkdir(parents=True, exist_ok=True)
        if spec.partition(":")[0] == "hybridqa":
            from wideseek_env.cli.hybridqa import HybridQAOptions, build_hybridqa_tasks

            options = HybridQAOptions(**given)
            if not options.one_a_table:
                about, line = build_hybridqa_tasks(spec, out, split, count, seed, overwrite, options)
                result(lambda: about, line)
                return
            unused = [name for name, value in given.items() if value not in (None, False)]
            refuse("with --one-a-table", *(name for name in unused if name not in ("data", "one_a_table")))
            spec = options.world(spec)
        elif used := [name for name, value in given.items() if value not in (None, False)]:
            raise ConfigError(f"--{used[0].replace('_', '-')} works only for hybridqa, not for {spec}")
        if split == "all":
            raise ConfigError(
                "--split all works only for hybridqa without --one-a-table; name one of " + ", ".join(SPLITS)
            )
        with working(f"Generating tasks from {spec}"):
            made = generate_tasks(spec, split or "test", count, seed)
        with Bar(f"Writing {out}", len(made), "tasks") as bar:
            written = save_tasks(bar.track(made), out)
        result(
            lambda: {"file": out, "tasks": written, "from": made.name},
            f"{out}: {written:,} tasks from {made.name}",
        )


@tasks.command()
@click.argument("name", metavar="FILE")
@click.option(
    "--limit", type=click.IntRange(min=1), default=20, show_default=True, help="Number of faults to show."
)
@click.option("--json", "as_json", is_flag=True, help="Print the result as JSON.")
def check(name: str, limit: int, as_json: bool) -> None:
    """Check a file of tasks, and say what is wrong in which line.

    FILE is a .jsonl or .jsonl.gz file, or a benchmark's files (widesearch:PATH, wideseek-r1:FILE, gisa:PATH,
    browsecomp-plus:FILE, qa:PATH). The command reads the file as all other commands do, and shows the first fault of
    each line. The exit code is 1 if there are faults.

    \b
    Examples:
      wideseek tasks check my-tasks.jsonl
      wideseek tasks check widesearch:WideSearch --limit 100
      wideseek tasks check my-tasks.jsonl --json
    """
    from wideseek_env.cli.checking import check_tasks

    found = check_tasks(name)
    if as_json:
        click.echo(json.dumps(found.to_dict(limit), ensure_ascii=False, indent=2))
    else:
        click.echo("\n".join(found.lines(limit)))
    if found.faults:
        raise click.exceptions.Exit(1)


@tasks.command()
@click.argument("spec", metavar="FILE_OR_SPEC")
@split_option
@click.option(
    "--limit", type=click.IntRange(min=1), default=3, show_default=True, help="Number of tasks to show."
)
@click.option("--task-id", help="Show only this task.")
@click.option(
    "--rows", type=click.IntRange(min=0), default=8, show_default=True, help="Number of gold rows to show."
)
def show(spec: str, split: str, limit: int, task_id: str | None, rows: int) -> None:
    """Show questions with the first rows of their gold tables.

    FILE_OR_SPEC names tasks as --tasks of other commands does: a .jsonl file, synthetic[:key=value,…],
    hybridqa:FOLDER, a benchmark (widesearch:PATH, wideseek-r1:FILE, gisa:PATH, browsecomp-plus:FILE, qa:PATH), or
    module:name for a custom source.

    \b
    Examples:
      wideseek tasks show synthetic --limit 2
      wideseek tasks show train.jsonl --task-id museums-1 --rows 100
    """
    from wideseek_env.cli.console import console
    from wideseek_env.cli.generating import task_view
    from wideseek_env.cli.world import open_tasks
    from wideseek_env.tasks.jsonl import task_to_dict

    check_split(spec)
    if task_id is not None:
        refuse("with --task-id", "limit")
    found, _ = open_tasks(spec, split)
    chosen = [found.get(task_id)] if task_id is not None else list(found[:limit])

    def print_tasks() -> None:
        terminal = console()
        for task in chosen:
            terminal.print(task_view(task, rows))
        if len(found) > len(chosen):
            terminal.print(f"{len(chosen)} of {len(found):,} tasks of {found.name}", soft_wrap=True)

    result(
        lambda: {"name": found.name, "total": len(found), "tasks": list(map(task_to_dict, chosen))},
        print_tasks,
    )


@tasks.command()
@click.argument("spec", metavar="FILE_OR_SPEC")
@split_option
@click.option(
    "--plot", type=click.Path(dir_okay=False, path_type=Path),
    help="Also draw the counts into this file (.png, .svg or .pdf).",
)  # fmt: skip
@click.option(
    "--title", default="", help="Title of the figure. Default: the number and the origin of the tasks."
)
def stats(spec: str, split: str, plot: Path | None, title: str) -> None:
    """Count tasks, rows, columns and the metrics of columns.

    FILE_OR_SPEC names tasks as --tasks of other commands does: a .jsonl file, synthetic[:key=value,…],
    hybridqa:FOLDER, a benchmark (widesearch:PATH, wideseek-r1:FILE, gisa:PATH, browsecomp-plus:FILE, qa:PATH), or
    module:name for a custom source.

    For tasks that were built from HybridQA, the command also shows how many proposed tasks were dropped, and why.

    \b
    Examples:
      wideseek tasks stats synthetic --split train
      wideseek tasks stats train.jsonl --plot train.png
    """
    from wideseek_env.cli.console import console
    from wideseek_env.cli.generating import read_report, report_table, stats_dict, stats_table
    from wideseek_env.cli.world import open_tasks

    check_split(spec)
    found, _ = open_tasks(spec, split)
    report = read_report(spec)

    def print_counts() -> None:
        console().print(stats_table(found))
        if report is not None:
            console().print(report_table(report))

    if plot is None:
        result(lambda: {**stats_dict(found), "report": report}, print_counts)
        return
    from wideseek_env.evaluation.naming import tasks_name
    from wideseek_env.evaluation.plot_tasks import plot_tasks
    from wideseek_env.tasks.statistics import count_tasks

    named = title or tasks_name({"tasks": found.name}, len(found))
    plot_tasks(count_tasks(found), plot, report, named)

    def print_both() -> None:
        print_counts()
        console().print(f"{plot}: figure written", soft_wrap=True)

    result(lambda: {**stats_dict(found), "report": report, "figure": plot}, print_both)
