"""Extracts a page's plain text for the index, fast and without structure."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from wideseek_env.pages.raised import END, is_balanced, write_marks
from wideseek_env.pages.visible import INLINE, parse, show

if TYPE_CHECKING:
    from turbohtml import Document, Element

READING = 2
"""The version of how pages are read. Folders with texts of pages contain it. Increase it when the texts change."""

_BREAKS = "\xad\u200b\u2060"  # invisible characters that only say where a line may break
_JOINER = re.compile(r"(?<=\w)\ufeff(?=\w)")
_SPACES = "\u2002\u2003\u2005\u2007\u2009\u202f\u3000"


def title_of(tree: Document) -> str:
    """The text of the page's `<title>`, or ""."""
    node = next(tree.iter_elements("title"), None)
    return " ".join(node.text.split()) if node is not None else ""


def plain_text(html: str) -> tuple[str, str]:
    """The title of a page (or its first heading when it has none) and the words that a reader would see."""
    tree = parse(html)
    title = title_of(tree)
    show(tree)
    tree.strip_tags(INLINE)
    comments: Any = tree.xpath("//comment()")
    for comment in comments:
        comment.extract()
    if tree.root is not None:
        tree.root.normalize()
    if not title and (heading := tree.select_one("h1")) is not None:
        title = _one_line(heading)
    text = _one_line(tree)
    return (title, text) if is_unicode(title) and is_unicode(text) else plain_text(mended(html))


def _one_line(node: Document | Element) -> str:
    # Most pieces of text have one line and no marks, so it is faster to test each than to change all.
    text = " ".join(
        [
            " ".join((write_marks(piece) if is_balanced(piece) else piece).split())
            if "\n" in piece or "\xa0" in piece or "  " in piece or END in piece or "\t" in piece
            else piece
            for piece in node.stripped_strings
        ]
    )
    text = write_marks(text)  # those around several pieces
    if not text.isascii():
        text = without_breaks(text)
        for space in _SPACES:
            if space in text:
                text = text.replace(space, " ")
    return text


def without_breaks(text: str) -> str:
    """The text without soft hyphens and other characters that only say where a line may break."""
    for char in _BREAKS:
        if char in text:
            text = text.replace(char, "")
    return _JOINER.sub("", text) if "\ufeff" in text else text


def is_unicode(text: str) -> bool:
    """Whether a string can be encoded as UTF-8. Half a surrogate pair cannot."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def mended(text: str) -> str:
    """A string with every half of a surrogate pair replaced by a question mark."""
    return text.encode("utf-8", "replace").decode()
