"""The visible text of a Markdown table cell, without markup, and the URL that it links to."""

from __future__ import annotations

import html
import re
from collections.abc import Sequence

# Every pattern below is bounded by a character class that excludes its opening sign, or by a possessive quantifier. So
# a megabyte of "[[[[" or "****" takes one pass and not one pass per sign.
_MARKUP = re.compile(r"[*_`~\[<&\\]")
_NOT_PLAIN = ("*", "_", "`", "~", "[", "<", "&", "\\", "  ", *"\t\r\v\f\x1c\x1d\x1e\x1f")
_BREAK = re.compile(r"<br\s*+/?>", re.IGNORECASE)
_TARGET = r"\(\s*+<?+((?:[^()\s<>]|\([^()\s]*+\))*+)>?+(?:\s++(?:\"[^\"()]*+\"|'[^'()]*+'))?+\s*+\)"
_LINK = re.compile(r"!?+\[([^\[\]]*+)\]" + _TARGET)
_AUTOLINK = re.compile(r"<((?:https?|ftp|mailto):[^<>\s]++)>", re.IGNORECASE)
_TAG = re.compile(
    r"</?(?:a|abbr|b|code|del|div|em|font|i|ins|kbd|mark|nobr|p|q|s|small|span|strong|sub|sup|u)"
    r"(?:\s[^<>]*+)?/?>",
    re.IGNORECASE,
)
_CODE = re.compile(r"(?<!`)(`{1,3})(?!`)([^`]++)\1(?!`)")
_STARS = re.compile(r"(?<![\w\\*])\*{1,3}(?=[^\s*])([^*]++)(?<=[^\s\\])\*{1,3}(?![\w*])")
_UNDERSCORES = re.compile(r"(?<![\w\\])_{1,3}(?=[^\s_])([^_]++)(?<=[^\s\\])_{1,3}(?!\w)")
_STRUCK = re.compile(r"(?<![\\~])~~(?=[^\s~])([^~]++)~~(?!~)")
_ESCAPED = re.compile(r"\\([*_`~\[\]<>#$])")
_BARE_URL = re.compile(r"(?:https?|ftp)://[^\s<>\"|\[\]]++", re.IGNORECASE)


def plain_text(cell: str) -> str:
    """The text of `cell` without emphasis, code marks, links (their text stays), HTML tags and entities.

    White space is first collapsed to single spaces, so line breaks in a cell do not matter. Markup characters without a
    partner stay: ``5*`` and ``snake_case`` are text.
    """
    text = " ".join(cell.split())
    if _MARKUP.search(text) is None:
        return text
    if text.startswith("**") and text.endswith("**") and _MARKUP.search(text, 2, len(text) - 2) is None:
        return text[2:-2].strip() or text  # the most common markup, handled without the patterns
    if "<" in text:
        text = _AUTOLINK.sub(r"\1", _BREAK.sub(" ", text))
    if "](" in text:
        text = _LINK.sub(r"\1", text)
    if "<" in text:
        text = _TAG.sub("", text)
    if "`" in text:
        text = _CODE.sub(r"\2", text)
    if "*" in text:
        text = _STARS.sub(r"\1", text)
    if "_" in text:
        text = _UNDERSCORES.sub(r"\1", text)
    if "~" in text:
        text = _STRUCK.sub(r"\1", text)
    if "&" in text:
        text = html.unescape(text)
    if "\\" in text:
        text = _ESCAPED.sub(r"\1", text)
    return " ".join(text.split())


def is_plain(text: str) -> bool:
    """Whether `plain_text` leaves `text` unchanged."""
    return _MARKUP.search(text) is None and text == " ".join(text.split())


def are_plain(lines: Sequence[str]) -> bool:
    """Whether it is certain that `is_plain` holds for all these stripped lines. One search is faster than many."""
    text = "\n".join(lines)
    return text.isascii() and not any(sign in text for sign in _NOT_PLAIN)


def link_target(cell: str) -> str | None:
    """The first URL in `cell`: the target of a link, a URL in angle brackets, or a bare URL. None when there is no
    URL."""
    if "](" in cell and (link := _LINK.search(cell)) is not None and link[2]:
        return link[2]
    if (bare := _BARE_URL.search(cell)) is None:
        return None
    return bare[0].rstrip(".,;:!?'*`") if bare[0].count("(") else bare[0].rstrip(".,;:!?'*`)")
