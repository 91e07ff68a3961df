"""Finds the tables of a text: groups of lines with pipes, and the header, alignment row and rows in each group."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from wideseek_env.scoring.broken_rows import whole_rows
from wideseek_env.scoring.table_lines import (
    ITEM,
    bare_line,
    fit_row,
    has_pipe,
    header_cells,
    is_framed,
    is_prose,
    is_strong,
    rule_cells,
    split_any,
    split_row,
)

_MOST_REMARKS = 6
"""Lines without a pipe that may stand between two rows of one table. More lines are the text after a table."""

_CONTINUED = re.compile(r"\bcont(?:inued|inues|inuing|inuation|'?d)\b|\(cont\.|续|接上", re.IGNORECASE)
_ENDS_TABLE = re.compile(
    r"[\W_]*+(?:sources?|references?|legend|key|citations?|links|footnotes?|abbreviations?|来源|参考(?:资料|文献)?|图例)"
    r"(?:\b|[:：]|$)",
    re.IGNORECASE,
)

_ASIDE = re.compile(r"[(\[（【*_#<.…⋮~-]|(?:notes?|remarks?|注|备注)\b", re.IGNORECASE)
_LATE_RULE = 50
"""An alignment row after a blank line belongs to the header above it if the table has at most this many lines yet."""
_ROW_OF_WORDS = re.compile(r"\|\s*+[\w*\[]")
"""The beginning of most rows, which is no alignment row. Most rows are recognised by it quickly."""
_MOST_QUESTIONS = 100
"""Rows above a ruling line that are compared with the required columns, for each group of lines."""


@dataclass(slots=True)
class Found:
    """A table in a text: the names in its header, and the lines below the header."""

    header: list[str]
    body: Sequence[str]
    ruled: bool
    """Whether there is an alignment row under the header."""
    framed: bool
    """Whether the rows have outer pipes."""
    prefix: str | None
    """The text before the header on its line. None if the header begins with a pipe."""


@dataclass(slots=True)
class _Block:
    """Lines with a pipe that belong together. `table` is the first table of the block with an alignment row, as far as
    it was known when the block began. `start` is the position of its header."""

    lines: list[str]
    start: int
    table: Found | None
    width: int
    framed: bool
    grown: bool = False
    """Whether lines were added to the block."""
    spaced: bool = False
    """Whether there are blank lines between its rows."""


def find_tables(text: str, is_header: Callable[[Sequence[str]], bool]) -> list[Found]:
    """The tables of `text` in their order. Tables without an alignment row are among them.

    `is_header` says whether cells are the names of the columns that the answer needs. A row with these names above an
    alignment row begins another table, even if there is no blank line before it. The time is linear in the length of
    `text`.
    """
    found: list[Found] = []
    for block in _blocks(whole_rows([bare_line(line) for line in text.split("\n")])):
        if block.table is not None:
            found += _ruled_tables(block, block.table, is_header)
        elif rows := _unruled_table(block.lines):
            found.append(_table(rows[0], None, rows[1:]))
    return found


def _table(header: str, rule: str | None, body: Sequence[str]) -> Found:
    if rule is not None and (item := ITEM.match(rule)) is not None and ITEM.match(header) is not None:
        bare = rule[item.end() :]
        if rule_cells(bare) is not None:  # every line of the table is an item of a list
            header, rule, body = ITEM.sub("", header, 1), bare, [ITEM.sub("", line, 1) for line in body]
    below = next((line for line in body[:3] if rule_cells(line) is None), "")
    if header[0] == "|" == header[-1]:
        names = split_any(header, 0)
        prefix, framed = None, True
    else:
        ruled = rule_cells(rule) if rule is not None else None
        names = header_cells(header, ruled, len(split_any(below, len(ruled or ()))) if below else 0)
        glued = len(names) < len(split_any(header, 0))
        prefix = None if header[0] == "|" else header.partition("|")[0] if glued else ""
        framed = header[0] == "|" or (rule is not None and rule[0] == "|") or is_framed(below)
    framed = framed and (not body or any(line[0] == "|" for line in body))
    return Found(names, body, rule is not None, framed, prefix)


def _blocks(lines: Sequence[str]) -> list[_Block]:
    """The groups of lines with a pipe. Blank lines and remarks inside a table do not end a group."""
    blocks: list[_Block] = []
    current: _Block | None = None  # the last block that more rows can continue
    run: list[str] = []
    gap: list[str] = []  # the lines without a pipe between `current` and `run`, at most `_MOST_REMARKS` + 1
    for line in (*lines, ""):
        if "|" in line or has_pipe(line):
            run.append(line)
            continue
        if run:
            if current is not None and _continues(current, gap, run):
                late = current.table is None and len(current.lines) <= _LATE_RULE
                current.lines += run
                current.grown = True
                current.spaced = current.spaced or not gap
                gap = []
                if late and rule_cells(run[0]) is not None:
                    current = blocks[-1] = _block(current.lines)
            else:
                block = _block(run)
                blocks.append(block)
                if block.table is not None or current is None or all(map(is_framed, run)):
                    current, gap = block, []
                else:
                    gap.append(run[0])
            run = []
        if line and len(gap) <= _MOST_REMARKS:
            gap.append(line)
    return blocks


def _block(run: list[str]) -> _Block:
    head = _header_index(run)
    if head is None:
        return _Block(run, 0, None, len(split_row(run[-1])), is_framed(run[-1]))
    table = _table(run[head], run[head + 1], run[head + 2 :])
    return _Block(run, head, table, len(table.header), table.framed)


def _continues(block: _Block, gap: Sequence[str], run: Sequence[str]) -> bool:
    """Whether the lines `run` are more rows of the table in `block`, and do not begin another table. `gap` has the
    remarks between them."""
    if len(gap) > _MOST_REMARKS or any(map(_ENDS_TABLE.match, gap)):
        return False
    if block.table is None and not gap and (rule := rule_cells(run[0])) is not None:
        return len(header_cells(block.lines[-1], rule, 0)) == len(rule)
    width = block.width
    first = split_any(run[0], width)
    names = split_row(block.lines[0]) if block.table is None else block.table.header
    goes_on = any(map(_CONTINUED.search, gap))
    if (head := _header_index(run)) is not None:
        if block.table is None or len(first) != width:
            return False
        if is_strong(rule_cells(run[head + 1]) or ()):
            return head == 0 and first == names and goes_on
    if gap and first == names:
        return goes_on
    if block.framed:
        return 2 * sum(_fits(line, width) for line in run) > len(run)
    if block.table is None or width < 2 or is_prose(run[0]):
        return False
    # Two cells and no outer pipes: prose with a pipe looks the same, so more must speak for rows.
    is_row = (
        width > 2
        or len(run) > 1
        or block.spaced
        or block.start == len(block.lines) - 2
        or (bool(gap) and all(map(_ASIDE.match, gap)))
    )
    return is_row and all(len(split_any(line, width)) == width for line in run)


def _fits(line: str, width: int) -> bool:
    if line[0] != "|":
        cells = fit_row(line, width, True)
        return cells is not None and len(cells) == width
    return len(split_any(line, width)) == width + (line[-1] != "|" and line.count("|") > width)


def _header_index(block: Sequence[str]) -> int | None:
    """The position of the header in a block of pipe lines. The header is directly above the alignment row. None when
    there is no alignment row."""
    weak = False
    for at in range(1, len(block)):
        if (rule := rule_cells(block[at])) is None:
            continue
        if at == 1 or is_strong(rule) or (not weak and _starts_late(block, at)):
            return at - 1
        weak = True
    return None


def _starts_late(block: Sequence[str], rule: int) -> bool:
    """Whether the lines above the header are not rows of the table, but a caption, a frame or prose with a pipe.

    Without this check, a row of single dashes could look like an alignment row. Single dashes are a common way to write
    "unknown". In a table without an alignment row, the row above the single dashes would then become the header.
    """
    header, above = block[rule - 1], block[: rule - 1]
    if is_framed(header) and not any(is_framed(line) for line in above):
        return True
    width = len(split_row(header))
    return all(len(split_row(line)) != width or rule_cells(line) is not None for line in above)


def _ruled_tables(block: _Block, first: Found, is_header: Callable[[Sequence[str]], bool]) -> list[Found]:
    """The tables of a block with an alignment row.

    A second alignment row begins another table if the line above it is a header. A header has as many cells as its
    alignment row. In addition, it has another number of cells than the table before, or the names of the answer.
    """
    lines, starts, width, questions = block.lines, [block.start], block.width, 0
    for at in range(block.start + 3, len(lines)):
        if (
            _ROW_OF_WORDS.match(lines[at]) is not None
            or (rule := rule_cells(lines[at])) is None
            or not is_strong(rule)
        ):
            continue
        names = header_cells(lines[at - 1], rule, 0)
        if names == first.header or rule_cells(lines[at - 1]) is not None:
            continue
        if len(names) != len(rule):
            continue
        questions += len(rule) == width
        if len(rule) != width or (questions <= _MOST_QUESTIONS and is_header(names)):
            starts.append(at - 1)
            width = len(rule)
    if len(starts) == 1 and not block.grown:
        return [first]
    ends = [*starts[1:], len(lines)]
    return [_table(lines[a], lines[a + 1], lines[a + 2 : b]) for a, b in zip(starts, ends, strict=True)]


def _unruled_table(block: Sequence[str]) -> list[str]:
    """The lines of a block that form a table without an alignment row. The result is empty when the lines form no
    table."""
    framed = [line for line in block if is_framed(line)]
    first = block[0]
    glued = framed and first[0] != "|" == first[-1] and block[1] is framed[0]
    if glued and len(split_row(first)) == len(split_row(framed[0])) + 1:
        return [first, *framed]  # the header is on one line with the text before it
    rows = framed if len(framed) > 1 else list(block)
    rows = rows[1:] if rule_cells(rows[0]) is not None else rows
    if len(rows) < 2:
        return []
    width = len(split_row(rows[0]))
    if not all(map(is_framed, rows)) and (width < 2 or any(len(split_row(row)) != width for row in rows)):
        return []
    return rows
