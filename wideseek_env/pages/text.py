"""Extracts a page's plain text for the index, fast and without structure."""

from __future__ import annotations

from typing import TYPE_CHECKING

from wideseek_env.pages.marks import write_marks
from wideseek_env.pages.visible import INLINE, parse, show

if TYPE_CHECKING:
    from turbohtml import Document, Element

READING = 3
"""The version of how pages are read. Folders with texts of pages contain it. Increase it when the texts change."""

_BREAKS = "\xad\u200b\u2060"  # invisible characters that only say where a line may break
_JOINER = "\ufeff"
_ASCII_SPACES = "\t\r\f"
_SPACES = f"{_ASCII_SPACES}\xa0\u2002\u2003\u2005\u2007\u2009\u202f\u3000"


def title_of(tree: Document) -> str:
    """The text of the page's `<title>`, or ""."""
    head = head_of(tree)
    node = head.find("title") if head is not None else None
    if node is None:
        node = tree.find("title")  # such as the title of a drawing
    return " ".join(node.text.split()) if node is not None else ""


def head_of(tree: Document) -> Element | None:
    """The `<head>` of a page. A search of the whole tree takes ten times the time."""
    from turbohtml import Element

    outer = tree.root
    children = outer.children if outer is not None else ()
    return next((child for child in children if isinstance(child, Element) and child.tag == "head"), None)


def plain_text(html: str) -> tuple[str, str]:
    """The title of a page (or its first heading when it has none) and the words that a reader would see."""
    from turbohtml import Element

    tree = parse(html)
    title, headed = _titled(tree)
    show(tree)
    for _ in map(Element.unwrap, tree.iter_elements(INLINE)):  # twice as fast as a selector of them
        pass
    if tree.root is not None:
        tree.root.normalize()
    if not title and headed and (heading := tree.find("h1")) is not None:
        title = _one_line(heading)
    text = _one_line(tree)
    return (title, text) if is_unicode(title) and is_unicode(text) else plain_text(mended(html))


def _titled(tree: Document) -> tuple[str, bool]:
    """The title as `title_of` returns it, and whether there may be a first heading. One search looks for both."""
    head = head_of(tree)
    node = head.find("title") if head is not None else None
    headed = node is not None
    for found in tree.iter_elements(("title", "h1")) if node is None else ():
        headed = True
        if found.tag == "title":
            node = found
            break
    return (" ".join(node.text.split()) if node is not None else ""), headed


def _one_line(node: Document | Element) -> str:
    # `" ".join(text.split())` does the same, but looks at every character in several times the time.
    text = without_breaks(write_marks(" ".join(node.stripped_strings)))
    for space in _SPACES if not text.isascii() else _ASCII_SPACES:
        if space in text:
            text = text.replace(space, " ")
    if "\n" in text:
        text = " ".join(filter(None, map(str.strip, text.split("\n"))))
    pieces = text.split("  ")
    if len(pieces) > 1:
        text = " ".join(filter(None, [piece.strip(" ") for piece in pieces]))
    return text.strip()


def without_breaks(text: str) -> str:
    """The text without soft hyphens and other characters that only say where a line may break."""
    for char in _BREAKS:
        if char in text:
            text = text.replace(char, "")
    if _JOINER in text:
        # Only those inside a word or a number, because some sources have them between other characters.
        first, *rest = text.split(_JOINER)
        pieces = [first]
        for piece in rest:
            inside = pieces[-1][-1:].isalnum() and piece[:1].isalnum()
            pieces += ["" if inside else _JOINER, piece]
        text = "".join(pieces)
    return text


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
