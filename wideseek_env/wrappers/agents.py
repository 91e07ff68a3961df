"""The symbolic agents: their knowledge and the meaning of their actions. An agent knows only facts from its own
conversation.

A `SymbolicAgent` belongs to one conversation. `hear` reads the text that an action returned. `do` turns an action into
the message that the agent writes, or None if the action only changes the notes and uses no turn. `legal` marks the
possible actions in a mask. `describe` writes the observation. The mask excludes only impossible actions: there is no
such entity, no such result, or no turn left for the answer of a tool. Bad but possible actions are not excluded.
"""

from __future__ import annotations

import json
import math
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from wideseek_env.task import Table
from wideseek_env.wrappers.layout import Choice, Layout
from wideseek_env.wrappers.reading import Question, grids

Mask = NDArray[np.int8]
Parts = dict[str, NDArray[np.float32]]

FIND = "Find the list: "
LOOK_UP = "Look up for each of these:"
COLUMNS = "Report one Markdown table with the columns "
"""These three texts are the two possible beginnings of a subtask that the lead writes, and the beginning of its last
line. `wideseek_env.wrappers.searching` reads them."""


class SymbolicAgent(Protocol):
    """One agent in one conversation, with its knowledge. `notes` has the values that the agent has noted, by entity and
    attribute."""

    notes: dict[str, dict[str, str]]

    def hear(self, text: str) -> None:
        """Read the answer to the last message."""
        ...

    def do(self, choice: Choice) -> str | None:
        """The message of a legal action, or None when the action uses no turn."""
        ...

    def legal(self, mask: Mask, turns_left: int) -> None:
        """Set the possible actions in a mask of zeros."""
        ...

    def describe(self, parts: Parts) -> None:
        """Fill the parts of an observation of zeros. The caller fills the numbers `acting` and `turns_left`."""
        ...


def call(name: str, **arguments: object) -> str:
    """A message that makes one tool call."""
    return (
        f"<tool_call>\n{json.dumps({'name': name, 'arguments': arguments}, ensure_ascii=False)}\n</tool_call>"
    )


def table(header: tuple[str, ...], rows: list[tuple[str, ...]]) -> str:
    """A Markdown table."""
    return Table(header, tuple(rows)).to_markdown()


class SymbolicLead:
    """The lead: the agent that lets a subagent find the list, delegates the rows of the list, and answers with the
    reported values. `width` is the number of subagents that one delegation may start, if it is less than in the
    layout."""

    def __init__(self, layout: Layout, question: Question, width: int | None = None) -> None:
        self.layout, self.question = layout, question
        self.width = min(layout.width, width if width is not None else layout.width)
        self.notes: dict[str, dict[str, str]] = {}
        self.given: dict[str, int] = {}
        """The number of times that each entity was delegated."""

    def hear(self, text: str) -> None:
        """Read reports: tables whose first column is the key."""
        for grid in grids(text):
            if grid.header[0] != self.question.key:
                continue
            for name, *cells in grid.rows:
                if name and (name in self.notes or len(self.notes) < self.layout.max_entities):
                    found = zip(grid.header[1:], cells, strict=True)
                    self.notes.setdefault(name, {}).update({label: cell for label, cell in found if cell})

    def open_entities(self) -> list[str]:
        """The entities with missing attributes, except those that fail a condition. The entities that were delegated
        least often are first."""
        wanted = self.question.attributes
        names = [
            name
            for name, values in self.notes.items()
            if not all(label in values for label in wanted) and not self.question.excludes(values)
        ]
        return sorted(names, key=lambda name: self.given.get(name, 0))

    def _chunk(self, share: int) -> list[str]:
        names = self.open_entities()
        return names[: math.ceil(self.layout.chunks[share] * len(names))]

    def do(self, choice: Choice) -> str | None:
        """The message of a legal action. The lead's actions are to find the list, to delegate and to answer."""
        question = self.question
        if choice.verb == "find":
            return call("delegate", subtasks=[f"{FIND}{question.subject}\n{COLUMNS}{_line((question.key,))}"])
        if choice.verb == "delegate":
            names, parts = self._chunk(choice.first), choice.second + 1
            for name in names:
                self.given[name] = self.given.get(name, 0) + 1
            columns = _line((question.key, *question.attributes))
            shares = [names[len(names) * n // parts : len(names) * (n + 1) // parts] for n in range(parts)]
            return call(
                "delegate",
                subtasks=[
                    "\n".join([LOOK_UP, *(f"- {name}" for name in share), f"{COLUMNS}{columns}"])
                    for share in shares
                ],
            )
        rows = [
            (name, *(values.get(label, "") for label in question.columns[1:]))
            for name, values in self.notes.items()
            if not question.excludes(values)
        ]
        return f"```markdown\n{table(question.columns, rows)}\n```"

    def legal(self, mask: Mask, turns_left: int) -> None:
        """Set the possible actions in a mask of zeros. A delegation needs at least one open row for each subagent."""
        layout = self.layout
        mask[layout.action("answer")] = 1
        if turns_left < 2:
            return
        mask[layout.action("find")] = 1
        for share in range(len(layout.chunks)):
            most = min(self.width, len(self._chunk(share)))
            mask[layout.action("delegate", share) : layout.action("delegate", share) + most] = 1

    def describe(self, parts: Parts) -> None:
        """Fill the parts of an observation of zeros. The caller fills the numbers `acting` and `turns_left`."""
        wanted = self.question.attributes
        parts["status"][0] = 1
        parts["attributes"][: len(wanted), 0] = 1
        for place, (name, values) in enumerate(self.notes.items()):
            complete = all(label in values for label in wanted)
            tries = min(1.0, self.given.get(name, 0) / 3)
            parts["entities"][place] = (1, complete, self.question.excludes(values), tries)
            parts["cells"][place, : len(wanted), 0] = [label in values for label in wanted]


def _line(columns: tuple[str, ...]) -> str:
    return f"| {' | '.join(columns)} |"
