"""Question answering sets with short answers: JSON Lines, or a list in a ``.json`` file.

- ``question`` or ``query``: text.
- ``golden_answers``, ``answer``, ``answers`` or ``gt``: the accepted answer, or a list of them. Numbers are read as
  text.
- ``aug_answer``: further accepted answers (optional).
- ``id``, ``qid``, ``instance_id`` or ``_id``: text or number. The default is the number of the row.
- ``data_source`` or ``source``: the name of the set, if the names of file and folder do not say it.
- ``language``: ``"en"`` (default) or ``"zh"``.

``meta`` has the name of the set under `SET` and, for the seven sets, the kind under `HOPS`. It also has the short
values of the other fields, but not their documents. A task is judged: a model decides whether an answer is equivalent
to an accepted one (`wideseek_env.scoring.short_answer`).

Source: the files of FlashRAG, of Search-R1 and of ``inclusionAI/ASearcher-test-data``, with which WideSeek-R1 was
evaluated.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any, cast

from wideseek_env.errors import TaskError
from wideseek_env.scoring.answer_metrics import SOURCE
from wideseek_env.scoring.short_answer import COLUMN
from wideseek_env.task import ColumnSpec, Language, Task
from wideseek_env.tasks.question_sets import BY_NAME, SETS, QuestionSet, default_set, set_files, set_named
from wideseek_env.tasks.rows import (
    OnError,
    Row,
    collect,
    id_of,
    kind_of,
    language_of,
    read_rows,
    stem_of,
    text_of,
)
from wideseek_env.tasks.taskset import TaskSet

SET, HOPS = "set", "hops"
"""Names in ``meta``. Tasks can be chosen and grouped by them (``--where set=nq``, ``--by hops``)."""

JUDGED = ColumnSpec(("llm_judge",))
"""How answers are compared. The criterion is `wideseek_env.scoring.short_answer.answer_rule`."""

_QUESTIONS = ("question", "query")
_ANSWERS = ("golden_answers", "answer", "answers", "gt")
_MORE = ("aug_answer",)
_IDS = ("id", "qid", "instance_id", "_id")
_ORIGINS = ("data_source", "source")
_FIELDS = frozenset((*_QUESTIONS, *_ANSWERS, *_MORE, *_IDS, *_ORIGINS, "language", SET, HOPS))
_LONG = 200

_log = logging.getLogger(__name__)


def load_question_answering(path: str | os.PathLike[str], *, on_error: OnError = "raise") -> TaskSet:
    """The tasks of a file, or of a folder with a file or folder for each set (`wideseek_env.tasks.question_sets`).

    The ids begin with the name of the set. A set that a folder lacks, and an entry of a folder that is none of the
    seven sets, are logged as warnings. With ``on_error="skip"`` a bad row is logged as a warning and left out.

    Raises:
        TaskError: A row is bad, a file cannot be read or has no rows, or no set is found. The message names file and
            line.
    """
    source = Path(path)
    if source.is_dir():
        files, others = set_files(source)
        _tell(source, files, others)
        tasks = [task for name, file in files.items() for task in _tasks(file, BY_NAME[name], on_error)]
    else:
        tasks = _tasks(source, set_named(stem_of(source)), on_error)
    return TaskSet(tasks, name=stem_of(source) or SOURCE)


def task_from_question(
    row: Mapping[str, Any],
    chosen: QuestionSet | None = None,
    *,
    default_id: str = "",
    default: str = SOURCE,
) -> Task:
    """The task of one row. Raises `TaskError` that names the field that is wrong.

    `chosen` is the set of the row. None means that a field of the row names it. If that is not one of the seven sets,
    the set is `default` where this is one of them, or else has the name in the row, or else `default`.
    """
    origin = next(
        (row[name] for name in _ORIGINS if isinstance(row.get(name), str) and row[name].strip()), ""
    )
    chosen = chosen or set_named(origin) or BY_NAME.get(default)
    name = chosen.name if chosen is not None else origin.strip()[:_LONG] or default
    question = text_of(row, *_QUESTIONS)
    answers = _answers(row)
    task_id = id_of(row, *_IDS, default=default_id)
    meta: dict[str, Any] = {SET: name}
    if chosen is not None:
        meta[HOPS] = chosen.hops
    meta |= {key: value for key, value in row.items() if key not in _FIELDS and _is_short(value)}
    return Task(
        f"{name}-{task_id}",
        question,
        answers=answers,
        specs={COLUMN: JUDGED},
        language=cast(Language, language_of(row, "en")),
        source=SOURCE,
        meta=meta,
    )


def _tasks(file: Path, chosen: QuestionSet | None, on_error: OnError) -> list[Task]:
    def make(data: Mapping[str, Any], row: Row) -> Task:
        return task_from_question(data, chosen, default_id=str(row.number), default=default)

    default = default_set(file)

    return collect(read_rows(file), make, on_error)


def _answers(row: Mapping[str, Any]) -> tuple[str, ...]:
    name = next((name for name in _ANSWERS if row.get(name) is not None), None)
    if name is None:
        wanted = ", ".join(map(repr, _ANSWERS))
        raise TaskError(
            f"there is none of the fields {wanted} with the accepted answers; the row has {', '.join(map(str, row))}"
        )
    found = _texts(row, name)
    if not found:
        raise TaskError(f"field {name!r} has no accepted answer; give at least one")
    more = [text for other in _MORE if row.get(other) is not None for text in _texts(row, other)]
    return tuple(dict.fromkeys((*found, *more)))


def _texts(row: Mapping[str, Any], name: str) -> list[str]:
    value = row[name]
    listed = value if isinstance(value, list) else [value]
    for one in listed:
        if isinstance(one, bool) or not isinstance(one, str | int | float) or not str(one).strip():
            raise TaskError(
                f"field {name!r} must be a short answer or a list of them, but has {kind_of(one)}"
            )
    return [str(one).strip() for one in listed]


def _is_short(value: Any) -> bool:
    return isinstance(value, bool | int | float) or (isinstance(value, str) and len(value) <= _LONG)


def _tell(folder: Path, files: Mapping[str, Path], others: list[str]) -> None:
    absent = [each.title for each in SETS if each.name not in files]
    if absent and len(files) > 1:
        _log.warning("%s has no %s; averages are over the other sets", folder, ", ".join(absent))
    if others:
        _log.warning("%s: not one of the seven sets, so not read: %s", folder, ", ".join(others[:8]))
