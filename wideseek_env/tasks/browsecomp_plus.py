"""BrowseComp-Plus's questions: the decrypted file, one JSON object per line.

- ``query_id``: text or number.
- ``query``: text, the question.
- ``answer``: text, or a list of texts that are accepted.
- ``gold_docs``, ``evidence_docs``: lists of objects with ``docid``. Only the ids are stored, in the task's ``meta``.
- ``negative_docs`` is left out.

Source: ``scripts_evaluation/evaluate_run.py`` of texttron/BrowseComp-Plus. Its corpus has lines of
``{"docid", "text", "url"}``, which ``wideseek corpus build`` reads (`wideseek_env.corpus.files`).
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from wideseek_env.errors import TaskError
from wideseek_env.task import Task
from wideseek_env.tasks.rows import (
    OnError,
    Row,
    collect,
    id_of,
    kind_of,
    read_rows,
    refuse_encrypted,
    stem_of,
    text_of,
)
from wideseek_env.tasks.taskset import TaskSet

SOURCE = "browsecomp-plus"
_FIELDS = frozenset("query_id query answer negative_docs gold_docs evidence_docs".split())


def load_browsecomp_plus(path: str | os.PathLike[str], *, on_error: OnError = "raise") -> TaskSet:
    """The questions of a file as depth tasks, in its order.

    With ``on_error="skip"`` a bad row is logged as a warning and left out.

    Raises:
        TaskError: A row is bad, the questions are encrypted, or the file has none. The message names file and line.
    """
    source = Path(path)

    def make(data: Mapping[str, Any], row: Row) -> Task:
        return task_from_browsecomp_plus(data)

    return TaskSet(collect(read_rows(source), make, on_error), name=stem_of(source))


def task_from_browsecomp_plus(row: Mapping[str, Any]) -> Task:
    """The task of one row. Raises `TaskError` that names the field that is wrong."""
    question = text_of(row, "query", "question")
    refuse_encrypted(question)
    answer = row.get("answer")
    answers: list[Any] = answer if isinstance(answer, list) else [answer]
    if not answers or not all(isinstance(one, str) and one.strip() for one in answers):
        raise TaskError(f"field 'answer' must be text or a list of texts, not {kind_of(answer)}")
    documents = {
        name: _docids(row, name) for name in ("gold_docs", "evidence_docs") if row.get(name) is not None
    }
    others = {name: value for name, value in row.items() if name not in _FIELDS}
    return Task(
        id_of(row, "query_id", "id"),
        question,
        answers=tuple(answers),
        source=SOURCE,
        meta={**others, **documents},
    )


def _docids(row: Mapping[str, Any], field: str) -> list[str]:
    documents = row[field]
    if not isinstance(documents, list):
        raise TaskError(f"field {field!r} must be a list of documents, not {kind_of(documents)}")
    return [id_of(one, "docid") if isinstance(one, Mapping) else str(one) for one in documents]
