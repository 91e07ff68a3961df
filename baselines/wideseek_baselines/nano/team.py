"""`BriefTeam`: a scripted team of few words, for nano models to learn from.

`ScriptedPolicy` writes to be read by people, and a subtask of its takes hundreds of tokens. Here a subtask is a line;
an agent thinks in lines copied from what it has read, before it writes what they make; and entries and rows are
numbered, so that the next one is found by its number. Every word of a message either stands in what the agent has read
or is always the same. It reads lists and pages of the synthetic world.
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
_ENTRY = re.compile(r"^- \[[^\]]*\]\((\S+)\)$", re.MULTILINE)
_ADDRESS = re.compile(r"https?://\S+")
_SUBTASK = re.compile(r"^(?P<place>\d+)\. (?P<url>https?://\S+): (?P<columns>.*)$")
_TITLE = re.compile(r"^# (?!Page:)(?P<name>.+)$", re.MULTILINE)
_LABELLED = re.compile(r"^\| (?P<label>[^|]+) \| (?P<value>[^|]+) \|$", re.MULTILINE)
_ROW = re.compile(r"^\d+\. (?P<row>\| .* \|)$", re.MULTILINE)
_LINK = re.compile(r"\[([^\]]*)\]\([^)]*\)")


class BriefTeam:
    """A team that has the list found, sends a subagent for each entry, and answers with the rows that came back.

    Args:
        eagerness: Probability of starting one more subagent, after each, while entries and the rules' width allow;
            1 uses the whole width. The number depends on the seed and the conversation alone.
    """

    name = "brief"

    def __init__(self, eagerness: float = 1.0) -> None:
        if not 0 <= eagerness <= 1:
            raise ConfigError(f"eagerness must be from 0 to 1, not {eagerness}")
        self.eagerness = eagerness
        self._seed = 0

    def reset(self, seed: int) -> None:
        """Other seeds, other numbers of subagents."""
        self._seed = seed

    def act(self, turns: Sequence[Turn]) -> Sequence[Action]:
        """One message for each turn."""
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
        if len(heard) == 1 and turn.turns_left > 1 and (urls := _ADDRESS.findall(heard[0])):
            prompt = str(turn.messages[0]["content"])
            most = min(len(urls), Toolbox.of(turn.tools, prompt).width)
            columns = ", ".join(question.columns[1:])
            number = self._number(most, turn.messages)
            return _call(
                "delegate",
                subtasks=[f"{place}. {url}: {columns}" for place, url in enumerate(urls[:number], 1)],
            )
        return _answer(question.columns, [row[0] for text in heard[1:] for row in _ROW.finditer(text)])

    def _number(self, most: int, messages: Sequence[Message]) -> int:
        said = "\n".join(str(message["content"]) for message in messages)
        random = np.random.default_rng([self._seed, zlib.crc32(said.encode())])
        number = 1
        while number < most and random.random() < self.eagerness:
            number += 1
        return number


def _subagent(task: str, heard: Sequence[str]) -> str:
    wanted = _SUBTASK.match(task)
    if wanted is not None:
        if not heard:
            return _call("browse", url=wanted["url"])
        notes, row = _read(heard[-1], wanted["columns"].split(", "))
        return f"<think>\n{notes}\n</think>\n{wanted['place']}. {row}"
    if not heard:
        return _call("search", query=task)
    if len(heard) == 1 and (hit := _HIT.search(heard[0])):
        return _call("browse", url=hit[1])
    entries = (f"{place}. {url}" for place, url in enumerate(_ENTRY.findall(heard[-1]), 1))
    return "\n".join(entries) or "Nothing."


def _single(turn: Turn, task: str, heard: Sequence[str]) -> str:
    question = read_question(task)
    if turn.turns_left > 1:
        if not heard:
            return _call("search", query=f"{_LIST}{question.subject}")
        if len(heard) == 1 and (hit := _HIT.search(heard[0])):
            return _call("browse", url=hit[1])
        urls = _ENTRY.findall(heard[1]) if len(heard) > 1 else []
        if len(heard) - 2 < len(urls):
            return _call("browse", url=urls[len(heard) - 2])
    lines = []
    for place, text in enumerate(heard[2:], 1):
        notes, row = _read(text, question.columns[1:])
        lines += [notes, f"{place}. {row}"]
    return _answer(question.columns, lines)


def _call(tool: str, **arguments: object) -> str:
    called = json.dumps({"name": tool, "arguments": arguments}, ensure_ascii=False)
    return f"<tool_call>\n{called}\n</tool_call>"


def _read(page: str, columns: Sequence[str]) -> tuple[str, str]:
    """Notes on an entity's page (its name, and the lines of its table that were asked for), and the row they make."""
    title = _TITLE.search(page)
    name = title["name"] if title else ""
    values = {
        found["label"].casefold(): _LINK.sub(r"\1", found["value"]) for found in _LABELLED.finditer(page)
    }
    cells = [values.get(column.casefold(), "") for column in columns]
    lines = [f"| {column} | {cell} |" for column, cell in zip(columns, cells, strict=True)]
    return "\n".join([f"# {name}", *lines]), f"| {' | '.join([name, *cells])} |"


def _answer(columns: Sequence[str], thought: Sequence[str]) -> str:
    """The table of the rows that stand, numbered, among the lines of a thought."""
    rows = [found["row"] for line in thought if (found := _ROW.match(line))]
    table = [f"| {' | '.join(columns)} |", f"|{' --- |' * len(columns)}", *rows]
    return "\n".join(["<think>", *thought, "</think>", "```markdown", *table, "```"])
