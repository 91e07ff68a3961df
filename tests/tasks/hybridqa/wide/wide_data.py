"""Lists made by hand that belong together, and lists that only look as if they did."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from hybridqa_data import Record, cell, table, write_jsonl

from wideseek_env.corpus.hybridqa import Plans, load_plans
from wideseek_env.tasks.hybridqa.members import members_of
from wideseek_env.tasks.hybridqa.siblings import Articles, Bucket, find_buckets

HULLS = ["oak", "pine", "ash"]


def names(kind: str, count: int, first: int = 0) -> list[str]:
    """Names that consist of letters and that no two numbers share."""
    return [f"{kind} {chr(65 + n // 26)}{chr(97 + n % 26)}ton" for n in range(first, first + count)]


def a_list(
    title: str,
    keys: Sequence[str],
    columns: Mapping[str, Sequence[str]],
    *,
    section: str = "",
    number: int = 0,
    key: str = "Crew",
    linked: bool = True,
) -> Record:
    """One table: the key column, then `columns` with a value for each key."""
    rows: list[list[Any]] = [
        [cell(name, *([f"/wiki/{name.replace(' ', '_')}"] if linked else [])), *(cell(v[n]) for v in columns.values())]
        for n, name in enumerate(keys)
    ]  # fmt: skip
    return table(title, number, [key, *columns], rows, section_title=section)


def crews(title: str, first: int, count: int = 12, *, section: str = "Crews", number: int = 0) -> Record:
    """A list of crews with a hull and points."""
    keys = names("Crew", count, first)
    hulls = [HULLS[(n + first) % 3] for n in range(count)]
    return a_list(
        title, keys, {"Hull": hulls, "Points": [str(3 * n + 7) for n in range(count)]}, section=section, number=number
    )  # fmt: skip


def regattas() -> list[Record]:
    """Siblings by year. The year 2003 has a page with other columns only. No crew is in two years."""
    return [
        *(crews(f"{year} Bay Regatta", 12 * n) for n, year in enumerate((2001, 2002, 2004, 2005))),
        a_list(
            "2003 Bay Regatta",
            names("Umpire", 9),
            {"Town": names("Town", 9)},
            section="Umpires",
            key="Umpire",
        ),
    ]


def leagues() -> list[Record]:
    """Siblings by year without a gap, where crews recur."""
    return [crews(f"{year} Harbour League", 4 * n) for n, year in enumerate((1990, 1991, 1992))]


def piers() -> list[Record]:
    """Siblings by place."""
    return [
        a_list(
            f"List of piers in {country}",
            names(f"{country} Pier", 11),
            {"Opened": [str(1900 + n) for n in range(11)], "Length": [f"{90 + n} m" for n in range(11)]},
            section="Piers",
            key="Pier",
        )
        for country in ("Norway", "Chile", "Japan")
    ]


def councils() -> list[Record]:
    """Siblings by number."""
    return [
        a_list(f"{number} Bay Council", names("Member", 12, 12 * n), {"Ward": names("Ward", 12, n)}, section="Members",
               key="Member")
        for n, number in enumerate(("9th", "10th", "11th"))
    ]  # fmt: skip


def museums() -> list[Record]:
    """Parts of one article, of which one has other columns."""
    parts = [
        a_list(
            "List of bay museums",
            names("Museum", 10, 10 * n),
            {"Founded": [str(1850 + 7 * k + n) for k in range(10)], "Keeper": names("Keeper", 10, 10 * n)},
            section=f"Open -- {side}",
            number=n,
            key="Museum",
        )
        for n, side in enumerate(("North", "South", "East"))
    ]
    closed = a_list(
        "List of bay museums", names("Museum", 10, 60), {"Lost to": ["fire", "flood"] * 5}, section="Closed", number=3,
        key="Museum",
    )  # fmt: skip
    return [*parts, closed]


def passages(tables: Sequence[Record]) -> dict[str, str]:
    """A page for each link, which states no value of the lists."""
    links = {link for record in tables for row in record["data"] for _, found in row for link in found}
    return {link: f"{link[6:].replace('_', ' ')} is known to sailors ." for link in sorted(links)}


def everything() -> list[Record]:
    return [*regattas(), *leagues(), *piers(), *councils(), *museums()]


def plans_of(folder: Path, tables: Sequence[Record], texts: Mapping[str, str] | None = None) -> Plans:
    """The plans of these tables, written into `folder`."""
    return load_plans(
        write_jsonl(folder, list(tables), dict(texts if texts is not None else passages(tables)))
    )


def buckets_of(plans: Plans) -> list[Bucket]:
    """The buckets of all members."""
    return find_buckets(articles_of(plans))


def articles_of(plans: Plans) -> Articles:
    """The articles with all members."""
    return Articles.of(plans, members_of(plans)[0])
