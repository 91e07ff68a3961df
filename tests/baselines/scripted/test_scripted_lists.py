"""Which lists the scripted team reads in a question, and what it writes into subtasks and reports about lists."""

from __future__ import annotations

import pytest

from wideseek_baselines.scripted.collect import divide
from wideseek_baselines.scripted.collecting import (
    Collect,
    CollectReport,
    Entry,
    read_collect,
    read_collect_report,
)
from wideseek_baselines.scripted.conditions import ABSENT, Condition
from wideseek_baselines.scripted.lists import ListName, read_lists
from wideseek_baselines.scripted.question import read_question
from wideseek_baselines.scripted.subtasks import Entity
from wideseek_baselines.scripted.wide import WideQuestion, shares, shares_of_lists
from wideseek_env.task import Language
from wideseek_env.tasks.hybridqa.wide.scope import Scope
from wideseek_env.tasks.phrasing import column_sentence

COLUMNS = ("Crew", "Year", "Hull")


def asked(place: str, language: Language = "en", more: str = "") -> str:
    """A question about the lists that `place` names."""
    if language == "zh":
        return f"请根据{place}，列出每一项（Crew），并给出：Hull。{more}{column_sentence(COLUMNS, 'zh')}"
    return f"Go through {place}. List every crew, and give for each: Hull. {more}{column_sentence(COLUMNS)}"


def read(place: str, language: Language = "en", more: str = "") -> WideQuestion | None:
    return WideQuestion.of(asked(place, language, more))


SCOPES = {
    "all lists of an article": (
        Scope("article", ("Bay Race",), several=True),
        [ListName("Bay Race", "", True)],
    ),
    "lists below a heading": (
        Scope("article", ("Bay Race",), "heading", "Men – Final"),
        [ListName("Bay Race", "Men – Final", True)],
    ),
    "lists by name": (
        Scope("sections", ("Bay Race, 2nd (part)",), sections=("A, B", "C (2)", "D. E")),
        [ListName("Bay Race, 2nd (part)", section) for section in ("A, B", "C (2)", "D. E")],
    ),
    "lists by name below a heading": (
        Scope("sections", ("Bay Race",), "heading", "Men", ("Men", "Final")),
        [ListName("Bay Race", "Men"), ListName("Bay Race", "Men – Final")],
    ),
    "a section of pages": (
        Scope("titles", ("Bays in Norway", "Bays of Chile, South"), "section", "Crews"),
        [ListName("Bays in Norway", "Crews"), ListName("Bays of Chile, South", "Crews")],
    ),
    "all lists of pages": (
        Scope("titles", ("Bays in Norway", "Bays in Chile")),
        [ListName("Bays in Norway", "", True), ListName("Bays in Chile", "", True)],
    ),
    "counterparts by year": (
        Scope(
            "counterparts",
            ("1972 Race of the 12 Bays",),
            "section",
            "Crews",
            values=("1980", "2004"),
            slot="year",
        ),
        [ListName(f"{year} Race of the 12 Bays", "Crews") for year in (1972, 1980, 2004)],
    ),
    "counterparts by season": (
        Scope("counterparts", ("1998–99 Race",), values=("1999–2000",), slot="year"),
        [ListName("1998–99 Race", "", True), ListName("1999–2000 Race", "", True)],
    ),
    "counterparts by ordinal": (
        Scope("counterparts", ("List of 41st Bay Race crews",), values=("42nd", "50th"), slot="number"),
        [ListName(f"List of {n} Bay Race crews", "", True) for n in ("41st", "42nd", "50th")],
    ),
    "counterparts by number": (
        Scope("counterparts", ("Bay Race 7",), "heading", "Final", values=("9", "10"), slot="number"),
        [ListName(f"Bay Race {n}", "Final", True) for n in (7, 9, 10)],
    ),
    "every year": (
        Scope("range", ("2010 Race", "2012 Race"), slot="year", step=1),
        [ListName(f"{year} Race", "", True) for year in (2010, 2011, 2012)],
    ),
    "every fourth year": (
        Scope("range", ("1896 Race", "1908 Race"), "section", "Crews", slot="year", step=4),
        [ListName(f"{year} Race", "Crews") for year in (1896, 1900, 1904, 1908)],
    ),
    "seasons": (
        Scope("range", ("1998–99 Race", "2001–02 Race"), slot="year", step=1),
        [ListName(f"{season} Race", "", True) for season in ("1998–99", "1999–2000", "2000–01", "2001–02")],
    ),
    "years with gaps": (
        Scope("range", ("2010 Race", "2013 Race"), slot="year"),
        [ListName(f"{year} Race", "", True, year in (2011, 2012)) for year in (2010, 2011, 2012, 2013)],
    ),
    "ordinals": (
        Scope("range", ("9th Race", "13th Race"), slot="number", step=1),
        [ListName(f"{n} Race", "", True) for n in ("9th", "10th", "11th", "12th", "13th")],
    ),
}


@pytest.mark.parametrize("language", ["en", "zh"])
@pytest.mark.parametrize("form", SCOPES)
def test_every_way_to_name_lists(form: str, language: Language) -> None:
    scope, names = SCOPES[form]
    found = read(scope.phrase(language), language)
    assert found is not None
    assert list(found.lists.names) == names
    assert found.columns == COLUMNS


@pytest.mark.parametrize(
    "place",
    [
        "the list on the Wikipedia page “Bay Race”",
        "the section “Crews” of the Wikipedia page “Bay Race”",
        "the list “Crews” on the Wikipedia page “Bay Race”",
        "the table of the page “Bay Race”",
        "railway stations in Norvania",
    ],
)
def test_a_question_about_one_list_names_no_lists(place: str) -> None:
    assert read(place) is None


@pytest.mark.parametrize(
    ("scope", "said", "title", "section", "edition"),
    [
        (SCOPES["counterparts by year"][0], ("year", "1972"), "2004 Race of the 12 Bays", "Crews", "2004"),
        (SCOPES["counterparts by ordinal"][0], ("number", "41st"), "List of 50th Bay Race crews", "", "50th"),
        (SCOPES["a section of pages"][0], None, "Bays of Chile, South", "Crews", "Crews"),
        (SCOPES["all lists of pages"][0], ("place", "Norway"), "Bays in Chile", "", "Chile"),
        (SCOPES["seasons"][0], ("year", "1998–99"), "1999–2000 Race", "", "1999–2000"),
        (SCOPES["all lists of an article"][0], None, "Bay Race", "Men – Final", "Men – Final"),
        (SCOPES["lists below a heading"][0], None, "Bay Race", "Men – Final – B. C", "B. C"),
        (SCOPES["lists by name below a heading"][0], None, "Bay Race", "Men – Final", "Final"),
        (SCOPES["lists by name below a heading"][0], None, "Bay Race", "Men", "Men"),
    ],
)
@pytest.mark.parametrize("language", ["en", "zh"])
def test_a_column_that_says_from_which_list_a_row_comes(
    scope: Scope, said: tuple[str, str] | None, title: str, section: str, edition: str, language: Language
) -> None:
    if language == "zh":
        what = "页面标题中的年份" if said else "该项所在列表的标题"
        more = f"Year 一列填写{what}，例如 {said[1] if said else 'A. B'}。名称和数值请按页面上的写法填写。"
    else:
        what = f"the {said[0]} that the title of the page gives" if said else "the heading of the list"
        example = said[1] if said else "A. B"
        more = f"In the column Year, write {what}, such as {example}. An entry of several lists has one row. "
    found = read(scope.phrase(language), language, more)
    assert found is not None
    assert found.columns == ("Crew", "Hull")
    assert found.lists.edition == "Year"
    assert found.lists.edition_of(title, section) == edition


@pytest.mark.parametrize(
    ("language", "more"),
    [
        ("en", "Give one row for each pair of Crew and Year. Write names as the pages give them. "),
        ("zh", "每个 Crew 和 Year 的组合各占一行。"),
    ],
)
def test_a_second_column_of_the_lists(language: Language, more: str) -> None:
    found = read(SCOPES["all lists of an article"][0].phrase(language), language, more)
    assert found is not None
    assert found.lists.second == "Year"
    assert found.columns == COLUMNS


@pytest.mark.parametrize(
    ("language", "more", "given"),
    [
        ("en", "Take Hull from each entry's own page, to which the list links. ", ()),
        (
            "en",
            "Take Year and Hull from each entry's own page, to which the list links. Leave out every entry that has "
            "no such page, or whose page does not give the year or does not name the hull. ",
            ("Year", "Hull"),
        ),
        ("zh", "Hull 请从每一项自己的页面（列表中的链接）上查找。", ()),
        (
            "zh",
            "Hull 请从每一项自己的页面（列表中的链接）上查找。没有这样的页面，或页面没有写明船型的项，不要列入。",
            ("Hull",),
        ),
    ],
)
def test_entries_whose_page_lacks_a_value_do_not_count(
    language: Language, more: str, given: tuple[str, ...]
) -> None:
    found = read(SCOPES["all lists of pages"][0].phrase(language), language, more)
    assert found is not None
    assert found.lists.given == given
    assert [c.relation for c in found.question.conditions] == ["given"] * len(given)


def test_a_value_that_must_be_given() -> None:
    date = Condition("Date of birth", "given", "")
    cells = {"3 May 1950": True, "1950": False, ABSENT: False, "": None}
    assert {cell: date.holds(cell) for cell in cells} == cells
    assert Condition("Founded", "given", "").holds("1950") is True


NAMES = (
    ListName("Bay Race", "Men – 1, final"),
    ListName("Bay Race", "Men", True, part=2, parts=3),
    ListName("Bay Race (2010), part 1 of 2", "", True, True),
    ListName("Bay Race", "Men (“B)", part=12, parts=12, url="https://bay.example/Race?table=1&page=2"),
    ListName("Bay Race", url="https://bay.example/Race_(2010)"),
    ListName("湾赛", "男子", unsure=True, part=1, parts=2),
)


@pytest.mark.parametrize("language", ["en", "zh"])
def test_a_subtask_is_read_back(language: Language) -> None:
    conditions = (
        Condition("Hull", "is_not", "oak (old)"),
        Condition("Year", "before", "1950"),
        Condition("Points", "at_least", "1,200"),
        Condition("Date of birth", "given", ""),
    )
    task = Collect(NAMES, ("Crew (boat)", "Hull", "Year"), conditions)
    assert read_collect(task.write(language)) == task
    assert read_collect(f"Intro.\n\nYour subtask:\n{task.write(language)}") == task
    assert read_collect("- “Bay Race”, all lists\n| Crew |") is None


@pytest.mark.parametrize("language", ["en", "zh"])
def test_a_report_is_read_back(language: Language) -> None:
    report = CollectReport(
        (("Bay Race", "Men"), ("Bay Race", ""), ("Bay Race: 2", "A, “B: C")),
        (
            Entry("Bay Race", "Men", Entity("Ann | Co", "https://bay.example/Ann"), {"Hull": "oak"}),
            Entry("Bay Race", "Men", Entity("Total", ""), {"Hull": "ash", "Year": "1950"}),
            Entry("Bay Race", "", Entity("Ben", "https://bay.example/Ben"), {}),
        ),
        (NAMES[3], NAMES[0]),
        (NAMES[2],),
        ("Ben", "- Cy"),
    )
    text = report.write(("Crew", "Hull", "Year"), language)
    assert read_collect_report(text) == report
    assert read_collect_report("") == CollectReport()
    assert read_collect_report("Nothing was found.\n| Crew |\n| --- |\n| Ann |") == CollectReport()


@pytest.mark.parametrize("lists", range(1, 9))
@pytest.mark.parametrize("parts", range(1, 12))
def test_parts_cover_every_entry_once(lists: int, parts: int) -> None:
    names = [ListName("Bay Race", f"Heat {n}") for n in range(lists)]
    taken = [
        (one.section, one.part, one.parts)
        for part in ListName("Bay Race", "", True).split(parts)
        for one in divide(part, names)
    ]
    assert len(set(taken)) == len(taken)
    for name in names:
        shares_of_one = [(part, of) for section, part, of in taken if section == name.section]
        assert [part for part, _ in shares_of_one] == list(range(1, shares_of_one[0][1] + 1))
        assert len({of for _, of in shares_of_one}) == 1
    sizes = [sum(1 for one in divide(part, names)) for part in names[0].split(parts)]
    assert max(sizes) - min(sizes) <= 1


@pytest.mark.parametrize(("lists", "subagents"), [(1, 1), (1, 5), (3, 2), (3, 3), (3, 8), (7, 3)])
def test_subagents_share_the_lists_evenly(lists: int, subagents: int) -> None:
    names = [ListName(f"Race {n}") for n in range(lists)]
    given = shares_of_lists(names, subagents)
    assert len(given) == subagents
    assert sorted({one.title for share in given for one in share}) == [name.title for name in names]
    sizes = [sum(1 / one.parts for one in share) for share in given]
    assert sum(sizes) == pytest.approx(lists)
    assert max(map(len, given)) - min(map(len, given)) <= 1


def test_a_part_can_be_divided_again() -> None:
    (_, second) = ListName("Bay Race").split(2)
    assert [(one.part, one.parts) for one in second.split(3)] == [(4, 6), (5, 6), (6, 6)]


def test_entities_that_are_too_many_wait() -> None:
    entities = [Entity(f"Crew {n}", "") for n in range(100)]
    assert [len(share) for share in shares(entities, 2)] == [40, 40]
    assert [len(share) for share in shares(entities[:5], 8)] == [1] * 5


def test_the_first_column_is_the_key() -> None:
    text = asked(SCOPES["every year"][0].phrase())
    assert read_lists(text, read_question(text).columns) is not None
    assert read_lists("", ()) is None
