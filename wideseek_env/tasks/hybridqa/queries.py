"""First stage: the queries of one table. A query is a choice of columns and rows, not yet written as text."""

from __future__ import annotations

import hashlib
import json
import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from random import Random
from typing import Any

from wideseek_env.corpus.hybridqa.pages import page_size
from wideseek_env.corpus.hybridqa.plan import TablePlan
from wideseek_env.corpus.hybridqa.reader import WikiTable
from wideseek_env.corpus.hybridqa.values import is_empty, normalize
from wideseek_env.tasks.hybridqa.columns import Column, columns_of, number_of, order_of, selected, year_of
from wideseek_env.tasks.hybridqa.selection import Condition, Part, PartKind, Relation, Selection, label_of

QUERIES_PER_TABLE = 60
"""The most queries proposed for one table. The later stages keep about a fifth of them."""

LEAST_ROWS = 5
"""The fewest rows that remain after a filter, or in a part of a list. So a broad task has at least this number of
rows."""

_LEAST_GONE = 2
_MOST_COLUMNS = 5
_LABEL = re.compile(r"[A-Za-z][A-Za-z'-]*(?: [A-Za-z'-]+){0,3}")
_OPTION = re.compile(r"[^\W\d_][\w'&/+-]*(?: [\w'&/+()-]+){0,5}")
_PLAIN_NUMBER = re.compile(r"(?:0|[1-9]\d{0,2}(?:,\d{3})+|[1-9]\d*)(?:\.\d+)?")
_NO_SIZE = re.compile(
    r"(?:final |overall |average )?(?:rank|ranking|pos|position|place|placing|pick|round|seed|overall|draft|order|start"
    r"|grid|heat|lane|group|class|number|district|ward|precinct|route|exit|channel|no|nos|issue|volume|vol|episode|series"
    r"|season|week|day|age|event|code|year.*|date.*)s?(?: .*)?"
    r"|(?:jersey|shirt|squad|kit|uniform|house|draft).*"
)
"""Labels of numbers that are a position in an order or identify something. No question asks for the highest of such
numbers."""
_COUNTED_ONE = re.compile(
    r"(?:.* )?(?:goal|match|game|win|loss|draw|point|cap|seat|vote|title|medal|try|run|wicket|app|gold|silver|bronze"
    r"|winner|champion|runner-up|final"
    r"|pts|pld|apps|won|lost|drawn|played|year|floor|entry|total|mark|score|time|odds|lap|laps)",
    re.IGNORECASE,
)
"""Labels that fit neither "with a … of 3" nor "with 3 …"."""
NO_LABEL = re.compile(
    r"(?:from|to|until|till|since|by|in|out|of|at|with|into|after|before)(?: .*)?|dates|res|result|method|fate"
    r"|last|first|next|how.*|when.*|where.*|who.*|what.*|.* (?:in|of|from|to|by|at|for)",
    re.IGNORECASE,
)
"""Headers that cannot be the noun of a condition."""
NO_COLUMN = re.compile(r"out of|via|±|\+/-", re.IGNORECASE)
"""Headers that have no clear meaning alone."""
_NOTHING = re.compile(r"(?:not?|nil|none|current|unknown|other|various|n/a)\b", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Query:
    """The columns and rows of the table `uid` that a question asks for.

    `columns` are the column indices of the requested attributes in the table's order, without the key. `hidden` are the
    columns of conditions and parts that are not in `columns`. `number` is the position of this query among the proposed
    queries.
    """

    uid: str
    number: int
    columns: tuple[int, ...]
    selection: Selection
    hidden: tuple[int, ...] = ()

    @property
    def name(self) -> str:
        """A name of ten hexadecimal digits that depend only on the columns and rows."""
        content = json.dumps([self.uid, self.columns, self.selection.to_dict()], sort_keys=True)
        return hashlib.sha256(content.encode()).hexdigest()[:10]

    def to_dict(self) -> dict[str, Any]:
        """The JSON form."""
        return {
            "uid": self.uid,
            "number": self.number,
            "columns": list(self.columns),
            "hidden": list(self.hidden),
            "selection": self.selection.to_dict(),
        }

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Query:
        """The inverse of `to_dict`."""
        return cls(
            data["uid"],
            data["number"],
            tuple(data["columns"]),
            Selection.from_dict(data["selection"]),
            tuple(data["hidden"]),
        )


@dataclass(frozen=True, slots=True)
class Choice:
    """A selection, the rows that it keeps (indices in the plan) and the columns of its conditions or part."""

    selection: Selection
    rows: tuple[int, ...]
    about: tuple[int, ...]


def propose(table: WikiTable, plan: TablePlan, seed: int, least_rows: int = LEAST_ROWS) -> list[Query]:
    """Queries of one table, the best first: whole lists, then filtered ones, then parts of the list.

    The queries depend only on the table and the seed. Each query keeps at least `least_rows` rows. All queries are
    different.
    """
    dice = Random(f"queries {seed} {plan.uid}")
    columns = columns_of(table, plan)
    if not columns or len(plan.rows) < least_rows:
        return []
    whole = Choice(Selection(), tuple(range(len(plan.rows))), ())
    filtered = list(filters_of(columns, len(plan.rows), least_rows, dice))
    parts = list(_parts(columns, plan, least_rows, dice))
    pairs = list(pairs_of(filtered, least_rows, dice))
    for group in (filtered, parts, pairs):
        dice.shuffle(group)
    # One query of each group in turn, so that a table has some queries of each group. Whole lists are first.
    choices = [whole, whole, *_interleave(filtered, parts, pairs), whole]
    queries: dict[str, Query] = {}
    for turn in range(4):
        for choice in choices:
            chosen = _choose_columns(columns, choice, plan, dice, widest=turn == 0)
            if chosen:
                hidden = tuple(i for i in choice.about if i not in chosen)
                query = Query(plan.uid, len(queries), chosen, choice.selection, hidden)
                queries.setdefault(query.name, query)
            if len(queries) >= QUERIES_PER_TABLE:
                return list(queries.values())
    return list(queries.values())


def _interleave(*groups: Sequence[Choice]) -> Iterator[Choice]:
    for at in range(max(map(len, groups), default=0)):
        yield from (group[at] for group in groups if at < len(group))


def _choose_columns(
    columns: Sequence[Column], choice: Choice, plan: TablePlan, dice: Random, *, widest: bool
) -> tuple[int, ...]:
    """Some columns whose values differ within the chosen rows, in the table's order. The result is empty when there are
    no such columns."""
    fixed = {
        column.index
        for column in columns
        for condition in choice.selection.conditions
        if condition.relation == "is" and condition.label == label_of(column.header)
    }
    usable = [
        column
        for column in columns
        if column.index not in fixed
        and not NO_COLUMN.fullmatch(column.header)
        and not is_uniform([column.values[row] for row in choice.rows])
    ]
    # A table shows a whole column at once, so such questions ask for at least two. In mode `pages` each row is a page
    # to read.
    least = 1 if plan.mode == "pages" or choice.about else 2
    if len(usable) < least:
        return ()
    most = min(len(usable), _MOST_COLUMNS - 1)
    many = most if widest and most <= 3 else dice.randint(min(max(least, 2), most), most)
    if not widest and plan.mode == "pages":
        many = dice.randint(1, most)
    return tuple(sorted(column.index for column in dice.sample(usable, many)))


def is_uniform(values: Sequence[str]) -> bool:
    """Whether nearly all values are the same."""
    counts = Counter(map(normalize, values))
    return max(counts.values()) > 0.85 * len(values)


def filters_of(columns: Sequence[Column], rows: int, least: int, dice: Random) -> Iterator[Choice]:
    """Choices of rows by one condition, which keep at least `least` of the `rows`."""
    for column in columns:
        label = label_of(column.header)
        if not _can_be_said(column.header):
            continue
        if any(is_empty(value) for value in column.values):
            continue
        found: list[Condition] = []
        if column.kind == "text":
            found = _options(column, label, dice)
        elif column.kind in ("year", "date"):
            found = _year_limits(column, label, dice)
        elif not _NO_SIZE.fullmatch(label.lower()) and not _COUNTED_ONE.fullmatch(label):
            found = _bounds(column, label, dice)
        kept: set[tuple[int, ...]] = set()
        for condition in found:
            places = selected(Selection((condition,)), [column], rows)
            if least <= len(places) <= rows - _LEAST_GONE and places not in kept:
                kept.add(places)
                yield Choice(Selection((condition,)), places, (column.index,))


def _can_be_said(header: str) -> bool:
    """Whether a header can be the noun of a condition."""
    return len(header) > 2 and _LABEL.fullmatch(header) is not None and not NO_LABEL.fullmatch(header)


def _options(column: Column, label: str, dice: Random) -> list[Condition]:
    counts = Counter(column.values)
    names = [normalize(value) for value in counts]
    good = [
        value
        for value, many in counts.items()
        if many >= _LEAST_GONE
        and _OPTION.fullmatch(value)
        and sum(c.isalpha() for c in value) >= 3
        # "Norway" must not also be part of another value, or it would be unclear whether that row counts.
        and sum(normalize(value) in name for name in names) == 1
    ]
    found = [
        Condition(label, "is", value) for value in dice.sample(good, len(good)) if counts[value] >= LEAST_ROWS
    ]
    # A condition that excludes a value is clear if there are few values. It makes a useful question if many rows have
    # the value.
    kinds = len(counts) <= 0.6 * len(column.values) and not any(c.isdigit() for v in counts for c in v)
    common = [v for v in good if kinds and counts[v] >= 0.25 * len(column.values) and not _NOTHING.match(v)]
    return found + [Condition(label, "is_not", value) for value in dice.sample(common, min(1, len(common)))]


def _year_limits(column: Column, label: str, dice: Random) -> list[Condition]:
    years = sorted(year_of(value, column.kind) for value in column.values)
    free = [year for year in range(years[0] + 1, years[-1]) if year not in years]
    round_ones = [year for year in free if year % 10 == 0] or [year for year in free if year % 5 == 0] or free
    limits = dice.sample(round_ones, min(3, len(round_ones)))
    sides: list[Relation] = ["before", "after"]
    return [Condition(label, side, str(limit)) for limit in limits for side in dice.sample(sides, 2)]


def _bounds(column: Column, label: str, dice: Random) -> list[Condition]:
    if not all(_PLAIN_NUMBER.fullmatch(value) for value in column.values):
        return []
    inner = sorted(set(column.values), key=number_of)[1:-1]
    found: list[Condition] = []
    for value in dice.sample(inner, min(3, len(inner))):
        side: Relation = dice.choice(["at_least", "at_most"])
        found.append(Condition(label, side, value))
    for value in dice.sample(inner, min(2, len(inner))):
        limit = _rounded(number_of(value))
        if limit > 0 and all(number_of(other) != limit for other in column.values):
            found.append(Condition(label, dice.choice(["more", "less"]), f"{limit:,}"))
    return found


def _rounded(number: float) -> int:
    """The number rounded to its first two digits."""
    digits = str(int(number))
    return int(digits[:2] + "0" * (len(digits) - 2))


def pairs_of(filters: Sequence[Choice], least: int, dice: Random) -> Iterator[Choice]:
    """Two conditions on two columns, where neither condition implies the other."""
    pairs = [(a, b) for number, a in enumerate(filters) for b in filters[number + 1 :] if a.about != b.about]
    for a, b in dice.sample(pairs, min(8, len(pairs))):
        places = tuple(place for place in a.rows if place in b.rows)
        if least <= len(places) <= min(len(a.rows), len(b.rows)) - 1:
            yield Choice(
                Selection(a.selection.conditions + b.selection.conditions), places, a.about + b.about
            )


def _parts(columns: Sequence[Column], plan: TablePlan, least: int, dice: Random) -> Iterator[Choice]:
    rows = len(plan.rows)
    parts: list[tuple[Part, tuple[int, ...]]] = []
    size = page_size(rows)
    if rows >= least + 3:
        most = max(least, rows * 7 // 10)  # more would be nearly the whole list
        first, last = dice.randint(least, most), dice.randint(least, most)
        begin = dice.randint(2, rows - least)
        end = min(rows - 1, begin + dice.randint(least, most) - 1)
        for part in (
            Part("rows", 1, first),
            Part("rows", -last, -1),
            *([Part("rows", begin, end)] if end - begin + 1 >= least else []),
        ):
            parts.append((part, ()))
    for column in columns:
        label = label_of(column.header)
        if not _can_be_said(column.header) or rows < least + 3:
            continue
        if column.kind == "text" or (column.kind == "number" and _NO_SIZE.fullmatch(label.lower())):
            continue
        kinds: list[PartKind] = ["highest", "lowest"] if column.kind == "number" else ["latest", "earliest"]
        many = dice.randint(least, min(10, rows - 3))
        parts.append((Part(dice.choice(kinds), 1, many, label), (column.index,)))
    for part, about in parts:
        if about and not _clear_cut(part, next(c for c in columns if c.index == about[0])):
            continue
        places = selected(Selection(part=part), columns, rows)
        # The rows on one page of a table can be read at once.
        if plan.mode == "table" and not about and len({place // size for place in places}) < 2:
            continue
        yield Choice(Selection(part=part), places, about)


def _clear_cut(part: Part, column: Column) -> bool:
    """Whether the last row of the part and the first row after the part have different values."""
    ordered = sorted(
        (order_of(value, column.kind) for value in column.values), reverse=part.kind in ("highest", "latest")
    )
    return ordered[part.last - 1] != ordered[part.last]
