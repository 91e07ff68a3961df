"""`build_tasks`: many tasks from the HybridQA data, through query generation, answer generation and filtering."""

from __future__ import annotations

import hashlib
import json
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from wideseek_env.corpus.hybridqa.build import open_hybridqa
from wideseek_env.corpus.hybridqa.plan import load_plans
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

PIPELINE_VERSION = 1
"""Raised with any change to the stages, so that files of older ones are not mixed with new ones."""

Kind = Literal["broad", "depth"]
MIXES: Mapping[str, float] = {"width": 1.0, "depth": 0.0, "hybrid": 0.5}
"""The share of broad tasks in mixes that go by the names of the published data sets."""


@dataclass(frozen=True, slots=True)
class BuildConfig:
    """What to build.

    Args:
        count: Number of tasks; None for all that there are.
        seed: Decides which columns, filters and parts come up, and the order.
        split: One split, or None for all three (each task says which in ``meta["split"]``).
        broad: Share of broad tasks; the others ask for a short answer.
        chinese: Share of questions in Chinese.
        least_rows: Rows of the smallest gold table.
        per_table: Tasks of each kind that one table may give.
        list_parts: Of those, the broad ones that ask for a part of a list by position alone.
    """

    count: int | None = None
    seed: int = 0
    split: Split | None = None
    broad: float = 1.0
    chinese: float = 0.25
    least_rows: int = LEAST_ROWS
    per_table: int = 12
    list_parts: int = 2

    def __post_init__(self) -> None:
        if self.split is not None and self.split not in SPLITS:
            raise ConfigError(f"unknown split {self.split!r}; splits are {', '.join(SPLITS)}, None for all")
        if self.count is not None and self.count < 1:
            raise ConfigError(f"count must be at least 1, not {self.count}")
        if not 0 <= self.broad <= 1 or not 0 <= self.chinese <= 1:
            raise ConfigError("the shares of broad tasks and of Chinese questions lie between 0 and 1")
        if self.least_rows < LEAST_ROWS:
            raise ConfigError(f"tasks with fewer than {LEAST_ROWS} rows are not broad")
        if self.per_table < 1 or self.list_parts < 0:
            raise ConfigError("per_table must be at least 1 and list_parts at least 0")


@dataclass(slots=True)
class BuildReport:
    """What became of everything: for each kind (`broad`, `depth`) how many were proposed, dropped (by reason), kept.

    `unused` were good, but more than was asked for; `tables` are the tables considered; `model` counts what a
    model did to the questions.
    """

    tables: int = 0
    proposed: Counter[str] = field(default_factory=Counter)
    dropped: dict[str, Counter[str]] = field(default_factory=lambda: defaultdict(Counter))
    unused: Counter[str] = field(default_factory=Counter)
    kept: Counter[str] = field(default_factory=Counter)
    model: Counter[str] = field(default_factory=Counter)

    def to_dict(self) -> dict[str, Any]:
        """As JSON, in a fixed order."""
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
    """Where the report of the tasks in `out` is."""
    return out.with_name(out.name.removesuffix(".gz").removesuffix(".jsonl") + ".report.json")


def stage_folder(out: Path) -> Path:
    """Where the stages of the tasks in `out` are, unless another folder is named."""
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

    `corpus` is the folder of a corpus built from the same data: gold tables hold what its pages show. What the
    stages find is kept in the folder `stages` (by default beside `out`), chunk by chunk: a run that was killed
    goes on from there, one with another count or mix uses it again, and the bytes of `out` are the same in
    every case. `workers` are processes (by default as many as there are cores). With a `rewriter`, a model puts
    the questions into its own words, and its replies are kept in the same folder.

    `progress` is called with what is being done, how much of it is done and how much there is. A report is
    written beside `out` (see `report_file`).

    Raises `TaskError` when the data gives fewer tasks than asked for, `ConfigError` for a folder of stages that
    belongs to other settings or a corpus of other data, `CorpusError` for unreadable data.
    """
    target = Path(out)
    say: Progress = progress or (lambda what, done, total: None)
    plans = load_plans(data)
    with_corpus = open_hybridqa(corpus)
    name, number_of_pages = with_corpus.name, len(with_corpus)
    with_corpus.close()
    if name != plans.corpus_name or not number_of_pages:
        raise ConfigError(
            f"the corpus in {corpus} ({name}) was built from other data than {data} ({plans.corpus_name})"
        )
    found = materials(plans)
    chunks = [found[start : start + CHUNK] for start in range(0, len(found), CHUNK)]
    folder = StageFolder(Path(stages) if stages is not None else stage_folder(target))
    settings = StageSettings(name, config.seed, config.least_rows, config.chinese, PIPELINE_VERSION)
    folder.begin(settings)
    run_stages(
        chunks, folder, settings, Path(corpus), workers=workers or available_processors(), progress=say
    )

    report = BuildReport()
    candidates = _candidates(chunks, folder, config, report)
    tasks = _select(candidates, config, report, name, rewriter, folder, say)
    tasks.sort(key=lambda task: hashlib.sha256(f"{config.seed} {task.id}".encode()).digest())
    written = save_tasks(tasks, target)
    say("tasks", written, written)
    write_whole(report_file(target), json.dumps(report.to_dict(), indent=1) + "\n")
    return report


def _candidates(
    chunks: Sequence[Sequence[Material]], folder: StageFolder, config: BuildConfig, report: BuildReport
) -> dict[Kind, list[_Candidate]]:
    """What passed the stages, tables in turn: the first of each, then the second of each, and so on."""
    turns: dict[Kind, list[tuple[int, bytes, _Candidate]]] = {"broad": [], "depth": []}
    for number, chunk in enumerate(chunks):
        records = zip(*(folder.read(stage, number) for stage in STAGES), strict=True)
        for material, (proposed, answer, verdicts) in zip(chunk, records, strict=True):
            if config.split not in (None, material.split):
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
                    # Parts by position are the plainest questions: they come when a table has no others left.
                    late = config.per_table if _by_position(item) else 0
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
    """The tasks, near-duplicates left out, as many of each kind as the mix says."""
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
        # As many as the mix allows.
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
    """The tasks of one kind that are no near-duplicates, within the limits for each table."""
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
    """Whether a query is for a part of a list by position alone."""
    part = asked.selection.part if isinstance(asked, Query) else None
    return part is not None and part.kind == "rows"
