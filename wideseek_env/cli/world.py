"""Opens the game, tasks, corpus or judge that a command names. While a corpus is built, a progress bar is shown."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, cast

from wideseek_env.cli.effects import check_game

if TYPE_CHECKING:
    from wideseek_env.catalog import Split
    from wideseek_env.corpus.base import Corpus
    from wideseek_env.game import Game, GameConfig
    from wideseek_env.scoring import Judge
    from wideseek_env.tasks.taskset import TaskSet


def open_corpus(name: str) -> Corpus:
    """The corpus called `name`. If the corpus must be built first, a progress bar is shown."""
    from wideseek_env import catalog
    from wideseek_env.cli.progress import PageBar

    with PageBar("Building the corpus, once") as bar:
        return catalog.open_corpus(name, progress=bar)


def open_tasks(name: str, split: str) -> tuple[TaskSet, str | None]:
    """The tasks called `name`, and the name of their corpus (None if they have no corpus)."""
    from wideseek_env import catalog
    from wideseek_env.cli.progress import working

    with working(f"Reading tasks of {name}"):
        return catalog.named_tasks(name, cast("Split", split))


def make_judge(spec: str | None) -> Judge | None:
    """The judge that ``--judge`` names. None means the offline judge."""
    if spec is None:
        return None
    from wideseek_env.scoring.judging import judge_from_spec

    return judge_from_spec(spec)


def open_game(config: GameConfig) -> Game:
    """Open a game, and show the progress of reading tasks and building a corpus.

    Raises:
        ConfigError: Also for an option of the current command that has no effect in this game.
    """
    check_game(config)
    return config.open(read_tasks=open_tasks, open_corpus=open_corpus)


def open_gold(name: str, split: str, gold: Path | None) -> TaskSet:
    """The tasks to score against.

    `name` is a name that `open_tasks` accepts. `gold` is the folder of a benchmark's gold tables, if that folder is
    somewhere else.
    """
    from wideseek_env.cli.progress import working
    from wideseek_env.tasks.benchmarks import BENCHMARKS, load_benchmark

    if gold is None:
        return open_tasks(name, split)[0]
    kind, colon, rest = name.partition(":")
    if not colon or kind not in BENCHMARKS:
        kind, rest = "widesearch", name
    with working(f"Reading tasks of {name}"):
        return load_benchmark(kind, rest, gold)
