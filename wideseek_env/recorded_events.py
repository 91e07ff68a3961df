"""The conversations and events of an episode as JSON values, in the form of a record.

A message is stored once, in its conversation. An event refers to it by the indices of conversation and message.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from wideseek_env.conversation import Conversation
from wideseek_env.episode import Episode, Event
from wideseek_env.errors import TrajectoryError
from wideseek_env.messages import Message


def conversation_to_dict(conversation: Conversation) -> dict[str, Any]:
    """The conversation with all its messages."""
    return {
        "agent": conversation.agent,
        "role": conversation.role,
        "life": conversation.generation,
        "subtask": conversation.subtask,
        "turns": conversation.turns,
        "clock": conversation.clock,
        "ending": conversation.ending,
        "final": conversation.final,
        "calls": dict(conversation.calls),
        "errors": conversation.errors,
        "dropped": conversation.dropped,
        "messages": list(conversation.messages),
    }


def events_to_dicts(episode: Episode) -> list[dict[str, Any]]:
    """All events of the episode, in order."""
    where = {
        id(message): (number, index)
        for number, conversation in enumerate(episode.conversations)
        for index, message in enumerate(conversation.messages)
        if message["role"] == "assistant"
    }
    return [_event_to_dict(event, where) for event in episode.events]


def event_from_dict(event: Mapping[str, Any], conversations: Sequence[Mapping[str, Any]]) -> Event:
    """The event of a record with these conversations.

    Raises:
        KeyError, IndexError, TypeError: The event or a conversation is damaged.
    """
    if "act" in event:
        message: Message = conversations[event["conversation"]]["messages"][event["message"]]
        return ("act", event["act"], message)
    if "result" in event:
        result = ("result", event["result"], event["text"], event["ok"])
        return (*result, dict(event["usage"])) if "usage" in event else result
    return ("fail", event["fail"]) if "fail" in event else ("abort", event["abort"])


def _event_to_dict(event: Event, where: Mapping[int, tuple[int, int]]) -> dict[str, Any]:
    match event:
        case ("act", agent, message):
            conversation, index = where[id(message)]
            return {"act": agent, "conversation": conversation, "message": index}
        case ("result", call, text, ok):
            return {"result": call, "text": text, "ok": ok}
        case ("result", call, text, ok, usage):
            return {"result": call, "text": text, "ok": ok, "usage": usage}
        case (kind, detail):
            return {str(kind): detail}
    raise TrajectoryError(f"not an event: {event!r}")
