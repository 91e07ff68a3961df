"""`to_document`: a page's HTML as Markdown in chunks, with its tables and links intact."""

from __future__ import annotations

from dataclasses import dataclass

from wideseek_env.errors import ConfigError
from wideseek_env.pages.chunks import to_atoms, to_chunks
from wideseek_env.pages.links import Resolver
from wideseek_env.pages.markup import to_markup
from wideseek_env.pages.neutral import neutralise
from wideseek_env.pages.text import is_unicode, mended
from wideseek_env.pages.walk import Walker


@dataclass(frozen=True, slots=True)
class Document:
    """A page as an agent reads it.

    `markdown` is the whole page; `chunks` are pieces of it in order, none empty. A chunk that begins inside a
    table repeats the table's header; without those repeats the chunks, joined, are `markdown`. Nothing in it
    can be taken for the markup of a chat template or a tool call (see `wideseek_env.pages.neutral`).
    """

    url: str
    title: str
    markdown: str
    chunks: tuple[str, ...]


def to_document(html: str, url: str = "", *, chunk_chars: int = 3000) -> Document:
    """Read a page; whatever the HTML, it never raises for it.

    Kept are headings, paragraphs, lists, definition lists, code, links as `[text](absolute URL)` and tables in
    pipe syntax with row and column spans filled in; infoboxes are tables of two columns with a blank header.
    Left out are scripts, styles, navigation, footers, forms, images, hidden elements and footnote marks.
    Links are resolved against `<base>` or `url`; those that lead nowhere (`javascript:`, `data:`, `#…`) are
    plain text. `chunk_chars` is about the longest chunk, at least 100 characters.
    """
    if chunk_chars < 100:
        raise ConfigError(f"chunk_chars must be at least 100, not {chunk_chars}")
    page = to_markup(html)
    blocks = Walker(Resolver(Resolver(url)(page.base) or url)).walk(page.body)
    atoms = to_atoms(blocks)
    markdown = "".join([atom.text for atom in atoms])
    headings = [block.text for block in blocks if block.kind == "heading" and block.level == 1]
    title = neutralise(page.title) or (headings[0] if headings else "")
    if not is_unicode(markdown) or not is_unicode(title):
        return to_document(mended(html), url, chunk_chars=chunk_chars)
    return Document(url, title, markdown, to_chunks(atoms, chunk_chars))
