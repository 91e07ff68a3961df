"""Looks up entities. The input is an agent's knowledge, the output the rows so far and the pages to open next."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

from wideseek_baselines.scripted.extract import NOTHING, value_of
from wideseek_baselines.scripted.knowledge import Knowledge
from wideseek_baselines.scripted.pages import Cell, Page
from wideseek_baselines.scripted.subtasks import Entity, LookUp
from wideseek_baselines.scripted.toolbox import Request
from wideseek_baselines.scripted.words import plain

Row = tuple[Entity, dict[str, str]]

_CHAIN = " of "
_LATER_CHUNK = 0.5
"""How much a later chunk of a page is worth opening, where an unknown page is worth 1."""


@dataclass(slots=True)
class Lookup:
    """The state of a look-up: the rows with the values found so far, the unfinished entities, and the next requests.

    An entity is unfinished if it has pages left to open. Requests that would fill more cells come first.
    """

    rows: list[Row] = field(default_factory=list)
    unfinished: list[Entity] = field(default_factory=list)
    requests: list[Request] = field(default_factory=list)


def look_up(task: LookUp, known: Knowledge, results: int) -> Lookup:
    """The state of the work on `task`. A query returns at most `results` hits."""
    lookup = Lookup()
    worth: dict[Request, float] = {}
    focus = ", ".join(task.columns[1:])
    for entity in task.entities:
        values: dict[str, str] = {}
        finished = True
        for kind, text, chunk, cells in _steps(entity, task.columns, known, values, results):
            finished = False
            request = (
                Request("search", text, min(results, 5))
                if kind == "search"
                else Request("browse", text, chunk=chunk, focus=focus)
            )
            worth[request] = worth.get(request, 0.0) + cells
        lookup.rows.append((entity, values))
        if not finished:
            lookup.unfinished.append(entity)
    lookup.requests = sorted(worth, key=lambda request: -worth[request])
    return lookup


def _steps(
    entity: Entity, columns: tuple[str, ...], known: Knowledge, values: dict[str, str], results: int
) -> Iterator[tuple[str, str, int, float]]:
    """Fill `values` with the known values of `entity`. Yields the next requests: kind, text, chunk, expected new
    cells.
    """
    wanted = columns[1:]
    url = entity.url
    page = known.page(url) if url else None
    if not url or (page is not None and page.failed):
        hits = known.searches.get(entity.name)
        if hits is None:
            yield "search", entity.name, 1, float(len(wanted))
            return
        url = next((h.url for h in hits if plain(h.title) == plain(entity.name) and h.url != entity.url), "")
        page = known.page(url)
        if not url or (page is not None and page.failed):
            return
    if page is None:
        yield "browse", url, 1, float(len(wanted))
        return
    chunks = known.chunks(url)
    missing = 0
    for column in wanted:
        cell, following = _resolve(chunks, column, known)
        if following:
            yield "browse", following, 1, 1.0
        elif cell.text:
            values[column] = cell.text
        else:
            missing += 1
    if missing:
        for chunk in range(2, page.chunks + 1):
            if known.page(url, chunk) is None:
                yield "browse", url, chunk, _LATER_CHUNK * missing
                return


def _resolve(chunks: list[Page], column: str, known: Knowledge) -> tuple[Cell, str]:
    """The value of `column`, and the address of a page that must be opened to get it, or ""."""
    if _CHAIN in column:
        # For "Birth year of architect", follow the architect's link and find the birth year there.
        pages = chunks
        cell = NOTHING
        *labels, last = column.split(_CHAIN)[::-1]
        for label in labels:
            cell = _first(pages, label)
            if not cell.url:
                break
            page = known.page(cell.url)
            if page is None:
                return NOTHING, cell.url
            pages = known.chunks(cell.url)
        else:
            return _first(pages, last), ""
    return _first(chunks, column), ""


def _first(pages: list[Page], column: str) -> Cell:
    return next((cell for page in pages if (cell := value_of(page, column)).text), NOTHING)
