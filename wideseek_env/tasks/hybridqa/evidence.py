"""Second stage: finds which value the corpus shows for each cell of a table, and whether it is the only possible value.

This stage reads the same pages that an agent gets. So a gold table never contains a cell that agents cannot find.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from html import unescape
from typing import Any

from wideseek_env.corpus.base import Corpus
from wideseek_env.corpus.hybridqa.pages import page_count, page_size, table_url
from wideseek_env.corpus.hybridqa.values import forms, normalize
from wideseek_env.tasks.hybridqa.columns import Column, columns_of
from wideseek_env.tasks.hybridqa.material import LEAKED, Material

SEARCHED = 5
"""A search for a list's title and section must find the list among this number of hits."""

_ROW = re.compile(r"<tr>(.*?)</tr>")
_CELL = re.compile(r"<td>(.*?)</td>")
_TAG = re.compile(r"<[^>]+>")
_TABLE = re.compile(r"<table>.*?</table>", re.DOTALL)
_YEAR = re.compile(r"(?<!\d)(?:1[0-9]|20)\d\d(?!\d)")


@dataclass(frozen=True, slots=True)
class Evidence:
    """The findings about one table in the corpus. Cells are pairs (row index in the plan, column index).

    `rank` is the position of the list among the hits of a search for its title and section, from 1. It is 0 when the
    list is not among the first `SEARCHED` hits. `absent` are cells that are not on the page that should show them. For
    the key's column this means that the list does not show the row. `rivals` are cells whose page states another value
    that would fit the column. `told` are columns whose values are on the list's first page or in another list.
    """

    uid: str
    rank: int
    absent: frozenset[tuple[int, int]]
    rivals: frozenset[tuple[int, int]]
    told: tuple[int, ...]

    def to_dict(self) -> dict[str, Any]:
        """The JSON form."""
        return {
            "uid": self.uid,
            "rank": self.rank,
            "absent": sorted(map(list, self.absent)),
            "rivals": sorted(map(list, self.rivals)),
            "told": list(self.told),
        }

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Evidence:
        """The inverse of `to_dict`."""
        return cls(
            data["uid"],
            data["rank"],
            frozenset((row, column) for row, column in data["absent"]),
            frozenset((row, column) for row, column in data["rivals"]),
            tuple(data["told"]),
        )


def gather(materials: Sequence[Material], corpus: Corpus) -> list[Evidence]:
    """The evidence for several tables. The searches for the lists of all tables are sent as one batch."""
    queries = [f"{m.table.title} {m.table.section}".strip() for m in materials]
    titles = [m.table.title for m in materials]
    hits = corpus.search([*queries, *titles], SEARCHED)
    found = []
    for number, material in enumerate(materials):
        direct = [hit.url for hit in hits[number]]
        by_title = [hit.url for hit in hits[len(materials) + number]]
        rank = direct.index(material.url) + 1 if material.url in direct else 0
        article = material.url.partition("?")[0]
        if not rank and article in by_title:  # the article has links to its tables
            rank = by_title.index(article) + 1
        found.append(_evidence(material, rank, corpus))
    return found


def _evidence(material: Material, rank: int, corpus: Corpus) -> Evidence:
    table, plan = material.table, material.plan
    columns = columns_of(table, plan)
    absent: set[tuple[int, int]] = set()
    rivals: set[tuple[int, int]] = set()
    shown, prose = _list_pages(material, corpus)
    for place, row in enumerate(plan.rows):
        cells = shown[place] if place < len(shown) else []
        if plan.mode == "table":
            absent.update(
                (place, c)
                for c in range(len(table.header))
                if c >= len(cells) or cells[c] != _flat(table.rows[row][c].text)
            )
        elif not cells or cells[0] != _flat(table.rows[row][plan.key].text):
            absent.add((place, plan.key))
    if plan.mode == "table":
        return Evidence(plan.uid, rank, frozenset(absent), frozenset(), ())
    pages = [_entity_page(material.entity(place), corpus) for place in range(len(plan.rows))]
    for column in columns:
        spellings = {value: forms(value, column.kind) for value in column.values}
        for place, (page, value) in enumerate(zip(pages, column.values, strict=True)):
            if not any(form in page for form in spellings[value]):
                absent.add((place, column.index))
            elif _has_rival(page, value, column, spellings):
                rivals.add((place, column.index))
    told = {*material.leaked, *_told_in(prose, material, columns)}
    return Evidence(plan.uid, rank, frozenset(absent), frozenset(rivals), tuple(sorted(told)))


def _list_pages(material: Material, corpus: Corpus) -> tuple[list[list[str]], str]:
    """The cells of all rows that the list's pages show, in order, and the normalised prose of its first page."""
    shown: list[list[str]] = []
    prose = ""
    rows = len(material.plan.rows)
    size = page_size(rows)
    for number in range(1, page_count(rows) + 1):
        page = corpus.fetch(table_url(material.table, material.alone, number))
        html = page.html if page is not None else ""
        if number == 1:
            prose = normalize(_text(_TABLE.sub(" ", html)))
        lines = [[_text(cell) for cell in _CELL.findall(line)] for line in _ROW.findall(html)]
        lines = [line for line in lines if line]
        # A missing page must not shift the rows after it.
        shown += (lines + [[]] * size)[: min(size, rows - len(shown))]
    return shown, prose


def _entity_page(url: str | None, corpus: Corpus) -> str:
    page = corpus.fetch(url) if url is not None else None
    return normalize(_text(page.html)) if page is not None else ""


def _text(html: str) -> str:
    return _flat(unescape(_TAG.sub("", html.replace("</p>", " "))))


def _flat(text: str) -> str:
    return " ".join(text.split())


def _told_in(prose: str, material: Material, columns: Sequence[Column]) -> list[int]:
    """The columns whose values are in the prose of the list's first page, next to their keys, for most rows."""
    keys = [normalize(material.table.rows[row][material.plan.key].text) for row in material.plan.rows]
    named = [key in prose for key in keys]
    if sum(named) < LEAKED * len(keys):
        return []
    return [
        column.index
        for column in columns
        if sum(
            name and any(form in prose for form in forms(value, column.kind))
            for name, value in zip(named, column.values, strict=True)
        )
        >= LEAKED * len(keys)
    ]


def _has_rival(page: str, value: str, column: Column, spellings: Mapping[str, Sequence[str]]) -> bool:
    """Whether a page states another value that would fit the column. Such a value does not count if it clearly follows
    the right value."""
    if column.kind == "year":
        low, high = min(map(int, column.values)), max(map(int, column.values))
        years = [int(year) for year in _YEAR.findall(page)]
        return next((year for year in years if low <= year <= high), int(value)) != int(value)
    if column.kind == "date":
        return False  # an exact date is hardly an accident, and other dates (a birth) mean something else
    own = spellings[value]
    others = (
        form
        for other, found in spellings.items()
        if other != value
        for form in found
        if not any(form.strip() in mine or mine.strip() in form for mine in own)
    )
    return any(other in page for other in others)
