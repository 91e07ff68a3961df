"""Answers of other programs for the viewer: the lines of ``scores.jsonl``, which `wideseek score` writes.

Only the answer and its score are known. So there are no agents, no timeline and no sources.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from wideseek_env.evaluation.record import EpisodeRecord
from wideseek_env.scoring import TableScore
from wideseek_env.viewer.detail import score_view


def is_scored(data: object) -> bool:
    """Whether a line is a scored answer, and not an episode."""
    return isinstance(data, Mapping) and "figures" in data and "score" in data


def scored_detail(data: Mapping[str, Any]) -> tuple[EpisodeRecord, dict[str, Any]]:
    """The metrics and the view of one scored answer, in the form of `wideseek_env.viewer.detail.episode_detail`.

    Folders of earlier versions have neither the question nor the text of the answer. Then these are empty.
    """
    record = EpisodeRecord.from_dict(data["figures"])
    score = TableScore.from_dict(data["score"])
    about: Mapping[str, Any] = data.get("task") or {}
    columns: Mapping[str, Any] = about.get("columns") or {}
    keys = list(about.get("key_columns") or ())
    return record, {
        "question": str(about.get("question") or ""),
        "answer": {
            "columns": [_column(name, name in keys, columns.get(name) or {}) for name in score.columns],
            "rows": [
                {
                    "predicted": row.predicted_row,
                    "cells": [[cell.verdict, cell.predicted, cell.gold, None, None] for cell in row.cells],
                    "trace": None,
                }
                for row in score.cells
            ],
            "extra": [[[value, None] for value in row] for row in score.extra_rows],
            "coverage": dict(record.rows),
            "traced": False,
            "anew": False,
            "accepted": list(about.get("answers") or ()),
        },
        "final": data.get("response"),
        "detail": "",
        "score": score_view(score, record.cells),
        "reward": {"name": "", "total": 0.0, "parts": {}},
        "agents": [],
        "results": [],
        "critical": {"seconds": [], "turns": []},
        "timed": False,
        "unread": "",
        "about": {
            "task": {"id": record.task_id, "key columns": keys, **record.labels},
            "game": {},
            "record": {"trial": record.trial},
        },
    }


def _column(name: str, key: bool, about: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "name": name,
        "key": key,
        "metrics": list(about.get("metrics") or ()),
        "criterion": about.get("criterion"),
    }
