"""The scripted lead for questions about several lists.

It divides the lists among subagents, then the entries that still lack values, and merges the reports.

Each decision follows from the subtasks and reports in its conversation.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from itertools import pairwise

from wideseek_baselines.scripted.answer import row_verdicts, write_answer
from wideseek_baselines.scripted.collecting import (
    Collect,
    CollectReport,
    Entry,
    read_collect,
    read_collect_report,
)
from wideseek_baselines.scripted.conditions import ABSENT, Condition
from wideseek_baselines.scripted.history import Exchange, History
from wideseek_baselines.scripted.lists import ListName, Lists, read_lists
from wideseek_baselines.scripted.question import Question, read_question
from wideseek_baselines.scripted.subtasks import Entity, LookUp, read_report, read_subtask
from wideseek_baselines.scripted.toolbox import Request, Toolbox
from wideseek_env.policy import Turn

ATTEMPTS = 3
"""How often a list is read or an entity looked up without any result."""
MOST_ENTITIES = 40
"""The most entities in one subtask, so that its report stays readable."""
_ROWS = 10
"""About how many entities must be looked up for one list."""

_REMARKS = {
    "lists": {"en": "First, the lists, divided among subagents.", "zh": "先分头收集各份名单。"},
    "details": {"en": "Now what is still missing, divided evenly.", "zh": "现在分头补全缺少的内容。"},
}
_Key = tuple[str, str, str, str]


@dataclass(frozen=True, slots=True)
class WideQuestion:
    """A question about several lists: its columns and conditions, and its lists."""

    question: Question
    lists: Lists

    @classmethod
    def of(cls, text: str) -> WideQuestion | None:
        """The question in `text`, or None if it is about a single list."""
        question = read_question(text)
        lists = read_lists(text, question.columns)
        if lists is None:
            return None
        given = tuple(Condition(column, "given", "") for column in lists.given)
        return cls(replace(question, conditions=question.conditions + given), lists)

    @property
    def wanted(self) -> tuple[str, ...]:
        """The columns to find for each row. The column that says from which list a row comes is not among them."""
        return tuple(column for column in self.question.wanted if column != self.lists.edition)

    @property
    def columns(self) -> tuple[str, ...]:
        """The key and the columns to find."""
        return (self.question.key, *self.wanted)

    def answer(self, entries: Iterable[Entry]) -> str:
        """The final message."""
        return write_answer(self.question, [(entry.entity.name, self.values(entry)) for entry in entries])

    def values(self, entry: Entry) -> dict[str, str]:
        """The values of an entry, with the column that says from which list it comes."""
        values = dict(entry.values)
        if self.lists.edition:
            values[self.lists.edition] = self.lists.edition_of(entry.title, entry.section)
        return values


@dataclass(slots=True)
class WideProgress:
    """The results of the reports so far.

    `found` has values from the pages of entities. `unread` are the lists that are left to read. `done` are the entities
    that were looked up.
    """

    entries: dict[_Key, Entry] = field(default_factory=dict)
    found: dict[Entity, dict[str, str]] = field(default_factory=dict)
    unread: dict[ListName, None] = field(default_factory=dict)
    done: set[Entity] = field(default_factory=set)
    failures: dict[ListName | Entity, int] = field(default_factory=dict)

    @classmethod
    def of(cls, turns: Sequence[Sequence[Exchange]], asked: WideQuestion) -> WideProgress:
        """Read all subtasks and their reports, in order."""
        progress = cls(unread=dict.fromkeys(asked.lists.names))
        for exchanges in turns:
            tasks = [(read_collect(request.text), request, answer) for request, answer in exchanges]
            if any(task for task, _, _ in tasks):
                progress.unread.clear()  # a delegation takes all of them
            for task, request, answer in tasks:
                if task is not None:
                    progress._collected(task, read_collect_report(answer), asked)
                elif isinstance(looked_up := read_subtask(request.text), LookUp):
                    progress._looked_up(looked_up, answer)
        return progress

    def _collected(self, task: Collect, report: CollectReport, asked: WideQuestion) -> None:
        nothing = not (report.lists or report.unread or report.absent)
        for name in task.lists if nothing else report.unread:
            # A list that waits while the agent reads others is no failure.
            self.failures[name] = self.failures.get(name, 0) + (not report.lists)
            if self.failures[name] < ATTEMPTS:
                self.unread[name] = None
        for entry in report.entries:
            second = entry.values.get(asked.lists.second, "")
            self.entries.setdefault((entry.title, entry.section, entry.entity.name, second), entry)
            complete = all(entry.values.get(column) for column in asked.wanted)
            if not complete and entry.entity.name not in report.unfinished:
                self.done.add(entry.entity)

    def _looked_up(self, task: LookUp, answer: str) -> None:
        report = read_report(answer)
        rows = {row.get(task.columns[0], ""): row for row in report.rows}
        finished = rows.keys() - set(report.unfinished)
        for entity in task.entities:
            row = rows.get(entity.name, {})
            found = {column: row[column] for column in task.columns[1:] if row.get(column)}
            self.found.setdefault(entity, {}).update(found)
            if entity.name in finished:
                self.done.add(entity)
            elif not finished or entity.name not in report.unfinished:
                self.failures[entity] = self.failures.get(entity, 0) + 1

    def merged(self, asked: WideQuestion) -> list[Entry]:
        """All entries. Values of the list come before values of the entity's page."""
        absent = dict.fromkeys(asked.lists.given, ABSENT)
        return [
            replace(
                entry,
                values={
                    **(absent if entry.entity in self.done else {}),
                    **self.found.get(entry.entity, {}),
                    **entry.values,
                },
            )
            for entry in self.entries.values()
        ]

    def entities(self, asked: WideQuestion) -> list[Entity]:
        """The entities that are left to look up, and the entries that lack values because of that."""
        entries = self.merged(asked)
        verdicts = row_verdicts(asked.question, [asked.values(entry) for entry in entries])
        left = dict.fromkeys(
            entry.entity
            for entry, verdict in zip(entries, verdicts, strict=True)
            if verdict != 0.0 and not all(entry.values.get(column) for column in asked.wanted)
        )
        return [e for e in left if e not in self.done and self.failures.get(e, 0) < ATTEMPTS]


def wide_turn(turn: Turn, asked: WideQuestion, history: History, toolbox: Toolbox, width: int) -> str:
    """The lead's next message. It starts at most `width` subagents."""
    progress = WideProgress.of(history.turns, asked)
    subtasks = wide_subtasks(asked, progress, width) if turn.turns_left > 1 else []
    if not subtasks:
        return asked.answer(progress.merged(asked))
    language = asked.question.language
    remark = _REMARKS["details" if progress.entries else "lists"][language]
    return toolbox.write([Request("delegate", subtask.write(language)) for subtask in subtasks], remark)


def wide_subtasks(asked: WideQuestion, progress: WideProgress, width: int) -> list[Collect | LookUp]:
    """The subtasks of the next delegation, at most `width`. None are left when everything was read or tried."""
    lists, entities = list(progress.unread), progress.entities(asked)
    share = width
    if lists and entities:
        share = round(width * len(lists) * _ROWS / (len(lists) * _ROWS + len(entities)))
        share = max(1, min(share, width - 1))
    conditions = asked.question.conditions
    subtasks: list[Collect | LookUp] = [
        Collect(part, asked.columns, conditions) for part in shares_of_lists(lists, share)
    ]
    free = width - len(subtasks)
    if entities and free > 0:
        entries = [entry for entry in progress.merged(asked) if entry.entity in set(entities)]
        columns = tuple(c for c in asked.wanted if not all(entry.values.get(c) for entry in entries))
        subtasks += [LookUp((asked.question.key, *columns), part) for part in shares(entities, free)]
    return subtasks


def shares_of_lists(lists: Sequence[ListName], subagents: int) -> list[tuple[ListName, ...]]:
    """The lists for each subagent. If there are more subagents than lists, several of them share a list."""
    if not lists:
        return []
    if len(lists) >= subagents:
        ends = [len(lists) * n // subagents for n in range(subagents + 1)]
        return [tuple(lists[start:end]) for start, end in pairwise(ends)]
    each = [subagents // len(lists) + (n < subagents % len(lists)) for n in range(len(lists))]
    return [(part,) for name, parts in zip(lists, each, strict=True) for part in name.split(parts)]


def shares(entities: Sequence[Entity], parts: int) -> list[tuple[Entity, ...]]:
    """Split `entities` into at most `parts` shares of equal size. Entities that are too many for these wait for a later
    delegation.
    """
    entities = entities[: parts * MOST_ENTITIES]
    parts = min(parts, len(entities))
    size, extra = divmod(len(entities), parts)
    shares = []
    start = 0
    for number in range(parts):
        end = start + size + (number < extra)
        shares.append(tuple(entities[start:end]))
        start = end
    return shares
