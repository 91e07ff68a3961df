"""`History` finds the requests and their answers in an agent's conversation."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

from wideseek_baselines.scripted.toolbox import Request, Toolbox
from wideseek_env.messages import Message

_NOTICE = re.compile(r"\n\n\[[^\[\]\n]*\d+[^\[\]\n]*\d+[^\[\]\n]*\]\s*$")
_SHOWN = 300
"""The number of characters of a query, address or subtask that a heading repeats on one line. Under some protocols, a
heading repeats the whole text."""


class Exchange(NamedTuple):
    """A request and its answer. The answer is "" if the request was refused or the results have no text for it."""

    request: Request
    answer: str


@dataclass(frozen=True, slots=True)
class History:
    """An agent's task, and for each turn its requests and their answers."""

    task: str
    turns: tuple[tuple[Exchange, ...], ...]
    length: int
    """The number of characters of the whole conversation."""

    @classmethod
    def of(cls, messages: Sequence[Message], toolbox: Toolbox) -> History:
        """Pair the calls in the agent's messages with the results that follow them."""
        task = next((str(m["content"]) for m in messages if m["role"] == "user"), "")
        turns: list[tuple[Exchange, ...]] = []
        requests: list[Request] | None = None
        heard: list[str] = []
        length = 0
        for message in messages:
            length += len(message["content"])
            if message["role"] == "assistant":
                if requests is not None:
                    turns.append(_pair(requests, "\n\n".join(heard)))
                requests, heard = toolbox.read(message), []
            elif requests is not None:
                heard.append(str(message["content"]))
        if requests is not None:
            turns.append(_pair(requests, "\n\n".join(heard)))
        return cls(task, tuple(turns), length)

    @property
    def exchanges(self) -> list[Exchange]:
        """All requests and answers, in order."""
        return [exchange for turn in self.turns for exchange in turn]


def untried(requests: list[Request], history: History) -> list[Request]:
    """The requests that the agent has made less than twice. So it repeats a refused request once."""
    made = [(e.request.kind, e.request.text, e.request.chunk) for e in history.exchanges]
    return [r for r in requests if made.count((r.kind, r.text, r.chunk)) < 2]


def _pair(requests: Sequence[Request], text: str) -> tuple[Exchange, ...]:
    """Find the heading of each request, in order. The text up to the next heading is its answer."""
    text = _NOTICE.sub("", text)
    places: list[tuple[int, int] | None] = []
    position = 0
    for number, request in enumerate(requests, 1):
        line = " ".join(request.text.split())[:_SHOWN]
        shown = f"(?:{re.escape(request.text)}|{re.escape(line)})"
        pattern = rf"^# [^\n:：]{{1,40}}[:：] ?{shown}[ \t]*$"
        if request.kind == "delegate":  # "# Report 2 on: …"
            pattern = rf"^# [^\n\d]{{1,20}}{number}[^\n:：]{{0,20}}[:：] ?{shown}[ \t]*$"
        match = re.compile(pattern, re.MULTILINE).search(text, position)
        places.append(match.span() if match else None)
        position = match.end() if match else position
    starts = [place[0] for place in places if place] + [len(text)]
    exchanges = []
    found = 0
    for request, place in zip(requests, places, strict=True):
        found += place is not None
        exchanges.append(Exchange(request, text[place[1] : starts[found]].strip() if place else ""))
    return tuple(exchanges)
