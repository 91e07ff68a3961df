"""The scripted single agent. It finds the list, looks up its entries and answers, all in one conversation."""

from __future__ import annotations

from wideseek_baselines.scripted.answer import write_answer
from wideseek_baselines.scripted.collect import collect
from wideseek_baselines.scripted.collecting import Collect
from wideseek_baselines.scripted.depth import ShortQuestion, agent_answer
from wideseek_baselines.scripted.history import History, untried
from wideseek_baselines.scripted.knowledge import Knowledge
from wideseek_baselines.scripted.lead import missing_columns
from wideseek_baselines.scripted.listing import list_entries
from wideseek_baselines.scripted.lookup import look_up
from wideseek_baselines.scripted.question import read_question
from wideseek_baselines.scripted.subagent import affordable
from wideseek_baselines.scripted.subtasks import FindList, LookUp
from wideseek_baselines.scripted.toolbox import Toolbox
from wideseek_baselines.scripted.wide import WideQuestion
from wideseek_env.policy import Turn

ROOM = 10**6
"""The single agent writes no report, so the length of a report is no limit."""


def single_turn(turn: Turn, toolbox: Toolbox, context: int) -> str:
    """The single agent's next message. `context` is the largest number of characters of its conversation."""
    history = History.of(turn.messages, toolbox)
    question = read_question(history.task)
    known = Knowledge.of(history.exchanges)
    room = affordable(turn, history, toolbox, context)
    short = ShortQuestion.of(history.task)
    if short is not None:
        return agent_answer(short, history, toolbox, room, report=False)
    asked = WideQuestion.of(history.task)
    if asked is not None:
        task = Collect(asked.lists.names, asked.columns, asked.question.conditions)
        collection = collect(task, known, toolbox.results, ROOM)
        requests = untried(collection.requests, history)[:room]
        return toolbox.write(requests) if requests else asked.answer(collection.report.entries)
    find = FindList((question.key, *question.wanted), question.subject, question.titles, question.section)
    listing = list_entries(find, known, toolbox.results)
    requests = untried(listing.requests, history)
    values = {entity: dict(given) for entity, given in listing.entries}
    columns = missing_columns(question.wanted, list(values.values()))
    if listing.entries and columns:
        lookup = look_up(LookUp((question.key, *columns), tuple(values)), known, toolbox.results)
        for entity, found in lookup.rows:
            values[entity].update(found)
        requests += untried(lookup.requests, history)
    if room and requests:
        return toolbox.write(requests[:room])
    return write_answer(question, [(entity.name, given) for entity, given in values.items()])
