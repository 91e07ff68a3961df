"""`score_answers`: score and summarise answers of other programs in the same way as recorded runs."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path
from types import TracebackType
from typing import Any, BinaryIO, Literal

from wideseek_env.audience import option
from wideseek_env.errors import ConfigError, TrajectoryError
from wideseek_env.evaluation.folder import LOCK, SETTINGS, SUMMARY, clear_temporary, foreign, summary_dict
from wideseek_env.evaluation.labels import DEFAULT_BY
from wideseek_env.evaluation.lock import FileLock
from wideseek_env.evaluation.metrics import SCORES
from wideseek_env.evaluation.record import EpisodeRecord
from wideseek_env.evaluation.responses import Response
from wideseek_env.evaluation.summary import Summary, SummaryAccumulator
from wideseek_env.evaluation.usage import metered, spent
from wideseek_env.files import write_json, writing
from wideseek_env.provenance.inputs import part_inputs
from wideseek_env.provenance.kinds import check_kind
from wideseek_env.provenance.record import record_of
from wideseek_env.scoring import Judge, TableScore, judging_of, score_response
from wideseek_env.scoring.judged import warn_by_rules
from wideseek_env.task import Task
from wideseek_env.tasks.jsonl import tasks_digest
from wideseek_env.tasks.taskset import TaskSet

Missing = Literal["zero", "skip"]
"""How a task and trial without a response counts.

"zero" counts it as an empty answer, as in the benchmark. "skip" leaves it out.
"""


@dataclass(frozen=True, slots=True)
class Scored:
    """The result of scoring.

    `missing` counts tasks and trials without a response. `unknown` counts responses to other tasks.
    """

    accumulator: SummaryAccumulator
    summary: Summary
    missing: int
    unknown: int


def score_answers(
    tasks: TaskSet,
    responses: Iterable[Response],
    *,
    judge: Judge | None = None,
    strict: bool = False,
    missing: Missing = "zero",
    trials: int | None = None,
    seed: int = 0,
    by: Sequence[str] = DEFAULT_BY,
    folder: Path | None = None,
    source: str = "",
    about: Mapping[str, Any] | None = None,
    command: str = "",
    overwrite: bool = False,
    on_score: Callable[[EpisodeRecord], None] | None = None,
) -> Scored:
    """Score `responses` against the gold tables of `tasks`.

    Args:
        tasks: The tasks. Responses to all other tasks are counted and left out.
        responses: The answers, as `read_responses` returns them.
        judge: Decides llm_judge columns. None means the offline judge.
        strict: Score exactly as the WideSearch benchmark's code does, including the known errors of that code.
        missing: "zero" counts a task and trial without a response as score 0, as the benchmark's summary does.
            "skip" leaves it out.
        trials: Trials per task. Default: the largest number of trials in the responses. Responses of further trials are
            left out.
        seed: Seed of the bootstrap.
        by: Labels of tasks by which the summary groups the metrics.
        folder: Folder for ``run.json``, ``scores.jsonl`` and ``summary.json``, written when everything is scored.
        source: The name of the responses in ``run.json``.
        about: Further settings for ``run.json``, such as the model and the split. A mapping ``inputs`` in them is added
            to the digests of the judge's code.
        command: The command line, for ``run.json``.
        overwrite: Replace scores in `folder`.
        on_score: Called after each response.

    Raises:
        ConfigError: No response belongs to one of the tasks, or `folder` contains something else.

    A `JudgeWarning` tells the share of cells that a model should judge, if `judge` is no model.

    If the judge raises an exception, this function raises it too. In each of these cases nothing is written.
    """
    known: dict[tuple[str, int], Response] = {}
    ids, unknown = set(tasks.ids), 0
    for response in responses:
        if response.task_id not in ids:
            unknown += 1
        elif trials is None or response.trial < trials:
            known[response.task_id, response.trial] = response
    if not known:
        raise ConfigError(
            f"no response belongs to one of the {len(tasks)} tasks of {tasks.name} (the first is {tasks[0].id!r})"
            if len(tasks)
            else f"{tasks.name} has no tasks"
        )
    if trials is None:
        trials = 1 + max(trial for _, trial in known)
    judging = judging_of(tasks, judge)
    warn_by_rules(judging)
    settings = {
        "kind": "responses",
        "responses": source,
        "tasks": tasks.name,
        "tasks_digest": tasks_digest(tasks),
        "strict": strict,
        "judge": judge.name if judge is not None else None,
        "judging": judging.to_dict(),
        "missing": missing,
        "trials": trials,
        "seed": seed,
        **(about or {}),
    }
    settings["inputs"] = {
        **part_inputs("judge", settings.get("judge_spec"), judge),
        **settings.get("inputs", {}),
    }
    accumulator = SummaryAccumulator()
    absent = 0
    with ExitStack() as stack:
        writer = stack.enter_context(_Writer(folder, overwrite)) if folder is not None else None
        for task in tasks:
            for trial in range(trials):
                found = known.get((task.id, trial))
                absent += found is None
                if found is None and missing == "skip":
                    continue
                before = metered(judge)
                score = _score(found.text if found is not None else None, task, judge, strict)
                usage = spent(before, metered(judge))
                unanswered = (
                    found is None or not found.text.strip()
                )  # also an episode that ended without an answer
                record = EpisodeRecord.of_response(task, trial, score, missing=unanswered, judge_usage=usage)
                accumulator.add(record)
                if writer is not None:
                    writer.write(record, score, task, found.text if found is not None else None)
                if on_score is not None:
                    on_score(record)
        summary = accumulator.summary(seed=seed)
        if writer is not None:
            groups = accumulator.by(by, seed=seed)
            writer.finish(record_of(settings, command), summary_dict(summary, groups, strict=strict))
    return Scored(accumulator, summary, absent, unknown)


def read_scored(folder: Path) -> Iterator[EpisodeRecord]:
    """The metrics of the scores that were written to `folder`.

    Raises:
        TrajectoryError: A line is damaged. The message names file and line.
    """
    path = folder / SCORES
    try:
        with open(path, "rb") as file:
            for number, line in enumerate(file, 1):
                try:
                    yield EpisodeRecord.from_dict(json.loads(line)["figures"])
                except (ValueError, KeyError, TypeError) as error:
                    raise TrajectoryError(f"{path}:{number}: {error}") from error
    except OSError as error:
        raise TrajectoryError(f"{path} cannot be read: {error.strerror}") from error


def _score(text: str | None, task: Task, judge: Judge | None, strict: bool) -> TableScore:
    if text is None:
        empty = score_response("", task, judge, strict=strict)
        return replace(empty, message="there is no response")
    return score_response(text, task, judge, strict=strict)


def _shown(task: Task) -> dict[str, Any]:
    """What a reader of the scores needs to know of a task. The gold table is in the score, cell by cell."""
    specs = {name: task.spec(name) for name in task.columns}
    return {
        "question": task.question,
        "key_columns": list(task.key_columns),
        "columns": {
            name: {"metrics": list(s.metrics), "criterion": s.criterion} for name, s in specs.items()
        },
        "answers": list(task.answers),
    }


class _Writer:
    """Writes scores into a folder. They stay in a temporary file until all are written."""

    def __init__(self, folder: Path, overwrite: bool) -> None:
        if folder.exists() and not folder.is_dir():
            raise ConfigError(f"{folder} is a file; give a folder for the scores")
        check_kind(folder, "score")
        if (folder / SCORES).is_file():
            if not overwrite:
                raise ConfigError(
                    f"{folder} already contains scores; give another folder, or "
                    + option("overwrite=True", "--overwrite")
                )
        elif any(foreign(folder)):
            raise ConfigError(f"{folder} is not empty and contains no scores; give another folder")
        self._folder = folder
        self._file: BinaryIO | None = None
        self._whole, self._locked = ExitStack(), ExitStack()

    def __enter__(self) -> _Writer:
        return self

    def write(self, record: EpisodeRecord, score: TableScore, task: Task, response: str | None) -> None:
        line: Mapping[str, Any] = {
            "figures": record.to_dict(),
            "score": score.to_dict(),
            "task": _shown(task),
            "response": response,
        }
        data = json.dumps(line, ensure_ascii=False, separators=(",", ":")).encode("utf-8", "replace")
        self._open().write(data + b"\n")

    def finish(self, record: Mapping[str, Any], summary: Mapping[str, Any]) -> None:
        self._open()
        # Scores come first: if the process is killed between these writes, the folder can still be overwritten.
        self._whole.close()
        write_json(self._folder / SETTINGS, record)
        write_json(self._folder / SUMMARY, summary)

    def _open(self) -> BinaryIO:
        if self._file is None:
            self._folder.mkdir(parents=True, exist_ok=True)
            self._locked.enter_context(FileLock(self._folder / LOCK))
            clear_temporary(self._folder)
            self._file = self._whole.enter_context(writing(self._folder / SCORES))
        return self._file

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        with self._locked:
            self._whole.__exit__(kind, error, trace)
