"""`Sweep`: a policy evaluated on the same tasks at several sizes (widths, or numbers of turns).

The folder of a sweep has ``width.csv`` and ``width.json`` (or ``depth.…``), and a run folder for each point:
``width-4``, ``depth-16``, ``single``.
"""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Literal

from wideseek_env.errors import ConfigError, TrajectoryError
from wideseek_env.evaluation.coverage import METRICS as ROW_METRICS
from wideseek_env.evaluation.folder import SETTINGS, RunFolder, check_run, read_settings
from wideseek_env.evaluation.interrupts import uninterrupted
from wideseek_env.evaluation.progress import announced
from wideseek_env.evaluation.reading import read_run
from wideseek_env.evaluation.record import EpisodeRecord
from wideseek_env.evaluation.run import evaluate_game
from wideseek_env.evaluation.summary import Summary, SummaryAccumulator
from wideseek_env.files import write_json, write_whole
from wideseek_env.game import Game
from wideseek_env.policy import Policy
from wideseek_env.provenance.comparing import one_warning
from wideseek_env.provenance.kinds import check_kind
from wideseek_env.provenance.secrets import hidden, hidden_text
from wideseek_env.provenance.versions import versions
from wideseek_env.tasks.taskset import TaskSet

Kind = Literal["width", "depth"]
"""What a sweep varies: the number of subagents that a delegation may start, or the turns of a single agent."""

KINDS: tuple[Kind, ...] = ("width", "depth")

MakePolicy = Callable[..., Policy]
"""Makes a new policy. With a token budget it is called with `episode_tokens` and `answer_tokens`."""

CSV_COLUMNS = (
    "episodes", "item_f1", "item_f1_low", "item_f1_high", "item_precision", "item_recall", "row_f1",
    "success", "reward", "answered", "turns", "critical_path", "subagents", "errors", "failed", "seconds",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class SweepPoint:
    """The metrics at one size (a width or a number of turns), and the records of the episodes at that size.

    `size` is None for the single agent with which a width sweep compares its teams.
    """

    size: int | None
    summary: Summary
    records: tuple[EpisodeRecord, ...] = field(default=(), repr=False)

    @property
    def label(self) -> str:
        """The size as text. "single" for the single agent."""
        return "single" if self.size is None else str(self.size)


@dataclass(frozen=True, slots=True)
class Sweep:
    """The results of a sweep so far: one point for each finished size, and the settings.

    `command` is the command line that ran the last episodes of the sweep, or "". `versions` are the versions of the
    software at that time. `played` counts the episodes that were run now, and not read from the folder.
    """

    points: tuple[SweepPoint, ...]
    settings: Mapping[str, Any]
    kind: Kind = "width"
    command: str = ""
    versions: Mapping[str, str] = field(default_factory=versions)
    played: int = field(default=0, compare=False)

    def to_dict(self) -> dict[str, Any]:
        """The sweep as JSON values, without the episodes."""
        return {
            "kind": self.kind,
            "settings": hidden(dict(self.settings)),
            "scoring": "lenient",
            "versions": dict(self.versions),
            "command": hidden_text(self.command),
            "points": [{self.kind: point.size, **point.summary.to_dict()} for point in self.points],
        }

    def to_csv(self) -> str:
        """The sweep as CSV, one line per point.

        Each kind of tool call has a column. A single agent has the size "single". The last columns say where gold rows
        were lost (`wideseek_env.evaluation.coverage.METRICS`). They are empty if that is not known.
        """
        kinds = sorted({kind for point in self.points for kind in point.summary.tool_calls})
        out = io.StringIO()
        writer = csv.writer(out, lineterminator="\n")
        header = [self.kind, *CSV_COLUMNS, "generated_tokens", *(f"{kind}_calls" for kind in kinds)]
        writer.writerow([*header, *ROW_METRICS])
        for point in self.points:
            values = point.summary.to_dict()
            tokens = point.summary.usage.get("completion_tokens", "")
            calls = [point.summary.tool_calls.get(kind, 0.0) for kind in kinds]
            rows = [point.summary.rows.get(name, "") for name in ROW_METRICS]
            writer.writerow([point.label, *(values[name] for name in CSV_COLUMNS), tokens, *calls, *rows])
        return out.getvalue()

    def write(self, folder: Path) -> None:
        """Write the CSV and the JSON file into `folder`. A reader never sees half a file."""
        folder.mkdir(parents=True, exist_ok=True)
        write_whole(folder / f"{self.kind}.csv", self.to_csv())
        write_json(folder / f"{self.kind}.json", self.to_dict())


def check_sizes(sizes: Sequence[int], name: str) -> tuple[int, ...]:
    """`sizes` in ascending order. `name` is the word for a size in error messages.

    Raises:
        ConfigError: There is no size, a size is not a whole number of at least 1, or a size appears twice.
    """
    if not sizes:
        raise ConfigError(f"give at least one {name}")
    if any(isinstance(size, bool) or not isinstance(size, int) or size < 1 for size in sizes):
        raise ConfigError(f"{name}s must be whole numbers of at least 1, not {', '.join(map(str, sizes))}")
    if len(set(sizes)) != len(sizes):
        raise ConfigError(f"a {name} is given twice: {', '.join(map(str, sizes))}")
    return tuple(sorted(sizes))


@dataclass(frozen=True, slots=True)
class Plan:
    """How each point of a sweep is run. The fields are arguments of `wideseek_env.evaluation.width.width_sweep`."""

    tasks: TaskSet
    seed: int = 0
    trials: int = 1
    folder: Path | None = None
    overwrite: bool = False
    keep_going: bool = False
    on_size: Callable[[int | None], None] | None = None
    on_episode: Callable[[EpisodeRecord], None] | None = None
    on_point: Callable[[Sweep], None] | None = None
    command: str = ""
    verify: bool = False

    def run_point(
        self, game: Game, policy: Policy, name: str, size: int | None, settings: Mapping[str, Any]
    ) -> tuple[SweepPoint, int]:
        """Run one point, recorded in the run folder `name`. Returns also the number of episodes that were run."""
        if self.on_size is not None:
            self.on_size(size)
        accumulator = SummaryAccumulator()
        with ExitStack() as stack:
            run = None
            if self.folder is not None:
                run = stack.enter_context(
                    RunFolder.open(
                        self.folder / name, settings, overwrite=self.overwrite, command=self.command
                    )
                )
            summary = evaluate_game(
                game, policy, self.tasks, seed=self.seed, trials=self.trials, folder=run, accumulator=accumulator,
                keep_going=self.keep_going, on_episode=self.on_episode,
            )  # fmt: skip
            played = run.played if run is not None else len(accumulator)
        return SweepPoint(size, summary, tuple(accumulator.records)), played

    def run_all(
        self,
        sweep: Sweep,
        games: Mapping[int | None, Game],
        policy: Callable[[], Policy],
        settings: Mapping[str, Any],
    ) -> Sweep:
        """Run every size of `games` in order, and return `sweep` with the new points.

        The sweep is written after each point. The folder keeps the earlier command and versions until an episode is
        run.
        """
        abouts = {
            size: {**settings, "team": game.team, "rules": game.rules.to_dict()}
            for size, game in games.items()
        }
        now = sweep
        with ExitStack() as stack:
            stack.enter_context(one_warning())
            if self.folder is not None and not self.overwrite:
                self.check(sweep.kind)
                for size, about in abouts.items():
                    check_run(self.folder / point_folder(sweep.kind, size), about)
                sweep = _recorded(self.folder, sweep)
            for size, game in games.items():
                made = policy()
                # written before the first run, so that a reader of the folder knows which sizes will be run
                self._write(sweep)
                if self.folder is not None and not sweep.points:
                    stack.enter_context(
                        announced(self.folder, lambda: {"kind": "bench", "total": len(games)})
                    )
                name = point_folder(sweep.kind, size)
                point, played = self.run_point(game, made, name, size, abouts[size])
                if played:
                    sweep = replace(sweep, command=now.command, versions=now.versions)
                sweep = replace(sweep, points=(*sweep.points, point), played=sweep.played + played)
                self._write(sweep)
                if self.on_point is not None:
                    self.on_point(sweep)
        return sweep

    def check(self, kind: Kind) -> None:
        """Check that the folder can get a sweep of this kind. `ConfigError` if it has something else."""
        if self.folder is not None:
            check_kind(self.folder, kind)

    def _write(self, sweep: Sweep) -> None:
        if self.folder is not None:
            self.check(sweep.kind)
            with uninterrupted():
                sweep.write(self.folder)


def _recorded(folder: Path, sweep: Sweep) -> Sweep:
    """`sweep` with the command and versions in `folder`, if there is a sweep already."""
    try:
        data = json.loads((folder / f"{sweep.kind}.json").read_text(encoding="utf-8"))
        return replace(sweep, command=str(data.get("command") or ""), versions=dict(data["versions"]))
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return sweep


def point_folder(kind: Kind, size: int | None) -> str:
    """The name of a point's run folder."""
    return "single" if size is None else f"{kind}-{size}"


def is_sweep(path: Path) -> bool:
    """Whether `path` is the folder of a sweep, finished or not."""
    return path.is_dir() and any((path / f"{kind}.json").is_file() for kind in KINDS)


def read_sweep(path: Path | str) -> Sweep:
    """Read the sweep in the folder `path`, with every point that has episodes. It may still be running.

    The episodes are read from the run folders, so the metrics are current. Nothing is written and no lock is taken.

    Raises:
        ConfigError: There is no sweep in the folder.
        TrajectoryError: The sweep cannot be read.
    """
    folder = Path(path)
    if not is_sweep(folder):
        raise ConfigError(
            f"{folder} contains no sweep; give the --out folder of `wideseek bench width` or `depth`"
        )
    kind = next(kind for kind in KINDS if (folder / f"{kind}.json").is_file())
    file = folder / f"{kind}.json"
    try:
        data = json.loads(file.read_text(encoding="utf-8"))
        settings = dict(data["settings"])
        sizes = [None] * bool(settings.get("single")) + [int(size) for size in settings[f"{kind}s"]]
        about = dict(data["versions"])
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise TrajectoryError(
            f"{file} cannot be read ({type(error).__name__}); run the sweep again"
        ) from error
    points = []
    for size in sizes:
        run = folder / point_folder(kind, size)
        if not (run / SETTINGS).is_file():
            continue
        found = read_run(run)
        if len(found.accumulator):
            summary = found.accumulator.summary(seed=int(read_settings(run).get("seed") or 0))
            points.append(SweepPoint(size, summary, tuple(found.records)))
    return Sweep(tuple(points), settings, kind, str(data.get("command") or ""), about)
