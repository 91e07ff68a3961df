"""Joins table rows that are broken over several lines."""

from __future__ import annotations

import re
from collections.abc import Sequence

from wideseek_env.scoring.table_lines import is_prose, rule_cells, split_any, split_row

_MOST_LINES = 8
"""A row may be broken over at most this many lines."""
_LONGEST_ROW = 5000
_DASHES = re.compile(r"[-=─━—]{3,}+")


def whole_rows(lines: Sequence[str]) -> list[str]:
    """`lines` with one line for each row.

    Lines below an alignment row are joined only if they then have exactly as many cells as the alignment row, and the
    first of them has fewer. A line of dashes without pipes, between two lines with equally many cells but without outer
    pipes, becomes an alignment row.
    """
    whole: list[str] = []
    width = at = 0
    while at < len(lines):
        line = lines[at]
        if line[:1] == "|":
            if "-" in line[1:4]:
                width = len(rule_cells(line) or ()) or width
            elif line.count("|") <= width and (end := _end_of_row(lines, at, width)) > at:
                line = " ".join(lines[at : end + 1])
                at = end
        elif line[:1] in "-=─━—" and line and _DASHES.fullmatch(line) and 0 < at < len(lines) - 1:
            line = _rule_between(lines[at - 1], lines[at + 1]) or line
        whole.append(line)
        at += 1
    return whole


def _end_of_row(lines: Sequence[str], start: int, width: int) -> int:
    """The last line of the row that begins in the line `start`. It is `start` if the row is not broken."""
    first = lines[start]
    pipes, length = _pipes(first), len(first)
    wanted = width + 1
    if width < 2 or pipes >= wanted:
        return start
    for at in range(start + 1, min(start + _MOST_LINES, len(lines))):
        line = lines[at]
        length += len(line)
        # A line that begins with a pipe continues a row only if the cell before is open.
        if not line or length > _LONGEST_ROW or (line[0] == "|" and lines[at - 1][-1] == "|" and line != "|"):
            return start
        if is_prose(line):
            return start
        pipes += _pipes(line)
        if pipes >= wanted:
            return at if pipes == wanted and line[-1] == "|" else start
    return start


def _pipes(line: str) -> int:
    return line.count("|") - line.count("\\|")


def _rule_between(above: str, below: str) -> str | None:
    width = len(split_row(above))
    if width < 2 or above[:1] == "|" or len(split_any(below, width)) != width:
        return None
    return "|" + "---|" * width
