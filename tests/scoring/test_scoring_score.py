"""Scores of hand-made answers."""

from __future__ import annotations

import json
import pickle
from collections.abc import Sequence

import pytest

from wideseek_env.errors import TaskError, TrajectoryError, WideSeekError
from wideseek_env.scoring import TableScore, parse_table, score_response, score_table
from wideseek_env.task import ColumnSpec, Table, Task

GOLD = Table(
    ("Name", "City", "Opened", "Visitors"),
    (
        ("Louvre", "Paris", "1793-08-10", "8,700,000"),
        ("Prado", "Madrid", "1819-11-19", "2,456,724"),
        ("Uffizi", "Florence", "1769", "4,000,000"),
        ("Museo|Tamayo", "Mexico City", "1981-05-29", ""),
    ),
)
SPECS = {"Opened": ColumnSpec(("date_near",)), "Visitors": ColumnSpec(("number_near",), (), 0.05)}
TASK = Task("museums", "Which museums?", GOLD.header, ("Name",), GOLD, SPECS)

HEAD = "| Name | City | Opened | Visitors |\n|---|---|---|---|\n"
LOUVRE = "| Louvre | Paris | 1793-08-10 | 8,700,000 |\n"
PRADO = "| Prado | Madrid | 1819-11-19 | 2,456,724 |\n"
UFFIZI = "| Uffizi | Florence | 1769 | 4,000,000 |\n"
TAMAYO = "| Museo\\|Tamayo | Mexico City | 1981-05-29 | |\n"
ALL = LOUVRE + PRADO + UFFIZI + TAMAYO

# name: (response, right cells, predicted rows, right rows, success); gold has 4 rows of 4 cells.
CASES: dict[str, tuple[str, int, int, int, bool]] = {
    "all right": (HEAD + ALL, 16, 4, 4, True),
    "fenced": (f"Answer:\n```markdown\n{HEAD}{ALL}```", 16, 4, 4, True),
    "in prose": (f"I looked at many pages.\n{HEAD}{ALL}\nHope it helps | bye", 16, 4, 4, True),
    "after thinking": (f"<think>{HEAD}{LOUVRE}</think>\n{HEAD}{ALL}", 16, 4, 4, True),
    "second of two tables": (f"{HEAD}{LOUVRE}\nCorrected:\n\n{HEAD}{ALL}", 16, 4, 4, True),
    "a later, worse table counts": (f"{HEAD}{ALL}\nAgain:\n\n{HEAD}{LOUVRE}", 4, 1, 1, False),
    "rows in another order": (HEAD + TAMAYO + UFFIZI + LOUVRE + PRADO, 16, 4, 4, True),
    "empty response": ("", 0, 0, 0, False),
    "no table": ("The Louvre is in Paris.", 0, 0, 0, False),
    "header only": (HEAD, 0, 0, 0, False),
    "one row": (HEAD + LOUVRE, 4, 1, 1, False),
    "missing row": (HEAD + LOUVRE + PRADO + UFFIZI, 12, 3, 3, False),
    "extra row": (HEAD + ALL + "| Rijksmuseum | Amsterdam | 1800 | 5 |\n", 16, 5, 4, False),
    "exact duplicate row": (HEAD + ALL + LOUVRE, 16, 5, 4, False),
    "duplicate key, first right": (HEAD + ALL + "| Louvre | Lyon | 1700 | 1 |\n", 16, 5, 4, False),
    "duplicate key, first wrong": (HEAD + "| Louvre | Lyon | 1700 | 1 |\n" + ALL, 13, 5, 3, False),
    "duplicate key by case": (HEAD + ALL + "| LOUVRE | Paris | 1793-08-10 | 8,700,000 |\n", 16, 5, 4, False),
    "key in other case": (HEAD + ALL.replace("Louvre", "LOUVRE"), 16, 4, 4, True),
    "key with markup": (HEAD + ALL.replace("Louvre", "[**Louvre**](http://l.fr)"), 16, 4, 4, True),
    "key with diacritics": (HEAD + ALL.replace("Prado", "Prádo"), 16, 4, 4, True),
    "key with an article": (HEAD + ALL.replace("Prado", "The Prado"), 16, 4, 4, True),
    "key with a footnote": (HEAD + ALL.replace("Prado", "Prado[2]"), 16, 4, 4, True),
    "wrong key": (HEAD + ALL.replace("Prado", "Thyssen"), 12, 4, 3, False),
    "blank key": (HEAD + ALL.replace("Prado", ""), 12, 4, 3, False),
    "pipe in the key not escaped": (HEAD + LOUVRE + TAMAYO.replace("\\|", "|"), 4, 2, 1, False),
    "pipe in the key left out": (HEAD + LOUVRE + TAMAYO.replace("\\|", " "), 8, 2, 2, False),
    "wrong cell": (HEAD + ALL.replace("Madrid", "Seville"), 15, 4, 3, False),
    "two wrong cells in a row": (
        HEAD + ALL.replace("Madrid", "Seville").replace("2,456,724", "7"),
        14,
        4,
        3,
        False,
    ),
    "two wrong cells in two rows": (
        HEAD + ALL.replace("Madrid", "Seville").replace("Paris", "Lyon"),
        14,
        4,
        2,
        False,
    ),
    "blank cell": (HEAD + ALL.replace("Madrid", ""), 15, 4, 3, False),
    "nan for a blank": (HEAD + ALL.replace("1981-05-29 | |", "1981-05-29 | nan |"), 16, 4, 4, True),
    "dash for a blank": (HEAD + ALL.replace("1981-05-29 | |", "1981-05-29 | — |"), 16, 4, 4, True),
    "value for a blank": (HEAD + ALL.replace("1981-05-29 | |", "1981-05-29 | 100 |"), 15, 4, 3, False),
    "N/A for a value": (HEAD + ALL.replace("8,700,000", "N/A"), 15, 4, 3, False),
    "number without separators": (HEAD + ALL.replace("8,700,000", "8700000"), 16, 4, 4, True),
    "number in millions": (HEAD + ALL.replace("8,700,000", "8.7 million"), 16, 4, 4, True),
    "number in 万": (HEAD + ALL.replace("8,700,000", "870万"), 16, 4, 4, True),
    "number within tolerance": (HEAD + ALL.replace("8,700,000", "8,500,000"), 16, 4, 4, True),
    "number beyond tolerance": (HEAD + ALL.replace("8,700,000", "8,200,000"), 15, 4, 3, False),
    "number with a unit": (HEAD + ALL.replace("8,700,000", "about 8,700,000 people"), 16, 4, 4, True),
    "date, month first": (HEAD + ALL.replace("1793-08-10", "August 10, 1793"), 16, 4, 4, True),
    "date, day first": (HEAD + ALL.replace("1793-08-10", "10 August 1793"), 16, 4, 4, True),
    "date, ordinal": (HEAD + ALL.replace("1793-08-10", "10th of August, 1793"), 16, 4, 4, True),
    "date, dots": (HEAD + ALL.replace("1793-08-10", "10.08.1793"), 16, 4, 4, True),
    "date, slashes": (HEAD + ALL.replace("1793-08-10", "8/10/1793"), 16, 4, 4, True),
    "date, Chinese": (HEAD + ALL.replace("1793-08-10", "1793年8月10日"), 16, 4, 4, True),
    "date, only the month": (HEAD + ALL.replace("1793-08-10", "August 1793"), 16, 4, 4, True),
    "date, only the year": (HEAD + ALL.replace("1793-08-10", "1793"), 15, 4, 3, False),
    "date where gold has a year": (HEAD + ALL.replace("1769", "1769-06-01"), 16, 4, 4, True),
    "wrong date": (HEAD + ALL.replace("1793-08-10", "1794-08-10"), 15, 4, 3, False),
    "column names in other case": (HEAD.upper() + ALL, 16, 4, 4, True),
    "column names with markup": (
        HEAD.replace("City", "**City**").replace("Opened", "_opened_") + ALL,
        16,
        4,
        4,
        True,
    ),
    "column name with a remark": (HEAD.replace("Visitors", "Visitors (2019)") + ALL, 16, 4, 4, True),
    "unknown column name": (HEAD.replace("City", "Town") + ALL, 12, 4, 0, False),
    "missing column": ("|Name|City|Opened|\n|-|-|-|\n|Louvre|Paris|1793-08-10|", 3, 1, 0, False),
    "key column alone": ("|Name|\n|-|\n|Louvre|\n|Prado|\n|Uffizi|\n", 3, 3, 0, False),
    "missing key column": ("|City|Opened|\n|-|-|\n|Paris|1793-08-10|", 0, 1, 0, False),
    "extra column": ("|Rank|Name|City|Opened|Visitors|\n|-|-|-|-|-|\n|1" + LOUVRE.strip(), 4, 1, 1, False),
    "duplicate column, first counts": ("|Name|City|City|\n|-|-|-|\n|Louvre|Paris|Lyon|", 2, 1, 0, False),
    "duplicate column, first wrong": ("|Name|City|City|\n|-|-|-|\n|Louvre|Lyon|Paris|", 1, 1, 0, False),
    "columns in another order": (
        "|City|Visitors|Name|Opened|\n|-|-|-|-|\n|Paris|8700000|Louvre|1793-08-10|",
        4,
        1,
        1,
        False,
    ),
    "blank row": (HEAD + LOUVRE + "| | | | |\n" + PRADO + UFFIZI + TAMAYO, 16, 4, 4, True),
    "repeated header": (HEAD + LOUVRE + HEAD + PRADO + UFFIZI + TAMAYO, 16, 4, 4, True),
    "ruling line between rows": (
        HEAD + LOUVRE + "|---|---|---|---|\n" + PRADO + UFFIZI + TAMAYO,
        16,
        4,
        4,
        True,
    ),
    "blank lines between rows": ((HEAD + ALL).replace("\n", "\n\n"), 16, 4, 4, True),
    "short row": (HEAD + "| Louvre | Paris |\n", 2, 1, 0, False),
    "long row": (HEAD + LOUVRE.strip() + " see the site |\n", 4, 1, 1, False),
    "no ruling line": (HEAD.splitlines()[0] + "\n" + ALL, 16, 4, 4, True),
    "unfinished last row": (HEAD + LOUVRE + "| Prado | Mad", 5, 2, 1, False),
    "cut off while thinking": (f"<think>{HEAD}{ALL}", 0, 0, 0, False),
}


@pytest.mark.parametrize(
    ("response", "right", "rows", "right_rows", "success"), CASES.values(), ids=CASES.keys()
)
def test_scores_of_hand_made_answers(
    response: str, right: int, rows: int, right_rows: int, success: bool
) -> None:
    score = score_response(response, TASK)
    assert score.precision_by_item == pytest.approx(right / (4 * rows) if rows else 0.0)
    assert score.recall_by_item == pytest.approx(right / 16)
    assert score.f1_by_item == pytest.approx(2 * right / (4 * rows + 16))
    assert score.precision_by_row == pytest.approx(right_rows / rows if rows else 0.0)
    assert score.recall_by_row == pytest.approx(right_rows / 4)
    assert score.f1_by_row == pytest.approx(2 * right_rows / (rows + 4))
    assert score.score == float(success)
    assert sum(cell.verdict == "right" for row in score.cells for cell in row.cells) == right
    assert len(score.cells) == 4
    assert len(score.extra_rows) + sum(row.predicted_row is not None for row in score.cells) == rows
    assert TableScore.from_dict(json.loads(json.dumps(score.to_dict()))) == score
    assert pickle.loads(pickle.dumps(score)) == score


def test_the_table_of_cases_is_large() -> None:
    assert len(CASES) >= 60


def _task(
    header: Sequence[str],
    rows: Sequence[Sequence[str]],
    keys: Sequence[str],
    specs: dict[str, ColumnSpec] | None = None,
) -> Task:
    gold = Table(tuple(header), tuple(map(tuple, rows)))
    return Task("t", "q", tuple(header), tuple(keys), gold, specs or {})


def test_the_verdict_matrix() -> None:
    response = "|name|city|visitors|\n|-|-|-|\n|Nobody|X|1|\n|PRADO|Seville|2456724|\n|Louvre||8700000|"
    score = score_response(response, TASK)
    louvre, prado, uffizi, _ = score.cells
    assert score.columns == ("Name", "City", "Opened", "Visitors")
    assert [cell.verdict for cell in louvre.cells] == ["right", "missing", "missing", "right"]
    assert [cell.verdict for cell in prado.cells] == ["right", "wrong", "missing", "right"]
    assert [cell.verdict for cell in uffizi.cells] == ["missing"] * 4
    assert (louvre.predicted_row, prado.predicted_row, uffizi.predicted_row) == (2, 1, None)
    assert prado.cells[1] == ("City", "wrong", "Seville", "Madrid")
    assert prado.gold_row == 1
    assert score.extra_rows == (("Nobody", "X", "", "1"),)
    assert "missing columns: Opened" in score.message
    assert "1 rows match no gold row" in score.message
    assert score.well_formed


def test_a_response_without_a_table_is_not_well_formed() -> None:
    score = score_response("I could not find it.", TASK)
    assert not score.well_formed
    assert score.f1_by_item == 0.0
    assert score.message == "the answer has no Markdown table"
    assert [cell.gold for cell in score.cells[0].cells] == list(GOLD.rows[0])


def test_chinese_headers() -> None:
    task = _task(["博物馆", "成立年份"], [["故宫博物院", "1925年"]], ["博物馆"])
    assert (
        score_response("｜\n| 博物馆 | 成立 年份 |\n|---|---|\n| **故宫博物院** | １９２５年 |", task).score
        == 1.0
    )


def test_column_names_are_found_after_normalisation() -> None:
    task = _task(["release_date", "Film Title", "Länge (min)"], [["1999", "Run", "81"]], ["Film Title"])
    assert (
        score_response("| FILM-TITLE | Release Date | lange |\n|-|-|-|\n| Run | 1999 | 81 |", task).score
        == 1.0
    )


def test_two_columns_that_differ_by_case_are_told_apart() -> None:
    task = _task(["key", "a", "A"], [["k", "1", "2"]], ["key"])
    assert score_response("| A | key | a |\n|-|-|-|\n| 2 | k | 1 |", task).score == 1.0


def test_a_remark_must_single_out_a_column() -> None:
    task = _task(["key", "size"], [["k", "1"]], ["key"])
    score = score_response("| key | size (m) | size (ft) |\n|-|-|-|\n| k | 1 | 1 |", task)
    assert score.recall_by_item == 0.5


def test_keys_of_two_columns() -> None:
    rows = [["Ann", "2001", "x"], ["Ann", "2002", "y"]]
    task = _task(["Name", "Year", "Prize"], rows, ["Name", "Year"])
    assert score_response("|Year|Name|Prize|\n|-|-|-|\n|2002|ann|y|\n|2001|ann|x|", task).score == 1.0


def test_a_part_of_the_key_is_enough_where_it_is_unique() -> None:
    rows = [["Ann", "2001", "x"], ["Ann", "2002", "y"], ["Bob", "2001", "z"]]
    task = _task(["Name", "Year", "Prize"], rows, ["Name", "Year"])
    score = score_response("|Name|Prize|\n|-|-|\n|Ann|x|\n|Ann|y|\n|Bob|z|", task)
    assert [row.predicted_row for row in score.cells] == [None, None, 2]
    assert [cell.verdict for cell in score.cells[2].cells] == ["right", "missing", "right"]


def test_typed_keys_are_aligned_by_value() -> None:
    specs = {"Day": ColumnSpec(("date_near",)), "Number": ColumnSpec(("number_near",), (), 0.5)}
    task = _task(["Day", "Number", "What"], [["2020-05-03", "1,000", "x"]], ["Day", "Number"], specs)
    assert score_response("|Day|Number|What|\n|-|-|-|\n|3 May 2020|1000.0|x|", task).score == 1.0
    assert score_response("|Day|Number|What|\n|-|-|-|\n|3 May 2020|1001|x|", task).recall_by_item == 0.0


def test_lenient_keys_must_be_unique() -> None:
    task = _task(["Name", "V"], [["Jose", "1"], ["José", "2"]], ["Name"])
    score = score_response("|Name|V|\n|-|-|\n|José|2|\n|Josè|1|", task)
    assert [row.predicted_row for row in score.cells] == [None, 0]


def test_gold_rows_with_one_key_are_paired_by_likeness() -> None:
    task = _task(["Name", "V"], [["Ann", "1"], ["ann", "2"], ["ANN", "3"]], ["Name"])
    assert score_response("|Name|V|\n|-|-|\n|Ann|3|\n|Ann|1|\n|Ann|2|", task).score == 1.0
    many = _task(["Name", "V"], [["Ann", str(number)] for number in range(100)], ["Name"])
    assert many.gold is not None
    assert score_response(many.gold.to_markdown(), many).score == 1.0


def test_an_empty_gold_table() -> None:
    task = _task(["A", "B"], [], ["A"])
    right = score_response("|A|B|\n|-|-|", task)
    assert (right.score, right.f1_by_item, right.f1_by_row, right.cells) == (1.0, 1.0, 1.0, ())
    wrong = score_response("|A|B|\n|-|-|\n|1|2|", task)
    assert (wrong.score, wrong.f1_by_item, wrong.precision_by_item) == (0.0, 0.0, 0.0)
    assert score_response("no such rows", task).score == 0.0


def test_only_the_tasks_columns_count() -> None:
    gold = Table(("A", "B", "C"), (("1", "2", "3"),))
    task = Task("t", "q", ("B", "A"), ("A",), gold)
    score = score_response("|A|B|C|\n|-|-|-|\n|1|2|wrong|", task)
    assert score.score == 1.0
    assert score.columns == ("B", "A")


def test_url_columns_read_the_address_behind_the_text() -> None:
    task = _task(["A", "Site"], [["1", "https://example.org"]], ["A"], {"Site": ColumnSpec(("url_match",))})
    score = score_response("|A|Site|\n|-|-|\n|1|[home page](http://www.example.org/en)|", task)
    assert score.score == 1.0
    assert score.cells[0].cells[1].predicted == "home page"


class Recorder:
    """A judge that says yes to everything and remembers what it was asked."""

    name = "recorder-1"

    def __init__(self, verdicts: int | None = None) -> None:
        self.asked: list[tuple[str, str, list[tuple[str, str]]]] = []
        self.verdicts = verdicts

    def judge(self, column: str, criterion: str, pairs: Sequence[tuple[str, str]]) -> list[bool]:
        self.asked.append((column, criterion, list(pairs)))
        return [True] * (len(pairs) if self.verdicts is None else self.verdicts)


JUDGED = _task(
    ["Key", "About", "Why"],
    [["1", "a painter", "x"], ["2", "a poet", "y"], ["3", "a saint", ""], ["4", "a king", "w"]],
    ["Key"],
    {
        "About": ColumnSpec(("llm_judge",), (), "Same profession?"),
        "Why": ColumnSpec(("llm_judge", "in_match")),
    },
)
JUDGED_ANSWER = "|Key|About|Why|\n|-|-|-|\n|1|**artist**|xx|\n|2|A POET|y|\n|3|||\n|9|?|?|"


def test_a_judge_is_asked_once_a_column_and_only_where_it_matters() -> None:
    judge = Recorder()
    score = score_response(JUDGED_ANSWER, JUDGED, judge)
    assert judge.asked == [("About", "Same profession?", [("artist", "a painter")])]
    assert [row.cells[1].verdict for row in score.cells] == ["right", "right", "missing", "missing"]
    assert [row.cells[2].verdict for row in score.cells] == ["wrong", "right", "right", "missing"]
    assert score.judge == "recorder-1"


def test_the_offline_judge_is_the_default_and_is_named() -> None:
    score = score_response(JUDGED_ANSWER, JUDGED)
    assert score.judge.startswith("offline-2")
    assert score.cells[0].cells[1].verdict == "wrong"
    assert score_response(HEAD + ALL, TASK).judge == ""


def test_a_judge_that_breaks_its_protocol_is_an_error() -> None:
    with pytest.raises(WideSeekError, match=r"recorder-1 gave 3 verdicts for 1 pairs"):
        score_response(JUDGED_ANSWER, JUDGED, Recorder(verdicts=3))


def test_from_dict_refuses_what_is_no_score() -> None:
    good = score_response(HEAD + ALL, TASK).to_dict()
    bad: list[dict[str, object]] = [
        {},
        {**good, "score": "high"},
        {**good, "unknown": 1},
        {**good, "cells": [{"gold_row": 0}]},
        {**good, "columns": ["A"]},
        {**good, "cells": [{"gold_row": 0, "predicted_row": 0, "cells": [["maybe", "", ""]] * 4}]},
    ]
    for data in bad:
        with pytest.raises(TrajectoryError):
            TableScore.from_dict(data)


DEPTH = Task("d", "Who?", answers=("Ada Lovelace", "Lovelace"))

SHORT = {
    "boxed": (r"It is \boxed{Ada Lovelace}.", True),
    "boxed among other text": (r"Not \boxed{Babbage} but \boxed{ada  lovelace} then", True),
    "boxed, last wrong": (r"\boxed{Ada Lovelace} or \boxed{Babbage}", False),
    "boxed TeX": (r"$\boxed{\text{Ada Lovelace}}$", True),
    "boxed braces": (r"\boxed{{Ada} {Lovelace}}", False),
    "boxed, cut off": (r"\boxed{Lovelace", True),
    "boxed empty": (r"Lovelace \boxed{}", False),
    "whole text": ("Lovelace", True),
    "last line": ("I searched for long.\n\n**Ada Lovelace**\n", True),
    "last line with a lead": ("So:\nFinal answer: Ada Lovelace.", True),
    "last line with a sentence": ("The answer is **Lovelace**.", True),
    "Chinese lead": ("答案是：Lovelace", True),
    "not the last line": ("Lovelace\nor someone else", False),
    "inside a sentence": ("It was Ada Lovelace who wrote it", False),
    "thinking": ("<think>Babbage?</think>Lovelace", True),
    "only thinking": ("<think>Lovelace", False),
    "empty": ("", False),
    "other": ("Babbage", False),
}


@pytest.mark.parametrize(("response", "right"), SHORT.values(), ids=SHORT.keys())
def test_short_answers(response: str, right: bool) -> None:
    score = score_response(response, DEPTH)
    value = float(right)
    measures = (score.score, score.precision_by_row, score.recall_by_row, score.f1_by_row)
    assert (*measures, score.precision_by_item, score.recall_by_item, score.f1_by_item) == (value,) * 7
    assert (score.cells[0].cells[0].verdict == "right") is right
    assert TableScore.from_dict(score.to_dict()) == score


def test_a_short_answer_of_braces_ends() -> None:
    assert score_response("\\boxed{" + "{" * 500_000, DEPTH).score == 0.0
    assert score_response("answer " * 100_000, DEPTH).score == 0.0
    assert not score_response("<think>", DEPTH).well_formed


def test_depth_tasks_have_no_table_to_score() -> None:
    with pytest.raises(TaskError, match="no gold table"):
        score_table(parse_table(HEAD + ALL), DEPTH)


@pytest.mark.parametrize(
    "piece", ["1", "1,", "1 234 ", "may 3 ", "[1]", "a. ", "(", "-", '"', "北京", "é ", "5%", "www.", "&"]
)
def test_a_huge_cell_ends(piece: str) -> None:
    """Anything quadratic would take hours here."""
    cell = piece * (200_000 // len(piece))
    every = ColumnSpec(("llm_judge", "number_near", "date_near", "url_match", "in_match"))
    for spec in (every, ColumnSpec(("llm_judge",)), ColumnSpec(("in_match",)), ColumnSpec(("url_match",))):
        task = _task(["A", "B"], [["1", "Paris 1990"]], ["A"], {"B": spec})
        assert score_response(f"|A|B|\n|-|-|\n|1|{cell}|\n|{cell}|x|", task).recall_by_item == 0.5


# The WideSearch benchmark writes required columns in lower case and without spaces.
COLUMN_FORMS = [
    ("theconcert'senglishname", "the Concert's English Name"),
    ("theconcert'senglishname", "The Concert’s English Name"),
    ("theconcert'senglishname", "THE CONCERT'S ENGLISH NAME"),
    ("theconcert'senglishname", "The  Concert's   English\u00a0Name"),
    ("theconcert'senglishname", "the_concert's_english_name"),
    ("theconcert'senglishname", "**The Concert's English Name:**"),
    ("theconcert'senglishname", "The Concert&#39;s English&nbsp;Name"),
    ("theconcert'senglishname", "Ｔｈｅ Ｃｏｎｃｅｒｔ＇ｓ Ｅｎｇｌｉｓｈ Ｎａｍｅ"),
    ("theconcert'senglishname", "Concert's English Name"),
    ("theconcert'senglishname", "The Concert's English Name (official)"),
    ("theconcert'senglishname", "The Concert's English Name [note 1]"),
    ("theconcert'senglishname", "The Concerts English Name."),
    ("anaward", "An Award"),
    ("analbumtitle", "Album Title"),
    ("acity", "a City"),
    ("the City", "City"),
    ("City", "The City"),
    ("An Artist", "artist"),
    ("thearea(km²)", "The Area【km2】"),
    ("thearea(km²)", "Area"),
    ("area", "The Area, (km²)"),
    ("area", "the Area¹"),
    ("thename", "`The Name`"),
    ("the", "The"),
]


@pytest.mark.parametrize(("required", "written"), COLUMN_FORMS)
def test_a_column_is_found_in_every_spelling(required: str, written: str) -> None:
    task = _task(["key", required], [["1", "x"]], ["key"])
    assert score_response(f"| Key | {written} |\n|---|---|\n| 1 | x |", task).score == 1.0
    as_key = _task([required, "value"], [["1", "x"]], [required])
    assert score_response(f"| {written} | Value |\n|---|---|\n| 1 | x |", as_key).score == 1.0


@pytest.mark.parametrize(
    ("required", "written"),
    [
        ("theme", "Me"),
        ("award", "Ward"),
        ("answer", "Swer"),
        ("the City", "the Country"),
        ("City", "City, Town"),
    ],
)
def test_another_column_is_not_found(required: str, written: str) -> None:
    task = _task(["key", required], [["1", "x"]], ["key"])
    assert score_response(f"| Key | {written} |\n|---|---|\n| 1 | x |", task).missing_columns == (required,)


def test_a_column_without_its_article_must_be_the_only_one() -> None:
    task = _task(["key", "thename"], [["1", "x"]], ["key"])
    answer = "| Key | Name | Name |\n|---|---|---|\n| 1 | x | y |"
    assert score_response(answer, task).missing_columns == ("thename",)
    both = _task(["name", "thename"], [["1", "x"]], ["name"])
    assert score_response("| The Name | Name |\n|---|---|\n| x | 1 |", both).score == 1.0


@pytest.mark.parametrize(
    ("row", "answered"),
    [
        *[
            ("| **Spain** | | | |", 4),
            ("| Spain |", 4),
            ("| ... | ... | ... | ... |", 4),
            ("| 1990s | | | |", 4),
        ],
        *[("| Spain | | | |", 5), ("| **Thyssen** | **Madrid** | | |", 5), ("| [Thyssen](u) | | | |", 5)],
    ],
)
def test_a_remark_between_rows_is_no_extra_row(row: str, answered: int) -> None:
    score = score_response(HEAD + LOUVRE + row + "\n" + PRADO + UFFIZI + TAMAYO, TASK)
    assert score.precision_by_row == 4 / answered
    assert len(score.extra_rows) == answered - 4


@pytest.mark.parametrize(
    "row", ["| **{}** | | | |", "| {} |", "| ({}) | | | |", "| **{0}** | **{0}** | **{0}** | **{0}** |"]
)
@pytest.mark.parametrize("guess", ["Prado", "Spain"])
def test_a_key_in_a_heading_is_not_paid(row: str, guess: str) -> None:
    """A wrong guess there costs nothing, so a right one is worth nothing."""
    with_guess = score_response(HEAD + LOUVRE + row.format(guess) + "\n" + UFFIZI + TAMAYO, TASK)
    assert with_guess.f1_by_item == score_response(HEAD + LOUVRE + UFFIZI + TAMAYO, TASK).f1_by_item
    assert with_guess.extra_rows == ()


def test_a_heading_that_is_a_gold_row_makes_all_headings_rows() -> None:
    rows = [["Europe", ""], ["Louvre", "Paris"], ["Total", "1"]]
    task = _task(["Name", "City"], rows, ["Name"])
    answer = "| Name | City |\n|---|---|\n| **Europe** | |\n| Louvre | Paris |\n| **Total** | 1 |\n"
    assert score_response(answer, task).score == 1.0
    more = score_response(f"{answer}| **Asia** | |\n", task)
    assert more.extra_rows == (("Asia", ""),), "a list of guesses is not free"
