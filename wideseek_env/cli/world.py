"""Opens the game, tasks, corpus or judge that a command names. While a corpus is built, a progress bar is shown."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, cast

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
    """Open a game, and show the progress of reading tasks and building a corpus."""
    return config.open(read_tasks=open_tasks, open_corpus=open_corpus)


def open_gold(name: str, split: str, gold: Path | None) -> TaskSet:
    """The tasks to score against.

    `name` is a name that `open_tasks` accepts, or the WideSearch benchmark's folder or file. `gold` is the folder of
    the benchmark's gold tables, if that folder is somewhere else.
    """
    from wideseek_env.cli.progress import working
    from wideseek_env.tasks.benchmarks import BENCHMARKS, load_benchmark

    path = Path(name)
    kind, colon, rest = name.partition(":")
    if gold is not None and colon and kind in BENCHMARKS:
        with working(f"Reading tasks of {name}"):
            return load_benchmark(kind, rest, gold)
    if gold is None and not path.is_dir() and not _is_widesearch(path):
        return open_tasks(name, split)[0]
    from wideseek_env.tasks.widesearch import load_widesearch

    with working(f"Reading tasks of {name}"):
        return load_widesearch(path, gold)


def _is_widesearch(path: Path) -> bool:
    """Whether the first line of a file is a task of the WideSearch benchmark."""
    if path.suffix != ".jsonl" or not path.is_file():
        return False
    with open(path, "rb") as file:
        try:
            row = json.loads(file.readline())
        except ValueError:
            return False
    return isinstance(row, dict) and {"instance_id", "evaluation"} <= set(row) and "answer" not in row
