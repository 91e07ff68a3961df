"""Which parts of a title are a year, a number or a place, and which titles are of one family."""

from __future__ import annotations

import pytest

from wideseek_env.tasks.hybridqa.splits import split_of_family
from wideseek_env.tasks.hybridqa.titles import family_of, number_in, read_title


@pytest.mark.parametrize(
    ("title", "template", "values"),
    [
        ("2010 Diamond League", "{year} Diamond League", ("2010",)),
        ("2010–11 La Liga", "{year} La Liga", ("2010–11",)),
        ("1957 Monaco Grand Prix", "{year} {place} Grand Prix", ("1957", "Monaco")),
        ("102nd United States Congress", "{number} {place} Congress", ("102nd", "United States")),
        ("UFC 100", "UFC {number}", ("100",)),
        ("List of lakes in Bath County, Kentucky", "List of lakes in {place}", ("Bath County, Kentucky",)),
        ("List of lakes in Upper Franconia", "List of lakes in {place}", ("Upper Franconia",)),
        ("List of games for Wii (Japan)", "List of games for Wii ({place})", ("Japan",)),
        ("Netherlands at the 1912 Summer Olympics", "{place} at the {year} Summer Olympics", ("Netherlands", "1912")),
        ("100 metres", "100 metres", ()),
        ("10,000 metres", "10,000 metres", ()),
        ("4 × 100 metres relay", "4 × 100 metres relay", ()),
        ("UEFA Under-21 Cup", "UEFA Under-21 Cup", ()),
        ("Indianapolis Colts", "Indianapolis Colts", ()),
        ("Normandy landings", "Normandy landings", ()),
        ("20th-century art", "20th-century art", ()),
    ],
)  # fmt: skip
def test_slots(title: str, template: str, values: tuple[str, ...]) -> None:
    read = read_title(title)
    assert read.template == template
    assert read.values == values
    assert read.with_slots(values) == title


def test_a_longer_name_of_a_place_is_one_place() -> None:
    assert read_title("South Korea at the Games").values == ("South Korea",)
    assert read_title("New York City parks").values == ("New York City",)


@pytest.mark.parametrize(
    "titles",
    [
        ("1957 Monaco Grand Prix", "1999 German Grand Prix", "2004 British Grand Prix"),
        ("List of lakes in Bath County, Kentucky", "List of lakes in Norway", "List of lakes in the Alps"),
        ("9th Manitoba Legislature", "12th Alberta Legislature"),
        ("Dancing with the Stars (American season 3)", "Dancing with the Stars (season 11)"),
        ("Second Cabinet of Norway", "Third Cabinet of Chile", "Cabinet of Japan"),
    ],
)
def test_one_family(titles: tuple[str, ...]) -> None:
    assert len({family_of(title) for title in titles}) == 1
    assert len({split_of_family(family_of(title)) for title in titles}) == 1


def test_families_that_differ() -> None:
    assert family_of("2010 Diamond League") != family_of("2010 Golden League")
    assert family_of("List of lakes in Norway") != family_of("List of rivers in Norway")


def test_families_are_shared_out() -> None:
    splits = [split_of_family(f"family {number}") for number in range(2000)]
    assert 0.09 < splits.count("test") / 2000 < 0.15
    assert 0.04 < splits.count("validation") / 2000 < 0.08


def test_numbers_in_slots() -> None:
    assert [number_in(text) for text in ("2010–11", "10th", "7", "Norway")] == [2010, 10, 7, 0]
