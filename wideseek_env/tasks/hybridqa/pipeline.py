"""`build_tasks`: makes many tasks from the HybridQA data, by query generation, answer generation and filtering."""

from __future__ import annotations

import hashlib
import json
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from wideseek_env.corpus.hybridqa.build import open_hybridqa
from wideseek_env.corpus.hybridqa.plan import Mode, Plans, load_plans
from wideseek_env.errors import ConfigError, TaskError
from wideseek_env.files import write_whole
from wideseek_env.task import Task
from wideseek_env.tasks.hybridqa.columns import columns_of
from wideseek_env.tasks.hybridqa.depth import Ask
from wideseek_env.tasks.hybridqa.filtering import Duplicates
from wideseek_env.tasks.hybridqa.making import broad_task, depth_task, gold_of
from wideseek_env.tasks.hybridqa.material import Material, materials
from wideseek_env.tasks.hybridqa.queries import LEAST_ROWS, Query
from wideseek_env.tasks.hybridqa.rewriting import Rewriter
from wideseek_env.tasks.hybridqa.splits import SPLITS, Split
from wideseek_env.tasks.hybridqa.stages import (
    CHUNK,
    STAGES,
    Progress,
    StageFolder,
    StageSettings,
    available_processors,
    run_stages,
)
from wideseek_env.tasks.jsonl import save_tasks

PIPELINE_VERSION = 3
"""Increase this number with any change to the stages, so that old stage files are not mixed with new ones."""

LATE = 12
"""A question for a part by position comes this number of turns later. The number does not depend on `per_table`, so a
larger `per_table` only adds tasks."""

Kind = Literal["broad", "depth"]
MIXES: Mapping[str, float] = {"width": 1.0, "depth": 0.0, "hybrid": 0.5}
"""The share of broad tasks in the mixes. The mixes have the names of the published data sets."""


@dataclass(frozen=True, slots=True)
class BuildConfig:
    """What to build.

    Args:
        count: The number of tasks. None means all tasks.
        seed: Decides the order, and which columns, filters and parts are chosen.
        split: One split. None means all three splits. The split of each task is in ``meta["split"]``.
        broad: The share of broad tasks. The others ask for a short answer.
        chinese: The share of questions in Chinese.
        least_rows: The fewest rows of a gold table.
        mode: Only tables of one mode. None means both.
        per_table: The most tasks of each kind from one table.
        list_parts: The most broad tasks of one table that ask for a part of a list by position alone, such as rows 1 to
            10. These tasks count towards `per_table`.
    """

    count: int | None = None
    seed: int = 0
    split: Split | None = None
    broad: float = 1.0
    chinese: float = 0.25
    least_rows: int = LEAST_ROWS
    per_table: int = 24
    list_parts: int = 2
    mode: Mode | None = None

    def __post_init__(self) -> None:
        if self.split is not None and self.split not in SPLITS:
            raise ConfigError(f"unknown split {self.split!r}; splits are {', '.join(SPLITS)}, None for all")
        if self.mode not in (None, "pages", "table"):
            raise ConfigError(f"unknown mode {self.mode!r}; modes are 'pages', 'table' and None for both")
        if self.count is not None and self.count < 1:
            raise ConfigError(f"count must be at least 1, not {self.count}")
        if not 0 <= self.broad <= 1 or not 0 <= self.chinese <= 1:
            raise ConfigError("the shares of broad tasks and of Chinese questions must be between 0 and 1")
        if self.least_rows < LEAST_ROWS:
            raise ConfigError(
                f"least_rows must be at least {LEAST_ROWS}: tasks with fewer rows are not broad"
            )
        if self.per_table < 1 or self.list_parts < 0:
            raise ConfigError("per_table must be at least 1 and list_parts at least 0")


@dataclass(slots=True)
class BuildReport:
    """The result of a build, for each kind (`broad`, `depth`): how many tasks were proposed, dropped (by reason) and
    kept.

    `unused` counts good tasks above the requested number. `tables` is the number of tables considered. `model` counts
    the results of a `Rewriter`, such as rewritten questions and dropped tasks.
    """

    tables: int = 0
    proposed: Counter[str] = field(default_factory=Counter)
    dropped: dict[str, Counter[str]] = field(default_factory=lambda: defaultdict(Counter))
    unused: Counter[str] = field(default_factory=Counter)
    kept: Counter[str] = field(default_factory=Counter)
    model: Counter[str] = field(default_factory=Counter)

    def to_dict(self) -> dict[str, Any]:
        """The JSON form, in a fixed order."""
        return {
            "tables": self.tables,
            "proposed": dict(sorted(self.proposed.items())),
            "dropped": {kind: dict(sorted(found.items())) for kind, found in sorted(self.dropped.items())},
            "unused": dict(sorted(self.unused.items())),
            "kept": dict(sorted(self.kept.items())),
            **({"model": dict(sorted(self.model.items()))} if self.model else {}),
        }


@dataclass(frozen=True, slots=True)
class _Candidate:
    kind: Kind
    material: Material
    asked: Query | Ask
    rows: tuple[int, ...]
    rank: int


def report_file(out: Path) -> Path:
    """The path of the report about the tasks in `out`."""
    return out.with_name(out.name.removesuffix(".gz").removesuffix(".jsonl") + ".report.json")


def stage_folder(out: Path) -> Path:
    """The default folder for the stages of the tasks in `out`."""
    return out.with_name(out.name.removesuffix(".gz").removesuffix(".jsonl") + ".stages")


def build_tasks(
    data: Path | str,
    out: Path | str,
    config: BuildConfig,
    *,
    corpus: Path | str,
    stages: Path | str | None = None,
    workers: int | None = None,
    rewriter: Rewriter | None = None,
    progress: Progress | None = None,
) -> BuildReport:
    """Build tasks from the data folder `data` into the file `out` (``.jsonl`` or ``.jsonl.gz``).

    A report is written next to `out` (`report_file`). A run that was interrupted resumes from the files in `stages`. A
    run with another count or mix also uses these files. The bytes of `out` do not depend on whether such files exist.

    Args:
        data: The folder of the HybridQA data.
        out: The file to write.
        config: What to build.
        corpus: The folder of a corpus built from the same data. Gold tables contain the values that its pages show.
        stages: The folder for the results of the stages, one file per chunk. By default it is next to `out`.
        workers: The number of processes. By default one per core.
        rewriter: Lets a model rephrase the questions. Its replies are stored in `stages`. None keeps the templates.
        progress: Called with the name of the current work, the amount done and the total amount.

    Raises:
        TaskError: The data gives fewer tasks than requested.
        ConfigError: The folder of stages belongs to other settings, or the corpus to other data.
        CorpusError: The data cannot be read.
    """
    target = Path(out)
    folder = Path(stages) if stages is not None else stage_folder(target)
    tasks, report = make_tasks(data, config, corpus, folder, workers, rewriter, progress)
    write_build(tasks, report.to_dict(), target, progress)
    return report


def write_build(
    tasks: Sequence[Task], report: Mapping[str, Any], target: Path, progress: Progress | None
) -> None:
    """Write the tasks of a build, and its report next to them."""
    written = save_tasks(tasks, target)
    if progress is not None:
        progress("tasks", written, written)
    write_whole(report_file(target), json.dumps(report, indent=1) + "\n")


def make_tasks(
    data: Path | str,
    config: BuildConfig,
    corpus: Path | str,
    stages: Path,
    workers: int | None = None,
    rewriter: Rewriter | None = None,
    progress: Progress | None = None,
) -> tuple[list[Task], BuildReport]:
    """The tasks that `build_tasks` writes, and its report."""
    say: Progress = progress or (lambda what, done, total: None)
    plans = load_plans(data)
    name = check_corpus(plans, data, corpus)
    found = materials(plans)
    chunks = [found[start : start + CHUNK] for start in range(0, len(found), CHUNK)]
    folder = StageFolder(stages)
    settings = StageSettings(name, config.seed, config.least_rows, config.chinese, PIPELINE_VERSION)
    folder.begin(settings)
    run_stages(
        chunks, folder, settings, Path(corpus), workers=workers or available_processors(), progress=say
    )

    report = BuildReport()
    candidates = _candidates(chunks, folder, config, report)
    tasks = _select(candidates, config, report, name, rewriter, folder, say)
    return in_order(tasks, config.seed), report


def in_order(tasks: Sequence[Task], seed: int) -> list[Task]:
    """The tasks in an order that depends on their ids and the seed alone."""
    return sorted(tasks, key=lambda task: hashlib.sha256(f"{seed} {task.id}".encode()).digest())


def check_corpus(plans: Plans, data: Path | str, corpus: Path | str) -> str:
    """The name of the corpus. Raises `ConfigError` when it was built from other data than `data`."""
    with_corpus = open_hybridqa(corpus)
    name, pages = with_corpus.name, len(with_corpus)
    with_corpus.close()
    if name != plans.corpus_name or not pages:
        raise ConfigError(
            f"the corpus in {corpus} ({name}) was built from other data than {data} ({plans.corpus_name})"
        )
    return name


def _candidates(
    chunks: Sequence[Sequence[Material]], folder: StageFolder, config: BuildConfig, report: BuildReport
) -> dict[Kind, list[_Candidate]]:
    """The candidates that passed the stages. The order is: the first candidate of each table, then the second of each,
    and so on."""
    turns: dict[Kind, list[tuple[int, bytes, _Candidate]]] = {"broad": [], "depth": []}
    for number, chunk in enumerate(chunks):
        records = zip(*(folder.read(stage, number) for stage in STAGES), strict=True)
        for material, (proposed, answer, verdicts) in zip(chunk, records, strict=True):
            if config.split not in (None, material.split) or config.mode not in (None, material.plan.mode):
                continue
            report.tables += 1
            order = hashlib.sha256(f"{config.seed} {material.table.uid}".encode()).digest()
            asked: dict[Kind, list[tuple[Query | Ask, Sequence[int]]]] = {
                "broad": list(zip(map(Query.from_dict, proposed["queries"]), answer["rows"], strict=True)),
                "depth": [(Ask.from_dict(data), ()) for data in proposed["asks"]],
            }
            judged: dict[Kind, list[str | None]] = {"broad": verdicts["queries"], "depth": verdicts["asks"]}
            for kind, reasons in judged.items():
                if (kind == "broad" and config.broad == 0) or (kind == "depth" and config.broad == 1):
                    continue
                report.proposed[kind] += len(reasons)
                turn = 0
                for (item, rows), reason in zip(asked[kind], reasons, strict=True):
                    if reason is not None:
                        report.dropped[kind][reason] += 1
                        continue
                    # Questions for a part by position are the simplest. They are used when a table has no other
                    # questions left.
                    late = LATE if _by_position(item) else 0
                    turns[kind].append(
                        (turn + late, order, _Candidate(kind, material, item, tuple(rows), answer["rank"]))
                    )
                    turn += 1
    return {kind: [c for _, _, c in sorted(found, key=lambda f: f[:2])] for kind, found in turns.items()}


def _select(
    candidates: Mapping[Kind, Sequence[_Candidate]],
    config: BuildConfig,
    report: BuildReport,
    corpus: str,
    rewriter: Rewriter | None,
    folder: StageFolder,
    say: Progress,
) -> list[Task]:
    """The tasks without near-duplicates, with the number of each kind that the mix requires."""
    chosen: dict[Kind, list[Task]] = {"broad": [], "depth": []}
    wanted: dict[Kind, int | None] = {"broad": None, "depth": None}
    if config.count is not None:
        wanted["broad"] = round(config.count * config.broad)
        wanted["depth"] = config.count - round(config.count * config.broad)
    for kind, found in candidates.items():
        share = config.broad if kind == "broad" else 1 - config.broad
        if share:
            good = _distinct(found, config, report, corpus)
            limit = wanted[kind]
            if rewriter is not None:
                chosen[kind] = rewriter.rewrite(
                    good, limit, folder.path / f"4-model-{kind}", report.model, say
                )
            else:
                chosen[kind] = good[:limit]
            if limit is not None and len(chosen[kind]) < limit:
                where = f"the tables of the {config.split} split" if config.split else "all splits"
                raise TaskError(
                    f"{where} of this data give {len(chosen[kind])} {kind} tasks, not {limit}: "
                    "ask for fewer, or allow more from one table"
                )
            report.unused[kind] += len(good) - len(chosen[kind])
            report.kept[kind] = len(chosen[kind])
    if config.count is None and 0 < config.broad < 1:
        # Take the largest number of tasks that the mix allows.
        most = int(min(len(chosen["broad"]) / config.broad, len(chosen["depth"]) / (1 - config.broad)))
        for kind, share in (("broad", config.broad), ("depth", 1 - config.broad)):
            many = int(most * share)
            report.unused[kind] += len(chosen[kind]) - many
            report.kept[kind] = many
            chosen[kind] = chosen[kind][:many]
    return [*chosen["broad"], *chosen["depth"]]


def _distinct(
    candidates: Sequence[_Candidate], config: BuildConfig, report: BuildReport, corpus: str
) -> list[Task]:
    """The tasks of one kind without near-duplicates, within the limits for each table."""
    duplicates = Duplicates()
    taken: Counter[str] = Counter()
    parts: Counter[str] = Counter()
    tasks: list[Task] = []
    for candidate in candidates:
        material, asked = candidate.material, candidate.asked
        uid = material.table.uid
        if isinstance(asked, Ask):
            key = material.table.header[material.plan.key]
            entry = material.table.rows[material.plan.rows[asked.place]][material.plan.key].text
            if taken[uid] >= config.per_table:
                report.unused["depth"] += 1
            elif duplicates.keep([key, asked.label], [[entry, asked.answer]]):
                taken[uid] += 1
                tasks.append(depth_task(material, asked, candidate.rank, corpus, config.chinese))
            else:
                report.dropped["depth"]["near-duplicate"] += 1
            continue
        columns = columns_of(material.table, material.plan)
        gold = gold_of(material, asked, columns, candidate.rows)
        by_position = _by_position(asked)
        if not duplicates.keep(gold.header, gold.rows):
            report.dropped["broad"]["near-duplicate"] += 1
            continue
        if taken[uid] >= config.per_table or (by_position and parts[uid] >= config.list_parts):
            report.unused["broad"] += 1
            continue
        taken[uid] += 1
        parts[uid] += by_position
        tasks.append(
            broad_task(material, asked, columns, candidate.rows, candidate.rank, corpus, config.chinese)
        )
    return tasks


def _by_position(asked: Query | Ask) -> bool:
    """Whether a query asks for a part of a list by position alone."""
    part = asked.selection.part if isinstance(asked, Query) else None
    return part is not None and part.kind == "rows"
