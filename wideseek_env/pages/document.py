"""`to_document`: a page's HTML as Markdown in chunks, with its tables and links intact."""

from __future__ import annotations

from dataclasses import dataclass

from wideseek_env.errors import ConfigError
from wideseek_env.pages.chunks import to_atoms, to_chunks
from wideseek_env.pages.links import Resolver
from wideseek_env.pages.markup import to_markup
from wideseek_env.pages.neutral import neutralise
from wideseek_env.pages.text import is_unicode, mended
from wideseek_env.pages.visible import MAX_CHARS
from wideseek_env.pages.walk import Block, Walker
from wideseek_env.timeouts import check_time

CUT = f"[The page is longer than {MAX_CHARS:,} characters. The rest was not read.]"
"""The last paragraph of a page that was too long to be read as a whole."""


@dataclass(frozen=True, slots=True)
class Document:
    """A page as an agent reads it.

    `markdown` is the whole page. `chunks` are its pieces in order, none of them empty. A chunk that begins inside a
    table repeats the table's header. Without these repetitions, the joined chunks are `markdown`. No text in a document
    can be confused with the markup of a chat template or a tool call (`wideseek_env.pages.neutral`).
    """

    url: str
    title: str
    markdown: str
    chunks: tuple[str, ...]


def to_document(html: str, url: str = "", *, chunk_chars: int = 3000) -> Document:
    """Read a page. No HTML makes this function raise an error.

    Only the first `MAX_CHARS` characters are read. Then the document ends with the paragraph `CUT`.

    The result has the headings, paragraphs, lists, definition lists, code, links and tables of the page. Links are
    written as `[text](absolute URL)` and tables in pipe syntax. A cell that spans several rows or columns is repeated
    in each. An infobox is a table with two columns and a blank header. Scripts, styles, navigation, footers, forms,
    images, hidden elements and footnote marks are left out. Raised text does not run into the text before it: `10^6`,
    `1,234 [1]`, `5 1/2`. Struck text is `~~5~~`. Links are resolved against `<base>` or `url`. Links that
    lead to no page (`javascript:`, `data:`, `#…`) are plain text.

    Args:
        html: The HTML of the page.
        url: The URL of the page.
        chunk_chars: The approximate length of the longest chunk, at least 100 characters.

    Raises:
        ConfigError: `chunk_chars` is less than 100.
        TimeLimitError: The thread has a `time_limit`, and it has passed.
    """
    if chunk_chars < 100:
        raise ConfigError(f"chunk_chars must be at least 100, not {chunk_chars}")
    page = to_markup(html)
    check_time()
    blocks = Walker(Resolver(Resolver(url)(page.base) or url)).walk(page.body)
    if len(html) > MAX_CHARS:
        blocks.append(Block("paragraph", CUT))
    check_time()
    atoms = to_atoms(blocks)
    markdown = "".join([atom.text for atom in atoms])
    headings = [block.text for block in blocks if block.kind == "heading" and block.level == 1]
    title = neutralise(page.title) or (headings[0] if headings else "")
    if not is_unicode(markdown) or not is_unicode(title):
        return to_document(mended(html), url, chunk_chars=chunk_chars)
    return Document(url, title, markdown, to_chunks(atoms, chunk_chars))
