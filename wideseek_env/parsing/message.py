"""Reads the tool calls in a model's message, and describes what is wrong with calls that it cannot read.

The parser reads the text forms of the families of models that people train and serve, without being told which family
wrote a message. docs/what-models-write.md has the table. Models bend these forms, and the parser follows as far as the
meaning is certain. A call that it cannot read becomes an error sentence for the model. Thinking is ignored. Parsing
takes time linear in the length of the text.
"""

from __future__ import annotations

import html
import json
import re
from collections.abc import Collection
from typing import Any, NamedTuple

from wideseek_env.messages import Message
from wideseek_env.parsing.calls import MAX_CALLS, Problem, RawCall, Tools, Written, known_tools, make_call
from wideseek_env.parsing.harmony import is_harmony, read_harmony
from wideseek_env.parsing.lenient_json import load_object
from wideseek_env.parsing.signs import has_tags, is_prose
from wideseek_env.parsing.tagged import read_tagged
from wideseek_env.parsing.tags import CLOSE, search_tag
from wideseek_env.parsing.thoughts import split_thinking, strip_thinking
from wideseek_env.parsing.untagged import read_untagged

_decode = json.JSONDecoder().raw_decode
_ESCAPED = re.compile(r"\s*&lt;(?:tool_?call|function[=_]|invoke name)")
_TURN = re.compile("<[|｜et]")
_INVENTED = re.compile(
    r"<(?:\|im_end\||\|eot_id\||end_of_turn|turn\||｜end▁of▁sentence｜)>\s*"
    r"<(?:\|im_start\||\|start_header_id\||start_of_turn|\|turn|｜User｜)"
)


class Parsed(NamedTuple):
    """A parsed assistant message: its visible text, and its calls and problems in the order written."""

    text: str
    calls: list[RawCall | Problem]


def parse_message(message: Message, tools: Collection[str] | Tools = ()) -> Parsed:
    """Parse a message that `wideseek_env.messages.assistant_message` made. Never raises.

    Args:
        message: The assistant's message.
        tools: The names of the tools in this episode. They are the evidence for a call that has no tags around it. A
            mapping also has the names of the arguments of each tool.
    """
    content = message["content"]
    native = message.get("tool_calls")
    known = known_tools(tools)
    rest = content
    if "<" in content:
        rest = _after_thought(content)
        if not native and (plain := _plain_calls(rest, known)) is not None:
            return plain
    calls: Written = []
    if is_prose(rest, known):
        visible, unclosed = rest, False
    else:
        visible, calls, unclosed = _read_content(content, known)
    if native:
        calls = _with_native([_read_native(call) for call in native], calls)
    elif len(calls) > MAX_CALLS:
        calls[MAX_CALLS:] = [Problem("too_many_blocks", str(MAX_CALLS))]
    if not calls:
        if unclosed and not visible.strip():
            calls.append(Problem("unclosed_thinking"))
        elif message.get("finish_reason") == "length":
            calls.append(Problem("cut_off"))
    return Parsed(visible.strip(), calls)


def _read_content(content: str, tools: Tools) -> tuple[str, Written, bool]:
    """The visible text, the calls in the content, and whether a thought was left open."""
    if not has_tags(content):
        return *read_untagged(content, tools), False
    if (invented := search_tag(_INVENTED, content, 0, _TURN)) is not None:
        content = content[: invented.start()]  # the model went on with a turn of somebody else
    if _ESCAPED.match(content) is not None:
        content = html.unescape(content)
    calls: Written = []
    if is_harmony(content):
        turn = read_harmony(content)
        visible, calls, unclosed = turn.text, list(turn.calls), turn.unclosed
        calls += _read_text(turn.preamble, tools)[1]
        visible, _ = strip_thinking(visible)
    else:
        visible, unclosed = strip_thinking(content)
    visible, written = _read_text(visible, tools)
    return visible, calls + written, unclosed


def _after_thought(content: str) -> str:
    """The content without a thought at its beginning that has no other tags in it. Without such a thought: all."""
    if content.lstrip()[:7] != "<think>":
        return content
    end = content.find("<", content.find("<") + 1)
    return content[end + len("</think>") :] if content.startswith("</think>", end) else content


def _plain_calls(content: str, tools: Tools) -> Parsed | None:
    """A message of nothing but ``<tool_call>`` blocks of valid JSON after plain text. None: any other message.

    Most messages of trained models have this form. The general way reads them with the same result, but more slowly.
    """
    start = content.find("<")
    if start < 0 or not content.startswith("<tool_call>", start):
        return None
    visible = content[:start].strip()
    if visible and not is_prose(visible, tools):
        return None
    blocks = content[start + len("<tool_call>") :].split("<tool_call>")
    if len(blocks) > MAX_CALLS:
        return None
    calls: Written = []
    for block in blocks:
        text = block.strip()
        body = text.removesuffix("</tool_call>")
        if len(body) == len(text) or "<" in body:
            return None
        value = _plain_object(body.rstrip())
        if value is None or len(value) != 2:
            return None
        name, arguments = value.get("name"), value.get("arguments")
        if not (isinstance(arguments, dict) and isinstance(name, str) and name.isidentifier()):
            return None
        if "name" in arguments:
            return None
        calls.append(RawCall(name, arguments))
    return Parsed(visible, calls)


def _plain_object(text: str) -> dict[str, Any] | None:
    """The object in `text` if it is valid JSON, is not nested deeply and has only clean texts. None: any other text."""
    if ("\\" in text and ("\\ud" in text or "\\uD" in text)) or text.count("{") + text.count("[") > 16:
        return None
    try:
        value, end = _decode(text)
    except ValueError:
        return None
    return value if end == len(text) and isinstance(value, dict) else None


def thoughts_of(content: str) -> list[str]:
    """The thoughts in the content of a message, without their tags, in order."""
    thoughts = read_harmony(content).thoughts if is_harmony(content) else split_thinking(content).thoughts
    return [thought.strip() for thought in thoughts if thought.strip()]


def _read_text(text: str, tools: Tools) -> tuple[str, Written]:
    """The text outside of the calls, and the calls: those with tags around them, and those without."""
    if (plain := _plain_calls(text, tools)) is not None:
        return plain.text, plain.calls
    if not has_tags(text):
        return read_untagged(text, tools)
    pieces = read_tagged(text, tools)
    tagged = [call for piece in pieces for call in piece.calls]
    if not tagged:
        return read_untagged(text, tools)
    visible: list[str] = []
    calls: Written = []
    for piece in pieces:
        rest, found = read_untagged(piece.text, tools) if piece.text.strip() else (piece.text, [])
        visible.append(CLOSE.sub("", rest))
        # A model may first say in words what it then calls.
        calls += [
            *piece.calls,
            *(call for call in found if isinstance(call, Problem) or not _among(call, tagged)),
        ]
    return "".join(visible), calls


def _read_native(call: dict[str, Any]) -> RawCall | Problem:
    function = call["function"]
    if function["name"].isidentifier():
        arguments = _plain_object(function["arguments"])
        if arguments is not None and "name" not in arguments:
            return RawCall(function["name"], arguments, call["id"])
    read = make_call(function["name"], function["arguments"], call["id"])
    if isinstance(read, Problem) and read.code == "bad_arguments":
        return Problem("bad_json", "the arguments must be a JSON object", call["id"])
    return read


def _with_native(native: Written, written: Written) -> Written:
    """Native calls, and those calls in the text that are not among them: some servers leave the text of a call in
    the content."""
    return native + [call for call in written if isinstance(call, RawCall) and not _among(call, native)]


def _among(call: RawCall, calls: Written) -> bool:
    """Whether one of `calls` means the same. In some forms, numbers and lists are text."""
    meant = _meaning(call.arguments)
    return any(
        isinstance(other, RawCall) and other.name == call.name and _meaning(other.arguments) == meant
        for other in calls
    )


def _meaning(value: Any, depth: int = 0) -> Any:
    if isinstance(value, dict):
        return {key: _meaning(each, depth + 1) for key, each in value.items()}
    if isinstance(value, list):
        return [_meaning(each, depth + 1) for each in value]
    if isinstance(value, str) and value.strip()[:1] in ("[", "{") and depth < 4:
        decoded, error = load_object(value)
        return value.strip() if error else _meaning(decoded, depth + 1)
    return str(value).strip()
