"""Decides which tables hold data and which only arrange other content on the page."""

from __future__ import annotations

import re
from collections.abc import Sequence

ROW = r"tr(?: [^>]*+)?>\s*+(?:<t[dh](?: [^>]*+)?>[^<]*+</t[dh]>\s*+)++</tr"
"""The pattern of a row whose cells have only text, without the outermost angle brackets. The walker reads such a row as
one token."""

ROW_END = "</tr"
"""The end of the token of such a row. No other token has this end."""

CELL = re.compile(r"<t([dh])([^>]*+)>([^<]*+)<")
"""The cells of such a row: "d" or "h", attributes, text."""

_KIND = re.compile(r"<t([dh])")
_CLASS = re.compile(r' class="([^"]*+)"')


def is_layout(tokens: Sequence[str], number: int) -> bool:
    """Whether the table that begins with this token only arranges content.

    These tables only arrange content: tables with `role="presentation"` or `role="none"`, tables that contain other
    tables and have no header, and tables with a single column and no header.
    """
    token = tokens[number]
    if ' role="presentation"' in token or ' role="none"' in token:
        return True
    if "wikitable" in token or "infobox" in token:
        match = _CLASS.search(token)
        classes = match[1].split() if match else []
        if "wikitable" in classes or "infobox" in classes:
            return False
    depth = 1
    nested = header = columns = False
    before = ""  # the kind of the last cell of the current row
    for at in range(number + 1, len(tokens)):  # `islice` would count from the first token, for each table
        inner = tokens[at]
        tag = inner[:2]
        if (tag == "td" or tag == "th") and inner[2:3] in ("", " "):
            kinds = before + tag[1]
            before = tag[1]
        elif tag == "tr":
            before = ""
            if not inner.endswith(ROW_END):
                continue
            kinds = "".join(_KIND.findall(inner))
        elif tag == "ta":
            depth += 1
            nested = True
            before = ""
            continue
        elif inner == "/table":
            depth -= 1
            if not depth:
                break
            continue
        else:
            continue
        if "h" in kinds[:-1]:
            return depth != 1  # the first header decides: it is of this table or of a nested one
        header = header or "h" in kinds
        columns = columns or len(kinds) > 1
    return nested or not (header or columns)
