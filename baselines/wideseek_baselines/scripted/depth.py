"""Answers a question with a short answer, which asks for one cell.

The question names a list and an entry of it, or a value that identifies the entry. It asks for another value in the
list, or for a value on the entry's own page. A lead gives the whole question to one subagent, because each step needs
the result of the one before.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from typing import NamedTuple

from wideseek_baselines.scripted.history import History, untried
from wideseek_baselines.scripted.knowledge import Knowledge
from wideseek_baselines.scripted.lookup import look_up
from wideseek_baselines.scripted.pages import NEXT, Cell, Grid, Hit
from wideseek_baselines.scripted.question import CHINESE
from wideseek_baselines.scripted.subtasks import MARKER, Entity, LookUp
from wideseek_baselines.scripted.toolbox import Request, Toolbox
from wideseek_baselines.scripted.words import likeness, plain
from wideseek_env.task import Language

ATTEMPTS = 2
"""The most delegations of the question, if none brings a report."""

_PLACE = (
    re.compile(r"\b[Tt]he list on the Wikipedia page “(?P<title>[^”]+)”(?:, section “(?P<section>[^”]+)”)?"),
    re.compile(r"维基百科页面“(?P<title>[^”]+)”(?:的“(?P<section>[^”]+)”部分)?的列表中(?=[，有])"),
)
_ENTRY = re.compile(r"(?:\b(?:an entry|the page of|for|look up) |有一项|^，)“(?P<entry>[^“”]+)”")
_GIVEN = (
    re.compile(r"\bone (?P<noun>[^“”]+?) has “(?P<given>[^“”]+)” as its (?P<by>.+?)\. (?=What|According)"),
    re.compile(r"\bto the (?P<noun>[^“”]+?) whose (?P<by>.+?) is given as “(?P<given>[^“”]+)”"),
    re.compile(r"有一项（(?P<noun>[^“”]+?)）的 (?P<by>.+?) 为“(?P<given>[^“”]+)”"),
)
_LABEL = (
    re.compile(r"\b[Ww]hat is its (?P<label>.+?)\?(?= Give |\s*$)", re.MULTILINE),
    re.compile(r"\bwhat is given as (?P<label>.+?) for “"),
    re.compile(r"(?:”的|它的|该项的) (?P<label>.+?) 是什么"),
)
_QUOTED = re.compile(r"“[^“”]*”")
_OWN_PAGE = re.compile(r"\bpage of its own\b|\bits own page\b|\bthe page of “|该项自己的页面")
_BOX = re.compile(r"\\boxed\{(.+)\}")
_PAGE_NUMBER = re.compile(r" \(page \d+\)$")
_CANDIDATES = 4
"""The largest number of pages that are opened to find the list, if no title is the right one."""
_PART = 2

_DELEGATE = {
    "en": "Answer this question, and say which page gives the answer. Copy the value as the page gives it.\n{0}",
    "zh": "请回答下面的问题，按网页的写法抄录答案，并说明答案来自哪个网页。\n{0}",
}
_REMARK = {"en": "One subagent can answer this.", "zh": "一个子代理就能回答。"}
_FOUND = {"en": "The answer is \\boxed{{{0}}}.", "zh": "答案是 \\boxed{{{0}}}。"}
_SOURCE = {"en": " It is given at {0}", "zh": "来源：{0}"}
_NOT_FOUND = {"en": "The pages that were opened do not give the answer.", "zh": "打开的网页没有给出答案。"}


@dataclass(frozen=True, slots=True)
class ShortQuestion:
    """What a question with a short answer says.

    Args:
        title: The title of the page with the list.
        section: The name of the list, or "".
        label: The column that the question asks for.
        entry: The name of the entry, or "" if a value identifies the entry.
        by: The column of that value, or "".
        given: That value, or "".
        noun: The kind of the entry in words, or "".
        own_page: Whether the entry's own page has the answer. Otherwise, the list has it.
    """

    title: str
    section: str
    label: str
    entry: str = ""
    by: str = ""
    given: str = ""
    noun: str = ""
    own_page: bool = False

    @classmethod
    def of(cls, text: str) -> ShortQuestion | None:
        """The question in `text`, or None if it has another form."""
        return _read(text)


@lru_cache(maxsize=256)
def _read(text: str) -> ShortQuestion | None:
    text = MARKER.split(text)[-1]
    place = next((match for pattern in _PLACE if (match := pattern.search(text))), None)
    if place is None or "\\boxed" not in text:
        return None
    rest = text[place.end() :]
    said = _QUOTED.sub("“”", rest)  # a quoted name may have any words
    label = next((match for pattern in _LABEL if (match := pattern.search(said))), None)
    given = next((match for pattern in _GIVEN if (match := pattern.search(rest))), None)
    entry = None if given else _ENTRY.search(rest)
    if label is None or (given is None and entry is None):
        return None
    return ShortQuestion(
        place["title"],
        place["section"] or "",
        label["label"],
        entry["entry"] if entry else "",
        given["by"] if given else "",
        given["given"] if given else "",
        given["noun"] if given else "",
        _OWN_PAGE.search(said) is not None,
    )


def lead_answer(history: History, toolbox: Toolbox, turns_left: int) -> str:
    """The lead's next message: it delegates the question, and then repeats the answer in the report."""
    language = _language(history.task)
    reports = [answer for _, answer in history.exchanges]
    answers = [match[1] for report in reports if (match := _BOX.search(report))]
    if not any(reports) and len(reports) < ATTEMPTS and turns_left > 1:
        return toolbox.write(
            [Request("delegate", _DELEGATE[language].format(_sentence(history.task)))], _REMARK[language]
        )
    return _FOUND[language].format(answers[-1]) if answers else _NOT_FOUND[language]


def agent_answer(
    question: ShortQuestion, history: History, toolbox: Toolbox, room: int, *, report: bool
) -> str:
    """The next message of a subagent (`report`) or of the single agent. It makes at most `room` requests."""
    known = Knowledge.of(history.exchanges)
    work = _work(question, known, toolbox.results)
    requests = untried(work.requests, history)[:room]
    if requests:
        return toolbox.write(requests)
    language = _language(history.task)
    if not work.value:
        return _NOT_FOUND[language]
    source = _SOURCE[language].format(work.source) if report and work.source else ""
    return _FOUND[language].format(work.value) + source


@dataclass(slots=True)
class _Work:
    """The requests that may lead to a surer answer, and the best answer so far with the page that gives it."""

    requests: list[Request]
    value: str = ""
    source: str = ""


def _work(question: ShortQuestion, known: Knowledge, results: int) -> _Work:
    name = f"{question.title}: {question.section}" if question.section else question.title
    queries = (name, f"{name} {question.entry or question.given}")
    searches = [
        Request("search", query, min(results, 10)) for query in queries if query not in known.searches
    ]
    if searches:
        return _Work(searches)
    pages = _pages(question, known, queries, name)
    found = min(
        (match for url in pages for match in _matches(question, known, url)),
        key=lambda match: match.unlikeness,
        default=None,
    )
    unread = [request for url in pages for request in _unread(question, known, url)]
    if found is not None and question.own_page and (found.unlikeness < _PART or not unread):
        return _look_up(question, _entity(question, found.grid, found.row), known, results)
    if found is not None and not question.own_page:
        value = found.row[_column(found.grid, question.label)].text
        return _Work([] if found.unlikeness < _PART else unread, value, found.url)
    if question.own_page and question.entry and not unread:
        return _look_up(question, Entity(question.entry, ""), known, results)
    return _Work(unread)


def _look_up(question: ShortQuestion, entity: Entity, known: Knowledge, results: int) -> _Work:
    lookup = look_up(LookUp(("Name", question.label), (entity,)), known, results)
    value = lookup.rows[0][1].get(question.label, "")
    return _Work([] if value else lookup.requests, value, entity.url)


def _pages(question: ShortQuestion, known: Knowledge, queries: tuple[str, str], name: str) -> list[str]:
    """The addresses of the list, those first that the query with the entry found. Then its further pages."""
    hits = list({hit.url: hit for query in queries[::-1] for hit in known.searches[query]}.values())
    # A page that has only one list has no section in its title.
    for title in (name, question.title):
        exact = [hit for hit in hits if plain(_bare(hit)) == plain(title)]
        if exact:
            break
    else:
        exact = sorted(hits, key=lambda hit: -likeness(_bare(hit), name))[:_CANDIDATES]
    urls = dict.fromkeys(hit.url for hit in exact)
    queue = list(urls)
    while queue:
        for page in known.chunks(queue.pop(0)):
            for text, target in page.turning.items():
                if (text in NEXT or text.isdigit()) and target not in urls:
                    urls[target] = None
                    queue.append(target)
    return list(urls)


def _bare(hit: Hit) -> str:
    return _PAGE_NUMBER.sub("", hit.title)


def _unread(question: ShortQuestion, known: Knowledge, url: str) -> Iterator[Request]:
    """The requests for the chunks of a page of the list that were not opened."""
    first = known.page(url)
    focus = f"{question.entry or question.given}, {question.label}"
    for chunk in range(1, first.chunks + 1 if first else 2):
        if known.page(url, chunk) is None:
            yield Request("browse", url, chunk=chunk, focus=focus)


class _Match(NamedTuple):
    """A row that the question may mean."""

    url: str
    grid: Grid
    row: tuple[Cell, ...]
    unlikeness: int
    """How the row says the name or value of the question: 0 in the same words, 1 with other punctuation, or `_PART` as
    a part of a cell."""


def _matches(question: ShortQuestion, known: Knowledge, url: str) -> Iterator[_Match]:
    """The rows on a page that the question may mean."""
    wanted = question.entry or question.given
    for page in known.chunks(url):
        for grid in page.grids:
            by = _column(grid, question.by) if question.by else -1
            # A page may have another table, which lacks the columns of the question.
            if (question.by and by < 0) or (not question.own_page and _column(grid, question.label) < 0):
                continue
            for row in grid.rows:
                cells = [row[by]] if question.by else list(row)
                unlikeness = min(_unlikeness(cell.text, wanted) for cell in cells)
                if unlikeness <= _PART:
                    yield _Match(url, grid, row, unlikeness)


def _unlikeness(text: str, wanted: str) -> int:
    if text == wanted:
        return 0
    words, sought = plain(text), plain(wanted)
    if not sought:
        return _PART + 1
    if words == sought:
        return 1
    return _PART if f" {sought} " in f" {words} " else _PART + 1


def _column(grid: Grid, label: str) -> int:
    """The place of the column called `label`, or -1."""
    names = [plain(name) for name in grid.header]
    return names.index(plain(label)) if plain(label) in names else -1


def _entity(question: ShortQuestion, grid: Grid, row: tuple[Cell, ...]) -> Entity:
    """The entity of a row: the entry that the question names, or the cell of the column that names the rows."""
    by = _column(grid, question.by) if question.by else -1
    noun = plain(question.noun)

    def rank(at: int) -> tuple[bool, int, bool, bool, int]:
        cell = row[at]
        unlikeness = _unlikeness(cell.text, question.entry) if question.entry else 0
        linked = sum(bool(other[at].url) for other in grid.rows)
        return at == by, unlikeness, not cell.url, noun not in plain(grid.header[at]), -linked

    return Entity(*row[min(range(len(row)), key=rank)])


def _sentence(task: str) -> str:
    return next((line for line in task.split("\n") if _read(line)), task)


def _language(task: str) -> Language:
    return "zh" if CHINESE.search(task) else "en"
