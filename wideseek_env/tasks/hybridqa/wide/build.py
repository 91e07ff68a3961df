"""`build_wide_tasks`: makes wide tasks from the HybridQA data, by uniting lists, checking pages and filtering."""

from __future__ import annotations

import hashlib
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import chain
from pathlib import Path
from typing import Any

from wideseek_env.corpus.hybridqa.plan import Plans, load_plans
from wideseek_env.errors import ConfigError, TaskError
from wideseek_env.task import Task
from wideseek_env.tasks.hybridqa.evidence import Evidence, gather
from wideseek_env.tasks.hybridqa.filtering import Duplicates
from wideseek_env.tasks.hybridqa.making import language_of
from wideseek_env.tasks.hybridqa.material import Material, usable_tables
from wideseek_env.tasks.hybridqa.members import Member, members_of
from wideseek_env.tasks.hybridqa.pipeline import check_corpus, in_order, stage_folder, write_build
from wideseek_env.tasks.hybridqa.siblings import LEAST_ROWS, Articles, Bucket, find_buckets
from wideseek_env.tasks.hybridqa.splits import (
    SPLITS,
    Split,
    family_pages,
    share_out,
    split_of_family,
    wide_pages,
)
from wideseek_env.tasks.hybridqa.stages import (
    CHUNK,
    Progress,
    StageFolder,
    StageSettings,
    available_processors,
    opened_corpus,
    run_stages,
)
from wideseek_env.tasks.hybridqa.wide.checks import Namers, SharedRows, verdict
from wideseek_env.tasks.hybridqa.wide.entity_pages import PageValues, page_values
from wideseek_env.tasks.hybridqa.wide.making import gold_of, question_of, wide_task
from wideseek_env.tasks.hybridqa.wide.page_queries import MANY, propose_with_pages
from wideseek_env.tasks.hybridqa.wide.unions import WideQuery, propose, propose_small
from wideseek_env.tasks.hybridqa.wide.wording import parse_wide

WIDE_VERSION = 5
"""Increase this number with any change that makes different wide tasks from the same plans."""

EVIDENCE, PAGES = "1-evidence", "2-pages"

LARGE_FIRST = 0.15
"""The share of buckets whose largest union is chosen before smaller ones."""


@dataclass(frozen=True, slots=True)
class WideConfig:
    """What to build.

    Args:
        count: The number of tasks. None means all tasks.
        seed: Decides which lists are united, which columns and conditions are chosen, and the order of the tasks.
        split: One split. None means all three splits. The split of each task is in ``meta["split"]``.
        chinese: The share of questions in Chinese.
        per_family: The most tasks from articles of one family.
    """

    count: int | None = None
    seed: int = 0
    split: Split | None = None
    chinese: float = 0.25
    per_family: int = 30

    def __post_init__(self) -> None:
        if self.split is not None and self.split not in SPLITS:
            raise ConfigError(f"unknown split {self.split!r}; splits are {', '.join(SPLITS)}, None for all")
        if self.count is not None and self.count < 1:
            raise ConfigError(f"count must be at least 1, not {self.count}")
        if not 0 <= self.chinese <= 1:
            raise ConfigError(f"the share of Chinese questions must be between 0 and 1, not {self.chinese}")
        if self.per_family < 1:
            raise ConfigError(f"per_family must be at least 1, not {self.per_family}")


@dataclass(slots=True)
class WideReport:
    """The result of a build.

    `tables` is the number of tables, and `unfit` counts those that no wide task can use, by reason. `lists` are the
    tables in buckets. `held_out` counts lists that are left out because they share a page with another split. Queries
    are `proposed`. They are dropped (by reason), unused (good, but above `per_family` or `count`) or kept. `kept`
    counts tasks by split, and `families` counts the families of the kept tasks by split.
    """

    tables: int = 0
    unfit: Counter[str] = field(default_factory=Counter)
    lists: int = 0
    buckets: int = 0
    held_out: Counter[str] = field(default_factory=Counter)
    proposed: int = 0
    dropped: Counter[str] = field(default_factory=Counter)
    unused: int = 0
    kept: Counter[str] = field(default_factory=Counter)
    families: Counter[str] = field(default_factory=Counter)

    def to_dict(self) -> dict[str, Any]:
        """The JSON form, in a fixed order."""
        return {
            "tables": self.tables,
            "unfit": dict(sorted(self.unfit.items())),
            "lists": self.lists,
            "buckets": self.buckets,
            "held_out": dict(sorted(self.held_out.items())),
            "proposed": {"wide": self.proposed},
            "dropped": {"wide": dict(sorted(self.dropped.items()))},
            "unused": {"wide": self.unused},
            "kept": {"wide": sum(self.kept.values())},
            "splits": dict(sorted(self.kept.items())),
            "families": dict(sorted(self.families.items())),
        }


def build_wide_tasks(
    data: Path | str,
    out: Path | str,
    config: WideConfig,
    *,
    corpus: Path | str,
    stages: Path | str | None = None,
    workers: int | None = None,
    progress: Progress | None = None,
) -> WideReport:
    """Build wide tasks from the data folder `data` into the file `out` (``.jsonl`` or ``.jsonl.gz``).

    The arguments and errors are those of `wideseek_env.tasks.hybridqa.pipeline.build_tasks`. The stored stage is what
    the pages of the lists show. It does not depend on `config`.
    """
    target = Path(out)
    folder = Path(stages) if stages is not None else stage_folder(target)
    tasks, report = make_wide_tasks(data, config, corpus, folder, workers, progress)
    write_build(tasks, report.to_dict(), target, progress)
    return report


def make_wide_tasks(
    data: Path | str,
    config: WideConfig,
    corpus: Path | str,
    stages: Path,
    workers: int | None = None,
    progress: Progress | None = None,
) -> tuple[list[Task], WideReport]:
    """The tasks that `build_wide_tasks` writes, and its report."""
    say: Progress = progress or (lambda what, done, total: None)
    plans = load_plans(data)
    check_corpus(plans, data, corpus)
    report = WideReport(tables=len(plans.tables))
    members, unfit = members_of(plans)
    report.unfit.update(unfit)
    articles = Articles.of(plans, members)
    buckets = _shared_out(find_buckets(articles), plans, report)
    lists = {member.table.uid: member for _, bucket in buckets for member in bucket.members}
    report.buckets = len(buckets)
    evidence, known = _read_pages(list(lists.values()), plans, Path(corpus), stages, workers, say)

    good = _good_queries(buckets, articles, plans, evidence, known, config, report, say)
    tasks: list[Task] = []
    for query, split in _chosen(good, config, report):
        ranks = [evidence[member.table.uid].rank for member in query.union.members]
        tasks.append(wide_task(query, split, max(ranks), plans.corpus_name, config.chinese))
    if config.count is not None and len(tasks) < config.count:
        where = f"the {config.split} split" if config.split else "all splits"
        raise TaskError(
            f"{where} of this data gives {len(tasks)} wide tasks, not {config.count}: ask for fewer, or allow more "
            "from one family"
        )
    tasks = in_order(tasks, config.seed)
    report.kept.update(str(task.meta["split"]) for task in tasks)
    pairs = {(str(task.meta["split"]), task.meta["family"]) for task in tasks}
    report.families.update(split for split, _ in pairs)
    return tasks, report


def _shared_out(buckets: Sequence[Bucket], plans: Plans, report: WideReport) -> list[tuple[Split, Bucket]]:
    """The buckets with the units that the split of their family may use."""
    wide = wide_pages(plans)
    planned = {t.uid: (t, plans.by_uid[t.uid]) for t in plans.tables if t.uid in plans.by_uid}
    pages: dict[Split, set[str]] = {split: set() for split in SPLITS}
    for tables in (usable_tables(plans), planned):
        for split, found in share_out(tables, wide).items():
            pages[split].update(*found.values())
    test = pages["test"] | wide.test
    forbidden: dict[Split, set[str] | frozenset[str]] = {
        "test": frozenset(),
        "validation": test,
        "train": test | pages["validation"] | wide.validation,
    }
    kept: list[tuple[Split, Bucket]] = []
    left: dict[str, set[str]] = defaultdict(set)
    every: set[str] = set()
    linked = family_pages(buckets)
    for bucket in buckets:
        split = split_of_family(bucket.family, linked[bucket.family])
        units = []
        for unit in bucket.units:
            every.update(member.table.uid for member in unit.members)
            if all(forbidden[split].isdisjoint(member.pages) for member in unit.members):
                units.append(unit)
            else:
                left[split].update(member.table.uid for member in unit.members)
        if len(units) > 1 and sum(unit.rows for unit in units) >= LEAST_ROWS:
            kept.append((split, replace(bucket, units=tuple(units))))
    report.lists = len(every)
    report.held_out.update({split: len(uids) for split, uids in left.items()})
    return kept


def _read_pages(
    members: Sequence[Member],
    plans: Plans,
    corpus: Path,
    stages: Path,
    workers: int | None,
    say: Progress,
) -> tuple[dict[str, Evidence], dict[str, PageValues]]:
    """What the pages of all lists and of their entities show. The results are stored in chunks."""
    materials = [Material(member.table, member.plan, "train", member.alone) for member in members]
    chunks = [materials[start : start + CHUNK] for start in range(0, len(materials), CHUNK)]
    folder = StageFolder(stages, (EVIDENCE, PAGES))
    settings = StageSettings(plans.corpus_name, 0, LEAST_ROWS, 0.0, WIDE_VERSION)
    folder.begin(settings)
    run_stages(
        chunks,
        folder,
        settings,
        corpus,
        workers=workers or available_processors(),
        progress=say,
        run=run_chunk,
    )
    records = [Evidence.from_dict(r) for number in range(len(chunks)) for r in folder.read(EVIDENCE, number)]
    found = {evidence.uid: evidence for evidence in records}
    if found.keys() != {member.table.uid for member in members}:
        raise ConfigError(f"{stages} holds the stages of other data; remove the folder or name another one")
    values = [PageValues.from_dict(r) for number in range(len(chunks)) for r in folder.read(PAGES, number)]
    return found, {known.uid: known for known in values}


def run_chunk(
    number: int, chunk: Sequence[Material], folder: StageFolder, settings: StageSettings, corpus: Path
) -> None:
    """Gather the evidence for one chunk, and read the pages of its entities."""
    opened = opened_corpus(corpus)
    if not folder.file(EVIDENCE, number).is_file():
        folder.write(EVIDENCE, number, [evidence.to_dict() for evidence in gather(chunk, opened)])
    folder.write(PAGES, number, [values.to_dict() for values in page_values(chunk, opened)])


def _good_queries(
    buckets: Sequence[tuple[Split, Bucket]],
    articles: Articles,
    plans: Plans,
    evidence: Mapping[str, Evidence],
    known: Mapping[str, PageValues],
    config: WideConfig,
    report: WideReport,
    say: Progress,
) -> list[tuple[Split, list[WideQuery]]]:
    """The good queries of each bucket in the split."""
    namers = Namers(plans)
    found: list[tuple[Split, list[WideQuery]]] = []
    for number, (split, bucket) in enumerate(buckets, 1):
        if config.split in (None, split):
            good: dict[str, WideQuery] = {}
            for query in chain(
                propose_with_pages(bucket, articles, known, config.seed),
                propose(bucket, articles, config.seed),
                propose_small(bucket, articles, config.seed),
            ):
                report.proposed += 1
                reason = verdict(query, evidence, known, namers, _is_readable(query, config.chinese))
                if reason is not None:
                    report.dropped[reason] += 1
                elif query.name in good:
                    report.dropped["near-duplicate"] += 1
                else:
                    good[query.name] = query
            found.append((split, list(good.values())))
        say("families", number, len(buckets))
    return found


def _is_readable(query: WideQuery, chinese: float) -> bool:
    parsed = parse_wide(question_of(query, language_of(query.name, chinese)))
    return (
        parsed is not None
        and parsed.scope.named == query.union.scope.named
        and parsed.columns == gold_of(query).header
        and parsed.selection == query.selection
        and parsed.from_pages == tuple(column.header for column in query.told)
        and parsed.leaves_out == query.leaves_out
    )


def _number(text: str) -> bytes:
    return hashlib.sha256(text.encode()).digest()


def _chosen(
    good: Sequence[tuple[Split, list[WideQuery]]], config: WideConfig, report: WideReport
) -> list[tuple[WideQuery, Split]]:
    """The queries without near-duplicates, at most `per_family` of each family, one of each bucket in turn."""
    turns: list[tuple[int, int, bytes, WideQuery, Split]] = []
    for split, queries in good:
        order = {query.name: _number(f"{config.seed} {query.name}") for query in queries}
        rest: list[WideQuery] = []
        for query in queries:
            many = len(query.entity_pages)
            # A task that needs many pages is rare, so it is chosen before others with the same rows.
            if query.told or many >= MANY:
                turns.append((0, -many, order[query.name], query, split))
            elif query.spare:
                turns.append((2, len(query.rows), order[query.name], query, split))
            else:
                rest.append(query)
        # A large union leaves no room for others of the same lists. Some buckets give one large task, others several.
        rest.sort(key=lambda query: (len(query.rows), order[query.name]))
        if rest and order[rest[0].name][0] < LARGE_FIRST * 256:
            rest.reverse()
        turns += [(1, turn, order[query.name], query, split) for turn, query in enumerate(rest)]
    rows, duplicates = SharedRows(), Duplicates()
    taken: Counter[str] = Counter()
    chosen: list[tuple[WideQuery, Split]] = []
    for _, _, _, query, split in sorted(turns, key=lambda item: item[:3]):
        family = query.union.bucket.family
        if taken[family] >= config.per_family or (config.count is not None and len(chosen) >= config.count):
            report.unused += 1
            continue
        if not rows.keep(query):
            report.dropped["shared rows"] += 1
            continue
        gold = gold_of(query)
        if not duplicates.keep(gold.header, gold.rows):
            report.dropped["near-duplicate"] += 1
            continue
        taken[family] += 1
        chosen.append((query, split))
    return chosen
