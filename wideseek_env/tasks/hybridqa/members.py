"""The lists that wide tasks unite: tables whose rows are linked entities, with the columns that answers can have."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median
from typing import Literal, NamedTuple

from wideseek_env.corpus.hybridqa.plan import Plans, TablePlan, filled_columns, linked_subject
from wideseek_env.corpus.hybridqa.reader import Cell, WikiTable
from wideseek_env.corpus.hybridqa.values import Kind, normalize
from wideseek_env.tasks.hybridqa.columns import Column, number_of
from wideseek_env.tasks.hybridqa.subjects import unclear_key
from wideseek_env.tasks.hybridqa.titles import Title, read_title

Unfit = Literal[
    "quotation marks", "no linked subject", "unclear rows", "sums or gaps", "numbered names", "no attribute"
]  # fmt: skip
UNFIT: dict[Unfit, str] = {
    "quotation marks": "a title or section with the quotation marks that questions use",
    "no linked subject": "no column of distinct, linked names that the rows are about",
    "unclear rows": "a key column that does not say what the rows are",
    "sums or gaps": "rows that are totals, notes or vacancies",
    "numbered names": "names that begin with a rank or another number",
    "no attribute": "no other column with a value in every row",
}
"""The reasons why a table is not part of any wide task."""

_NO_ENTRY = re.compile(
    r"(?:grand |sub)?totals?\b.*|sums?|averages?|mean|overall|vacan(?:t|cy)\b.*|tb[acd]|various(?: \w+)?|others?|none"
    r"|unknown.*|not (?:awarded|held|applicable).*|no (?:award|race|winner|competition).*|source.*|notes?|bye"
    r"|cancell?ed.*|see also.*|[^\w(\"'“‘¡¿#.$@*!-].*",
    re.IGNORECASE,
)
_RANKED = re.compile(r"(\d+)[.)]? ?[^\W\d]")
_REMARKS = re.compile(r"(?:notes?|remarks?|comments?|ref(?:erence)?s?|sources?|images?|photos?|no|s no|flag)")
_UNITS = re.compile(r"[\d.,\s−–-]+")
_MAKER = re.compile(
    r"(?:.* )?(?:artist|author|director|writer|composer|performer|singer|act|band)s?(?:\(s\))?", re.IGNORECASE
)
_WORK = re.compile(
    r"(?:.* )?(?:title|song|single|album|film|book|work|track|movie|novel|game)s?", re.IGNORECASE
)
_LISTED = re.compile(r"Lists? of (?:[^,()]*? )??(\w+)(?= (?:in|of|by|at|from|for|on|with)\b|[,(]| \(|$)")
ALIKE = 0.6
"""Two lists have mostly the same columns if they share at least this part of all their headers."""
SCALE = 30.0
"""Numbers of one column are in the same unit in two lists if their medians differ by at most this factor."""


class Shared(NamedTuple):
    """A column that several lists have: its header, its kind, and its index in each of them."""

    header: str
    kind: Kind
    places: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Member:
    """A table that can be a part of a wide task.

    `plan` says which rows and columns count. In mode `pages`, the values of the columns are on the pages of the
    entities. In mode `table`, they are in the list. `edition` is a column of the list that says which year or event a
    row is about. If a name `recurs`, only name and edition together identify a row.
    """

    table: WikiTable
    plan: TablePlan
    alone: bool
    title: Title
    edition: int | None = None
    recurs: bool = False

    @property
    def key_header(self) -> str:
        """The header of the key column in a form for comparison."""
        return normalize(self.table.header[self.plan.key])

    @property
    def headers(self) -> frozenset[str]:
        """The headers of all columns in a form for comparison, without columns of remarks."""
        names = {normalize(name).strip() for name in self.table.header} - {""}
        return frozenset(name for name in names if not _REMARKS.fullmatch(name))

    def is_like(self, other: Member) -> bool:
        """Whether both lists have the same key and mostly the same columns."""
        mine, theirs = self.headers, other.headers
        return self.key_header == other.key_header and len(mine & theirs) >= ALIKE * len(mine | theirs)

    def key_cells(self) -> list[Cell]:
        """The cells of the key column, one for each row that counts."""
        return [self.table.rows[row][self.plan.key] for row in self.plan.rows]

    def values(self, column: int) -> list[str]:
        """The texts of one column, one for each row that counts."""
        return [self.table.rows[row][column].text for row in self.plan.rows]

    @property
    def pages(self) -> frozenset[str]:
        """The paths of the article and of all pages that the key cells link to."""
        return frozenset({self.table.path, *(link for cell in self.key_cells() for link in cell.links)})


def members_of(plans: Plans) -> tuple[list[Member], Counter[Unfit]]:
    """The tables that wide tasks can unite, in file order, and the number of other tables by reason."""
    alone = Counter(table.path for table in plans.tables)
    found: list[Member] = []
    unfit: Counter[Unfit] = Counter()
    for table in plans.tables:
        member = _member(table, plans.by_uid.get(table.uid), alone[table.path] == 1)
        if isinstance(member, Member):
            found.append(member)
        else:
            unfit[member] += 1
    return found, unfit


def _member(table: WikiTable, known: TablePlan | None, alone: bool) -> Member | Unfit:
    if {"“", "”"} & set(table.title + table.section):
        return "quotation marks"
    edition: int | None = None
    recurs = False
    if known is not None and known.mode == "pages":
        plan = known
    else:
        subject = linked_subject(table)
        if subject is None:
            return "no linked subject"
        key, edition, recurs = subject
        columns = filled_columns(table, key)
        if not columns:
            return "no attribute"
        indices, kinds = tuple(c for c, _ in columns), tuple(k for _, k in columns)
        plan = TablePlan(table.uid, "table", key, indices, kinds, tuple(range(len(table.rows))))
    if unclear_key(table, plan.key) or _is_about_others(table, plan.key):
        return "unclear rows"
    if any(_NO_ENTRY.fullmatch(table.rows[row][plan.key].text.strip()) for row in plan.rows):
        return "sums or gaps"
    if any(_is_numbered(table.rows[row][plan.key]) for row in plan.rows):
        return "numbered names"
    return Member(table, plan, alone, read_title(table.title), edition, recurs)


def _is_numbered(cell: Cell) -> bool:
    """Whether a name begins with a number that the title of its page does not have, such as a rank."""
    number = _RANKED.match(cell.text)
    return number is not None and bool(cell.links) and number[1] not in cell.links[0]


def _is_about_others(table: WikiTable, key: int) -> bool:
    """Whether another column names what the rows are about: a work next to its artist, or what the title names."""
    others = [name for column, name in enumerate(table.header) if column != key]
    if _MAKER.fullmatch(table.header[key]) and any(_WORK.fullmatch(name) for name in others):
        return True
    listed = _LISTED.match(table.title)
    if listed is None:
        return False
    noun = _singular(listed[1])
    return noun not in _singular(table.header[key]) and any(
        _singular(name).removesuffix(" name") == noun for name in others
    )


def _singular(text: str) -> str:
    text = re.sub(r"ies$", "y", text.casefold().strip())
    return text[:-2] if re.search(r"(?:ss|ch|sh|x)es$", text) else text.removesuffix("s")


def shared_columns(members: Sequence[Member]) -> list[Shared]:
    """The columns that all `members` have with the same header, kind and unit, in the order of the first."""
    found: list[Shared] = []
    indices = [
        {
            normalize(member.table.header[column]): (column, kind)
            for column, kind in zip(member.plan.attributes, member.plan.kinds, strict=True)
        }
        for member in members
    ]
    first = members[0]
    for column, kind in zip(first.plan.attributes, first.plan.kinds, strict=True):
        name = normalize(first.table.header[column])
        places = [index[name] for index in indices if name in index]
        if len(places) < len(members) or {k for _, k in places} != {kind}:
            continue
        values = [member.values(place) for member, (place, _) in zip(members, places, strict=True)]
        if _same_unit(values, kind):
            found.append(Shared(first.table.header[column], kind, tuple(place for place, _ in places)))
    return found


def _same_unit(values: Sequence[Sequence[str]], kind: Kind) -> bool:
    """Whether a column has values of one unit and size in all lists."""
    if kind in ("year", "date"):
        return True
    units = [Counter(_UNITS.sub(" ", value).strip() for value in part).most_common(1)[0] for part in values]
    if kind == "number":
        sizes = [median(abs(number_of(value)) for value in part) for part in values]
        return len({unit for unit, _ in units}) == 1 and max(sizes) <= SCALE * max(1.0, min(sizes))
    # Text with numbers, such as "12 km": most values of a list have the same words next to the number.
    measured = [
        unit
        for (unit, many), part in zip(units, values, strict=True)
        if many > 0.6 * len(part) and sum(any(c.isdigit() for c in value) for value in part) > 0.6 * len(part)
    ]
    return len(set(measured)) <= 1 and len(measured) in (0, len(values))


def column_of(shared: Shared, index: int, members: Sequence[Member]) -> Column:
    """One column over the rows of all `members`, in their order. `index` is the column's number in the union."""
    values = [
        value for member, place in zip(members, shared.places, strict=True) for value in member.values(place)
    ]
    return Column(index, shared.header, shared.kind, tuple(values))
