"""Extracts a page's plain text for the index, fast and without structure."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from turbohtml import Document

_UNREAD = (
    "script, style, noscript, template, svg, head, nav, footer, iframe, button, select, textarea, "
    "sup.reference, .mw-editsection, .navbox, .reflist, .references, .noprint, "
    '[hidden], [style*="display:none"], [style*="display: none"]'
)


def parse(html: str) -> Document:
    """The tree of any string, built as browsers do."""
    import turbohtml

    return turbohtml.parse(html)


def title_of(tree: Document) -> str:
    """The text of the page's `<title>`, or ""."""
    node = tree.select_one("title")
    return " ".join(node.text.split()) if node is not None else ""


def own_title(tree: Document) -> str:
    """The title of a page, or the text of its first heading when it has no title."""
    if title := title_of(tree):
        return title
    heading = tree.select_one("h1")
    return " ".join(" ".join(heading.strings).split()) if heading is not None else ""


def plain_text(html: str) -> tuple[str, str]:
    """The title of a page (or its first heading when it has none) and the words that a reader would see."""
    tree = parse(html)
    title = own_title(tree)
    tree.remove(_UNREAD)
    text = " ".join(" ".join(tree.strings).split())
    return (title, text) if is_unicode(title) and is_unicode(text) else plain_text(mended(html))


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
