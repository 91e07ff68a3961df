"""Finds the rows of a gold table in any text: a page, search results, or a report in prose.

A text *names* a row if it has the row's key as whole words. It *gives* a row if it also has a value of the row next to
the key. It *states* the cells whose values are there. Case, diacritics, punctuation, markup and a leading article do
not matter. Addresses of pages do not name rows. The time is linear in the length of the text.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple

from wideseek_env.scoring.characters import fold
from wideseek_env.scoring.text import is_empty, without_diacritics
from wideseek_env.task import ColumnSpec, Task

# Scripts without spaces between words, or with endings joined to names (Hangul): each character is a word.
_SINGLE = "\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u2e80-\u9fff\uac00-\ud7af\uf900-\ufaff"
_WORD = re.compile(rf"[{_SINGLE}]|[^\W_{_SINGLE}]+")
_ASCII_WORD = re.compile(r"[a-z0-9]+")
_ARTICLE = re.compile(r"(?:the|an?) (?=\w)")
_SENTENCE_END = re.compile(r"[;。{}]|(?<=\w\w\w)\.(?=\s)")
_SHAPE = re.compile(r"(\s*)(#{1,6}(?=\s)|[-*+•](?=\s)|\d{1,4}[.)、])?\s*(?:([^:|]{1,40}):)?")
_HEADING = re.compile(r"\s*+(?:\*\*[^*:]+:?\*\*:?|__[^_:]+:?__:?|[^:*_]+:)\s*")
_NUMBER = re.compile(r"\d+(?:\.\d+)?")
_GROUPED = re.compile(r"(?<![\d.,])\d{1,3}(?:[,\u202f\u00a0]\d{3})+(?!\d)")
_ISO_DATE = re.compile(r"(\d{4})-\d{1,2}-(\d{1,2})")
_FIRST_NUMBER = re.compile(r"[^\w]*\d")
_URL = re.compile(r"https?://[^\s|<>\"')\]]++")
_MOST_LINES = 12
_COMMON = frozenset(("and", "for", "from", "the", "with"))
_SHORT = 3


class _Values(NamedTuple):
    """The value of a gold cell: as words, as numbers if it is one, and as addresses. `label` has the words of its
    column. A value of one or two characters, such as 3, is `short`."""

    column: str
    words: tuple[str, ...]
    numbers: tuple[frozenset[str], ...]
    links: tuple[str, ...]
    label: frozenset[str]
    short: bool


class _Key(NamedTuple):
    """One occurrence of keys in a line: its place, and the rows with this key."""

    start: int
    end: int
    rows: tuple[int, ...]


class _Shape(NamedTuple):
    """The form of a line: its indent, its marker, and the label before a colon."""

    indent: int
    marker: str
    label: str


class Mentions:
    """Finds the rows of the gold table of `task`, which must have one. Rows are given by their number, from 0.

    If a task has several key columns, all key cells of a row must be in the text. A key that has no letter, or fewer
    than three characters, is common in text. It counts only next to a value of its row.
    """

    def __init__(self, task: Task) -> None:
        assert task.gold is not None
        header = task.gold.header
        keys = [header.index(name) for name in dict.fromkeys(task.key_columns)]
        others = [header.index(name) for name in dict.fromkeys(task.columns) if name not in task.key_columns]
        rows: dict[tuple[str, ...], list[int]] = {}
        self._weak: set[int] = set()
        self._further: list[list[list[str]]] = []
        self._values: list[tuple[_Values, ...]] = []
        for number, cells in enumerate(task.gold.rows):

            def forms(at: int, cells: Sequence[str] = cells) -> list[tuple[str, ...]]:
                texts = (cells[at], *task.aliases.get(header[at], {}).get(cells[at], ()))
                return [found for text in texts if (found := _words_of(text))]

            parts = sorted(filter(None, map(forms, keys)), key=lambda each: -_weight(each[0]))
            for form in parts[0] if parts else ():
                rows.setdefault(form, []).append(number)
            if parts and _weight(parts[0][0]) < _SHORT:
                self._weak.add(number)
            self._further.append([[_joined(form) for form in part] for part in parts[1:]])
            self._values.append(
                tuple(
                    _values_of(header[at], forms(at), cells[at], task.spec(header[at]))
                    for at in others
                    if forms(at)
                )
            )
        self._rows = {form: tuple(numbers) for form, numbers in rows.items()}
        self._lengths: dict[str, list[int]] = {}
        for form in self._rows:
            lengths = self._lengths.setdefault(form[0], [])
            if len(form) not in lengths:
                lengths.append(len(form))
        for lengths in self._lengths.values():
            lengths.sort(reverse=True)  # the longest key wins: "Winter (North)" is not "Winter"

    def has_values(self, row: int) -> bool:
        """Whether a gold row has a value outside its key columns."""
        return bool(self._values[row])

    def named(self, text: str) -> set[int]:
        """The rows that `text` names."""
        text = _bare(text)
        words = _words(_URL.sub(" ", text))
        found = {row for _, _, rows in self._occurrences(words) for row in rows}
        if any(self._further[row] for row in found):
            whole = _joined(words)
            found = {row for row in found if self._complete(row, whole)}
        if found & self._weak:
            found -= self._weak - self._read(text)
        return found

    def given(self, text: str) -> set[int]:
        """The rows that `text` gives. If the other columns of a row are empty, its key alone is enough.

        A value must be on the line of the key. With several keys on one line, it must follow its key, or be in the same
        sentence before it. A key in a heading, or at the beginning of an entry of a list, also has the lines below it,
        up to the next such line. Numbers and dates may be written in another way than in the gold table.
        """
        return self._read(_bare(text))

    def stated(self, text: str, *, labelled: bool = False) -> set[tuple[int, str]]:
        """The cells outside the key columns whose value is next to the key of its row, as (row, column).

        The places are those of `given`. A value of one or two characters occurs everywhere. It must be on the line of
        the key, or on a line below that has a word of the column's name. With `labelled`, its line needs such a word
        in both cases.
        """
        found: set[tuple[int, str]] = set()
        for row, piece, below, near in self._candidates(_bare(text), set()):
            if near and not self._complete(row, _joined(_words(_URL.sub(" ", f"{piece}\n{below}")))):
                continue
            for values in self._values[row]:
                if (row, values.column) not in found and (
                    _has(values, piece, labelled) or (below and _has(values, below, True))
                ):
                    found.add((row, values.column))
        return found

    def on_page(self, row: int, text: str) -> set[str]:
        """The columns whose value in a row `text` has anywhere, except on lines that name only other rows.

        A value of one or two characters counts only on a line that has a word of the column's name.
        """
        lines = _bare(text).split("\n")
        keys = [self._keys(line) for line in lines]
        kept = [
            line
            for line, found in zip(lines, keys, strict=True)
            if not found or any(row in key.rows for key in found)
        ]
        page = "\n".join(kept)
        return {values.column for values in self._values[row] if _has(values, page, True)}

    def places(self, text: str) -> dict[int, list[str]]:
        """The parts of `text` that belong to each row: the line of its key, without the key, and the lines below."""
        found: dict[int, list[str]] = {}
        for row, piece, below, _ in self._candidates(_bare(text), set()):
            found.setdefault(row, []).append(below or piece)
        return found

    def _read(self, text: str) -> set[int]:
        found: set[int] = set()
        for row, piece, below, near in self._candidates(text, found):
            if self._gives(row, f"{piece}\n{below}" if below else piece, near):
                found.add(row)
        return found

    def _candidates(self, text: str, done: set[int]) -> Iterator[tuple[int, str, str, bool]]:
        """The places of each row: the row, the text on the line of its key, the lines below that belong to it, and
        whether the place must have the further keys too. The lines below come second. Rows in `done` are left out."""
        lines = text.split("\n")
        keys = [self._keys(line) for line in lines]
        seen = {row for line in keys for key in line for row in key.rows}
        if any(self._further[row] for row in seen):
            whole = _joined(_words(text))
            seen = {row for row in seen if self._complete(row, whole)}
        for at, line in enumerate(lines):
            for group, (piece, rows) in enumerate(_pieces(line, keys[at])):
                below = None
                for row in rows:
                    if row in done or row not in seen:
                        continue
                    near = len(rows) > 1  # rows that share this key differ in their further keys
                    yield row, piece, "", near
                    if row in done:
                        continue
                    if below is None:
                        alone = group == 0 and all(key.rows == keys[at][0].rows for key in keys[at])
                        below = "\n".join(_below(lines, keys, at)) if alone else ""
                    if below:
                        yield row, piece, below, near

    def _gives(self, row: int, piece: str, near: bool) -> bool:
        """Whether `piece` has a value of a row, and with `near` also its further keys."""
        cells = self._values[row]
        linked = any(link in piece for values in cells for link in values.links)
        piece = _URL.sub(" ", piece)
        words = _joined(_words(piece))
        if near and not self._complete(row, words):
            return False
        if linked or not cells or any(value in words for values in cells for value in values.words):
            return True
        if not any(values.numbers for values in cells):
            return False
        numbers = _numbers(piece)
        return any(needed <= numbers for values in cells for needed in values.numbers)

    def _complete(self, row: int, words: str) -> bool:
        """Whether `words` have the further keys of a row."""
        return all(any(form in words for form in part) for part in self._further[row])

    def _keys(self, line: str) -> list[_Key]:
        line = _URL.sub(lambda url: " " * len(url[0]), line)
        places = [(match.start(), match.end()) for match in _pattern(line).finditer(line)]
        words = [line[start:end] for start, end in places]
        return [
            _Key(places[at][0], places[at + length - 1][1], rows)
            for at, length, rows in self._occurrences(words)
        ]

    def _occurrences(self, words: Sequence[str]) -> Iterator[tuple[int, int, tuple[int, ...]]]:
        """The keys in `words`, without overlaps: the place of the first word, the number of words, and the rows."""
        known, free = self._lengths, 0
        for at in [at for at, word in enumerate(words) if word in known]:
            if at < free:
                continue
            for length in known[words[at]]:
                rows = self._rows.get(tuple(words[at : at + length])) if at + length <= len(words) else None
                if rows is not None:
                    yield at, length, rows
                    free = at + length
                    break


def has_phrase(text: str, phrase: str) -> bool:
    """Whether `text` has the words of `phrase` one after another. False for a phrase without three characters."""
    words = _words_of(phrase)
    return len("".join(words)) >= _SHORT and _joined(words) in _joined(_words(_URL.sub(" ", _bare(text))))


def _values_of(column: str, forms: Sequence[tuple[str, ...]], cell: str, spec: ColumnSpec) -> _Values:
    needed = _needed(cell) if _is_number(cell, spec) else frozenset()
    return _Values(
        column,
        tuple(map(_joined, forms)),
        (needed,) if needed else (),
        tuple(_URL.findall(_bare(cell))),
        _label(column),
        all(len("".join(form)) < _SHORT for form in forms),
    )


def _label(column: str) -> frozenset[str]:
    """The words of a column's name that tell which column a line is about."""
    words = frozenset(_words(_bare(column)))
    return frozenset(word for word in words if len(word) >= _SHORT or not word.isascii()) - _COMMON or words


def _has(values: _Values, text: str, labelled: bool) -> bool:
    """Whether `text` has the value. With `labelled`, a short value needs a line with a word of its column."""
    if values.short and labelled:
        named = [line for line in text.split("\n") if not values.label.isdisjoint(_words(line))]
        text = "\n".join(named)
    if any(link in text for link in values.links):
        return True
    text = _URL.sub(" ", text)
    if values.numbers:  # 3 is neither in 2.3 nor in 3,000
        text = _GROUPED.sub(lambda number: re.sub(r"\D", "", number[0]), text)
        if any(needed <= set(map(_plain, _NUMBER.findall(text))) for needed in values.numbers):
            return True
    words = _joined(_words(text))
    return any(value in words for value in values.words if not (values.numbers and " " not in value.strip()))


def _pieces(line: str, keys: Sequence[_Key]) -> Iterator[tuple[str, tuple[int, ...]]]:
    """For each run of the same key in `line`, the text that belongs to it, without the key."""
    begin = 0
    if keys and (shape := _SHAPE.match(line)) is not None and shape[2] and keys[0].start >= shape.end(2):
        line = " " * shape.end(2) + line[shape.end(2) :]  # the number of an entry is no value
    while begin < len(keys):
        end = begin + 1
        while end < len(keys) and keys[end].rows == keys[begin].rows:
            end += 1
        before = line[keys[begin - 1].end if begin else 0 : keys[begin].start]
        if begin:
            stops = list(_SENTENCE_END.finditer(before))
            before = before[stops[-1].end() :] if stops else ""
        stop = keys[end].start if end < len(keys) else len(line)
        after = [
            line[key.end : keys[at + 1].start if at + 1 < end else stop]
            for at, key in enumerate(keys[begin:end], begin)
        ]
        yield "\n".join([before, *after]), keys[begin].rows
        begin = end


def _below(lines: Sequence[str], keys: Sequence[Sequence[_Key]], at: int) -> Iterator[str]:
    """The lines below the line `at`, which has one key, that belong to its entry."""
    line, rows = lines[at], keys[at][0].rows
    if "|" in line or "\t" in line.strip():
        return
    shape = _shape(line)
    match = _SHAPE.match(line)
    labelled = bool(match and match[3] and keys[at][0].start < match.end(3))
    heads = shape.marker[:1] == "#" or shape.marker == "**"
    for number in range(at + 1, min(len(lines), at + 1 + _MOST_LINES)):
        below = lines[number]
        if not below.strip():
            if heads:
                continue
            return
        other = _shape(below)
        if any(key.rows != rows for key in keys[number]):
            return
        if other.marker[:1] == "#" and (shape.marker[:1] != "#" or len(other.marker) <= len(shape.marker)):
            return
        if heads:
            if shape.marker == "**" == other.marker:
                return
        else:
            same = (other.indent, other.marker) == (shape.indent, shape.marker)
            if other.indent < shape.indent or "|" in below:
                return
            if same and (labelled or not other.label or other.label == shape.label):
                return
        yield below


def _shape(line: str) -> _Shape:
    """The form of a line. A whole line in bold, or with a colon at its end, is a heading, with the marker ``**``."""
    if _HEADING.fullmatch(line) is not None:
        return _Shape(len(line) - len(line.lstrip()), "**", "")
    match = _SHAPE.match(line)
    assert match is not None  # every part of the pattern may be absent
    marker = "1." if match[2] and match[2][0].isdigit() else match[2] or ""
    return _Shape(len(match[1]), marker, (match[3] or "").strip(" *_\"'"))


def _bare(text: str) -> str:
    """`text` in lower case, without diacritics, with its line breaks."""
    if text.isascii():
        return text.lower().replace("&amp;", " and ").replace("&", " and ")
    lines = text.replace("&amp;", "&").split("\n")
    return "\n".join(without_diacritics(line if line.isascii() else fold(line)) for line in lines)


def _words(text: str) -> list[str]:
    return _pattern(text).findall(text)


def _pattern(text: str) -> re.Pattern[str]:
    return _ASCII_WORD if text.isascii() else _WORD


def _words_of(cell: str) -> tuple[str, ...]:
    """The words of a cell without a leading article. () if the cell has no value."""
    if is_empty(cell):
        return ()
    text = " ".join(_bare(cell).split())
    article = _ARTICLE.match(text)
    return tuple(_words(text[article.end() :] if article else text))


def _weight(form: Sequence[str]) -> int:
    """How well a key is told from other text: its length, or less if it has no letter."""
    text = "".join(form)
    if not any(map(str.isalpha, text)):
        return 0
    return len(text) + sum(char >= "\u0e00" for char in text)  # a Chinese character says more than a letter


def _joined(words: Iterable[str]) -> str:
    return f" {' '.join(words)} "


def _numbers(text: str) -> set[str]:
    """The numbers in a text, with and without a comma between thousands."""
    found = {_plain(number) for number in _NUMBER.findall(text)}
    return found | {_plain(re.sub(r"\D", "", number)) for number in _GROUPED.findall(text)}


def _is_number(cell: str, spec: ColumnSpec) -> bool:
    """Whether other numbers than those of `cell` would be another value. ``Apollo 11`` is a name, ``11 m`` is not."""
    if is_empty(cell) or not any(map(str.isdigit, cell)):
        return False
    typed = {"number_near", "date_near", "extract_number", "norm_date"}
    return not typed.isdisjoint((*spec.metrics, *spec.preprocess)) or _FIRST_NUMBER.match(cell) is not None


def _needed(value: str) -> frozenset[str]:
    """The numbers that tell a value. Of a date they are the year and the day, as the month may be a word."""
    text = _bare(value)
    if (date := _ISO_DATE.fullmatch(text.strip())) is not None:
        return frozenset(map(_plain, date.groups()))
    text = _GROUPED.sub(lambda number: re.sub(r"\D", "", number[0]), text)
    return frozenset(map(_plain, _NUMBER.findall(text)))


def _plain(number: str) -> str:
    number = number.lstrip("0") or "0"
    return number.rstrip("0").rstrip(".") if "." in number else number
