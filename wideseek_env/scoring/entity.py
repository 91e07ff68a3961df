"""DeepWideSearch's entity gate: whether an answer is about the right core entity, and its scores if not.

Source: ``eval/evaluation/evaluation.py`` of DeepWideSearch (AIDC-AI). There a model says whether the response has
guessed the entity, and every score of a response with another entity is 0. The column score is over key cells.
"""

from __future__ import annotations

from dataclasses import replace

from wideseek_env.scoring.cells import contained
from wideseek_env.scoring.judges import Judge, OfflineJudge
from wideseek_env.scoring.result import TableScore
from wideseek_env.scoring.table_text import strip_thinking, visible_text
from wideseek_env.task import Task

ENTITY = "entity"
SOURCE = "deepwidesearch"
"""The `source` of tasks whose ``meta`` has a core entity."""

COLUMN = "the whole answer"
CRITERION = "The answer is about this entity, or names it."
"""What a model judge is asked about: pairs of the whole answer and the entity."""

_LONGEST = 20_000


def with_entity(score: TableScore, response: str, task: Task, judge: Judge | None) -> TableScore:
    """`score` with the metrics of the entity gate in `extra`, if `task` has a core entity.

    ``entity_acc`` is 1 if the answer names the entity, or if `judge` is a model that finds it there. The other metrics
    are 0 if it does not, else the scores: ``entity_score`` (success), ``entity_row_f1``, ``entity_item_f1`` and
    ``entity_column_f1`` (F1 over the keys of rows).
    """
    entity = task.meta.get(ENTITY)
    if task.source != SOURCE or not isinstance(entity, str) or not entity.strip():
        return score
    text = visible_text(strip_thinking(response)).strip()
    found = bool(text) and contained(entity, text)
    judged_by = ""
    if text and not found and judge is not None and not isinstance(judge, OfflineJudge):
        found, judged_by = bool(judge.judge(COLUMN, CRITERION, [(text[-_LONGEST:], entity)])[0]), judge.name
    gate = 1.0 if found else 0.0
    matched = sum(row.predicted_row is not None for row in score.cells)
    rows = matched + len(score.extra_rows) + len(score.cells)
    extra = {
        "entity_acc": gate,
        "entity_score": gate * score.score,
        "entity_row_f1": gate * score.f1_by_row,
        "entity_item_f1": gate * score.f1_by_item,
        "entity_column_f1": gate * 2 * matched / rows if rows else 0.0,
    }
    return replace(score, extra=extra, judge=judged_by or score.judge)
