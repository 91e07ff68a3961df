"""Collects the entries of several lists. The input is an agent's knowledge, the output the report and the next
requests."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from wideseek_baselines.scripted.collecting import LONGEST, Collect, CollectReport, Entry, length
from wideseek_baselines.scripted.conditions import ABSENT
from wideseek_baselines.scripted.knowledge import Knowledge
from wideseek_baselines.scripted.listing import HITS, entries_of
from wideseek_baselines.scripted.lists import HEADING, ListName
from wideseek_baselines.scripted.lookup import look_up
from wideseek_baselines.scripted.pages import NEXT, Cell, Hit, Page
from wideseek_baselines.scripted.subtasks import LookUp
from wideseek_baselines.scripted.toolbox import Request
from wideseek_baselines.scripted.words import plain

_PAGE_LENGTH = 2_500
"""About how many characters the entries of one page of a list take in a report."""
_SPARE = 3_000
"""The entries may take this number of characters more, with the values from their pages."""
_OF_PAGE = re.compile(r": | \(page \d+\)$")
_SEASON = re.compile(r"\b(\d{4})[–/-]\d{2,4}\b")


@dataclass(slots=True)
class Collection:
    """The state of the work.

    Args:
        report: What is known so far.
        requests: The next requests. Those for lists come first, then those for entries.
    """

    report: CollectReport = field(default_factory=CollectReport)
    requests: list[Request] = field(default_factory=list)


@dataclass(slots=True)
class _Reading:
    """A list that is being read: the entries of the agent's part, and the pages and chunks to open next."""

    name: ListName
    entries: list[Entry] = field(default_factory=list)
    opened: bool = False
    following: list[tuple[str, int]] = field(default_factory=list)


def collect(task: Collect, known: Knowledge, results: int, longest: int = LONGEST) -> Collection:
    """The state of the work on `task`. A query returns at most `results` hits.

    No more lists are read when the entries take `longest` characters in the report.
    """
    hits = known.hits()
    readings: list[_Reading] = []
    unread: list[ListName] = []
    absent: list[ListName] = []
    pages: list[Request] = []
    searches: list[Request] = []
    for name in task.lists:
        found, request = _find(name, task, known, hits, results)
        readings += [_read(one, task, known) for one in found]
        if request is not None:
            unread.append(name)
            (searches if request.kind == "search" else pages).append(request)
        elif not found:
            absent.append(name)
    for reading in readings:
        pages += [_browse(url, task, chunk) for url, chunk in reading.following]
    # A report has room for some pages only.
    room = max(0, longest - sum(length(reading.entries) for reading in readings)) // _PAGE_LENGTH
    requests = [*pages[:room], *searches] if room else []
    unfinished: list[str] = []
    taken = 0
    for reading in readings:
        details, left = _look_up(reading, task, known, results)
        taken += length(reading.entries)
        if taken > longest + _SPARE and reading is not readings[0]:
            unread.append(reading.name)
            reading.opened, reading.entries = False, []
            continue
        requests += details
        unfinished += left
        if reading.following:
            unread.append(replace(reading.name, url=reading.following[0][0]))
    opened = [reading for reading in readings if reading.opened]
    report = CollectReport(
        tuple((reading.name.title, reading.name.section) for reading in opened),
        tuple(entry for reading in opened for entry in reading.entries),
        tuple(unread),
        tuple(absent),
        tuple(dict.fromkeys(unfinished)),
    )
    return Collection(report, list(dict.fromkeys(requests)))


def _find(
    name: ListName, task: Collect, known: Knowledge, hits: Sequence[Hit], results: int
) -> tuple[list[ListName], Request | None]:
    """The lists that `name` means, each with its address and the part to read, or the request that helps to find them.
    Without both there is no such list.
    """
    if name.url:
        return [name], None
    single = bool(name.section and not name.heading)
    full = f"{name.title}: {name.section}" if single else name.title
    # The list can be found without the article. For several lists of one article, the article is the shorter way.
    alone = sum(other.title == name.title for other in task.lists) == 1
    direct = [hit.url for hit in _titled(full, hits)] if single and full in known.searches else []
    article = _article(name.title, hits)
    if direct and (alone or article is None):
        return divide(name, [replace(name, url=url, unsure=False) for url in direct]), None
    if article is not None:
        chunks = known.chunks(article.url)
        read = known.page(article.url)
        if read is None or read.failed:
            return [], _browse(article.url, task)
        items = [i for p in chunks for items in p.lists for i in items if i.url.startswith(f"{article.url}?")]
        chosen = _choose(items, name)
        # A long page names further lists in its next chunk. An article with a single list shows it itself.
        if len(chunks) < read.chunks and not (single and chosen) and not any(p.grids for p in chunks):
            return [], _browse(article.url, task, len(chunks) + 1)
        named = replace(name, title=article.title, unsure=False, heading=False)
        if not items:
            return divide(named, [replace(named, url=article.url)]), None
        return divide(named, [replace(named, section=i.text, url=i.url) for i in chosen]), None
    queries = (full, name.title) if alone else (name.title, full)
    for query in queries[:1] if name.unsure else dict.fromkeys(queries):
        if query not in known.searches:
            return [], Request("search", query, min(results, HITS))
    return [], None


def _article(title: str, hits: Sequence[Hit]) -> Hit | None:
    """The page called `title`, or the page that a hit belongs to: a list of this page, or a later page of its list."""
    for hit in _titled(title, hits):
        return hit
    for hit in hits:
        owner = _OF_PAGE.match(hit.title, len(title)) and hit.title[: len(title)]
        if owner and _same(owner, title) and "?" in hit.url:
            return Hit(owner, hit.url.partition("?")[0])
    return None


def _titled(title: str, hits: Sequence[Hit]) -> list[Hit]:
    """The hits called `title`. Hits with exactly this title come first, and others count only without them."""
    return [hit for hit in hits if hit.title == title] or [hit for hit in hits if _same(hit.title, title)]


def _same(title: str, wanted: str) -> bool:
    """Whether two titles are the same. Seasons may be written as 1999–00 or 1999–2000."""
    return plain(_SEASON.sub(r"\1", title)) == plain(_SEASON.sub(r"\1", wanted))


def _choose(items: Sequence[Cell], name: ListName) -> list[Cell]:
    """The lists of a page that `name` means."""
    if not name.section:
        return list(items)
    wanted = plain(name.section)
    if name.heading:
        start = name.section + HEADING
        return [item for item in items if item.text == name.section or item.text.startswith(start)]
    exact = [item for item in items if item.text == name.section]
    return exact or [item for item in items if plain(item.text) == wanted]


def divide(name: ListName, lists: Sequence[ListName]) -> list[ListName]:
    """The part of the `lists` that `name` says. With fewer lists than parts, several parts share a list."""
    many, parts = len(lists), name.parts
    if many >= parts:
        return [
            replace(one, part=1, parts=1)
            for at, one in enumerate(lists)
            if at * parts // many == name.part - 1
        ]
    at = (name.part - 1) * many // parts
    sharing = [part for part in range(1, parts + 1) if (part - 1) * many // parts == at]
    return [replace(lists[at], part=sharing.index(name.part) + 1, parts=len(sharing))] if lists else []


def _read(name: ListName, task: Collect, known: Knowledge) -> _Reading:
    """Read the part of a list that `name` says, page by page from its address on."""
    reading = _Reading(name)
    seen = {name.url}
    queue = [name.url]
    entries: list[tuple[int, Entry]] = []
    total = 0
    while queue:
        url = queue.pop(0)
        first = known.page(url)
        if first is None or first.failed:
            reading.following.append((url, 1))
            continue
        reading.opened = True
        total = first.entries
        at = first.first_entry - 1 if total else len(entries)
        for chunk in range(1, first.chunks + 1):
            page = known.page(url, chunk)
            if page is None or page.failed:
                reading.following.append((url, chunk))
                break
            for entity, values in entries_of(page, task.columns):
                entries.append((at, Entry(name.title, name.section, entity, values)))
                at += 1
            for target in _later(page, first, name):
                if target not in seen:
                    seen.add(target)
                    queue.append(target)
    if total or not reading.following:
        span = _span(name, total or len(entries))
        entries = [(at, entry) for at, entry in entries if at in span]
    reading.entries = [
        entry for _, entry in sorted(entries, key=lambda item: item[0]) if _counts(entry, task)
    ]
    return reading


def _span(name: ListName, total: int) -> range:
    """The places of the entries of the agent's part, from 0, in a list with `total` entries."""
    return range((name.part - 1) * total // name.parts, name.part * total // name.parts)


def _later(page: Page, first: Page, name: ListName) -> list[str]:
    """The later pages of the list that have entries of the agent's part. `first` is the first chunk of the page."""
    numbers = {int(text): url for text, url in page.turning.items() if text.isdigit()}
    if not first.entries or not numbers:
        return [url for text, url in page.turning.items() if text.isdigit() or text in NEXT]
    size = first.last_entry - first.first_entry + 1
    if first.last_entry >= first.entries or size < 1:
        return []
    here = (first.first_entry - 1) // size + 1
    span = _span(name, first.entries)
    return [
        url
        for number, url in sorted(numbers.items())
        if number > here and (number - 1) * size < span.stop and number * size > span.start
    ]


def _counts(entry: Entry, task: Collect) -> bool:
    """Whether an entry may pass all conditions, as far as that is known."""
    return not any(c.holds(entry.values.get(c.column, "")) is False for c in task.conditions)


def _look_up(
    reading: _Reading, task: Collect, known: Knowledge, results: int
) -> tuple[list[Request], list[str]]:
    """Add what is known about the entries of a list that lacks columns. Returns the next requests, and the names of the
    entries that need them.
    """
    given = [c.column for c in task.conditions if c.relation == "given"]
    if given:  # such an entry needs a page
        reading.entries = [entry for entry in reading.entries if entry.entity.url]
    entries = reading.entries
    columns = tuple(c for c in task.columns[1:] if not all(entry.values.get(c) for entry in entries))
    if not columns:
        return [], []
    lookup = look_up(LookUp((task.columns[0], *columns), tuple(e.entity for e in entries)), known, results)
    left = set(lookup.unfinished)
    completed = [
        replace(
            entry,
            values={**({} if entity in left else dict.fromkeys(given, ABSENT)), **found, **entry.values},
        )
        for entry, (entity, found) in zip(entries, lookup.rows, strict=True)
    ]
    reading.entries = [entry for entry in completed if _counts(entry, task)]
    return lookup.requests, [entity.name for entity in lookup.unfinished]


def _browse(url: str, task: Collect, chunk: int = 1) -> Request:
    return Request("browse", url, chunk=chunk, focus=f"{', '.join(task.columns)}, Next page")
