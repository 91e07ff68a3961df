"""Runs the three stages over all tables, in chunks. The results of each chunk are stored in files, so that a killed run
resumes from these files.

The folders `1-queries`, `2-answers` and `3-verdicts` have one file per chunk. A file is written whole or not at all.
Chunks do not depend on each other. So neither their order nor the number of processes changes a byte of the files.
"""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import dataclass
from functools import lru_cache
from multiprocessing import get_context
from pathlib import Path
from typing import Any

from wideseek_env.corpus.hybridqa.build import open_hybridqa
from wideseek_env.corpus.stored import StoredCorpus
from wideseek_env.errors import ChangedRunError, ConfigError, TaskError
from wideseek_env.files import is_temporary, write_whole
from wideseek_env.tasks.hybridqa.columns import columns_of, selected
from wideseek_env.tasks.hybridqa.depth import Ask, ask_verdict, propose_asks
from wideseek_env.tasks.hybridqa.evidence import Evidence, gather
from wideseek_env.tasks.hybridqa.filtering import verdict
from wideseek_env.tasks.hybridqa.making import language_of, question_of
from wideseek_env.tasks.hybridqa.material import Material
from wideseek_env.tasks.hybridqa.queries import Query, propose
from wideseek_env.tasks.hybridqa.wording import parse_question

CHUNK = 64
"""Tables per chunk. A killed run loses at most one chunk per process."""

STAGES = ("1-queries", "2-answers", "3-verdicts")
SETTINGS = "settings.json"

Progress = Callable[[str, int, int], None]
RunChunk = Callable[[int, Sequence[Material], "StageFolder", "StageSettings", Path], None]


@dataclass(frozen=True, slots=True)
class StageSettings:
    """Besides the data, these settings decide the bytes of the stage files. The folder stores the settings. A later run
    compares its own settings with the stored ones."""

    corpus: str
    seed: int
    least_rows: int
    chinese: float
    version: int


class StageFolder:
    """The folder with the files of the stages."""

    def __init__(self, path: Path, stages: Sequence[str] = STAGES) -> None:
        self.path = path
        self.stages = stages

    def begin(self, settings: StageSettings) -> None:
        """Create the folder. Raises `ConfigError` when the folder has the stages of a run with other settings."""
        wanted = {name: getattr(settings, name) for name in StageSettings.__slots__}
        file = self.path / SETTINGS
        if file.is_file():
            try:
                found = json.loads(file.read_text(encoding="utf-8"))
            except ValueError:
                found = None
            if found != wanted:
                before = found if isinstance(found, dict) else {}
                different = tuple(
                    (name, before.get(name), value)
                    for name, value in wanted.items()
                    if before.get(name) != value
                )
                told = "; ".join(f"{name}: {old} → {new}" for name, old, new in different)
                raise ChangedRunError(
                    f"{self.path} holds the stages of a run with other settings or data ({told}); set them back to "
                    "resume it, remove the folder (--overwrite), or name another one",
                    different,
                )
        elif self.path.is_dir() and not all(map(self._is_begun, self.path.iterdir())):
            raise ConfigError(f"{self.path} is not a folder of stages; name another folder for the stages")
        for stage in self.stages:
            (self.path / stage).mkdir(parents=True, exist_ok=True)
        write_whole(file, json.dumps(wanted, indent=1) + "\n")

    def _is_begun(self, entry: Path) -> bool:
        """Whether `entry` is what a run leaves that is killed before it has written its settings."""
        empty = entry.name in self.stages and entry.is_dir() and not any(entry.iterdir())
        return empty or is_temporary(entry, [SETTINGS])

    def clear(self) -> None:
        """Remove the folder if it contains stages."""
        if (self.path / SETTINGS).is_file():
            shutil.rmtree(self.path)

    def file(self, stage: str, chunk: int) -> Path:
        """The path of the file of one chunk."""
        return self.path / stage / f"{chunk:04d}.jsonl"

    def read(self, stage: str, chunk: int) -> list[dict[str, Any]]:
        """The records in the file of one chunk. Raises `TaskError` when the file is damaged."""
        file = self.file(stage, chunk)
        try:
            return [json.loads(line) for line in file.read_text(encoding="utf-8").splitlines()]
        except (OSError, ValueError) as error:
            raise TaskError(f"{file} cannot be read ({error}); remove it and run again") from error

    def write(self, stage: str, chunk: int, records: Iterable[Mapping[str, Any]]) -> None:
        """Write the file of one chunk, whole or not at all."""
        text = "".join(json.dumps(record, ensure_ascii=False) + "\n" for record in records)
        write_whole(self.file(stage, chunk), text)


def run_stages(
    chunks: Sequence[Sequence[Material]],
    folder: StageFolder,
    settings: StageSettings,
    corpus: Path,
    *,
    workers: int,
    progress: Progress,
    run: RunChunk | None = None,
) -> None:
    """Run all stages for every chunk. A stage is skipped for a chunk whose file of this stage exists.

    `run` runs the stages of one chunk. It must be a function of a module. By default it is `run_chunk`.
    """
    run = run or run_chunk
    todo = [number for number in range(len(chunks)) if not folder.file(folder.stages[-1], number).is_file()]
    done = len(chunks) - len(todo)
    progress("tables", _tables(chunks, done), _tables(chunks, len(chunks)))
    if workers < 2 or len(todo) < 2:
        for number in todo:
            run(number, chunks[number], folder, settings, corpus)
            done += 1
            progress("tables", _tables(chunks, done), _tables(chunks, len(chunks)))
        return
    pool = ProcessPoolExecutor(workers, mp_context=get_context("spawn"))
    try:
        jobs = [pool.submit(run, number, chunks[number], folder, settings, corpus) for number in todo]
        for job in as_completed(jobs):
            job.result()
            done += 1
            progress("tables", _tables(chunks, done), _tables(chunks, len(chunks)))
    finally:
        pool.shutdown(wait=True, cancel_futures=True)


def available_processors() -> int:
    """The number of processors that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _tables(chunks: Sequence[Sequence[Material]], number: int) -> int:
    return sum(map(len, chunks[:number]))


def run_chunk(
    number: int, chunk: Sequence[Material], folder: StageFolder, settings: StageSettings, corpus: Path
) -> None:
    """Run the stages of one chunk, from the first whose file does not exist."""
    steps: dict[str, Callable[[], Iterator[dict[str, Any]]]] = {
        STAGES[0]: lambda: _queries(chunk, settings),
        STAGES[1]: lambda: _answers(chunk, folder.read(STAGES[0], number), opened_corpus(corpus)),
        STAGES[2]: lambda: _verdicts(
            chunk, folder.read(STAGES[0], number), folder.read(STAGES[1], number), settings
        ),
    }
    for stage, step in steps.items():
        if not folder.file(stage, number).is_file():
            folder.write(stage, number, step())


@lru_cache(maxsize=1)
def opened_corpus(corpus: Path) -> StoredCorpus:
    """The corpus in a folder. Each process opens it once."""
    return open_hybridqa(corpus)


def _queries(chunk: Sequence[Material], settings: StageSettings) -> Iterator[dict[str, Any]]:
    for material in chunk:
        columns = columns_of(material.table, material.plan)
        yield {
            "uid": material.table.uid,
            "queries": [
                q.to_dict()
                for q in propose(material.table, material.plan, settings.seed, settings.least_rows)
            ],
            "asks": [ask.to_dict() for ask in propose_asks(material, columns, settings.seed)],
        }


def _answers(
    chunk: Sequence[Material], queries: Sequence[Mapping[str, Any]], corpus: StoredCorpus
) -> Iterator[dict[str, Any]]:
    for material, proposed, evidence in zip(chunk, queries, gather(chunk, corpus), strict=True):
        columns = columns_of(material.table, material.plan)
        yield {
            **evidence.to_dict(),
            "rows": [
                selected(Query.from_dict(query).selection, columns, len(material.plan.rows))
                for query in proposed["queries"]
            ],
        }


def _verdicts(
    chunk: Sequence[Material],
    queries: Sequence[Mapping[str, Any]],
    answers: Sequence[Mapping[str, Any]],
    settings: StageSettings,
) -> Iterator[dict[str, Any]]:
    for material, proposed, answer in zip(chunk, queries, answers, strict=True):
        columns = columns_of(material.table, material.plan)
        evidence = Evidence.from_dict(answer)
        found: list[str | None] = []
        for data, rows in zip(proposed["queries"], answer["rows"], strict=True):
            query = Query.from_dict(data)
            question = question_of(material, query, columns, language_of(query.name, settings.chinese))
            parsed = parse_question(question)
            readable = (
                parsed is not None
                and parsed.selection == query.selection
                and (parsed.title, parsed.section) == (material.table.title, material.table.section)
            )
            found.append(verdict(material, evidence, query, columns, rows, settings.least_rows, readable))
        yield {
            "uid": material.table.uid,
            "queries": found,
            "asks": [
                ask_verdict(material, evidence, Ask.from_dict(data), columns) for data in proposed["asks"]
            ],
        }
