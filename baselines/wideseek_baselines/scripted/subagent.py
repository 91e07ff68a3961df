"""The scripted subagent. It first opens the pages that fill most cells, and reports before its turns or context end."""

from __future__ import annotations

from wideseek_baselines.scripted.collect import collect
from wideseek_baselines.scripted.collecting import read_collect
from wideseek_baselines.scripted.depth import ShortQuestion, agent_answer
from wideseek_baselines.scripted.history import History, untried
from wideseek_baselines.scripted.knowledge import Knowledge
from wideseek_baselines.scripted.listing import list_entries
from wideseek_baselines.scripted.lookup import look_up
from wideseek_baselines.scripted.question import CHINESE
from wideseek_baselines.scripted.subtasks import (
    FindList,
    read_subtask,
    write_list_report,
    write_look_up_report,
)
from wideseek_baselines.scripted.toolbox import Toolbox
from wideseek_env.policy import Turn
from wideseek_env.task import Language

LIST_REPORT = 12_000
"""A subagent reports the entries of a list when they have this number of characters. Another subagent reads the
rest."""

_ANSWER_CHARACTERS = 3_500
_REPORT_CHARACTERS = 20_000
"""The number of characters that are reserved for the last message. It is at most a quarter of the context."""


def subagent_turn(turn: Turn, toolbox: Toolbox, context: int) -> str:
    """The subagent's next message. `context` is the largest number of characters of its conversation."""
    history = History.of(turn.messages, toolbox)
    known = Knowledge.of(history.exchanges)
    task = read_subtask(history.task)
    language: Language = "zh" if CHINESE.search(history.task) else "en"
    room = affordable(turn, history, toolbox, context)
    short = ShortQuestion.of(history.task)
    if short is not None:
        return agent_answer(short, history, toolbox, room, report=True)
    lists = read_collect(history.task)
    if lists is not None:
        collection = collect(lists, known, toolbox.results)
        requests = untried(collection.requests, history)[:room]
        return toolbox.write(requests) if requests else collection.report.write(lists.columns, language)
    if isinstance(task, FindList):
        listing = list_entries(task, known, toolbox.results)
        length = sum(len(e.name) + len(e.url) + sum(map(len, v.values())) + 20 for e, v in listing.entries)
        requests = untried(listing.requests, history)[:room]
        if requests and length < LIST_REPORT:
            return toolbox.write(requests)
        return write_list_report(task.columns, listing.entries, listing.total, listing.goes_on, language)
    lookup = look_up(task, known, toolbox.results)
    requests = untried(lookup.requests, history)[:room]
    if requests:
        return toolbox.write(requests)
    return write_look_up_report(task.columns, lookup.rows, lookup.unfinished, language)


def affordable(turn: Turn, history: History, toolbox: Toolbox, context: int) -> int:
    """The largest number of requests in the next message. It is 0 if there are turns or context only for a report."""
    if turn.turns_left <= 1:
        return 0
    reserve = min(_REPORT_CHARACTERS, context // 4)
    room = (context - reserve - history.length) // _ANSWER_CHARACTERS
    return max(0, min(toolbox.calls, room))
