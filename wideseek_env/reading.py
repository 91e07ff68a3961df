"""Reads one message of an agent under a protocol: the requests of its calls, and the calls that cannot be run.

`wideseek_env.parsing` reads the calls as the model wrote them. This module compares them with the tools of the agent's
role and with the limits of a message, and leaves out what the protocol leaves out. It runs nothing.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple, TypeAlias

from wideseek_env.messages import Message, Role
from wideseek_env.parsing import Problem, RawCall, Tools
from wideseek_env.profiles import Profile
from wideseek_env.rules import Rules
from wideseek_env.tools.spec import Arguments, ToolInputError, ToolSpec


class Asked(NamedTuple):
    """A call that the limits of a message allow: its tool, and the checked arguments of each request."""

    tool: ToolSpec
    requests: list[Arguments]
    native_id: str = ""
    dropped: int = 0
    """The number of items of its list that were left out."""


class Refused(NamedTuple):
    """A call that is not run. `code` and `detail` are those of a `wideseek_env.parsing.Problem`."""

    code: str
    detail: str
    native_id: str = ""
    name: str = ""
    """The tool that the call names. "" if the call cannot be read."""


Item: TypeAlias = Asked | Refused


class Reading(NamedTuple):
    """A message as the episode reads it.

    `text` is its visible text. `calls` has the calls and problems in the order written. Without any, the message is the
    agent's last one. `dropped` is the number of calls and items that were left out without a word. `unanswered` has the
    ids of native calls that were left out: their results are empty.
    """

    text: str
    calls: list[Item]
    dropped: int = 0
    unanswered: Sequence[str] = ()


def read_message(message: Message, role: Role, profile: Profile, rules: Rules, known: Tools) -> Reading:
    """Read a message that `wideseek_env.messages.assistant_message` made. Never raises.

    `known` has the tools of all roles with their arguments, as `Profile.tool_arguments` returns them.
    """
    protocol = profile.protocol
    parsed = protocol.parse(message, known)
    tools = {tool.name: tool for tool in profile.tools[role]}
    calls: list[Item] = []
    dropped, unanswered = parsed.dropped, list(parsed.unanswered)
    room, width = rules.calls_per_turn, rules.width
    for raw in parsed.calls:
        item = Refused(*raw) if isinstance(raw, Problem) else _asked(raw, tools, profile, rules)
        if isinstance(item, Refused):
            if protocol.unreadable == "answer":
                # A message that was cut off, or whose thought has no end, has no call that could be left out.
                dropped += item.code not in ("cut_off", "unclosed_thinking")
                unanswered += [item.native_id] if item.native_id else []
                continue
            full = room < 1 and isinstance(raw, RawCall)
            calls.append(_too_many(rules, item.native_id, item.name) if full else item)
            room -= not full
            continue
        delegates = item.tool.kind == "delegate"
        if protocol.excess == "cut":
            kept = item.requests[: 0 if room < 1 else width if delegates else room]
            dropped += item.dropped + len(item.requests) - len(kept)
            if not kept:
                unanswered += [item.native_id] if item.native_id else []
                continue
            item = item._replace(requests=kept)
            width -= len(kept) if delegates else 0
        dropped += item.dropped if protocol.excess == "refuse" else 0
        if room < 1:
            calls.append(_too_many(rules, item.native_id, item.tool.name))
            continue
        # A list of queries may be short enough alone, but not with the earlier calls.
        alone = delegates or len(item.requests) <= rules.calls_per_turn
        room -= len(item.requests) if alone and not delegates else 1
        calls.append(item if alone and room >= 0 else _too_many(rules, item.native_id, item.tool.name))
    return Reading(parsed.text, calls, dropped, unanswered)


def _asked(call: RawCall, tools: Mapping[str, ToolSpec], profile: Profile, rules: Rules) -> Item:
    """The requests of a call, or why it cannot be run. The limits of a message are not checked."""
    protocol = profile.protocol
    tool = tools.get(call.name)
    if tool is None:
        known = any(other.name == call.name[:80] for each in profile.tools.values() for other in each)
        code = "forbidden_tool" if known else "unknown_tool"
        return Refused(code, repr(call.name[:80]), call.native_id, call.name)
    try:
        if protocol.reading == "lenient" or tool.read_exactly is None:
            return Asked(tool, tool.read(call.arguments, rules), call.native_id)
        items = tool.read_exactly(call.arguments, rules)
        most = rules.width if tool.kind == "delegate" else rules.calls_per_turn
        # The published system cuts a list first, and then skips the items that it cannot use.
        kept = [item for item in items[: most if protocol.excess == "cut" else None] if item is not None]
        if not kept:
            raise ToolInputError("missing", ", ".join(f'"{name}"' for name in tool.example))
        return Asked(tool, kept, call.native_id, len(items) - len(kept))
    except ToolInputError as error:
        return Refused(error.code, error.detail, call.native_id, call.name)


def _too_many(rules: Rules, native_id: str, name: str) -> Refused:
    return Refused("too_many_calls", str(rules.calls_per_turn), native_id, name)
