"""Finds the table of an answer: the last Markdown table in a model's text."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from wideseek_env.scoring.markup import is_plain, plain_text
from wideseek_env.task import Table

MAX_COLUMNS = 128
MAX_ROWS = 20_000
"""A table with more rows is cut, and a note reports this. Otherwise hostile text could make the padding of rows
expensive."""

_THINK = re.compile(r"<(/?)think(?:ing)?>", re.IGNORECASE)
_FENCE_LABEL = re.compile(r"[\w-]*+\s*+")
_QUOTE = re.compile(r"^(?:>\s*+)+")
_PIPE = re.compile(r"(?<!\\)\|")
_RULE_LINE = re.compile(r"[\s|:\-‐‑‒–—―─━=+_~]+")
_RULE_CELL = re.compile(r":?[-‐‑‒–—―─━=+_~]+:?")


@dataclass(frozen=True, slots=True)
class ParsedTable:
    """The result of `parse_table`.

    `table` has the text of the cells without markup. `raw` has the same cells with their markup and links, but without
    escapes of pipes. `table` and `raw` are None when the text has no table. `notes` has one sentence for each repair.
    """

    table: Table | None
    raw: Table | None = None
    notes: tuple[str, ...] = ()


def parse_table(text: str) -> ParsedTable:
    """The last Markdown table of `text`, in a code fence or in prose, with or without outer pipes.

    Thinking (``<think>…</think>``) is not part of the answer. A table with an alignment row (``|---|---|``) is
    preferred to pipe-separated lines without one, even if those lines come later. A row that is shorter than the header
    is padded with empty cells. If a row is longer than the header, its surplus cells are dropped, as in Markdown
    renderers. No text raises an error. The time is linear in the length of `text`.
    """
    lines = [_bare_line(line) for line in strip_thinking(text).split("\n")]
    blocks = _blocks(lines)
    for block in reversed(blocks):
        head = _header_index(block)
        if head is not None:
            return _build(block[head], block[head + 2 :], [])
    for block in reversed(blocks):
        rows = _unruled_table(block)
        if rows:
            return _build(rows[0], rows[1:], ["the table has no alignment row under its header"])
    return ParsedTable(None, None, ("the answer has no Markdown table",))


def strip_thinking(text: str) -> str:
    """`text` without its ``<think>…</think>`` parts.

    A closing tag without an opening tag ends a thought that began before the text, because some chat templates write
    the opening tag into the prompt. An opening tag without a closing tag begins a thought that was cut off. A tag
    inside a line with pipes at both ends is the content of a table cell.
    """
    if _THINK.search(text) is None:
        return text
    kept: list[str] = []
    thinking = False
    for line in text.split("\n"):
        if _framed(line.strip()):
            if not thinking:
                kept.append(line + "\n")
            continue
        position = 0
        for tag in _THINK.finditer(line):
            if tag[1]:
                if not thinking:
                    kept.clear()
                thinking = False
                position = tag.end()
            elif not thinking:
                kept.append(line[position : tag.start()])
                thinking = True
        if not thinking:
            kept.append(line[position:] + "\n")
    return "".join(kept).removesuffix("\n")


def is_rule(cells: Sequence[str]) -> bool:
    """Whether these cells are an alignment row: there is at least one cell, and all cells consist of dashes (of any
    kind) and colons."""
    return any(cells) and all(not cell or _RULE_CELL.fullmatch(cell) is not None for cell in cells)


def split_row(line: str) -> list[str]:
    r"""The cells of one table line, stripped. ``\|`` is a pipe inside a cell. Outer pipes are optional."""
    line = line.strip()
    if line.startswith("|"):
        line = line[1:]
    if line.endswith("|") and not line.endswith("\\|"):
        line = line[:-1]
    if "\\|" not in line:
        return [cell.strip() for cell in line.split("|")]
    return [cell.strip().replace("\\|", "|") for cell in _PIPE.split(line)]


def _bare_line(line: str) -> str:
    """`line` without indentation, quote signs and a code fence that is on the same line as a row."""
    line = line.strip()
    if line.startswith(">"):
        line = _QUOTE.sub("", line)
    if line.startswith("```"):
        line = line.lstrip("`")
        line = line[label.end() :] if (label := _FENCE_LABEL.match(line)) else line
    return line.rstrip("`").rstrip() if line.endswith("```") else line


def _framed(line: str) -> bool:
    return len(line) > 1 and line[0] == "|" and line[-1] == "|"


def _is_rule_line(line: str) -> bool:
    return _RULE_LINE.fullmatch(line) is not None and is_rule(split_row(line))


def _blocks(lines: Sequence[str]) -> list[list[str]]:
    """The runs of lines with a pipe. Blank lines inside a table, which some models write, do not end a run."""
    runs: list[list[str]] = []
    joins: list[bool] = []  # whether only blank lines separate a run from the one before it
    inside, blank_before = False, False
    for line in lines:
        if "|" in line:
            if not inside:
                runs.append([])
                joins.append(blank_before)
            runs[-1].append(line)
            inside = blank_before = True
        else:
            inside = False
            blank_before = blank_before and not line
    blocks: list[list[str]] = []
    for run, join in zip(runs, joins, strict=True):
        if join and blocks and _continues(blocks[-1][-1], run):
            blocks[-1] += run
        else:
            blocks.append(run)
    return blocks


def _continues(last: str, run: Sequence[str]) -> bool:
    """Whether `run` continues the table whose last line is `last`, and does not begin another table."""
    if not _framed(last) or _header_index(run) is not None:
        return False
    width = len(split_row(last))
    return all(_framed(line) and len(split_row(line)) == width for line in run)


def _header_index(block: Sequence[str]) -> int | None:
    """The position of the header in a block of pipe lines. The header is directly above the alignment row. None when
    there is no alignment row."""
    rule = next((at for at in range(1, len(block)) if _is_rule_line(block[at])), None)
    if rule is None or (rule > 1 and not _starts_late(block, rule)):
        return None
    return rule - 1


def _starts_late(block: Sequence[str], rule: int) -> bool:
    """Whether the lines above the header are not rows of the table, but a caption, a frame or prose with a pipe.

    Without this check, a row of single dashes could look like an alignment row. Single dashes are a common way to write
    "unknown". In a table without an alignment row, the row above the single dashes would then become the header.
    """
    header, above = block[rule - 1], block[: rule - 1]
    if _framed(header) and not any(_framed(line) for line in above):
        return True
    width = len(split_row(header))
    if all(len(split_row(line)) != width or _is_rule_line(line) for line in above):
        return True
    return all(len(cell) >= 3 or ":" in cell for cell in split_row(block[rule]))


def _unruled_table(block: Sequence[str]) -> list[str]:
    """The lines of a block that form a table without an alignment row. The result is empty when the lines form no
    table."""
    rows = [line for line in block if _framed(line)]
    if len(rows) < 2:
        rows = list(block)
    rows = rows[1:] if _is_rule_line(rows[0]) else rows
    if len(rows) < 2:
        return []
    width = len(split_row(rows[0]))
    if not all(map(_framed, rows)) and (width < 2 or any(len(split_row(row)) != width for row in rows)):
        return []
    return rows


def _build(header_line: str, body: Sequence[str], notes: list[str]) -> ParsedTable:
    header = split_row(header_line)
    framed = _framed(header_line)
    if len(header) > MAX_COLUMNS:
        notes.append(f"the header has {len(header)} columns; only the first {MAX_COLUMNS} were read")
        header = header[:MAX_COLUMNS]
    width = len(header)
    rows: list[tuple[str, ...]] = []
    shown: list[tuple[str, ...]] = []
    short = long = 0
    for line in body:
        if framed and line[0] != "|" and line[-1] != "|":
            notes.append("text after the table was not read as a row")
            break
        if len(rows) == MAX_ROWS:
            notes.append(f"the table has over {MAX_ROWS} rows; only the first {MAX_ROWS} were read")
            break
        cells = split_row(line)
        if len(cells) < width:
            short += 1
            cells += [""] * (width - len(cells))
        elif len(cells) > width:
            long += any(cells[width:])
            cells = cells[:width]
        row = tuple(cells)
        rows.append(row)
        shown.append(row if is_plain(line) else tuple(map(plain_text, row)))
    if short:
        notes.append(f"{short} rows have fewer cells than the header; the rest was taken as empty")
    if long:
        notes.append(f"{long} rows have more cells than the header; what is beyond it was dropped")
    raw = Table(tuple(header), tuple(rows))
    table = Table(tuple(map(plain_text, header)), tuple(shown))
    return ParsedTable(table, raw, tuple(notes))
