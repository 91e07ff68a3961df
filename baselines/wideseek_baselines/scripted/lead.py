"""The scripted lead. It lets a subagent find the list, splits the entries among subagents, and merges their reports.

Each decision follows from the subtasks and reports in its conversation.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

from wideseek_baselines.scripted.answer import row_verdicts, write_answer
from wideseek_baselines.scripted.depth import ShortQuestion, lead_answer
from wideseek_baselines.scripted.history import Exchange, History
from wideseek_baselines.scripted.question import Question, read_question
from wideseek_baselines.scripted.subtasks import PAGE, Entity, FindList, LookUp, read_report, read_subtask
from wideseek_baselines.scripted.toolbox import Request, Toolbox
from wideseek_baselines.scripted.wide import WideQuestion, shares, wide_turn
from wideseek_env.policy import Turn

ATTEMPTS = 3
"""How often something is tried without any result."""

_REMARKS = {
    "list": {"en": "First, the list of rows.", "zh": "先找出名单。"},
    "details": {"en": "Now the columns of each row, divided evenly.", "zh": "现在分头查找每一项的各列。"},
}


@dataclass(slots=True)
class Progress:
    """The results of the reports so far: rows by name with their values, and the work that is left."""

    values: dict[str, dict[str, str]] = field(default_factory=dict)
    urls: dict[str, str] = field(default_factory=dict)
    goes_on: dict[str, None] = field(default_factory=dict)
    """Addresses at which a list continues, and which no subagent has had as its task."""
    done: set[str] = field(default_factory=set)
    failures: dict[str, int] = field(default_factory=dict)
    """For each row, how often a subagent had to look it up and returned nothing about it."""
    searches: int = 0
    """How often a subagent had the task to find the list."""

    @classmethod
    def of(cls, exchanges: Sequence[Exchange]) -> Progress:
        """Read all subtasks and their reports, in order."""
        progress = cls()
        for request, answer in exchanges:
            task = read_subtask(request.text)
            report = read_report(answer)
            if isinstance(task, FindList):
                progress.searches += 1
                for url in task.begin:
                    progress.goes_on.pop(url, None)
                progress.goes_on.update(dict.fromkeys(report.goes_on))
                progress._add(task.columns[0], report.rows)
                continue
            reported = progress._add(task.columns[0], report.rows)
            finished = set(reported) - set(report.unfinished)
            progress.done |= finished
            for name in (entity.name for entity in task.entities):
                # Entities that a subagent did not reach are not failures if it finished at least one.
                if name not in finished and (not finished or name not in report.unfinished):
                    progress.failures[name] = progress.failures.get(name, 0) + 1
        return progress

    def _add(self, key: str, rows: Sequence[Mapping[str, str]]) -> list[str]:
        names = []
        for row in rows:
            name = row.get(key, "")
            if name:
                names.append(name)
                if row.get(PAGE):
                    self.urls[name] = row[PAGE]
                found = {column: text for column, text in row.items() if text and column not in (key, PAGE)}
                self.values.setdefault(name, {}).update(found)
        return names


def lead_turn(turn: Turn, toolbox: Toolbox, delegate_limit: int | None) -> str:
    """The lead's next message.

    The message starts at most `delegate_limit` subagents. None means the number that the rules allow.
    """
    history = History.of(turn.messages, toolbox)
    short = ShortQuestion.of(history.task)
    if short is not None:
        return lead_answer(history, toolbox, turn.turns_left)
    question = read_question(history.task)
    width = toolbox.width if delegate_limit is None else max(1, min(delegate_limit, toolbox.width))
    asked = WideQuestion.of(history.task)
    if asked is not None:
        return wide_turn(turn, asked, history, toolbox, width)
    progress = Progress.of(history.exchanges)
    if turn.turns_left > 1:
        subtasks, remark = _subtasks(question, progress, width, turn.turns_left)
        if subtasks:
            language = question.language
            requests = [Request("delegate", subtask.write(language)) for subtask in subtasks]
            return toolbox.write(requests, _REMARKS[remark][language])
    return write_answer(question, list(progress.values.items()))


def missing_columns(wanted: Sequence[str], rows: Sequence[Mapping[str, str]]) -> tuple[str, ...]:
    """The columns that the list does not give for every row."""
    return tuple(column for column in wanted if not all(values.get(column) for values in rows))


def _subtasks(
    question: Question, progress: Progress, width: int, turns_left: int
) -> tuple[list[FindList | LookUp], str]:
    """The subtasks of the next delegation, and the name of the remark for them. No subtasks mean: answer now."""
    columns = (question.key, *question.wanted)
    if not progress.values:
        if progress.searches >= ATTEMPTS:
            return [], ""
        return [FindList(columns, question.subject, question.titles, question.section)], "list"
    subtasks: list[FindList | LookUp] = []
    # Reading more of the list pays only if another round remains to look up its entries.
    if turns_left > 2:
        subtasks += [
            FindList(columns, question.subject, question.titles, question.section, (url,))
            for url in list(progress.goes_on)[:width]
        ]
    still = _still_to_do(question, progress)
    free = width - len(subtasks)
    if still and free:
        fields = missing_columns(question.wanted, list(progress.values.values()))
        subtasks += [LookUp((question.key, *fields), part) for part in shares(still, free)]
    return subtasks, "details" if progress.searches and still else "list"


def _still_to_do(question: Question, progress: Progress) -> list[Entity]:
    rows = list(progress.values.values())
    verdicts = row_verdicts(question, rows)
    part = question.part
    if part is not None and part.first < 0 and progress.goes_on:
        verdicts = row_verdicts(replace(question, part=None), rows)  # the end of the list is still unknown
    return [
        Entity(name, progress.urls.get(name, ""))
        for (name, values), verdict in zip(progress.values.items(), verdicts, strict=True)
        if name not in progress.done
        and progress.failures.get(name, 0) < ATTEMPTS
        and not all(values.get(column) for column in question.wanted)
        and verdict != 0.0
    ]
