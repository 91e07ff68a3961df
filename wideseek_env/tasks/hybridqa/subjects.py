"""Whether a column of a table names what its rows are about."""

from __future__ import annotations

import re

from wideseek_env.corpus.hybridqa.reader import WikiTable

_LATE_KEY = 3
_NO_ROWS = re.compile(
    r".* by|(?:most|top|best|highest|lowest|largest|previous|former|preceded|succeeded|replaced|new|old|last|next"
    r"|notable|current|runners?|main|other|leading|defeated|incoming|outgoing|associated|related|known|leader|losing"
    r"|winning|represent\w*)\b.*"
    r"|(?:opponents?|venues?|captain|manager|(?:head )?coach|result|reason|from|to|role|site|month|notes?|status"
    r"|via|.* [12]|home(?: team)?|away(?: team)?)"
    r"(?:\(s\))?",
    re.IGNORECASE,
)

_PART_OF_ROW = re.compile(
    r"(?:home |head |film |host )?(?:director|creator|author|artist|writer|producer|composer|developer|publisher|owner"
    r"|operator|manufacturer|designer|architect|city|town|country|nation|state|county|location|team|club|school|college"
    r"|university|party|company|organi[sz]ation|network|label|region|province|district|municipality|language)s?"
    r"(?:\(s\))?(?: name)?",
    re.IGNORECASE,
)


def unclear_key(table: WikiTable, key: int) -> bool:
    """Whether the header or position of a key column shows that the rows are not about the things in that column.

    A team or a director can be the subject of the rows only if no column before it has names. Otherwise the team or
    director is a property of the subject.
    """
    header = table.header[key].strip()
    if key > _LATE_KEY or _NO_ROWS.fullmatch(header):
        return True
    return _PART_OF_ROW.fullmatch(header) is not None and any(_names_things(table, c) for c in range(key))


def _names_things(table: WikiTable, column: int) -> bool:
    """Whether a column contains words without digits, with distinct values in at least every second row."""
    texts = [row[column].text for row in table.rows]
    words = sum(sum(c.isalpha() for c in t) >= 3 and not any(c.isdigit() for c in t) for t in texts)
    return words > 0.5 * len(texts) and len(set(texts)) >= 0.5 * len(texts)
