"""Reads the tool calls in a model's message, and describes what is wrong with calls that it cannot read.

The text form is ``<tool_call>{"name": …, "arguments": {…}}</tool_call>``. Models bend this form. They add code fences,
put several objects in one block, leave trailing commas, forget closing braces or tags, or use single quotes. The parser
understands all of these. A call that it cannot read becomes an error sentence for the model. Text inside
``<think>…</think>`` is ignored. Parsing takes time linear in the length of the text.
"""

from __future__ import annotations

import json
import re
from typing import Any, NamedTuple

from wideseek_env.messages import Message

MAX_BLOCKS = 32
"""The most tool calls read from one message. Further calls are only counted."""

MAX_REPAIR_CHARS = 65_536
"""The longest block that is repaired, in characters. A longer block must be valid JSON, or it is an error."""

_OPEN, _CLOSE = "<tool_call>", "</tool_call>"
_FENCE = re.compile(r"```[ \t]*(?:json|tool_call|tool_code)?[ \t]*\n(.*?)(?:```|\Z)", re.DOTALL)
_decode = json.JSONDecoder(strict=False).raw_decode


class RawCall(NamedTuple):
    """A tool call as the model wrote it: name, arguments and the id of a native call ("" in text form)."""

    name: str
    arguments: dict[str, Any]
    native_id: str = ""


class Problem(NamedTuple):
    """Text that looks like a tool call but is not one: what is wrong, and the id of the native call if there is one.

    `code` selects the sentence that the model is told (`wideseek_env.prompts`). `detail` fills that sentence in.
    """

    code: str
    detail: str = ""
    native_id: str = ""


class Parsed(NamedTuple):
    """A parsed assistant message: its visible text, and its calls and problems in the order written."""

    text: str
    calls: list[RawCall | Problem]


def strip_thinking(text: str) -> tuple[str, bool]:
    """`text` without its thinking, and whether a thinking block was left open.

    Some chat templates open the thinking block in the prompt. So a ``</think>`` without an opening tag ends a thinking
    block that began in the prompt.
    """
    if "think>" not in text:
        return text, False
    close = text.find("</think>")
    if close >= 0 and text.find("<think>", 0, close) < 0:
        text = text[close + len("</think>") :]
    kept, position = [], 0
    while (start := text.find("<think>", position)) >= 0:
        kept.append(text[position:start])
        end = text.find("</think>", start)
        if end < 0:
            return "".join(kept), True
        position = end + len("</think>")
    kept.append(text[position:])
    return "".join(kept), False


def parse_message(message: Message) -> Parsed:
    """Parse a message that `wideseek_env.messages.assistant_message` made. Never raises."""
    text, unclosed = strip_thinking(message["content"])
    native = message.get("tool_calls")
    if native:
        return Parsed(text.strip(), [_read_native(call) for call in native])
    if _OPEN in text:
        visible, calls = _read_blocks(text)
    else:
        visible, calls = _read_bare(text)
    if not calls:
        if unclosed and not visible.strip():
            calls.append(Problem("unclosed_thinking"))
        elif message.get("finish_reason") == "length":
            calls.append(Problem("cut_off"))
    return Parsed(visible.strip(), calls)


def _read_native(call: dict[str, Any]) -> RawCall | Problem:
    function, native_id = call["function"], call["id"]
    text = function["arguments"].strip() or "{}"
    value, error = load_lenient(text)
    if error or not isinstance(value, dict):
        return Problem("bad_json", error or "the arguments must be a JSON object", native_id)
    return RawCall(function["name"], value, native_id)


def _read_blocks(text: str) -> tuple[str, list[RawCall | Problem]]:
    calls: list[RawCall | Problem] = []
    visible, position, blocks = [], 0, 0
    while (start := text.find(_OPEN, position)) >= 0:
        visible.append(text[position:start])
        body = start + len(_OPEN)
        close = text.find(_CLOSE, body)
        again = text.find(_OPEN, body, close if close >= 0 else len(text))
        end = again if again >= 0 else close if close >= 0 else len(text)
        position = end if end == again else min(len(text), end + len(_CLOSE))
        blocks += 1
        if blocks > MAX_BLOCKS:
            calls.append(Problem("too_many_blocks", str(MAX_BLOCKS)))
            break
        calls.extend(_read_block(text[body:end], closed=end == close))
    visible.append(text[position:] if blocks <= MAX_BLOCKS else "")
    return "".join(visible), calls


def _read_block(body: str, closed: bool) -> list[RawCall | Problem]:
    """The calls of one block: one object, several objects in a row, or a list of objects. The block may be fenced."""
    body = body.strip()
    if body.startswith("```"):
        body = body.strip("`").strip()
        body = re.sub(r"^(?:json|tool_call)\s", "", body).strip()
    if not body:
        return [Problem("empty_call")]
    calls: list[RawCall | Problem] = []
    position = 0
    while position < len(body) and len(calls) < MAX_BLOCKS:
        try:
            value, position = _decode(body, position)
        except (ValueError, RecursionError):
            value, error = load_lenient(body[position:])
            if error:
                return [*calls, Problem("bad_json" if closed else "cut_off_call", error)]
            position = len(body)
        for item in value if isinstance(value, list) else [value]:
            calls.append(_as_call(item))
        # Models may write too many closing brackets.
        while position < len(body) and body[position] in " \t\r\n,;}]":
            position += 1
    return calls[:MAX_BLOCKS] or [Problem("empty_call")]


def _read_bare(text: str) -> tuple[str, list[RawCall | Problem]]:
    """Calls without the tags: the whole message or fenced blocks, if they are objects with a name."""
    stripped = text.strip()
    if stripped.startswith("{") and '"name"' in stripped[:200]:
        value, error = load_lenient(stripped)
        if not error and _is_call(value):
            return "", [_as_call(value)]
        if error and '"arguments"' in stripped:
            return "", [Problem("bad_json", error)]
    if "```" in text and '"arguments"' in text:
        calls: list[RawCall | Problem] = []
        for match in _FENCE.finditer(text):
            value, error = load_lenient(match.group(1).strip())
            if not error and _is_call(value) and len(calls) < MAX_BLOCKS:
                calls.append(_as_call(value))
        if calls:
            return _FENCE.sub("", text), calls
    return text, []


def _is_call(value: Any) -> bool:
    return (
        isinstance(value, dict)
        and isinstance(value.get("name"), str)
        and isinstance(value.get("arguments", value.get("parameters")), (dict, str))
    )


def _as_call(item: Any) -> RawCall | Problem:
    if not isinstance(item, dict):
        return Problem("not_an_object", type(item).__name__)
    if isinstance(item.get("function"), dict):
        item = item["function"]
    name = item.get("name")
    if not isinstance(name, str) or not name:
        return Problem("no_name")
    arguments = item.get("arguments", item.get("parameters", {}))
    if isinstance(arguments, str):
        arguments, error = load_lenient(arguments.strip() or "{}")
        if error:
            return Problem("bad_json", error)
    if not isinstance(arguments, dict):
        return Problem("bad_arguments", name)
    return RawCall(name, arguments)


def load_lenient(text: str) -> tuple[Any, str]:
    """The JSON value in `text`, repaired if needed, and an error sentence.

    The sentence is "" if `text` could be read.
    """
    try:
        return json.loads(text, strict=False), ""
    except RecursionError:
        return None, "it is nested too deeply"
    except ValueError as error:
        first = error
    if len(text) <= MAX_REPAIR_CHARS:
        repaired, why = _repair(text)
        if why:
            return None, why
        try:
            return json.loads(repaired, strict=False), ""
        except (ValueError, RecursionError):
            pass
    position = getattr(first, "pos", 0)
    near = " ".join(text[max(0, position - 20) : position + 20].split())
    return None, f"{getattr(first, 'msg', 'invalid JSON')} at character {position}, near: {near}"


_WORDS = {"True": "true", "False": "false", "None": "null"}
_WORD = re.compile(r"[A-Za-z]+")


def _repair(text: str) -> tuple[str, str]:
    """Repair almost-JSON in one pass: drop trailing commas, close brackets, turn Python literals into JSON.

    Returns the repaired text, and "" or the reason why it cannot be repaired. Text that ends inside a string cannot be
    repaired, because the missing part cannot be guessed.
    """
    out: list[str] = []
    closers: list[str] = []
    position = 0
    while position < len(text):
        char = text[position]
        if char in "\"'":
            end = _string_end(text, position)
            if end < 0:
                return "", "it ends in the middle of a string"
            body = text[position + 1 : end]
            out.append('"' + (body if char == '"' else body.replace("\\'", "'").replace('"', '\\"')) + '"')
            position = end + 1
            continue
        if char in "}]":
            if not closers:
                break  # text after the outermost value is not part of it
            _drop_comma(out)
            while closers and closers[-1] != char:
                out.append(closers.pop())
            if closers:
                out.append(closers.pop())
            position += 1
            if not closers:
                break
            continue
        if char in "{[":
            closers.append("}" if char == "{" else "]")
        elif char.isalpha() and (word := _WORD.match(text, position)):
            out.append(_WORDS.get(word.group(), word.group()))
            position = word.end()
            continue
        out.append(char)
        position += 1
    if closers:
        _drop_comma(out)
        out.extend(reversed(closers))
    return "".join(out), ""


def _string_end(text: str, start: int) -> int:
    quote, position = text[start], start + 1
    while position < len(text):
        if text[position] == "\\":
            position += 2
            continue
        if text[position] == quote:
            return position
        position += 1
    return -1


def _drop_comma(out: list[str]) -> None:
    index = len(out) - 1
    while index >= 0 and out[index].isspace():
        index -= 1
    if index >= 0 and out[index] == ",":
        del out[index]
