"""Reads the assistant's message in a chat server's answer, with thoughts and tool calls, also where servers differ.

Servers that parse thoughts send them in a separate field. In the environment's message, they are in the content,
between ``<think>`` and ``</think>``. So records have them, and the environment sees a thought that never ended.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from typing import Any

from wideseek_env.llm.wire import ChatReply
from wideseek_env.messages import Message

THOUGHT_FIELDS = ("reasoning_content", "reasoning", "thinking")
"""The fields in which servers send thoughts: DeepSeek, SGLang and llama.cpp; vLLM and OpenRouter; Ollama."""

_TAG = re.compile(r"<(/?)think>")
_OWN_THOUGHT = re.compile(r"\A<think>\n(.*?)(?:\n</think>(?:\n\n)?|\Z)", re.DOTALL)


def read_message(reply: ChatReply) -> tuple[Message, str]:
    """The assistant's message, and the name of the field that had a thought, or "".

    A thought without text and without calls has no end. So it is no answer, whether it was cut off or not.
    """
    field, thought = _thought(reply.message)
    text = reply.text
    calls = read_calls(reply.message)
    if thought:
        text = text.strip().removeprefix("</think>").strip()
        open_end = not text and not calls
        text = f"<think>\n{thought}" + ("" if open_end else f"\n</think>\n\n{text}".rstrip())
    message: Message = {"role": "assistant", "content": text}
    if calls:
        message["tool_calls"] = calls
    return message, field


def split_thought(content: str) -> tuple[str, str]:
    """The thought at the beginning of a content that `read_message` made, and the rest of the content."""
    found = _OWN_THOUGHT.match(content)
    return (found[1], content[found.end() :]) if found is not None else ("", content)


def _thought(message: Mapping[str, Any]) -> tuple[str, str]:
    for field in THOUGHT_FIELDS:
        value = message.get(field)
        if isinstance(value, str) and value.strip():
            return field, _TAG.sub(r"‹\1think›", value.strip())
    content = message.get("content")
    parts = [part for part in content if isinstance(part, Mapping)] if isinstance(content, list) else []
    texts = [_text(part.get("thinking", part.get("reasoning"))) for part in parts]
    return "", _TAG.sub(r"‹\1think›", "\n\n".join(filter(None, texts)))


def _text(value: Any) -> str:
    """The text of a part of a content: a string, or a list of further parts."""
    if isinstance(value, str):
        return value.strip()
    if isinstance(value, list):
        return "".join(_text(part.get("text")) for part in value if isinstance(part, Mapping))
    return ""


def read_calls(message: Mapping[str, Any]) -> list[Message]:
    """The native calls of a message in OpenAI's form. Ids are unique. A call without a name keeps its arguments.

    Servers differ: arguments may be an object, the list may have gaps or be a mapping, ids may be missing or repeated,
    and old servers send one call in the field ``function_call``.
    """
    given = message.get("tool_calls")
    if isinstance(given, Mapping):
        given = [given] if "function" in given or "name" in given else list(given.values())
    if not isinstance(given, Sequence) or isinstance(given, str):
        given = [given] if given else []
    if not any(given) and message.get("function_call"):
        given = [{"function": message["function_call"]}]
    calls: list[Message] = []
    used: set[str] = set()
    for call in given:
        if not call:  # a gap between calls with an index
            continue
        made = _call(call)
        call_id, number = made["id"], len(calls)
        while not call_id or call_id in used:
            call_id, number = f"call_{number}", number + 1
        used.add(call_id)
        calls.append({**made, "id": call_id})
    return calls


def _call(call: Any) -> Message:
    known = call if isinstance(call, Mapping) else {"arguments": call}
    function = known.get("function") or known.get("custom")
    if isinstance(function, str):
        function = {**known, "name": function}
    if not isinstance(function, Mapping):
        function = known
    arguments = next((function[key] for key in ("arguments", "parameters", "input") if key in function), None)
    if not isinstance(arguments, str):  # some servers send the object instead of its JSON
        arguments = json.dumps({} if arguments is None else arguments, ensure_ascii=False)
    name = function.get("name")
    return {
        "id": str(known.get("id") or ""),
        "type": "function",
        "function": {"name": name if isinstance(name, str) else "", "arguments": arguments},
    }
