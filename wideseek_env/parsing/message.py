"""Reads the tool calls in a model's message, and describes what is wrong with calls that it cannot read.

The parser reads the text forms of the families of models that people train and serve, without being told which family
wrote a message. docs/models.md has the table. Models bend these forms, and the parser follows them as far as the
meaning is certain. A call that it cannot read becomes an error sentence for the model. Thinking is ignored. Parsing
takes time linear in the length of the text.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import Any, NamedTuple

from wideseek_env.messages import Message
from wideseek_env.parsing.calls import Problem, RawCall, Written, make_call
from wideseek_env.parsing.harmony import is_harmony, read_harmony
from wideseek_env.parsing.tagged import read_tagged
from wideseek_env.parsing.thoughts import split_thinking, strip_thinking
from wideseek_env.parsing.untagged import read_untagged


class Parsed(NamedTuple):
    """A parsed assistant message: its visible text, and its calls and problems in the order written."""

    text: str
    calls: list[RawCall | Problem]


def parse_message(message: Message, tools: Collection[str] = ()) -> Parsed:
    """Parse a message that `wideseek_env.messages.assistant_message` made. Never raises.

    Args:
        message: The assistant's message.
        tools: The names of the tools in this episode. They are the evidence for a call that has no tags around it.
    """
    content = message["content"]
    if is_harmony(content):
        turn = read_harmony(content)
        visible, calls, unclosed = turn.text, turn.calls, turn.unclosed
    else:
        visible, unclosed = strip_thinking(content)
        visible, calls = read_tagged(visible, tools)
    native = message.get("tool_calls")
    if native:
        calls = _with_native([_read_native(call) for call in native], calls)
    elif not calls:
        visible, calls = read_untagged(visible, tools)
    if not calls:
        if unclosed and not visible.strip():
            calls.append(Problem("unclosed_thinking"))
        elif message.get("finish_reason") == "length":
            calls.append(Problem("cut_off"))
    return Parsed(visible.strip(), calls)


def thoughts_of(content: str) -> list[str]:
    """The thoughts in the content of a message, without their tags, in order."""
    thoughts = read_harmony(content).thoughts if is_harmony(content) else split_thinking(content).thoughts
    return [thought.strip() for thought in thoughts if thought.strip()]


def _read_native(call: dict[str, Any]) -> RawCall | Problem:
    function = call["function"]
    read = make_call(function["name"], function["arguments"], call["id"])
    if isinstance(read, Problem) and read.code == "bad_arguments":
        return Problem("bad_json", "the arguments must be a JSON object", call["id"])
    return read


def _with_native(native: Written, written: Written) -> Written:
    """Native calls, and those calls in the text that are not among them: some servers leave the text of a call in
    the content."""
    known = [(call.name, call.arguments) for call in native if isinstance(call, RawCall)]
    return native + [c for c in written if isinstance(c, RawCall) and (c.name, c.arguments) not in known]
