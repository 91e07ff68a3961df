"""`wideseek tasks build hybridqa`: pass the options to `build_tasks` and show its progress."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

from wideseek_env import catalog
from wideseek_env.cli.console import say
from wideseek_env.cli.progress import Bar, PageBar
from wideseek_env.errors import ConfigError
from wideseek_env.tasks.hybridqa.pipeline import MIXES, BuildConfig, build_tasks, stage_folder
from wideseek_env.tasks.hybridqa.rewriting import Rewriter
from wideseek_env.tasks.hybridqa.splits import SPLITS, Split
from wideseek_env.tasks.hybridqa.stages import StageFolder
from wideseek_env.tasks.hybridqa.wide.build import WideConfig, build_wide_tasks
from wideseek_env.tasks.hybridqa.wide.mixture import HYBRID, PARTS, build_mixture

_SHARE = re.compile(r"(broad|depth)=(\d*\.?\d+)")
_WIDE_SHARE = re.compile(r"(wide|pages|table|depth)=(\d*\.?\d+)")


@dataclass(frozen=True, slots=True)
class HybridQAOptions:
    """The options that apply only to HybridQA. None means that an option was not given."""

    data: Path | None = None
    corpus: Path | None = None
    mode: str | None = None
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
            "mode": self.mode,
        }
        return BuildConfig(
            count=count,
            seed=seed,
            split=None if split in (None, "all") else cast(Split, split),
            broad=broad_share("width" if self.mix is None else self.mix),
            **{name: value for name, value in given.items() if value is not None},
        )

    def wide_config(self, split: str | None, count: int | None, seed: int) -> WideConfig:
        """The configuration for `build_wide_tasks`."""
        given: dict[str, Any] = {"chinese": self.chinese, "per_family": self.per_table}
        return WideConfig(
            count=count,
            seed=seed,
            split=None if split in (None, "all") else cast(Split, split),
            **{name: value for name, value in given.items() if value is not None},
        )


def wide_shares(mix: str) -> Mapping[str, float]:
    """The shares of a mixture with wide tasks: ``wide`` alone, ``hybrid``, or such as ``wide=0.7,pages=0.3``."""
    if mix in ("wide", "width"):
        return {"wide": 1.0}
    if mix == "hybrid":
        return HYBRID
    parts = [_WIDE_SHARE.fullmatch(part.strip()) for part in mix.split(",")]
    shares = {match[1]: float(match[2]) for match in parts if match is not None}
    if None in parts or len(shares) != len(parts) or not sum(shares.values()) > 0:
        raise ConfigError(
            f"unknown mix {mix!r}; with --mode wide use wide, hybrid, or shares of {', '.join(PARTS)} such as "
            "wide=0.7,pages=0.3"
        )
    return {part: share / sum(shares.values()) for part, share in shares.items()}


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
) -> tuple[dict[str, Any], str]:
    """Run the stages. Returns the result as values, and the line to print."""
    named = options.world(spec)
    if "," in named.partition(":")[2]:
        raise ConfigError(
            f"{named}: mode, min_rows and max_rows need --one-a-table; without it, use --mode and --least-rows"
        )
    world = catalog.hybridqa_world(named)
    wide = options.mode == "wide"
    if wide:
        _check_wide(options)
    config = None if wide else options.config(split, count, seed)
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
        for path in (folder, folder / "wide", folder / "lists"):
            StageFolder(path).clear()
    bars = _Bars()
    try:
        if config is None:
            return _build_wide(world.folder, out, split, count, seed, corpus, folder, options, bars)
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
    total = sum(report.kept.values())
    about = {"file": out, "tasks": total, **report.to_dict()}
    return about, f"{out}: {total:,} tasks ({kept}) from {report.tables:,} tables"


def _check_wide(options: HybridQAOptions) -> None:
    if options.least_rows is not None:
        raise ConfigError("--least-rows does not work with --mode wide: wide tasks have 21 to 200 rows")
    if options.llm is not None:
        raise ConfigError("--llm does not work with --mode wide")


def _build_wide(
    data: Path,
    out: Path,
    split: str | None,
    count: int | None,
    seed: int,
    corpus: Path,
    folder: Path,
    options: HybridQAOptions,
    bars: _Bars,
) -> tuple[dict[str, Any], str]:
    """Build wide tasks, alone or in a mixture. Returns the result as values, and the line to print."""
    shares = wide_shares("wide" if options.mix is None else options.mix)
    config = options.wide_config(split, count, seed)
    if shares.keys() == {"wide"}:
        found = build_wide_tasks(
            data, out, config, corpus=corpus, stages=folder, workers=options.workers, progress=bars
        )
        kept = ", ".join(f"{found.kept[name]:,} {name}" for name in SPLITS if found.kept[name])
        many = sum(found.families.values())
        total = sum(found.kept.values())
        about = {"file": out, "tasks": total, "kept": dict(found.kept), "families": many}
        return about, f"{out}: {total:,} wide tasks ({kept}) from {many:,} families"
    mixed = build_mixture(
        data,
        out,
        shares,
        corpus=corpus,
        count=count,
        seed=seed,
        split=config.split,
        chinese=config.chinese,
        stages=folder,
        workers=options.workers,
        progress=bars,
    )
    kept = ", ".join(f"{number:,} {part}" for part, number in mixed.kept.items())
    total = sum(mixed.kept.values())
    return {"file": out, "tasks": total, "kept": dict(mixed.kept)}, f"{out}: {total:,} tasks ({kept})"


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


_UNITS = {"tables": "tables", "families": "groups of lists"}


class _Bars:
    """Shows one bar after another, one for each kind of work."""

    def __init__(self) -> None:
        self._what = ""
        self._bar: Bar | None = None

    def __call__(self, what: str, done: int, total: int) -> None:
        if what != self._what:
            self.close()
            self._what = what
            titles = {
                "tables": "Queries, answers, filters",
                "model": "Rewriting",
                "tasks": "Tasks",
                "families": "Uniting lists",
            }
            self._bar = Bar(titles.get(what, what), total, _UNITS.get(what, "tasks"))
            self._bar.__enter__()
        if self._bar is not None:
            self._bar.update(done)

    def close(self) -> None:
        if self._bar is not None:
            self._bar.__exit__(None, None, None)
            self._bar = None
