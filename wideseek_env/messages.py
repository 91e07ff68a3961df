"""Messages in OpenAI chat shape, and a read-only view of a conversation.

A message is a dictionary with `role` ("system", "user", "assistant" or "tool") and `content` (text). An assistant
message may have `tool_calls` in OpenAI's native form, and `completion_tokens`: the number of tokens that the model
generated for it. A "tool" message that answers one of those calls has its `tool_call_id`. Messages never change once
they are in a conversation.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, TypeAlias, cast, overload

from wideseek_env.clean import clean_text
from wideseek_env.errors import ConfigError
from wideseek_env.plugins import is_part, make_part
from wideseek_env.suggestions import hint

Message: TypeAlias = dict[str, Any]
"""One chat message: a dictionary with `role`, `content` and, where they apply, `tool_calls`, `completion_tokens` or
`tool_call_id`."""

Action: TypeAlias = str | Mapping[str, Any]
"""The message of an agent in a turn: text, or an assistant message in OpenAI shape."""

Role: TypeAlias = Literal["lead", "subagent", "single"]
"""The role of an agent: the lead of a team, a subagent, or an agent without a team."""

ROLES: tuple[Role, ...] = ("lead", "subagent", "single")

Counter: TypeAlias = Callable[[Message], int]
"""Measures one message in the unit of the context budget: characters by default, tokens for a model."""


def count_characters(message: Message) -> int:
    """The default `Counter`: the number of characters in the content and in native tool calls."""
    total = len(message["content"])
    for call in message.get("tool_calls", ()):
        total += len(call["function"]["name"]) + len(call["function"]["arguments"])
    return total


def counter_named(counter: str | Counter) -> Counter:
    """The counter called ``characters`` or ``module:name``. A function is returned as it is.

    Raises:
        ConfigError: There is no such counter.
    """
    if isinstance(counter, str):
        if counter == "characters":
            return count_characters
        if not is_part("counter", counter):
            raise ConfigError(
                f"no counter {counter!r}{hint(counter, ['characters'])}; there is: characters; "
                "for a custom one write module:name"
            )
        found: Any = make_part(
            "counter", counter, callable, "the form of a function from a message to a number"
        )
        return cast(Counter, found)
    if not callable(counter):
        raise ConfigError(
            f"a counter must be a name or a function from a message to a number, not {counter!r:.80}"
        )
    return counter


@dataclass(frozen=True, slots=True)
class ToolCall:
    """One request that an executor must run: the kind of a tool with checked arguments.

    `id` is unique in the episode and names the agent that made the request: ``agent/turn/number``. If the same agent
    id has had an earlier conversation, the number of the conversation precedes the turn. `name` is the kind of tool:
    "search", "browse" or the name of a custom tool. The profile may give the tool another name in prompts. The
    `arguments` of a search are ``query: str, count: int``. The `arguments` of a browse are ``url: str, chunk: int,
    focus: str``.
    """

    id: str
    agent: str
    name: str
    arguments: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class ToolResult:
    """The result of a tool call. `ok` is False if the tool failed. In this case `text` tells the model the reason.

    `usage` counts what a model used to make the result, such as ``prompt_tokens``. It is empty if no model was used.
    """

    text: str
    ok: bool = True
    usage: Mapping[str, int] = field(default_factory=dict, hash=False)


class Transcript(Sequence[Message]):
    """A conversation as it was at one moment: the first messages of a list that only grows, without a copy.

    A transcript is equal to a list of the same messages. ``list(transcript)`` gives a list to keep or to send.
    """

    __slots__ = ("_messages", "_stop")

    def __init__(self, messages: list[Message], stop: int | None = None) -> None:
        self._messages = messages
        self._stop = len(messages) if stop is None else stop

    @overload
    def __getitem__(self, index: int) -> Message: ...
    @overload
    def __getitem__(self, index: slice) -> list[Message]: ...
    def __getitem__(self, index: int | slice) -> Message | list[Message]:
        if isinstance(index, slice):
            return [self._messages[i] for i in range(*index.indices(self._stop))]
        if index < 0:
            index += self._stop
        if not 0 <= index < self._stop:
            raise IndexError("transcript index out of range")
        return self._messages[index]

    def __len__(self) -> int:
        return self._stop

    def __iter__(self) -> Iterator[Message]:
        for index in range(self._stop):
            yield self._messages[index]

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, (Transcript, list, tuple)):
            return NotImplemented
        return len(self) == len(other) and all(a == b for a, b in zip(self, other, strict=True))

    __hash__ = None  # type: ignore[assignment]

    def __repr__(self) -> str:
        return f"Transcript({self[:]!r})"

    def __reduce__(self) -> tuple[type[Transcript], tuple[list[Message]]]:
        return Transcript, (self[:],)


def visible_text(messages: Sequence[Message]) -> str:
    """The text of messages that are new to an agent, joined by blank lines. The agent's own messages are left out."""
    return "\n\n".join(m["content"] for m in messages if m["role"] != "assistant")


def assistant_message(message: str | Mapping[str, Any], limit: int) -> Message:
    """An agent's action as a message of the conversation, with `content` as text and native `tool_calls` if there are
    any.

    Every shape is accepted. A value that is not a string becomes a string of at most `limit` characters. A second call
    on the result changes nothing, so a recorded message can be used again.
    """
    if isinstance(message, str):
        return {"role": "assistant", "content": clean_text(message, limit)}
    content = message.get("content")
    record: Message = {"role": "assistant", "content": clean_text(_as_text(content), limit)}
    calls = message.get("tool_calls") or message.get("function_call")  # the second is the form before tools
    if isinstance(calls, Mapping):
        calls = [calls]
    if isinstance(calls, (list, tuple)) and calls:
        record["tool_calls"] = [_native_call(call, number, limit) for number, call in enumerate(calls)]
    if message.get("finish_reason") in ("length", "context", "budget"):
        record["finish_reason"] = message["finish_reason"]
    tokens = message.get("completion_tokens")
    if isinstance(tokens, int) and not isinstance(tokens, bool) and tokens >= 0:
        record["completion_tokens"] = tokens
    return record


def _native_call(call: object, number: int, limit: int) -> dict[str, Any]:
    call = call if isinstance(call, Mapping) else {}
    function = call.get("function")
    function = function if isinstance(function, Mapping) else call
    given = next(
        (function[key] for key in ("arguments", "parameters", "args", "input") if key in function), None
    )
    return {
        "id": clean_text(_as_text(call.get("id")) or f"call_{number}", 256),
        "type": "function",
        "function": {
            "name": clean_text(_as_text(function.get("name")), 256),
            "arguments": clean_text(_as_text(given), limit),
        },
    }


def _text_of_part(part: Mapping[str, Any]) -> str | None:
    """The text of one part of a content list. Thinking gets its tags. None if the part is no text."""
    thinking = part.get("type") in ("thinking", "reasoning", "reasoning_text")
    text = (
        part.get("text") if isinstance(part.get("text"), str) else part.get("thinking") if thinking else None
    )
    if isinstance(text, list):
        text = "".join(
            each["text"] for each in text if isinstance(each, Mapping) and isinstance(each.get("text"), str)
        )
    if not isinstance(text, str):
        return None
    return f"<think>{text}</think>" if thinking else text


def _as_text(value: object) -> str:
    """The text of a content field. Strings stay as they are, lists of text parts are joined, other values become
    JSON."""
    if value is None:
        return ""
    if isinstance(value, str):
        return value
    if isinstance(value, list) and value and all(isinstance(part, Mapping) for part in value):
        texts = [_text_of_part(part) for part in value]
        if None not in texts:
            return "".join(text for text in texts if text is not None)
    try:
        return json.dumps(value, ensure_ascii=False)
    except (TypeError, ValueError, RecursionError):
        return f"<{type(value).__name__}>"
