"""Questions for facts that only the pages of the entities state."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path

import pytest
from hybridqa_data import Record, write_jsonl
from tasks.hybridqa.wide.test_wide_build import check_task, title_in
from tasks.hybridqa.wide.wide_data import a_list, buckets_of, names, passages, plans_of

from wideseek_env.corpus.hybridqa import build_hybridqa
from wideseek_env.corpus.hybridqa.values import Kind
from wideseek_env.corpus.stored import StoredCorpus
from wideseek_env.task import Task
from wideseek_env.tasks.hybridqa.page_facts import FACTS, date_of_birth, date_of_death
from wideseek_env.tasks.hybridqa.splits import LARGE, family_pages, split_of_family
from wideseek_env.tasks.hybridqa.wide import WideConfig, WideReport, build_wide_tasks
from wideseek_env.tasks.hybridqa.wide.checks import MARKED
from wideseek_env.tasks.hybridqa.wide.entity_pages import has_stranger, is_about, is_doubtful
from wideseek_env.tasks.hybridqa.wide.wording import parse_wide
from wideseek_env.tasks.jsonl import load_tasks

BIRTHS = [
    ("Ann Roe (born 3 May 1950) is a sailor.", "3 May 1950"),
    ("Ann Roe (born May 3, 1950) is a sailor.", "May 3, 1950"),
    ("Ann Roe (3 May 1950 - 1 June 2001) was a sailor.", "3 May 1950"),
    ("Ann Roe (May 3, 1950 – June 1, 2001) was a sailor.", "May 3, 1950"),
    ("Ann Roe (née Doe; born 3 May 1950 in Bergen) is a sailor.", "3 May 1950"),
    ("Ann Roe (Russian: Анна Роу, born 3 May 1950) is a sailor.", "3 May 1950"),
    ("Ann Roe (born (1950-05-03) 3 May 1950) is a sailor.", "3 May 1950"),
    ("Ann Roe (/roʊ/; born in Oslo, 3 May 1950) is a sailor.", "3 May 1950"),
    ("Ann Roe (known as Ann Doe until 1980, born 3 May 1950) is a sailor.", "3 May 1950"),
    ("Ann Roe, born 3 May 1950 in Bergen, is a sailor.", "3 May 1950"),
    ("Ann Roe is a sailor. She was born on 3 May 1950 in Bergen.", "3 May 1950"),
    ("Bay Runner (foaled March 8, 2001 in Kentucky) is a racehorse.", "March 8, 2001"),
    # No full date of birth.
    ("Ann Roe is a sailor.", ""),
    ("Ann Roe (born 1950) is a sailor. She won on 3 May 1980.", ""),
    ("Ann Roe (born May 1950) is a sailor.", ""),
    ("Ann Roe (1950 - 3 May 2001) was a sailor.", ""),
    ("Ann Roe (c. 1950 - 3 May 2001) was a sailor.", ""),
    ("Ann Roe (died 3 May 2001) was a sailor.", ""),
    # Not clear.
    ("Ann Roe, who was often called Ann Doe, (3 May 1950 - 1 June 2001) was a sailor.", None),
    ("Ann Roe (b. May, 3 1950) was a sailor.", None),
    ("Ann Roe was a sailor (May 3, 1950 – June 1, 2001).", None),
    ("Ann Roe (born 3 May or 4 May 1950) is a sailor.", None),
    ("Ann Roe (born 3 May 1950 or 1951) is a sailor.", None),
    ("Ann Roe (3 May [O.S. 20 April] 1850 - 1 June 1901) was a sailor.", None),
    ("Ann Roe (born 3 May 1950 [O.S. 20 April]) is a sailor.", None),
    ("Ann Roe (baptised 3 May 1650) was a sailor.", None),
    ("Ann Roe (born Dec 3 1950) is a sailor.", None),
    ("Ann Roe (3 May 1950 - 1 June 2001) (in office 1 May 1980 - 2 May 1990) was a mayor.", None),
    ("The house was built for Ann Roe. Ann Roe was born on 3 May 1850.", None),
    ("Bay United (founded July 12, 1889) is a club.", None),
]
DEATHS = [
    ("Ann Roe (3 May 1950 - 1 June 2001) was a sailor.", "1 June 2001"),
    ("Ann Roe (born Ann Doe; May 3, 1950 in Oslo – June 1, 2001 in Bergen) was a sailor.", "June 1, 2001"),
    ("Ann Roe (May 3, 1950 – June 1, 2001) was a sailor.", "June 1, 2001"),
    ("Ann Roe (born 3 May 1950, died 1 June 2001) was a sailor.", "1 June 2001"),
    ("Ann Roe (born 3 May 1950) is a sailor.", ""),
    ("Ann Roe is a sailor.", ""),
    ("Ann Roe (3 May 1950 - 2001) was a sailor.", None),
    ("Ann Roe (born 3 May 1950) was a sailor who was killed at sea.", None),
    ("Ann Roe (1950 - 1 June 2001) was a sailor.", None),
]


@pytest.mark.parametrize(("text", "value"), BIRTHS)
def test_dates_of_birth(text: str, value: str | None) -> None:
    assert date_of_birth(text) == value


@pytest.mark.parametrize(("text", "value"), DEATHS)
def test_dates_of_death(text: str, value: str | None) -> None:
    assert date_of_death(text) == value


@pytest.mark.parametrize(
    ("name", "path", "same"),
    [
        ("Joe Perry", "/wiki/Joe_Perry_(fullback)", True),
        ("Joe Perry (head coach)", "/wiki/Fletcher_Perry", True),
        ("J. Perry", "/wiki/Joe_Perry", True),
        ("Ann Roe Bob Doe", "/wiki/Joe_Perry", False),
        ("Joe Perry Ann Roe Bob Doe", "/wiki/Joe_Perry", False),
        ("Ann Roe", "/wiki/Murder_of_Joe_Perry", False),
        ("Joe Perry", "/wiki/Murder_of_Joe_Perry", False),
    ],
)
def test_a_page_is_about_the_entry(name: str, path: str, same: bool) -> None:
    text = "Fletcher Joe J. Perry (born 3 May 1950) is known for Ann Roe."
    assert is_about(name, path, text) == same


def sailors(title: str, first: int, count: int = 15, headers: tuple[str, ...] = ("Hull",)) -> Record:
    columns = {header: [["oak", "pine", "ash"][(n + first) % 3] for n in range(count)] for header in headers}
    return a_list(title, names("Sailor", count, first), columns, section="Crew", key="Sailor")


def with_births(tables: list[Record], other: dict[int, str] | None = None) -> dict[str, str]:
    """Pages with a date of birth. `other` has the words in brackets for some pages, by their number."""
    found = {}
    for n, path in enumerate(passages(tables)):
        name = path[6:].replace("_", " ")
        words = (other or {}).get(n, f"born {n % 28 + 1} May {1900 + n}")
        found[path] = f"{name} ( {words} ) is a sailor ." if words else f"{name} is a sailor ."
    return found


def build(folder: Path, tables: list[Record], texts: dict[str, str]) -> tuple[list[Task], WideReport]:
    data = write_jsonl(folder / "data", tables, texts)
    build_hybridqa(data, folder / "corpus").close()
    report = build_wide_tasks(data, folder / "t.jsonl", WideConfig(), corpus=folder / "corpus", workers=1)
    tasks = list(load_tasks(folder / "t.jsonl"))
    with closing(StoredCorpus.open(folder / "corpus")) as corpus:
        for task in tasks:
            check_task(task, corpus)
    return tasks, report


def cup(split: str = "test", **settings: tuple[str, ...]) -> list[Record]:
    return [sailors(f"{2001 + n} {title_in(split)}", 15 * n, **settings) for n in range(4)]  # type: ignore[arg-type]


DOUBTFUL: list[tuple[str, Kind, str, str, str]] = [
    ("City", "text", "Aitkin", "Old Church", "Old Church is in Nordland Township, Aitkin County, Minnesota."),
    ("City", "text", "Salem", "Old Church", "Old Church is a church in Salem Township."),
    ("City", "text", "Salem", "Salem Mill", "Salem Mill is a mill in Ohio."),
    ("City", "text", "Crystal", "Old Dam", "Old Dam is on Crystal River in Crystal State Park."),
    ("Branch", "text", "Army", "Ann Roe", "Ann Roe served in the United States Army."),
    ("Branch", "text", "Navy", "Ann Roe", "Ann Roe served in the U.S. Navy for ten years."),
    ("Stadium", "text", "Monumental", "Bay United", "Bay United plays at the Estadio Monumental."),
    ("City", "text", "New York", "Old Hall", "Old Hall is a hall in New York City."),
    ("School", "text", "Bergen", "Ann Roe", "Ann Roe studied at the University of Bergen."),
    ("School", "text", "Iowa", "Ann Roe", "Ann Roe was an officer of the Iowa State Patrol."),
    ("Conference", "text", "Patriot", "Ann Roe", "Ann Roe played in Patriot."),
    ("Original team", "text", "Bay United", "Ann Roe", "Ann Roe was signed by Bay United."),
    ("Team", "text", "Patriot", "Ann Roe", "Ann Roe played in the Patriot League."),
    ("Director", "text", "Ann Roe", "Old Film", "Old Film was directed by Ann Roe and Bea Doe."),
    ("Director", "text", "Bea Doe", "Old Film", "Old Film was directed by Ann Roe and Bea Doe."),
    ("Location", "text", "Chicago", "Old Games", "The games were held in Chicago, Illinois."),
    ("Location", "text", "Texas", "Old Games", "The games were held in Frisco, Texas."),
    ("City", "text", "Kailua Kona", "Old Race", "Old Race is a race in Kailua-Kona."),
    ("Team", "text", "Bay United", "Ann Roe", "Ann Roe is a sailor."),
    ("Release date", "year", "2001", "Old Film", "Old Film is a film. It premiered on 16 November 2001."),
    ("Released", "year", "2008", "Old Film", "Old Film is a film that opened on February 15, 2008."),
    ("Opened", "year", "1998", "Old Hall", "Old Hall (opened 5 May 1998) is a hall."),
]
CLEAR: list[tuple[str, Kind, str, str, str]] = [
    ("City", "text", "Aitkin", "Old Church", "Old Church is in Aitkin, Aitkin County, Minnesota."),
    ("City", "text", "Salem", "Salem Mill", "Salem Mill is a mill in Salem, Ohio."),
    ("Branch", "text", "United States Army", "Ann Roe", "Ann Roe served in the United States Army."),
    ("Artist", "text", "Ann Roe", "Old Song", "Old Song is a song by Ann Roe."),
    ("Artist", "text", "Ann Roe", "Old Song", "Old Song is a song. Ann Roe wrote it."),
    ("Position", "text", "Sailor", "Ann Roe", "Ann Roe is a Danish sailor and coach."),
    ("Language", "text", "Hindi", "Old Film", "Old Film is an Indian Hindi-language film."),
    ("City", "text", "Salem", "Old Mill", "Old Mill is a mill in Salem, Ohio."),
    ("Venue", "text", "Old Hall", "Bay Games", "The Bay Games were held at Old Hall."),
    ("Year", "year", "2001", "Old Film", "Old Film is a film. It premiered on 16 November 2001."),
    ("Released", "year", "2001", "Old Film", "Old Film is a 2001 film. It won on 3 May 2002."),
    ("Height", "number", "2001", "Old Tower", "Old Tower was built on 3 May 2001."),
]


@pytest.mark.parametrize(("row", "found"), [*((r, True) for r in DOUBTFUL), *((r, False) for r in CLEAR)])
def test_values_that_a_reader_of_the_page_would_not_write(
    row: tuple[str, Kind, str, str, str], found: bool
) -> None:
    header, kind, value, name, text = row
    assert is_doubtful(header, kind, [value] * 3, [name] * 3, [text] * 3) is found


@pytest.mark.parametrize(
    "name", ["Ann Roe (2)", "Ann Roe †", "Ann Roe♦", "Ann Roe*", "Old Hall (Burned/Demolished)", "#Ann Roe"]
)
def test_names_with_marks(name: str) -> None:
    assert MARKED.search(name)
    assert not any(
        map(MARKED.search, ("Ann Roe", "Ann Roe (sailor)", "Vanoise (park)", "A-ha", "Boeing 747"))
    )


@pytest.mark.parametrize(
    ("dates", "found"),
    [
        (["17 September 1905", "3 May 1979", "", "1 June 1980", "May 3, 1985"], True),
        (["3 May 1879", "1 June 1880", "May 3, 1985"], True),
        (["21 December 1937", "3 May 1971", "1 June 1980"], True),
        (["3 May 1955", "1 June 1980"], False),
        (["3 May 1954", "1 June 1980"], True),
        (["3 May 1860", "1 June 1880", "May 3, 1935", "May 3, 1955"], False),
        (["3 May 1850"], False),
        (["", ""], False),
    ],
)
def test_a_date_far_from_all_others_is_of_another_person(dates: list[str], found: bool) -> None:
    assert has_stranger(dates) is found


def test_every_row_has_the_value_of_its_page(tmp_path: Path) -> None:
    tables = cup()
    tasks, _ = build(tmp_path, tables, with_births(tables))
    (task,) = [task for task in tasks if task.meta["rows"] == 60]
    assert task.gold is not None
    assert task.meta["from_pages"] == ["Date of birth"]
    assert "Leave out" not in task.question
    assert (task.meta["entity_pages"], task.meta["list_pages"], task.meta["pages"]) == (60, 8, 68)
    assert task.meta["values"] == ("both" if "Hull" in task.columns else "pages")
    assert task.specs["Date of birth"].metrics == ("date_near",)
    births = dict(zip(task.gold.column("Sailor"), task.gold.column("Date of birth"), strict=True))
    assert births["Sailor Aaton"] == "1 May 1900"
    assert births["Sailor Abton"] == "2 May 1901"


def test_the_question_leaves_out_rows_without_the_value(tmp_path: Path) -> None:
    tables = cup()
    tasks, _ = build(tmp_path, tables, with_births(tables, {3: "born 1950", 20: "", 41: "died 3 May 1950"}))
    (task,) = [task for task in tasks if task.meta["list_rows"] == 60]
    assert task.gold is not None
    parsed = parse_wide(task.question)
    assert parsed is not None
    assert parsed.leaves_out
    assert task.meta["rows"] == task.meta["entity_pages"] == 57
    absent = {names("Sailor", 60)[n] for n in (3, 20, 41)}
    assert absent.isdisjoint(task.gold.column("Sailor"))


def facts_asked(tasks: list[Task]) -> set[str]:
    return {name for task in tasks for name in task.meta.get("from_pages", ())}


def test_no_question_needs_an_unclear_page(tmp_path: Path) -> None:
    tables = cup()
    tasks, _ = build(tmp_path, tables, with_births(tables, {3: "born 3 May 1950 or 1951"}))
    with_facts = [task for task in tasks if "from_pages" in task.meta]
    assert with_facts
    assert all("2001" not in task.meta["urls"][0] for task in with_facts)


@pytest.mark.parametrize(
    ("header", "same"),
    [
        ("Born", True),
        ("Birth date", True),
        ("Birthdate", True),
        ("D.O.B.", True),
        ("DOB", True),
        ("Date of birth", True),
        ("Date of Birth (Age)", True),
        ("Year of birth", True),
        ("Birthday", True),
        ("Birth–death", True),
        ("Lifespan", True),
        ("Died", True),
        ("Date of death", True),
        ("Country of birth", False),
        ("Birthplace", False),
        ("Age", False),
        ("Date", False),
        ("Airborne", False),
    ],
)
def test_headers_that_already_have_the_fact(header: str, same: bool) -> None:
    assert all((fact.repeats.search(header) is not None) == same for fact in FACTS)


def test_no_question_asks_for_what_a_list_has(tmp_path: Path) -> None:
    tables = cup(headers=("Hull", "Birth date"))
    tasks, _ = build(tmp_path / "header", tables, with_births(tables))
    assert tasks
    assert not facts_asked(tasks)
    tables = cup(headers=("Hull", "Since"))
    tables[0]["data"][4][2] = ["5 May 1904", []]  # the date of birth under another name
    tasks, _ = build(tmp_path / "shown", tables, with_births(tables))
    assert facts_asked(tasks) == {"Date of birth"}
    assert all("2001" not in task.meta["urls"][0] for task in tasks if "from_pages" in task.meta)


def test_most_rows_must_have_the_value(tmp_path: Path) -> None:
    tables = cup()
    few = {n: "born 1950" for n in range(60) if n % 3}
    assert not facts_asked(build(tmp_path / "few", tables, with_births(tables, few))[0])
    half = {n: "born 1950" for n in range(60) if n % 2}
    assert facts_asked(build(tmp_path / "half", tables, with_births(tables, half))[0]) == {"Date of birth"}


def test_large_families_are_tests_more_often() -> None:
    families = [f"family {n}" for n in range(2000)]
    small = {family for family in families if split_of_family(family, LARGE - 1) == "test"}
    large = {family for family in families if split_of_family(family, LARGE) == "test"}
    assert small < large
    assert 0.09 < len(small) / 2000 < 0.15
    assert 0.26 < len(large) / 2000 < 0.34
    held = [family for family in families if split_of_family(family, LARGE) == "validation"]
    assert 0.04 < len(held) / 2000 < 0.08


def test_the_pages_of_a_family(tmp_path: Path) -> None:
    tables = [*cup(), *[sailors(f"{2001 + n} Bay Race", 5 * n) for n in range(3)]]
    pages = family_pages(buckets_of(plans_of(tmp_path, tables)))
    assert pages["bay race"] == 25  # sailors recur
    assert sorted(pages.values()) == [25, 60]
