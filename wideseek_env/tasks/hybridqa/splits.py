"""Splits that share no page. The article's title decides the split. Then tasks that share a page with another split are
dropped.

The hash of a title assigns it to training, validation or test (80, 10, 10 %). The pages of a task are its article and
the pages of its keys. Wide tasks unite lists of several articles, so a hash of the *family* assigns them. Few families
have names with many pages, and only these give tasks that need many pages. So a larger share of them is for tests.

A page belongs to the first of these groups that uses it: test tasks, wide test tasks, validation tasks (wide or not),
training tasks. A task with a page of an earlier group is dropped, except that wide test tasks may use pages of other
test tasks. So the test split depends on titles alone, and wide tasks do not change which other test tasks exist.
"""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from typing import Literal, NamedTuple, get_args

from wideseek_env.corpus.hybridqa.plan import Plans, TablePlan
from wideseek_env.corpus.hybridqa.reader import WikiTable
from wideseek_env.tasks.hybridqa.members import members_of
from wideseek_env.tasks.hybridqa.siblings import Articles, Bucket, find_buckets

Split = Literal["train", "validation", "test"]
SPLITS: tuple[Split, ...] = get_args(Split)

WIDE_TEST, WIDE_VALIDATION = 12, 6
"""The percentage of families whose wide tasks are test tasks, and of families whose wide tasks are validation tasks.
There are far fewer families than articles, so the test share is larger than that of articles."""
LARGE, LARGE_TEST = 60, 30
"""Families whose names link to at least this number of pages are large. `LARGE_TEST` percent of them are for tests."""


class WidePages(NamedTuple):
    """The pages (paths) of all lists that wide test tasks and wide validation tasks may unite."""

    test: frozenset[str]
    validation: frozenset[str]


def split_of(title: str) -> Split:
    """The split of the article called `title`."""
    tenth = int.from_bytes(hashlib.sha256(title.encode()).digest()[:8], "big") % 10
    return "test" if tenth == 9 else "validation" if tenth == 8 else "train"


def split_of_family(family: str, pages: int = 0) -> Split:
    """The split of the wide tasks from articles of one family. `pages` is its number in `family_pages`."""
    percent = int.from_bytes(hashlib.sha256(f"wide {family}".encode()).digest()[:8], "big") % 100
    test = LARGE_TEST if pages >= LARGE else WIDE_TEST
    if percent < test:
        return "test"
    return "validation" if percent < test + WIDE_VALIDATION else "train"


def family_pages(buckets: Iterable[Bucket]) -> dict[str, int]:
    """For each family, the number of different pages that the names in its lists link to."""
    found: dict[str, set[str]] = defaultdict(set)
    for bucket in buckets:
        for member in bucket.members:
            found[bucket.family].update(*(cell.links for cell in member.key_cells()))
    return {family: len(pages) for family, pages in found.items()}


def pages_of(table: WikiTable, plan: TablePlan) -> frozenset[str]:
    """The paths of all pages that belong to the task of `table`."""
    return frozenset({table.path, *(link for row in plan.rows for link in table.rows[row][plan.key].links)})


_known: dict[str, WidePages] = {}


def wide_pages(plans: Plans) -> WidePages:
    """The pages that wide tasks hold out. The result for the last data is kept in memory."""
    if plans.digest not in _known:
        found: dict[Split, set[str]] = {split: set() for split in SPLITS}
        buckets = find_buckets(Articles.of(plans, members_of(plans)[0]))
        linked = family_pages(buckets)
        for bucket in buckets:
            split = split_of_family(bucket.family, linked[bucket.family])
            if split != "train":
                for member in bucket.members:
                    found[split] |= member.pages
        _known.clear()
        _known[plans.digest] = WidePages(frozenset(found["test"]), frozenset(found["validation"]))
    return _known[plans.digest]


def share_out(
    tables: Mapping[str, tuple[WikiTable, TablePlan]], wide: WidePages
) -> dict[Split, dict[str, frozenset[str]]]:
    """The tables (by `uid`, in the given order) of each split with their pages.

    A table with a page of an earlier group is in no split.
    """
    members: dict[Split, list[str]] = {split: [] for split in SPLITS}
    for uid, (table, _) in tables.items():
        members[split_of(table.title)].append(uid)
    found: dict[Split, dict[str, frozenset[str]]] = {}
    held_out: set[str] = set()
    # A test table stays even if a wide test task uses its pages.
    later: dict[Split, frozenset[str]] = {
        "test": wide.test,
        "validation": wide.validation,
        "train": frozenset(),
    }
    for split in ("test", "validation", "train"):
        pages = {uid: pages_of(*tables[uid]) for uid in members[split]}
        found[split] = {uid: own for uid, own in pages.items() if held_out.isdisjoint(own)}
        held_out.update(later[split], *found[split].values())
    return found


def split_tables(plans: Plans) -> Mapping[Split, Sequence[WikiTable]]:
    """The tables with a plan, by split and in file order. Tables with a page in another split are left out."""
    tables = {t.uid: (t, plans.by_uid[t.uid]) for t in plans.tables if t.uid in plans.by_uid}
    shared = share_out(tables, wide_pages(plans))
    return {split: [tables[uid][0] for uid in shared[split]] for split in SPLITS}
