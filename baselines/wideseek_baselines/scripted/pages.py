"""Parses the results of browse and search: titles, tables, lists of links, paragraphs, search hits."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from typing import NamedTuple

from wideseek_env.pages import find_links, strip_links
from wideseek_env.scoring.tables import is_rule, split_row

_HIT = re.compile(r"^\d+\. \[(.*)\]\((\S+)\)$", re.MULTILINE)
_CHUNK = re.compile(r"Chunk (\d+) of (\d+)")
_BULLET = re.compile(r"\s*(?:[-*+]|\d+\.) (.*)")
_SPAN = re.compile(r"\b(\d+) to (\d+) of (\d+)\b")
_FIGURE = re.compile(r"\d{1,4}")
NEXT = ("next page", "next", "下一页")


class Cell(NamedTuple):
    """A table cell: its text, and the address of its link ("" without a link)."""

    text: str
    url: str


class Hit(NamedTuple):
    """A search result."""

    title: str
    url: str


@dataclass(slots=True)
class Grid:
    """A table of a page. `header` has the texts of the header cells."""

    header: tuple[str, ...]
    rows: list[tuple[Cell, ...]] = field(default_factory=list)


@dataclass(slots=True)
class Page:
    """One result of browse. If `failed` is True, there is no such page or chunk, and everything else is empty."""

    failed: bool = False
    title: str = ""
    chunk: int = 1
    chunks: int = 1
    box: dict[str, Cell] = field(default_factory=dict)
    """Labels (in lower case) and values of tables without a header, such as infoboxes."""
    grids: list[Grid] = field(default_factory=list)
    lists: list[list[Cell]] = field(default_factory=list)
    """Bulleted lists: the text of each item and the address of its first link."""
    text: str = ""
    """The paragraphs without the addresses of their links, one per line."""
    links: Mapping[str, str] = field(default_factory=dict)
    """Addresses by the text of the link. If several links have the same text, the first link counts."""
    turning: dict[str, str] = field(default_factory=dict)
    """If a list spans several pages, the links to its other pages, by their text in lower case."""
    first_entry: int = 0
    last_entry: int = 0
    entries: int = 0
    """With a line such as ``rows 11 to 20 of 37``, `first_entry` is 11, `last_entry` is 20 and `entries` is 37. Without
    such a line, all are 0.
    """


def read_hits(answer: str) -> list[Hit]:
    """The hits in a result of search, best first."""
    return [Hit(*match) for match in _HIT.findall(answer)]


@lru_cache(maxsize=4096)
def read_page(answer: str) -> Page:
    """Parse a result of browse. Callers share the returned object, so do not change it."""
    if not answer or answer.startswith("Error"):
        return Page(failed=True)
    page = Page()
    head, _, body = answer.partition("\n\n")
    for line in head.split("\n"):
        if line.startswith("Title: "):
            page.title = line.removeprefix("Title: ")
        elif match := _CHUNK.match(line):
            page.chunk, page.chunks = int(match[1]), int(match[2])
    links: dict[str, str] = {}
    paragraphs: list[str] = []
    for block in _blocks(body):
        for text, url in find_links("\n".join(block)):
            links.setdefault(text, url)
        if block[0].startswith("|"):
            _read_table(block, page)
        elif _BULLET.fullmatch(block[0]):
            page.lists.append([_cell(match[1]) for line in block if (match := _BULLET.fullmatch(line))])
        elif not block[0].startswith("#"):
            paragraph = " ".join(block)
            if not _turns_pages(paragraph, page):
                paragraphs.append(strip_links(paragraph))
    page.text, page.links = "\n".join(paragraphs), links
    for span in _SPAN.findall(
        page.text
    ):  # an introduction above may say something similar, so the last one counts
        page.first_entry, page.last_entry, page.entries = map(int, span)
    return page


def _blocks(body: str) -> Iterator[list[str]]:
    """Groups of neighbouring lines of one kind: a heading, table, list or paragraph."""
    block: list[str] = []
    sort = ""
    for line in body.split("\n"):
        bare = line.strip()
        now = "" if not bare else bare[0] if bare[0] in "#|" else "-" if _BULLET.fullmatch(line) else "p"
        if block and (now != sort or now in ("", "#")):
            yield block
            block = []
        if now:
            block.append(bare)
        sort = now
    if block:
        yield block


def _read_table(block: list[str], page: Page) -> None:
    rows = [split_row(line) for line in block]
    if len(rows) < 2 or not is_rule(rows[1]):
        return
    header = tuple(strip_links(cell) for cell in rows[0])
    if len(header) == 2 and not any(header):
        for label, value in (row for row in rows[2:] if len(row) == 2):
            page.box.setdefault(strip_links(label).casefold(), _cell(value))
        return
    width = len(header)
    cells = [tuple(_cell(cell) for cell in (row + [""] * width)[:width]) for row in rows[2:]]
    page.grids.append(Grid(header, cells))


def _cell(markdown: str) -> Cell:
    links = find_links(markdown)
    return Cell(" ".join(strip_links(markdown).split()), links[0].url if links else "")


def _turns_pages(paragraph: str, page: Page) -> bool:
    """Whether a paragraph has only links to other pages of the same list. Adds them to `page`."""
    links = find_links(paragraph)
    if not links:
        return False
    names = [link.text.strip().casefold() for link in links]
    if not any(name in NEXT or _FIGURE.fullmatch(name) or name.startswith("previous") for name in names):
        return False
    if strip_links(paragraph).replace("|", "").split() != " ".join(link.text for link in links).split():
        return False
    for name, link in zip(names, links, strict=True):
        page.turning.setdefault(name, link.url)
    return True
