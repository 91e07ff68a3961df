"""The entries of a report: sweeps and single runs, read from disk in their current state, finished or not."""

from __future__ import annotations

import json
import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from wideseek_env.errors import ConfigError
from wideseek_env.evaluation.folder import SETTINGS, read_settings
from wideseek_env.evaluation.reading import RecordedRun, read_run
from wideseek_env.evaluation.summary import Summary, SummaryAccumulator
from wideseek_env.evaluation.sweep import Sweep, is_sweep, point_folder, read_sweep


@dataclass(frozen=True, slots=True)
class Part:
    """One line of metrics: a point of a sweep, or a whole run."""

    label: str
    summary: Summary
    run: RecordedRun


@dataclass(frozen=True, slots=True)
class Entry:
    """One run of the report. `sweep` is None for a run of `wideseek eval` or `wideseek score`."""

    name: str
    path: Path
    settings: Mapping[str, Any]
    versions: Mapping[str, str]
    command: str
    sweep: Sweep | None
    parts: tuple[Part, ...]
    missing: tuple[str, ...]
    """Sentences that say which episodes or points are missing."""
    reconstructed: bool = False
    """Whether `command` was derived from the settings, because none was recorded."""


def run_names(paths: Sequence[Path], names: Sequence[str] = ()) -> list[str]:
    """The names of the runs: `names`, or else the last parts of their paths, as many parts as make them different.

    Raises:
        ConfigError: The number of names differs from the number of runs, or a name or run is given twice.
    """
    if names:
        if len(names) != len(paths):
            raise ConfigError(
                f"{len(paths)} runs but {len(names)} names: give one name for each run, or none"
            )
        if len(set(names)) != len(names):
            raise ConfigError("two runs have the same name; give each run a different name")
        return list(names)
    parts = [path.resolve().parts for path in paths]
    for count in range(1, max(map(len, parts), default=1) + 1):
        found = ["/".join(each[-count:]) for each in parts]
        if len(set(found)) == len(found):
            return found
    raise ConfigError("a run is given twice")


def read_entries(paths: Sequence[Path], names: Sequence[str]) -> list[Entry]:
    """Read every run. `names` are the names of the runs.

    Raises:
        ConfigError: There is no path, or a path contains no run.
    """
    if not paths:
        raise ConfigError("give at least one run")
    return [
        _sweep(path, name) if is_sweep(path) else _run(path, name)
        for path, name in zip(paths, names, strict=True)
    ]


def _sweep(path: Path, name: str) -> Entry:
    sweep = read_sweep(path)
    settings = dict(sweep.settings)
    parts, missing = [], []
    wanted: list[int | None] = [None] * bool(settings.get("single")) + list(settings[f"{sweep.kind}s"])
    by_size = {point.size: point for point in sweep.points}
    for size in wanted:
        called = "the single agent" if size is None else f"{sweep.kind} {size}"
        point = by_size.get(size)
        if point is None:
            missing.append(f"{called} has not been run")
            continue
        accumulator = SummaryAccumulator()
        for record in point.records:
            accumulator.add(record)
        of = {**settings, **_about(path / point_folder(sweep.kind, size))[0]}
        label = "single agent" if size is None else f"{sweep.kind} {size}"
        run = RecordedRun(f"{name}, {label}", of, accumulator)
        parts.append(Part(label, point.summary, run))
        missing += _short(called, of, point.summary)
    return Entry(
        name, path, settings, sweep.versions, sweep.command or _reconstructed(settings, path, sweep), sweep,
        tuple(parts), tuple(missing), not sweep.command,
    )  # fmt: skip


def _run(path: Path, name: str) -> Entry:
    found = read_run(path)
    settings, versions, command = _about(path)
    summary = found.accumulator.summary(seed=int(settings.get("seed") or 0))
    missing = _short("the run", settings, summary) if summary.episodes else ["no episode has ended yet"]
    run = RecordedRun(name, found.settings, found.accumulator)
    rules = settings.get("rules")
    if settings.get("team") and isinstance(rules, dict):
        label = f"width {rules.get('width')}"
    else:
        label = "single agent" if settings.get("team") is False else "run"
    return Entry(
        name, path, settings, versions, command or _reconstructed(settings, path, None), None,
        (Part(label, summary, run),), tuple(missing), not command,
    )  # fmt: skip


def _about(path: Path) -> tuple[dict[str, Any], dict[str, str], str]:
    """Settings, versions and command of a run folder. Empty for a file of trajectories."""
    file = path / SETTINGS
    if not file.is_file():
        return {}, {}, ""
    data = json.loads(file.read_text(encoding="utf-8"))
    return read_settings(path), dict(data.get("versions") or {}), str(data.get("command") or "")


def _short(called: str, settings: Mapping[str, Any], summary: Summary) -> list[str]:
    """Sentences about episodes that are missing or failed."""
    told = []
    limit, trials = settings.get("limit"), settings.get("trials")
    if isinstance(limit, int) and isinstance(trials, int) and summary.episodes < limit * trials:
        told.append(f"{called} has {summary.episodes} of {limit * trials} episodes")
    elif summary.incomplete:
        told.append(
            f"{called}: {summary.incomplete} of {summary.tasks} tasks have fewer than {summary.trials} trials"
        )
    if summary.failed:
        told.append(f"{called}: {summary.failed} episodes failed and count with score 0")
    return told


def _reconstructed(settings: Mapping[str, Any], path: Path, sweep: Sweep | None) -> str:
    """The command, as far as it follows from the settings. Of a file of tasks, the settings have only the name."""
    if not settings or settings.get("kind") == "responses":
        return ""
    words = ["wideseek", "bench", sweep.kind] if sweep is not None else ["wideseek", "eval"]
    if sweep is not None:
        sizes = ",".join(str(size) for size in settings[f"{sweep.kind}s"])
        words += ["--widths" if sweep.kind == "width" else "--turns", sizes]
    tasks, _, conditions = str(settings.get("tasks")).removesuffix("]").partition("[")
    tasks, _, split = tasks.partition("/")
    words += [
        "--policy",
        str(settings.get("policy")),
        "--tasks",
        tasks,
        *(["--split", split] if split else []),
    ]
    words += [word for each in conditions.split(",") if each for word in ("--where", each)]
    for name, value in dict(settings.get("policy_options") or {}).items():
        words += ["--policy-arg", f"{name}={value if isinstance(value, str) else json.dumps(value)}"]
    rules = dict(settings.get("rules") or {})
    words += ["--rules", "default", *(word for k, v in rules.items() for word in ("--rule", f"{k}={v}"))]
    for name in ("profile", "reward", "roster", "seed", "trials", "limit"):
        if settings.get(name) is not None:
            words += [f"--{name}", str(settings[name])]
    if (settings.get("team") is False and sweep is None) or settings.get("single") is True:
        words.append("--single")
    return shlex.join([*words, "--out", str(path)])
