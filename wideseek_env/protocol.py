"""`Protocol`: how an episode reads the messages of agents, and what happens to a call that breaks a limit.

The rules hold the limits, such as the width. The protocol says what happens to a message that breaks one. It belongs to
the profile, because a checkpoint was trained with one protocol. The defaults tell an agent what was wrong. `PUBLISHED`
is the protocol with which WideSeek-R1 was trained (RLinf, ``rlinf/agents/wideseek_r1/wideseek_r1.py``).
"""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Any, Literal, NamedTuple, get_args, get_type_hints

from wideseek_env.clean import clean_text, clean_value
from wideseek_env.errors import ConfigError
from wideseek_env.messages import Message
from wideseek_env.parsing import Problem, RawCall, Tools, parse_message
from wideseek_env.reprs import short

_OPEN, _CLOSE = "<tool_call>", "</tool_call>"


class Parse(NamedTuple):
    """A message as text: its visible text, and its calls and problems in the order written.

    `dropped` is the number of calls that were left out. `unanswered` has the ids of those among them that are native.
    """

    text: str
    calls: list[RawCall | Problem]
    dropped: int = 0
    unanswered: Sequence[str] = ()


@dataclass(frozen=True, slots=True)
class Protocol:
    """How messages are read. It is frozen and has only plain values.

    Raises:
        ConfigError: A value is not one of those that its field may have.
    """

    reading: Literal["lenient", "first_block"] = "lenient"
    """Which calls of a message count. With `lenient`, all calls outside of thoughts, in every form that
    `wideseek_env.parsing` reads. With `first_block`, only the first ``<tool_call>…</tool_call>`` of the whole message,
    thoughts included, or the first native call. It must be valid JSON. Items of its list without their text are left
    out."""
    unreadable: Literal["tell", "answer"] = "tell"
    """What happens to a call that cannot be read, names no tool of the agent, or has wrong arguments. With `tell`, the
    agent gets an error sentence. With `answer`, the call is left out. A message without another call is then the
    agent's last one: its answer or report."""
    excess: Literal["refuse", "cut"] = "refuse"
    """What happens to more subagents than `Rules.width`, and to more requests than `Rules.calls_per_turn`. With
    `refuse`, the whole call is not run, and the agent gets an error sentence. With `cut`, the first ones are run."""
    last_turn: Literal["end", "run"] = "end"
    """What happens to calls in the last turn of an agent. In both cases, the agent has run out of turns. With `run`,
    the calls are run before it ends, and subagents work to their end."""
    headings: Literal["line", "whole"] = "line"
    """How the heading of a result repeats the query, address or subtask: on one line of at most 300 characters, or
    whole."""

    def __post_init__(self) -> None:
        for name, choices in _CHOICES.items():
            value = getattr(self, name)
            if not isinstance(value, str) or value not in choices:
                raise ConfigError(f"protocol: {name} must be one of {', '.join(choices)}, not {short(value)}")

    def parse(self, message: Message, tools: Tools) -> Parse:
        """Parse a message that `wideseek_env.messages.assistant_message` made. Never raises.

        `tools` has the tools of all roles with their arguments. They are the evidence for calls without tags.
        """
        if self.reading == "lenient":
            return Parse(*parse_message(message, tools))
        text = message["content"].rpartition("</think>")[2].partition("<|im_end|>")[0].strip()
        native = message.get("tool_calls")
        if native:
            function, others = native[0]["function"], [call["id"] for call in native[1:]]
            call = _call_of(function["name"], function["arguments"], native[0]["id"])
            return Parse(text, [call], len(others), others)
        blocks, unclosed = _blocks(message["content"])
        if blocks:
            return Parse(text, [_read_block(blocks[0])], len(blocks) - 1 + unclosed)
        cut = message.get("finish_reason") == "length"
        problem = "cut_off_call" if unclosed else "cut_off" if cut else ""
        return Parse(text, [Problem(problem, f"{_CLOSE} is missing" if unclosed else "")] if problem else [])

    def to_dict(self) -> dict[str, str]:
        """All fields by name, for records."""
        return dataclasses.asdict(self)

    @classmethod
    def from_dict(cls, record: Mapping[str, Any]) -> Protocol:
        """The inverse of `to_dict`. Absent fields have their defaults. Raises `ConfigError` for an unknown field."""
        if not isinstance(record, Mapping):
            raise ConfigError(f"a protocol is a table of texts, not {short(record)}")
        for name in record:
            if name not in _CHOICES:
                raise ConfigError(f"a protocol has no {short(name)}; it has: {', '.join(_CHOICES)}")
        return cls(**record)


_CHOICES: Mapping[str, tuple[str, ...]] = {
    each.name: get_args(get_type_hints(Protocol)[each.name]) for each in fields(Protocol)
}

LENIENT = Protocol()
"""The protocol of the profiles `default` and `terse`. It tells agents what was wrong."""

PUBLISHED = Protocol("first_block", "answer", "cut", "run", "whole")
"""The protocol of the published checkpoint."""


def _blocks(text: str) -> tuple[list[str], bool]:
    """The texts between the tags of calls, and whether there is a tag after them that no other tag closes."""
    blocks: list[str] = []
    position = 0
    while (start := text.find(_OPEN, position)) >= 0:
        end = text.find(_CLOSE, start)
        if end < 0:
            return blocks, True
        blocks.append(text[start + len(_OPEN) : end])
        position = end + len(_CLOSE)
    return blocks, False


def _read_block(text: str) -> RawCall | Problem:
    try:
        value = json.loads(text.strip())
    except (ValueError, RecursionError) as error:
        return Problem("bad_json", clean_text(str(error), 300))
    if not isinstance(value, dict):
        return Problem("not_an_object", type(value).__name__)
    return _call_of(value.get("name"), value.get("arguments", {}), "")


def _call_of(name: Any, arguments: Any, native_id: str) -> RawCall | Problem:
    """A call without any repair. The arguments of a native call are JSON text."""
    if not isinstance(name, str) or not name:
        return Problem("no_name", "", native_id)
    try:
        if native_id and isinstance(arguments, str):
            arguments = json.loads(arguments)
        if not isinstance(arguments, dict):
            return Problem("bad_arguments", clean_text(name, 80), native_id)
        return RawCall(clean_text(name), clean_value(arguments), native_id)
    except (ValueError, RecursionError) as error:
        return Problem("bad_json", clean_text(str(error), 300), native_id)
