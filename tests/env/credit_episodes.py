"""Episodes made by hand, for tests of credits."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass

from wideseek_env.cell_credit import Brought, brought_cells
from wideseek_env.credit import Cells
from wideseek_env.episode import Episode, Roster
from wideseek_env.rules import Rules
from wideseek_env.scoring import score_response
from wideseek_env.task import ColumnSpec, Table, Task

HEADER = ("Town", "Mayor", "Founded", "Gates")
GOLD = (
    ("Ada Town", "Karl Moor", "1801", "3"),
    ("Bel Bridge", "Ida Lund", "1802", "4"),
    ("Castle Rock", "Per Falk", "1803", "5"),
    ("Dun Harbour", "Eva Holm", "1804", "3"),
)
TASK = Task(
    id="towns",
    question="Which towns are there?",
    columns=HEADER,
    key_columns=("Town",),
    gold=Table(HEADER, GOLD),
    specs={"Founded": ColumnSpec(("number_near",), ("extract_number",))},
    aliases={"Town": {"Castle Rock": ("Rock Castle",)}},
)
CELLS = 16


@dataclass(frozen=True)
class Sub:
    """What one subagent is asked, reports (None: it fails) and sees in tool results."""

    report: str | None
    seen: tuple[str, ...] = ()
    subtask: str = "Find towns."


def table(*rows: Sequence[str], header: Sequence[str] = HEADER) -> str:
    return Table(tuple(header), tuple(map(tuple, rows))).to_markdown()


def page(row: Sequence[str]) -> str:
    """A page about one town."""
    return (
        f"Title: {row[0]}\n\n# {row[0]}\n\nThe mayor is {row[1]}. It was founded in {row[2]}.\n\n"
        f"| Gates | {row[3]} |\n| --- | --- |\n| Bells | 17 |"
    )


PAGES = tuple(map(page, GOLD))


def call(name: str, **arguments: object) -> str:
    return f"<tool_call>{json.dumps({'name': name, 'arguments': arguments})}</tool_call>"


def play(
    answer: str | None, *delegations: Sequence[Sub], task: Task = TASK, roster: Roster = "dynamic"
) -> Episode:
    """An episode. The lead starts the subagents of one delegation after another, and then answers."""
    episode = Episode(task, rules=Rules(width=8, subagent_turns=20, lead_turns=20), roster=roster)
    for team in delegations:
        before = len(episode.conversations)
        episode.act("lead", call("delegate", subtasks=[each.subtask for each in team]))
        for sub, conversation in zip(team, episode.conversations[before:], strict=True):
            for text in sub.seen:
                for request in episode.act(conversation.agent, call("search", query="towns")):
                    episode.deliver(request, text)
            if sub.report is None:
                episode.fail(conversation.agent)
            else:
                episode.act(conversation.agent, sub.report)
    if answer is None:
        episode.fail("lead")
    else:
        episode.act("lead", answer)
    return episode


def shares(answer: str | None, *delegations: Sequence[Sub], task: Task = TASK) -> list[float]:
    """The cells that each subagent earned, rounded: right minus wrong."""
    episode = play(answer, *delegations, task=task)
    assert episode.outcome is not None
    score = score_response(episode.outcome.answer or "", task)
    lead, *paid = Cells()(episode, score, score.f1_by_item)
    assert lead == score.f1_by_item
    return [round(each * CELLS, 6) for each in paid]


def brought(answer: str, *delegations: Sequence[Sub], task: Task = TASK) -> Brought:
    return brought_cells(play(answer, *delegations, task=task), score_response(answer, task))
