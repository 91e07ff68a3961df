"""Reads answers to score: the WideSearch benchmark's response files, JSONL files, or recorded episodes."""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from wideseek_env.audience import option
from wideseek_env.errors import ConfigError, TaskError
from wideseek_env.evaluation.metrics import TRAJECTORIES
from wideseek_env.files import read_lines

ID_FIELDS = ("task_id", "instance_id", "id")
TRIAL_FIELDS = ("trial", "trial_idx")
TEXT_FIELDS = ("response", "answer")

_FILE = re.compile(r"(?P<head>.+)_(?P<trial>\d+)(?P<team>_multi_agent)?_response\.jsonl")


@dataclass(frozen=True, slots=True)
class Response:
    """One answer. `where` names the file and line of the answer. `text` is empty if there is no answer."""

    task_id: str
    trial: int
    text: str
    where: str


def read_responses(path: Path | str, model: str | None = None) -> list[Response]:
    """Read the answers at `path`, one for each task and trial. `path` is one of these:

    * A folder of the benchmark's files, ``{model}_{instance_id}_{trial}[_multi_agent]_response.jsonl``. Only the first
      line of each file counts, as in the benchmark. `model` chooses one of several models. The ending ``_multi_agent``
      is part of the model's name.
    * A JSONL file (``.gz`` too). Each line is an object with ``task_id`` (or ``instance_id``, ``id``), ``response`` (or
      ``answer``) and ``trial`` (or ``trial_idx``). Without a trial, the lines of a task are numbered from 0.
    * The run folder of `wideseek eval`, or its ``trajectories.jsonl``. The answers of the episodes are read.

    Raises:
        ConfigError: There are no responses at `path`, or `model` does not choose one model.
        TaskError: A response cannot be read, or a task and trial appears twice. The message names file and line.
    """
    path = Path(path)
    if path.is_dir() and (path / TRAJECTORIES).is_file():
        path = path / TRAJECTORIES
    if path.is_dir():
        found = _of_folder(path, model)
    elif path.is_file():
        if model is not None:
            raise ConfigError(
                f"{option('model', '--model')} needs a folder of response files, but {path} is one file"
            )
        found = _of_file(path)
    else:
        raise ConfigError(f"there is no file or folder {path}; give the path of the responses")
    return found


def _of_folder(folder: Path, model: str | None) -> list[Response]:
    by_model: dict[str, list[Response]] = {}
    for file in sorted(folder.glob("*_response.jsonl")):
        match = _FILE.fullmatch(file.name)
        line = next(_lines(file), None)
        if line is None:
            raise TaskError(f"{file} is empty")
        row, where = line
        task_id = _task_id(row, where)
        # The benchmark finds a response by the name of its file, so the name decides the trial.
        if match is not None and match["head"].endswith(f"_{task_id}"):
            called = match["head"].removesuffix(f"_{task_id}") + (match["team"] or "")
            trial = int(match["trial"])
        else:
            written = _trial(row, where)
            if written is None:
                raise TaskError(
                    f"{where}: unknown trial; name the file MODEL_{task_id}_TRIAL_response.jsonl, or add trial_idx"
                )
            called, trial = "", written
        by_model.setdefault(called, []).append(Response(task_id, trial, _text(row, where), where))
    if not by_model:
        raise ConfigError(f"{folder} has no files MODEL_TASK_TRIAL_response.jsonl and contains no run")
    if model is None and len(by_model) > 1:
        raise ConfigError(
            f"{folder} has responses of several models: {', '.join(map(repr, sorted(by_model)))}; "
            f"choose one with {option('model=', '--model')}"
        )
    chosen = model if model is not None else next(iter(by_model))
    if chosen not in by_model:
        raise ConfigError(
            f"{folder} has no responses of {chosen!r}; there are: {', '.join(sorted(by_model))}"
        )
    return _once(by_model[chosen])


def _of_file(path: Path) -> list[Response]:
    found: list[Response] = []
    recorded: dict[tuple[str, int], Response] = {}
    seen: Counter[str] = Counter()
    for row, where in _lines(path):
        if (
            "outcome" in row and "conversations" in row
        ):  # a trajectory; the last one of a task and trial counts
            response = _of_trajectory(row, where)
            recorded[response.task_id, response.trial] = response
            continue
        task_id, trial = _task_id(row, where), _trial(row, where)
        found.append(Response(task_id, seen[task_id] if trial is None else trial, _text(row, where), where))
        seen[task_id] += 1
    if not found and not recorded:
        raise ConfigError(f"{path} has no responses")
    return _once([*found, *recorded.values()])


def _once(responses: list[Response]) -> list[Response]:
    first: dict[tuple[str, int], Response] = {}
    for response in responses:
        before = first.setdefault((response.task_id, response.trial), response)
        if before is not response:
            raise TaskError(
                f"{response.where}: trial {response.trial} of task {response.task_id!r} was already in {before.where}"
            )
    return responses


def _lines(path: Path) -> Iterator[tuple[Mapping[str, Any], str]]:
    """The objects of a JSONL file, each with the name of the file and the line number. Blank lines are skipped."""
    for number, line in read_lines(path, TaskError):
        where = f"{path}:{number}"
        try:
            row = json.loads(line)
        except (ValueError, RecursionError) as error:
            raise TaskError(f"{where}: the line is not JSON: {error}") from error
        if not isinstance(row, Mapping):
            raise TaskError(f"{where}: the line is not a JSON object")
        yield row, where


def _task_id(row: Mapping[str, Any], where: str) -> str:
    for name in ID_FIELDS:
        if isinstance(value := row.get(name), str) and value:
            return value
    raise TaskError(f"{where}: task_id (or instance_id) is missing or not text")


def _trial(row: Mapping[str, Any], where: str) -> int | None:
    for name in TRIAL_FIELDS:
        value = row.get(name)
        if value is None:
            continue
        if isinstance(value, bool) or not isinstance(value, int) or value < 0:
            raise TaskError(f"{where}: {name} must be a whole number of at least 0, not {value!r}")
        return value
    return None


def _text(row: Mapping[str, Any], where: str) -> str:
    for name in TEXT_FIELDS:
        if name in row:
            value = row[name]
            if value is None:
                return ""  # the benchmark also finds no table in such a response
            if not isinstance(value, str):
                raise TaskError(f"{where}: {name} must be text, not {value!r:.80}")
            return value
    raise TaskError(f"{where}: there is no response")


def _of_trajectory(row: Mapping[str, Any], where: str) -> Response:
    try:
        task_id, answer = row["task"]["id"], row["outcome"]["answer"]
        trial = (row.get("meta") or {}).get("trial", 0)
        if not isinstance(task_id, str) or not isinstance(trial, int) or not isinstance(answer, str | None):
            raise TypeError("task.id, meta.trial or outcome.answer")
    except (KeyError, TypeError, AttributeError) as error:
        raise TaskError(f"{where}: not a trajectory: {type(error).__name__} {error}") from error
    return Response(task_id, trial, answer or "", where)
