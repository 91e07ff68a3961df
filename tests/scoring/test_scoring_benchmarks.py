"""What benchmarks score besides tables: sets and lists, a core entity, other texts of a cell, and odd key columns."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pytest

from wideseek_env.evaluation.record import EpisodeRecord
from wideseek_env.evaluation.summary import summarise
from wideseek_env.scoring import TableScore, score_response
from wideseek_env.scoring.align import match_columns
from wideseek_env.scoring.lists import list_values
from wideseek_env.scoring.wideseek_r1 import score_wideseek_r1
from wideseek_env.task import ColumnSpec, Table, Task
from wideseek_env.tasks.wideseek_r1 import task_from_wideseek_r1

VALUES = ("Ada Lovelace", "Bob, C.", "3,000", "José")


def valued(kind: str, *values: str) -> Task:
    gold = Table(("Answer",), tuple((value,) for value in values or VALUES))
    return Task("t", "Which?", ("Answer",), ("Answer",), gold, source="gisa", meta={"answer_type": kind})


FORMS = {
    "table": "| Answer |\n|---|\n| Ada Lovelace |\n| Bob, C. |\n| 3,000 |\n| José |",
    "table of another name": "| Person |\n|---|\n| Ada Lovelace |\n| Bob, C. |\n| 3,000 |\n| José |",
    "ranked table": "| # | Who |\n|---|---|\n| 1 | Ada Lovelace |\n| 2 | Bob, C. |\n| 3 | 3,000 |\n| 4 | José |",
    "tsv fence": "Here:\n```tsv\nAda Lovelace\nBob, C.\n3,000\nJosé\n```\nDone.",
    "tsv fence with a heading": "```tsv\nName\nAda Lovelace\nBob, C.\n3,000\nJosé\n```",
    "one line of tsv": "```tsv\nAda Lovelace\tBob, C.\t3,000\tJosé\n```",
    "bullets": "I found:\n- Ada Lovelace\n- Bob, C.\n- 3,000\n- José\n",
    "numbers": "1. Ada Lovelace\n2. Bob, C.\n3. 3,000\n4. José\n\nThat is all.",
    "bold bullets": "* **Ada Lovelace**\n* **Bob, C.**\n* 3000\n* Jose",
    "semicolons": "The answer is: Ada Lovelace; Bob, C.; 3,000; José",
    "box": "So \\boxed{Ada Lovelace; Bob, C.; 3,000; José}",
    "thinking": "<think>\n- Eve\n</think>\n- Ada Lovelace\n- Bob, C.\n- 3,000\n- José",
    "earlier bullets": "Plan:\n- search\n\nResult:\n- Ada Lovelace\n- Bob, C.\n- 3,000\n- José",
    "plain fence": '```\n"Ada Lovelace"\n"Bob, C."\n3,000\nJosé\n```',
}


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("kind", ["set", "list"])
@pytest.mark.parametrize("strict", [False, True])
def test_sets_and_lists_are_read_in_many_forms(form: str, kind: str, strict: bool) -> None:
    score = score_response(FORMS[form], valued(kind), strict=strict)
    assert (score.score, score.f1_by_item, score.well_formed) == (1.0, 1.0, True), score.message
    assert score.extra == ({"order": 1.0} if kind == "list" else {})


@pytest.mark.parametrize(
    ("given", "kind", "expected"),
    [
        (("b", "a", "c"), "set", (1.0, 1.0, None)),
        (("b", "a", "c"), "list", (0.0, 1.0, 2 / 3)),
        (("c", "b", "a"), "list", (0.0, 1.0, 1 / 3)),
        (("a", "b"), "list", (0.0, 0.8, 2 / 3)),
        (("a", "b", "c", "d"), "set", (0.0, 6 / 7, None)),
        (("a", "a", "b", "c"), "set", (1.0, 1.0, None)),
        (("a", "a", "b", "c"), "list", (0.0, 6 / 7, 1.0)),
        (("x", "y"), "list", (0.0, 0.0, 0.0)),
        ((), "list", (0.0, 0.0, 0.0)),
    ],
)
def test_the_scores_of_sets_and_lists(
    given: Sequence[str], kind: str, expected: tuple[float, float, float | None]
) -> None:
    score = score_response("\n".join(f"- {value}" for value in given), valued(kind, "a", "b", "c"))
    assert (score.score, score.f1_by_item, score.extra.get("order")) == pytest.approx(expected)
    assert score.f1_by_row == score.f1_by_item
    assert TableScore.from_dict(score.to_dict()) == score


def test_values_of_hostile_text_are_bounded() -> None:
    for text in (
        "",
        "|" * 5000,
        "- x\n" * 30_000,
        "```tsv\n" + "1\n" * 30_000 + "```",
        "```" * 999,
        ", " * 9999,
    ):
        assert len(list_values(text)) <= 20_000
        assert score_response(text, valued("list", *map(str, range(300)))).score == 0.0


def test_a_list_accepts_other_texts_of_its_values() -> None:
    task = replace(valued("list", "United Nations", "NATO"), aliases={"Answer": {"United Nations": ("UN",)}})
    assert score_response("- UN\n- NATO", task).score == 1.0
    assert score_response("- UNO\n- NATO", task).score == 0.0


DEEP = Task(
    "d",
    "What did the man do?",
    ("year", "title"),
    ("year",),
    Table(("year", "title"), (("2010", "A"), ("2011", "B"))),
    source="deepwidesearch",
    meta={"entity": "Lin Dan"},
)
PERFECT = "| Year | Title |\n|---|---|\n| 2010 | A |\n| 2011 | B |"


class Model:
    name = "model"

    def __init__(self, *verdicts: bool) -> None:
        self.verdicts, self.asked = list(verdicts), [("", "")][:0]

    def judge(self, column: str, criterion: str, pairs: Sequence[tuple[str, str]]) -> list[bool]:
        self.asked += pairs
        return [self.verdicts.pop(0) for _ in pairs]


GATES = ("entity_acc", "entity_score", "entity_row_f1", "entity_item_f1", "entity_column_f1")


@pytest.mark.parametrize(
    ("response", "verdicts", "expected"),
    [
        (f"This is **Lin Dan**.\n{PERFECT}", (), (1, 1, 1, 1, 1)),
        (f"lin  dan:\n{PERFECT}", (), (1, 1, 1, 1, 1)),
        (f"This is Linda.\n{PERFECT}", (), (0, 0, 0, 0, 0)),
        (f"<think>Lin Dan?</think>\n{PERFECT}", (), (0, 0, 0, 0, 0)),
        (PERFECT, (True,), (1, 1, 1, 1, 1)),
        (PERFECT, (False,), (0, 0, 0, 0, 0)),
        (f"Lin Dan\n{PERFECT.replace('B', 'C')}", (), (1, 0, 0.5, 0.75, 1)),
        (f"Lin Dan\n{PERFECT.replace('2011', '2012')}", (), (1, 0, 0.5, 0.5, 0.5)),
        ("Lin Dan", (), (1, 0, 0, 0, 0)),
        ("", (), (0, 0, 0, 0, 0)),
    ],
)
def test_the_entity_gate(response: str, verdicts: Sequence[bool], expected: Sequence[float]) -> None:
    judge = Model(*verdicts) if verdicts else None
    score = score_response(response, DEEP, judge)
    assert tuple(score.extra[name] for name in GATES) == pytest.approx(expected)
    assert (judge.asked if judge else []) == ([(PERFECT, "Lin Dan")] if verdicts else [])
    assert score.judge == ("model" if verdicts else "")
    ungated = score_response(response, replace(DEEP, source="widesearch"))
    assert (score.score, score.f1_by_item) == (ungated.score, ungated.f1_by_item)
    assert ungated.extra == {}
    assert "extra" not in ungated.to_dict()


def test_summaries_average_further_metrics_over_the_tasks_that_have_them() -> None:
    other = Task("o", "Which?", ("a",), ("a",), Table(("a",), (("1",),)))
    answers = [
        (DEEP, 0, f"Lin Dan\n{PERFECT}"),
        (DEEP, 1, PERFECT),
        (replace(DEEP, id="e"), 0, ""),
        (other, 0, ""),
    ]
    records = [EpisodeRecord.of_response(task, n, score_response(text, task)) for task, n, text in answers]
    assert [EpisodeRecord.from_dict(record.to_dict()) for record in records] == records
    summary = summarise(records)
    assert summary.extra == pytest.approx(dict.fromkeys(GATES, 0.25))
    assert summary.to_dict()["extra"] == summary.extra
    plain = summarise(records[3:])
    assert plain.extra == {}
    assert "extra" not in plain.to_dict()
    assert "extra" not in records[3].to_dict()


ALIASED = Task(
    "a",
    "Which?",
    ("city", "country"),
    ("city",),
    Table(("city", "country"), (("New York", "USA"), ("Big Apple", "Chile"), ("Kyiv", "Ukraine"))),
    {"country": ColumnSpec(), "city": ColumnSpec()},
    aliases={
        "city": {"New York": ("NYC", "Big Apple"), "Kyiv": ("Kiev",)},
        "country": {"USA": ("the States",)},
    },
)


@pytest.mark.parametrize(
    ("cells", "score"),
    [
        (("New York", "USA", "Kyiv"), 1.0),
        (("NYC", "USA", "Kiev"), 1.0),
        (("**nyc**", "the States", "KIEV"), 1.0),
        (("N.Y.", "USA", "Kyiv"), 0.0),
        (("NYC", "states", "Kyiv"), 0.0),
        (("Big Apple", "USA", "Kyiv"), 0.0),  # a gold key of another row is no alias
    ],
)
def test_other_texts_of_gold_cells_are_right(cells: Sequence[str], score: float) -> None:
    rows = ((cells[0], cells[1]), ("Big Apple", "Chile"), (cells[2], "Ukraine"))
    answer = "| City | Country |\n|---|---|\n" + "\n".join(f"| {one} | {two} |" for one, two in rows)
    assert score_response(answer, ALIASED).score == score
    assert score_response(answer, ALIASED, strict=True).score == (cells == ("New York", "USA", "Kyiv"))


GOLD = "| Code | Name | Size |\n|---|---|---|\n| 1 | Ada | 5 |\n| 2 | Bob | 6 |"


def published(changes: dict[str, Any], gold: str = GOLD) -> Task:
    row = {
        "instance_id": "x",
        "question": "Which?",
        "answer": gold,
        "unique_columns": ["Code"],
        "is_markdown": True,
    }
    return task_from_wideseek_r1({**row, **changes})


NOT_REQUIRED = {"evaluation": {"required": ["Name", "Size"]}}


@pytest.mark.parametrize(
    ("changes", "response", "f1", "well_formed"),
    [  # the values are those of the published `evaluate_markdown`
        (NOT_REQUIRED, GOLD, 1.0, True),
        (NOT_REQUIRED, GOLD.replace("Code", "code"), 1.0, True),
        (NOT_REQUIRED, GOLD.replace("| 1 |", "| 1.0 |"), 1.0, True),
        (NOT_REQUIRED, GOLD.replace("| 1 |", "| 3 |"), 0.5, True),
        (NOT_REQUIRED, GOLD.replace("| 1 |", "| 2 |"), 0.0, True),
        (NOT_REQUIRED, GOLD.replace("| 1 |", "| x |"), 0.0, False),  # pandas joins no numbers with texts
        (NOT_REQUIRED, "| Name | Size |\n|---|---|\n| Ada | 5 |\n| Bob | 6 |", 0.0, False),
        (NOT_REQUIRED, GOLD.replace("Ada", "Eve"), 0.75, True),
        ({}, GOLD, 1.0, True),
        ({}, GOLD.replace("| 1 |", "| x |"), 0.5, True),
        ({"unique_columns": []}, GOLD, 0.0, False),
        ({"unique_columns": None}, GOLD, 0.0, False),
        ({"unique_columns": None, "evaluation": {"unique_columns": ["Code"]}}, GOLD, 0.0, False),
    ],
)  # fmt: skip
def test_keys_as_the_published_reward_treats_them(
    changes: dict[str, Any], response: str, f1: float, well_formed: bool
) -> None:
    score = score_wideseek_r1(f"```markdown\n{response}\n```", published(changes))
    assert (score.f1_by_item, score.well_formed) == (pytest.approx(f1), well_formed), score.message


def test_other_scorings_use_keys_that_the_data_do_not_name() -> None:
    for changes in (NOT_REQUIRED, {"unique_columns": []}, {"unique_columns": None}):
        task = published(changes)
        assert set(task.key_columns) <= set(task.columns)
        assert score_response(GOLD, task).score == 1.0
        assert score_response(GOLD.replace("Ada", "Eve"), task).score == 0.0


@pytest.mark.parametrize(
    ("required", "header", "found"),
    [
        ("annualinternationaltutionfees", "Annual International Tuition Fees", True),
        ("Annual International Tuition Fees", "annual international tution fees", True),
        ("governmentexpenditure", "Goverment expenditure", True),
        ("numberofinhabitants", "Number of inhabitant", True),  # a plural
        ("malepopulation", "femalepopulation", False),
        ("importofgoods2020", "importofgoods202", False),
        ("2022/01房价的平均数是多少呢", "2022/1房价的平均数是多少呢", False),
        ("population2020million", "population220million", False),
        ("capital", "captal", False),
    ],
)
def test_one_letter_of_a_long_column_name_may_be_missing(required: str, header: str, found: bool) -> None:
    assert match_columns([required], [header]) == ({required: 0} if found else {})
    assert match_columns([required, "x"], [header, required]) == {required: 1}
