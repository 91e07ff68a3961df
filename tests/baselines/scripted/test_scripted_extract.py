"""Values from pages: by labels, by sentences that name the attribute, by typed patterns."""

from __future__ import annotations

import pytest

from wideseek_baselines.scripted.extract import value_of
from wideseek_baselines.scripted.knowledge import Knowledge
from wideseek_baselines.scripted.lookup import look_up
from wideseek_baselines.scripted.pages import read_page
from wideseek_baselines.scripted.prose import Subject, say
from wideseek_baselines.scripted.subtasks import Entity, LookUp

MUSEUM = """Title: Kelmar Museum

# Kelmar Museum

Kelmar Museum is an art museum in [Brelford](https://a.example/brelford).

|  |  |
| --- | --- |
| Town | [Brelford](https://a.example/brelford) |
| Floor area | 3,000 m² |

Its architect was [Ann Ray](https://a.example/ann). Rain fell. After a fire, it was founded in 1893; rooms were spared.

## Background

Local records put its annual attendance at 4,300 visitors. As far as anybody knows, its director is Olo Vin.
"""
ANN = "Title: Ann Ray\n\n# Ann Ray\n\nAnn Ray was the architect of several museums. Her birth year is 1850.\n"


@pytest.mark.parametrize(
    ("column", "value", "url"),
    [
        ("Floor area", "3,000 m²", ""),
        ("floor AREA", "3,000 m²", ""),
        ("Town", "Brelford", "https://a.example/brelford"),
        ("Architect", "Ann Ray", "https://a.example/ann"),
        ("Founded", "1893", ""),
        ("Annual attendance", "4,300 visitors", ""),
        ("Director", "Olo Vin", ""),
        ("Collection size", "", ""),
    ],
)
def test_structured_pages(column: str, value: str, url: str) -> None:
    assert tuple(value_of(read_page(MUSEUM), column)) == (value, url)


def test_a_page_that_is_gone_says_nothing() -> None:
    assert value_of(read_page("Error: this page is gone."), "Founded").text == ""


def test_links_are_followed() -> None:
    task = LookUp(
        ("Museum", "Floor area", "Birth year of architect"), (Entity("Kelmar Museum", "https://a.example/k"),)
    )
    known = Knowledge()
    state = look_up(task, known, 5)
    assert [r.text for r in state.requests] == ["https://a.example/k"]
    known.pages["https://a.example/k", 1] = read_page(MUSEUM)
    state = look_up(task, known, 5)
    assert [r.text for r in state.requests] == ["https://a.example/ann"]
    assert [e.name for e in state.unfinished] == ["Kelmar Museum"]
    known.pages["https://a.example/ann", 1] = read_page(ANN)
    state = look_up(task, known, 5)
    assert not state.requests
    assert not state.unfinished
    assert state.rows[0][1] == {"Floor area": "3,000 m²", "Birth year of architect": "1850"}


def test_pages_that_fill_more_cells_are_opened_first() -> None:
    entities = tuple(Entity(f"M{n}", f"https://a.example/{n}") for n in range(4))
    known = Knowledge()
    for n in range(3):
        known.pages[f"https://a.example/{n}", 1] = read_page(MUSEUM)
    state = look_up(LookUp(("Museum", "Birth year of architect"), entities), known, 5)
    assert [r.text for r in state.requests] == ["https://a.example/ann", "https://a.example/3"]


def test_a_missing_page_is_searched_for() -> None:
    task = LookUp(("Museum", "Town"), (Entity("Kelmar Museum", "https://a.example/gone"),))
    known = Knowledge()
    known.pages["https://a.example/gone", 1] = read_page("Error: this page is gone.")
    assert [(r.kind, r.text) for r in look_up(task, known, 5).requests] == [("search", "Kelmar Museum")]
    known.searches["Kelmar Museum"] = []
    assert not look_up(task, known, 5).requests


FILM = (
    "Scar Lake (French: Le Lac) is a 1983 American drama film produced and directed by Jo B. Lee. It is based on the "
    "novel by P. Kim, who wrote the screenplay."
)
PLAYER = (
    "Samuel Sam Dow (born 4 May 1981) is a Canadian former ice hockey goaltender. He was drafted by the Boston Bruins "
    "and played college football at the University of Maine."
)
CLUB = "The Old Ground is a stadium in Aldor, Norway. It is the home ground of Aldor City and opened in 1911."
COLLEGE = "Roe College is a private college in Mayville, North Dakota, United States, founded in 1889."
SONG = "Blue is a song recorded by American country music artist Ann Lee. It was released on 2 March 1999."
AIRPORT = "Aldor Airport (IATA: ALD, ICAO: ENAL) is an airport serving Aldor in Viken county, Norway."


@pytest.mark.parametrize(
    ("text", "column", "value"),
    [
        (FILM, "Year", "1983"),
        (FILM, "Director", "Jo B. Lee"),
        (FILM, "Director(s)", "Jo B. Lee"),
        (FILM, "French title", "Le Lac"),
        (PLAYER, "Date of birth", "4 May 1981"),
        (PLAYER, "Year of birth", "1981"),
        (PLAYER, "Nationality", "Canadian"),
        (PLAYER, "Position", "Goaltender"),
        (PLAYER, "Original NFL team", "Boston Bruins"),
        (PLAYER, "College", "Maine"),
        (CLUB, "City", "Aldor"),
        (CLUB, "Country", "Norway"),
        (CLUB, "Team", "Aldor City"),
        (CLUB, "Opened", "1911"),
        (COLLEGE, "City", "Mayville"),
        (COLLEGE, "State", "North Dakota"),
        (COLLEGE, "Location", "Mayville, North Dakota"),
        (COLLEGE, "Founded", "1889"),
        (SONG, "Artist", "Ann Lee"),
        (SONG, "Release date", "2 March 1999"),
        (AIRPORT, "ICAO", "ENAL"),
        (AIRPORT, "City", "Aldor"),
        (AIRPORT, "County", "Viken"),
        (FILM, "Frequency (MHz)", ""),
    ],
)
def test_prose(text: str, column: str, value: str) -> None:
    assert say(Subject("", text, column)) == value


@pytest.mark.parametrize(
    "column", ["Year", "Location", "Artist", "County", "(", "Title", "A of", "\\", "Name in Dutch"]
)
@pytest.mark.parametrize("text", ["", "(" * 3000, "A " * 3000, "in A, " * 1500, "[](", "1999 " * 1000])
def test_prose_survives_any_text(column: str, text: str) -> None:
    assert isinstance(say(Subject("", text, column)), str)
