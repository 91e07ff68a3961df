"""Rows aligned by a judge: only what the rules leave over, each gold row once."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import pytest

from wideseek_env.errors import WideSeekError
from wideseek_env.scoring import TableScore, score_response
from wideseek_env.task import ColumnSpec, Table, Task


class Names:
    """Aligns keys by a table of names, and remembers what it was asked."""

    name = "names-1"

    def __init__(self, **same: str) -> None:
        self.same = same
        self.asked: list[tuple[str, list[str], list[str]]] = []

    def judge(self, column: str, criterion: str, pairs: Sequence[tuple[str, str]]) -> list[bool]:
        return [False] * len(pairs)

    def align_keys(self, column: str, predicted: Sequence[str], gold: Sequence[str]) -> Mapping[str, str]:
        self.asked.append((column, list(predicted), list(gold)))
        return {key: self.same[key] for key in predicted if key in self.same}


def table(*rows: str, header: str = "City|Size") -> str:
    lines = [header, "|".join("---" for _ in header.split("|")), *rows]
    return "\n".join(f"| {line.replace('|', ' | ')} |" for line in lines)


CITIES = Table(("City", "Size"), (("Wien", "2"), ("München", "1"), ("Roma", "3")))
TASK = Task("cities", "Which?", CITIES.header, ("City",), CITIES)


def rows(score: TableScore) -> list[int | None]:
    return [row.predicted_row for row in score.cells]


def test_only_what_the_rules_leave_over_is_asked() -> None:
    judge = Names(Vienna="Wien")
    score = score_response(
        table("**Vienna**|2", "münchen|1", "Rom|3", "munchen|9", "|4", "City|Size"), TASK, judge
    )
    assert judge.asked == [("City", ["Vienna", "Rom"], ["Wien", "Roma"])]
    assert rows(score) == [0, 1, None]
    assert score.judge == "names-1"
    assert score.cells[0].cells[0].verdict == "right"
    assert score.cells[0].cells[0].predicted == "Vienna"


def test_a_gold_row_is_aligned_once_with_the_first() -> None:
    judge = Names(Vienna="Wien", Vienne="Wien", Monaco="München")
    score = score_response(table("Vienna|2", "Vienne|2", "Wenen|2"), TASK, judge)
    assert rows(score) == [0, None, None]
    assert (score.recall_by_item, score.precision_by_item) == (2 / 6, 2 / 6)


@pytest.mark.parametrize(
    "answer",
    [
        table("Wien|2", "München|1", "Roma|3"),
        table("Wien|2", "München|1"),
        table("Wien|2", "wien|2", "München|1", "Roma|3"),
        table("2", "1", header="Size"),
        table("|2"),
        "no table",
    ],
    ids=["all right", "one missing", "a duplicate", "no key column", "a blank key", "no table"],
)
def test_without_an_open_key_the_judge_is_not_asked(answer: str) -> None:
    judge = Names(Vienna="Wien")
    score = score_response(answer, TASK, judge)
    assert judge.asked == []
    assert score.judge == ""
    assert score == score_response(answer, TASK)


def test_a_judge_that_finds_nothing_changes_only_its_name() -> None:
    answer = table("Vienna|2", "München|1")
    score, plain = score_response(answer, TASK, Names()), score_response(answer, TASK)
    assert (score.judge, plain.judge) == ("names-1", "")
    assert (score.cells, score.f1_by_item, score.extra_rows) == (
        plain.cells,
        plain.f1_by_item,
        plain.extra_rows,
    )


GAMES = Table(
    ("Country", "Year", "Medals"), (("USA", "2016", "5"), ("USA", "2020", "6"), ("Deutschland", "2020", "7"))
)
GAME_TASK = Task(
    "games",
    "Which?",
    GAMES.header,
    ("Country", "Year"),
    GAMES,
    {"Year": ColumnSpec(("number_near",), ("extract_number",))},
)


def test_a_key_of_several_columns_is_aligned_column_by_column() -> None:
    judge = Names(**{"United States": "USA", "Germany": "Deutschland"})
    answer = table(
        "United States|2020|6",
        "United States|2016|5",
        "Germany|2016|7",
        "Germany|2020|7",
        header="Country|Year|Medals",
    )
    score = score_response(answer, GAME_TASK, judge)
    assert judge.asked == [("Country", ["United States", "Germany"], ["USA", "Deutschland"])]
    assert rows(score) == [1, 0, 3]
    assert len(score.extra_rows) == 1


@pytest.mark.parametrize(
    "spec",
    [
        ColumnSpec(("number_near",)),
        ColumnSpec(("date_near",)),
        ColumnSpec(("url_match",)),
        ColumnSpec(("exact_match",), ("extract_number",)),
    ],
)
def test_keys_with_a_value_are_left_to_the_rules(spec: ColumnSpec) -> None:
    task = Task("t", "Which?", CITIES.header, ("City",), CITIES, {"City": spec})
    judge = Names(Vienna="Wien")
    assert rows(score_response(table("Vienna|2"), task, judge)) == [None, None, None]
    assert judge.asked == []


def test_a_judge_that_invents_keys_breaks_its_protocol() -> None:
    with pytest.raises(WideSeekError, match="'Graz', which it was not offered"):
        score_response(table("Vienna|2"), TASK, Names(Vienna="Graz"))
