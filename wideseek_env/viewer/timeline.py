"""`Timeline`: what happened in a recorded episode, turn by turn and with times.

A trajectory records messages and results. The rules decide which tool requests a message makes, and which turn starts
which subagent. `timeline_of` finds this out by replaying the events, if that is possible.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from wideseek_env.errors import WideSeekError
from wideseek_env.messages import Message, ToolCall, ToolResult
from wideseek_env.parsing import RawCall
from wideseek_env.trajectory import Trajectory

# No limit: the record shows which agents ran out of context, and the unit of the limit is not known here.
_NO_BUDGET = 1 << 62


@dataclass(slots=True)
class Request:
    """One tool request. `ok` and `at` (seconds) are None without a result. `at` is also None without recorded times."""

    id: str
    kind: str
    arguments: Mapping[str, Any]
    text: str = ""
    ok: bool | None = None
    at: float | None = None


@dataclass(slots=True)
class Act:
    """One turn of an agent.

    * `ready`, `at` and `settled` are seconds: when the turn could begin, when its message was written, and when all its
      results had arrived.
    * `clock` is the agent's position on the logical time line after the turn, in turns.
    * `message` is the index of the assistant's message.
    * `spawned` has the numbers of the conversations that the turn started.
    """

    conversation: int
    turn: int
    message: int
    clock: int
    ready: float = 0.0
    at: float = 0.0
    settled: float = 0.0
    requests: list[Request] = field(default_factory=list)
    spawned: list[int] = field(default_factory=list)


@dataclass(slots=True)
class Timeline:
    """The acts of every conversation, and the act that started it. That act is given as (conversation, index)."""

    acts: list[list[Act]]
    parents: list[tuple[int, int] | None]
    ended: list[float]
    """Seconds until the last event of each conversation."""
    timed: bool
    """Whether the record has a time for every event. If not, all seconds are 0."""
    unread: str
    """The reason why the requests are shown as the agent wrote them.

    It is "" if they are shown as the rules read them.
    """

    def requests(self) -> list[tuple[Act, Request]]:
        """Every request that got a result, in the order of the results."""
        return self._answered

    _answered: list[tuple[Act, Request]] = field(default_factory=list)


def timeline_of(trajectory: Trajectory) -> Timeline:
    """The timeline of a recorded episode.

    Raises:
        KeyError, IndexError, TypeError: The record does not have the form of a trajectory.
    """
    conversations, events = trajectory.conversations, trajectory.events
    times = _times(trajectory.timing.get("events"), len(events))
    timeline = Timeline(
        acts=[[] for _ in conversations],
        parents=[None] * len(conversations),
        ended=[0.0] * len(conversations),
        timed=times is not None,
        unread="",
    )
    for event in events:
        if "act" in event:
            number = int(event["conversation"])
            acts = timeline.acts[number]
            acts.append(Act(number, len(acts) + 1, int(event["message"]), 0))
    _place(timeline, conversations)
    calls, timeline.unread = _requests(trajectory)
    _run(timeline, trajectory, times or [0.0] * len(events), calls)
    return timeline


def critical_path(timeline: Timeline, by: Literal["seconds", "turns"]) -> list[tuple[int, int]]:
    """The acts on the critical path, first to last, as (conversation, index of the act).

    The path is followed backwards from the last act of the first conversation. An act waits for the subagent that ended
    last, and the first act of a subagent waits for the act that started it. Measured in turns, the length of the path
    is the `critical_path` of the outcome.
    """
    if not timeline.acts or not timeline.acts[0]:
        return []

    def end(number: int) -> float:
        return timeline.ended[number] if by == "seconds" else timeline.acts[number][-1].clock

    def awaited(number: int, index: int) -> tuple[int, int]:
        """The act after which all results and reports of this act had arrived."""
        act = timeline.acts[number][index]
        last = max((child for child in act.spawned if timeline.acts[child]), key=end, default=None)
        tools = max((request.at or 0.0 for request in act.requests), default=0.0)
        if last is not None and (by == "turns" or end(last) >= tools):
            return last, len(timeline.acts[last]) - 1
        return number, index

    # the act itself, unless the agent never got the reports of its subagents
    at = awaited(0, len(timeline.acts[0]) - 1)
    path = [at]
    while True:
        number, index = at
        if index:
            at = awaited(number, index - 1)
        elif (parent := timeline.parents[number]) is not None:
            at = parent
        else:
            return path[::-1]
        path.append(at)


def _place(timeline: Timeline, conversations: Sequence[Mapping[str, Any]]) -> None:
    """Give every act its place on the logical time line, and every subagent the turn that started it."""
    waiting = list(range(1, len(conversations)))
    clock = 0
    for index, act in enumerate(timeline.acts[0] if timeline.acts else []):
        clock += 1
        act.clock = clock
        for number in list(waiting):
            begun = int(conversations[number]["clock"]) - int(conversations[number]["turns"])
            if begun != act.clock:
                continue
            waiting.remove(number)
            act.spawned.append(number)
            timeline.parents[number] = (0, index)
            for turn, own in enumerate(timeline.acts[number], 1):
                own.clock = begun + turn
            clock = max(clock, begun + len(timeline.acts[number]))


def _run(
    timeline: Timeline, trajectory: Trajectory, times: list[float], calls: Mapping[str, ToolCall]
) -> None:
    """Walk through the events and put times and results into the acts."""
    begun = [0.0] * len(timeline.acts)
    done = [0] * len(timeline.acts)  # number of acts of each conversation so far
    current: dict[str, int] = {trajectory.conversations[0]["agent"]: 0} if timeline.acts else {}
    for event, now in zip(trajectory.events, times, strict=True):
        if "act" in event:
            number = int(event["conversation"])
            act = timeline.acts[number][done[number]]
            done[number] += 1
            before = timeline.acts[number][act.turn - 2] if act.turn > 1 else None
            if before is None:
                act.ready = begun[number]
            else:
                act.ready = max([before.settled, *(timeline.ended[child] for child in before.spawned)])
                before.settled = act.ready
            act.at = act.settled = timeline.ended[number] = now
            current[str(event["act"])] = number
            for child in act.spawned:
                begun[child] = timeline.ended[child] = now
                current[trajectory.conversations[child]["agent"]] = child
        elif "result" in event:
            call_id = str(event["result"])
            agent, _, _ = call_id.rsplit("/", 2)
            number = current[agent]
            act = timeline.acts[number][done[number] - 1]
            call = calls.get(call_id)
            request = Request(
                call_id,
                call.name if call is not None else "tool",
                call.arguments if call is not None else {},
                str(event["text"]),
                bool(event["ok"]),
                now if timeline.timed else None,
            )
            act.requests.append(request)
            act.settled = timeline.ended[number] = max(act.settled, now)
            timeline.requests().append((act, request))
        elif "fail" in event:
            timeline.ended[current[str(event["fail"])]] = now
    for acts in timeline.acts:
        for act in acts:
            act.settled = max([act.settled, *(timeline.ended[child] for child in act.spawned)])
            act.requests.sort(key=_number)


def _number(request: Request) -> int:
    last = request.id.rpartition("/")[2]
    return int(last) if last.isdecimal() else 0


def _times(recorded: object, count: int) -> list[float] | None:
    """The recorded times. None unless each of the `count` events has a valid one."""
    if not isinstance(recorded, list) or len(recorded) != count or not count:
        return None
    if not all(
        isinstance(t, int | float) and not isinstance(t, bool) and math.isfinite(t) and t >= 0
        for t in recorded
    ):
        return None
    return [float(t) for t in recorded] if max(recorded) > 0 else None


def _requests(trajectory: Trajectory) -> tuple[dict[str, ToolCall], str]:
    """The tool requests by id, and why they are shown as the agent wrote them. The reason is "" if they are
    shown as the rules read them."""
    try:
        return _played(trajectory), ""
    except (WideSeekError, KeyError, IndexError, TypeError, ValueError) as error:
        return _written(trajectory), f"the record cannot be played again ({error})"


def _played(trajectory: Trajectory) -> dict[str, ToolCall]:
    """The tool requests as the rules read every message. Agents that ran out of context are ended explicitly."""
    episode = trajectory.new_episode(rules=trajectory.rules.replace(context=_NO_BUDGET))
    left = [int(conversation["turns"]) for conversation in trajectory.conversations]
    spent = {i for i, c in enumerate(trajectory.conversations) if c["ending"] == "out_of_context"}
    found: dict[str, ToolCall] = {}
    for event in trajectory.events:
        for number in [n for n in spent if not left[n] and n < len(episode.conversations)]:
            ended = episode.conversations[number]
            if ended.status == "acting" and ended.agent in episode.ready():
                episode.fail(ended.agent)
                spent.discard(number)
        if "act" in event:
            number = event["conversation"]
            message: Message = trajectory.conversations[number]["messages"][event["message"]]
            calls = episode.act(event["act"], message)
            left[number] -= 1
            if number in spent and not left[number] and _last(trajectory, number, event["message"]):
                for call in calls:  # the agent's message was too long, so its requests were not run
                    episode.deliver(call, ToolResult(""))
            else:
                found.update((call.id, call) for call in calls)
        elif "result" in event:
            episode.deliver(event["result"], ToolResult(event["text"], event["ok"]))
        elif "fail" in event:
            episode.fail(event["fail"])
        else:
            episode.abort(event["abort"])
    return found


def _last(trajectory: Trajectory, number: int, message: int) -> bool:
    return bool(message == len(trajectory.conversations[number]["messages"]) - 1)


def _written(trajectory: Trajectory) -> dict[str, ToolCall]:
    """The calls as the agent wrote them, for turns with as many results as calls."""
    ids: dict[str, list[str]] = {}
    for event in trajectory.events:
        if "result" in event:
            ids.setdefault(str(event["result"]).rpartition("/")[0], []).append(str(event["result"]))
    found: dict[str, ToolCall] = {}
    for conversation in trajectory.conversations:
        turn = 0
        for message in conversation["messages"]:
            if message["role"] != "assistant":
                continue
            turn += 1
            prefix = f"{conversation['life']}." if conversation["life"] else ""
            mine = sorted(ids.get(f"{conversation['agent']}/{prefix}{turn}", ()), key=lambda i: (len(i), i))
            calls = trajectory.parse(message).calls
            written = [call for call in calls if isinstance(call, RawCall)]
            if len(mine) == len(written):
                for call_id, raw in zip(mine, written, strict=True):
                    found[call_id] = ToolCall(call_id, conversation["agent"], raw.name, raw.arguments)
    return found
