"""The credit "cells": who brought which cells to the answer, and that no trick earns any."""

from __future__ import annotations

import dataclasses
import random

import pytest
from credit_episodes import CELLS, GOLD, HEADER, PAGES, TASK, Sub, brought, page, play, shares, table
from hypothesis import given, settings
from hypothesis import strategies as st

from wideseek_env.credit import Cells
from wideseek_env.scoring import score_response
from wideseek_env.task import Table, Task

PERFECT = table(*GOLD)


def honest(*rows: int) -> Sub:
    """A subagent that opened the pages of some towns and reports them."""
    return Sub(table(*(GOLD[row] for row in rows)), tuple(PAGES[row] for row in rows))


def test_each_subagent_earns_the_cells_that_it_brought() -> None:
    assert shares(PERFECT, [honest(0, 1), honest(2), honest(3)]) == [8, 4, 4]
    assert shares(table(GOLD[0], GOLD[2]), [honest(0, 1), honest(2), honest(3)]) == [4, 4, 0]


def test_a_cell_of_several_reports_is_divided() -> None:
    paid = shares(PERFECT, [honest(0, 1), honest(1, 2), honest(1)])
    assert paid == pytest.approx([4 + 4 / 3, 4 + 4 / 3, 4 / 3], abs=1e-5)


def test_values_without_keys_and_keys_without_values() -> None:
    names = Sub("Ada Town and Bel Bridge.", ("1. Ada Town\n2. Bel Bridge",))
    values = Sub(table(GOLD[0], GOLD[1]), PAGES[:2], subtask="Look up Ada Town and Bel Bridge.")
    assert shares(table(*GOLD[:2]), [names], [values]) == [2, 6]


@pytest.mark.parametrize(
    "report",
    [
        "Ada Town: mayor Karl Moor, founded 1801, gates 3",
        "- Ada Town\n  - Mayor: Karl Moor\n  - Founded: 1801\n  - Gates: 3",
        "## Ada Town\n\nMayor: Karl Moor\nFounded: 1801\nGates: 3",
        "The town of **Ada Town** has 3 gates. Its mayor is Karl Moor; it was founded in 1801.",
        table(("1801", "Ada Town", "3", "Karl Moor"), header=("Founded", "Town", "Gates", "Mayor")),
        table(("Ada Town", "Karl Moor"), header=HEADER[:2])
        + "\n\nAda Town was founded in 1801 and has 3 gates.",
    ],
)
def test_forms_of_reports(report: str) -> None:
    assert shares(table(GOLD[0]), [Sub(report, PAGES[:1])]) == [4]


@pytest.mark.parametrize(
    "text",
    [
        "Ada Town | Karl Moor | 1801 | 3",
        "1. [Ada Town](https://a.example/ada)\n   Ada Town has 3 gates. Karl Moor, since 1801.",
        "Title: Towns\n\n- Ada Town: Karl Moor (1801), 3 gates\n- Bel Bridge: Ida Lund",
        PAGES[0],
        "Title: Ada Town\n\n"
        + "\n\n".join(["Nothing."] * 30)
        + "\n\nKarl Moor was elected. Since 1801. It has 3 gates.",
    ],
)
def test_forms_of_results(text: str) -> None:
    assert shares(table(GOLD[0]), [Sub(table(GOLD[0]), (text,))]) == [4]


def test_a_value_on_a_page_that_the_key_leads_to() -> None:
    town = "Title: Ada Town\n\nAda Town is in the county of Moorland."
    county = "Title: Moorland\n\nThe mayor of its capital is Karl Moor."
    other = "Title: Fenland\n\nThe mayor of its capital is Karl Moor."
    answer = table(("Ada Town", "Karl Moor", "", ""))
    assert shares(answer, [Sub(answer, (town, county))]) == [2]
    assert shares(answer, [Sub(answer, (town, other))]) == [1]
    both = "Title: Moorland\n\nFor Ada Town and Bel Bridge, the mayor is Karl Moor."
    assert shares(table(GOLD[1], ("Ada Town", "Karl Moor", "", "")), [Sub(answer, (town, both))]) == [2]
    foreign = "Title: Moorland\n\nFor Bel Bridge, the mayor is Karl Moor."
    assert shares(table(GOLD[1], ("Ada Town", "Karl Moor", "", "")), [Sub(answer, (town, foreign))]) == [1]


def test_short_values_occur_everywhere() -> None:
    answer = table(("Ada Town", "", "", "3"))
    for text in (
        "Title: Ada Town\n\nThere are 3 bells.",  # on the page, but about another column
        "Ada Town is nice.\n\n3 gates are in Bel Bridge.",
        "Ada Town: 2.3 million",
        "Ada Town: 3,000 people",
    ):
        assert shares(answer, [Sub(answer, (text,))]) == [1], text
    assert shares(answer, [Sub(answer, ("Title: Ada Town\n\nThe gates: 3",))]) == [2]


def test_wrong_cells_cost_those_who_brought_them() -> None:
    wrong = ("Bel Bridge", "Ida Lund", "1700", "4")
    answer = table(GOLD[0], wrong)
    assert shares(answer, [honest(0), Sub(table(wrong), PAGES[1:2])]) == [4, 3 - 1]
    assert shares(answer, [honest(0), honest(1)]) == [4, 3], "the lead made the mistake"
    assert shares(answer, [honest(0), Sub(table(wrong)), Sub(table(wrong))]) == [4, -0.5, -0.5]
    invented = ("Elm", "Ole Berg", "1805", "9")
    assert shares(table(GOLD[0], invented), [honest(0), Sub(table(invented), (page(invented),))]) == [4, -4]


def test_a_repeated_row_is_the_leads_mistake() -> None:
    assert shares(table(GOLD[0], GOLD[0]), [honest(0)]) == [4]
    assert shares(table(GOLD[2], ("Rock Castle", "Per Falk", "1803", "5")), [honest(2)]) == [4]


def test_other_names_of_a_key() -> None:
    other = ("Rock Castle", "Per Falk", "1803", "5")
    assert shares(table(other), [honest(2)]) == [4]
    assert shares(table(GOLD[2]), [Sub(table(other), (page(other),))]) == [4]


# --- what earns nothing ------------------------------------------------------------------------------------------


def test_copying_the_subtask_earns_nothing() -> None:
    told = "Check these towns: " + "; ".join(", ".join(row) for row in GOLD) + "."
    for report in (told, PERFECT, "\n".join(", ".join(row) for row in GOLD)):
        assert shares(PERFECT, [Sub(report, subtask=told)]) == [0]
        assert shares(PERFECT, [Sub(report, PAGES, subtask=told)]) == [0], (
            "nothing new, even if it was looked up"
        )
    names = "Look up Ada Town, Bel Bridge, Castle Rock and Dun Harbour."
    assert shares(PERFECT, [Sub(names, PAGES, subtask=names)]) == [0]


def test_repeating_another_report_earns_nothing() -> None:
    first = honest(0, 1)
    assert shares(PERFECT, [first, Sub(first.report)]) == [8, 0], "without results the other keeps all"
    assert shares(PERFECT, [first], [Sub(first.report, PAGES[:2], subtask=f"Known: {first.report}")]) == [
        8,
        0,
    ]
    assert shares(PERFECT, [first], [Sub(first.report)]) == [8, 0]


def test_guessing_earns_nothing() -> None:
    rng = random.Random(1)
    for _ in range(20):
        rows = [(name, *(rng.choice([row[at] for row in GOLD]) for at in range(1, 4))) for name, *_ in GOLD]
        assert shares(table(*rows), [Sub(table(*rows))])[0] <= 0
        elsewhere = ("; ".join(cell for row in GOLD for cell in row[1:]),)  # values without their keys
        assert shares(table(*rows), [Sub(table(*rows), elsewhere)])[0] <= 0


def test_a_guess_in_a_question_is_no_result() -> None:
    """Pages are opened with a question, and the result repeats the question."""
    guess = "whether the mayor of Ada Town is Karl Moor, since 1801, with 3 gates"
    for heading in (
        f"Title: Towns\nThe parts of this page about: {guess} (the whole page has 3 chunks)",
        f"Title: Towns\nWhat this page says about: {guess}",
        f"Title: Ada Town\nWhat this page says about: {guess} (from its first 1,000 characters)",
    ):
        told = int("Title: Ada" in heading)  # the title is a result
        assert shares(table(GOLD[0]), [Sub(table(GOLD[0]), (f"{heading}\n\nNothing.",))]) == [told]
        seen = f"{heading}\n\nAda Town: Karl Moor"
        assert shares(table(GOLD[0]), [Sub(table(GOLD[0]), (seen,))]) == [2]


def test_listing_a_page_does_not_take_the_rows_of_others() -> None:
    every = ("\n".join(" | ".join(row) for row in GOLD),)
    asked = [f"Look up {row[0]}." for row in GOLD]
    fair = [Sub(table(row), every, subtask) for row, subtask in zip(GOLD, asked, strict=True)]
    lister = Sub(PERFECT, every, asked[0])
    assert shares(PERFECT, fair) == [3, 3, 3, 3]
    assert shares(PERFECT, [lister, *fair[1:]]) == [3, 3, 3, 3]
    assert shares(PERFECT, [Sub(every[0], every, asked[0]), *fair[1:]]) == [3, 3, 3, 3]


def test_listing_a_page_of_prose_earns_nothing() -> None:
    text = "Title: Towns\n\n" + "\n".join(
        f"The old town {name} has a mayor whose name is {mayor}, was founded in {year} and has {gates} gates in all."
        for name, mayor, year, gates in GOLD
    )
    assert shares(PERFECT, [Sub(text, (text,))]) == [0]
    one = honest(0)
    assert one.report is not None
    alone = shares(PERFECT, [Sub(one.report, (text,))])
    assert shares(PERFECT, [Sub(f"{one.report}\n\n{text}", (text,))]) == alone == [4]
    assert shares(PERFECT, [Sub(text.split("\n")[2], (text,))]) == [4], "one quoted sentence is a report"


def test_two_values_for_a_cell_earn_nothing() -> None:
    both = table(GOLD[0], ("Ada Town", "Karl Moor", "1700", "3"))
    assert shares(table(GOLD[0]), [Sub(both, PAGES[:1])]) == [3]
    wrong = table(("Ada Town", "Karl Moor", "1700", "3"))
    assert shares(wrong, [Sub(both, PAGES[:1])]) == [2], "a wrong value costs in any case"


def test_text_that_the_lead_does_not_see_earns_nothing() -> None:
    hidden = "x" * 20_000 + "\n" + table(GOLD[0])
    assert shares(table(GOLD[0]), [Sub(hidden, PAGES[:1])]) == [0]


# --- episodes without cells --------------------------------------------------------------------------------------


def test_nothing_is_brought_without_reports_or_an_answer() -> None:
    assert shares(PERFECT, [Sub(None, PAGES), honest(0)]) == [0, 4]
    assert shares(None, [honest(0)]) == [0]
    assert shares("no table", [honest(0)]) == [0]
    assert shares(table(("", "Karl Moor", "1801", "3")), [honest(0)]) == [0]


def test_a_task_without_a_gold_table_has_the_teams_reward() -> None:
    task = Task(id="depth", question="How long is it?", answers=("12 km",))
    episode = play("\\boxed{12 km}", [Sub("12 km")], task=task)
    assert Cells()(episode, score_response("\\boxed{12 km}", task), 0.75) == [0.75, 0.75]


def test_tasks_whose_columns_are_all_keys() -> None:
    task = dataclasses.replace(
        TASK, columns=("Town",), gold=Table(("Town",), tuple((row[0],) for row in GOLD)), specs={}, aliases={}
    )
    answer = table(("Ada Town",), ("Bel Bridge",), header=("Town",))
    found = brought(
        answer, [Sub("Ada Town", ("Ada Town, Bel Bridge",)), Sub(answer, ("Bel Bridge",))], task=task
    )
    assert [by for _, by in sorted(found.right.items())] == [(1,), (2,)]


# --- properties --------------------------------------------------------------------------------------------------

WRONG = (
    ("Ada Town", "Ole Berg", "1700", "9"),
    ("Bel Bridge", "Uwe Sand", "1701", "8"),
    ("Elm", "Jon Ek", "1702", "7"),
)
rows = st.lists(st.sampled_from((*GOLD, *WRONG)), max_size=5, unique=True)
subs = st.builds(
    lambda reported, seen, asked: Sub(
        table(*reported) if reported else "Nothing.",
        tuple(map(page, seen)),
        "Look up " + ", ".join(row[0] for row in asked) if asked else "Find towns.",
    ),
    rows,
    rows,
    st.lists(st.sampled_from(GOLD), max_size=2, unique=True),
)
teams = st.lists(subs, min_size=1, max_size=4)
answers = rows.map(lambda chosen: table(*chosen))


@settings(max_examples=60, deadline=None)
@given(answers, teams)
def test_the_credits_sum_to_the_right_minus_the_wrong_cells(answer: str, team: list[Sub]) -> None:
    found = brought(answer, team)
    paid = shares(answer, team)
    assert sum(paid) == pytest.approx(len(found.right) - len(found.wrong), abs=1e-4)
    assert len(found.right) <= score_cells(answer)
    assert all(abs(each) <= CELLS + 20 for each in paid)


def score_cells(answer: str) -> int:
    score = score_response(answer, TASK)
    return sum(cell.verdict == "right" for row in score.cells for cell in row.cells)


@settings(max_examples=40, deadline=None)
@given(answers, teams, st.randoms(use_true_random=False))
def test_the_order_of_agents_and_rows_does_not_matter(
    answer: str, team: list[Sub], rng: random.Random
) -> None:
    order = list(range(len(team)))
    rng.shuffle(order)
    paid = shares(answer, team)
    assert shares(answer, [team[at] for at in order]) == [paid[at] for at in order]
    head, body = answer.split("\n")[:2], answer.split("\n")[2:]
    keys = [line.split("|")[1] for line in body]
    if len(set(keys)) == len(keys):  # of two rows with one key, the first counts
        rng.shuffle(body)
        assert shares("\n".join([*head, *body]), team) == paid


@settings(max_examples=40, deadline=None)
@given(answers, teams, st.integers(0, 3), st.integers(0, 3))
def test_no_addition_to_a_report_gains(answer: str, team: list[Sub], mine: int, other: int) -> None:
    """Copying the subtask, another's report or a guess into a report that has no results for them."""
    at = mine % len(team)
    before = shares(answer, team)[at]
    sub = team[at]
    assert sub.report is not None
    copied = team[other % len(team)].report
    for addition in (sub.subtask, copied):
        changed = dataclasses.replace(sub, report=f"{addition}\n\n{sub.report}", seen=())
        unseen = dataclasses.replace(sub, seen=())
        one = [*team[:at], unseen, *team[at + 1 :]]
        two = [*team[:at], changed, *team[at + 1 :]]
        assert shares(answer, two)[at] <= max(0.0, shares(answer, one)[at]) + 1e-6
        assert shares(answer, two)[at] <= max(before, 0.0) + 1e-6
