"""Reads tool calls without tags, by evidence: an object or call in the text that names one of the agent's tools.

An answer is a table or prose. It hardly ever holds an object with the name of a tool and arguments. So such an object
is a call wherever it stands: alone, after a sentence, in a code fence, in a list, one of several. An object that
consists of a name and arguments only is a call, too, even if there is no such tool, so that the agent is told.
"""

from __future__ import annotations

import json
import re
from collections.abc import Collection
from functools import lru_cache
from typing import Any, NamedTuple

from wideseek_env.clean import clean_text
from wideseek_env.parsing.calls import (
    MAX_CALLS,
    Problem,
    RawCall,
    Written,
    calls_of,
    has_call_shape,
    make_call,
    name_of,
    tool_name,
)
from wideseek_env.parsing.lenient_json import load_object, load_value
from wideseek_env.parsing.pythonic import end_of_brackets, read_pythonic

MAX_CANDIDATES = 40
"""The most places of a text at which a call is looked for."""

MAX_REPAIRS = 4
"""The most places at which almost-JSON is repaired."""

_LONGEST = 262_144
"""The longest JSON of calls without tags, in characters."""

_BACK = 6
"""How many opening brackets before the name of a tool are tried as the beginning of its object."""

_KEYS = "name|tool_name|function_name|recipient_name|tool|function|action"
_ARGUMENT_KEYS = "arguments|parameters|args|params|input|action_input|tool_input|kwargs"
_QUOTE = r"\\{0,8}+[\"'“”`]"
_SHAPE = re.compile(
    rf"{_QUOTE}(?:{_KEYS}){_QUOTE}\s*:\s*{_QUOTE}[\w.:-]{{1,100}}{_QUOTE}\s*,\s*{_QUOTE}(?:{_ARGUMENT_KEYS}){_QUOTE}\s*:"
)
_HAS_ARGUMENTS = re.compile(rf"\b(?:{_ARGUMENT_KEYS})\b{_QUOTE}?\s*[:=]")
_GIVEN = re.compile(r"\s*\w+\s*=\s*[\"'\[{\d]")
_HINT = re.compile(r"[{(\[]")
_FENCES = re.compile(r"(?:```[\w+-]*|[\[\],;`\s])+")
_decode = json.JSONDecoder(strict=False).raw_decode


class _Found(NamedTuple):
    start: int
    end: int
    calls: Written


class _Patterns(NamedTuple):
    object: re.Pattern[str]
    """``"name": "search"``, ``{"search": {``, or the shape of a call of any tool."""
    python: re.Pattern[str]
    """``search(`` at the start of a line, or ``[search(`` anywhere."""
    headed: re.Pattern[str]
    """``functions.search:0 {``, ``search[ARGS]{`` or ``Action: search … {`` at the start of a line."""


@lru_cache(maxsize=64)
def _patterns(tools: frozenset[str]) -> _Patterns:
    names = "|".join(re.escape(name) for name in sorted(tools, key=lambda name: (-len(name), name)))
    prefix = r"(?:(?:functions|tools|default_api)\.)?"
    named = rf"{_QUOTE}?\b(?:{_KEYS})\b{_QUOTE}?\s*[:=]\s*{_QUOTE}\s*{prefix}(?:{names})(?::\d+)?\s*{_QUOTE}"
    return _Patterns(
        re.compile(rf"{named}|\{{\s*{_QUOTE}{prefix}(?:{names}){_QUOTE}\s*:\s*\{{|{_SHAPE.pattern}"),
        re.compile(
            rf"(?:(?P<list>\[)\s*|(?P<open>^[ \t>*-]*(?:print\()?`?))(?P<name>{prefix}(?:{names})(?:\.call)?)\s*\(",
            re.MULTILINE,
        ),
        re.compile(
            rf"(?:^[ \t]*(?:\**Action:?\**:?[ \t]*)?|\bto=){prefix}`?(?P<tool>{names})`?(?::\d+)?"
            r"(?:\s|\[ARGS\]|\[CALL_ID\]\w*|<[|｜][^|｜<>]{1,40}[|｜]>|\**Action Input:?\**:?|json\b|code\b|[:=>-])*+"
            r"(?:```(?:json)?\s*)?(?=\{)",
            re.MULTILINE,
        ),
    )


def read_untagged(text: str, tools: Collection[str]) -> tuple[str, Written]:
    """The text outside of the calls, and the calls, in order."""
    if not _HINT.search(text):
        return text, []
    names = frozenset(tools)
    found = _whole(text, names) or [*_objects(text, names), *_python(text, names), *_headed(text, names)]
    if not found:
        return text, []
    visible: list[str] = []
    calls: Written = []
    position = 0
    for each in sorted(found, key=lambda each: (each.start, -each.end)):
        if each.start < position:
            continue
        visible.append(text[position : each.start])
        calls += each.calls
        position = each.end
    visible.append(text[position:])
    if len(calls) > MAX_CALLS:
        calls[MAX_CALLS:] = [Problem("too_many_blocks", str(MAX_CALLS))]
    return "".join("" if _FENCES.fullmatch(piece) else piece for piece in visible), calls


def _whole(text: str, tools: frozenset[str]) -> list[_Found]:
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
    return [_Found(0, len(text), calls_of(value))] if _are_calls(value, tools) else []


def _are_calls(value: Any, tools: frozenset[str], depth: int = 0) -> bool:
    """Whether a decoded value is a call, or a list that consists of calls."""
    if isinstance(value, list):
        return bool(value) and depth < 4 and all(_are_calls(item, tools, depth + 1) for item in value)
    if not isinstance(value, dict):
        return False
    if isinstance(value.get("tool_calls"), list):
        return _are_calls(value["tool_calls"], tools, depth + 1)
    if has_call_shape(value) or tool_name(name_of(value)) in tools:
        return True
    return len(value) == 1 and all(tool_name(k) in tools and isinstance(v, dict) for k, v in value.items())


def _objects(text: str, tools: frozenset[str]) -> list[_Found]:
    """The JSON objects of calls, wherever they are in the text. An object that nobody can read becomes a problem."""
    found: list[_Found] = []
    end = 0
    repairs = MAX_REPAIRS
    pattern = _patterns(tools).object if tools else _SHAPE
    for tried, match in enumerate(pattern.finditer(text)):
        if tried >= MAX_CANDIDATES:
            found.append(_Found(match.start(), match.end(), [Problem("too_many_blocks", str(MAX_CALLS))]))
            break
        if match.start() < end:
            continue
        starts = _brackets_before(text, match, end)
        each = next(filter(None, (_valid(text, start, match, tools) for start in starts)), None)
        error = ""
        if each is None and starts and repairs:
            repairs -= 1
            each, error = _almost(text, starts, match, tools)
        if each is None and _HAS_ARGUMENTS.search(text, match.start(), match.end() + 200):
            error = error or "it is not a JSON object"
            each = _Found(match.start(), match.end(), [Problem("bad_json", clean_text(error))])
        if each is not None:
            found.append(each)
            end = each.end
    return found


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


def _valid(text: str, start: int, match: re.Match[str], tools: frozenset[str]) -> _Found | None:
    """The calls of the valid JSON that begins at `start`, if it contains the match."""
    try:
        value, end = _decode(text[start : start + _LONGEST])
    except (ValueError, RecursionError):
        return None
    if start + end < match.end() or not _are_calls(value, tools):
        return None
    return _Found(start, start + end, calls_of(value))


def _almost(
    text: str, starts: list[int], match: re.Match[str], tools: frozenset[str]
) -> tuple[_Found | None, str]:
    """The calls of the almost-JSON around a match, or why it cannot be read."""
    error = ""
    for start in starts[:2]:
        value, end, why = load_value(text, start)
        error = error or why
        if not why and end >= min(match.end(), len(text)) and _are_calls(value, tools):
            return _Found(start, end, calls_of(value)), ""
    return None, error


def _python(text: str, tools: frozenset[str]) -> list[_Found]:
    """Calls in Python's form: at the start of a line, or in a list."""
    found: list[_Found] = []
    if not tools:
        return found
    for tried, match in enumerate(_patterns(tools).python.finditer(text)):
        if tried >= MAX_CANDIDATES:
            break
        if found and match.start() < found[-1].end:
            continue
        listed = match["list"] is not None
        start = match.start("list") if listed else match.start("name")
        end = end_of_brackets(text, start if listed else match.end() - 1)
        certain = listed or (match["open"].strip() == "" and _GIVEN.match(text, match.end()) is not None)
        if end < 0:
            if certain:
                found.append(_Found(start, len(text), [Problem("cut_off_call", "a bracket is not closed")]))
            continue
        calls = read_pythonic(text[start:end])
        if calls is None and certain:
            calls = [Problem("bad_json", "it is neither JSON nor a call in Python's form")]
        if calls and (certain or all(isinstance(call, RawCall) and call.arguments for call in calls)):
            found.append(_Found(start, end, calls))
    return found


def _headed(text: str, tools: frozenset[str]) -> list[_Found]:
    """The name of a tool, and then a JSON object of arguments."""
    found: list[_Found] = []
    if not tools:
        return found
    for tried, match in enumerate(_patterns(tools).headed.finditer(text)):
        if tried >= MAX_REPAIRS:
            break
        value, end, error = load_value(text, match.end())
        calls: Written = (
            [Problem("bad_json", clean_text(error))] if error else [make_call(match["tool"], value)]
        )
        found.append(_Found(match.start(), match.end() if error else end, calls))
    return found
