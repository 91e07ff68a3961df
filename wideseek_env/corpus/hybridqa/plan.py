"""Decides from the data which tables become tasks, and the key column, the attributes and the mode of each.

A *key column* names the things that the table is about. Its cells have one link each. No two cells have the same text
or the same linked page. There are two modes.

`pages`: the entities' pages state the values of at least one other column. The corpus then shows only the key column. A
row with a value that its page does not state is left out of both the list in the corpus and the gold table. So the list
in the corpus is complete, and pages answer every cell of its rows.

`table`: the values are only in the table. The corpus shows the whole table, a few rows per page.

Tables that fit neither mode are shown in full and give no task. The corpus and the tasks each compute their plans, and
the same data gives the same plans. A difference in `Plans.digest` shows that the plans differ.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Literal, NamedTuple

from wideseek_env.corpus.hybridqa.reader import DataFolder, WikiTable
from wideseek_env.corpus.hybridqa.text import detokenize
from wideseek_env.corpus.hybridqa.values import Kind, column_kind, forms, is_empty, normalize

PLAN_VERSION = 1
"""This number is part of every digest. Increase it with any change to the text, the pages or the choice of columns."""

MIN_ROWS, MAX_ROWS = 8, 60
MAX_ATTRIBUTES = 4
COVERAGE = 0.8
"""If at least this share of the rows have a page that states the column's value, the column counts as found on the
pages."""
KEPT = 0.67
"""The share of the table's rows that must remain in mode `pages`."""
LINKED = 0.8
"""The share of the rows whose key must be a link in mode `table`. The other keys have no page."""
SUBJECTS_LINKED = 0.3
"""The share of the rows whose name must be a link in `linked_subject`."""
CHANCE = 0.3
"""The highest share of *other* entities' pages that state a value. Above it, a match is not evidence."""

Mode = Literal["pages", "table"]

_JUNK_HEADERS = re.compile(
    r"(?:notes?|remarks?|comments?|ref(?:erence)?s?|ref\(s\)|sources?|citations?|images?|photo(?:graph)?s?|pictures?"
    r"|logos?|flag|website|link|url|no|nr|num|number|index|id|s no|sl no|description|details|summary|unnamed.*"
    r"|reasons?.*|rationale|key|map|coordinates|see also|code|date listed)"
)  # fmt: skip
_NO_SUBJECT = re.compile(
    r"(?:first|second|third|fourth|gold|silver|bronze|lead|runners? ?up|losers?|from|to|lead|score)"
)
"""Headers of columns with a place in a ranking or a part of a whole. Such a column never names the subject of the
rows."""
_EDITION = re.compile(
    r"(?:year|season|edition|games|event|championships?|tournament|olympics)", re.IGNORECASE
)
_PLACED = re.compile(r"\d+(?:st|nd|rd|th)(?: place)?|(?:\w+ )?(?:isn|iata|icao|code|symbol)", re.IGNORECASE)
_LIST_PAGE = re.compile(
    r"/wiki/(?:Lists?_of_|Category:|File:|Template:|\d{4}s?(?:_in_.*)?$|\d{1,2}(?:st|nd|rd|th)_century"
    r"|(?:January|February|March|April|May|June|July|August|September|October|November|December)_\d{1,2}$)"
)


@dataclass(frozen=True, slots=True)
class TablePlan:
    """How one table is used. `key` and `attributes` are column indices. `rows` are the indices of the rows that are
    used."""

    uid: str
    mode: Mode
    key: int
    attributes: tuple[int, ...]
    kinds: tuple[Kind, ...]
    rows: tuple[int, ...]


class KeyColumn(NamedTuple):
    """A column that can be the key, and its rows whose text and linked page are unique."""

    column: int
    rows: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Plans:
    """All tables of a data folder, in file order, and a plan for each that gives a task."""

    folder: DataFolder
    tables: tuple[WikiTable, ...]
    by_uid: Mapping[str, TablePlan]
    digest: str

    @property
    def corpus_name(self) -> str:
        """The name of a corpus built from these plans."""
        return f"hybridqa:{self.digest}"


def load_plans(data: Path | str) -> Plans:
    """Read the data and plan every table. The last result is kept in memory until the files change."""
    folder = DataFolder.find(data)
    return _load(folder, folder.signature())


@lru_cache(maxsize=1)
def _load(folder: DataFolder, signature: tuple[object, ...]) -> Plans:
    tables = tuple(folder.tables())
    keys = {table.uid: key_columns(table) for table in tables}
    wanted = {
        link
        for table in tables
        for key in keys[table.uid]
        for row in key.rows
        for link in table.rows[row][key.column].links
    }
    texts = {path: normalize(detokenize(text)) for path, text in folder.passages() if path in wanted}
    plans = {
        table.uid: plan for table in tables if (plan := plan_table(table, keys[table.uid], texts)) is not None
    }
    return Plans(folder, tables, plans, _digest(tables, plans.values()))


def _digest(tables: Sequence[WikiTable], plans: Iterable[TablePlan]) -> str:
    """Twelve hexadecimal digits that change with any plan and any text of a table."""
    digest = hashlib.sha256(f"{PLAN_VERSION}".encode())
    for table in tables:
        content: list[object] = [table.uid, table.title, table.section, table.header, table.rows]
        digest.update(json.dumps(content, separators=(",", ":")).encode())
    for plan in plans:
        content = [plan.uid, plan.mode, plan.key, plan.attributes, plan.kinds, plan.rows]
        digest.update(json.dumps(content, separators=(",", ":")).encode())
    return digest.hexdigest()[:12]


def key_columns(table: WikiTable) -> list[KeyColumn]:
    """The columns that can be the key, leftmost first."""
    if not MIN_ROWS <= len(table.rows) <= MAX_ROWS:
        return []
    keys: list[KeyColumn] = []
    for column in _good_headers(table):
        key = KeyColumn(column, _usable_rows(table, column))
        if _is_key(table, key):
            keys.append(key)
        elif _is_subject(table, column):
            break  # the table is about the things in this column, and the columns after it describe these things
    return keys


def _usable_rows(table: WikiTable, column: int) -> tuple[int, ...]:
    cells = [row[column] for row in table.rows]
    if sum(len(cell.links) == 1 for cell in cells) < _needed(table):
        return ()
    identities = [_identity(cell.text) for cell in cells]
    texts = Counter(identities)
    links = Counter(link for cell in cells for link in set(cell.links))
    return tuple(
        number
        for number, cell in enumerate(cells)
        if len(cell.links) == 1
        and len(cell.text) <= 80
        and sum(c.isalpha() for c in cell.text) >= 2
        and texts[identities[number]] == 1
        and links[cell.links[0]] == 1
        and not _LIST_PAGE.match(cell.links[0])
    )


def _is_key(table: WikiTable, key: KeyColumn) -> bool:
    if len(key.rows) < _needed(table) or _NO_SUBJECT.fullmatch(normalize(table.header[key.column]).strip()):
        return False
    # The link must lead to the thing that the cell names, not to a page about something related.
    cells = [table.rows[row][key.column] for row in key.rows]
    return sum(_names(cell.text, cell.links[0]) for cell in cells) >= 0.6 * len(cells)


def _is_subject(table: WikiTable, column: int) -> bool:
    """Whether a column has names that are nearly all different. An example is a column of schools in a table that links
    only the towns."""
    texts = [row[column].text for row in table.rows]
    words = sum(sum(c.isalpha() for c in t) >= 3 and not any(c.isdigit() for c in t) for t in texts)
    return words >= 0.7 * len(texts) and len(set(map(_identity, texts))) >= 0.9 * len(texts)


def _names(text: str, path: str) -> bool:
    title = normalize(path.removeprefix("/wiki/").partition("_(")[0])
    name = normalize(text)
    return title in name or name in title


def _needed(table: WikiTable) -> float:
    """The number of rows that a task from this table must keep."""
    return max(MIN_ROWS, KEPT * len(table.rows))


def plan_table(table: WikiTable, keys: Sequence[KeyColumn], texts: Mapping[str, str]) -> TablePlan | None:
    """The plan for `table`: mode `pages` with the key that has most attributes, else `table`, else None.

    `texts` has the normalised passages of the pages that the key columns link to.
    """
    found = [plan for key in keys if (plan := _pages_plan(table, key, texts))]
    if found:
        return max(found, key=lambda plan: len(plan.attributes))
    return next((plan for key in keys if (plan := _table_plan(table, key))), None)


def _pages_plan(table: WikiTable, key_column: KeyColumn, texts: Mapping[str, str]) -> TablePlan | None:
    key, usable = key_column
    rows = [r for r in usable if table.rows[r][key].links[0] in texts]
    needed = _needed(table)
    if len(rows) < needed:
        return None
    pages = [texts[table.rows[r][key].links[0]] for r in rows]
    found: list[tuple[int, int, Kind, set[int]]] = []
    for column in _attribute_columns(table, key):
        values = {r: table.rows[r][column].text for r in rows if not is_empty(table.rows[r][column].text)}
        if not values or _too_uniform(values.values(), 0.75) or _in_key(table, key, values):
            continue
        kind = column_kind(list(values.values()))
        spellings = [forms(values[r], kind) if r in values else () for r in rows]
        stated = {
            r for r, page, spelling in zip(rows, pages, spellings, strict=True) if _any_in(spelling, page)
        }
        if len(stated) >= COVERAGE * len(rows) and _chance(spellings, pages) <= CHANCE:
            found.append((-len(stated), column, kind, stated))
    kept = set(rows)
    chosen: list[tuple[int, Kind]] = []
    for _, column, kind, stated in sorted(found, key=lambda item: item[:2]):
        if len(kept & stated) >= needed and len(chosen) < MAX_ATTRIBUTES:
            kept &= stated
            chosen.append((column, kind))
    if not chosen:
        return None
    chosen.sort()
    return TablePlan(
        table.uid, "pages", key, tuple(c for c, _ in chosen), tuple(k for _, k in chosen), tuple(sorted(kept))
    )


def _table_plan(table: WikiTable, key_column: KeyColumn) -> TablePlan | None:
    key, usable = key_column
    names = {_identity(row[key].text) for row in table.rows if not is_empty(row[key].text)}
    if len(names) < len(table.rows) or len(usable) < LINKED * len(table.rows):
        return None
    chosen = table_attributes(table, key)
    if len(chosen) < 2:
        return None
    chosen = chosen[:MAX_ATTRIBUTES]
    rows = tuple(range(len(table.rows)))
    return TablePlan(table.uid, "table", key, tuple(c for c, _ in chosen), tuple(k for _, k in chosen), rows)


def subject_column(table: WikiTable) -> int | None:
    """The first column, linked or not, that names the subjects of the table. None when its names are not all
    different."""
    if not MIN_ROWS <= len(table.rows) <= MAX_ROWS:
        return None
    for column in _good_headers(table):
        if not _is_subject(table, column) and not _is_key(
            table, KeyColumn(column, _usable_rows(table, column))
        ):
            continue
        texts = [row[column].text for row in table.rows]
        distinct = len(set(map(_identity, texts))) == len(texts)
        named = not _NO_SUBJECT.fullmatch(normalize(table.header[column]).strip())
        return (
            column
            if distinct and named and max(map(len, texts)) <= 80 and not any(map(is_empty, texts))
            else None
        )
    return None


class Subject(NamedTuple):
    """A column that names the subjects of a table, and a column that says which year or event a row is about.

    `edition` is None when there is no such column. `recurs` says that a name is in several rows. Then name and edition
    together identify a row.
    """

    column: int
    edition: int | None
    recurs: bool


def linked_subject(table: WikiTable) -> Subject | None:
    """The first column that names the subjects of the table.

    Unlike `subject_column`, at least three in ten cells must have exactly one link, and a table may be shorter than
    `MIN_ROWS`. A name may recur with another edition. None when a column of other names comes first, or when there is
    no such column.
    """
    edition = next((column for column in range(len(table.header)) if _is_edition(table, column)), None)
    for column in _good_headers(table):
        if column != edition and _is_linked_subject(table, column):
            names = [_identity(row[column].text) for row in table.rows]
            links = [row[column].links[0] for row in table.rows if len(row[column].links) == 1]
            if len(set(names)) == len(names) and len(set(links)) == len(links):
                return Subject(column, edition, False)
            if edition is not None and len(set(names)) >= 0.5 * len(names):
                marks = [_identity(row[edition].text) for row in table.rows]
                if len(set(zip(names, marks, strict=True))) == len(names):
                    return Subject(column, edition, True)
        if _is_subject(table, column):
            return None
    return None


def _is_linked_subject(table: WikiTable, column: int) -> bool:
    cells = [row[column] for row in table.rows]
    linked = [cell for cell in cells if len(cell.links) == 1]
    return (
        len(linked) >= SUBJECTS_LINKED * len(cells)
        and all(len(cell.links) < 2 and sum(c.isalpha() for c in cell.text) >= 2 for cell in cells)
        and all(not is_empty(cell.text) and len(cell.text) <= 80 for cell in cells)
        and not any(_LIST_PAGE.match(cell.links[0]) for cell in linked)
        and not _NO_SUBJECT.fullmatch(normalize(table.header[column]).strip())
        and not _PLACED.fullmatch(table.header[column].strip())
        and sum(_names(cell.text, cell.links[0]) for cell in linked) >= 0.6 * len(linked)
    )


def _is_edition(table: WikiTable, column: int) -> bool:
    """Whether a column says which year, season or event each row is about."""
    texts = [row[column].text for row in table.rows]
    return _EDITION.fullmatch(table.header[column].strip()) is not None and not any(
        is_empty(text) or len(text) > 60 for text in texts
    )


def filled_columns(table: WikiTable, key: int) -> list[tuple[int, Kind]]:
    """The columns with a value in every row that are not part of the key, and their kinds."""
    chosen: list[tuple[int, Kind]] = []
    for column in _attribute_columns(table, key):
        values = {r: row[column].text for r, row in enumerate(table.rows)}
        if not any(map(is_empty, values.values())) and not _in_key(table, key, values):
            chosen.append((column, column_kind(list(values.values()))))
    return chosen


def table_attributes(table: WikiTable, key: int) -> list[tuple[int, Kind]]:
    """The columns with values in the table, and their kinds: filled in every row, not uniform, not part of the key."""
    chosen: list[tuple[int, Kind]] = []
    for column in _attribute_columns(table, key):
        values = {r: row[column].text for r, row in enumerate(table.rows)}
        if any(map(is_empty, values.values())):
            continue
        if _too_uniform(values.values(), 0.9) or _in_key(table, key, values):
            continue
        chosen.append((column, column_kind(list(values.values()))))
    return chosen


def _attribute_columns(table: WikiTable, key: int) -> list[int]:
    return [
        column
        for column in _good_headers(table)
        if column != key
        and max(len(row[column].text) for row in table.rows) <= 80
        and sum(len(row[column].text) for row in table.rows) <= 40 * len(table.rows)
    ]


def _good_headers(table: WikiTable) -> list[int]:
    """The columns whose header is a short, distinct name."""
    names = Counter(map(_identity, table.header))
    return [
        column
        for column, header in enumerate(table.header)
        if len(header) <= 40
        and sum(c.isalpha() for c in header) >= 2
        and "|" not in header
        and not _JUNK_HEADERS.fullmatch(normalize(header).strip())
        and names[_identity(header)] == 1
    ]


def _identity(text: str) -> str:
    """A form of the text that is equal for two texts that scoring would accept as the same."""
    return normalize(text).replace(" ", "")


def _too_uniform(values: Collection[str], share: float) -> bool:
    counts = Counter(map(_identity, values))
    return len(counts) < 2 or max(counts.values()) > share * len(values)


def _in_key(table: WikiTable, key: int, values: Mapping[int, str]) -> bool:
    """Whether many values are part of the key itself, such as the year in `2004 Summer Olympics`."""
    inside = sum(normalize(value) in normalize(table.rows[row][key].text) for row, value in values.items())
    return inside > 0.4 * len(values)


def _any_in(spellings: tuple[str, ...], page: str) -> bool:
    return any(spelling in page for spelling in spellings)


def _chance(spellings: Sequence[tuple[str, ...]], pages: Sequence[str]) -> float:
    """The share of pairs of entities with different values where the page of the second states the value of the
    first."""
    hits = pairs = 0
    for shift in (1, 2, 3):
        for i, spelling in enumerate(spellings):
            j = (i + shift) % len(pages)
            if spelling and spelling != spellings[j]:
                pairs += 1
                hits += _any_in(spelling, pages[j])
    return hits / pairs if pairs else 1.0
