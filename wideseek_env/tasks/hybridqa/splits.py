"""Splits that share no page. The article's title decides the split. Then tasks that share a page with another split are
dropped.

The hash of a title assigns it to training, validation or test (80, 10, 10 %). The pages of a task are its article and
the pages of its keys. A validation task that shares a page with any test task is dropped. A training task that shares a
page with any validation or test task is dropped too. So the test split depends on the titles alone.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from typing import Literal, get_args

from wideseek_env.corpus.hybridqa.plan import Plans, TablePlan
from wideseek_env.corpus.hybridqa.reader import WikiTable

Split = Literal["train", "validation", "test"]
SPLITS: tuple[Split, ...] = get_args(Split)


def split_of(title: str) -> Split:
    """The split of the article called `title`."""
    tenth = int.from_bytes(hashlib.sha256(title.encode()).digest()[:8], "big") % 10
    return "test" if tenth == 9 else "validation" if tenth == 8 else "train"


def pages_of(table: WikiTable, plan: TablePlan) -> frozenset[str]:
    """The paths of all pages that belong to the task of `table`."""
    return frozenset({table.path, *(link for row in plan.rows for link in table.rows[row][plan.key].links)})


def split_tables(plans: Plans) -> Mapping[Split, Sequence[WikiTable]]:
    """The tables with a plan, by split and in file order. Tables with a page in another split are left out."""
    members: dict[Split, list[WikiTable]] = {split: [] for split in SPLITS}
    for table in plans.tables:
        if table.uid in plans.by_uid:
            members[split_of(table.title)].append(table)
    held_out: set[str] = set()
    for split in ("test", "validation", "train"):
        pages = {table.uid: pages_of(table, plans.by_uid[table.uid]) for table in members[split]}
        members[split] = [table for table in members[split] if held_out.isdisjoint(pages[table.uid])]
        held_out.update(*(pages[table.uid] for table in members[split]))
    return members
