"""Rows of a gold table in any text: which it names, and which it gives with a value."""

from __future__ import annotations

import pytest

from wideseek_env.scoring.mentions import Mentions
from wideseek_env.task import ColumnSpec, Table, Task

TASK = Task(
    id="museums",
    question="Which museums?",
    columns=("Museum", "Opened", "Visitors", "Town"),
    key_columns=("Museum",),
    gold=Table(
        ("Museum", "Opened", "Visitors", "Town"),
        (
            ("The Tower Museum", "1874-05-03", "12,000", "Honholm"),
            ("Salt & Sea House", "1955", "77 m", "Bilur"),
            ("Musée Réal", "1901", "300", "Ruddal"),
            ("Winter (North)", "1930", "45", "Korarn"),
            ("Winter", "1931", "46", "Misley"),
        ),
    ),
    specs={"Opened": ColumnSpec(("date_near",), ("norm_date",))},
    aliases={"Museum": {"Musée Réal": ("Royal Museum",)}, "Town": {"Bilur": ("Old Bilur",)}},
)


def task_of(keys: tuple[str, ...], header: tuple[str, ...], *rows: tuple[str, ...]) -> Task:
    return Task("t", "Which?", header, keys, Table(header, rows))


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("The Tower Museum is old.", {0}),
        ("**tower  museum**", {0}),
        ("[Tower Museum](https://web.example/x)", {0}),
        ("Tower\nMuseum", {0}),
        ("TOWER-MUSEUM;", {0}),
        ("Towers Museum, Tower Museums, the museum in the tower", set()),
        ("Salt and Sea House / SALT &amp; SEA HOUSE", {1}),
        ("Musee Real", {2}),
        ("ＭＵＳÉＥ　Ｒéal", {2}),
        ("the Royal Museum", {2}),
        ("Winter (North) and nothing else", {3}),
        ("Winter, North", {3}),
        ("Winter North. Winter.", {3, 4}),
        ("winter", {4}),
        ("Wintery weather in midwinter", set()),
        ("", set()),
    ],
)
def test_a_text_names_rows(text: str, named: set[int]) -> None:
    assert Mentions(TASK).named(text) == named


@pytest.mark.parametrize(
    ("text", "given"),
    [
        # one line
        ("The Tower Museum in Honholm.", {0}),
        ("Tower Museum: opened 3 May 1874", {0}),
        ("Tower Museum: opened May 3rd, 1874", {0}),
        ("Tower Museum: opened in 1874", set()),  # the year alone is another date
        ("Tower Museum has 12000 visitors", {0}),
        ("Tower Museum | | | 12 000", {0}),
        ("Honholm has the Tower Museum", {0}),
        ("Salt & Sea House: 77 metres", {1}),
        ("Salt & Sea House in Old Bilur", {1}),
        ("1955. Salt & Sea House", set()),  # the number of an entry
        ("- Salt & Sea House", set()),
        ("I found the Tower Museum, Salt & Sea House and Musée Réal.", set()),
        ("Museums (77): Tower Museum, Salt & Sea House", set()),
        # several rows on a line
        ("Tower Museum (Honholm), Salt & Sea House, Winter (46)", {0, 4}),
        ("Honholm has the Tower Museum; Bilur has the Salt & Sea House", {0, 1}),
        ('[{"name": "Tower Museum", "town": "Honholm"}, {"name": "Winter", "town": null}]', {0}),
        ('[{"town": "Honholm", "name": "Tower Museum"}, {"town": "Misley", "name": "Winter"}]', {0, 4}),
        ("Tower Museum,1874-05-03,12000,Honholm\nWinter,,,\nMusée Réal,1901,,", {0, 2}),
        ("<tr><td>Winter</td><td>1931</td></tr><tr><td>Musée Réal</td><td></td></tr>", {4}),
        # entries of several lines
        ("## Tower Museum\n\n- Opened: 1874\n- Town: Honholm\n\n## Lost House\n\n- Town: Bilur", {0}),
        ("## Winter\n\nnothing found\n\n## Lost House\n\n- Town: Misley", set()),
        ("**Winter**\n- Town: Misley\n\n**Other**\n- Town: Bilur", {4}),
        ("**Winter**\n\n**Other**\n- Town: Misley", set()),
        ("- Winter\n  - Town: Misley\n- Other\n  - Town: Bilur", {4}),
        ("- Winter\n- Other\n  - Town: Misley", set()),
        ("1. Winter\n   Town: Misley\n2. Other", {4}),
        ("Museum: Winter\nTown: Misley\n\nMuseum: Other\nTown: Bilur", {4}),
        ("Museum: Winter\nMuseum: Other\nTown: Misley", set()),
        ("Winter: not found\nOther: Misley", set()),
        ("Winter:\n  Town: Misley", {4}),
        ('{\n  "museum": "Winter",\n  "town": "Misley"\n},\n{\n  "museum": "Other"\n}', {4}),
        ("| Winter | |\n| Other | Misley |", set()),
        # tables whose headers are not those of the task
        ("| 博物馆 | 城市 |\n|---|---|\n| Winter | Misley |\n| Tower Museum | |", {4}),
        ("| Nom | Visiteurs |\n|---|---|\n| Royal Museum | 300 |", {2}),
        # a value that is only part of the key
        ("Winter (North)", set()),
    ],
)
def test_a_text_gives_rows_with_a_value(text: str, given: set[int]) -> None:
    mentions = Mentions(TASK)
    assert mentions.given(text) == given
    assert given <= mentions.named(text)


def test_a_value_inside_the_key_is_no_value() -> None:
    mentions = Mentions(task_of(("Film",), ("Film", "Town"), ("Winter in Honholm", "Honholm")))
    assert mentions.given("- Winter in Honholm (https://web.example/winter-in-honholm)") == set()
    assert mentions.given("- Winter in Honholm: shown in Honholm") == {0}


def test_addresses_do_not_name_rows_but_can_be_values() -> None:
    page = "https://web.example/winter-1931"
    mentions = Mentions(TASK)
    assert mentions.named(f"Open {page} or [this]({page}).") == set()
    assert mentions.given(f"| Winter | {page} |") == set()
    site = "https://www.ada.example"
    mentions = Mentions(task_of(("Name",), ("Name", "Website"), ("Ada", site)))
    assert mentions.given(f"Ada: {site}/") == {0}
    assert mentions.given("Ada: https://www.bel.example") == set()


def test_a_row_with_several_keys_needs_all_of_them() -> None:
    mentions = Mentions(
        task_of(("Year", "Race"), ("Year", "Race", "Winner"),
                ("1950", "Monaco", "Fangio"), ("1951", "Monaco", ""), ("1950", "Monza", "Farina")),
    )  # fmt: skip
    assert mentions.named("Monaco") == set()
    assert mentions.named("Monaco in 1950") == {0}
    assert mentions.given("1950: Monaco (Fangio)\n1951: Monaco") == {0, 1}
    assert mentions.given("1951: Monaco (Fangio)") == {1}  # without further columns the keys are enough
    assert mentions.given("# 1950\n\n- Monza: Farina") == {2}


def test_short_keys_and_numbers_need_a_value() -> None:
    mentions = Mentions(task_of(("Year",), ("Year", "Winner"), ("1950", "Farina"), ("1951", "Fangio")))
    assert mentions.named("In 1950 and 1951 there were races.") == set()
    assert mentions.named("In 1950 Farina won. In 1951 there were races.") == {0}
    letters = Mentions(task_of(("Element",), ("Element", "Name"), ("H", "Hydrogen"), ("He", "Helium")))
    assert letters.named("h is he") == set()
    assert letters.named("He: Helium") == {1}


def test_chinese_needs_no_spaces() -> None:
    mentions = Mentions(task_of(("城市",), ("城市", "省"), ("广州", "广东"), ("京", "北"), ("长沙", "湖南")))
    assert mentions.named("我找到了广州和长沙。") == {0, 2}
    assert mentions.given("广州位于广东省；长沙未找到。") == {0}
    korean = Mentions(task_of(("도시",), ("도시", "국가"), ("서울", "한국")))
    assert korean.given("서울은 한국의 수도이다.") == {0}


def test_without_other_columns_the_key_is_enough() -> None:
    mentions = Mentions(task_of(("Name",), ("Name",), ("Ada",), ("Bel",)))
    assert mentions.given("Ada and Cid") == {0}


def test_rows_without_a_key_and_rows_with_the_same_key() -> None:
    mentions = Mentions(
        task_of(("Name",), ("Name", "Town"), ("", "Ruddal"), ("Ada", "Bilur"), ("Ada", "Misley"))
    )
    assert mentions.named("Ada lives in Ruddal") == {1, 2}
    assert mentions.given("Ada in Misley") == {2}
