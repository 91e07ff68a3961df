"""Questions that say exactly which lists, rows and columns they are about."""

from __future__ import annotations

from itertools import product

import pytest

from wideseek_env.tasks.hybridqa.selection import Condition, Selection
from wideseek_env.tasks.hybridqa.wide.scope import Scope
from wideseek_env.tasks.hybridqa.wide.wording import Asked, noun_for, parse_wide, phrasings

SCOPES = [
    Scope("article", ("List of piers (Norway)",), several=True),
    Scope("article", ("List of piers, A–Z",), "heading", "Open – North", several=True),
    Scope("sections", ("Bay",), sections=("A", "B and C", "D, E")),
    Scope("sections", ("Bay",), "heading", "Open – All", ("A", "B")),
    Scope("titles", ("Piers in Norway", "Piers in Chile")),
    Scope("titles", ("Piers in Norway", "Piers in Chile, South", "Piers in Japan"), "section", "Open and closed"),
    Scope("titles", ("Piers in Norway", "Piers in Chile"), "heading", "By size", several=True),
    Scope("counterparts", ("2001 Bay Regatta",), values=("2002",), slot="year"),
    Scope("counterparts", ("2001–02 Bay Regatta",), "section", "Crews", values=("2002–03", "2004–05"), slot="year"),
    Scope("counterparts", ("9th Bay Council",), "heading", "Wards", values=("10th", "11th", "13th"), slot="number"),
    Scope("counterparts", ("Bay Fight 9",), values=("10", "12"), slot="number"),
    Scope("range", ("2001 Bay Regatta", "2004 Bay Regatta"), slot="year", step=1),
    Scope("range", ("2001 Bay Regatta", "2013 Bay Regatta"), "section", "Crews", slot="year", step=4),
    Scope("range", ("2001 Bay Regatta", "2013 Bay Regatta"), "heading", "Crews", slot="year"),
    Scope("range", ("Bay Fight 9", "Bay Fight 12"), "section", "Crews", slot="number", step=1),
    Scope("range", ("Bay Fight 9", "Bay Fight 17"), slot="number"),
]  # fmt: skip
SELECTIONS = [
    Selection(),
    Selection((Condition("hull", "is", "oak"),)),
    Selection((Condition("hull", "is_not", "pine"), Condition("year", "before", "1990"))),
    Selection((Condition("capacity", "at_least", "1,200"),)),
]


@pytest.mark.parametrize("scope", SCOPES, ids=lambda scope: f"{scope.form}-{scope.where}")
@pytest.mark.parametrize("language", ["en", "zh"])
def test_every_wording_can_be_read_back(scope: Scope, language: str) -> None:
    columns = ("Crew", "Year", "Hull", "Points")
    for selection, edition in product(SELECTIONS, ("", "column", "key", "own")):
        asked = Asked(scope, columns, selection, edition, "2001")  # type: ignore[arg-type]
        written = phrasings(asked, language)  # type: ignore[arg-type]
        assert len(set(written)) == len(written) >= 5
        for text in written:
            parsed = parse_wide(text)
            assert parsed is not None
            assert parsed.scope.named == scope.named, text
            assert parsed.columns == columns
            assert parsed.selection == selection, text
            assert (parsed.from_pages, parsed.leaves_out) == ((), False)
    assert Scope.from_dict(scope.to_dict()) == scope


@pytest.mark.parametrize("scope", SCOPES, ids=lambda scope: f"{scope.form}-{scope.where}")
@pytest.mark.parametrize("language", ["en", "zh"])
def test_questions_say_which_values_are_on_pages(scope: Scope, language: str) -> None:
    both = ("Date of birth", "Date of death")
    for from_pages, leaves_out, edition in product((both[:1], both[1:], both), (False, True), ("", "key")):
        columns = ("Crew", *(("Year",) if edition else ()), "Hull", *from_pages)
        asked = Asked(scope, columns, SELECTIONS[2], edition, "2001", from_pages, leaves_out)  # type: ignore[arg-type]
        for text in phrasings(asked, language):  # type: ignore[arg-type]
            parsed = parse_wide(text)
            assert parsed is not None
            assert (parsed.from_pages, parsed.leaves_out) == (from_pages, leaves_out), text
            assert (parsed.scope.named, parsed.columns) == (scope.named, columns)
            assert parsed.selection == SELECTIONS[2], text
            lacks = ("full date of birth", "完整的出生日期"), ("full date of death", "完整的去世日期")
            said = [any(word in text for word in words) for words in lacks]
            assert said == [leaves_out and name in from_pages for name in both], text


def test_other_questions_are_not_wide() -> None:
    assert parse_wide("Which crews are there? | Crew | Hull |") is None
    assert parse_wide("Take the lists on the Wikipedia page “Bay”. Find every crew.") is None


def test_questions_say_what_the_edition_is() -> None:
    columns = ("Crew", "Year", "Hull")
    (text, *_) = phrasings(Asked(SCOPES[7], columns, Selection(), "key", "2001"))
    assert "In the column Year, write the year that the title of the page gives, such as 2001." in text
    assert "An entry of several lists has one row for each of them." in text
    (text, *_) = phrasings(Asked(SCOPES[2], ("Crew", "List", "Hull"), Selection(), "column", "A"))
    assert "In the column List, write the heading of the list, such as A." in text
    assert "has one row for each of them" not in text
    (text, *_) = phrasings(Asked(SCOPES[0], columns, Selection(), "own"))
    assert "Give one row for each pair of Crew and Year." in text


def test_no_wording_has_a_doubled_mark_or_blank() -> None:
    for scope, selection in product(SCOPES, SELECTIONS):
        for text in phrasings(Asked(scope, ("Crew", "Apps."), selection)):
            assert not any(mark in text for mark in ("..", "?.", "  ", " ,", " .", "{", "}")), text
            assert text[0].isupper()


@pytest.mark.parametrize(
    ("header", "noun"),
    [("Player", "player"), ("Name", "entry"), ("Alumni", "alumnus"), ("Arms", "entry"), ("Countries", "country"),
     ("Name in French", "entry"), ("Landmark name", "landmark"), ("Series", "series")],
)  # fmt: skip
def test_nouns(header: str, noun: str) -> None:
    assert noun_for(header) == noun
