"""Answers in forms that Markdown does not know, but that a person reads without doubt."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from wideseek_env.scoring import score_response
from wideseek_env.scoring.broken_rows import whole_rows
from wideseek_env.scoring.tables import parse_table
from wideseek_env.task import Table, Task

COLUMNS = ("Museum", "City", "Annual Visitors")
ROWS = (
    ("Louvre", "Paris", "8,700,000"),
    ("Prado", "Madrid", ""),
    ("Uffizi", "Florence", "4,000,000"),
    ("Tate Modern", "London", "5,900,000"),
)
TASK = Task("museums", "q", COLUMNS, COLUMNS[:1], Table(COLUMNS, ROWS))
CHINESE = Task(
    *("zh", "q", ("名称", "城市"), ("名称",)),
    Table(("名称", "城市"), (("故宫博物院", "北京"), ("上海博物馆", "上海"))),
)
HEADER, RULE, *LINES = TABLE = TASK.gold.to_markdown().split("\n")  # type: ignore[union-attr]
BARE = [line.strip("| ") for line in (HEADER, LINES[0], *LINES[2:])]
BARE_TASK = Task("bare", "q", COLUMNS, COLUMNS[:1], Table(COLUMNS, (ROWS[0], *ROWS[2:])))


def with_rule(rule: str) -> str:
    return "\n".join([HEADER, rule, *LINES])


def with_row(row: str) -> str:
    return "\n".join([*TABLE[:4], row, *TABLE[4:]])


RULES = {
    "full-width dashes": "|－－－|－－－|－－－|",
    "full-width colons": "|：---：|：---：|：---：|",
    "full-width signs": "｜－－－｜－－－｜－－－｜",
    "minus signs": "|−−−|−−−|−−−|",
    "long vowel marks": "|ーーー|ーーー|ーーー|",
    "light dashes": "|┄┄┄|┄┄┄|┄┄┄|",
    "spaces between dashes": "| - - - | - - - | - - - |",
    "spaces and colons": "| : --- : | : --- : | : --- : |",
    "escapes": r"|\-\-\-|\-\-\-|\-\-\-|",
    "bold": "|**---**|**---**|**---**|",
    "code": "|`---`|`---`|`---`|",
    "zero-width spaces": "|---\u200b|---\u200b|---\u200b|",
    "no-break spaces": "|\u00a0---\u00a0|\u00a0---\u00a0|\u00a0---\u00a0|",
    "a backslash": "|---|---|---| \\",
    "a tab and a number": "2\t|---|---|---|",
    "a number in brackets": "[2] |---|---|---|",
    "an arrow": "     2→|---|---|---|",
    "a heavy frame": "┡━━━╇━━━╇━━━┩",
    "a label": "assistant: |---|---|---|",
    "a key of JSON": '"row 2": "|---|---|---|",',
    "a round frame": "├───┼───┼───┤",
}


@pytest.mark.parametrize("rule", RULES.values(), ids=RULES)
def test_alignment_rows(rule: str) -> None:
    assert score_response(with_rule(rule), TASK).score == 1.0


ROWS_BETWEEN = {
    "blank entities": "| &nbsp; | &nbsp; | <br> |",
    "the header in bold": "| **Museum** | **City** | **Annual Visitors** |",
    "the header in capitals": "| MUSEUM | CITY | ANNUAL VISITORS |",
    "a heading in all cells": "| **Europe** | **Europe** | **Europe** |",
    "a heading after a sign": "| 🇪🇺 **Europe** | | |",
    "a total": "| **Total** | | **21,056,724** |",
    "a subtotal": "| Subtotal (Europe) | 4 | 21,056,724 |",
    "an average": "| _Average_: | | 5,000,000 |",
    "a Chinese total": "| 合计 | 4 | 21,056,724 |",
    "a source": "| Source: Wikipedia | | |",
    "a Chinese source": "| 数据来源：官网 | | |",
    "a note": "| Note: figures for 2023 | | |",
    "a key of YAML": "notes: |",
    "a legend": "Legend: | * | estimate |",
    "a note with pipes": "**Note** — I used A | B | C.",
    "a note of the width": "Data sources: A | B | C",
    "a Chinese note": "以上数据来自：官网 | 维基 | 其他。",
    "a numbered source": "1. Louvre | l.fr | 2023",
    "a source in brackets": "[1] Louvre | l.fr | 2023",
    "a footnote": "[^1]: Louvre | l.fr | 2023",
    "an address": "https://x.org/a|b|c",
    "a row of names": "Columns: Museum | City | Annual Visitors",
}


@pytest.mark.parametrize("row", ROWS_BETWEEN.values(), ids=ROWS_BETWEEN)
def test_rows_that_are_no_rows(row: str) -> None:
    assert score_response(with_row(row), TASK).score == 1.0


@pytest.mark.parametrize(
    "row", ["| Totals Gallery | | 7 |", "| **Europe** | Europe | |", "| ? | ? | ? |", "| City | Museum | x |"]
)
def test_rows_that_are_wrong(row: str) -> None:
    assert len(score_response(with_row(row), TASK).extra_rows) == 1


def named(change: Callable[[str], str]) -> Callable[[Task], str]:
    def answer(task: Task) -> str:
        assert task.gold is not None
        rows = task.gold.to_markdown().split("\n")[1:]
        return "\n".join(["| " + " | ".join(map(change, task.columns)) + " |", *rows])

    return answer


NAMES: dict[str, Callable[[str], str]] = {
    "a hash sign": lambda name: f"# {name}",
    "a centred name": lambda name: f"<center>{name}</center>",
    "a raised tag": lambda name: f"{name}<sup>1</sup>",
    "a header tag": lambda name: f"<th>{name}</th>",
    "a number": lambda name: f"1. {name}",
    "a Chinese number": lambda name: f"1、{name}",
    "LaTeX": lambda name: f"\\textbf{{{name}}}",
    "LaTeX in LaTeX": lambda name: f"$\\text{{\\textbf{{{name}}}}}$",
    "a unit after a comma": lambda name: f"{name}, km²",
    "a unit in words": lambda name: f"{name}, in millions",
    "a unit after a dash": lambda name: f"{name} – %",
    "a possessive": lambda name: f"{name}'s",
}


@pytest.mark.parametrize("change", NAMES.values(), ids=NAMES)
def test_names(change: Callable[[str], str]) -> None:
    for task in (TASK, CHINESE):
        assert score_response(named(change)(task), task).score == 1.0


@pytest.mark.parametrize(
    ("required", "written"),
    [
        ("Museum", "Museums"),
        ("City", "Cities"),
        ("Museum's Name", "Museum Name"),
        ("the concert's english name", "Concert English Name"),
        ("theconcert'senglishname", "Concert English Name"),
        ("Name", "Name / 名称"),
        ("名称", "Name / 名称"),
        ("名称", "Name（名称）"),
        ("Name", "名称 (Name)"),
        ("Name", "名称<br>Name"),
    ],
)
def test_names_in_another_form(required: str, written: str) -> None:
    task = Task("t", "q", (required,), (required,), Table((required,), (("1",), ("2",))))
    assert score_response(f"| {written} |\n|---|\n| 1 |\n| 2 |", task).score == 1.0


@pytest.mark.parametrize(
    ("required", "written"),
    [
        ("City", "City / Town"),
        ("City", "City, Town"),
        ("City", "City – Country"),
        ("City", "Town (City)"),
        ("Class", "Clas"),
        ("Bus", "Bu"),
        ("2. Place", "3. Placed"),
    ],
)
def test_names_of_other_columns(required: str, written: str) -> None:
    task = Task("t", "q", (required,), (required,), Table((required,), (("1",), ("2",))))
    assert score_response(f"| {written} |\n|---|\n| 1 |\n| 2 |", task).missing_columns == (required,)


def test_of_two_columns_that_fit_equally_none_is_taken() -> None:
    header = "| Museum | Cities | City's | Annual Visitors |\n|---|---|---|---|\n"
    assert score_response(f"{header}| Louvre | Lyon | Paris | 1 |", TASK).missing_columns == ("City",)


ON_ONE_LINE = {
    "spaces": " ".join(TABLE),
    "nothing": "".join(TABLE),
    "HTML breaks": "<br>".join(TABLE),
    "HTML breaks in a box": "\\boxed{" + " <br/> ".join(TABLE) + "}",
    "a Python list": repr(TABLE),
    "a JSON list": '{"rows": ["' + '", "'.join(TABLE) + '"]}',
    "semicolons": "；".join(TABLE),
    "LaTeX breaks": " \\\\ ".join(TABLE),
    "a sentence": "The table: " + " ".join(TABLE) + " That is all.",
    "carriage returns": "\r".join(TABLE),
    "line separators": "\u2028".join(TABLE),
    "vertical tabs": "\x0b".join(TABLE),
}


@pytest.mark.parametrize("answer", ON_ONE_LINE.values(), ids=ON_ONE_LINE)
def test_all_rows_on_one_line(answer: str) -> None:
    sources = "\n\n| Source | URL |\n|---|---|\n| a | b |"
    assert score_response(answer, TASK).score == 1.0
    if not {"\u2028", "\x0b"} & set(answer):
        assert score_response(answer + sources, TASK).score == 1.0


def test_rows_on_one_line_with_different_signs_between_them_are_no_table() -> None:
    line = f"{HEADER} {RULE} {LINES[0]} x {LINES[1]}"
    assert score_response(line, TASK).well_formed is False


SPELLED = {
    "decimal entities": "\n".join(TABLE).replace("|", "&#124;"),
    "hexadecimal entities": "\n".join(TABLE).replace("|", "&#x7C;"),
    "named entities": "\n".join(TABLE).replace("|", "&vert;"),
    "escaped pipes": "\n".join(TABLE).replace("|", "\\|"),
    "JSON letters": "\n".join(TABLE).replace("|", "\\u007c"),
}


@pytest.mark.parametrize("answer", SPELLED.values(), ids=SPELLED)
def test_pipes_in_another_spelling(answer: str) -> None:
    assert score_response(answer, TASK).score == 1.0


BROKEN = {
    "after each pipe": "\n".join([HEADER, RULE, *[f"| {row[0]} |\n{row[1]} |\n{row[2]} |" for row in ROWS]]),
    "after one pipe": with_rule(RULE).replace("| Uffizi | ", "| Uffizi |\n"),
    "before one pipe": with_rule(RULE).replace("| Uffizi | ", "| Uffizi\n| "),
    "in the key": with_rule(RULE).replace("Tate Modern", "Tate\nModern"),
    "in a later cell": with_rule(RULE).replace("4,000,000", "\n4,000,000"),
    "in the last cell": with_rule(RULE).replace("8,700,000", "8,700,000\n[1]"),
    "over four lines": with_rule(RULE).replace(
        "Uffizi | Florence | 4,000,000", "Uffizi\n|\nFlorence\n| 4,000,000"
    ),
    "before the last pipe": with_rule(RULE).replace("4,000,000 |", "4,000,000\n|"),
}


@pytest.mark.parametrize("answer", BROKEN.values(), ids=BROKEN)
def test_broken_rows(answer: str) -> None:
    assert score_response(answer, TASK).score == 1.0


@pytest.mark.parametrize(
    "rows",
    [
        ["| a", "| b"],
        ["| a |", "| b | c | d |"],
        ["| a | b | c |", "d | e |"],
        ["| a |", "b | c | d |"],
        ["| a", "", "| b | c |"],
        ["| a", "text", "text | b"],
        ["| a | b | c", "notes: |"],
        ["| a | b | c", "| d | e | f"],
    ],
)
def test_other_rows_are_not_joined(rows: list[str]) -> None:
    lines = ["| A | B | C |", "|---|---|---|", *rows]
    assert whole_rows(lines) == lines


@pytest.mark.parametrize("rule", ["---", "=" * 40, "─" * 20])
def test_a_line_of_dashes_without_pipes(rule: str) -> None:
    answer = "\n".join([BARE[0], rule, *BARE[1:]])
    assert score_response(answer, BARE_TASK).score == 1.0
    assert parse_table(f"A | B\n{rule}\ntext").table is None


GUESSES = {
    "two tables": "\n\nOr:\n\n" + "\n".join([HEADER, RULE, *LINES[2:]]),
    "headings": "\n| **Uffizi** | | |\n| **Tate Modern** | | |",
    "a heading in all cells": "\n| **Uffizi** | **Uffizi** | **Uffizi** |",
    "brackets": "\n| (Uffizi) | | |",
    "a source": "\n| Source: Uffizi | | |",
    "a key again": "\n| Louvre | Lyon | 1 |",
    "a total": "\n| Total (Uffizi) | Florence | 4,000,000 |",
}


@pytest.mark.parametrize("more", GUESSES.values(), ids=GUESSES)
def test_guesses_are_not_paid(more: str) -> None:
    half = "\n".join(TABLE[:4])
    assert score_response(half + more, TASK).f1_by_item <= score_response(half, TASK).f1_by_item


DEPTH = Task("d", "Who?", answers=("Ada Lovelace",))


@pytest.mark.parametrize(
    "answer",
    [
        "\\boxed{\\text{\\textbf{Ada Lovelace}}}",
        "\\boxed {Ada Lovelace}",
        "\\fbox{Ada Lovelace}",
        "\\boxed{Answer: Ada Lovelace}",
        "<answer>Ada Lovelace</answer>",
        "<answer>\nAda Lovelace\n</answer>",
        "<final_answer>**Ada Lovelace**</final_answer>",
        "Ada Lovelace<|im_end|>",
        "```text\nAda Lovelace\n```",
        "- Ada Lovelace",
        "> Ada Lovelace",
        "# Ada Lovelace",
        '{"answer": "Ada Lovelace"}',
        "【答案】Ada Lovelace",
        "答：Ada Lovelace",
        "Ada Lovelace\n\n---",
    ],
)
def test_short_answers(answer: str) -> None:
    assert score_response(answer, DEPTH).score == 1.0
    assert score_response(answer.replace("Ada", "Eda"), DEPTH).score == 0.0


@pytest.mark.parametrize(
    "answer",
    [
        "\\boxed{Ada Lovelace} \\boxed{}",
        "\\boxed{Ada Lovelace} or \\fbox{Babbage}",
        "<answer>Ada Lovelace</answer><answer>Babbage</answer>",
        "<answer>Ada Lovelace</answer>\n<answer>Babbage</answer>",
        "Ada Lovelace\nBabbage\n```",
        '{"answer": "Ada Lovelace", "other": "Babbage"}',
        "- Ada Lovelace\n- Babbage",
    ],
)
def test_several_short_answers(answer: str) -> None:
    assert score_response(answer, DEPTH).score == 0.0
