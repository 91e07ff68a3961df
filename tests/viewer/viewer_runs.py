"""Recorded episodes for the viewer's tests: played by hand on one small task, or by the toy team."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from wideseek_env.episode import Episode
from wideseek_env.messages import ToolCall, ToolResult
from wideseek_env.rewards import ItemF1
from wideseek_env.scoring import score_response
from wideseek_env.task import ColumnSpec, Table, Task
from wideseek_env.trajectory import Trajectory

TASK = Task(
    id="museums",
    question="Which museums does Honholm have, when did they open and what is their website?",
    columns=("Museum", "Opened", "Visitors"),
    key_columns=("Museum",),
    gold=Table(
        ("Museum", "Opened", "Visitors"),
        (
            ("Tower Museum", "1874", "12,000"),
            ("Harbour Museum of Honholm", "1901", "300"),
            ("Salt House", "1955", "77"),
        ),
    ),
    specs={"Opened": ColumnSpec(), "Visitors": ColumnSpec(("number_near",), ("extract_number",), 0.01)},
    source="by hand",
    meta={"difficulty": "easy", "hops": 1},
)

LIST_HITS = (
    "1. [List of museums](https://web.example/list)\n   Tower Museum, Harbour Museum of Honholm and Salt House. "
    "Open since 1874.\n"
    "2. [Honholm](https://web.example/honholm)\n   A town with 300 houses.\n"
)
TOWER = "Title: Tower Museum\n\nThe **Tower Museum** opened in 1874.\n\n| Visitors | 12000 |\n\n[Home](http://tower.example/)"
HARBOUR = "Title: Harbour Museum of Honholm\n\nOpened: 1901. In 1955 it burnt down. Visitors: 300."
ANSWER = (
    "| Museum | Opened | Visitors |\n| --- | --- | --- |\n| Tower Museum | 1874 | 12,000 |\n"
    "| Harbour Museum of Honholm | 1955 | |\n| Glass Palace | 1999 | 5 |"
)


def call(name: str, **arguments: Any) -> str:
    """A tool call as text."""
    return f"<tool_call>{json.dumps({'name': name, 'arguments': arguments}, ensure_ascii=False)}</tool_call>"


Script = Mapping[str, Sequence[str]]
MUSEUMS: Script = {
    "lead": (
        "<think>Split it.\nTwo should do.</think>I ask two. "
        + call("delegate", subtasks=["Tower Museum", "Harbour Museum"]),
        f"Here it is.\n\n{ANSWER}",
    ),
    "subagent_0": (
        call("search", query="museums Honholm"),
        call("browse", url="https://web.example/tower"),
        "| Museum | Opened | Visitors |\n|---|---|---|\n| Tower Museum | 1874 | 12,000 |",
    ),
    "subagent_1": (
        call("browse", url="https://web.example/harbour") + call("browse", url="https://web.example/gone"),
        call("browse", url="https://web.example/harbour", chunk=2),
        "It says 1955.",
        "(never asked)",
    ),
}
PAGES = {
    "museums Honholm": LIST_HITS,
    "https://web.example/tower": TOWER,
    "https://web.example/harbour": HARBOUR,
    "https://web.example/gone": ToolResult("Error: this page is gone.", ok=False),
}


def browse(request: ToolCall) -> str | ToolResult:
    """What the small web says."""
    return PAGES.get(str(request.arguments.get("query") or request.arguments.get("url")), "nothing")


def play(
    script: Script = MUSEUMS,
    task: Task = TASK,
    *,
    web: Callable[[ToolCall], str | ToolResult] = browse,
    timed: bool = True,
    trial: int = 0,
    record_profile: str = "",
    reward_parts: Mapping[str, float] | None = None,
    **settings: Any,
) -> Trajectory:
    """Play a script: agents take their turns one after the other, a second each; a tool takes half a second."""
    episode = Episode(task, **settings)
    said = {agent: iter(texts) for agent, texts in script.items()}
    now, times = 0.0, []
    waiting: list[ToolCall] = []
    while not episode.done:
        if waiting:
            request = waiting.pop(0)
            now += 0.5
            times.append(now)
            episode.deliver(request, web(request))
            continue
        agent = episode.ready()[0]
        text = next(said[agent], None)
        now += 1.0
        times.append(now)
        if text is None:
            episode.fail(agent)
        else:
            waiting += episode.act(agent, text)
    assert episode.outcome is not None
    score = score_response(episode.outcome.answer or "", task)
    trajectory = Trajectory.of_episode(
        episode,
        score=score,
        parts=reward_parts if reward_parts is not None else ItemF1()(episode, score),
        reward_name="item_f1",
        corpus="by hand",
        seed=1,
        times=times if timed else (),
        meta={"trial": trial, "policy": "script"},
    )
    return dataclasses.replace(trajectory, profile=record_profile) if record_profile else trajectory


def write_file(path: Path, trajectories: Sequence[Trajectory]) -> Path:
    """A file of trajectories, in ASCII so that it can hold what UTF-8 cannot."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(f"{json.dumps(each.to_dict())}\n" for each in trajectories), encoding="ascii")
    return path


def write_run(folder: Path, trajectories: Sequence[Trajectory], **settings: Any) -> Path:
    """A folder as `wideseek eval` leaves it, as far as the viewer looks at it."""
    write_file(folder / "trajectories.jsonl", trajectories)
    (folder / "run.json").write_text(json.dumps({"format": 1, "settings": {"policy": "script", **settings}}))
    return folder
