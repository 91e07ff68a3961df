"""Finds the value of a column on a page: first in the page's infobox, then in its sentences.

If the infobox has a label for the column, its value is taken. Otherwise the value comes from a sentence that names the
attribute ("its floor area is …", "founded in …"). If there is no such sentence and the page has no infobox, the
patterns of `wideseek_baselines.scripted.prose` are tried.
"""

from __future__ import annotations

import re

from wideseek_baselines.scripted.pages import Cell, Page
from wideseek_baselines.scripted.prose import Subject, say
from wideseek_baselines.scripted.words import plain
from wideseek_env.byte_cache import short_cache

_SENTENCE = re.compile(r"(?<=[.!?])\s+(?=[“\"A-Z])")
_LONGEST = 80
NOTHING = Cell("", "")


def value_of(page: Page, column: str) -> Cell:
    """The value of `column` on `page`. An empty cell if the page does not give the value clearly."""
    if page.failed:
        return NOTHING
    found = page.box.get(column.casefold())
    if found is not None and found.text:
        return found
    told = _told(page.text, column, bool(page.box))
    if not told and not page.box:
        told = say(Subject(page.title, page.text, column))
    return Cell(told, page.links.get(told, ""))


@short_cache(512, 300)
def _patterns(column: str) -> tuple[re.Pattern[str], re.Pattern[str]]:
    label = re.escape(column.casefold())
    link = r"(?:is|was|are|were|at|on|in|of)"
    value = rf"(?P<value>[^;]{{1,{_LONGEST}}}?)(?:;.*)?[.!?]?$"
    owner = r"(?:its|their|his|her|the [\w-]+['’]s)"
    strict = rf"\b{owner} {label} (?:is|was|are|were|at) {value}"
    loose = rf"\b{label}\b.*?\b{link} {value}"
    return re.compile(strict, re.IGNORECASE), re.compile(loose, re.IGNORECASE)


def _told(text: str, column: str, structured: bool) -> str:
    """The value in a sentence that names the attribute and ends with it.

    If the page has an infobox (`structured`), any sentence that names the attribute counts. Otherwise the sentence must
    also make clear that the attribute is that of the page's subject, as in "its floor area".
    """
    label = column.casefold()
    if label not in text.casefold():
        return ""
    strict, loose = _patterns(column)
    sentences = [s for line in text.split("\n") for s in _SENTENCE.split(line) if label in s.casefold()]
    for pattern in (strict, loose) if structured else (strict,):
        for sentence in sentences:
            match = pattern.search(sentence)
            if match and plain(match["value"]) and plain(match["value"]) != plain(column):
                return match["value"].strip().rstrip(".")
    return ""
