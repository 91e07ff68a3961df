"""Turns clean markup into blocks, in one pass over its tags and without recursion."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Literal

from wideseek_env.pages.inline import BREAK, Urls, href_of, link, unescape, write_links
from wideseek_env.pages.layout import CELL, ROW, ROW_END, is_layout
from wideseek_env.pages.links import Resolver
from wideseek_env.pages.neutral import is_harmless, neutralise
from wideseek_env.pages.numerals import numeral
from wideseek_env.pages.tables import Grid, RawTable, TableRow, to_grid
from wideseek_env.timeouts import check_time

_BLOCKS = frozenset(
    "address article aside body center details div dl fieldset figcaption figure form header hgroup html legend "
    "main p search section summary".split()
)
_HEADINGS = {f"h{level}": level for level in range(1, 7)}
_LAYOUT_DEPTH = 6  # for tables nested deeper than this, the purpose is not checked
_DEEPEST_ITEM = 8
_TOKENS = 4096  # between two looks at the clock

_TOKEN = re.compile(rf"<({ROW}|!--.*?--|[^>]*+)>", re.DOTALL)
_START = re.compile(r' start="\s*+([+-]?\d{1,9})')
_VALUE = re.compile(r' value="\s*+([+-]?\d{1,9})')
_STYLE = re.compile(r' type="([aAiI])"')
_COLUMNS = re.compile(r' colspan="\s*+\+?(\d{1,9})')
_ROWS = re.compile(r' rowspan="\s*+\+?(\d{1,9})')

Kind = Literal["heading", "paragraph", "item", "table", "code"]


@dataclass(slots=True)
class Block:
    """One piece of a page. `level` is the level of a heading or the depth of a list item. `mark` is the marker of a
    list item."""

    kind: Kind
    text: str = ""
    level: int = 0
    mark: str = ""
    grid: Grid | None = None


@dataclass(slots=True)
class _List:
    """A list that is being read: the number of its next item, the step to the item after that, and the kind of its
    numbers ("a", "A", "i", "I" or "1")."""

    ordered: bool
    number: int
    step: int = 1
    style: str = "1"


@dataclass(slots=True)
class _Table:
    """A table that is being read. If `layout` is True, the table only arranges other content and is not written as a
    table."""

    layout: bool
    raw: RawTable = field(default_factory=RawTable)


class Walker:
    """Collects the blocks of one page."""

    def __init__(self, resolver: Resolver) -> None:
        self.blocks: list[Block] = []
        self._urls = Urls(resolver)
        self._tokens: list[str] = []
        self._clean: Callable[[str], str] = unescape
        self._text: list[str] = []
        self._lists: list[_List] = []
        self._tables: list[_Table] = []
        self._cells = 0  # the number of open data cells and captions
        self._pre = 0
        self._quotes = 0
        self._mark: str | None = None  # the marker of a list item that has no text yet
        self._links: list[tuple[int, str]] = []

    def walk(self, markup: str) -> list[Block]:
        """The blocks of some clean markup, in order."""
        markup = write_links(markup.replace("<br>", BREAK), self._urls)
        if not is_harmless(markup):
            self._clean = _neutralised
        parts = _TOKEN.split(markup)
        self._text.append(parts[0])
        self._tokens = parts[1::2]
        open_: list[str] = []
        for number, (token, text) in enumerate(zip(self._tokens, parts[2::2], strict=True)):
            if not number % _TOKENS:
                check_time()
            if token[:1] == "/":
                if open_ and (left := open_.pop()):
                    self._leave(left)
            elif token.endswith(ROW_END):
                self._row(token)
            elif (entered := self._enter(token, number)) is not None:
                open_.append(entered)
            if text and (self._text or not text.isspace() or self._pre or self._links):
                self._text.append(text)
        while open_:
            self._leave(open_.pop())
        self._flush()
        return self.blocks

    def _row(self, token: str) -> None:
        """Read a row of cells that contain only text."""
        cells = CELL.findall(token)
        texts = [" ".join(text.split()) for _, _, text in cells]
        if self._cells:
            self._text.append(f" {' '.join(texts)} ")
            return
        if not self._tables or self._tables[-1].layout:
            for _, _, text in cells:
                self._flush()
                self._text.append(text)
            self._flush()
            return
        if "&" in token or self._clean is not unescape:
            texts = [self._clean(text) for text in texts]
        row = TableRow(texts, [kind == "h" for kind, _, _ in cells])
        if "span=" in token:
            for place, (_, attributes, _) in enumerate(cells):
                _note_spans(row, place, attributes)
        groups = self._tables[-1].raw.groups
        if not groups:
            groups.append([])
        groups[-1].append(row)
        self._text = []

    def _enter(self, token: str, number: int) -> str | None:
        """Note that an element begins. Returns the name of the end tag, or None when the element has no end tag."""
        tag = token.partition(" ")[0] if token[:1] != "!" else "!--"
        if tag == "br":
            self._text.append(BREAK)
            return None
        if tag == "!--":
            return None
        if tag == "a":
            self._links.append((len(self._text), self._urls[href_of(token)]))
            return "a"
        if self._cells:
            # A cell is one line, so tags of blocks only separate words in it.
            self._text.append(" ")
            return "space" if tag != "hr" else None
        if tag in _BLOCKS:
            if self._text:
                self._flush()
            return "block"
        if tag == "td" or tag == "th":
            return self._enter_cell(tag, token)
        if tag in ("tr", "tbody", "thead", "tfoot"):
            if not self._tables or self._tables[-1].layout:
                self._flush()
                return "block"
            raw = self._tables[-1].raw
            groups = raw.groups
            if tag == "thead" and raw.head is None:
                raw.head = len(groups)
            elif tag == "tfoot" and raw.foot is None:
                raw.foot = len(groups)
            if tag != "tr" or not groups:
                groups.append([])
            if tag == "tr":
                groups[-1].append(TableRow())
            return ""
        if tag == "table":
            self._flush()
            layout = len(self._tables) >= _LAYOUT_DEPTH or is_layout(self._tokens, number)
            self._tables.append(_Table(layout))
            return "table"
        return self._enter_text(tag, token)

    def _enter_text(self, tag: str, token: str) -> str | None:
        if tag in _HEADINGS:
            self._flush()
            return tag
        if tag == "li":
            self._flush()
            if self._lists and (current := self._lists[-1]).ordered:
                if "value=" in token:
                    current.number = _number(_VALUE, token, current.number)
                self._mark = f"{numeral(current.number, current.style)}. "
                current.number += current.step
            else:
                self._mark = "- "
            return "li"
        if tag == "dt" or tag == "dd":
            self._flush()
            self._mark = "" if tag == "dt" else ": "
            return "li"
        if tag == "ul" or tag == "ol":
            self._flush()
            style = _STYLE.search(token)
            step = -1 if " reversed" in token else 1
            self._lists.append(
                _List(tag == "ol", _number(_START, token, 1), step, style[1] if style else "1")
            )
            return "list"
        if tag == "pre":
            self._flush()
            self._pre += 1
            return "pre"
        if tag == "blockquote":
            self._flush()
            self._quotes += 1
            return "blockquote"
        if tag == "caption":
            self._flush()
            if self._tables and not self._tables[-1].layout:
                self._cells += 1
                return "caption"
        if tag == "hr":
            self._flush()
            return None
        return ""

    def _enter_cell(self, tag: str, token: str) -> str:
        groups = self._tables[-1].raw.groups if self._tables else []
        if not groups or not groups[-1] or self._tables[-1].layout:
            self._flush()
            return "block"
        row = groups[-1][-1]
        _note_spans(row, len(row.texts), token)
        row.texts.append("")
        row.headers.append(tag == "th")
        self._cells += 1
        self._text = []
        return "cell"

    def _leave(self, name: str) -> None:
        """Note that an element ends."""
        if name == "block":
            if self._text:
                self._flush()
        elif name == "cell":
            self._cells -= 1
            self._tables[-1].raw.groups[-1][-1].texts[-1] = self._line()
        elif name == "space":
            self._text.append(" ")
        elif name == "a":
            self._leave_link()
        elif name in _HEADINGS:
            if text := self._line():
                self.blocks.append(Block("heading", text, _HEADINGS[name]))
        elif name == "li":
            self._flush()
            self._mark = None
        elif name == "list":
            self._flush()
            self._lists.pop()
        elif name == "table":
            self._leave_table()
        elif name == "caption":
            self._cells -= 1
            self._tables[-1].raw.caption = self._line()
        elif name == "pre":
            self._flush()
            self._pre -= 1
        elif name == "blockquote":
            self._flush()
            self._quotes -= 1

    def _leave_link(self) -> None:
        start, url = self._links.pop()
        # If a block began inside the link, that block has the text already.
        if url and start < len(self._text):
            written = link("".join(self._text[start:]), url)
            if self._clean is unescape and " " not in written.strip() and not is_harmless(written):
                self._clean = _neutralised  # the brackets of the link made markup of one word: [INST](…)
            self._text[start:] = [written]

    def _leave_table(self) -> None:
        self._flush()
        table = self._tables.pop()
        if not table.layout and (grid := to_grid(table.raw)) is not None:
            self.blocks.append(Block("table", grid=grid))

    def _line(self) -> str:
        """Take the text since the last block as one line."""
        pieces = self._text
        if not pieces:
            return ""
        text = " ".join(("".join(pieces) if len(pieces) > 1 else pieces[0]).split())
        self._text = []
        return self._clean(text) if text else ""

    def _flush(self) -> None:
        """End the open paragraph, item, quotation or piece of code."""
        if not self._text:
            return
        pieces = self._text
        joined = "".join(pieces) if len(pieces) > 1 else pieces[0]
        self._text = []
        if not joined or joined.isspace():
            return
        if self._pre:
            self.blocks.append(Block("code", self._clean(joined.replace(BREAK, "\n").strip("\n"))))
            return
        if BREAK in joined:
            lines = [" ".join(line.split()) for line in joined.split(BREAK)]
            text = "\n".join([line for line in lines if line])
        else:
            text = joined.strip()
            # Most texts are one line already. It takes less time to see this than to split them.
            if "  " in text or not text.isprintable():
                text = " ".join(text.split())
        text = self._clean(text)
        item = self._mark is not None or bool(self._lists)
        if self._quotes:
            quote = "> " * min(self._quotes, 3)
            text = quote + (text if item else text.replace("\n", "\n" + quote))
        if item:
            depth = min(len(self._lists) - 1, _DEEPEST_ITEM) if self._lists else 0
            mark = "  " if self._mark is None else self._mark
            self.blocks.append(Block("item", text, depth, mark))
            self._mark = None
        else:
            self.blocks.append(Block("paragraph", text))


def _neutralised(text: str) -> str:
    return neutralise(unescape(text))


def _note_spans(row: TableRow, place: int, attributes: str) -> None:
    if "span=" in attributes:
        spans = (_number(_COLUMNS, attributes, 1) or 1, _number(_ROWS, attributes, 1))
        if spans != (1, 1):
            row.spans[place] = spans


def _number(pattern: re.Pattern[str], attributes: str, default: int) -> int:
    match = pattern.search(attributes)
    return int(match[1]) if match else default
