"""Which subagents brought which cells to the answer of an episode. This is the credit ``cells``.

Nothing is judged here. The score says which cells of the answer are right. Rules find these cells in the tool results,
subtasks and reports of the subagents (`wideseek_env.scoring.mentions`).
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from wideseek_env.conversation import Conversation, caller_of
from wideseek_env.episode import Episode
from wideseek_env.prompts import ResultTexts
from wideseek_env.scoring import TableScore
from wideseek_env.scoring.answer_cells import Cell, answer_cells, text_table
from wideseek_env.scoring.mentions import Mentions, has_phrase
from wideseek_env.task import Task

LINKS = 2
"""The longest chain of pages from a page about a row's key to the page with the value."""

COPIED_WORDS = 60
"""A report may copy this number of words in whole sentences. With more, these sentences state no cell."""

_PLACEHOLDER = re.compile(r"\{\w+\}")
_SENTENCE_WORDS = 8
_TITLE = "title:"


@dataclass(frozen=True)
class Brought:
    """The cells that reports brought to the answer. Each has the numbers of the conversations that brought it."""

    right: Mapping[Cell, tuple[int, ...]] = field(default_factory=dict)
    wrong: Mapping[Cell, tuple[int, ...]] = field(default_factory=dict)

    def shares(self, conversations: int) -> list[float]:
        """For each conversation, its share of the right cells minus its share of the wrong cells, in cells."""
        shares = [0.0] * conversations
        for cells, sign in ((self.right, 1.0), (self.wrong, -1.0)):
            for by in cells.values():
                for number in by:
                    shares[number] += sign / len(by)
        return shares


def brought_cells(episode: Episode, score: TableScore) -> Brought:
    """Follow the cells of the answer of an ended episode back to the reports that brought them.

    A subagent brings a right cell if all of this is true:

    - Its report states the cell: the row's key with the value, or for a key cell the key alone.
    - A tool result of the same conversation has the cell in the same sense. A value may also be on a page that the
      conversation opened, and whose title is on a page about the key (at most `LINKS` steps).
    - Its subtask does not state the cell.
    - No other subagent of the same delegation has the row's key in its subtask, or its own subtask has the key too.

    A subagent brings a wrong cell if its report states it, and its subtask does not.
    """
    cells = answer_cells(episode.task, score)
    team = [number for number, each in enumerate(episode.conversations) if each.ending == "reported"]
    if cells is None or not team:
        return Brought()
    mentions = Mentions(cells.task)
    results = _results(episode)
    readers = {number: _Reader(cells.task, mentions, results.get(number, ())) for number in team}
    subtasks = {number: episode.conversations[number].subtask for number in team}
    told = {number: readers[number].told(text) for number, text in subtasks.items()}
    asked = {
        number: mentions.named(each.subtask)
        for number, each in enumerate(episode.conversations)
        if each.role == "subagent"
    }
    right: dict[Cell, list[int]] = {}
    wrong: dict[Cell, list[int]] = {}
    for number in team:
        report = episode.conversations[number].final[: episode.rules.result_chars]
        if not report:
            continue
        stated = readers[number].stated(report) - told[number]
        for cell in sorted(stated & cells.wrong):
            wrong.setdefault(cell, []).append(number)
        earned = readers[number].stated(_without_copies(report, results.get(number, ())), sure=True)
        earned = (earned & cells.right) - told[number]
        earned &= readers[number].found() if earned else earned
        delegation = episode.conversations[number].delegation
        together = [
            rows for other, rows in asked.items() if episode.conversations[other].delegation == delegation
        ]
        for cell in sorted(earned):
            if cell.row in asked[number] or not any(cell.row in rows for rows in together):
                right.setdefault(cell, []).append(number)
    return Brought(
        {cell: tuple(by) for cell, by in right.items()}, {cell: tuple(by) for cell, by in wrong.items()}
    )


class _Reader:
    """Reads the texts of one conversation."""

    def __init__(self, task: Task, mentions: Mentions, results: Sequence[str]) -> None:
        assert task.gold is not None
        self._task = task
        self._mentions = mentions
        self._results = results
        self._rows = task.gold.rows
        self._columns = task.gold.header
        self._keys = [self._columns.index(name) for name in dict.fromkeys(task.key_columns)]

    def told(self, subtask: str) -> set[Cell]:
        """The cells that a subtask states. A short value needs a word of its column, or another value of its row."""
        given = self._mentions.stated(subtask, labelled=True)
        rows = {row for row, _ in given}
        given |= {(row, name) for row, name in self._mentions.stated(subtask) if row in rows}
        table = text_table(subtask, self._task)
        return self._cells(self._mentions.named(subtask) | table.rows, given | table.values(sure=False))

    def stated(self, report: str, *, sure: bool = False) -> set[Cell]:
        """The cells that a report states. A table is read by its columns, other text by lines.

        With `sure`, a table that gives several values for a cell does not state it.
        """
        given = self._mentions.stated(report)
        table = text_table(report, self._task)
        if table.rows:
            outside = self._mentions.stated(_without_tables(report))
            given = {
                (row, name)
                for row, name in given
                if row not in table.rows or (name not in table.places and (row, name) in outside)
            }
        return self._cells(self._mentions.named(report) | table.rows, given | table.values(sure=sure))

    def found(self) -> set[Cell]:
        """The cells that the tool results of the conversation have."""
        named: set[int] = set()
        given: set[tuple[int, str]] = set()
        pages: list[tuple[str, str]] = []
        for text in self._results:
            named |= self._mentions.named(text)
            given |= self._mentions.stated(text)
            if title := _title(text):
                pages.append((title, text))
        near: dict[int, list[str]] = {}
        if pages:
            for text in self._results:
                for row, parts in self._mentions.places(text).items():
                    near.setdefault(row, []).extend(parts)
        for title, text in pages:
            for row in self._mentions.named(title):
                near.setdefault(row, []).append(text)
                given |= {(row, name) for name in self._mentions.on_page(row, text)}
        others = [(title, text) for title, text in pages if not self._mentions.named(title)]
        for row, texts in near.items():
            left = others
            for _ in range(LINKS):
                linked = [(title, text) for title, text in left if any(_names(each, title) for each in texts)]
                left = [page for page in left if page not in linked]
                texts = [text for _, text in linked]
                for text in texts:
                    given |= {(row, name) for name in self._mentions.on_page(row, text)}
        return self._cells(named, given)

    def _cells(self, named: Iterable[int], given: Iterable[tuple[int, str]]) -> set[Cell]:
        keys = {Cell(row, self._columns[at]) for row in named for at in self._keys}
        return keys | {Cell(row, name) for row, name in given}


def _results(episode: Episode) -> dict[int, list[str]]:
    """The different texts that tools returned to each conversation, without questions that they repeat.

    A question of an agent is no result: it could contain a guess.
    """
    echoes = _echoes(episode.profile.results)
    numbers = {_id(each): number for number, each in enumerate(episode.conversations)}
    found: dict[int, dict[str, None]] = {}
    for event in episode.events:
        match event:
            case ("result", str(call), str(text), True, *_) if caller_of(call) in numbers:
                kept = [line for line in text.split("\n") if not any(echo.fullmatch(line) for echo in echoes)]
                found.setdefault(numbers[caller_of(call)], {})["\n".join(kept)] = None
    return {number: list(texts) for number, texts in found.items()}


def _echoes(texts: ResultTexts) -> list[re.Pattern[str]]:
    """The lines of results that repeat the question with which an agent opened a page."""
    templates = (texts.focus, texts.summary, texts.summary_of_beginning)
    lines = dict.fromkeys(line for text in templates for line in text.split("\n") if "{focus}" in line)
    parts = [_PLACEHOLDER.split(line) for line in lines]
    return [re.compile(".*".join(map(re.escape, each))) for each in parts if any(map(str.strip, each))]


def _id(conversation: Conversation) -> tuple[str, int]:
    return conversation.agent, conversation.generation


def _title(text: str) -> str:
    """The title of a page that a tool returned: its first line. "" for a list of search results."""
    first = next((line.strip() for line in text.split("\n") if line.strip()), "")
    if first[:6].lower() == _TITLE:
        return first[6:].strip()
    return first.lstrip("# ").strip() if first.startswith("#") else ""


def _names(text: str, title: str) -> bool:
    """Whether a text has a title in it, with or without the parentheses at its end."""
    return any(has_phrase(text, each) for each in (title, title.partition(" (")[0]))


def _without_tables(text: str) -> str:
    return "\n".join(line for line in text.split("\n") if "|" not in line)


def _without_copies(report: str, results: Iterable[str]) -> str:
    """The report without sentences that it copies from tool results, if these have more than `COPIED_WORDS` words.

    Sentences are lines without a pipe that have at least eight words. So lists of names and tables are not copies.
    """
    lines = report.split("\n")
    long = [at for at, line in enumerate(lines) if "|" not in line and len(line.split()) >= _SENTENCE_WORDS]
    if sum(len(lines[at].split()) for at in long) <= COPIED_WORDS:
        return report
    seen = [" ".join(text.split()) for text in results]
    copied = {at for at in long if any(" ".join(lines[at].split()) in text for text in seen)}
    if sum(len(lines[at].split()) for at in copied) <= COPIED_WORDS:
        return report
    return "\n".join(line for at, line in enumerate(lines) if at not in copied)
