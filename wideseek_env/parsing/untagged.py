"""Reads tool calls without tags, by evidence: an object or call in the text that names one of the agent's tools.

An answer is a table or prose. It hardly ever holds an object with the name of a tool and arguments. So such an object
is a call wherever it stands: alone, after a sentence, in a code fence, in a list, one of several. An object that
consists of a name and arguments only is a call, too, even if there is no such tool, so that the agent is told.
"""

from __future__ import annotations

import json
import re
from itertools import islice
from typing import Any, NamedTuple

from wideseek_env.clean import clean_text
from wideseek_env.parsing.calls import (
    MAX_CALLS,
    Problem,
    RawCall,
    Tools,
    Written,
    calls_of,
    fits,
    is_call,
    make_call,
    tool_name,
)
from wideseek_env.parsing.elements import read_children
from wideseek_env.parsing.lenient_json import load_object, load_value
from wideseek_env.parsing.patterns import (
    AFTER_NAME_HEADED,
    AFTER_NAME_QUOTED,
    QUOTE,
    SHAPE,
    has_braces,
    has_bracket,
    has_element,
    has_keys,
    has_label,
    names_before,
    patterns_for,
)
from wideseek_env.parsing.pythonic import end_of_brackets, read_pythonic
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
_GIVEN = re.compile(r"\s*\w+\s*=\s*[\"'\[{\d]")
_TOOL_CODE = re.compile(r"```tool_code\b")
_FENCES = re.compile(r"(?:```[\w+-]*+|[\[\],;`\s])++")
_AFTER_CALL = re.compile(r"[ \t]*(?:[,;)\]`]|\r?\n|<[|/b]|\Z)")
_NEXT_CALL = re.compile(r"\s*[,;]\s*(?=[A-Za-z_][\w.]*\()")
_decode = json.JSONDecoder(strict=False).raw_decode


class _Found(NamedTuple):
    start: int
    end: int
    calls: Written


def read_untagged(text: str, tools: Tools) -> tuple[str, Written]:
    """The text outside of the calls, and the calls, in order."""
    found: list[_Found] = []
    named = keys = False
    if has_braces(text):
        named = any(name in text for name in tools)
        keys = has_keys(text)
        if named or keys:
            found = _whole(text, tools)
    if not found:
        if keys or (named and names_before(AFTER_NAME_QUOTED, text, tools)):
            found += _objects(text, tools)
        bracket = has_bracket(text, tools)
        if bracket:
            found += _python(text, tools)
        if named and names_before(AFTER_NAME_HEADED, text, tools):
            found += _headed(text, tools)
        if has_element(text, tools):
            found += _elements(text, tools)
        if not found and (bracket or has_label(text, tools)):
            found = _unreadable(text, tools)
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
    return "".join("" if _FENCES.fullmatch(piece) else piece for piece in visible), calls


def _elements(text: str, tools: Tools) -> list[_Found]:
    """Elements that have the name of a tool: ``<search><query>…</query></search>``."""
    found: list[_Found] = []
    for name in tools:
        opening, closing = f"<{name}>", f"</{name}>"
        start = text.find(opening)
        while start >= 0 and len(found) < MAX_CANDIDATES:
            end = text.find(closing, start)
            if end < 0:
                break
            if not is_quoted(text, start, end):
                inner = text[start + len(opening) : end]
                given = read_children(inner)
                call = make_call(name, given) if given else Problem("bad_arguments", name)
                found.append(_Found(start, end + len(closing), [call]))
            start = text.find(opening, end)
    return found


def _unreadable(text: str, tools: Tools) -> list[_Found]:
    """What is evidently meant as a call, but has no arguments that can be read."""
    if not any(word in text for word in ("Action", "Tool", "Function", "tool_")):
        return []
    found = [
        _Found(line.start(), line.end(), [Problem("bad_arguments", line["tool"])])
        for line in islice(patterns_for(tools).lines.finditer(text), MAX_CANDIDATES)
    ]
    code = _TOOL_CODE.search(text)
    if not found and code is not None and any(f"{name}(" in text[code.end() :] for name in tools):
        found.append(_Found(code.start(), len(text), [Problem("bad_json", "the code is not a plain call")]))
    return found


def _whole(text: str, tools: Tools) -> list[_Found]:
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
    return [_Found(0, len(text), calls_of(value))]


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


def _objects(text: str, tools: Tools) -> list[_Found]:
    """The JSON objects of calls, wherever they are in the text. An object that nobody can read becomes a problem."""
    found: list[_Found] = []
    end = failures = tried = 0
    if "{" not in text and "“" not in text:
        return found
    pattern = patterns_for(tools).object if tools else SHAPE
    for match in pattern.finditer(text):
        if match.start() < end or is_quoted(text, match.start(), match.end()):
            continue
        tried += 1
        if tried > MAX_CANDIDATES:
            found.append(_Found(match.start(), match.end(), [Problem("too_many_blocks", str(MAX_CALLS))]))
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
            each = _Found(match.start(), match.end(), [Problem("bad_json", clean_text(error))])
        if each is not None:
            found.append(each)
            end = each.end
    return found


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


def _valid(text: str, start: int, match: re.Match[str], tools: Tools) -> _Found | None:
    """The calls of the valid JSON that begins at `start`, if it contains the match."""
    try:
        value, end = _decode(text[start : start + _LONGEST])
    except (ValueError, RecursionError):
        return None
    if start + end < match.end() or not _are_calls(value, tools):
        return None
    return _Found(start, start + end, calls_of(value))


def _almost(text: str, starts: list[int], match: re.Match[str], tools: Tools) -> tuple[_Found | None, str]:
    """The calls of the almost-JSON around a match, or why it cannot be read."""
    error = ""
    for start in starts[:2]:
        value, end, why = load_value(text, start)
        error = error or why
        if not why and end >= min(match.end(), len(text)) and _are_calls(value, tools):
            return _Found(start, end, calls_of(value)), ""
    return None, error


def _python(text: str, tools: Tools) -> list[_Found]:
    """Calls in Python's form: alone in a line, or in a list."""
    found: list[_Found] = []
    if not any(f"{name}{after}" in text for name in tools for after in ("(", " (", ".call")):
        return found
    for tried, match in enumerate(patterns_for(tools).python.finditer(text)):
        if tried >= MAX_CANDIDATES:
            found.append(_Found(match.start(), match.end(), [Problem("too_many_blocks", str(MAX_CALLS))]))
            break
        start = match.start("list") if match["list"] else match.start("name")
        if (found and start < found[-1].end) or is_quoted(text, start, start):
            continue
        each = _python_at(text, start, match.end() - 1, bool(match["list"]), tools)
        while each is not None:
            found.append(each)
            following = _NEXT_CALL.match(text, each.end)
            opening = text.find("(", following.end()) if following is not None else -1
            each = _python_at(text, following.end(), opening, False, tools) if following is not None else None
    return found


def _python_at(text: str, start: int, bracket: int, listed: bool, tools: Tools) -> _Found | None:
    """The call at `start`, whose arguments begin at `bracket`, or the list of calls at `start`."""
    end = end_of_brackets(text, start if listed else bracket)
    given = _GIVEN.match(text, bracket + 1) is not None
    if end < 0:
        cut = [Problem("cut_off_call", "a bracket is not closed")]
        return _Found(start, len(text), [*cut]) if given else None
    if _AFTER_CALL.match(text, end) is None:
        return None  # prose about a call, or a link
    calls = read_pythonic(text[start:end])
    if calls is None and text[bracket + 1 : bracket + 2] == "{":  # JavaScript's form of an object
        calls = [make_call(text[start:bracket], text[bracket + 1 : end - 1])]
    if calls is None:
        problem = Problem("bad_json", "it is neither JSON nor a call in Python's form")
        return _Found(start, end, [problem]) if listed or given else None
    whole = listed and text.strip() == text[start:end]
    for call in calls:
        if isinstance(call, RawCall) and not _fits_call(call, tools, whole):
            return None
        if isinstance(call, Problem) and not (listed or text[bracket + 1 : bracket + 2] in ('"', "'")):
            return None
    return _Found(start, end, calls)


def _fits_call(call: RawCall, tools: Tools, whole: bool) -> bool:
    """Whether a call in Python's form is meant: it has an argument of the tool, or the message is nothing else."""
    if call.name not in tools or not call.arguments:
        return False
    return whole or not tools[call.name] or any(name in tools[call.name] for name in call.arguments)


def _headed(text: str, tools: Tools) -> list[_Found]:
    """The name of a tool, and then a JSON object of arguments."""
    found: list[_Found] = []
    if not tools or "{" not in text:
        return found
    failures = 0
    for tried, match in enumerate(patterns_for(tools).headed.finditer(text)):
        if tried >= MAX_CANDIDATES or failures >= MAX_FAILURES:
            found.append(_Found(match.start(), match.end(), [Problem("too_many_blocks", str(MAX_CALLS))]))
            break
        if is_quoted(text, match.start(), match.end()):
            continue
        value, end, error = load_value(text, match.end())
        failures += bool(error)
        if error:
            quoted = re.match(r"\{\s*[\"'“\\]", text[match.end() : match.end() + 20]) is not None
            if match["strong"] or quoted:
                found.append(_Found(match.start(), match.end(), [Problem("bad_json", clean_text(error))]))
        elif isinstance(value, dict) and fits(match["tool"], value, tools) and (value or match["number"]):
            found.append(_Found(match.start(), end, [make_call(match["tool"], value)]))
    return found
