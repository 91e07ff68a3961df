"""The training reward's scoring: a hand-made table, and numbers against pandas."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from io import StringIO

import pytest

from wideseek_env.episode import Episode
from wideseek_env.rewards import WideSeekR1, total
from wideseek_env.scoring import TableScore
from wideseek_env.scoring.wideseek_r1 import boxed_answer, normalised, score_wideseek_r1
from wideseek_env.task import Table, Task


def task(*rows: tuple[str, ...], header: tuple[str, ...] = ("Name", "Full Size")) -> Task:
    return Task("t", "q", header, header[:1], Table(header, rows))


PLAIN = task(("Alice", "100"), ("Bob", "200"))
TEXT = task(("Alice", "Paris"), ("Bob", "Rome"))
HEAD = "| Name | Full Size |\n|---|---|\n"


def fence(text: str) -> str:
    return f"So:\n```markdown\n{text}\n```"


BOTH = "| Alice | 100 |\n| Bob | 200 |"
# name: task, response, item-F1, well formed
CASES: dict[str, tuple[Task, str, float, bool]] = {
    "perfect": (PLAIN, fence(HEAD + BOTH), 1, True),
    "no fence": (PLAIN, HEAD + BOTH, 0, False),
    "another fence": (PLAIN, f"```\n{HEAD}{BOTH}\n```", 0, False),
    "last fence counts": (PLAIN, fence(HEAD + "| Alice | 100 |") + fence(HEAD + BOTH), 1, True),
    "what was thought does not": (PLAIN, fence(HEAD + BOTH) + "</think>I do not know", 0, False),
    "after the thought": (PLAIN, "hm</think>" + fence(HEAD + BOTH), 1, True),
    "after the turn's end": (PLAIN, fence(HEAD + BOTH) + "<|im_end|>" + fence("|x|\n|-|\n|1|"), 1, True),
    "header only": (PLAIN, fence(HEAD), 0, False),
    "empty fence": (PLAIN, "```markdown\n```", 0, False),
    "missing column": (PLAIN, fence("| Name |\n|---|\n| Alice |"), 0, False),
    "further column": (PLAIN, fence("|Name|Full Size|x|\n|-|-|-|\n|Alice|100|1|\n|Bob|200|2|"), 1, True),
    "case of a column": (PLAIN, fence("| NAME | full size |\n|---|---|\n" + BOTH), 1, True),
    "spaces of a column": (PLAIN, fence("| Name | FullSize |\n|---|---|\n" + BOTH), 0, False),
    "repeated column": (PLAIN, fence("|name|Name|Full Size|\n|-|-|-|\n|Alice|Alice|100|"), 0, False),
    "missing row": (PLAIN, fence(HEAD + "| Alice | 100 |"), 2 / 3, True),
    "extra row": (PLAIN, fence(HEAD + BOTH + "\n| Carol | 1 |"), 0.8, True),
    "repeated row": (PLAIN, fence(HEAD + BOTH + "\n| Alice | 7 |"), 1, True),
    "case of a key": (PLAIN, fence(HEAD + "| alice | 100 |\n| Bob | 200 |"), 0.5, True),
    "no key": (PLAIN, fence(HEAD + "| Carol | 100 |"), 0, True),
    "six digits": (task(("A", "1234567")), fence(HEAD + "| A | 1234568 |"), 1, True),
    "seven digits differ": (task(("A", "123456")), fence(HEAD + "| A | 123457 |"), 0.5, True),
    "decimals": (task(("A", "1.50")), fence(HEAD + "| A | 1.5 |"), 1, True),
    "numeric keys": (task(("007", "x")), fence(HEAD + "| 7.0 | x |"), 1, True),
    # one number makes every other cell of the column blank, so two different texts agree
    "texts beside a number": (task(("A", "12"), ("B", "x")), fence(HEAD + "| A | 12 |\n| B | y |"), 1, True),
    "empty cells": (task(("A", ""), ("B", "x")), fence(HEAD + "| A |  |\n| B | x |"), 1, True),
    "missing values agree": (task(("A", "N/A"), ("B", "x")), fence(HEAD + "| A |  |\n| B | x |"), 1, True),
    "line breaks": (task(("A", "x<br>y"), ("B", "z")), fence(HEAD + "| A | x y |\n| B | z |"), 1, True),
    "equal text": (TEXT, fence(HEAD + "| Alice | **paris** |\n| Bob | Oslo |"), 0.75, True),
    "an odd quote": (TEXT, fence(HEAD + '| Alice | "Paris |\n| Bob | Rome |'), 0, False),
}  # fmt: skip


@pytest.mark.parametrize(("task", "response", "f1", "well_formed"), CASES.values(), ids=CASES.keys())
def test_tables(task: Task, response: str, f1: float, well_formed: bool) -> None:
    score = score_wideseek_r1(response, task)
    assert score.f1_by_item == pytest.approx(f1, abs=1e-12)
    assert score.well_formed is well_formed
    assert (score.score == 1.0) == (f1 == 1)
    assert TableScore.from_dict(score.to_dict()) == score


def test_columns_are_squeezed_for_the_benchmark() -> None:
    response = CASES["spaces of a column"][1]
    assert score_wideseek_r1(response, PLAIN, squeeze_columns=True).score == 1.0


DEPTH = Task("d", "Who?", answers=("Ada Lovelace", "Lovelace"))


@pytest.mark.parametrize(
    ("response", "content", "right"),
    [
        (r"It is \boxed{Ada Lovelace}.", "Ada Lovelace", True),
        (r"\boxed{Babbage} or \boxed{lovelace}", "lovelace", True),
        (r"\boxed{Lovelace} or \boxed{Babbage}", "Babbage", False),
        (r"\boxed{Lovelace} or \boxed{Babb", "Lovelace", True),
        (r"\boxed{a \boxed{Lovelace} b", "Lovelace", True),
        (r"\boxed{a {b} c}", "a {b} c", False),
        (r"\boxed{x \boxed{y}}", r"x \boxed{y}", False),
        (r"} \boxed{Lovelace}}", "Lovelace", True),
        ("Lovelace", None, False),
        ("", None, False),
    ],
)
def test_boxes(response: str, content: str | None, right: bool) -> None:
    assert boxed_answer(response) == content
    score = score_wideseek_r1(response, DEPTH)
    assert (score.f1_by_item == 1.0) is right
    assert score.well_formed is (content is not None)


def test_endless_boxes_end() -> None:
    assert boxed_answer("\\boxed{" * 50_000) is None
    assert boxed_answer("\\boxed{" * 50_000 + "x" + "}" * 49_999) is not None


class Teacher:
    name = "teacher-1"

    def judge(self, column: str, criterion: str, pairs: Sequence[tuple[str, str]]) -> list[bool]:
        return [True] * len(pairs)

    def align_keys(self, column: str, predicted: Sequence[str], gold: Sequence[str]) -> Mapping[str, str]:
        assert (column, list(predicted), list(gold)) == ("Name", ["Robert"], ["Alice", "Bob"])
        return {"Robert": "Bob"}


def test_a_judge_decides_cells_and_maps_keys() -> None:
    score = score_wideseek_r1(fence(HEAD + "| Alice | London |\n| Robert | Oslo |"), TEXT, Teacher())
    assert score.f1_by_item == 1.0
    assert score.judge == "teacher-1"
    assert score.cells[1].cells[0] == ("Name", "right", "Robert", "Bob")


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize(
    "cells",
    [
        *(["1", "2"], ["1", "x"], ["x", "y"], ["", "1"], ["", "x"], ["True", "1"], ["True", "False"], ["nan", "1"]),
        *(["1e400", "1"], ["inf", "2"], ["1,234", "5"], ["0x10", "1"], [" 7", "8"], ["1_0", "1"], ["9" * 20, "1"]),
        *(["-5", "18446744073709551615"], ["", ""], ["1<br>", "2"], ["a<br>b", "2"], ["1.", ".5"], ["１", "2"]),
    ],
)  # fmt: skip
def test_numbers_are_formatted_as_pandas_would(cells: list[str]) -> None:
    pd = pytest.importorskip("pandas", minversion="2.3")
    frame = pd.read_csv(
        StringIO("k|c\n" + "\n".join(f"k|{cell}" for cell in cells)), sep="|", keep_default_na=False
    )
    column = frame["c"]
    if column.dtype == "object":
        column = column.apply(lambda cell: cell.replace("<br>", "\n") if isinstance(cell, str) else cell)
    texts = column.replace("", "nan").astype(str).str.strip()
    numbers = pd.to_numeric(texts, errors="coerce")
    if numbers.notna().any():
        texts = numbers.map(lambda number: "" if pd.isna(number) else f"{number:g}")
    assert normalised(cells) == list(texts)


def test_the_reward_can_score_as_published() -> None:
    def paid(answer: str, reward: WideSeekR1) -> float:
        episode = Episode(PLAIN, team=False)
        episode.act("agent", answer)
        return total(reward(episode, TableScore(f1_by_item=0.25)))

    published = WideSeekR1(published_scoring=True)
    assert paid(fence(HEAD + BOTH), published) == pytest.approx(1.1)
    assert paid(HEAD + BOTH, published) == 0.0, "without a fence the format is wrong"
    assert paid(HEAD + BOTH, WideSeekR1()) == pytest.approx(0.35)


@pytest.mark.parametrize("name", ["required", "unique_columns"])
@pytest.mark.parametrize(
    "value", [None, True, 5, "Name", ["nope"], [1], [None], [{"a": 1}], [["Name"]], {"Name": 1}]
)
def test_meta_of_other_data_is_no_list_of_columns(name: str, value: object) -> None:
    answer = fence(HEAD + BOTH)
    assert score_wideseek_r1(answer, replace(PLAIN, meta={name: value})).f1_by_item == 1
    assert score_wideseek_r1(answer, replace(PLAIN, meta={"required": []})).f1_by_item == 1
