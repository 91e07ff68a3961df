"""A small world of towns, tasks about it, and a policy that plays them from what agents see."""

from __future__ import annotations

import os
import re
import time
from collections.abc import Sequence
from pathlib import Path

from wideseek_env.game import Game, GameConfig
from wideseek_env.messages import ToolCall, ToolResult
from wideseek_env.policy import Turn
from wideseek_env.task import Table, Task

TOWNS = {name: 1000 + 37 * at for at, name in enumerate(
    ("Alder", "Birch", "Cedar", "Dogwood", "Elm", "Fir", "Gorse", "Hazel", "Ivy", "Juniper", "Larch", "Maple")
)}  # fmt: skip


TIGHT = ("--rule", "subagent_turns=2", "--rule", "single_turns=3", "--rule", "calls_per_turn=2")
"""Options under which width decides how many towns a team can look up; `town_setup` has the same limits."""


def town_task(number: int, size: int = 8) -> Task:
    """A task about `size` towns."""
    names = [list(TOWNS)[(number + at) % len(TOWNS)] for at in range(size)]
    return Task(
        id=f"towns-{number}",
        question=f"How many inhabitants have these towns: {', '.join(names)}?",
        columns=("Town", "Population"),
        key_columns=("Town",),
        gold=Table(("Town", "Population"), tuple((name, str(TOWNS[name])) for name in names)),
        source="toy",
    )


class TownTools:
    """Answers a search for a town with a sentence about it."""

    def run(self, calls: Sequence[ToolCall]) -> list[ToolResult]:
        """One result a call."""
        return [ToolResult(sentence(call.arguments.get("query", ""))) for call in calls]

    def close(self) -> None:
        """Nothing is open."""


def sentence(name: str) -> str:
    """What the page of a town says."""
    return f"The town of {name} has {TOWNS.get(name, 0)} inhabitants."


def town_setup(count: int = 4, **settings: object) -> Game:
    """A setup without a corpus, with `count` tasks."""
    settings = {"rules": {"subagent_turns": 2, "single_turns": 3, "calls_per_turn": 2}, **settings}
    return GameConfig(tasks=[town_task(n) for n in range(count)], executor=TownTools(), **settings).open()  # type: ignore[arg-type]


def write_pages(folder: Path) -> Path:
    """The towns as a folder of Markdown pages."""
    folder.mkdir()
    for name in TOWNS:
        (folder / f"{name.lower()}.md").write_text(f"# {name}\n\n{sentence(name)}\n", encoding="utf-8")
    return folder


class ToyTeam:
    """Splits the towns of the question among the subagents that may be started, and looks them up.

    `fail_on` is the first town of a question that it raises for, `interrupt_after` the number of episodes after
    which Ctrl-C is pressed.
    With ``TOY_HOLD`` in the environment it waits at the beginning of the second episode.
    """

    def __init__(self, fail_on: str = "", interrupt_after: int = -1) -> None:
        self.name = "toy"
        self.fail_on = fail_on
        self.interrupt_after = interrupt_after
        self.episodes = 0

    def reset(self, seed: int) -> None:
        """Counts episodes."""
        if self.episodes == self.interrupt_after:
            raise KeyboardInterrupt
        if self.episodes == 1 and "TOY_HOLD" in os.environ:
            time.sleep(60)
        self.episodes += 1

    def act(self, turns: Sequence[Turn]) -> list[str]:
        """One message a turn."""
        return [self._one(turn) for turn in turns]

    def _one(self, turn: Turn) -> str:
        asked = re.findall(r"towns: ([^?\n]*)\?", turn.messages[1]["content"])[-1].split(", ")
        if turn.role != "subagent" and asked[0] == self.fail_on:
            raise RuntimeError("the toy broke")
        seen = "\n".join(message["content"] for message in turn.messages[2:] if message["role"] == "tool")
        facts = dict(re.findall(r"town of (\w+) has (\d+) inhabitants", seen))
        facts.update(re.findall(r"^\| (\w+) \| (\d+) \|$", seen, re.MULTILINE))
        left = [name for name in asked if name not in facts]
        table = Table(("Town", "Population"), tuple(sorted(facts.items()))).to_markdown()
        if turn.turns_left == 1 or not left or (turn.role == "lead" and seen):
            return table
        if turn.role == "lead":
            width = turn.tools[0]["function"]["parameters"]["properties"]["subtasks"]["maxItems"]
            shares = [share for at in range(width) if (share := asked[at::width])]
            subtasks = ", ".join(f'"Look up these towns: {", ".join(share)}?"' for share in shares)
            return f'<tool_call>{{"name": "delegate", "arguments": {{"subtasks": [{subtasks}]}}}}</tool_call>'
        return "\n".join(
            f'<tool_call>{{"name": "search", "arguments": {{"query": "{name}"}}}}</tool_call>'
            for name in left[:2]
        )
