"""Names of worlds, task files and corpora: the meaning of ``tasks="synthetic:seed=1"`` or ``corpus="./index"``."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import lru_cache
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from wideseek_env.corpus.base import Corpus
from wideseek_env.errors import ConfigError, CorpusError, TaskError
from wideseek_env.files import cache_folder, still_there
from wideseek_env.plugins import is_part, make_part
from wideseek_env.reprs import short
from wideseek_env.suggestions import hint, nearest
from wideseek_env.task import Task
from wideseek_env.tasks.benchmarks import BENCHMARKS, load_benchmark, split_gold
from wideseek_env.tasks.rows import OnError
from wideseek_env.tasks.source import tasks_of_source
from wideseek_env.tasks.taskset import TaskSet
from wideseek_env.tasks.widesearch import is_widesearch

if TYPE_CHECKING:
    from wideseek_env.corpus.synthetic import SyntheticWorld
    from wideseek_env.tasks.hybridqa.world import HybridQAWorld

Split = Literal["train", "validation", "test"]
SPLITS: tuple[Split, ...] = ("train", "validation", "test")


def open_world(
    tasks: str | TaskSet | Sequence[Task] | None, corpus: str | Corpus | None = None, split: str = "train"
) -> tuple[TaskSet, Corpus | None]:
    """The tasks and the corpus that agents search. The corpus is None if neither argument names a corpus.

    ``tasks=None`` means the synthetic world. Worlds are ``synthetic[:key=value,…]`` and
    ``hybridqa:FOLDER[,mode=pages|table|wide|depth]`` (FOLDER holds the HybridQA data). A path to a ``.jsonl[.gz]`` file
    and a benchmark's file (`wideseek_env.tasks.benchmarks`) load tasks only, so they need a `corpus`. ``module:name``
    is a custom task source or corpus (`wideseek_env.plugins`).

    Raises:
        ConfigError: The split, the tasks or the corpus is unknown or of the wrong type.
    """
    if split not in SPLITS:
        raise ConfigError(f"no split {split!r}; there are: {', '.join(SPLITS)}")
    if tasks is None or isinstance(tasks, str):
        task_set, own = named_tasks(tasks or "synthetic", split)
    else:
        task_set, own = as_tasks(tasks), None
    if corpus is None:
        corpus = own
    if isinstance(corpus, str):
        return task_set, open_corpus(corpus)
    if corpus is not None and not isinstance(corpus, Corpus):
        raise ConfigError(
            f"a corpus must be a name, a folder or an object with search and fetch, not {corpus!r:.80}"
        )
    return task_set, corpus


def as_tasks(tasks: TaskSet | Sequence[Task]) -> TaskSet:
    """A `TaskSet` of these tasks. Raises `ConfigError` when one of them is not a `Task`."""
    if isinstance(tasks, TaskSet):
        return tasks
    if not isinstance(tasks, Sequence) or isinstance(tasks, (str, bytes)):
        raise ConfigError(
            f"tasks must be a list of Task objects, a file or the name of a world, not {short(tasks)}"
        )
    for task in tasks:
        if not isinstance(task, Task):
            raise ConfigError(f"tasks must be Task objects, a file or the name of a world, not {short(task)}")
    return TaskSet(tasks)


def named_tasks(name: str, split: Split) -> tuple[TaskSet, str | None]:
    """The tasks called `name`, and the name of their corpus.

    A file of tasks has no corpus, so the name of the corpus is None.
    """
    kind = name.partition(":")[0]
    if kind == "synthetic":
        return _synthetic_tasks(name, split), name
    if kind == "hybridqa":
        return _hybridqa_tasks(name, split), name
    if (found := file_tasks(name)) is not None:
        return found, None
    if is_part("tasks", name):
        return tasks_of_source(name, split)
    raise ConfigError(_no_tasks(name))


def check_tasks_name(name: str) -> None:
    """Check that `name` can be the name of tasks (`named_tasks`). No file is opened, and nothing is imported.

    Raises:
        ConfigError: There is no such kind of tasks.
    """
    kind = name.partition(":")[0]
    kinds = ("synthetic", "hybridqa", *BENCHMARKS)
    if kind in kinds or Path(name).name.endswith((".jsonl", ".jsonl.gz")) or is_widesearch(Path(name)):
        return
    misspelt = nearest(kind, kinds, 0.8) is not None and "." not in kind and find_spec(kind) is None
    if misspelt or not is_part("tasks", name):
        raise ConfigError(_no_tasks(name))


def _no_tasks(name: str) -> str:
    kinds = ("synthetic", "hybridqa", *BENCHMARKS)
    return (
        f"no tasks {name!r}{hint(name.partition(':')[0], kinds)}: give synthetic[:key=value,…], hybridqa:FOLDER, "
        f"{', '.join(BENCHMARKS.values())}, a .jsonl file, or module:name for a custom task source"
    )


def file_tasks(name: str, *, on_error: OnError = "raise") -> TaskSet | None:
    """The tasks in the files that `name` names. None if it is not the name of files.

    Args:
        name: A ``.jsonl`` or ``.jsonl.gz`` file, a benchmark (`BENCHMARKS`), or a folder or file in the layout of
            WideSearch, for which ``widesearch:`` can be left out.
        on_error: What to do with a bad row.

    Raises:
        TaskError: A file cannot be read, or a row is bad.
    """
    kind, colon, rest = name.partition(":")
    if colon and kind in BENCHMARKS:
        return load_benchmark(kind, rest, on_error=on_error)
    path = Path(name)
    if is_widesearch(path):
        return load_benchmark("widesearch", name, on_error=on_error)
    if not path.name.endswith((".jsonl", ".jsonl.gz")):
        return None
    from wideseek_env.tasks.jsonl import load_tasks

    if not path.is_file():
        raise TaskError(f"there is no file {path}")
    return load_tasks(path, on_error=on_error)


def has_splits(name: str) -> bool:
    """Whether the tasks with this name have the splits train, validation and test. Files of tasks have none.

    A custom source is assumed to have splits.
    """
    kind, colon, _ = name.partition(":")
    return (
        not (kind in BENCHMARKS and colon)
        and not name.endswith((".jsonl", ".jsonl.gz"))
        and not Path(name).exists()
    )


def open_corpus(name: str, progress: Callable[[int], None] | None = None) -> Corpus:
    """The corpus called `name`.

    Names of corpora:

    * a world, such as ``synthetic:seed=1``: the corpus is built on first use and stored;
    * a folder that ``wideseek corpus build`` made;
    * ``live:…``: the real web;
    * ``remote:URL``: a retrieval service;
    * ``dense:FOLDER``: a dense index that ``wideseek corpus embed`` made;
    * ``hybrid:NAME+FOLDER``: the results of the corpus called NAME, merged with those of the dense index in FOLDER;
    * ``module:name``: a custom corpus (`wideseek_env.plugins`).

    While a corpus is built, `progress` is called with the number of pages that are done.
    """
    kind, _, rest = name.partition(":")
    if kind == "synthetic":
        return _synthetic_corpus(name)
    if kind == "hybridqa":
        return hybridqa_world(name).corpus(progress)
    if kind == "live":
        from wideseek_env.corpus.live import open_live

        return open_live(name)
    if kind == "remote":
        from wideseek_env.corpus.remote import RemoteCorpus

        return RemoteCorpus(rest)
    if kind == "dense":
        from wideseek_env.corpus.dense import DenseIndex

        return DenseIndex.open(rest)
    if kind == "hybrid":
        return _hybrid_corpus(rest)
    from wideseek_env.corpus.stored import StoredCorpus

    path = Path(name)
    if not path.is_dir() and is_part("corpus", name):
        made: Corpus = make_part("corpus", name, _is_corpus, "name, blocking, search, fetch and close")
        return made
    if not path.is_dir():
        raise CorpusError(f"there is no corpus folder {path}; build one with: wideseek corpus build")
    return StoredCorpus.open(path)


def located(name: str, folder: Path) -> str:
    """The name of tasks, a corpus or a judge with absolute paths, for a process that runs in another folder.

    Relative paths in `name` begin at `folder`. `CopyError` if a file or folder in the name does not exist any more.
    """

    def at(path: str) -> str:
        return str(still_there(folder / path))

    kind, colon, rest = name.partition(":")
    if kind in ("synthetic", "remote", "offline", "openai"):
        return name
    if kind == "hybridqa":
        data, comma, settings = rest.partition(",")
        return f"{kind}:{at(data)}{comma}{settings}" if data else name
    if kind == "hybrid":
        lexical, _, dense = rest.rpartition("+")
        return f"{kind}:{located(lexical, folder)}+{at(dense)}"
    if kind == "live":
        from wideseek_env.corpus.live.config import located_spec

        return located_spec(name, folder)
    if kind in BENCHMARKS:
        path, gold = split_gold(rest)
        return f"{kind}:{at(path)},gold={at(gold)}" if gold else f"{kind}:{at(path)}"
    if kind in ("dense", "recorded"):
        return f"{kind}:{at(rest)}"
    if (folder / name).exists():
        return at(name)
    return name if colon or is_part("corpus", name) or is_part("tasks", name) else at(name)


def _is_corpus(part: object) -> bool:
    return isinstance(part, Corpus)


def _hybrid_corpus(names: str) -> Corpus:
    from wideseek_env.corpus.dense import DenseIndex, HybridCorpus

    lexical, plus, dense = names.rpartition("+")
    if not plus or not lexical or not dense:
        raise ConfigError(f"a hybrid corpus is hybrid:NAME+FOLDER, not 'hybrid:{names}'")
    return HybridCorpus(open_corpus(lexical), DenseIndex.open(dense))


@lru_cache(maxsize=2)
def synthetic_world(name: str) -> SyntheticWorld:
    """The synthetic world called `name`. The last two worlds stay in memory, because making a world takes a second."""
    from wideseek_env.corpus.synthetic import SyntheticWorld

    return SyntheticWorld.from_spec(name)


@lru_cache(maxsize=2)
def _synthetic_corpus(name: str) -> Corpus:
    return synthetic_world(name).corpus()  # in memory: closing this corpus does not affect its other users


@lru_cache(maxsize=8)
def _synthetic_tasks(name: str, split: Split) -> TaskSet:
    from wideseek_env.tasks.synthetic import synthetic_tasks

    return synthetic_tasks(synthetic_world(name), split)


@lru_cache(maxsize=4)
def hybridqa_world(name: str) -> HybridQAWorld:
    """The HybridQA world called `name`. Its corpus and tasks are stored in `cache_folder`."""
    from wideseek_env.tasks.hybridqa.world import HybridQAWorld

    return HybridQAWorld.from_spec(name, cache_folder())


@lru_cache(maxsize=4)
def _hybridqa_tasks(name: str, split: Split) -> TaskSet:
    return hybridqa_world(name).tasks(split)
