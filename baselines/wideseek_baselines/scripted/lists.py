"""Reads which lists a question names, if it asks for the entries of several lists: parts of one page, or the same list
on several pages."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import lru_cache

HEADING = " – "
"""What joins a heading and a heading below it in the name of a list."""
MOST_PAGES = 60
"""The most pages between the first and the last page that a question names."""

_QUOTED = re.compile(r"“([^”]+)”")
_PAGES = re.compile(r"the Wikipedia pages? (?P<span>from )?(?=“)|维基百科(?:页面|(?P<zh_span>上从))(?=“)")
_NAMES = re.compile(r"“[^”]+”(?:(?:, and |, | and |、)“[^”]+”)*")
_NUMBER = r"\d[\w–/-]*"
_COUNTERPARTS = re.compile(
    rf" and its counterparts? (?:for|numbered) (?:(?:, and |, | and )?(?:the )?{_NUMBER})+"
    rf"| ?及其 ?{_NUMBER}(?:、 ?{_NUMBER})* ?的同类页面"
)
_LAST = re.compile(r" ?(?:to |到)“([^”]+)”(?:的同类页面)?(?: ?[(（]([^()（）]*)[)）])?")
_STEPS = {"second": 2, "third": 3, "fourth": 4, "两": 2, "三": 3, "四": 4}
_SLOT = re.compile(r"(?<![\w,.])\d+(?:[–/-]\d{2,4}\b)?(?:st|nd|rd|th)?(?!\w)")
_YEAR = re.compile(r"(?:1\d|20)\d\d(?:[–/-]\d{2,4})?")
_EXAMPLE = re.compile(r"(?P<what>.*?)(?:, such as |，例如 ?)(?P<example>.+?)(?:\.(?= [A-Z]|$)|。)")
_PAIR = re.compile(r"one row for each pair of .+? and (.+?)\.(?: |$)|每个 .+? 和 (.+?) 的组合")

_FROM_PAGES = re.compile(r"\bTake ([^.]+?) from each entry's own page|([^。]+?) ?请从每一项自己的页面")
_LEFT_OUT = re.compile(r"\bLeave out every entry that has no such page\b|没有这样的页面，[^。]*不要列入")


@dataclass(frozen=True, slots=True)
class ListName:
    """A list, or several lists of one page, as a question or a subtask names them.

    Args:
        title: The title of the page.
        section: The name of the list on the page. It is empty for all lists of the page.
        heading: Whether `section` is a heading, and all lists below it count.
        unsure: Whether the page may not exist.
        part: The number of the part to read, from 1, if the lists are divided in order into `parts` equal parts.
        url: The address from which to read the list. "" if the list must be found first.
    """

    title: str
    section: str = ""
    heading: bool = False
    unsure: bool = False
    part: int = 1
    parts: int = 1
    url: str = ""

    def split(self, parts: int) -> list[ListName]:
        """The same lists in equal parts."""
        before = (self.part - 1) * parts
        return [replace(self, part=before + n, parts=self.parts * parts) for n in range(1, parts + 1)]


@dataclass(frozen=True, slots=True)
class Lists:
    """What a question says about its lists.

    Args:
        names: The lists, in order.
        heading: The heading that the question names, or "".
        edition: The column of the answer that says from which list a row comes, or "".
        example: The value of this column for the first list, if the column has a part of the page's title. "" if the
            column has the name of the list.
        second: The column of the lists that tells rows of the same name apart, or "".
        given: The columns that the page of each entry must give. An entry without such a page, or whose page lacks a
            value, does not count.
    """

    names: tuple[ListName, ...]
    heading: str = ""
    edition: str = ""
    example: str = ""
    second: str = ""
    given: tuple[str, ...] = ()

    def edition_of(self, title: str, section: str) -> str:
        """What the column `edition` says for the list called `section` on the page called `title`."""
        if not self.example:
            return below(section, self.heading)
        before, _, after = self.names[0].title.partition(self.example)
        if len(title) < len(before + after) or not (title.startswith(before) and title.endswith(after)):
            return title
        return title[len(before) : len(title) - len(after)]


def below(section: str, heading: str) -> str:
    """The name of a list without the heading above it."""
    start = heading + HEADING
    return section.removeprefix(start) if heading else section


@lru_cache(maxsize=256)
def read_lists(text: str, columns: tuple[str, ...]) -> Lists | None:
    """The lists that the question `text` names. None if it names no page, or only one list.

    `columns` are the columns of the answer.
    """
    body = text.partition("\n")[0]
    pages = _PAGES.search(body)
    named = _NAMES.match(body, pages.end()) if pages else None
    if pages is None or named is None:
        return None
    titles = tuple(_QUOTED.findall(named[0]))
    rest = body[named.end() :]
    unsure = False
    if pages["span"] or pages["zh_span"]:
        last = _LAST.match(rest)
        if last is None:
            return None
        titles, unsure = _between(titles[0], last[1], last[2] or "")
        rest = rest[last.end() :]
    elif match := _COUNTERPARTS.match(rest):
        values = re.findall(_NUMBER, match[0])
        titles = (titles[0], *(_with_number(titles[0], value) for value in values))
        rest = rest[match.end() :]
    chinese = pages[0].startswith("维")
    place = _place_zh(rest) if chinese else _place(body[: pages.start()])
    if place is None:
        return None
    sections, heading, under = place
    if len(titles) == 1 and len(sections) == 1 and not under:
        return None
    ends = (titles[0], titles[-1])
    names = tuple(
        ListName(title, section, under, unsure and title not in ends)
        for title in titles
        for section in sections
    )
    edition, example = _edition(body, columns)
    pair = _PAIR.search(body)
    second = (pair[1] or pair[2]) if pair else ""
    return Lists(names, heading, edition, example, second, _given(body, columns))


def _place(before: str) -> tuple[tuple[str, ...], str, bool] | None:
    """What the words before the pages say: names of lists, the heading, and whether all lists below it count."""
    if match := re.search(r"\bthe section “([^”]+)” of $", before):
        return (match[1],), "", False
    if match := re.search(r"\bthe lists (“.+”) under the heading “([^”]+)” on $", before):
        return _under(match[1], match[2]), match[2], False
    if match := re.search(r"\blists under the heading “([^”]+)” on $", before):
        return (match[1],), match[1], True
    if match := re.search(r"\bthe lists (“.+”) on $", before):
        return _under(match[1], ""), "", False
    # Without a name all lists of the pages count.
    return (("",), "", True) if re.search(r"\blists on $", before) else None


def _place_zh(after: str) -> tuple[tuple[str, ...], str, bool] | None:
    if match := re.match(r"的“([^”]+)”部分", after):
        return (match[1],), "", False
    if match := re.match(r"(?:的“([^”]+)”标题下)?的列表(“[^”]+”(?:、“[^”]+”)*)", after):
        return _under(match[2], match[1] or ""), match[1] or "", False
    if match := re.match(r"的“([^”]+)”标题下的所有列表", after):
        return (match[1],), match[1], True
    return (("",), "", True) if re.match(r"的所有列表", after) else None


def _under(quoted: str, heading: str) -> tuple[str, ...]:
    names = _QUOTED.findall(quoted)
    return tuple(name if not heading or name == heading else heading + HEADING + name for name in names)


def _edition(body: str, columns: Sequence[str]) -> tuple[str, str]:
    for column in columns[1:]:
        for opening in (f"In the column {column}, write ", f"{column} 一列填写"):
            _, found, rest = body.partition(opening)
            if found:
                match = _EXAMPLE.match(rest)
                by_title = re.search(r"\btitle\b|标题中", match["what"] if match else rest[:60])
                return column, match["example"] if match and by_title else ""
    return "", ""


def _given(body: str, columns: Sequence[str]) -> tuple[str, ...]:
    if not _LEFT_OUT.search(body):
        return ()
    match = _FROM_PAGES.search(body)
    said = (match[1] or match[2]) if match else ""
    return tuple(column for column in columns[1:] if re.search(rf"(?<!\w){re.escape(column)}(?!\w)", said))


def _with_number(title: str, value: str) -> str:
    """The title with `value` instead of its year or number: a year for a year, "41st" for "40th"."""
    is_year = _YEAR.fullmatch(value) is not None
    for slot in _SLOT.finditer(title):
        if (_YEAR.fullmatch(slot[0]) is not None) == is_year:
            return title[: slot.start()] + value + title[slot.end() :]
    return title


def _between(first: str, last: str, spacing: str) -> tuple[tuple[str, ...], bool]:
    """The titles from `first` to `last`, which differ in one year or number, and whether some may not exist."""
    slots = list(zip(_SLOT.finditer(first), _SLOT.finditer(last), strict=False))
    slot = next(((a, b) for a, b in slots if a[0] != b[0]), None)
    if slot is None:
        return (first, last), False
    here = slot[0]
    start, end = (int(re.findall(r"\d+", match[0])[0]) for match in slot)
    unsure = re.search(r"\bsome\b|部分", spacing) is not None
    step = next((step for word, step in _STEPS.items() if word in spacing), 1)
    numbers = range(start + step, end, step)[:MOST_PAGES]
    between = (first[: here.start()] + _like(here[0], n) + first[here.end() :] for n in numbers)
    return (first, *between, last), unsure


def _like(text: str, number: int) -> str:
    """`number` in the form of `text`: "2011–12" like "2010–11", "42nd" like "41st"."""
    if match := re.fullmatch(r"\d{4}([–/-])(\d+)", text):
        later = str(number + 1)
        return f"{number}{match[1]}{later[2:] if len(match[2]) == 2 and later[2:] != '00' else later}"
    if text.isdigit():
        return str(number)
    ending = "th" if number % 100 in (11, 12, 13) else {1: "st", 2: "nd", 3: "rd"}.get(number % 10, "th")
    return f"{number}{ending}"
