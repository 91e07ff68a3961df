"""Lists that are united, lists that are not, and names that fit nothing else."""

from __future__ import annotations

from pathlib import Path
from random import Random

import pytest
from hybridqa_data import Record, cell
from tasks.hybridqa.wide.wide_data import (
    a_list,
    articles_of,
    buckets_of,
    councils,
    crews,
    everything,
    leagues,
    museums,
    names,
    piers,
    plans_of,
    regattas,
)

from wideseek_env.tasks.hybridqa.members import members_of, shared_columns
from wideseek_env.tasks.hybridqa.siblings import Bucket
from wideseek_env.tasks.hybridqa.wide.scope import Scope
from wideseek_env.tasks.hybridqa.wide.unions import propose, scope_of, unions_of


def found(tmp_path: Path, tables: list[Record]) -> list[Bucket]:
    return buckets_of(plans_of(tmp_path / "data", tables))


def the(tmp_path: Path, tables: list[Record], where: str) -> Bucket:
    (bucket,) = [bucket for bucket in found(tmp_path, tables) if bucket.where == where]
    return bucket


def scope(tmp_path: Path, tables: list[Record], where: str, labels: list[str]) -> Scope | None:
    bucket = the(tmp_path, tables, where)
    units = [unit for unit in bucket.units if unit.label in labels]
    assert [unit.label for unit in units] == labels
    return scope_of(bucket, units, articles_of(plans_of(tmp_path / "data", tables)))


def test_siblings_by_year(tmp_path: Path) -> None:
    bucket = the(tmp_path, regattas(), "section")
    assert bucket.slot == "year"
    assert [unit.label for unit in bucket.units] == ["2001", "2002", "2004", "2005"]
    assert bucket.family == "bay regatta"


def test_a_range_needs_every_page_between_its_ends(tmp_path: Path) -> None:
    # There is a page for 2003, and it has no such list.
    named = scope(tmp_path, regattas(), "section", ["2001", "2002", "2004"])
    assert named is not None
    assert (named.form, named.titles, named.values) == (
        "counterparts",
        ("2001 Bay Regatta",),
        ("2002", "2004"),
    )
    assert named.all_titles == ("2001 Bay Regatta", "2002 Bay Regatta", "2004 Bay Regatta")
    named = scope(tmp_path, leagues(), "section", ["1990", "1991", "1992"])
    assert named is not None
    assert (named.form, named.step, named.span) == ("range", 1, (1990, 1992))


def test_a_range_says_that_years_are_missing(tmp_path: Path) -> None:
    tables = [table for table in regattas() if "2003" not in table["title"]]
    named = scope(tmp_path, tables, "section", ["2001", "2002", "2004"])
    assert named is not None
    assert (named.form, named.step) == ("range", 0)
    assert "some years have no page" in named.phrase()


def test_siblings_by_place_and_number(tmp_path: Path) -> None:
    named = scope(tmp_path / "piers", piers(), "section", ["Chile", "Japan"])
    assert named is not None
    assert named.form == "titles"
    assert named.phrase() == (
        "the section “Piers” of the Wikipedia pages “List of piers in Chile” and “List of piers in Japan”"
    )
    named = scope(tmp_path / "councils", councils(), "section", ["9th", "11th"])
    assert named is not None
    assert named.phrase() == (
        "the section “Members” of the Wikipedia page “9th Bay Council” and its counterpart for the 11th"
    )


def test_parts_of_one_article(tmp_path: Path) -> None:
    bucket = the(tmp_path, museums(), "article")
    assert bucket.slot is None
    assert [unit.label for unit in bucket.units] == ["Open – North", "Open – South", "Open – East"]
    articles = articles_of(plans_of(tmp_path / "data", museums()))
    # The list of closed museums has other columns. So the union is not "all lists" of the article.
    named = scope_of(bucket, bucket.units, articles)
    assert named is not None
    assert (named.form, named.where, named.section) == ("article", "heading", "Open")
    named = scope_of(bucket, bucket.units[:2], articles)
    assert named is not None
    assert named.phrase() == (
        "the lists “North” and “South” under the heading “Open” on the Wikipedia page “List of bay museums”"
    )
    whole = [table for table in museums() if table["section_title"] != "Closed"]
    assert scope(
        tmp_path / "whole", whole, "article", ["Open – North", "Open – South", "Open – East"]
    ) == Scope("article", ("List of bay museums",), several=True)


def test_a_name_that_two_lists_have_names_neither(tmp_path: Path) -> None:
    tables = [crews("Bay Log", 12 * n, section="Spring" if n < 2 else "Autumn", number=n) for n in range(3)]
    bucket = the(tmp_path, tables, "article")
    articles = articles_of(plans_of(tmp_path / "data", tables))
    assert scope_of(bucket, bucket.units[1:], articles) is None
    assert scope_of(bucket, bucket.units, articles) is not None  # all lists of the article
    for union in unions_of(bucket, articles, Random(0)):
        assert union.edition == ""  # the headings do not tell the lists apart


@pytest.mark.parametrize(
    "other",
    [
        a_list("2002 Bay Cup", names("Crew", 12, 12), {"Mast": ["x", "y"] * 6}, section="Crews"),
        a_list("2002 Bay Cup", names("Crew", 12, 12), {"Hull": ["x", "y"] * 6}, section="Crews", key="Boat"),
        a_list(
            "2002 Bay Cup", names("Crew", 12, 12), {"Hull": ["x", "y"] * 6}, section="Crews", linked=False
        ),
        a_list("2002 Bay Cup", [*names("Crew", 11, 12), "Total"], {"Hull": ["x", "y"] * 6}, section="Crews"),
        a_list("2002 Bay Cup", [*names("Crew", 11, 12), "Vacant"], {"Hull": ["x", "y"] * 6}, section="Crews"),
        a_list("2002 Bay Cup", [*names("Crew", 11, 12), "—"], {"Hull": ["x", "y"] * 6}, section="Crews"),
        a_list("2002 Bay Cup", names("Crew", 12, 12), {"Hull": [*["x", "y"] * 5, "x", ""]}, section="Crews"),
        a_list("2002 Bay Cup", names("Crew", 12, 12), {"Hull": ["x", "y"] * 6}, section="Rules"),
    ],
    ids=["columns", "key", "links", "sum", "vacancy", "dash", "gap", "section"],
)
def test_lists_that_do_not_belong_together(tmp_path: Path, other: Record) -> None:
    first = a_list("2001 Bay Cup", names("Crew", 12), {"Hull": ["x", "y"] * 6}, section="Crews")
    assert not [bucket for bucket in found(tmp_path, [first, other]) if bucket.where == "section"]


@pytest.mark.parametrize(
    ("title", "key", "other"),
    [
        ("List of churches in Norway", "City, State", "Church"),
        ("List of airports in Norway", "Location", "Airport name"),
        ("List of cities in Norway", "Region", "City"),
        ("List of best songs of Norway", "Artist", "Title"),
        ("Norwegian charts", "Director", "Film"),
    ],
)
def test_a_column_that_is_not_what_the_list_is_about_is_no_key(
    tmp_path: Path, title: str, key: str, other: str
) -> None:
    about = a_list(title, names("Thing", 12), {other: names("Other", 12)}, key=key)
    assert not members_of(plans_of(tmp_path / "a", [about]))[0]
    about = a_list(title, names("Thing", 12), {"Since": names("Other", 12)}, key=key)
    assert members_of(plans_of(tmp_path / "b", [about]))[0]


def test_units_must_be_the_same(tmp_path: Path) -> None:
    def shared(*values: list[str]) -> list[str]:
        tables = [
            a_list(
                f"{2001 + n} Bay Tower", names("Crew", 12, 12 * n), {"Hull": ["x", "y"] * 6, "Height": part}
            )
            for n, part in enumerate(values)
        ]
        members = members_of(plans_of(tmp_path / str(len(list(tmp_path.iterdir()))), tables))[0]
        return [column.header for column in shared_columns(members)]

    metres = [f"{n + 100} m" for n in range(12)]
    assert shared(metres, [f"{n + 50} m" for n in range(12)]) == ["Hull", "Height"]
    assert shared(metres, [f"{n + 300} ft" for n in range(12)]) == ["Hull"]
    assert shared(metres, [f"{n + 300}" for n in range(12)]) == ["Hull"]
    assert shared(metres, [*(f"{n + 300}" for n in range(11)), "very high"]) == ["Hull"]
    prices = [f"${n + 100}" for n in range(12)]
    assert shared(prices, [f"${n + 90}" for n in range(12)]) == ["Hull", "Height"]
    assert shared(prices, [f"£{n + 90}" for n in range(12)]) == ["Hull"]
    assert shared(prices, [f"${n + 90},000" for n in range(12)]) == ["Hull"]  # thousands instead of units
    assert shared([f"{n + 10}%" for n in range(12)], [f"{n + 10}" for n in range(12)]) == ["Hull"]


def test_names_that_recur_need_the_edition(tmp_path: Path) -> None:
    tables = everything()
    articles = articles_of(plans_of(tmp_path / "data", tables))
    editions: dict[str, set[str]] = {}
    for bucket in buckets_of(plans_of(tmp_path / "data", tables)):
        for query in propose(bucket, articles, 0):
            editions.setdefault(bucket.family, set()).add(query.edition)
            assert query.union.repeats(query.rows, "") == (query.edition == "key")
            assert not query.union.repeats(query.rows, query.edition)
    assert editions["harbour league"] == {"key"}
    assert editions["bay regatta"] <= {"", "column"}


def test_the_same_page_under_two_names_needs_the_edition(tmp_path: Path) -> None:
    tables = [crews("2001 Bay Run", 0), crews("2002 Bay Run", 12)]
    tables[1]["data"][3][0] = cell("Crew Another Name", "/wiki/Crew_Aaton")
    bucket = the(tmp_path, tables, "section")
    queries = list(propose(bucket, articles_of(plans_of(tmp_path / "data", tables)), 0))
    assert {query.edition for query in queries if len(query.rows) == 24} == {"key"}


def test_names_that_recur_in_one_list_have_its_year_as_second_key(tmp_path: Path) -> None:
    def winners(sort: str, number: int) -> Record:
        keys = [name for name in names("Rider", 7, 7 * number) for _ in range(2)]
        times = [f"1:{n:02}.5" for n in range(14)]
        years = [str(1980 + n) for n in range(14)]
        return a_list(
            "Bay Trophy", keys, {"Year": years, "Time": times}, section=sort, number=number, key="Winner"
        )

    tables = [winners("Men", 0), winners("Women", 1)]
    bucket = the(tmp_path, tables, "article")
    (query, *_) = propose(bucket, articles_of(plans_of(tmp_path / "data", tables)), 0)
    assert query.edition == "own"
    assert query.edition_name == "Year"
    assert [query.union.shared[column].header for column in query.columns] == ["Time"]
    tables[1]["data"][1][1] = cell("1980")  # a winner twice in one year
    assert not found(tmp_path / "again", tables)


def test_queries_depend_on_the_seed_alone(tmp_path: Path) -> None:
    plans = plans_of(tmp_path / "data", everything())
    articles, buckets = articles_of(plans), buckets_of(plans)
    first, again, other = (
        [query.name for bucket in buckets for query in propose(bucket, articles, seed)] for seed in (0, 0, 1)
    )
    assert first == again != other
