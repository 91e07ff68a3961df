"""Reads single lines of a Markdown table: rows, alignment rows and lines with text around the pipes."""

from __future__ import annotations

import re
from collections.abc import Sequence

OTHER_PIPES = "｜￨│┃║┆┇┊┋¦❘∣"
"""Characters that some models write instead of a pipe."""

_TO_PIPES = str.maketrans(dict.fromkeys(OTHER_PIPES, "|"))
_ANY_PIPE = re.compile(f"[|{OTHER_PIPES}]")
_PIPE = re.compile(r"(?<!\\)\|")
_DASH = r"\-‐‑‒–—―─━═=_~−－﹣ー┄┅┈┉"
_DASHES = _DASH + "+"
_JOINTS = "+" + "".join(map(chr, (*range(0x250C, 0x254C), *range(0x2552, 0x2571))))  # corners and crossings
_FRAME_SIGNS = frozenset("-=─━═" + _JOINTS)
_FROM_JOINTS = str.maketrans(dict.fromkeys(_JOINTS + OTHER_PIPES, "|"))
_RULE_LINE = re.compile(rf"[\s|:：`*\\\u200b{_DASHES}{_JOINTS}{OTHER_PIPES}]+")
_AROUND_DASHES = {ord("："): ":", **dict.fromkeys(map(ord, " \t\xa0\u3000\u200b`*\\"))}
"""Signs that some models write between or around the dashes of an alignment row."""
_RULE_CELL = re.compile(rf":?[{_DASHES}]+:?")
_FRAME = re.compile(rf"[{_DASH}]*+[{_JOINTS}][{_DASHES}{_JOINTS}:]{{2,}}+")
_FENCE_LABEL = re.compile(r"[\w-]*+\s*+")
_QUOTE = re.compile(r"^(?:>\s*+)+")
_MARKER = re.compile(r"(?:<[^<>]{0,60}>|\\[a-z]{1,20}|[(\[]?\d{1,4}[.):、\]→\t]|[^\w<\\])*+", re.IGNORECASE)
_LONGEST_MARKER = 100
ITEM = re.compile(r"(?:[-+*•·–—]|\(?\d{1,3}[.):、])\s+")
"""The mark of a list item at the beginning of a line."""

_PROSE = re.compile(
    r"\W*+(?:(?:(?:data )?sources?|notes?|references?|refs?|legend|links?|remarks?|columns?"
    r"|(?:数据|资料)?来源|说明|注|备注|参考(?:资料)?)\s*+[*_]*+[:：]"
    r"|(?:i )?hope (?:it|this|that)\b|let me know\b|note that\b|see also\b|for more\b|based on\b"
    r"|(?:the|this|these) (?:tables?|lists?|data|rows?)\b)",
    re.IGNORECASE,
)
_LABELLED = re.compile(
    r"[^\w|]{0,8}(?:\w{1,30} ?){1,2}[^\w|]{0,6}[:：—]|\(?\d{1,3}[.):、]\s|\[\^?\d{1,3}\]|https?://",
    re.IGNORECASE,
)
"""A label, a number or an address before text with pipes."""
_LABEL = re.compile(r"[\s\"']*+\w{1,20}(?: ?\w{1,20})?[\"']?\s?[:：][\s\"']*+")
_YAML_KEY = re.compile(r"[\w-]{1,40}:\s*+\|[-+]?")


def bare_line(line: str) -> str:
    """`line` without indentation, quote signs and a code fence that is on the same line as a row.

    Outer pipes of other kinds become pipes. A line of a drawn frame (``+---+---+``) becomes an alignment row. A
    backslash after the last pipe, which stands for a line break, is removed.
    """
    line = line.strip()
    if line.endswith("\\") and (bare := line.rstrip("\\ \t")).endswith("|"):
        line = bare
    if len(line) > 1 and line[0] == "|" == line[-1]:
        return line
    if line.startswith(">"):
        line = _QUOTE.sub("", line)
    if line.startswith("```"):
        line = line.lstrip("`")
        line = line[label.end() :] if (label := _FENCE_LABEL.match(line)) else line
    if line.endswith("```"):
        line = line.rstrip("`").rstrip()
    if line and line[0] in _FRAME_SIGNS and _FRAME.fullmatch(line):
        return line.translate(_FROM_JOINTS)
    if line and not line.isascii():
        if line[0] in OTHER_PIPES and len(_ANY_PIPE.findall(line, 0, 1000)) > 1:
            line = "|" + line[1:]
        if line[-1] in OTHER_PIPES and line[0] == "|":
            line = line[:-1] + "|"
    return line


def has_pipe(line: str) -> bool:
    """Whether `line` has a pipe of any kind."""
    return "|" in line or (not line.isascii() and _ANY_PIPE.search(line) is not None)


def is_framed(line: str) -> bool:
    """Whether `line` begins and ends with a pipe."""
    return len(line) > 1 and line[0] == "|" and line[-1] == "|"


def is_rule(cells: Sequence[str]) -> bool:
    """Whether these cells are an alignment row: there is at least one cell, and all cells consist of dashes (of any
    kind) and colons."""
    return any(cells) and all(not cell or _RULE_CELL.fullmatch(cell) is not None for cell in cells)


def is_strong(rule: Sequence[str]) -> bool:
    """Whether nobody would write the cells of this alignment row as values: no cell is a single dash."""
    return all(len(cell) >= 3 or ":" in cell for cell in rule)


def split_row(line: str) -> list[str]:
    r"""The cells of one table line, stripped. ``\|`` is a pipe inside a cell. Outer pipes are optional."""
    line = line.strip()
    if line.startswith("|"):
        line = line[1:]
    if line.endswith("|") and not line.endswith("\\|"):
        line = line[:-1]
    if "\\|" not in line:
        return list(map(str.strip, line.split("|")))
    return [cell.strip().replace("\\|", "|") for cell in _PIPE.split(line)]


def split_any(line: str, width: int) -> list[str]:
    """The cells of `line`. Pipes of other kinds separate cells if the line then has `width` cells, or has no cells
    without them."""
    cells = split_row(line)
    if len(cells) == width or line.isascii():
        return cells
    others = split_row(line.translate(_TO_PIPES))
    return others if len(others) == width or len(cells) == 1 else cells


def rule_cells(line: str) -> list[str] | None:
    """The cells of `line` if it is an alignment row, else None.

    A list marker, a quotation mark, a label or a tag around the row is not part of it.
    """
    if _RULE_LINE.fullmatch(line) is not None:
        cells = _dashes(line)
        if not is_rule(cells) and (item := ITEM.match(line)) is not None:
            cells = _dashes(line[item.end() :])
        return cells if is_rule(cells) else None
    if is_framed(line) or not any(dash in line for dash in ("--", "——", "──", ":-", "==")):
        return None
    line = line.translate(_TO_PIPES)
    first, last = line.find("|"), line.rfind("|")
    before = line[:first]
    if not first < last or not _is_marker(line[last + 1 :]):
        return None
    if not _is_marker(before) and _LABEL.fullmatch(before) is None:
        return None
    core = line[first : last + 1]
    cells = _dashes(core) if _RULE_LINE.fullmatch(core) is not None else []
    return cells if is_rule(cells) else None


def _dashes(line: str) -> list[str]:
    """The cells of a line that consists of the signs of alignment rows."""
    return [cell.translate(_AROUND_DASHES) for cell in split_row(line.translate(_FROM_JOINTS))]


def header_cells(line: str, ruled: Sequence[str] | None, width_below: int) -> list[str]:
    """The cells of the header in `line`. Text before the first pipe and after the last pipe is not part of it if the
    alignment row has fewer cells.

    `ruled` has the cells of the alignment row. `width_below` is the number of cells of the first row, or 0 without
    rows. It decides if there is no alignment row, or if the number of its cells fits neither reading.
    """
    width = len(ruled) if ruled is not None else width_below
    cells = split_any(line, width)
    if line[0] == "|":
        return cells[:width] if line[-1] != "|" and len(cells) == width + 1 else cells
    if len(cells) - width not in (0, 1) and width_below in (len(cells), len(cells) - 1):
        width = width_below
    if not 0 < width < len(cells) or (line[-1] != "|" and width_below == len(cells)):
        return cells
    if line[-1] != "|" and len(cells) == width + 2:
        return cells[1:-1]
    return cells[-width:]


def fit_row(line: str, width: int, framed: bool) -> list[str] | None:
    """The cells of a row of a table with `width` columns, without text around the outer pipes. None when the line is no
    row. `framed` says whether the rows of the table have outer pipes."""
    cells = split_any(line, width)
    if line[0] == "|":
        return cells
    if is_prose(line):
        return None
    surplus = len(cells) - width
    if (0 < surplus < 3 and _is_marker(cells[0])) or (surplus == 1 and line[-1] == "|"):
        return cells[1 : width + 1]
    if not framed:
        return cells
    if line[-1] == "|":
        return None if surplus < 0 else cells[1:] if surplus else cells
    return cells if surplus == 0 and width > 2 and _LABELLED.match(line) is None else None


def is_prose(line: str) -> bool:
    """Whether a line with a pipe but without outer pipes begins like a sentence or a list of sources, not like a
    row. The key of a YAML block (``notes: |``) is no row either."""
    return _PROSE.match(line) is not None or _YAML_KEY.fullmatch(line) is not None


def _is_marker(text: str) -> bool:
    """Whether `text` is only a list marker, quotation marks, an HTML tag or the like. Blank text is a marker too."""
    return len(text) <= _LONGEST_MARKER and _MARKER.fullmatch(text) is not None
