"""The pages of the corpus: articles with a part of a table on each page, and entities with their passage. Links are as
in Wikipedia.

- An *article* with one table has the introduction, the section and the table's first rows.
- An article with several tables has the introduction and a list of its tables, with links to the pages of each.
- `?table=N&page=P` has further rows of a table. Each page of a table says `Page 2 of 4: rows 11 to 20 of 37.` and has
  links to the others, among them `Next page`. No page has all rows of a table.
- An *entity* has its passage in paragraphs. If a table links to an article as an entity, the passage of that entity
  replaces the introduction of the article.

If a cell has one link, the whole text of the cell is that link. If a cell has several links, each link whose name
occurs in the text becomes a link there.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from html import escape

from wideseek_env.corpus.hybridqa.plan import TablePlan
from wideseek_env.corpus.hybridqa.reader import SITE, Cell, WikiTable
from wideseek_env.corpus.stored import SourcePage

ROWS_PER_PAGE = 10
NEXT_PAGE, PREVIOUS_PAGE = "Next page", "Previous page"
"""The texts of the links between the pages of one table."""

_UNSAFE = re.compile(r'[%?#"<>`{|}\\^\s]')
_SENTENCE_END = re.compile(r"(?<=[a-z0-9)\]\"'][.!?]) (?=[A-Z])")
_PARAGRAPH = 500


def page_url(path: str, table: int | None = None, page: int = 1) -> str:
    """The URL of `path` (`/wiki/…`), or of one page of the article's table number `table`."""
    url = SITE + _UNSAFE.sub(lambda m: "".join(f"%{byte:02X}" for byte in m.group().encode()), path)
    if table is not None:
        url += f"?table={table}"
        if page > 1:
            url += f"&page={page}"
    return url


def page_title(path: str) -> str:
    """The title of the page at `path`, derived as in Wikipedia."""
    return path.removeprefix("/wiki/").replace("_", " ")


def table_url(table: WikiTable, alone: bool, page: int = 1) -> str:
    """The URL of one page of `table`. `alone` is True when the article has no other table."""
    return page_url(table.path, None if alone and page == 1 else table.number, page)


def entity_page(path: str, passage: str) -> SourcePage:
    """The page of an entity. `passage` is its text for display."""
    title = page_title(path)
    body = "".join(f"<p>{escape(part, quote=False)}</p>\n" for part in _paragraphs(passage))
    return SourcePage(page_url(path), title, _html(title, body), passage)


def article_pages(
    tables: Sequence[WikiTable], plans: Sequence[TablePlan | None], passage: str
) -> Iterator[SourcePage]:
    """All pages of one article: its own page and the pages of its `tables` (each with its plan, or None).

    `passage` is the article's passage, or "" when the article has no passage. Then the page shows the introduction.
    """
    first = tables[0]
    opening = passage or first.intro
    body = "".join(f"<p>{escape(part, quote=False)}</p>\n" for part in _paragraphs(opening))
    if len(tables) == 1:
        yield from _table_pages(first, plans[0], alone=True, before=body, before_text=opening)
        return
    items = [
        f'<li><a href="{escape(table_url(t, alone=False))}">{escape(t.section or first.title, quote=False)}</a></li>\n'
        for t in tables
    ]
    body += f"<h2>Tables</h2>\n<ul>\n{''.join(items)}</ul>\n"
    text = "\n".join([opening, *(t.section for t in tables)])
    yield SourcePage(page_url(first.path), first.title, _html(first.title, body), text)
    for table, plan in zip(tables, plans, strict=True):
        yield from _table_pages(table, plan, alone=False)


def page_count(rows: int) -> int:
    """The number of pages for a table with `rows` rows: at least two, unless it has a single row."""
    return -(-rows // page_size(rows))


def page_size(rows: int) -> int:
    """The number of a table's rows on one page."""
    return max(1, min(ROWS_PER_PAGE, -(-rows // 2)))


def _table_pages(
    table: WikiTable, plan: TablePlan | None, *, alone: bool, before: str = "", before_text: str = ""
) -> Iterator[SourcePage]:
    columns: Sequence[int] = range(len(table.header))
    rows: Sequence[int] = range(len(table.rows))
    if plan is not None and plan.mode == "pages":
        columns, rows = (plan.key,), plan.rows
    size, pages = page_size(len(rows)), page_count(len(rows))
    name = table.title if alone or not table.section else f"{table.title}: {table.section}"
    header = [table.header[c] for c in columns]
    urls = [table_url(table, alone, page) for page in range(1, pages + 1)]
    for number in range(1, pages + 1):
        shown = [table.rows[r] for r in rows[(number - 1) * size : number * size]]
        cells = [[row[c] for c in columns] for row in shown]
        start = (number - 1) * size + 1
        position = f"Page {number} of {pages}: rows {start} to {start + len(shown) - 1} of {len(rows)}."
        title = name if number == 1 else f"{name} (page {number})"
        parts = [before if number == 1 else ""]
        if not alone or number > 1:
            parts.append(
                f'<p>From <a href="{escape(page_url(table.path))}">{escape(table.title, quote=False)}</a>.</p>\n'
            )
        if table.section:
            parts.append(f"<h2>{escape(table.section, quote=False)}</h2>\n")
        if table.section_text and number == 1:
            parts += [f"<p>{escape(part, quote=False)}</p>\n" for part in _paragraphs(table.section_text)]
        parts += [f"<p>{position}</p>\n", _html_table(header, cells), _page_links(urls, number)]
        text = [before_text, table.section_text] if number == 1 else []
        text += [table.section, " ".join(header), *(" ".join(cell.text for cell in row) for row in cells)]
        yield SourcePage(urls[number - 1], title, _html(title, "".join(parts)), "\n".join(filter(None, text)))


def _html_table(header: Sequence[str], rows: Sequence[Sequence[Cell]]) -> str:
    lines = ["<table>\n<tr>", *(f"<th>{escape(name, quote=False)}</th>" for name in header), "</tr>\n"]
    for row in rows:
        lines += ["<tr>", *(f"<td>{_cell(cell)}</td>" for cell in row), "</tr>\n"]
    lines.append("</table>\n")
    return "".join(lines)


def _cell(cell: Cell) -> str:
    if not cell.links:
        return escape(cell.text, quote=False)
    if len(cell.links) == 1:
        return f'<a href="{escape(page_url(cell.links[0]))}">{escape(cell.text, quote=False)}</a>'
    done = ""
    rest = cell.text
    for link in cell.links:
        name = page_title(link).partition(" (")[0]
        before, found, after = rest.partition(name)
        if found:
            done += f'{escape(before, quote=False)}<a href="{escape(page_url(link))}">{escape(name, quote=False)}</a>'
            rest = after
    return done + escape(rest, quote=False)


def _page_links(urls: Sequence[str], number: int) -> str:
    if len(urls) < 2:
        return ""
    links = []
    if number > 1:
        links.append((PREVIOUS_PAGE, urls[number - 2]))
    links += [(str(page), url) for page, url in enumerate(urls, 1) if page != number]
    if number < len(urls):
        links.append((NEXT_PAGE, urls[number]))
    return "<p>" + " | ".join(f'<a href="{escape(url)}">{text}</a>' for text, url in links) + "</p>\n"


def _paragraphs(text: str) -> Iterator[str]:
    """`text` cut at sentence ends into pieces of at least `_PARAGRAPH` characters. The last piece may be shorter."""
    if len(text) <= _PARAGRAPH:
        if text:
            yield text
        return
    start = 0
    for end in _SENTENCE_END.finditer(text):
        if end.start() - start >= _PARAGRAPH:
            yield text[start : end.start()]
            start = end.end()
    yield text[start:]


def _html(title: str, body: str) -> str:
    name = escape(title, quote=False)
    return (
        f'<!DOCTYPE html>\n<html lang="en">\n<head><meta charset="utf-8"><title>{name}</title></head>\n'
        f"<body>\n<h1>{name}</h1>\n{body}</body>\n</html>\n"
    )
