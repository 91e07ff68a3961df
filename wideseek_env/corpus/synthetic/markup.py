"""`PageWriter`: writes a page as HTML and, at the same time, as plain text for the index."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import NamedTuple

Inline = str | tuple[str, str]
"""A piece of a line: text, or (text, URL) for a link."""


class WorldPage(NamedTuple):
    """A finished page, with the fields of `wideseek_env.corpus.stored.SourcePage`."""

    url: str
    title: str
    html: str
    text: str


def escape(text: str) -> str:
    """`text` escaped for HTML. Generated text has few special characters, so most calls change nothing."""
    if "&" in text or "<" in text or ">" in text:
        return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    return text


def _inline(pieces: Iterable[Inline]) -> tuple[str, str]:
    html = []
    text = []
    for piece in pieces:
        if isinstance(piece, str):
            html.append(escape(piece))
            text.append(piece)
        else:
            name, url = piece
            html.append(f'<a href="{url}">{escape(name)}</a>' if url else escape(name))
            text.append(name)
    return "".join(html), "".join(text)


class PageWriter:
    """Collects the blocks of one page, top to bottom. `site` is the text of its header, which is not indexed."""

    def __init__(self, url: str, title: str, site: str) -> None:
        self._url = url
        self._title = title
        self._site = site
        self._html: list[str] = []
        self._text: list[str] = []

    def heading(self, text: str) -> None:
        """Add a heading inside the page."""
        self._html.append(f"<h2>{escape(text)}</h2>")
        self._text.append(text)

    def paragraph(self, *pieces: Inline) -> None:
        """Add a paragraph of text and links."""
        html, text = _inline(pieces)
        self._html.append(f"<p>{html}</p>")
        self._text.append(text)

    def infobox(self, rows: Iterable[tuple[str, Inline]]) -> None:
        """Add a table with two columns, label and value. Adds nothing when there are no rows."""
        html = []
        for label, value in rows:
            cell, text = _inline((value,))
            html.append(f'<tr><th scope="row">{escape(label)}</th><td>{cell}</td></tr>')
            self._text.append(f"{label}: {text}")
        if html:
            self._html.append('<table class="infobox">\n' + "\n".join(html) + "\n</table>")

    def bullets(self, items: Sequence[Sequence[Inline]]) -> None:
        """Add a bulleted list."""
        self._list(items, "ul")

    def numbered(self, items: Sequence[Sequence[Inline]], first: int = 1) -> None:
        """Add a numbered list that begins at `first`."""
        self._list(items, "ol", "" if first == 1 else f' start="{first}"')

    def _list(self, items: Sequence[Sequence[Inline]], tag: str, attributes: str = "") -> None:
        html = []
        for item in items:
            cell, text = _inline(item)
            html.append(f"<li>{cell}</li>")
            self._text.append(text)
        self._html.append("\n".join([f"<{tag}{attributes}>", *html, f"</{tag}>"]))

    def page(self, imprint: str) -> WorldPage:
        """The finished page. Its last paragraph names the publisher and the date.

        This paragraph is not a `<footer>`, because page readers drop footers. Readers need the paragraph to see which
        pages they can trust.
        """
        self.paragraph(imprint)
        title = escape(self._title)
        html = "\n".join(
            (
                '<!DOCTYPE html>\n<html lang="en">\n<head><meta charset="utf-8">',
                f"<title>{title}</title></head>\n<body>\n<header><p>{escape(self._site)}</p></header>",
                f"<main>\n<h1>{title}</h1>",
                *self._html,
                "</main>\n</body>\n</html>\n",
            )
        )
        return WorldPage(self._url, self._title, html, "\n".join(self._text))
