"""The source of a value in the answer: the tool result that contains it, and the page that the result shows.

A value is searched as whole words, without regard to case, markup and thousands separators. Short values occur in many
places. So results are ranked by how closely they connect the value to its row (`Kind`). Of equally close results, the
first one counts. Each hit of a search is one passage, and a page is one passage.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from wideseek_env.scoring.text import is_empty, squash
from wideseek_env.viewer.timeline import Request, Timeline

Kind = Literal["about", "near", "other", "alone"]
"""How closely a passage connects a value to its row.

* `about`: the title of the passage is the row's key, or one line has both the key and the value.
* `near`: the passage has the key in another line.
* `other`: the passage has another cell of the row.
* `alone`: the passage has only the value.
"""

_GROUPING = re.compile(r"(?<=\d)[, ](?=\d{3}(?!\d))")
_HIT = re.compile(r"^\d+\. \[(.*)\]\((\S+)\)$", re.MULTILINE)
_TITLE = re.compile(r"Title: (.*)")
_SHORT = 3  # a cell below this length is too short to connect a passage to its row


@dataclass(frozen=True, slots=True)
class Found:
    """The result in which a value was found: its number in the order of results, and its page ("" if unknown)."""

    result: int
    page: str
    kind: Kind


@dataclass(frozen=True, slots=True)
class _Passage:
    """A page or one hit of a search: normal forms of its title and of its lines, joined by line breaks."""

    result: int
    page: str
    title: str
    text: str
    links: str


class Results:
    """All tool results of an episode, searchable by value."""

    def __init__(self, timeline: Timeline) -> None:
        self._passages = [
            passage
            for number, (_, request) in enumerate(timeline.requests())
            if request.ok
            for passage in _passages(number, request)
        ]
        self._holding: dict[str, list[int]] = {}

    def find(self, value: str, keys: Sequence[str] = (), others: Sequence[str] = ()) -> Found | None:
        """The source of `value`, for a cell whose row has these `keys` and other cells.

        None if no result has the value.

        If the value is a key of the row, `keys` is empty. In this case, the first result that has the value counts, as
        "about".
        """
        held = self._with(value)
        if not held:
            return None
        names = [form for key in keys if (form := _form(key))]
        if not names:
            return self._found(held[0], "about")
        form = _form(value)
        near: int | None = None
        for at in held:
            passage = self._passages[at]
            # A value that is part of the key ("Honholm" in "Winter in Honholm") must also occur outside the key.
            text = passage.text
            for name in names:
                if form in name:
                    text = text.replace(name, "\x00")
            if text is not passage.text and not contains(text, form):
                continue
            if all(contains(passage.title, name) for name in names) or _on_a_line(
                passage.text, text, form, names
            ):
                return self._found(at, "about")
            if near is None and all(contains(passage.text, name) for name in names):
                near = at
        if near is not None:
            return self._found(near, "near")
        beside = [form for cell in others if len(cell) >= _SHORT and cell != value and (form := _form(cell))]
        for part in ("title", "text"):
            for at in held:
                if any(contains(getattr(self._passages[at], part), cell) for cell in beside):
                    return self._found(at, "other")
        return self._found(held[0], "alone")

    def _found(self, at: int, kind: Kind) -> Found:
        passage = self._passages[at]
        return Found(passage.result, passage.page, kind)

    def _with(self, value: str) -> list[int]:
        """The indices of the passages that contain `value`, in order."""
        known = self._holding.get(value)
        if known is None:
            known = []
            if "://" in value:  # addresses are in links, which the plain text does not contain
                link = value.strip().lower()
                known = [at for at, each in enumerate(self._passages) if contains(each.links, link)]
            elif not is_empty(value) and (form := _form(value)):
                known = [at for at, each in enumerate(self._passages) if contains(each.text, form)]
            self._holding[value] = known
        return known


def contains(text: str, words: str) -> bool:
    """Whether `words` occur in `text` as whole words. Both must be in normal form."""
    at = text.find(words)
    while at >= 0:
        end = at + len(words)
        if not (_joined(text[at - 1 : at], words[0]) or _joined(words[-1], text[end : end + 1])):
            return True
        at = text.find(words, at + 1)
    return False


def _passages(number: int, request: Request) -> list[_Passage]:
    url = request.arguments.get("url")
    hits = [] if isinstance(url, str) else list(_HIT.finditer(request.text))
    if not hits:
        title = _TITLE.match(request.text)
        page = url if isinstance(url, str) else ""
        return [_passage(number, page, title[1] if title else "", request.text)]
    ends = [hit.start() for hit in hits[1:]] + [len(request.text)]
    return [
        _passage(number, hit[2], hit[1], request.text[hit.start() : end])
        for hit, end in zip(hits, ends, strict=True)
    ]


def _passage(number: int, page: str, title: str, text: str) -> _Passage:
    lines = "\n".join(map(_form, text.splitlines()))
    return _Passage(number, page, _form(title), lines, text.lower())


def _on_a_line(text: str, masked: str, form: str, names: Sequence[str]) -> bool:
    """Whether one line has the keys, and the value outside the keys."""
    return any(
        contains(own, form) and all(contains(line, name) for name in names)
        for line, own in zip(text.split("\n"), masked.split("\n"), strict=True)
        if form in own
    )


def _form(text: str) -> str:
    return _GROUPING.sub("", squash(text)).strip(" .,;*")


def _joined(left: str, right: str) -> bool:
    """Whether two neighbouring characters belong to one word. In Chinese and Japanese, spaces do not separate words."""
    return bool(left and right) and left.isalnum() and right.isalnum() and max(left, right) < "\u2e80"
