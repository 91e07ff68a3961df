"""Finds the table of an answer in a model's text."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from wideseek_env.scoring.align import match_columns
from wideseek_env.scoring.markup import are_plain, is_neat, is_plain, is_plain_cell, plain_text
from wideseek_env.scoring.table_blocks import Found, find_tables
from wideseek_env.scoring.table_lines import fit_row, is_rule, is_strong, split_row
from wideseek_env.scoring.table_text import spelled_pipes, strip_thinking, unescape, unfold, visible_text
from wideseek_env.scoring.text import shown_text
from wideseek_env.task import Table

__all__ = ["MAX_COLUMNS", "MAX_ROWS", "ParsedTable", "is_rule", "parse_table", "split_row", "strip_thinking"]

MAX_COLUMNS = 128
MAX_ROWS = 20_000
"""A table with more rows is cut, and a note reports this. Otherwise hostile text could make the padding of rows
expensive."""
MAX_TABLES = 100
"""Only this many tables at the end of a text are compared with the required columns."""

_NO_TABLE = "the answer has no Markdown table"
_WORD = re.compile(r"\w")
_DOTS = frozenset((".", "..", "...", "....", "…", "……", "⋮", "⋯", ". . .", "etc.", "etc"))
_EMPHASISED = re.compile(
    r"[^\w*<|]*+(?:(\*{1,3}|_{1,3})[^*_].*\1|<(b|strong|i|em)>.*</\2>)", re.IGNORECASE | re.DOTALL
)
_ASIDE = re.compile(
    r"\(.*\)|（.*）|【.*】|\[[^\[\]]*\]|\W*cont(?:inued|'?d|\.)\W*|\d{3,4}\s*(?:'?s|年代)|[#—–=▼▶►■●].*"
    r"|(?:(?:data )?sources?|notes?|remarks?|(?:数据|资料)?来源|备?注)\s*[:：].*",
    re.IGNORECASE | re.DOTALL,
)
_TOTAL = re.compile(
    r"(?:[*_ ]|</?\w{1,6}>)*+(?:the )?(?:(?:grand |sub-? ?|overall )?totals?|sum|average|mean"
    r"|总计|合计|小计|总和|总数|平均)"
    r"[*_\s]*+(?:[(（].{0,40}[)）]|[:：].{0,40})?(?:[*_ ]|</?\w{1,6}>)*+",
    re.IGNORECASE,
)
_TOTAL_SIGNS = frozenset("*_ <tTgGsSoOaAmM总合小平")
_BEFORE_NAME = re.compile(r".*[:：>{}\]*`\".)、]", re.DOTALL)
_SIGNS = re.compile(r"[^\w<]+")
_CLOSING_TAG = re.compile(r"</[\w-]{1,40}>")
_MOST_CLOSING = 8
_OPENING = {"}": "{", "]": "[", ")": "(", "”": "“", "’": "‘", **{sign: sign for sign in "\"'`*$"}}
_FIRST_SIGNS = frozenset((".", "…", "⋮", "⋯", "e", "-", ":", "—", "–", "=", "─", "━"))


@dataclass(frozen=True, slots=True)
class ParsedTable:
    """The result of `parse_table`.

    `table` has the text of the cells without markup. `raw` has the same cells with their markup and links, but without
    escapes of pipes. `table` and `raw` are None when the text has no table. `notes` has one sentence for each repair.
    `remarks` has the rows that look like remarks: section headings, totals, dots, and ruling lines. They are not in
    `table` and `raw`. Each is given as its index in `with_remarks()`, and its cells with their markup.
    """

    table: Table | None
    raw: Table | None = None
    notes: tuple[str, ...] = ()
    remarks: tuple[tuple[int, tuple[str, ...]], ...] = ()

    def with_remarks(self) -> ParsedTable:
        """This table with its remarks as rows."""
        if self.table is None or self.raw is None or not self.remarks:
            return self
        remarks = dict(self.remarks)
        raw_rows, shown_rows = iter(self.raw.rows), iter(self.table.rows)
        raw: list[tuple[str, ...]] = []
        shown: list[tuple[str, ...]] = []
        for at in range(len(self.raw.rows) + len(remarks)):
            row = remarks.get(at)
            raw.append(next(raw_rows) if row is None else row)
            shown.append(next(shown_rows) if row is None else tuple(map(plain_text, row)))
        return ParsedTable(
            Table(self.table.header, tuple(shown)), Table(self.raw.header, tuple(raw)), self.notes
        )


def parse_table(text: str, columns: Sequence[str] = (), key_columns: Sequence[str] = ()) -> ParsedTable:
    """The Markdown table of `text` that answers a question, in a code fence or in prose, with or without outer pipes.

    With `columns`, the names of the required columns, this is the table with the most `key_columns`. Among several, it
    is one with rows, then one with the most required columns, then the last one. Without `columns` it is the last
    table. In both cases, a table with an alignment row (``|---|---|``) is preferred to pipe-separated lines without
    one.

    Thinking (``<think>…</think>``) is not part of the answer. The alignment row tells where the header begins if there
    is text before it on the same line. Remarks between rows do not end a table. A row that is shorter than the header
    is padded with empty cells. If a row is longer than the header, its surplus cells are dropped, as in Markdown
    renderers. If no table with key columns is found, the text is read again: as a JSON string, with other spellings of
    pipes (``&#124;``), and with all rows on one line. No text raises an error. The time is linear in the length of
    `text`.
    """
    text = visible_text(strip_thinking(text))
    best = _best(text, columns, key_columns)
    for reading in (unescape, unescape, spelled_pipes, unfold):  # twice, as there is JSON inside JSON
        if best is not None and (not columns or best[0][0]):
            break
        other_text = reading(text)
        if other_text == text:
            continue
        text = other_text
        other = _best(text, columns, key_columns)
        if other is not None and other[1].ruled and (best is None or other[0] > best[0]):
            best = other
    return ParsedTable(None, None, (_NO_TABLE,)) if best is None else _build(best[1])


def _best(text: str, columns: Sequence[str], keys: Sequence[str]) -> tuple[tuple[int, ...], Found] | None:
    """The table of `text` that is the answer, and the numbers by which it was chosen. Larger numbers are better."""

    def is_header(names: Sequence[str]) -> bool:
        found = match_columns(columns, names) if columns else {}
        return 2 * len(found) > len(columns) and all(name in found for name in keys)

    tables = find_tables(text, is_header)[-MAX_TABLES:] if "|" in text or not text.isascii() else []
    if columns:
        for table in tables:
            _trim_first_name(table, columns)
    if len(tables) == 1 and all(name in tables[0].header for name in keys):
        return (1,), tables[0]
    ranked = [(_rank(table, columns, keys), at) for at, table in enumerate(tables)]
    if not ranked:
        return None
    rank, at = max(ranked)
    return rank, tables[at]


def _rank(table: Found, columns: Sequence[str], keys: Sequence[str]) -> tuple[int, ...]:
    if not columns:
        return (0, table.ruled)
    found = match_columns(columns, table.header[:MAX_COLUMNS])
    has_rows = any(_WORD.search(line) for line in table.body)
    return (sum(name in found for name in keys), has_rows, len(found), table.ruled)


def _trim_first_name(table: Found, columns: Sequence[str]) -> None:
    """Remove text before the first name of a header without a first pipe, if a required column remains."""
    if table.prefix is None:
        return
    name = table.header[0]
    if (signs := _SIGNS.match(name)) is not None:
        table.prefix += signs[0]
    if (before := _BEFORE_NAME.match(name)) is not None:
        rest = name[before.end() :].strip()
        if rest and match_columns(columns, [rest]) and not match_columns(columns, [name]):
            table.header[0] = rest
            table.prefix += before[0]


def _build(found: Found) -> ParsedTable:
    header, notes = found.header, []
    if not found.ruled:
        notes.append("the table has no alignment row under its header")
    if len(header) > MAX_COLUMNS:
        notes.append(f"the header has {len(header)} columns; only the first {MAX_COLUMNS} were read")
        header = header[:MAX_COLUMNS]
    width = len(header)
    rows: list[tuple[str, ...]] = []
    shown: list[tuple[str, ...]] = []
    remarks: list[int] = []
    single: list[tuple[int, bool]] = []  # rows with one text, and whether it is the only cell of its line
    short = long = skipped = 0
    last = ""
    body = "\n".join(found.body)
    neat = is_neat(body)
    plain = neat and are_plain(body)
    for line in found.body:
        if line[0] == "|" == line[-1] and "\\" not in line:
            cells = list(map(str.strip, line[1:-1].split("|")))  # as `split_row`, which is slower
        else:
            cells = split_row(line)
        alone = False
        if len(cells) != width or line[0] != "|":
            fitted = fit_row(line, width, found.framed)
            if fitted is None:
                skipped += 1
                continue
            alone = len(fitted) == 1 < width
            short += len(fitted) < width
            long += len(fitted) > width and line[-1] == "|" and any(fitted[width:])
            cells = [*fitted, *[""] * (width - len(fitted))][:width]
        if len(rows) == MAX_ROWS:
            notes.append(f"the table has over {MAX_ROWS} rows; only the first {MAX_ROWS} were read")
            break
        row = tuple(cells)
        sign = row[0][:1]
        if (sign in _FIRST_SIGNS and _is_certain_remark(row)) or (
            sign in _TOTAL_SIGNS and _TOTAL.fullmatch(row[0])
        ):
            remarks.append(len(rows))
        elif "" in row and row.count("") == width - 1 > 0:
            single.append((len(rows), alone))
        elif width > 1 and row[0] == row[1] and len(set(row)) == 1 and _EMPHASISED.fullmatch(row[0]):
            single.append((len(rows), False))  # a cell over all columns is often repeated in each of them
        last = line
        rows.append(row)
        if plain or is_plain(line):
            shown.append(row)
        elif neat:
            shown.append(tuple([cell if is_plain_cell(cell) else shown_text(cell) for cell in row]))
        else:
            shown.append(tuple(map(shown_text, row)))
    if rows and last[-1] != "|" and (row := _without_closing(rows[-1], found.prefix)) != rows[-1]:
        rows[-1], shown[-1] = row, tuple(map(plain_text, row))
    if single:
        remarks = sorted((*remarks, *_headings(rows, single)))
    if skipped:
        notes.append("text after the table was not read as a row")
    if short:
        notes.append(f"{short} rows have fewer cells than the header; the rest was taken as empty")
    if long:
        notes.append(f"{long} rows have more cells than the header; what is beyond it was dropped")
    left_out = tuple((at, rows[at]) for at in remarks)
    for at in reversed(remarks):
        del rows[at], shown[at]
    raw = Table(tuple(header), tuple(rows))
    names = tuple(map(plain_text, header))
    table = raw if plain and names == raw.header else Table(names, tuple(shown))
    return ParsedTable(table, raw, tuple(notes), left_out)


def _is_certain_remark(row: Sequence[str]) -> bool:
    """Whether a row has only dots, or is a ruling line between rows."""
    return all(not cell or cell in _DOTS for cell in row) or (is_strong(row) and is_rule(row))


def _headings(rows: Sequence[Sequence[str]], single: Sequence[tuple[int, bool]]) -> list[int]:
    """The rows of `single` that are headings of a section, not rows in which most values are missing.

    A heading is in brackets, names a decade or begins with a sign such as a dash. Or it is the only cell of its line,
    or emphasised, and rows with values are not.
    """
    full = [row for row in rows if len(row) - row.count("") > 1 and len(set(row)) > 1]
    headings: list[int] = []
    plain: dict[int, bool] = {}  # by column: whether a row with values has a cell that is not emphasised
    for at, alone in single:
        place = next(place for place, cell in enumerate(rows[at]) if cell)
        cell = rows[at][place]
        if place not in plain:
            plain[place] = any(row[place] and not _EMPHASISED.fullmatch(row[place]) for row in full)
        is_heading = (alone and full) or (plain[place] and _EMPHASISED.fullmatch(cell))
        if is_heading or _ASIDE.fullmatch(plain_text(cell)):
            headings.append(at)
    return headings


def _without_closing(row: tuple[str, ...], prefix: str | None) -> tuple[str, ...]:
    """The last row of a table without what closes the text around the table (``</answer>``), if its last pipe is
    absent. `prefix` is the text before the first pipe of the header. What it has not opened stays."""
    cell = row[-1]
    for _ in range(_MOST_CLOSING):
        tag = cell.rfind("</")
        if tag < 0 or _CLOSING_TAG.fullmatch(cell, tag) is None:
            break
        cell = cell[:tag].rstrip()
    for _ in range(_MOST_CLOSING):
        closing = cell[-1:]
        opening = _OPENING.get(closing, "")
        if not opening or opening not in (prefix or ""):
            break
        paired = (
            cell.count(closing) % 2 == 0 if opening == closing else cell.count(opening) == cell.count(closing)
        )
        if paired:
            break
        cell = cell[:-1].rstrip("\\ ")
    return (*row[:-1], cell)
