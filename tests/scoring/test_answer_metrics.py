"""Exact match, token F1 and judged short answers of question answering sets."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import pytest

from wideseek_env.errors import WideSeekError
from wideseek_env.scoring import TableScore, score_response
from wideseek_env.scoring.answer_metrics import exact_match, normal_form, token_f1
from wideseek_env.scoring.short_answer import answer_rule, short_answer
from wideseek_env.task import ColumnSpec, Task

TASK = Task(
    "nq-1", "Who painted it?", answers=("Edda Storm", "E. Storm"), source="qa",
    specs={"answer": ColumnSpec(("llm_judge",))},
)  # fmt: skip


class Panel:
    """A judge with fixed verdicts, which records what it is asked."""

    name = "panel-1"

    def __init__(self, *right: tuple[str, str]) -> None:
        self.right = right
        self.asked: list[tuple[str, str, list[tuple[str, str]]]] = []

    def judge(self, column: str, criterion: str, pairs: Sequence[tuple[str, str]]) -> list[bool]:
        self.asked.append((column, criterion, list(pairs)))
        return [pair in self.right for pair in pairs]


@pytest.mark.parametrize(
    ("text", "form"),
    [
        ("The  Eiffel Tower!", "eiffel tower"),
        ("a U.S. state", "us state"),
        ("An apple, a day", "apple day"),
        ("theatre", "theatre"),
        ("1,000", "1000"),
        ("rock-and-roll", "rockandroll"),
        ("Yes.", "yes"),
        ("True", "yes"),
        ("false", "no"),
        ("Saarbrücken", "saarbrücken"),
        ("the", ""),
        ("“Ulysses”", "“ulysses”"),  # only ASCII punctuation, as in SQuAD's script
    ],
)
def test_normal_form(text: str, form: str) -> None:
    assert normal_form(text) == form


@pytest.mark.parametrize(
    ("answer", "accepted", "match", "f1"),
    [
        ("The Grey Ferry", ["grey ferry"], 1, 1),
        ("grey ferry picture", ["grey ferry"], 0, 4 / 5),
        ("ferry", ["grey ferry", "big grey ferry"], 0, 2 / 3),
        ("york york", ["york"], 0, 2 / 3),
        ("york", ["york york"], 0, 2 / 3),
        ("yes", ["yes"], 1, 1),
        ("yes it is", ["yes"], 0, 0),
        ("no", ["no way"], 0, 0),
        ("True", ["yes"], 1, 1),
        ("", ["grey"], 0, 0),
        ("the", ["a"], 0, 0),
        ("A", ["A"], 1, 1),
        ("+", ["-"], 0, 0),
        ("C++", ["C"], 1, 1),
        ("Paris", [], 0, 0),
    ],
)
def test_exact_match_and_token_f1(answer: str, accepted: list[str], match: float, f1: float) -> None:
    assert exact_match(answer, accepted) == match
    assert token_f1(answer, accepted) == pytest.approx(f1)


@pytest.mark.parametrize(
    ("response", "answer"),
    [
        ("\\boxed{Edda Storm}", "Edda Storm"),
        ("It was her.\n**Answer:** Edda Storm", "Edda Storm"),
        ("<think>Mara?</think><answer>Edda Storm</answer>", "Edda Storm"),
        ("Mara \\boxed{Mara} or \\boxed{\\text{Edda Storm}}", "Edda Storm"),
        ("$Edda Storm$", "Edda Storm"),
        ("", ""),
        ("\\boxed{}", ""),
    ],
)
def test_the_short_answer(response: str, answer: str) -> None:
    assert short_answer(response) == answer
    extra = score_response(response, TASK).extra
    assert extra == {"exact_match": float(bool(answer)), "token_f1": float(bool(answer))}


def test_a_judge_decides_about_answers_that_no_rule_accepts() -> None:
    judge = Panel(("the painter Storm", "E. Storm"))
    score = score_response("\\boxed{the painter Storm}", TASK, judge)
    assert (score.score, score.f1_by_item, score.judge, score.by_rules) == (1, 1, "panel-1", 0)
    assert score.cells[0].cells[0] == ("answer", "right", "the painter Storm", "E. Storm")
    assert score.extra == {"exact_match": 0, "token_f1": pytest.approx(1 / 2)}
    asked = [("the painter Storm", "Edda Storm"), ("the painter Storm", "E. Storm")]
    assert judge.asked == [("answer", answer_rule(TASK), asked)]
    assert TASK.question in judge.asked[0][1]
    assert TableScore.from_dict(score.to_dict()) == score


@pytest.mark.parametrize(
    "response", ["Edda Storm", "\\boxed{the edda storm!}", "E Storm", "answer: EDDA STORM."]
)
def test_no_judge_is_asked_about_exact_matches(response: str) -> None:
    judge = Panel()
    score = score_response(response, TASK, judge)
    assert (score.score, score.judge, judge.asked) == (1, "", [])
    assert score.extra["exact_match"] == 1


@pytest.mark.parametrize("response", ["", "\\boxed{}", "<think>Storm</think>"])
def test_no_judge_is_asked_about_no_answer(response: str) -> None:
    judge = Panel(("", "Edda Storm"))
    score = score_response(response, TASK, judge)
    assert (score.score, judge.asked, score.extra) == (0, [], {"exact_match": 0, "token_f1": 0})


def test_the_judge_gets_the_same_answer_once_and_a_given_criterion() -> None:
    task = replace(
        TASK, answers=("Storm", "the Storm", "storm.", "S."),
        specs={"answer": ColumnSpec(("llm_judge",), criterion="same person")},
    )  # fmt: skip
    judge = Panel()
    assert score_response("Lindqvist", task, judge).score == 0
    assert judge.asked == [("answer", "same person", [("Lindqvist", "Storm"), ("Lindqvist", "S.")])]


def test_other_depth_tasks_are_neither_judged_nor_measured() -> None:
    judge = Panel(("Storm", "Edda Storm"))
    score = score_response("Storm", replace(TASK, source="", specs={}), judge)
    assert (score.score, judge.asked, dict(score.extra)) == (0, [], {})


def test_a_judge_must_decide_about_every_pair() -> None:
    judge = Panel()
    judge.judge = lambda column, criterion, pairs: [True]  # type: ignore[method-assign]
    with pytest.raises(WideSeekError, match="gave 1 verdicts for 2 pairs"):
        score_response("Lindqvist", TASK, judge)


def test_without_a_judge_the_offline_judge_decides() -> None:
    score = score_response("\\boxed{Édda Storm}", TASK)
    assert (score.score, score.judge.partition("(")[0], score.by_rules) == (1, "offline-2", 1)
    assert score.extra["exact_match"] == 0
