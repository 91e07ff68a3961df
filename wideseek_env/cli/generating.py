"""The work of the task commands: generate tasks and show them."""

from __future__ import annotations

import json
import statistics
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import fields
from pathlib import Path
from typing import Any, cast

from rich.console import Group, RenderableType
from rich.table import Table as Grid
from rich.text import Text

from wideseek_env import catalog
from wideseek_env.cli.tables import join
from wideseek_env.errors import ConfigError, TaskError
from wideseek_env.render.printable import one_line, printable
from wideseek_env.task import Task
from wideseek_env.tasks.hybridqa.filtering import REASONS
from wideseek_env.tasks.hybridqa.members import UNFIT
from wideseek_env.tasks.hybridqa.wide.checks import REASONS as WIDE_REASONS
from wideseek_env.tasks.statistics import count_tasks
from wideseek_env.tasks.taskset import TaskSet

_CELL = 60


def generate_tasks(spec: str, split: str, count: int | None, seed: int) -> TaskSet:
    """`count` tasks from one part of a world (its split). With None, all tasks of that part.

    Raises:
        ConfigError: No world has this name.
        TaskError: The world has fewer than `count` tasks.
    """
    kind = spec.partition(":")[0]
    part = cast("catalog.Split", split)
    if kind == "synthetic":
        from wideseek_env.tasks.synthetic import synthetic_tasks

        return synthetic_tasks(catalog.synthetic_world(spec), part, count, seed=seed)
    if kind == "hybridqa":
        from wideseek_env.tasks.hybridqa import hybridqa_tasks

        world = catalog.hybridqa_world(spec)
        if world.mode == "wide":
            raise ConfigError("mode=wide has no --one-a-table: use --mode wide without it")
        if world.mode == "depth":
            raise ConfigError("mode=depth has no --one-a-table: use --mix depth without it")
        found = hybridqa_tasks(
            world.folder,
            part,
            count,
            seed=seed,
            mode=world.mode,
            min_rows=world.min_rows,
            max_rows=world.max_rows,
        )
        if count is not None and len(found) < count:
            raise TaskError(f"{found.name} has only {len(found)} tasks, not {count}; lower --count")
        return found
    raise ConfigError(
        f"no world {spec!r} to generate tasks from; use synthetic[:key=value,…] or hybridqa:FOLDER"
    )


def task_view(task: Task, rows: int) -> RenderableType:
    """A task with the first `rows` rows of its gold table."""
    parts: list[RenderableType] = [
        Text(one_line(task.id, 200), style="bold"),
        Text(printable(task.question)),
    ]
    if task.gold is None:
        parts.append(Text(f"Accepted: {' / '.join(one_line(answer, _CELL) for answer in task.answers)}"))
        return Group(*parts, Text())
    grid = Grid(box=None, padding=(0, 1), header_style="bold", pad_edge=False)
    for column in task.gold.header:
        metrics = "+".join(task.spec(column).metrics) if column in task.columns else "not asked"
        grid.add_column(
            Text(f"{one_line(column, _CELL)}{' (key)' if column in task.key_columns else ''}\n{metrics}")
        )
    for row in task.gold.rows[:rows]:
        grid.add_row(*(Text(one_line(cell, _CELL)) for cell in row))
    more = len(task.gold.rows) - rows
    return Group(*parts, grid, Text(f"… and {more} more rows\n" if more > 0 else ""))


def stats_table(tasks: TaskSet) -> Grid:
    """Counts over a set of tasks."""
    broad = [task for task in tasks if task.gold is not None]
    grid = Grid(box=None, show_header=False, padding=(0, 2, 0, 0))
    grid.add_row("tasks", f"{len(tasks):,} of {tasks.name}")
    grid.add_row("broad", f"{len(broad):,}")
    if len(broad) < len(tasks):
        grid.add_row("short answers", f"{len(tasks) - len(broad):,}")
    if broad:
        grid.add_row("rows", _spread([len(task.gold.rows) for task in broad if task.gold is not None]))
        grid.add_row("columns", _spread([len(task.columns) for task in broad]))
        grid.add_row("key columns", _spread([len(task.key_columns) for task in broad]))
        names = Counter(column for task in broad for column in task.columns)
        grid.add_row("column names", join([f"{one_line(name, 40)} {n}" for name, n in names.most_common()]))
        metrics = Counter("+".join(task.spec(column).metrics) for task in broad for column in task.columns)
        grid.add_row("metrics", join([f"{name} {n}" for name, n in metrics.most_common()]))
    counts = count_tasks(tasks)
    grid.add_row("languages", join([f"{name} {n}" for name, n in sorted(counts.languages.items())]))
    if counts.tables:
        grid.add_row("tables", f"{counts.tables:,}")
    if counts.families:
        grid.add_row("families", f"{counts.families:,}")
    for label, sizes in (("lists united", counts.lists), ("pages of lists", counts.list_pages)):
        if sizes:
            grid.add_row(label, _spread(sorted(sizes.elements())))
    for name, said in counts.said.items():
        if said:
            grid.add_row(
                f"{name.removesuffix('s')}s",
                join([f"{one_line(value, 40)} {n}" for value, n in said.most_common()], 12),
            )
    for label, kinds in (("rows asked for", counts.selection), ("conditions", counts.relations)):
        if kinds:
            grid.add_row(
                label, join([f"{value.replace('_', ' ')} {n}" for value, n in kinds.most_common()], 12)
            )
    if counts.rank:
        reached = [f"hit {rank} {n}" if rank else f"not {n}" for rank, n in sorted(counts.rank.items())]
        grid.add_row("list found", join(reached))
    sources = Counter(one_line(task.source, 60) or "(none)" for task in tasks)
    grid.add_row("sources", join([f"{name} {n}" for name, n in sources.most_common()], 4))
    return grid


def stats_dict(tasks: TaskSet) -> dict[str, Any]:
    """Counts over a set of tasks, by name."""
    counts = count_tasks(tasks)
    return {"name": tasks.name} | {each.name: getattr(counts, each.name) for each in fields(counts)}


def read_report(spec: str) -> dict[str, Any] | None:
    """The report that `build_tasks` wrote next to a file of tasks. None if there is no report."""
    from wideseek_env.tasks.hybridqa.pipeline import report_file

    file = report_file(Path(spec))
    if not Path(spec).is_file() or not file.is_file():
        return None
    try:
        found = json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise TaskError(f"{file} cannot be read: {error}") from error
    return found if isinstance(found, dict) else None


def report_table(report: Mapping[str, Any]) -> Grid:
    """How many tables were usable, how many proposed tasks were kept, and how many were dropped for each reason."""
    grid = Grid(box=None, show_header=False, padding=(0, 2, 0, 0))
    reasons: dict[str, str] = {str(name): text for name, text in REASONS.items()}
    if "unfit" in report:
        reasons = {str(name): text for name, text in (*WIDE_REASONS.items(), *UNFIT.items())}
    if "unfit" in report:
        grid.add_row("tables", f"{report['tables']:,}")
        for reason, number in sorted(report["unfit"].items(), key=lambda item: (-item[1], item[0])):
            grid.add_row(f"  {reason}", f"−{number:,}", reasons.get(reason, ""))
        grid.add_row("  lists that belong together", f"{report['lists']:,}")
        for split, number in report["held_out"].items():
            grid.add_row(f"  shares a page ({split})", f"−{number:,}", "a page that another split uses")
    for kind, proposed in report.get("proposed", {}).items():
        grid.add_row(f"{kind} proposed", f"{proposed:,}")
        dropped = report.get("dropped", {}).get(kind, {})
        for reason, number in sorted(dropped.items(), key=lambda item: (-item[1], item[0])):
            grid.add_row(f"  {reason}", f"−{number:,}", reasons.get(reason, ""))
        grid.add_row("  not needed", f"−{report.get('unused', {}).get(kind, 0):,}")
        grid.add_row("  kept", f"{report.get('kept', {}).get(kind, 0):,}")
    for name, number in report.get("model", {}).items():
        grid.add_row(f"model: {name}", f"{number:,}")
    return grid


def _spread(values: Sequence[int]) -> str:
    return f"{min(values)} – {max(values)}, median {statistics.median(values):g}, {sum(values):,} in total"
