"""A leaderboard over many runs: one line for each policy, one column for each width, one group for each task set."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from wideseek_env.errors import ConfigError
from wideseek_env.evaluation.curves import METRICS, quality
from wideseek_env.evaluation.folder import SETTINGS
from wideseek_env.evaluation.naming import policy_name
from wideseek_env.evaluation.report.entries import Entry, Part
from wideseek_env.evaluation.sweep import is_sweep
from wideseek_env.evaluation.tables.marking import RULE, groups_of, marks
from wideseek_env.evaluation.tables.model import Column, Group, Line, ResultTable, Value


def find_runs(folders: Sequence[Path]) -> list[Path]:
    """The sweeps and runs in `folders`, at any depth, in the order of their names. The runs of a sweep are not listed.

    Raises:
        ConfigError: A path does not exist, or nothing was found.
    """
    found: list[Path] = []
    for folder in folders:
        if not folder.exists():
            raise ConfigError(f"{folder} does not exist; give folders of runs")
        found += [path for path in _runs_in(folder) if path not in found]
    if not found:
        raise ConfigError(f"there are no runs in {', '.join(map(str, folders))}; give folders of runs")
    return found


def _runs_in(folder: Path) -> list[Path]:
    if folder.is_file() or is_sweep(folder) or (folder / SETTINGS).is_file():
        return [folder]
    return [run for inside in sorted(folder.iterdir()) if inside.is_dir() for run in _runs_in(inside)]


def leaderboard(entries: Sequence[Entry], metric: str = "item-f1") -> ResultTable:
    """The scores of every policy at every width, with the best of each column marked.

    Each group has the runs whose scores compare: the same tasks, rules and budget. A policy that was run twice at a
    width has a line for each run. The lines are in descending order of their best score.

    Args:
        entries: The runs.
        metric: The score, one of `wideseek_env.evaluation.curves.METRICS`.

    Raises:
        ConfigError: The metric is unknown, or no run has an episode.
    """
    of, (name, label) = quality(metric), METRICS.get(metric, ("", ""))
    groups = [(title, _lines(group)) for title, group in groups_of(entries)]
    sizes = sorted({size for _, lines in groups for parts in lines.values() for size in parts}, key=_order)
    if not sizes:
        raise ConfigError("no run has a finished episode, so there is nothing for a leaderboard")
    made = []
    for title, lines in groups:
        columns = {
            size: marks([parts[size].run.records if size in parts else () for parts in lines.values()], name)
            for size in sizes
        }
        rows = []
        for at, (called, parts) in enumerate(lines.items()):
            values = []
            for size in sizes:
                found = of(parts[size].summary) if size in parts else None
                values.append(Value(*found, columns[size][at]) if found is not None else Value())
            rows.append(Line((called,), tuple(values)))
        rows.sort(key=lambda line: -max(value.value or 0.0 for value in line.values))
        if rows:
            made.append(Group(title, tuple(rows)))
    notes = [
        f"{label} from 0 to 100, as the mean over tasks with its 95 % bootstrap interval over tasks.",
        f"In each group, bold marks {RULE.format(of='value of a column')}",
        *(f"{entry.name}: {line}." for entry in entries for line in entry.missing),
    ]
    headers = tuple(Column(size.replace(" ", "_"), size[0].upper() + size[1:], 1, True) for size in sizes)
    return ResultTable((("policy", "Policy"),), headers, tuple(made), tuple(notes))


def _lines(entries: Sequence[Entry]) -> dict[str, dict[str, Part]]:
    """The parts of each policy by their sizes."""
    lines: dict[str, dict[str, Part]] = {}
    options: dict[str, object] = {}
    for entry in entries:
        parts = {_size(entry, part): part for part in entry.parts if part.summary.episodes}
        if not parts:
            continue
        called = policy_name(entry.settings) if entry.settings else entry.name
        chosen = (
            entry.settings.get("policy"),
            entry.settings.get("policy_options"),
            entry.settings.get("responses"),
        )
        if called in lines and (options[called] != chosen or set(parts) & set(lines[called])):
            called = f"{called} ({entry.name})"
        options[called] = chosen
        lines.setdefault(called, {}).update(parts)
    return lines


def _size(entry: Entry, part: Part) -> str:
    if part.label.startswith("depth "):
        return f"{part.label.removeprefix('depth ')} turns"
    return "answers" if entry.settings.get("kind") == "responses" else part.label


def _order(size: str) -> tuple[int, int, str]:
    """Single agents first, then widths and numbers of turns in ascending order."""
    number = next((int(word) for word in size.split() if word.isdecimal()), 0)
    place = (
        1
        if size.startswith("width ")
        else 2
        if size.endswith(" turns")
        else 0
        if size == "single agent"
        else 3
    )
    return place, number, size
