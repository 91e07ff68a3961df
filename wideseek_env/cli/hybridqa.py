"""`wideseek tasks build hybridqa`: pass the options to `build_tasks` and show its progress."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

from wideseek_env import catalog
from wideseek_env.cli.console import Bar, PageBar, say
from wideseek_env.errors import ConfigError
from wideseek_env.tasks.hybridqa.pipeline import MIXES, BuildConfig, build_tasks, stage_folder
from wideseek_env.tasks.hybridqa.rewriting import Rewriter
from wideseek_env.tasks.hybridqa.splits import Split
from wideseek_env.tasks.hybridqa.stages import StageFolder

_SHARE = re.compile(r"(broad|depth)=(\d*\.?\d+)")


@dataclass(frozen=True, slots=True)
class HybridQAOptions:
    """The options that apply only to HybridQA. None means that an option was not given."""

    data: Path | None = None
    corpus: Path | None = None
    mix: str | None = None
    chinese: float | None = None
    least_rows: int | None = None
    per_table: int | None = None
    stages: Path | None = None
    workers: int | None = None
    one_a_table: bool = False
    llm: str | None = None
    llm_model: str | None = None
    llm_answers: bool = False
    llm_agreement: float | None = None

    def world(self, spec: str) -> str:
        """The name of the world, with the folder that ``--data`` names."""
        if self.data is None:
            return spec
        if spec != "hybridqa":
            raise ConfigError(f"the folder is given twice: {spec} and --data {self.data}")
        return f"hybridqa:{self.data}"

    def config(self, split: str | None, count: int | None, seed: int) -> BuildConfig:
        """The configuration for `build_tasks`."""
        given: dict[str, Any] = {
            "chinese": self.chinese,
            "least_rows": self.least_rows,
            "per_table": self.per_table,
        }
        return BuildConfig(
            count=count,
            seed=seed,
            split=None if split in (None, "all") else cast(Split, split),
            broad=broad_share(self.mix or "width"),
            **{name: value for name, value in given.items() if value is not None},
        )


def broad_share(mix: str) -> float:
    """The share of broad tasks in a mix: one of the names in `MIXES`, or ``broad=0.8,depth=0.2``."""
    if mix in MIXES:
        return MIXES[mix]
    parts = [_SHARE.fullmatch(part.strip()) for part in mix.split(",")]
    shares = {match[1]: float(match[2]) for match in parts if match is not None}
    if None in parts or len(shares) != len(parts) or not sum(shares.values()) > 0:
        raise ConfigError(
            f"unknown mix {mix!r}; use {', '.join(MIXES)}, or shares such as broad=0.8,depth=0.2"
        )
    return shares.get("broad", 0.0) / sum(shares.values())


def build_hybridqa_tasks(
    spec: str,
    out: Path,
    split: str | None,
    count: int | None,
    seed: int,
    overwrite: bool,
    options: HybridQAOptions,
) -> list[str]:
    """Run the stages, and return the lines to print when they are done."""
    named = options.world(spec)
    if "," in named.partition(":")[2]:
        raise ConfigError(
            f"{named}: mode, min_rows and max_rows need --one-a-table; without it, use --least-rows"
        )
    world = catalog.hybridqa_world(named)
    config = options.config(split, count, seed)
    rewriter_of = _model(options)
    if options.corpus is not None:
        corpus = options.corpus
    else:
        with PageBar("Building the corpus, once") as bar:
            opened = world.corpus(progress=bar)
        corpus = opened.path
        opened.close()
    folder = options.stages or stage_folder(out)
    if overwrite:
        StageFolder(folder).clear()
    bars = _Bars()
    try:
        report = build_tasks(
            world.folder,
            out,
            config,
            corpus=corpus,
            stages=folder,
            workers=options.workers,
            rewriter=rewriter_of(corpus) if rewriter_of is not None else None,
            progress=bars,
        )
    except KeyboardInterrupt:
        say(f"Stopped. The finished work is in {folder}. The same command resumes it.")
        raise
    finally:
        bars.close()
    kept = ", ".join(f"{number:,} {kind}" for kind, number in sorted(report.kept.items()))
    return [f"{out}: {sum(report.kept.values()):,} tasks ({kept}) from {report.tables:,} tables"]


def _model(options: HybridQAOptions) -> Callable[[Path], Rewriter] | None:
    if options.llm is None:
        if options.llm_model or options.llm_answers or options.llm_agreement is not None:
            raise ConfigError("--llm-model, --llm-answers and --llm-agreement need --llm URL")
        return None
    if not options.llm_model:
        raise ConfigError("--llm needs --llm-model, the model's name at that address")
    from wideseek_env.corpus.hybridqa.build import open_hybridqa
    from wideseek_env.llm import ChatClient

    client = ChatClient(options.llm, options.llm_model)

    def make(corpus: Path) -> Rewriter:
        pages = open_hybridqa(corpus) if options.llm_answers else None
        if options.llm_agreement is None:
            return Rewriter(client, pages)
        return Rewriter(client, pages, options.llm_agreement)

    return make


class _Bars:
    """Shows one bar after another, one for each kind of work."""

    def __init__(self) -> None:
        self._what = ""
        self._bar: Bar | None = None

    def __call__(self, what: str, done: int, total: int) -> None:
        if what != self._what:
            self.close()
            self._what = what
            titles = {"tables": "Queries, answers, filters", "model": "Rewriting", "tasks": "Tasks"}
            self._bar = Bar(titles.get(what, what), total, "tables" if what == "tables" else "tasks")
            self._bar.__enter__()
        if self._bar is not None:
            self._bar.update(done)

    def close(self) -> None:
        if self._bar is not None:
            self._bar.__exit__(None, None, None)
            self._bar = None
