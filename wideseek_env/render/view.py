"""`View`: the state of an episode at one moment as printable text. Both renderers draw it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from wideseek_env.conversation import Conversation, Status
from wideseek_env.episode import Episode
from wideseek_env.episode_run import EpisodeRun
from wideseek_env.messages import Message
from wideseek_env.reading import Refused
from wideseek_env.render.printable import one_line
from wideseek_env.scoring import parse_table

LINE = 200
"""Maximum number of characters kept of an action or a result.

A lane, the panel or line of an agent, shows as much as it has room for.
"""


@dataclass(frozen=True, slots=True)
class Lane:
    """The display of one agent.

    It has one line each for turn and status, the last action, and the result of that action.
    """

    agent: str
    status: Status
    turn: int
    limit: int
    action: str
    result: str

    @property
    def state(self) -> str:
        """Turn and status in a few words."""
        return f"turn {self.turn}/{self.limit} {self.status}"


@dataclass(frozen=True, slots=True)
class View:
    """The state of an episode at one moment. `elapsed` is the length of the critical path so far, in turns."""

    task_id: str
    question: str
    lanes: tuple[Lane, ...]
    elapsed: int
    tool_calls: dict[str, int]
    done: bool
    verdict: str
    """The ending, score and reward in one line. "" before the end."""

    @property
    def counts(self) -> str:
        """Elapsed turns and tool calls in one line."""
        calls = ", ".join(f"{count} {kind}" for kind, count in sorted(self.tool_calls.items()))
        return f"{self.elapsed} turns elapsed · {calls or 'no tool calls'}"


def view_of(run: EpisodeRun) -> View:
    """The view of the current state of an episode."""
    episode = run.episode
    calls: dict[str, int] = {}
    for conversation in episode.conversations:
        for kind, count in conversation.calls.items():
            calls[kind] = calls.get(kind, 0) + count
    return View(
        task_id=one_line(run.task.id, LINE),
        question=one_line(run.task.question, 2000),
        lanes=tuple(_lane(episode, episode.conversation(agent)) for agent in episode.agents),
        elapsed=max(conversation.clock for conversation in episode.conversations),
        tool_calls={one_line(kind, 40): count for kind, count in calls.items()},
        done=run.done,
        verdict=verdict(run),
    )


def verdict(run: EpisodeRun) -> str:
    """The ending, score and reward of an episode in one line. "" while the episode is running."""
    outcome, score = run.episode.outcome, run.score
    if outcome is None or score is None:
        return ""
    ending = outcome.ending.replace("_", " ")
    if outcome.detail:
        ending = f"{ending} ({one_line(outcome.detail, LINE)})"
    worth = "success" if score.score >= 1 else "no success"
    return (
        f"{ending} · item-F1 {100 * score.f1_by_item:.1f} (precision {100 * score.precision_by_item:.1f}, "
        f"recall {100 * score.recall_by_item:.1f}) · row-F1 {100 * score.f1_by_row:.1f} · {worth} · "
        f"reward {run.reward:.3f} · critical path {outcome.critical_path}"
    )


def _lane(episode: Episode, conversation: Conversation) -> Lane:
    messages = conversation.messages
    last = next((at for at in range(len(messages) - 1, -1, -1) if messages[at]["role"] == "assistant"), None)
    action = result = ""
    if last is None:
        action = one_line(conversation.subtask, LINE)
    else:
        action = describe(episode, conversation, messages[last])
        result = one_line(_findings(messages[last + 1 :]), LINE)
    if conversation.status == "waiting":
        running = [child for call in conversation.pending_calls for child in call.spawned]
        done = sum(child.status == "done" for child in running)
        result = f"{done} of {len(running)} reports are in" if running else "waiting for results"
    elif conversation.ending not in ("", "reported", "answered"):
        result = f"ended without a report: {conversation.ending.replace('_', ' ')}"
    return Lane(
        agent=conversation.agent,
        status=conversation.status,
        turn=conversation.turns,
        limit=conversation.limit,
        action=action,
        result=result,
    )


def describe(episode: Episode, conversation: Conversation, message: Message) -> str:
    """An agent's message in one line: its tool calls, or the beginning of its report or answer."""
    text, calls, *_ = episode.read(conversation.role, message)
    if not calls:
        word = "report" if conversation.role == "subagent" else "answer"
        return one_line(f"{word}: {_gist(text)}", LINE)
    parts: list[str] = []
    for call in calls:
        if isinstance(call, Refused):
            parts.append(f"(bad call of {call.name[:40]})" if call.name else "(unreadable call)")
        else:
            parts += _requests(call.tool.kind, call.requests)
    return one_line(" · ".join(parts), LINE)


def _requests(kind: str, requests: list[dict[str, Any]]) -> list[str]:
    match kind:
        case "delegate":
            plural = "subtask" if len(requests) == 1 else "subtasks"
            return [f"delegate {len(requests)} {plural}"]
        case "search":
            return [f"search “{request['query']}”" for request in requests]
        case "browse":
            return [_browse(**request) for request in requests]
    return [kind] * len(requests)


def _browse(url: str, chunk: int, focus: str) -> str:
    return f"browse {url}" + (f" (chunk {chunk})" if chunk > 1 else "") + (f" for “{focus}”" if focus else "")


def _findings(messages: list[Message]) -> str:
    """The text of tool messages without headings, which repeat the requests, and without the notice at the end."""
    text = "\n".join(message["content"] for message in messages).rpartition("\n\n")[0][:4000]
    lines = (line.strip() for line in text.split("\n"))
    return " · ".join(line for line in lines if line.strip("|-: ") and not line.startswith("# "))


def _gist(text: str) -> str:
    """A report or answer in a few words: size and columns of its table, or else its beginning."""
    table = parse_table(text).table if "|" in text else None
    if table is None:
        return text
    count = len(table.rows)
    return f"a table of {count} {'row' if count == 1 else 'rows'}: {', '.join(table.header)}"
