"""Finding and reading the answer's table."""

from __future__ import annotations

import pytest

from wideseek_env.scoring.markup import link_targets, plain_text
from wideseek_env.scoring.tables import MAX_COLUMNS, MAX_ROWS, parse_table, split_row, strip_thinking
from wideseek_env.task import Table

AB = (("A", "B"), (("1", "2"), ("3", "4")))

FOUND = {
    "plain": ("| A | B |\n| --- | --- |\n| 1 | 2 |\n| 3 | 4 |", AB),
    "fence with language": ("```markdown\n| A | B |\n|---|---|\n| 1 | 2 |\n| 3 | 4 |\n```", AB),
    "fence md": ("Here it is:\n```md\n| A | B |\n|---|---|\n| 1 | 2 |\n| 3 | 4 |\n```\nBye.", AB),
    "bare fence": ("```\n| A | B |\n|---|---|\n| 1 | 2 |\n| 3 | 4 |\n```", AB),
    "unclosed fence": ("```markdown\n| A | B |\n|---|---|\n| 1 | 2 |\n| 3 | 4 |", AB),
    "fence on the header's line": ("```markdown | A | B |\n|---|---|\n| 1 | 2 |\n| 3 | 4 |```", AB),
    "no outer pipes": ("A | B\n--- | ---\n1 | 2\n3 | 4", AB),
    "alignment colons": ("|A|B|\n|:--|:-:|\n|1|2|\n|3|4|", AB),
    "one dash": ("|A|B|\n|-|-|\n|1|2|\n|3|4|", AB),
    "em dashes": ("|A|B|\n|——|——|\n|1|2|\n|3|4|", AB),
    "org mode": ("| A | B |\n|---+---|\n| 1 | 2 |\n| 3 | 4 |", AB),
    "equals signs": ("| A | B |\n|===|===|\n| 1 | 2 |\n| 3 | 4 |", AB),
    "ruling line of another width": ("| A | B |\n|---|\n| 1 | 2 |\n| 3 | 4 |", AB),
    "no ruling line": ("| A | B |\n| 1 | 2 |\n| 3 | 4 |", AB),
    "no ruling line, no outer pipes": ("Result:\n\nA | B\n1 | 2\n3 | 4\n\nDone.", AB),
    "ruled on both sides": ("|---|---|\n| A | B |\n|---|---|\n| 1 | 2 |\n| 3 | 4 |", AB),
    "windows line ends": ("| A | B |\r\n|---|---|\r\n| 1 | 2 |\r\n| 3 | 4 |\r\n", AB),
    "indented": ("   | A | B |\n   |---|---|\n   | 1 | 2 |\n   | 3 | 4 |", AB),
    "quoted": ("> | A | B |\n> |---|---|\n> | 1 | 2 |\n> | 3 | 4 |", AB),
    "prose around": ("I found:\n| A | B |\n|---|---|\n| 1 | 2 |\n| 3 | 4 |\nThat is all.", AB),
    "prose with a pipe before": ("columns: A | B\n| A | B |\n|---|---|\n| 1 | 2 |\n| 3 | 4 |", AB),
    "prose with a pipe after": ("| A | B |\n|---|---|\n| 1 | 2 |\n| 3 | 4 |\nsee x | y", AB),
    "blank lines between rows": ("| A | B |\n|---|---|\n\n| 1 | 2 |\n\n| 3 | 4 |", AB),
    "last of two": (
        "| X | Y |\n|---|---|\n| 9 | 9 |\n\nFinal:\n\n| A | B |\n|---|---|\n| 1 | 2 |\n| 3 | 4 |",
        AB,
    ),
    "last of two fences": ("```\n|X|\n|-|\n|9|\n```\n```\n|A|B|\n|-|-|\n|1|2|\n|3|4|\n```", AB),
    "pipes in prose after": ("| A | B |\n|---|---|\n| 1 | 2 |\n| 3 | 4 |\n\nSources: a | b\nc | d", AB),
    "thinking before": (
        "<think>\n| X | Y |\n|---|---|\n</think>\n| A | B |\n|---|---|\n| 1 | 2 |\n| 3 | 4 |",
        AB,
    ),
    "thinking after": ("| A | B |\n|---|---|\n| 1 | 2 |\n| 3 | 4 |\n<think>|X|\n|-|\n|1|</think>", AB),
    "short row": ("| A | B |\n|---|---|\n| 1 |", (("A", "B"), (("1", ""),))),
    "long row": ("| A | B |\n|---|---|\n| 1 | 2 | 3 |", (("A", "B"), (("1", "2"),))),
    "row without its last pipe": ("| A | B |\n|---|---|\n| 1 | 2\n| 3 | 4 |", AB),
    "escaped pipe": (r"| A | B |" "\n|---|---|\n" r"| x\|y | 2 |", (("A", "B"), (("x|y", "2"),))),
    "escaped pipe at the end": ("| A | B |\n|---|---|\n" r"| 1 | x\| |", (("A", "B"), (("1", "x|"),))),
    "backslash before an escaped pipe": ("| A |\n|---|\n" r"| x\\|y |", (("A",), (("x\\|y",),))),
    "empty cells": ("| A | B |\n|---|---|\n|  | 2 |\n| | |", (("A", "B"), (("", "2"), ("", "")))),
    "header only": ("| A | B |\n|---|---|", (("A", "B"), ())),
    "one column": ("| A |\n|---|\n| 1 |", (("A",), (("1",),))),
    "missing header": ("|  | B |\n|---|---|\n| 1 | 2 |", (("", "B"), (("1", "2"),))),
    "duplicate headers": ("| A | A |\n|---|---|\n| 1 | 2 |", (("A", "A"), (("1", "2"),))),
    "Chinese": ("| 名称 | 年份 |\n|---|---|\n| 故宫 | 1420年 |", (("名称", "年份"), (("故宫", "1420年"),))),
    "line break": ("| A |\n|---|\n| x<br>y<br/>z |", (("A",), (("x y z",),))),
    "markup": ("| **A** | `B` |\n|---|---|\n| _x_ | [y](http://z) |", (("A", "B"), (("x", "y"),))),
    "row of dashes is a row": ("| A | B |\n|---|---|\n| - | - |", (("A", "B"), (("-", "-"),))),
    "row of dashes without a ruling line": (
        "| A | B |\n| 1 | 2 |\n| - | - |",
        (("A", "B"), (("1", "2"), ("-", "-"))),
    ),
    "thinking tag in a cell": ("| A |\n|---|\n| <think> |\n| y |", (("A",), (("<think>",), ("y",)))),
}


@pytest.mark.parametrize(("text", "expected"), FOUND.values(), ids=FOUND.keys())
def test_a_table_is_found(text: str, expected: tuple[tuple[str, ...], tuple[tuple[str, ...], ...]]) -> None:
    table = parse_table(text).table
    assert table is not None
    assert (table.header, table.rows) == expected


NOT_FOUND = {
    "empty": "",
    "prose": "There are three museums: X, Y and Z.",
    "one pipe": "either a | b",
    "one line": "| A | B |",
    "a setext heading": "A | B\n---\ntext",
    "unequal pipe lines": "a | b\nc | d | e",
    "cut off while thinking": "<think>I draft\n| A | B |\n|---|---|\n| 1 | 2 |",
    "only drafted": "<think>\n| A | B |\n|---|---|\n| 1 | 2 |\n</think>\nSorry.",
    "thought begun in the prompt": "| A | B |\n|---|---|\n| 1 | 2 |\n</think>\nSorry.",
    "only a rule": "|---|",
}


@pytest.mark.parametrize("text", NOT_FOUND.values(), ids=NOT_FOUND.keys())
def test_there_is_no_table(text: str) -> None:
    parsed = parse_table(text)
    assert parsed.table is None
    assert parsed.raw is None
    assert parsed.notes == ("the answer has no Markdown table",)


@pytest.mark.parametrize(
    ("text", "note"),
    [
        ("| A | B |\n|---|---|\n| 1 |\n| 2 |", "2 rows have fewer cells"),
        ("| A | B |\n|---|---|\n| 1 | 2 | 3 |", "1 rows have more cells"),
        ("| A | B |\n| 1 | 2 |", "no alignment row"),
        ("| A |\n|---|\n| 1 |\nx | y", "text after the table"),
        ("|A" * (MAX_COLUMNS + 1) + "|\n|---|\n| 1 |", f"only the first {MAX_COLUMNS}"),
        ("| A |\n|---|\n" + "| 1 |\n" * (MAX_ROWS + 1), f"only the first {MAX_ROWS}"),
    ],
)
def test_repairs_are_noted(text: str, note: str) -> None:
    assert note in " ".join(parse_table(text).notes)


def test_a_sound_table_has_no_notes_and_empty_surplus_cells_are_no_fault() -> None:
    assert parse_table("| A | B |\n|---|---|\n| 1 | 2 | |").notes == ()


def test_raw_cells_keep_their_links() -> None:
    parsed = parse_table("| A |\n|---|\n| [site](https://a.org/x_(y)) |")
    assert parsed.raw is not None
    assert parsed.table is not None
    assert parsed.table.rows == (("site",),)
    assert link_targets(parsed.raw.rows[0][0]) == ("https://a.org/x_(y)",)


@pytest.mark.parametrize(
    ("cell", "text"),
    [
        ("**bold**", "bold"),
        ("***both***", "both"),
        ("__bold__ and _it_", "bold and it"),
        ("`code`", "code"),
        ("``a`b``", "``a`b``"),
        ("[text](https://x.org)", "text"),
        ('[text](https://x.org "title")', "text"),
        ("![alt](pic.png)", "alt"),
        ("**[text](https://x.org)**", "text"),
        ("<https://x.org>", "https://x.org"),
        ("CO<sub>2</sub>", "CO2"),
        ("a<br />b", "a b"),
        ("R&amp;D", "R&D"),
        ("~~gone~~", "gone"),
        (r"5\*", "5*"),
        ("snake_case_name", "snake_case_name"),
        ("2*3*4", "2*3*4"),
        ("5 * 3 * 2", "5 * 3 * 2"),
        ("a < b > c", "a < b > c"),
        ("  a \t b ", "a b"),
        ("[1]", "[1]"),
        ("*", "*"),
    ],
)
def test_plain_text(cell: str, text: str) -> None:
    assert plain_text(cell) == text


@pytest.mark.parametrize(
    ("cell", "target"),
    [
        ("[a](https://x.org)", "https://x.org"),
        ("<https://x.org/a>", "https://x.org/a"),
        ("see https://x.org/a.", "https://x.org/a"),
        ("(https://x.org)", "https://x.org"),
        ("https://en.wikipedia.org/wiki/A_(b)", "https://en.wikipedia.org/wiki/A_(b)"),
        ("no address", None),
        ("[a]()", None),
    ],
)
def test_link_target(cell: str, target: str | None) -> None:
    assert link_targets(cell) == (() if target is None else (target,))


@pytest.mark.parametrize(
    ("text", "left"),
    [
        ("no tags", "no tags"),
        ("<think>a</think>b", "b"),
        ("a<THINKING>b\nc</THINKING>d", "ad"),
        ("a</think>b", "b"),
        ("a<think>b", "a"),
        ("<think>a</think>b<think>c</think>d", "bd"),
    ],
)
def test_strip_thinking(text: str, left: str) -> None:
    assert strip_thinking(text) == left


SMALL = "| A | B |\n|---|---|\n| 1 | 2 |\n| 3 | 4 |"
# The answer is always the table with the row 1, 2.
CHOSEN = {
    "a source table after": f"{SMALL}\n\n| Source | URL |\n|---|---|\n| x | y |",
    "a source table with the key": f"{SMALL}\n\n| A | Source |\n|---|---|\n| 1 | y |",
    "a legend before": f"| Sign | Meaning |\n|---|---|\n| x | y |\n\n{SMALL}",
    "a legend directly before": f"| Sign | Meaning |\n|---|---|\n| x | y |\n{SMALL}",
    "a wider table directly after": f"{SMALL}\n| x | y | z |\n|---|---|---|\n| 5 | 6 | 7 |",
    "a transposed copy after": f"{SMALL}\n\n| A | 1 | 3 |\n|---|---|---|\n| B | 2 | 4 |",
    "a copy without rows after": f"{SMALL}\n\nTemplate:\n\n| A | B |\n|---|---|",
    "a draft before": f"| A | B |\n|---|---|\n| 5 | 6 |\n\nFinal:\n\n{SMALL}",
    "a draft without an alignment row after": f"{SMALL}\n\nColumns were:\n\nA | B\nx | y",
    "sources without the answer's alignment row": "| A | B |\n| 1 | 2 |\n| 3 | 4 |\n\n| S | U |\n|---|---|\n| x | y |",
    "other order and further columns": "| B | x | A |\n|---|---|---|\n| 2 | 0 | 1 |\n\n| S | U |\n|---|---|\n| x | y |",
    "names in another spelling": "| **a** | b (km) |\n|---|---|\n| 1 | 2 |\n\n| S | U |\n|---|---|\n| x | y |",
    "many tables": f"{SMALL}\n\n" + "| S | U |\n|---|---|\n| x | y |\n\n" * 30,
}


@pytest.mark.parametrize("text", CHOSEN.values(), ids=CHOSEN.keys())
def test_the_table_with_the_required_columns_is_chosen(text: str) -> None:
    parsed = parse_table(text, ("A", "B"), ("A",))
    assert parsed.table is not None
    assert "1" in parsed.table.rows[0]
    assert "2" in parsed.table.rows[0]


def test_of_tables_with_the_same_columns_the_last_is_chosen() -> None:
    changes = f"{SMALL}\n\nChanges:\n\n| B | A |\n|---|---|\n| 9 | 1 |"
    table = parse_table(changes, ("A", "B"), ("A",)).table
    assert table == Table(("B", "A"), (("9", "1"),))
    halves = f"{SMALL}\n\nSecond part:\n\n| A | B |\n|---|---|\n| 5 | 6 |"
    table = parse_table(halves, ("A", "B"), ("A",)).table
    assert table == Table(("A", "B"), (("5", "6"),))
    unknown = f"{SMALL}\n\n| C | D |\n|---|---|\n| 5 | 6 |"
    assert parse_table(unknown, ("X", "Y"), ("X",)).table == parse_table(unknown).table
    assert parse_table(unknown).table == Table(("C", "D"), (("5", "6"),))


def test_a_table_that_says_that_it_is_continued_is_one_table() -> None:
    text = f"{SMALL}\n\n(continued)\n\n| A | B |\n|---|---|\n| 5 | 6 |"
    parsed = parse_table(text)
    assert parsed.table is not None
    assert parsed.table.rows == (("1", "2"), ("3", "4"), ("A", "B"), ("5", "6"))


REMARKS = {
    "dots": "| ... | ... |",
    "an ellipsis": "| ⋮ | |",
    "a ruling line": "|---|:-:|",
    "a bold heading": "| **2020s** | |",
    "a heading in the last column": "| | **2020s** |",
    "a heading of one cell": "| Spain |",
    "a decade": "| 1990s | |",
    "continued": "| (continued) | |",
    "a line of dashes and a word": "| — Spain — | |",
}


@pytest.mark.parametrize("row", REMARKS.values(), ids=REMARKS.keys())
def test_a_row_that_is_a_remark_is_no_row(row: str) -> None:
    text = f"| A | B |\n|---|---|\n| 1 | 2 |\n{row}\n| 3 | 4 |"
    parsed = parse_table(text)
    assert parsed.table == Table(*AB)
    assert [at for at, _ in parsed.remarks] == [1]
    whole = parsed.with_remarks().table
    assert whole is not None
    assert len(whole.rows) == 3


@pytest.mark.parametrize("row", ["| Spain | |", "| - | - |", "| **x** | **y** |", "| [Spain](u) | |"])
def test_a_row_with_few_values_is_a_row(row: str) -> None:
    assert parse_table(f"| A | B |\n|---|---|\n| 1 | 2 |\n{row}\n| 3 | 4 |").remarks == ()


def test_bold_keys_are_no_headings() -> None:
    text = "| A | B |\n|---|---|\n| **1** | 2 |\n| **5** | |\n| **3** | 4 |"
    assert parse_table(text).remarks == ()


def test_what_closes_the_text_around_a_table_is_not_in_its_last_cell() -> None:
    for text in (
        "<answer>| A |\n|---|\n| {1}</answer>",
        "\\boxed{| A |\n|---|\n| {1}}",
        '"| A |\n|---|\n| {1}"',
    ):
        assert parse_table(text).table == Table(("A",), (("{1}",),))
    assert parse_table("| A |\n|---|\n| f(x)").table == Table(("A",), (("f(x)",),))
    assert parse_table('| A |\n|---|\n| 5"').table == Table(("A",), (('5"',),))


def test_split_row() -> None:
    assert split_row(r"| a | b\|c |  |") == ["a", "b|c", ""]
    assert split_row("a|b") == ["a", "b"]


HOSTILE = {
    "pipes": "|\n" * 300_000,
    "a header of pipes": "|" * 500_000 + "\n|--|\n" + "|\n" * 200_000,
    "brackets": "| a |\n|--|\n| " + "[" * 1_000_000 + " |",
    "half links": "| a |\n|--|\n| " + "[](a(" * 200_000 + " |",
    "stars": "| a |\n|--|\n| " + "*a " * 330_000 + " |",
    "tags": "| a |\n|--|\n| " + "<a " * 330_000 + " |",
    "ticks": "| a |\n|--|\n| " + "``a" * 330_000 + " |",
    "thoughts": "<think>" * 70_000 + "</think>x" * 70_000,
    "spaces and fences": (" " * 10_000 + "`" * 100) * 100,
    "quote signs": "> " * 500_000,
    "backslashes": "\\" * 500_000 + "|" * 500_000,
    "many tables": "| A | B |\n|---|---|\n| 1 | 2 |\n\n" * 40_000,
    "many tables without blank lines": "| A | B |\n|---|---|\n| A |\n|---|\n" * 40_000,
    "alignment rows": "| a |\n\n|---|\n\n" * 100_000,
    "rows of dashes": "| a |\n| - |\n" * 100_000,
    "rows of dashes and blank lines": "| a |\n\n| - |\n\n" * 100_000,
    "comments": "<!--" * 250_000,
    "control tokens": "<|" * 300_000 + "|>",
    "escapes": "\\" * 900_000 + "\\n",
    "half characters": "\\ud83d|\\n" * 100_000,
    "remarks": "| A |\n|---|\n" + "(c)\n| 1 |\n" * 80_000,
    "frames": "+-" * 400_000 + "\n" + "-" * 400_000 + "x",
    "a marker": "(" * 400_000 + "| A |\n|---|\n" + "1." * 100_000 + "| 1 |",
    "closing braces": "{| A |\n|---|\n| 1" + "}" * 800_000,
    "closing tags": "<a>| A |\n|---|\n| 1" + "</a>" * 200_000,
    "other pipes": "｜" * 300_000 + "\n" + "｜a" * 200_000,
    "headings": "| A | B |\n|---|---|\n" + "| **x** | |\n| 1 | 2 |\n" * 40_000,
    "emphasis": "| A | B |\n|---|---|\n| 1 | 2 |\n| " + "**x" * 200_000 + " | |",
    "text before a name": "a:" * 400_000 + " A | B\n---|---\n1 | 2",
    "prose with pipes": "| A |\n|---|\n" + "a | b\n\n" * 90_000,
    "list items": "- " * 300_000 + "| A |\n- |---|\n",
    "a wide alignment row": "| A | B |\n|" + "---|" * 200_000 + "\n| 1 | 2 |",
    "broken rows": "| A | B |\n|---|---|\n" + "| a |\nb\n" * 150_000,
    "dashes between lines": "a | b\n---\n" * 100_000,
    "rows on one line": "| A | B | |---|---| " + "| 1 | 2 | " * 100_000,
    "alignment rows on one line": "| A | B | |---|---| " * 50_000,
    "an open alignment row": "|:--:" * 200_000 + "x",
    "a long joint": "|A|" + "\\" * 500_000 + "|--|",
    "entities": "&#124;" * 160_000,
    "possessives": "| " + "a's " * 200_000 + "| " + "s " * 100_000 + " |\n|---|---|\n| 1 | 2 |",
    "units": "| " + ", " * 200_000 + "| " + " - " * 200_000 + " |\n|---|---|\n| 1 | 2 |",
    "brackets in names": "| " + "\\a{" * 100_000 + "| " + "(" * 200_000 + "é |\n|---|---|\n| 1 | 2 |",
    "many names": "|x/é" * 100_000 + "|\n" + "|--" * 100_000 + "|\n| 1 |",
    "totals": "| A | B |\n|---|---|\n"
    + "| Total (((( | x |\n" * 50_000
    + "| Total "
    + "(" * 200_000
    + " | |",
    "a wide header": "x" + "|a" * 300_000 + "|\n|---|---|\n| 1 | 2 |",
}


@pytest.mark.parametrize("text", HOSTILE.values(), ids=HOSTILE.keys())
def test_a_megabyte_of_garbage_ends(text: str) -> None:
    """Anything quadratic would take hours here."""
    parsed = parse_table(text, ("A", "B"), ("A",))
    assert parsed.table is None or len(parsed.table.rows) <= MAX_ROWS
