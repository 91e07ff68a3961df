"""Why a query is dropped."""

from __future__ import annotations

from dataclasses import replace

import pytest

from wideseek_env.corpus.hybridqa.plan import TablePlan
from wideseek_env.corpus.hybridqa.reader import Cell, WikiTable
from wideseek_env.tasks.hybridqa.columns import columns_of
from wideseek_env.tasks.hybridqa.domains import domain_of
from wideseek_env.tasks.hybridqa.evidence import Evidence
from wideseek_env.tasks.hybridqa.filtering import REASONS, Duplicates, unclear_key, verdict
from wideseek_env.tasks.hybridqa.material import Material
from wideseek_env.tasks.hybridqa.queries import Query
from wideseek_env.tasks.hybridqa.selection import Condition, Part, Selection

NAMES = "Alder Birch Cedar Dogwood Elm Fir Ginkgo Hazel Ivy Juniper Katsura Larch".split()


def material(mode: str = "pages", header: tuple[str, ...] = ("Bay", "Country", "Built")) -> Material:
    rows = tuple(
        (
            Cell(name, (f"/wiki/{name}",)),
            Cell(("Norway", "Chile")[at % 2], ()),
            Cell(str(1900 + at), ()),
        )
        for at, name in enumerate(NAMES)
    )
    table = WikiTable("T_0", 0, "T", "/wiki/T", "", "S", "", header, rows)
    plan = TablePlan("T_0", mode, 0, (1, 2), ("text", "year"), tuple(range(12)))  # type: ignore[arg-type]
    return Material(table, plan, "train", True)


def judge(
    query: Query,
    *,
    mode: str = "pages",
    rows: range = range(12),
    least: int = 5,
    readable: bool = True,
    **found: object,
) -> str | None:
    about = material(mode)
    evidence = Evidence("T_0", 1, frozenset(), frozenset(), ())
    evidence = replace(evidence, **found)  # type: ignore[arg-type]
    return verdict(about, evidence, query, columns_of(about.table, about.plan), rows, least, readable)


WHOLE = Query("T_0", 0, (1, 2), Selection())
FILTERED = Query("T_0", 0, (2,), Selection((Condition("country", "is", "Norway"),)), (1,))


def test_good_queries_are_kept() -> None:
    assert judge(WHOLE) is None
    assert judge(WHOLE, mode="table") is None
    assert judge(FILTERED, rows=range(0, 12, 2)) is None


def test_rows() -> None:
    assert judge(WHOLE, rows=range(4)) == "few rows"
    assert judge(WHOLE, rows=range(4), least=4) is None


def test_values() -> None:
    assert judge(WHOLE, rows=range(0, 12, 2)) == "constant column"
    some = frozenset((row, 1) for row in range(4))
    assert judge(WHOLE, rivals=some) == "ambiguous values"
    assert judge(WHOLE, rivals=frozenset(list(some)[:3])) is None
    # A condition is decided on every row, also on one that it leaves out.
    assert judge(FILTERED, rows=range(0, 12, 2), rivals=frozenset({(1, 1)})) == "ambiguous values"


def test_ease() -> None:
    assert judge(WHOLE, told=(1, 2)) == "too easy"
    assert judge(WHOLE, told=(1,)) is None
    first = Query("T_0", 0, (1, 2), Selection(part=Part("rows", 1, 5)))
    assert judge(first, mode="table", rows=range(5)) == "too easy"
    assert judge(first, mode="table", rows=range(3, 8)) is None
    assert judge(first, rows=range(5)) is None


def test_reach() -> None:
    assert judge(WHOLE, rank=0) == "unreachable"
    assert judge(WHOLE, absent=frozenset({(3, 2)})) == "unreachable"
    assert judge(WHOLE, rows=range(6), absent=frozenset({(7, 2)})) is None
    assert judge(FILTERED, rows=range(0, 12, 2), absent=frozenset({(7, 1)})) == "unreachable"
    assert judge(WHOLE, rows=range(6), absent=frozenset({(7, 0)})) == "unreachable"
    assert judge(WHOLE, readable=False) == "unreadable"


@pytest.mark.parametrize(
    ("header", "key", "unclear"),
    [
        (("Appointed by", "Country", "Built"), 0, True),
        (("Most wickets", "Country", "Built"), 0, True),
        (("Team", "Country", "Built"), 0, False),
        (("Bay", "Team", "Built"), 1, True),
    ],
)
def test_keys_that_say_nothing(header: tuple[str, ...], key: int, unclear: bool) -> None:
    assert unclear_key(material(header=header).table, key) is unclear


def test_a_team_behind_a_name_is_no_row() -> None:
    about = material(header=("Player", "Team", "Built"))
    rows = tuple((row[0], Cell(f"Club {row[0].text}", ()), row[2]) for row in about.table.rows)
    assert unclear_key(replace(about.table, rows=rows), 1)
    assert not unclear_key(replace(about.table, rows=tuple((row[2], row[1], row[0]) for row in rows)), 1)


def test_near_duplicates() -> None:
    rows = [[f"k{n}", f"a{n}", f"b{n}"] for n in range(8)]
    kept = Duplicates()
    assert kept.keep(["K", "A", "B"], rows)
    assert not kept.keep(["k", "A", "B"], rows[::-1])
    assert not kept.keep(["K", "B", "A"], [[k, b, a] for k, a, b in rows[:7]])
    assert kept.keep(["K", "A"], [row[:2] for row in rows])
    assert kept.keep(["K", "A", "B"], rows[:4])
    assert kept.keep(["K", "A", "B"], [[k, a, f"{b}x"] for k, a, b in rows])


def test_every_reason_is_explained() -> None:
    assert all(REASONS.values())


def test_domains() -> None:
    assert domain_of("2009 NFL Draft", "Round one", ("Player", "College")) == "sports"
    assert domain_of("List of museums in Paris", "", ("Name", "Type")) == "buildings and places"
    assert domain_of("Xyzzy", "", ("Thing",)) == "other"
