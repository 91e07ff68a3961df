"""Reads calls that are JSON objects without tags: an object names one of the tools, or the name is before the object.

The object may be the whole message, or anywhere in a text. It may be almost-JSON.
"""

from __future__ import annotations

import json
import re
from typing import Any, NamedTuple

from wideseek_env.clean import clean_text
from wideseek_env.parsing.calls import (
    MAX_CALLS,
    Problem,
    Tools,
    Written,
    calls_of,
    fits,
    is_call,
    make_call,
    tool_name,
)
from wideseek_env.parsing.lenient_json import load_object, load_value
from wideseek_env.parsing.patterns import QUOTE, SHAPE, patterns_for
from wideseek_env.parsing.tags import is_quoted

MAX_CANDIDATES = 60
"""The most places of a text at which a call is looked for."""

MAX_FAILURES = 4
"""The most places at which the repair of almost-JSON may fail."""

_LONGEST = 262_144
"""The longest JSON of calls without tags, in characters."""

_BACK = 6
"""How many opening brackets before the name of a tool are tried as the beginning of its object."""

_ARGUMENT_KEYS = "arguments|parameters|args|params|input|action_input|tool_input|kwargs"
_HAS_ARGUMENTS = re.compile(rf"\b(?:{_ARGUMENT_KEYS})\b{QUOTE}?\s*[:=]")
_decode = json.JSONDecoder(strict=False).raw_decode


class Found(NamedTuple):
    """Calls, and where they begin and end in the text."""

    start: int
    end: int
    calls: Written


def whole_message(text: str, tools: Tools) -> list[Found]:
    """The calls of a message that is nothing but valid JSON of calls, encoded once or more."""
    body = text.strip()
    if body[:1] not in ("{", "[", '"'):
        return []
    try:
        value = json.loads(body, strict=False)
    except (ValueError, RecursionError):
        return []
    if isinstance(value, str):
        value, error = load_object(value)
        if error:
            return []
    if not _are_calls(value, tools) and not _names_only(value, tools):
        return []
    return [Found(0, len(text), calls_of(value))]


def objects_in(text: str, tools: Tools) -> list[Found]:
    """The JSON objects of calls, wherever they are in the text. An object that cannot be read becomes a problem."""
    found: list[Found] = []
    end = failures = tried = 0
    if "{" not in text and "“" not in text:
        return found
    pattern = patterns_for(tools).object if tools else SHAPE
    for match in pattern.finditer(text):
        if match.start() < end or is_quoted(text, match.start(), match.end()):
            continue
        tried += 1
        if tried > MAX_CANDIDATES:
            found.append(Found(match.start(), match.end(), [Problem("too_many_blocks", str(MAX_CALLS))]))
            break
        starts = _brackets_before(text, match, end)
        if any(text[start - 1 : start] == "`" and text[start - 2 : start - 1] != "`" for start in starts[:1]):
            continue
        each = next(filter(None, (_valid(text, start, match, tools) for start in starts)), None)
        error = ""
        if each is None and starts and failures < MAX_FAILURES:
            each, error = _almost(text, starts, match, tools)
            failures += each is None
        evident = (
            not tools or SHAPE.match(text, match.start()) is None or tool_name(_name_in(match[0])) in tools
        )
        if each is None and evident and _HAS_ARGUMENTS.search(text, match.start(), match.end() + 200):
            if not error and starts and _is_json(text, starts[0]):
                continue  # an object of something else
            error = error or "it is not a JSON object"
            each = Found(match.start(), match.end(), [Problem("bad_json", clean_text(error))])
        if each is not None:
            found.append(each)
            end = each.end
    return found


def objects_after_names(text: str, tools: Tools) -> list[Found]:
    """The name of a tool, and then a JSON object of arguments."""
    found: list[Found] = []
    if not tools or "{" not in text:
        return found
    failures = 0
    for tried, match in enumerate(patterns_for(tools).headed.finditer(text)):
        if tried >= MAX_CANDIDATES or failures >= MAX_FAILURES:
            found.append(Found(match.start(), match.end(), [Problem("too_many_blocks", str(MAX_CALLS))]))
            break
        if is_quoted(text, match.start(), match.end()):
            continue
        value, end, error = load_value(text, match.end())
        failures += bool(error)
        if error:
            quoted = re.match(r"\{\s*[\"'“\\]", text[match.end() : match.end() + 20]) is not None
            if match["strong"] or quoted:
                found.append(Found(match.start(), match.end(), [Problem("bad_json", clean_text(error))]))
        elif isinstance(value, dict) and fits(match["tool"], value, tools) and (value or match["number"]):
            found.append(Found(match.start(), end, [make_call(match["tool"], value)]))
    return found


def _names_only(value: Any, tools: Tools) -> bool:
    """Whether a value is an object with nothing but the name of a tool that may have no arguments."""
    return (
        isinstance(value, dict)
        and set(value) == {"name"}
        and value["name"] in tools
        and not tools[value["name"]]
    )


def _are_calls(value: Any, tools: Tools, depth: int = 0) -> bool:
    """Whether a decoded value is a call, or a list that consists of calls."""
    if isinstance(value, list):
        return bool(value) and depth < 4 and all(_are_calls(item, tools, depth + 1) for item in value)
    if not isinstance(value, dict) or not value:
        return False
    for key in ("tool_calls", "calls", "function_calls"):
        if isinstance(value.get(key), list):
            return _are_calls(value[key], tools, depth + 1)
    if is_call(value, tools):
        return True
    return all(
        tool_name(key) in tools
        and isinstance(each, dict)
        and bool(each)
        and fits(tool_name(key), each, tools)
        for key, each in value.items()
    )


def _name_in(matched: str) -> str:
    return matched.split(":", 1)[-1].split(",")[0].strip(" \t\r\n\\\"'“”`")


def _is_json(text: str, start: int) -> bool:
    try:
        return isinstance(_decode(text[start : start + _LONGEST])[0], (dict, list))
    except (ValueError, RecursionError):
        return False


def _brackets_before(text: str, match: re.Match[str], least: int) -> list[int]:
    """The positions of opening brackets before a match, the nearest first."""
    starts: list[int] = []
    position = match.start() + 1
    while len(starts) < _BACK:
        position = max(text.rfind("{", least, position), text.rfind("[", least, position))
        if position < 0:
            break
        starts.append(position)
    return starts


def _valid(text: str, start: int, match: re.Match[str], tools: Tools) -> Found | None:
    """The calls of the valid JSON that begins at `start`, if it contains the match."""
    try:
        value, end = _decode(text[start : start + _LONGEST])
    except (ValueError, RecursionError):
        return None
    if start + end < match.end() or not _are_calls(value, tools):
        return None
    return Found(start, start + end, calls_of(value))


def _almost(text: str, starts: list[int], match: re.Match[str], tools: Tools) -> tuple[Found | None, str]:
    """The calls of the almost-JSON around a match, or why it cannot be read."""
    error = ""
    for start in starts[:2]:
        value, end, why = load_value(text, start)
        error = error or why
        if not why and end >= min(match.end(), len(text)) and _are_calls(value, tools):
            return Found(start, end, calls_of(value)), ""
    return None, error
