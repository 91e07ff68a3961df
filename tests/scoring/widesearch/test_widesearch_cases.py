"""Strict scoring against the committed table of the benchmark's own results."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from widesearch_cases import CASES, EVALUATIONS, Case

from wideseek_env.scoring import TableScore, score_response
from wideseek_env.tasks.widesearch import task_from_widesearch


def scored(case: Case, folder: Path) -> TableScore:
    gold = folder / "gold.csv"
    gold.write_text(case.gold)
    row = {"instance_id": "ws_en_001", "query": "Who?", "language": "en"}
    evaluation = json.dumps(EVALUATIONS[case.evaluation])
    return score_response(
        case.response, task_from_widesearch({**row, "evaluation": evaluation}, gold), strict=True
    )


def f1(precision: float, recall: float) -> float:
    return 2 * precision * recall / (precision + recall) if precision + recall else 0.0


def test_the_table_is_large_and_has_each_case_once() -> None:
    assert len({case.name for case in CASES}) == len(CASES) >= 60


@pytest.mark.parametrize("case", CASES, ids=[case.name for case in CASES])
def test_case(case: Case, tmp_path: Path) -> None:
    score = scored(case, tmp_path)
    success, precision_row, recall_row, precision_item, recall_item = case.expected
    assert (
        score.score,
        score.precision_by_row,
        score.recall_by_row,
        score.f1_by_row,
        score.precision_by_item,
        score.recall_by_item,
        score.f1_by_item,
    ) == pytest.approx(
        (
            success,
            precision_row,
            recall_row,
            f1(precision_row, recall_row),
            precision_item,
            recall_item,
            f1(precision_item, recall_item),
        ),
        abs=1e-9,
    )
    assert TableScore.from_dict(score.to_dict()) == score
    assert score.message


def test_cells_explain_the_score(tmp_path: Path) -> None:
    case = next(case for case in CASES if case.name == "wrong cell")
    score = scored(case, tmp_path)
    assert [[tuple(cell) for cell in row.cells] for row in score.cells] == [
        [("name", "right", "Alice", "Alice"), ("city", "right", "Paris", "Paris")],
        [("name", "right", "Bob", "Bob"), ("city", "wrong", "Oslo", "Rome")],
    ]
    assert [(row.gold_row, row.predicted_row) for row in score.cells] == [(0, 0), (1, 1)]
    extra = scored(next(case for case in CASES if case.name == "extra row"), tmp_path)
    assert extra.extra_rows == (("Carol", "Oslo"),)
    missing = scored(next(case for case in CASES if case.name == "missing column"), tmp_path)
    assert missing.missing_columns == ("city",)
    assert missing.well_formed
    assert not scored(next(case for case in CASES if case.name == "no table"), tmp_path).well_formed
