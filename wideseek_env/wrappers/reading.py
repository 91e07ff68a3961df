"""Parses text for an agent without a language model: questions, search results and pages.

A `Reader` sees only the text of messages. `MarkdownReader`, the default, understands the questions of the synthetic
world. It reads pages whose facts are in tables with two columns, in lines "Name: value" or in sentences that name the
attribute. For other questions and pages, pass a custom reader.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple, Protocol, runtime_checkable

from wideseek_env.byte_cache import short_cache
from wideseek_env.pages import find_links, strip_links
from wideseek_env.scoring.numbers import parse_number
from wideseek_env.scoring.tables import is_rule, split_row
from wideseek_env.tasks.synthetic.filters import Filter, parse_question

NOTHING = ("", "")
"""The value and the link of an attribute that is not on a page."""

_COLUMNS = re.compile(r"\|[^\n]*\|")
_HIT = re.compile(r"^\d+\. \[(.*)\]\((\S+)\)(?:\n   (.*))?$", re.MULTILINE)
_BULLET = re.compile(r"\s*[-*+] (.*)")
_LINE = re.compile(r"(?:[-*+] )?\**([^:|*\[\]]{1,60})\**: (.+)")
_SENTENCE = re.compile(r"(?<=[.!?])\s+(?=[“\"A-Z])")
_NEXT = re.compile(r"(?:next|next page|下一页)", re.IGNORECASE)
_YEAR = re.compile(r"(?<!\d)\d{4}(?!\d)")


class Hit(NamedTuple):
    """A search result."""

    title: str
    url: str
    snippet: str


class Grid(NamedTuple):
    """A Markdown table: its header and rows. Cells still have their markup."""

    header: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]


@dataclass(frozen=True, slots=True)
class Question:
    """What a question asks for.

    `subject` is the phrase for the list of rows. `columns` are the columns of the answer, the key first. `attributes`
    are the attributes to find for each row: the other columns, and those that conditions use.
    """

    subject: str
    columns: tuple[str, ...]
    attributes: tuple[str, ...]
    conditions: tuple[Filter, ...] = ()

    @property
    def key(self) -> str:
        """The column that names the rows."""
        return self.columns[0]

    def excludes(self, values: Mapping[str, str]) -> bool:
        """Whether a row with these values fails a condition of the question."""
        folded = {name.casefold(): text for name, text in values.items()}
        return any(_holds(each, folded.get(each.label, "")) is False for each in self.conditions)


@dataclass(frozen=True, slots=True)
class PageView:
    """A page: its title, the entries of its longest list of links, and the URL at which that list continues.

    The object also has the values (with links) by attribute name in lower case, and the sentences of the page.
    """

    title: str
    entries: tuple[str, ...] = ()
    next_url: str = ""
    facts: Mapping[str, tuple[str, str]] = field(default_factory=dict)
    sentences: tuple[str, ...] = ()
    links: Mapping[str, str] = field(default_factory=dict)

    def __deepcopy__(self, memo: dict[int, Any]) -> PageView:
        return self  # it does not change, and agents of many episodes share it

    def value(self, label: str) -> tuple[str, str]:
        """The value of an attribute and the URL that the value links to. `NOTHING` when the page does not have the
        attribute."""
        label = label.casefold()
        if label in self.facts:
            return self.facts[label]
        pattern = _said(label)
        for sentence in self.sentences:
            if label in sentence.casefold() and (match := pattern.search(sentence)):
                text = match[1].strip().rstrip(".")
                return text, self.links.get(text, "")
        return NOTHING


@runtime_checkable
class Reader(Protocol):
    """Parses the texts that agents see. The only argument of each method is a text."""

    def question(self, text: str) -> Question | None:
        """The parsed question. None if this reader does not understand it."""
        ...

    def hits(self, text: str) -> Sequence[Hit]:
        """The results in the text of a search, best first."""
        ...

    def page(self, text: str) -> PageView | None:
        """The page in the text that a browse returned. None when the text has no page."""
        ...


class MarkdownReader:
    """The default `Reader`: the questions of the synthetic world, and pages with tables, "Name: value" lines or
    sentences."""

    def question(self, text: str) -> Question | None:
        """The parsed question. The text must have a line with the columns, and the phrase for a list (``museums in
        Norvania``)."""
        rows, parsed = _COLUMNS.findall(text), parse_question(text)
        if not rows or parsed is None:
            return None
        columns = tuple(cell for cell in split_row(rows[-1]) if cell)
        have = {name.casefold() for name in columns}
        deciding = (each.label.capitalize() for each in parsed.filters if each.label not in have)
        return Question(parsed.phrase, columns, (*columns[1:], *dict.fromkeys(deciding)), parsed.filters)

    def hits(self, text: str) -> Sequence[Hit]:
        """The results in the text of a search, best first."""
        return [Hit(*match) for match in _HIT.findall(text)]

    def page(self, text: str) -> PageView | None:
        """The page in the text of a browse. Several calls may return the same object."""
        return _read_page(text)


def grids(text: str) -> Iterator[Grid]:
    """The tables in `text`, in order."""
    block: list[list[str]] = []
    for line in [*text.split("\n"), ""]:
        if line.lstrip().startswith("|"):
            block.append(split_row(line))
            continue
        if len(block) > 1 and is_rule(block[1]):
            width = len(block[0])
            rows = tuple(tuple((row + [""] * width)[:width]) for row in block[2:])
            yield Grid(tuple(block[0]), rows)
        block = []


@short_cache(8192, 8000)
def _read_page(text: str) -> PageView | None:
    head, gap, body = text.partition("\n\n")
    title = next((line[7:] for line in head.split("\n") if line.startswith("Title: ")), "")
    if not gap or not title:
        return None
    facts: dict[str, tuple[str, str]] = {}
    for grid in grids(body):
        if len(grid.header) == 2 and not any(grid.header):
            for label, value in grid.rows:
                facts.setdefault(strip_links(label).casefold(), _cell(value))
    lists: list[list[str]] = [[]]
    sentences: list[str] = []
    links: dict[str, str] = {}
    next_url = ""
    for line in body.split("\n"):
        bullet = _BULLET.fullmatch(line)
        for link in find_links(line):
            links.setdefault(link.text, link.url)
            if not bullet and _NEXT.fullmatch(link.text.strip()):
                next_url = link.url
        if bullet:
            found = find_links(bullet[1])
            if len(found) == 1 and strip_links(bullet[1]).strip() == found[0].text:
                lists[-1].append(found[0].text)
            continue
        if line.strip():
            lists.append([])
        if line.startswith(("#", "|")) or not line.strip():
            continue
        plain = strip_links(line)
        if match := _LINE.fullmatch(plain):
            facts.setdefault(match[1].strip().casefold(), (match[2].strip(), links.get(match[2].strip(), "")))
        sentences += _SENTENCE.split(plain)
    longest = sorted(lists, key=len, reverse=True)[0]
    return PageView(title, tuple(longest), next_url, facts, tuple(sentences), links)


def _cell(markdown: str) -> tuple[str, str]:
    links = find_links(markdown)
    return " ".join(strip_links(markdown).split()), links[0].url if links else ""


@short_cache(512, 300)
def _said(label: str) -> re.Pattern[str]:
    link = r"(?:is|was|are|were|at|on|in|of)"
    return re.compile(rf"\b{re.escape(label)}\b.*?\b{link} ([^;]{{1,80}}?)(?:;.*)?[.!?]?$", re.IGNORECASE)


def _holds(condition: Filter, cell: str) -> bool | None:
    """Whether a row with this cell meets the condition. None if the cell does not decide this."""
    if not cell.strip():
        return None
    if condition.relation == "is":
        return cell.strip().casefold() == condition.value.casefold()
    if condition.relation in ("before", "after"):
        years = _YEAR.findall(cell)
        if not years:
            return None
        return (int(years[-1]) < int(condition.value)) == (condition.relation == "before")
    size, bound = parse_number(cell), parse_number(condition.value)
    if size is None or bound is None:
        return None
    return (size.value * size.unit > bound.value * bound.unit) == (condition.relation == "more")
