"""Makes text from pages and models safe to print. Such text cannot move the cursor, set colours or reorder a line."""

from __future__ import annotations

import re
import unicodedata

# Whole escape sequences are removed, so that no "[31m" remains: CSI; OSC, DCS and similar ones with their end; others.
_ESCAPE = re.compile(
    r"(?:\x1b\[|\x9b)[0-?]*[ -/]*[@-~]?"
    r"|(?:\x1b[\]PX^_]|[\x90\x98\x9d-\x9f])[^\x07\x1b\x9c\n]*(?:\x07|\x1b\\|\x9c)?"
    r"|\x1b[ -/]*[0-~]?"
)
_JOINERS = "\u200c\u200d"  # some scripts and emoji need these characters


def printable(text: str) -> str:
    """`text` without terminal escapes, control characters and direction characters. Line breaks stay.

    Lone surrogates become question marks, because no terminal can print them.
    """
    if "\x1b" in text or not text.isascii():
        text = _ESCAPE.sub("", text)
    if text.isprintable():
        return text
    return "".join(map(_plain, text))


def one_line(text: str, limit: int) -> str:
    """`text` as one printable line of at most `limit` characters. An ellipsis marks a cut."""
    line = " ".join(printable(text[: 8 * limit + 200]).split())
    return line if len(line) <= limit else f"{line[: max(0, limit - 1)]}…"


def _plain(character: str) -> str:
    if character == "\n" or character.isprintable() or character in _JOINERS:
        return character
    if character in "\t\r\v\f\x1c\x1d\x1e\x1f\x85":
        return " "
    match unicodedata.category(character):
        case "Zs" | "Zl" | "Zp":
            return " "
        case "Cs":
            return "?"
        case "Co" | "Cn":
            return "\ufffd"
    return ""
