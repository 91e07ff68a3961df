"""`BriefTeam`: a scripted team that writes short messages, from which nano models can learn.

`ScriptedPolicy` writes for human readers, and one of its subtasks has hundreds of tokens. In this team, a subtask is
one line, and messages repeat lines that the agent has read. So a model that can copy can learn to write such messages:

- Entries and rows have numbers, so the model can find the next entry by its number.
- A subagent writes one line of notes for each column. The line repeats the start of its subtask, up to and including
  the name of this column. Then it has the value on the page.
- The lead first writes how many subagents it starts. Then it starts them and counts down to 1. So one token decides how
  many subagents there are, and the lead knows when to stop.

The team reads lists and pages of the synthetic world.
"""

from __future__ import annotations

import json
import re
import zlib
from collections.abc import Sequence

import numpy as np

from wideseek_baselines.scripted.question import read_question
from wideseek_baselines.scripted.toolbox import Toolbox
from wideseek_env.errors import ConfigError
from wideseek_env.messages import Action, Message
from wideseek_env.policy import Turn

_LIST = "List of "
_HIT = re.compile(r"^1\. \[[^\]]*\]\((\S+)\)", re.MULTILINE)
_ENTRY = re.compile(r"^(?:-|\d+\.) \[([^\]]*)\]\((\S+)\)$", re.MULTILINE)
_FOUND = re.compile(r"^\d+\. \[([^\]]*)\]$", re.MULTILINE)
_SUBTASK = re.compile(r"^(?P<entry>(?P<place>\d+)\. \[(?P<name>[^\]]*)\]): (?P<columns>.*)$")
_TITLE = re.compile(r"^# (?!Page:)(?P<name>.+)$", re.MULTILINE)
_LABELLED = re.compile(r"^\| (?P<label>[^|]+) \| (?P<value>[^|]+) \|$", re.MULTILINE)
_ROW = re.compile(r"^\| \d+ \| .* \|$", re.MULTILINE)
_LINK = re.compile(r"\[([^\]]*)\]\([^)]*\)")


class BriefTeam:
    """A scripted team: one subagent finds the list, one subagent per entry looks it up, and the lead answers with their
    rows.

    Args:
        eagerness: The probability of starting one more subagent after each subagent, if there are more entries and the
            width of the rules allows it. 1 uses the whole width. The number of subagents depends only on the seed and
            the conversation.
    """

    name = "brief"

    def __init__(self, eagerness: float = 1.0) -> None:
        if not 0 <= eagerness <= 1:
            raise ConfigError(f"eagerness must be from 0 to 1, not {eagerness}")
        self.eagerness = eagerness
        self._seed = 0

    def reset(self, seed: int) -> None:
        """Set the seed that decides the numbers of subagents."""
        self._seed = seed

    def act(self, turns: Sequence[Turn]) -> Sequence[Action]:
        """The messages of the acting agents, one for each turn."""
        return [self._message(turn) for turn in turns]

    def _message(self, turn: Turn) -> str:
        task = next(str(m["content"]) for m in turn.messages if m["role"] == "user")
        heard = [str(m["content"]) for m in turn.messages if m["role"] == "tool"]
        if turn.role == "lead":
            return self._lead(turn, task, heard)
        return _single(turn, task, heard) if turn.role == "single" else _subagent(task, heard)

    def _lead(self, turn: Turn, task: str, heard: Sequence[str]) -> str:
        question = read_question(task)
        if not heard:
            return _call("delegate", subtasks=[f"{_LIST}{question.subject}"])
        if len(heard) == 1 and turn.turns_left > 1 and (names := _FOUND.findall(heard[0])):
            prompt = str(turn.messages[0]["content"])
            width = Toolbox.of(turn.tools, prompt).width
            most = min(len(names), width)
            columns = ", ".join(question.columns[1:])
            number = self._number(most, turn.messages)
            plan = f"<think>\nGive subtasks to at most {width}: {number}\n</think>"
            numbered = reversed(list(enumerate(names[:number], 1)))
            call = _call("delegate", subtasks=[f"{place}. [{name}]: {columns}" for place, name in numbered])
            return f"{plan}\n{call}"
        return _table(question.columns, [row[0] for text in heard[1:] for row in _ROW.finditer(text)])

    def _number(self, most: int, messages: Sequence[Message]) -> int:
        said = "\n".join(str(message["content"]) for message in messages)
        random = np.random.default_rng([self._seed, zlib.crc32(said.encode())])
        number = 1
        while number < most and random.random() < self.eagerness:
            number += 1
        return number


def _subagent(task: str, heard: Sequence[str]) -> str:
    wanted = _SUBTASK.match(task)
    if not heard:
        return _call("search", query=wanted["entry"] if wanted else task)
    if len(heard) == 1 and (hit := _HIT.search(heard[0])):
        return _call("browse", url=hit[1])
    if wanted:
        columns = wanted["columns"].split(", ")
        cells = _cells(heard[-1], columns)
        notes = (
            f"{wanted['entry']}: {', '.join(columns[:number])} | {cell} |"
            for number, cell in enumerate(cells, 1)
        )
        row = _row(wanted["place"], wanted["name"], cells)
        return "\n".join(["<think>", *notes, "</think>", row])
    entries = (f"{place}. [{name}]" for place, (name, _) in enumerate(_ENTRY.findall(heard[-1]), 1))
    return "\n".join(entries) or "Nothing."


def _single(turn: Turn, task: str, heard: Sequence[str]) -> str:
    question = read_question(task)
    if turn.turns_left > 1:
        if not heard:
            return _call("search", query=f"{_LIST}{question.subject}")
        if len(heard) == 1 and (hit := _HIT.search(heard[0])):
            return _call("browse", url=hit[1])
        urls = [url for _, url in _ENTRY.findall(heard[1])] if len(heard) > 1 else []
        if len(heard) - 2 < len(urls):
            return _call("browse", url=urls[len(heard) - 2])
    pages = [_read(text, question.columns[1:]) for text in heard[2:]]
    notes = "\n".join(notes for notes, _, _ in pages)
    rows = [_row(str(place), name, cells) for place, (_, name, cells) in enumerate(pages, 1)]
    table = _table(question.columns, rows)
    return f"<think>\n{notes}\n</think>\n{table}"


def _call(tool: str, **arguments: object) -> str:
    called = json.dumps({"name": tool, "arguments": arguments}, ensure_ascii=False)
    return f"<tool_call>\n{called}\n</tool_call>"


def _cells(page: str, columns: Sequence[str]) -> list[str]:
    """The values of the columns in the table on an entity's page. A missing value is ""."""
    values = {
        found["label"].casefold(): _LINK.sub(r"\1", found["value"]) for found in _LABELLED.finditer(page)
    }
    return [values.get(column.casefold(), "") for column in columns]


def _read(page: str, columns: Sequence[str]) -> tuple[str, str, list[str]]:
    """Notes on an entity's page, the entity's name, and its values.

    The notes have the name and the requested lines of the page's table.
    """
    title = _TITLE.search(page)
    name = title["name"] if title else ""
    cells = _cells(page, columns)
    lines = [f"| {column} | {cell} |" for column, cell in zip(columns, cells, strict=True)]
    return "\n".join([f"# {name}", *lines]), name, cells


def _row(place: str, name: str, cells: Sequence[str]) -> str:
    """A row of the answer: its number, the name and the values. The number is repeated before each further value."""
    return f"| {place} | {name} | {f' | {place} | '.join(cells)} |"


def _table(columns: Sequence[str], rows: Sequence[str]) -> str:
    """The answer as a Markdown table.

    Additional columns have the number of each row. They do not lower the score. The numbers between the values make
    rows with equal values different.
    """
    header = f"| No. | {columns[0]} | {' | No. | '.join(columns[1:])} |"
    return "\n".join(["```markdown", header, f"| --- |{' --- |' * (header.count('|') - 2)}", *rows, "```"])
