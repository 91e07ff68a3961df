"""`episode_detail`: everything that the page shows of one episode, as JSON values.

Texts of agents and web pages are passed on unchanged. The page shows them as text and never as markup.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from wideseek_env.messages import Message
from wideseek_env.pages.neutral import neutralise
from wideseek_env.parsing import Problem, thoughts_of
from wideseek_env.scoring import TableScore
from wideseek_env.scoring.judged import judged_cells
from wideseek_env.trajectory import Trajectory
from wideseek_env.viewer.answer import answer_view
from wideseek_env.viewer.timeline import Act, Timeline, critical_path, timeline_of


def episode_detail(trajectory: Trajectory) -> dict[str, Any]:
    """The view of one recorded episode. The functions below make its parts.

    ``results`` has one entry [conversation, index of the turn, index of the request] for each tool result, in the order
    in which the results arrived. ``critical`` has the turns on the critical path, as [conversation, index of the turn].
    """
    timeline = timeline_of(trajectory)
    answer = answer_view(trajectory, timeline)
    task = trajectory.task
    return {
        "question": task.question,
        "answer": answer,
        "final": trajectory.outcome.get("answer"),
        "detail": trajectory.outcome.get("detail", ""),
        "score": score_view(trajectory.score, judged_cells(task)[1]),
        "reward": {
            "name": trajectory.reward_name,
            "total": trajectory.reward,
            "parts": dict(trajectory.parts),
        },
        "agents": [
            _conversation(trajectory, timeline, number, found)
            for number, found in enumerate(answer.pop("found"))
        ],
        "results": [
            [act.conversation, act.turn - 1, act.requests.index(request)]
            for act, request in timeline.requests()
        ],
        "critical": {
            "seconds": critical_path(timeline, "seconds") if timeline.timed else [],
            "turns": critical_path(timeline, "turns"),
        },
        "timed": timeline.timed,
        "unread": timeline.unread,
        "about": {
            "task": {
                "id": task.id,
                "language": task.language,
                "source": task.source,
                "key columns": list(task.key_columns),
                **{f"meta.{key}": value for key, value in task.meta.items()},
            },
            "game": {
                "corpus": trajectory.corpus,
                "profile": trajectory.profile,
                "team": trajectory.team,
                "roster": trajectory.roster,
                "seed": trajectory.seed,
                **{f"rules.{key}": value for key, value in trajectory.rules.to_dict().items()},
            },
            "record": dict(trajectory.meta),
        },
    }


def score_view(score: TableScore, cells: int) -> dict[str, Any]:
    """The metrics and remarks of a score. `cells` is the number of gold cells of the task."""
    return {
        "figures": {
            "item F1": score.f1_by_item,
            "item precision": score.precision_by_item,
            "item recall": score.recall_by_item,
            "row F1": score.f1_by_row,
            "row precision": score.precision_by_row,
            "row recall": score.recall_by_row,
            "success": score.score,
        },
        "message": score.message,
        "judge": _judge(score, cells),
        "well_formed": score.well_formed,
    }


def _judge(score: TableScore, cells: int) -> str:
    """The judge that was asked, and how many cells rules decided although a model should judge them."""
    if not score.by_rules:
        return score.judge
    judge = score.judge or "rules"
    return f"{judge} ({score.by_rules} of {cells} cells are for a model, but no model judged them)"


def _conversation(trajectory: Trajectory, timeline: Timeline, number: int, found: int) -> dict[str, Any]:
    """One agent's conversation: its beginning, its turns and its end. Times are [seconds, turns]."""
    conversation = trajectory.conversations[number]
    messages: Sequence[Message] = conversation["messages"]
    acts, parent = timeline.acts[number], timeline.parents[number]
    begun = timeline.acts[parent[0]][parent[1]] if parent is not None else None
    ends = [*(act.message for act in acts), len(messages)][1:]
    return {
        "agent": conversation["agent"],
        "life": conversation["life"],
        "subtask": conversation["subtask"],
        "ending": conversation["ending"],
        "errors": conversation["errors"],
        "dropped": conversation.get("dropped", 0),
        "found": found,
        "parent": list(parent) if parent is not None else None,
        "ended": [
            timeline.ended[number],
            acts[-1].clock if acts else begun.clock if begun is not None else 0,
        ],
        "opening": [[m["role"], m["content"]] for m in messages[: acts[0].message if acts else None]],
        "turns": [
            _turn(trajectory, act, messages[act.message], messages[act.message + 1 : end])
            for act, end in zip(acts, ends, strict=True)
        ],
    }


def _turn(trajectory: Trajectory, act: Act, message: Message, back: Sequence[Message]) -> dict[str, Any]:
    """One turn: the parts of the agent's message, and the results in the order in which the agent read them."""
    thinking = "\n\n".join(thoughts_of(message["content"]))
    text, written, *_ = trajectory.parse(message)
    turn: dict[str, Any] = {
        "times": [act.ready, act.at, act.settled],
        "clock": act.clock,
        "text": text,
        "written": len(written),
        "problems": sum(isinstance(call, Problem) for call in written),
        "requests": [
            {"kind": r.kind, "arguments": dict(r.arguments), "text": r.text, "ok": r.ok, "at": r.at}
            for r in act.requests
        ],
        "spawned": act.spawned,
        "back": [part for each in back for part in _parts(trajectory, act, each["content"])],
    }
    if thinking:
        turn["thinking"] = thinking
    if message["content"] != text:
        turn["raw"] = message["content"]
    if message.get("tool_calls"):
        turn["native"] = message["tool_calls"]
    if message.get("finish_reason"):
        turn["finish"] = message["finish_reason"]
    return turn


def _parts(trajectory: Trajectory, act: Act, content: str) -> list[list[Any]]:
    """A tool message as parts: ["text", text], ["result", number of the request] or ["report", conversation, text]."""
    pieces: list[tuple[str, list[Any]]] = [
        (request.text, ["result", number]) for number, request in enumerate(act.requests)
    ]
    for number in act.spawned:
        report = neutralise(trajectory.conversations[number]["final"])  # as the rules deliver it
        pieces.append((report, ["report", number, report]))
    parts: list[list[Any]] = []
    position = 0
    for piece, part in pieces:
        at = content.find(piece, position) if piece else -1
        if at < 0:
            continue  # it was cut, or arrived in another message: the rest of it stays in the text
        if at > position:
            parts.append(["text", content[position:at]])
        parts.append(part)
        position = at + len(piece)
    if position < len(content):
        parts.append(["text", content[position:]])
    return parts
