"""`HybridQAWorld`: the HybridQA data as a world. Its corpus and tasks are stored in the cache.

Reading and planning the tables takes 20 seconds, and indexing the pages takes 40. This work is done once per data
folder. It is repeated when the files of the folder or the version of the plans change.
"""

from __future__ import annotations

import hashlib
import os
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, cast

from wideseek_env.corpus.hybridqa.build import build_hybridqa, open_hybridqa
from wideseek_env.corpus.hybridqa.plan import PLAN_VERSION, Mode
from wideseek_env.corpus.hybridqa.reader import DataFolder
from wideseek_env.corpus.stored import StoredCorpus
from wideseek_env.errors import ConfigError, CorpusError, IndexDamagedError
from wideseek_env.task import Task
from wideseek_env.tasks.hybridqa.generate import TASK_VERSION, hybridqa_tasks
from wideseek_env.tasks.hybridqa.pipeline import PIPELINE_VERSION, BuildConfig, build_tasks
from wideseek_env.tasks.hybridqa.siblings import LEAST_ROWS, MOST_ROWS
from wideseek_env.tasks.hybridqa.splits import Split
from wideseek_env.tasks.hybridqa.wide.build import WIDE_VERSION, WideConfig, build_wide_tasks
from wideseek_env.tasks.jsonl import load_tasks, save_tasks
from wideseek_env.tasks.taskset import TaskSet

SCHEME = "hybridqa"


@dataclass(frozen=True, slots=True)
class HybridQAWorld:
    """A data folder and a selection of its tasks."""

    folder: Path
    cache: Path
    mode: Mode | Literal["wide", "depth"] | None = None
    min_rows: int = 10
    max_rows: int = 60

    @classmethod
    def from_spec(cls, spec: str, cache: Path) -> HybridQAWorld:
        """The world called ``hybridqa:FOLDER[,mode=pages|table|wide|depth][,min_rows=N][,max_rows=N]``.

        The defaults of ``min_rows`` and ``max_rows`` are 10 and 60, or 21 and 200 in mode ``wide``. The tasks of mode
        ``depth`` have short answers and no rows.

        Without FOLDER, the data is in the folder ``hybridqa`` of the folder that the environment variable WIDESEEK_DATA
        names.

        Raises:
            ConfigError: A setting is unknown or has a wrong value.
            CorpusError: There is no such folder.
        """
        scheme, _, rest = spec.partition(":")
        if scheme != SCHEME:
            raise ConfigError(f"the name of a HybridQA world must start with {SCHEME}:, but it is {spec!r}")
        name, *settings = rest.split(",")
        given: dict[str, str] = {}
        for setting in settings:
            key, equals, value = (part.strip() for part in setting.partition("="))
            if not equals or key not in ("mode", "min_rows", "max_rows"):
                raise ConfigError(
                    f"{spec!r}: unknown setting {setting!r}; known are mode, min_rows, max_rows"
                )
            given[key] = value
        mode = given.get("mode")
        if mode not in (None, "pages", "table", "wide", "depth"):
            raise ConfigError(f"{spec!r}: mode must be pages, table, wide or depth, not {mode!r}")
        if mode == "depth" and len(given) > 1:
            raise ConfigError(f"{spec!r}: tasks of mode depth have no rows; leave out min_rows and max_rows")
        try:
            rows = {key: int(given[key]) for key in ("min_rows", "max_rows") if key in given}
        except ValueError:
            raise ConfigError(f"{spec!r}: min_rows and max_rows must be whole numbers") from None
        if any(many < 1 for many in rows.values()) or (
            len(rows) == 2 and rows["min_rows"] > rows["max_rows"]
        ):
            raise ConfigError(f"{spec!r}: min_rows must be at least 1 and at most max_rows")
        if mode == "wide":
            rows = {"min_rows": LEAST_ROWS, "max_rows": MOST_ROWS, **rows}
        return cls(_data_folder(name), cache, cast("Mode | None", mode), **rows)

    def corpus(self, progress: Callable[[int], None] | None = None) -> StoredCorpus:
        """The corpus. The corpus is built on first use. Meanwhile `progress` is called with the number of pages so
        far."""
        place = self._place()
        if place.is_dir():
            try:
                return open_hybridqa(place)
            except IndexDamagedError:  # incomplete, damaged or from another version: it is built again
                shutil.rmtree(place)
        place.parent.mkdir(parents=True, exist_ok=True)
        return build_hybridqa(self.folder, place, progress=progress)

    def tasks(self, split: Split) -> TaskSet:
        """The tasks of a split, in a fixed order. Questions are in English.

        In modes ``wide`` and ``depth``, the tasks of all splits are built on first use. This needs the corpus, so the
        corpus is built too if it does not exist.
        """
        folder = self._place().with_suffix(".tasks")
        if self.mode == "depth":
            return TaskSet(self._depth_tasks(folder, split), f"{SCHEME}/{split}")
        if self.mode == "wide":
            return TaskSet(self._wide_tasks(folder, split), f"{SCHEME}/{split}")
        name = f"{split}-{self.mode or 'all'}-{self.min_rows}-{self.max_rows}.v{TASK_VERSION}.jsonl.gz"
        file = folder / name
        if file.is_file():
            return TaskSet(load_tasks(file), f"{SCHEME}/{split}")
        tasks = hybridqa_tasks(
            self.folder, split, mode=self.mode, min_rows=self.min_rows, max_rows=self.max_rows
        )
        folder.mkdir(parents=True, exist_ok=True)
        save_tasks(tasks, file)
        return TaskSet(tasks, f"{SCHEME}/{split}")

    def _built_corpus(self) -> Path:
        corpus = self.corpus()
        corpus.close()
        return corpus.path

    def _depth_tasks(self, folder: Path, split: Split) -> Iterator[Task]:
        file = folder / f"depth.v{TASK_VERSION}.{PIPELINE_VERSION}.jsonl.gz"
        if not file.is_file():
            folder.mkdir(parents=True, exist_ok=True)
            build_tasks(self.folder, file, BuildConfig(broad=0.0, chinese=0.0), corpus=self._built_corpus())
        return (task for task in load_tasks(file) if task.meta["split"] == split)

    def _wide_tasks(self, folder: Path, split: Split) -> Iterator[Task]:
        file = folder / f"wide.v{TASK_VERSION}.{WIDE_VERSION}.jsonl.gz"
        if not file.is_file():
            folder.mkdir(parents=True, exist_ok=True)
            build_wide_tasks(self.folder, file, WideConfig(chinese=0.0), corpus=self._built_corpus())
        return (
            task
            for task in load_tasks(file)
            if task.meta["split"] == split and self.min_rows <= task.meta["rows"] <= self.max_rows
        )

    def _place(self) -> Path:
        signature = f"{PLAN_VERSION} {DataFolder.find(self.folder).signature()}"
        return self.cache / f"{SCHEME}-{hashlib.sha256(signature.encode()).hexdigest()[:16]}"


def _data_folder(name: str) -> Path:
    root = os.environ.get("WIDESEEK_DATA", "")
    if not name and not root:
        raise CorpusError(
            "say where the HybridQA data is: hybridqa:FOLDER, or set WIDESEEK_DATA to the folder that holds hybridqa/"
        )
    folder = Path(name) if name else Path(root) / SCHEME
    if not folder.is_dir():
        raise CorpusError(
            f"there is no folder {folder} with the HybridQA data; docs/hybridqa.md says how to get it"
        )
    return folder
