"""Reads and applies parts of a list, such as "the last 5 entries" or "the 5 entries with the earliest opening"."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from wideseek_baselines.scripted.conditions import label_of, number_in

Measure = Literal["place", "number", "time"]
Moment = tuple[float, float, float]

_ENDS = re.compile(
    r"\bthe (?P<end>first|last) (?P<many>\d+) entries\b|列表中的(?P<zh>前|最后) ?(?P<zh_many>\d+) ?项"
)
_SPAN = re.compile(r"\bentries (\d+) to (\d+)\b|第 ?(\d+) ?至 ?(\d+) ?项")
_EXTREME = re.compile(
    r"\bthe (?P<many>\d+) entries with the (?P<side>highest|lowest|most|fewest|latest|earliest) (?P<label>[^.,:;?“”]+?)"
    r" count\b"
    r"|只取 ?(?P<zh_label>[^。，：；？“”]+?) ?(?P<zh_side>最高|最低|最晚|最早)的 ?(?P<zh_many>\d+) ?项"
)
_LARGE = frozenset("highest most latest 最高 最晚".split())
_TIMES = frozenset("latest earliest 最晚 最早".split())
_MONTHS = "jan feb mar apr may jun jul aug sep oct nov dec".split()
_YEAR = re.compile(r"(?<!\d)\d{4}(?!\d)")
_MONTH = re.compile(rf"\b({'|'.join(_MONTHS)})[a-z]*\b", re.IGNORECASE)
_DAY = re.compile(r"(?<!\d)\d{1,2}(?!\d)")
_ISO = re.compile(r"\d{4}-(\d\d)-(\d\d)")


@dataclass(frozen=True, slots=True)
class Part:
    """A part of a list that a question asks for: rows at certain places, or rows with the largest or smallest values.

    With the measure "place", the part has the rows `first` to `last`, counted from 1. Negative numbers count from the
    end. With other measures, the part has the `last` rows with the largest or smallest values. Only rows that passed
    all conditions count.
    """

    measure: Measure
    first: int
    last: int
    column: str = ""
    largest: bool = False

    def verdicts(self, rows: Sequence[Mapping[str, str]], left: Sequence[int]) -> dict[int, bool | None]:
        """For each place in `left`, whether its row is in the part. None if the value that decides is missing.

        Places count from 0 in the whole list `rows`. `left` has the places of the rows that passed all conditions.
        """
        if self.measure == "place":
            first = self.first - 1 if self.first > 0 else max(0, len(rows) + self.first)
            last = self.last if self.last > 0 else len(rows) + self.last + 1
            return {place: first <= place < last for place in left}
        sizes = {place: self._size(rows[place].get(self.column, "")) for place in left}
        known = {place: size for place, size in sizes.items() if size is not None}
        best = sorted(known, key=lambda place: known[place], reverse=self.largest)[: self.last]
        return {place: place in best if place in known else None for place in left}

    def _size(self, cell: str) -> Moment | None:
        if self.measure == "time":
            return moment_in(cell)
        number = number_in(cell)
        if number is None:
            return None
        return (-number if re.match(r"[-−]\d", cell) else number), 0, 0


def read_part(text: str) -> Part | None:
    """The part of a list that `text` asks for, or None if it asks for no part."""
    if match := _EXTREME.search(text):
        side = match["side"] or match["zh_side"]
        return Part(
            "time" if side in _TIMES else "number",
            1,
            int(match["many"] or match["zh_many"]),
            label_of(match["label"] or match["zh_label"]),
            side in _LARGE,
        )
    if match := _SPAN.search(text):
        first, last = (int(number) for number in match.groups() if number)
        return Part("place", first, last)
    if match := _ENDS.search(text):
        many = int(match["many"] or match["zh_many"])
        return (
            Part("place", 1, many)
            if (match["end"] or match["zh"]) in ("first", "前")
            else Part("place", -many, -1)
        )
    return None


def moment_in(cell: str) -> Moment | None:
    """Year, month and day in a cell. A missing month or day is 0. None if there is no year."""
    if match := _ISO.search(cell):
        return float(cell[match.start() : match.start() + 4]), float(match[1]), float(match[2])
    years = _YEAR.findall(cell)
    if not years:
        return None
    month = _MONTH.search(cell)
    if month is None:
        return float(years[-1]), 0, 0
    day = _DAY.search(cell)
    return float(years[-1]), float(_MONTHS.index(month[1].casefold()) + 1), float(day[0]) if day else 0
