"""Reads tool calls without tags, by evidence: an object or call in the text that names one of the agent's tools.

An answer is a table or prose. It hardly ever holds an object with the name of a tool and arguments. So such an object
is a call wherever it stands: alone, after a sentence, in a code fence, in a list, one of several. An object that
consists of a name and arguments only is a call, too, even if there is no such tool, so that the agent is told.
"""

from __future__ import annotations

import re
from itertools import islice

from wideseek_env.parsing.calls import (
    MAX_CALLS,
    Problem,
    RawCall,
    Tools,
    Written,
    make_call,
)
from wideseek_env.parsing.elements import read_children
from wideseek_env.parsing.objects import MAX_CANDIDATES, Found, objects_after_names, objects_in, whole_message
from wideseek_env.parsing.patterns import (
    AFTER_NAME_HEADED,
    AFTER_NAME_NEAR,
    AFTER_NAME_QUOTED,
    follows,
    has_braces,
    has_bracket,
    has_element,
    has_keys,
    has_label,
    mentions_of,
    patterns_for,
    python_calls,
)
from wideseek_env.parsing.pythonic import end_of_brackets, read_pythonic
from wideseek_env.parsing.tags import is_quoted

_GIVEN = re.compile(r"\s*\w+\s*=\s*[\"'\[{\d]")
_TOOL_CODE = re.compile(r"```tool_code\b")
_FENCES = re.compile(r"(?:```[\w+-]*+|[\[\],;`\s])++")
_AFTER_CALL = re.compile(r"[ \t]*(?:[,;)\]`]|\r?\n|<[|/b]|\Z)")
_NEXT_CALL = re.compile(r"\s*[,;]\s*(?=[A-Za-z_][\w.]*\()")


def read_untagged(text: str, tools: Tools) -> tuple[str, Written]:
    """The text outside of the calls, and the calls, in order."""
    found = _find(text, tools)
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


def _find(text: str, tools: Tools) -> list[Found]:
    """The calls of all forms, each form in order. Forms of which the text has no sign are not looked for."""
    found: list[Found] = []
    named, headed = bool(tools), False
    if has_braces(text):
        mentions = mentions_of(text, tools)
        named, headed = mentions != [], follows(AFTER_NAME_HEADED, text, mentions)
        keys = has_keys(text)
        if (named or keys) and (whole := whole_message(text, tools)):
            return whole
        if keys or follows(AFTER_NAME_QUOTED, text, mentions):
            found += objects_in(text, tools)
    if not named:
        return found
    if has_bracket(text, tools):
        found += _python(text, tools)
    if headed:
        found += objects_after_names(text, tools)
    if has_element(text, tools):
        found += _elements(text, tools)
    return found or _unreadable(text, tools)


def _elements(text: str, tools: Tools) -> list[Found]:
    """Elements that have the name of a tool: ``<search><query>…</query></search>``."""
    found: list[Found] = []
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
                found.append(Found(start, end + len(closing), [call]))
            start = text.find(opening, end)
    return found


def _unreadable(text: str, tools: Tools) -> list[Found]:
    """What is evidently meant as a call, but has no arguments that can be read."""
    found: list[Found] = []
    if has_label(text, tools) and any(word in text for word in ("Action", "Tool", "Function", "tool_name")):
        found = [
            Found(line.start(), line.end(), [Problem("bad_arguments", line["tool"])])
            for line in islice(patterns_for(tools).lines.finditer(text), MAX_CANDIDATES)
        ]
    code = _TOOL_CODE.search(text) if "`" in text else None
    if not found and code is not None and any(f"{name}(" in text[code.end() :] for name in tools):
        found.append(Found(code.start(), len(text), [Problem("bad_json", "the code is not a plain call")]))
    return found


def _python(text: str, tools: Tools) -> list[Found]:
    """Calls in Python's form: alone in a line, or in a list."""
    found: list[Found] = []
    mentions = mentions_of(text, tools)
    near = (
        any(f"{name}{after}" in text for name in tools for after in ("(", " (", ".call"))
        if mentions is None
        else follows(AFTER_NAME_NEAR, text, mentions)
    )
    if not near:
        return found
    for tried, match in enumerate(python_calls(text, tools, mentions)):
        if tried >= MAX_CANDIDATES:
            found.append(Found(match.start(), match.end(), [Problem("too_many_blocks", str(MAX_CALLS))]))
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


def _python_at(text: str, start: int, bracket: int, listed: bool, tools: Tools) -> Found | None:
    """The call at `start`, whose arguments begin at `bracket`, or the list of calls at `start`."""
    end = end_of_brackets(text, start if listed else bracket)
    given = _GIVEN.match(text, bracket + 1) is not None
    if end < 0:
        cut = [Problem("cut_off_call", "a bracket is not closed")]
        return Found(start, len(text), [*cut]) if given else None
    if _AFTER_CALL.match(text, end) is None:
        return None  # prose about a call, or a link
    calls = read_pythonic(text[start:end])
    if calls is None and text[bracket + 1 : bracket + 2] == "{":  # JavaScript's form of an object
        calls = [make_call(text[start:bracket], text[bracket + 1 : end - 1])]
    if calls is None:
        problem = Problem("bad_json", "it is neither JSON nor a call in Python's form")
        return Found(start, end, [problem]) if listed or given else None
    whole = listed and text.strip() == text[start:end]
    for call in calls:
        if isinstance(call, RawCall) and not _fits_call(call, tools, whole):
            return None
        if isinstance(call, Problem) and not (listed or text[bracket + 1 : bracket + 2] in ('"', "'")):
            return None
    return Found(start, end, calls)


def _fits_call(call: RawCall, tools: Tools, whole: bool) -> bool:
    """Whether a call in Python's form is meant: it has an argument of the tool, or the message is nothing else."""
    if call.name not in tools or not call.arguments:
        return False
    return whole or not tools[call.name] or any(name in tools[call.name] for name in call.arguments)
