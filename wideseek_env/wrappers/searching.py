"""The symbolic subagents, of two kinds. One kind finds a list. The other kind looks up the attributes of rows."""

from __future__ import annotations

import re
import zlib

from wideseek_env.byte_cache import short_cache
from wideseek_env.wrappers.agents import COLUMNS, FIND, Mask, Parts, call, table
from wideseek_env.wrappers.layout import HOSTS, Choice, Layout
from wideseek_env.wrappers.reading import Hit, PageView, Reader

_CHAIN = " of "


class SymbolicSubagent:
    """The common part of both kinds of subagents: the search results, the open page and the URLs seen so far."""

    def __init__(self, layout: Layout, reader: Reader) -> None:
        self.layout, self.reader = layout, reader
        self.notes: dict[str, dict[str, str]] = {}
        self.hits: list[Hit] = []
        self.page: PageView | None = None
        self.opened: set[str] = set()
        self.remarks: list[str] = []
        self._expect = ""

    def hear(self, text: str) -> None:
        """Read the answer of the last search or browse, without its heading and the notice of turns."""
        body = text.partition("\n")[2].rpartition("\n\n[")[0]
        if self._expect == "search":
            self.hits = list(self.reader.hits(body))[: self.layout.max_results]
            self.page = None
        elif self._expect == "browse":
            self.page = self.reader.page(body)
        self._expect = ""

    def _search(self, query: str) -> str:
        self._expect = "search"
        return self._said(call("search", query=query, count=self.layout.max_results))

    def _browse(self, url: str) -> str:
        self._expect = "browse"
        self.opened.add(url)
        return self._said(call("browse", url=url))

    def _said(self, message: str) -> str:
        """`message` after the notes that the agent made since its last message."""
        text = "\n".join([*self.remarks, message])
        self.remarks = []
        return text

    def _legal_results(self, mask: Mask) -> None:
        first = self.layout.action("open")
        mask[first : first + len(self.hits)] = 1

    def _describe_results(self, parts: Parts, sought: str, label: str) -> None:
        status, page = parts["status"], self.page
        status[1] = 1
        status[6], status[7] = bool(self.hits), page is not None
        if page is not None:
            room = self.layout.max_entities
            new = sum(name not in self.notes for name in page.entries)
            parts["page"][:] = (
                likeness(page.title, sought),
                min(1.0, len(page.entries) / room),
                min(1.0, new / room),
                bool(page.next_url),
            )
        for place, hit in enumerate(self.hits):
            row = parts["results"][place]
            like = likeness(hit.title, sought)
            row[:5] = (
                1,
                like,
                like == 1,
                bool(label) and label in hit.snippet.casefold(),
                hit.url in self.opened,
            )
            row[5 + host_bucket(hit.url)] = 1


class FindAgent(SymbolicSubagent):
    """A subagent that finds the list of rows. `notes` has the entries that the agent took from pages, without
    values."""

    def __init__(self, layout: Layout, reader: Reader, subject: str, key: str) -> None:
        super().__init__(layout, reader)
        self.subject, self.key = subject, key

    def do(self, choice: Choice) -> str | None:
        """The message of a legal action, or None when the action uses no turn."""
        if choice.verb == "search_list":
            return self._search(f"List of {self.subject}")
        if choice.verb == "open":
            return self._browse(self.hits[choice.first].url)
        if choice.verb == "report":
            return self._said(table((self.key,), [(name,) for name in self.notes]))
        assert self.page is not None, "the mask leaves out what needs a page"
        if choice.verb == "follow":
            return self._browse(self.page.next_url)
        new = [name for name in self.page.entries if name not in self.notes]
        for name in new[: self.layout.max_entities - len(self.notes)]:
            self.notes[name] = {}
        self.remarks.append(f"Noted {len(self.notes)} entries, the last from {self.page.title}.")
        return None

    def legal(self, mask: Mask, turns_left: int) -> None:
        """Set the possible actions in a mask of zeros."""
        layout, page = self.layout, self.page
        mask[layout.action("report")] = 1
        room = len(self.notes) < layout.max_entities
        if page is not None and room and any(name not in self.notes for name in page.entries):
            mask[layout.action("take", layout.max_attributes)] = 1
        if turns_left < 2:
            return
        mask[layout.action("search_list")] = 1
        self._legal_results(mask)
        if page is not None and page.next_url:
            mask[layout.action("follow", layout.max_attributes)] = 1

    def describe(self, parts: Parts) -> None:
        """Fill the parts of an observation of zeros. The caller fills the numbers `acting` and `turns_left`."""
        parts["status"][4] = 1
        parts["entities"][: len(self.notes), 0] = 1
        self._describe_results(parts, self.subject, "")


class LookUpAgent(SymbolicSubagent):
    """A subagent that looks up the attributes of its share of the rows."""

    def __init__(self, layout: Layout, reader: Reader, header: tuple[str, ...], names: list[str]) -> None:
        super().__init__(layout, reader)
        self.header, self.wanted = header, header[1:]
        self.notes = {name: {} for name in names[: layout.max_entities]}
        self.searched: set[tuple[str, int]] = set()
        self.current, self.label = "", ""
        """The entity and the attribute of the last search."""
        self._via: tuple[int, int] | None = None
        """The attribute whose link led to the open page, and the number of links followed."""

    def _step(self, attribute: int) -> tuple[str, str, bool]:
        """The value and link of an attribute on the open page, and whether this is the last step of its chain.

        A column "B of a" is a chain of two steps: first the link of attribute a, then attribute B on the page that this
        link leads to.
        """
        if self.page is None:
            return ("", "", True)
        labels = self.wanted[attribute].split(_CHAIN)[::-1]
        depth = 0
        if self._via is not None:
            via, depth = self._via
            if via != attribute:
                return ("", "", True)
        last = depth == len(labels) - 1
        return (*self.page.value(labels[depth]), last)

    def hear(self, text: str) -> None:
        """Read the answer to the last message."""
        searched = self._expect == "search"
        super().hear(text)
        if searched:
            self._via = None

    def do(self, choice: Choice) -> str | None:
        """The message of a legal action, or None when the action uses no turn."""
        if choice.verb == "search":
            self.current, self.label = list(self.notes)[choice.first], self.wanted[choice.second]
            self.searched.add((self.current, choice.second))
            return self._search(f"{self.current} {self.label}")
        if choice.verb == "open":
            self._via = None
            return self._browse(self.hits[choice.first].url)
        if choice.verb == "report":
            rows = [(name, *(values.get(a, "") for a in self.wanted)) for name, values in self.notes.items()]
            return self._said(table(self.header, rows))
        value, link, _ = self._step(choice.first)
        if choice.verb == "follow":
            self._via = (choice.first, self._via[1] + 1 if self._via else 1)
            return self._browse(link)
        self.notes[self.current][self.wanted[choice.first]] = value
        self.remarks.append(f"Noted of {self.current}: {self.wanted[choice.first]} is {value}.")
        return None

    def legal(self, mask: Mask, turns_left: int) -> None:
        """Set the possible actions in a mask of zeros. The agent cannot note a value twice."""
        layout = self.layout
        mask[layout.action("report")] = 1
        for attribute, label in enumerate(self.wanted):
            value, link, last = self._step(attribute)
            if last and value and self.notes[self.current].get(label) != value:
                mask[layout.action("take", attribute)] = 1
            if not last and link and turns_left > 1:
                mask[layout.action("follow", attribute)] = 1
        if turns_left < 2:
            return
        for place in range(len(self.notes)):
            first = layout.action("search", place)
            mask[first : first + len(self.wanted)] = 1
        self._legal_results(mask)

    def describe(self, parts: Parts) -> None:
        """Fill the parts of an observation of zeros. The caller fills the numbers `acting` and `turns_left`."""
        parts["status"][5] = 1
        for attribute in range(len(self.wanted)):
            value, link, last = self._step(attribute)
            parts["attributes"][attribute] = (1, last and bool(value), not last and bool(link))
        for place, (name, values) in enumerate(self.notes.items()):
            tried = [(name, attribute) in self.searched for attribute in range(len(self.wanted))]
            known = [label in values for label in self.wanted]
            parts["entities"][place] = (1, all(known), name == self.current, min(1.0, sum(tried) / 3))
            parts["cells"][place, : len(known), 0] = known
            parts["cells"][place, : len(known), 1] = tried
        self._describe_results(parts, self.current, self.label.casefold())


def subagent_for(layout: Layout, reader: Reader, subtask: str) -> FindAgent | LookUpAgent:
    """The agent for a subtask that a `SymbolicLead` wrote. The text of the subtask decides its kind."""
    head, *lines = subtask.split("\n")
    last = lines[-1].removeprefix(COLUMNS).strip("| ")
    header = tuple(name.strip() for name in last.split(" | "))
    if head.startswith(FIND):
        return FindAgent(layout, reader, head.removeprefix(FIND), header[0])
    return LookUpAgent(layout, reader, header, [line.removeprefix("- ") for line in lines[:-1]])


@short_cache(65_536, 300)
def likeness(title: str, sought: str) -> float:
    """The share of words that two names have in common. The words "List of" are ignored."""
    one, other = _words(title.removeprefix("List of ")), _words(sought)
    return len(one & other) / len(one | other) if one and other else 0.0


@short_cache(4096, 2000)
def host_bucket(url: str) -> int:
    """A number below `HOSTS` for the host of a URL, the same in every process."""
    return zlib.crc32(url.partition("://")[2].partition("/")[0].encode()) % HOSTS


def _words(text: str) -> frozenset[str]:
    return frozenset(re.findall(r"\w+", text.casefold()))
