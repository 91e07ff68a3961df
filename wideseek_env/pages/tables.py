"""Turns HTML tables into grids. A cell that spans several rows or columns is repeated in each. All rows have the same
number of cells."""

from __future__ import annotations

from dataclasses import dataclass, field

_TALLEST_HEADER = 4
_MOST_COLUMNS = 300
_MOST_CELLS = 200_000
"""The most cells of a filled grid. In a larger grid, spanning cells are not repeated, because a page may state spans of
any size. If the empty cells after short rows would make a grid larger, its last columns are left out. A grid whose rows
are long may be `_MOST_TIMES` as large as the cells that the page writes."""
_MOST_TIMES = 4


@dataclass(slots=True)
class TableRow:
    """A row as written: the texts of its cells, which of them are header cells, and their spans.

    `spans` maps the number of a cell in the row to the number of columns and rows that the cell covers. 0 rows means
    all rows to the end of the row group. Cells without spans are not in `spans`.
    """

    texts: list[str] = field(default_factory=list)
    headers: list[bool] = field(default_factory=list)
    spans: dict[int, tuple[int, int]] = field(default_factory=dict)


@dataclass(slots=True)
class RawTable:
    """A table as written. `groups` are the row groups (head, bodies, foot). A row span ends at the end of its group.

    `head` and `foot` are the numbers of the first `thead` and `tfoot` in `groups`. Browsers show them at the top and at
    the bottom, wherever they are written. Further ones are like bodies.
    """

    caption: str = ""
    groups: list[list[TableRow]] = field(default_factory=list)
    head: int | None = None
    foot: int | None = None


@dataclass(frozen=True, slots=True)
class Grid:
    """A table ready to be written. `header` and every row have the same number of cells."""

    caption: str
    header: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]


@dataclass(slots=True)
class _Line:
    """A row of the filled grid. If a cell covers several columns, `wide` maps each of these positions to the number of
    the cell."""

    texts: list[str]
    wide: dict[int, int]


_NONE_WIDE: dict[int, int] = {}


def to_grid(table: RawTable) -> Grid | None:
    """The filled grid, or None when it has no content.

    The header is the first row. If the rows directly below also consist of header cells, they are joined to the header,
    column by column. If the first rows are one cell across the whole table, they become the caption. Columns without
    text below the header (pictures, colour marks, footnotes) are left out. In an infobox each row has a name (`th`) and
    a value (`td`). Such a table gets a blank header.
    """
    groups = table.groups if table.head is table.foot is None else _as_shown(table)
    rows = [row for group in groups for row in group if row.texts]
    lines = _fill(groups)
    titles = _titles(rows)
    captions = [table.caption, *(row.texts[0] for row in rows[:titles])]
    rows, lines = rows[titles:], lines[titles:]
    if not any(any(line.texts) for line in lines):
        return None
    caption = " – ".join(filter(None, captions))
    if _names_and_values(rows):
        # A cell across both columns is a heading inside the infobox, not a pair of equal values.
        pairs = tuple((row.texts[0], row.texts[1] if len(row.texts) == 2 else "") for row in rows)
        return Grid(caption, ("", ""), tuple(pair for pair in pairs if any(pair)))
    width = max(len(line.texts) for line in lines)
    height = _header_height(rows)
    used = _used_columns(lines[:height], lines[height:], width)
    if len(used) * len(lines) > _MOST_CELLS:
        written = sum(len(line.texts) for line in lines)
        used = used[: max(1, max(_MOST_CELLS, _MOST_TIMES * written) // len(lines))]
    if len(used) == width:
        texts = [
            (*line.texts, *[""] * (width - len(line.texts))) if len(line.texts) < width else tuple(line.texts)
            for line in lines
        ]
    else:
        texts = [
            tuple([line.texts[place] if place < len(line.texts) else "" for place in used]) for line in lines
        ]
    header = texts[0]
    if height > 1:
        header = tuple(
            " ".join(dict.fromkeys(filter(None, column))) for column in zip(*texts[:height], strict=True)
        )
    return Grid(caption, header, tuple(texts[height:]))


def _as_shown(table: RawTable) -> list[list[TableRow]]:
    """The row groups from top to bottom."""
    ends = (table.head, table.foot)
    bodies = [group for number, group in enumerate(table.groups) if number not in ends]
    head, foot = ([] if end is None else [table.groups[end]] for end in ends)
    return [*head, *bodies, *foot]


def _titles(rows: list[TableRow]) -> int:
    """The number of rows at the top that are one cell across the full width of a table with several columns."""
    for number, row in enumerate(rows[:-1]):
        columns, height = row.spans.get(0, (1, 1))
        if len(row.texts) > 1 or columns < 2 or height > 1:
            return number if any(len(other.texts) > 1 for other in rows[number:]) else 0
    return len(rows) - 1 if rows and len(rows[-1].texts) > 1 else 0


def _header_height(rows: list[TableRow]) -> int:
    """The number of header rows: the first row, and further rows of header cells if the first row consists of header
    cells."""
    height = 0
    for row in rows:
        # A single cell is the heading of a section of the table.
        if len(row.texts) < 2:
            break
        if not all(row.headers) and any(
            text and not header for text, header in zip(row.texts, row.headers, strict=True)
        ):
            break
        height += 1
    return height if 1 <= height <= _TALLEST_HEADER and height < len(rows) else 1


def _used_columns(head: list[_Line], body: list[_Line], width: int) -> list[int]:
    """The columns to keep: those with text in a cell that covers only this column, and those that a spanning cell
    needs."""
    named = {
        place for line in head for place, text in enumerate(line.texts) if text and place not in line.wide
    }
    spanning: dict[int, set[int]] = {}
    used: set[int] = set()
    for line in body:
        if len(used) == width:
            break
        if not line.wide:
            used.update([place for place, text in enumerate(line.texts) if text])
            continue
        # The heading of a section of the table: one cell from the first column to the last.
        whole = len(line.wide) == len(line.texts) and len(set(line.wide.values())) == 1
        for place, text in enumerate(line.texts):
            if text and (place not in line.wide or (place in named and not whole)):
                used.add(place)
            elif text:
                spanning.setdefault(line.wide[place], set()).add(place)
    for places in spanning.values():
        if not places & used:
            used.add(min(places))
    return sorted(used) if used else list(range(width))


def table_line(cells: tuple[str, ...]) -> str:
    """One row in pipe syntax. Pipes inside cells are escaped."""
    line = " | ".join(cells)
    if line.count("|") >= len(cells):
        line = " | ".join([cell.replace("|", "\\|") for cell in cells])
    return f"| {line} |"


def _names_and_values(rows: list[TableRow]) -> bool:
    pairs = 0
    for row in rows:
        if len(row.texts) == 2:
            if not row.headers[0] or row.headers[1]:
                return False
            pairs += 1
        elif len(row.texts) > 2:
            return False
    return pairs > 0


def _fill(groups: list[list[TableRow]]) -> list[_Line]:
    """Every row that has cells. A cell is written to all positions that it covers."""
    claimed = sum(
        min(columns, _MOST_COLUMNS) * min(rows or len(group), len(group))
        for group in groups
        for row in group
        if row.spans
        for columns, rows in row.spans.values()
    )
    fill = claimed <= _MOST_CELLS
    lines: list[_Line] = []
    cells = 0  # the number of spanning cells so far, which identifies each
    gaps = 0  # the empty cells before cells of earlier rows
    for group in groups:
        # Column -> (text, number of the cell if it is wide, rows still to cover). A row without cells counts, but is
        # not written.
        pending: dict[int, tuple[str, int, int]] = {}
        for number, row in enumerate(group):
            if not pending and (not row.spans or not fill):
                if row.texts:
                    lines.append(_Line(row.texts, _NONE_WIDE))
                continue
            texts: list[str] = []
            wide: dict[int, int] = {}
            for place, text in enumerate(row.texts):
                while len(texts) in pending:
                    _hang(texts, wide, pending)
                columns, height = row.spans.get(place, (1, 1))
                if columns == height == 1:
                    texts.append(text)
                    continue
                cells += 1
                left = min(height or len(group), len(group) - number)
                columns = min(columns, _MOST_COLUMNS)
                for at in range(len(texts), len(texts) + columns):
                    if left > 1:
                        pending[at] = (text, cells if columns > 1 else 0, left)
                    if columns > 1:
                        wide[at] = cells
                texts += [text] * columns
            if pending:
                # Cells of earlier rows that cover columns after the last cell of this row.
                for at in sorted([at for at in pending if at >= len(texts)]):
                    gaps += at - len(texts)
                    if gaps > _MOST_CELLS:
                        break
                    texts += [""] * (at - len(texts))
                    _hang(texts, wide, pending)
                pending = {
                    at: (text, cell, left - 1) for at, (text, cell, left) in pending.items() if left > 1
                }
            if row.texts:
                lines.append(_Line(texts, wide))
    return lines


def _hang(texts: list[str], wide: dict[int, int], pending: dict[int, tuple[str, int, int]]) -> None:
    """Write a cell of an earlier row, which also covers this row, into the next position of this row."""
    text, cell, _ = pending[len(texts)]
    if cell:
        wide[len(texts)] = cell
    texts.append(text)
