"""Finds a list and reads it to its end. The input is an agent's knowledge, the output the entries and the next
requests."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from wideseek_baselines.scripted.knowledge import Knowledge
from wideseek_baselines.scripted.pages import NEXT, Cell, Grid, Page
from wideseek_baselines.scripted.subtasks import Entity, FindList
from wideseek_baselines.scripted.toolbox import Request
from wideseek_baselines.scripted.words import likeness, plain

Entry = tuple[Entity, Mapping[str, str]]

CANDIDATES = 4
"""The largest number of pages that are opened to find the list."""

HITS = 10
"""The number of search results to request. Titles that differ from the right title in one word may be ranked above
it."""

_PAGE_NUMBER = re.compile(r" \(page (\d+)\)$")
_GOOD = 0.9


@dataclass(slots=True)
class Listing:
    """The entries found so far, with the columns that the list gives.

    `total` is the number of entries that the list states, or 0 if it states none. `requests` are the requests that
    would bring more entries, the most useful request first. There are no requests if the list is complete or cannot be
    found.
    """

    entries: list[Entry] = field(default_factory=list)
    total: int = 0
    requests: list[Request] = field(default_factory=list)

    @property
    def goes_on(self) -> tuple[str, ...]:
        """The addresses of pages of the list that were not read yet."""
        return (
            tuple(dict.fromkeys(r.text for r in self.requests if r.kind == "browse")) if self.entries else ()
        )


def list_entries(task: FindList, known: Knowledge, results: int) -> Listing:
    """The state of the search for the list in `task`. A query returns at most `results` hits."""
    if task.begin:
        return _read(list(task.begin), task, known)
    for query in dict.fromkeys([task.titles[0], task.titles[-1]]):
        if query not in known.searches:
            return Listing(requests=[Request("search", query, min(results, HITS))])
        if max((score for _, score in _ranked(task, known)), default=0.0) > _GOOD:
            break
    return _from_hits(task, known)


def _from_hits(task: FindList, known: Knowledge) -> Listing:
    """Follow the hits, the likeliest first, until one leads to a list."""
    for url, _ in _ranked(task, known)[:CANDIDATES]:
        page = known.page(url)
        if page is None:
            return Listing(requests=[_browse(url, task)])
        if page.failed:
            continue
        if part := _part(url, page, task):
            return _read([part], task, known)
        listing = _read([url, *_further(page.title, known)], task, known)
        if listing.entries or listing.requests:
            return listing
    return Listing()


def _ranked(task: FindList, known: Knowledge) -> list[tuple[str, float]]:
    """The hits that may be the first page of the list, with scores for their titles. The best score comes first."""
    scores: dict[str, float] = {}
    for hit in known.hits():
        if not _PAGE_NUMBER.search(hit.title):
            scores[hit.url] = max(
                likeness(hit.title, title) - 0.01 * number for number, title in enumerate(task.titles)
            )
    return sorted(scores.items(), key=lambda item: -item[1])


def _further(title: str, known: Knowledge) -> list[str]:
    """The second and later pages of the list called `title` among the search results, in order."""
    found: dict[int, str] = {}
    for hit in known.hits():
        match = _PAGE_NUMBER.search(hit.title)
        if match and hit.title[: match.start()] == title:
            found[int(match[1])] = hit.url
    return [found[number] for number in sorted(found)]


def _part(url: str, page: Page, task: FindList) -> str:
    """The address of the section of an article that the task names, or "" if sections have no separate pages."""
    parts = [item for items in page.lists for item in items if item.url.startswith(f"{url}?")]
    if not parts:
        return ""
    wanted = task.section or task.columns[0]
    return max(parts, key=lambda item: likeness(item.text, wanted)).url


def _read(urls: list[str], task: FindList, known: Knowledge) -> Listing:
    """Read a list page by page, beginning with `urls` and following its links."""
    listing = Listing()
    seen: dict[str, None] = dict.fromkeys(urls)
    pages: list[tuple[int, list[Entry]]] = []
    queue = list(urls)
    while queue:
        url = queue.pop(0)
        first = known.page(url)
        if first is None:
            listing.requests.append(_browse(url, task))
            continue
        entries: list[Entry] = []
        numbers = range(1, first.chunks + 1)
        for chunk in numbers:
            page = known.page(url, chunk)
            if page is None:
                listing.requests.append(_browse(url, task, chunk))
                continue
            listing.total = max(listing.total, page.entries)
            entries += entries_of(page, task.columns)
            for name, target in page.turning.items():
                if (name in NEXT or name.isdigit()) and target not in seen:
                    seen[target] = None
                    queue.append(target)
        pages.append((first.last_entry, entries))
    unique: dict[str, Entry] = {}
    for _, entries in sorted(pages, key=lambda item: item[0]):
        for entry in entries:
            unique.setdefault(entry[0].name, entry)
    listing.entries = list(unique.values())
    if listing.total and len(listing.entries) >= listing.total:
        listing.requests = []
    return listing


def entries_of(page: Page, columns: Sequence[str]) -> Iterator[Entry]:
    """The entries on a page of a list, with the values of these `columns`. The first column is the key."""
    key = plain(columns[0])
    grids = [grid for grid in page.grids if grid.rows]
    for exact in (True, False):
        for grid in grids:
            for at, name in enumerate(grid.header):
                if plain(name) == key if exact else (key and key in plain(name)):
                    yield from _from_grid(grid, at, columns)
                    return
    lists = [[item for item in items if item.url] for items in page.lists]
    longest = max(lists, key=len, default=[])
    if longest:
        yield from ((_entity(item), {}) for item in longest)
        return
    for grid in grids:  # the key may have another name in a table: take the column with most links
        at = max(range(len(grid.header)), key=lambda column: sum(bool(row[column].url) for row in grid.rows))
        if any(row[at].url for row in grid.rows):
            yield from _from_grid(grid, at, columns)
            return


def _from_grid(grid: Grid, key: int, columns: Sequence[str]) -> Iterator[Entry]:
    places = {plain(name): at for at, name in reversed(list(enumerate(grid.header)))}
    wanted = {column: places[plain(column)] for column in columns[1:] if plain(column) in places}
    for row in grid.rows:
        if row[key].text:
            yield _entity(row[key]), {c: row[at].text for c, at in wanted.items() if row[at].text}


def _entity(cell: Cell) -> Entity:
    return Entity(cell.text, cell.url)


def _browse(url: str, task: FindList, chunk: int = 1) -> Request:
    return Request("browse", url, chunk=chunk, focus=f"{', '.join(task.columns)}, Next page")
