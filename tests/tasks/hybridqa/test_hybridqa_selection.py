"""Conditions and parts: what they keep, how they read, and that a program reads the same back."""

from __future__ import annotations

import pytest

from wideseek_env.task import Language
from wideseek_env.tasks.hybridqa.columns import Column, holds, selected
from wideseek_env.tasks.hybridqa.selection import Condition, Part, Selection, label_of
from wideseek_env.tasks.hybridqa.wording import parse_question, phrasings, row_noun

SELECTIONS = [
    Selection(),
    Selection((Condition("country", "is", "Trinidad and Tobago"),)),
    Selection((Condition("country", "is_not", "Norway"),)),
    Selection((Condition("founded", "before", "1900"), Condition("capacity", "at_least", "10,000"))),
    Selection((Condition("year", "after", "1990"), Condition("country", "is", "Norway"))),
    Selection((Condition("country", "is", "Norway"), Condition("date of opening", "before", "1990"))),
    Selection((Condition("floors", "at_most", "86"), Condition("type", "is_not", "Office and retail"))),
    Selection((Condition("attendance", "more", "10,000"), Condition("width", "less", "2.5"))),
    Selection(part=Part("rows", 1, 8)),
    Selection(part=Part("rows", -8, -1)),
    Selection(part=Part("rows", 3, 12)),
    Selection(part=Part("highest", 1, 5, "attendance")),
    Selection(part=Part("lowest", 1, 5, "goals")),
    Selection(part=Part("latest", 1, 7, "date of opening")),
    Selection(part=Part("earliest", 1, 7, "built")),
]


@pytest.mark.parametrize("selection", SELECTIONS, ids=str)
@pytest.mark.parametrize("language", ["en", "zh"])
@pytest.mark.parametrize("section", ["", "Coasts whose light is red, built before 1800"])
def test_every_wording_is_read_back(selection: Selection, language: Language, section: str) -> None:
    columns = ("Lighthouse", "Country", "Built")
    written = phrasings("List of lights with 3 lamps", section, columns, selection, language)
    assert len(set(written)) == len(written) >= 4
    for text in written:
        parsed = parse_question(text)
        assert parsed is not None
        assert parsed.selection == selection
        assert (parsed.title, parsed.section) == ("List of lights with 3 lamps", section)
        assert parsed.columns == columns


def test_a_selection_survives_json() -> None:
    for selection in SELECTIONS:
        assert Selection.from_dict(selection.to_dict()) == selection


def test_another_question_is_not_read() -> None:
    assert parse_question("Which lights are there?") is None
    assert parse_question("Which lights does “X” list?") is None


@pytest.mark.parametrize(
    ("condition", "phrase"),
    [
        (Condition("founded", "before", "1900"), "founded before 1900"),
        (Condition("year", "before", "1900"), "whose year is before 1900"),
        (Condition("country", "is", "Norway"), "whose country is Norway"),
        (Condition("attendance", "more", "10,000"), "with an attendance of more than 10,000"),
        (Condition("goals", "at_least", "10"), "with at least 10 goals"),
    ],
)
def test_the_regular_wording(condition: Condition, phrase: str) -> None:
    assert condition.phrase() == phrase


def test_labels_and_nouns() -> None:
    assert label_of("Date of Opening") == "date of opening"
    assert label_of("English title") == "English title"
    assert label_of("NFL team") == "NFL team"
    nouns = {
        "Horse name": "horse",
        "Name of Town": "town",
        "Gymnasts": "gymnast",
        "Cities": "city",
        "Churches": "church",
        "Series": "series",
        "Name": "entry",
        "Name on the Register": "entry",
    }
    assert {header: row_noun(header) for header in nouns} == nouns


YEARS = Column(1, "Built", "year", ("1890", "1900", "1901", "1950"))
DATES = Column(2, "Opened", "date", ("1 May 1890", "3 June 1900", "2 June 1900", "5 May 1950"))
SIZES = Column(3, "Height", "number", ("1,200", "12", "-5", "1300"))
LANDS = Column(4, "Country", "text", ("Norway", "norway", "Chile", "Norway (north)"))


@pytest.mark.parametrize(
    ("condition", "column", "kept"),
    [
        (Condition("built", "before", "1900"), YEARS, (0,)),
        (Condition("built", "after", "1900"), YEARS, (2, 3)),
        (Condition("opened", "before", "1900"), DATES, (0,)),
        (Condition("opened", "after", "1899"), DATES, (1, 2, 3)),
        (Condition("height", "more", "12"), SIZES, (0, 3)),
        (Condition("height", "at_least", "12"), SIZES, (0, 1, 3)),
        (Condition("height", "less", "12"), SIZES, (2,)),
        (Condition("height", "at_most", "1,200"), SIZES, (0, 1, 2)),
        (Condition("country", "is", "Norway"), LANDS, (0, 1)),
        (Condition("country", "is_not", "Norway"), LANDS, (2, 3)),
    ],
)
def test_conditions_keep_rows(condition: Condition, column: Column, kept: tuple[int, ...]) -> None:
    assert tuple(n for n, v in enumerate(column.values) if holds(condition, v, column.kind)) == kept
    assert selected(Selection((condition,)), [column], 4) == kept


@pytest.mark.parametrize(
    ("part", "kept"),
    [
        (Part("rows", 1, 3), (0, 1, 2)),
        (Part("rows", 2, 3), (1, 2)),
        (Part("rows", -3, -1), (1, 2, 3)),
        (Part("highest", 1, 2, "height"), (0, 3)),
        (Part("lowest", 1, 2, "height"), (1, 2)),
        (Part("latest", 1, 2, "opened"), (1, 3)),
        (Part("earliest", 1, 2, "built"), (0, 1)),
    ],
)
def test_parts_keep_rows(part: Part, kept: tuple[int, ...]) -> None:
    assert selected(Selection(part=part), [YEARS, DATES, SIZES, LANDS], 4) == kept
