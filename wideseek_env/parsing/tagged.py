"""Reads tool calls that stand between tags, in the forms of the families of models.

The tags and the form between them are independent of each other here. The tags only say where a call is. What is
between them says how to read it: JSON, ``<function=NAME><parameter=NAME>``, ``<invoke name="NAME">``, ``<arg_key>``,
``NAME[ARGS]{…}``, Python's form and others. So a model that mixes two families is understood, too.
"""

from __future__ import annotations

import json
import re
from typing import NamedTuple

from wideseek_env.clean import clean_text
from wideseek_env.parsing.calls import MAX_CALLS, Problem, Tools, Written, calls_of, make_call, tool_name
from wideseek_env.parsing.elements import (
    CUT_FUNCTION,
    FUNCTION,
    LOOSE,
    PAIRS,
    read_children,
    read_functions,
    read_pairs,
)
from wideseek_env.parsing.lenient_json import end_of_json, load_value
from wideseek_env.parsing.pythonic import read_pythonic
from wideseek_env.parsing.tags import CLOSE, OPEN, SEPARATOR, is_quoted, search_edge

_BEGINS = re.compile(r"[<\[]|^[ \t]*call:", re.MULTILINE)
_BRACKETS = re.compile(r"[<\[]")
_EVENT = re.compile(
    rf"(?P<open>{OPEN.pattern}|[ \t]*call:(?=[\w.-]{{1,100}}\s?\{{))|(?P<function>{FUNCTION.pattern}|{LOOSE.pattern})",
    re.IGNORECASE,
)
_PAIRS_LINE = re.compile(rf"^{PAIRS.pattern}", re.MULTILINE)
_GEMMA_TEXT = re.compile(r'(<escape>|<\|"\|>)(.*?)\1', re.DOTALL)
_GEMMA_QUOTE = re.compile(r'<escape>|<\|"\|?\Z|<\|"\|>')
_NAMED = re.compile(
    r"(?:function\s*<[|｜]tool[_▁]sep[|｜]>\s*|call:)?[\"'`]?(?P<name>[\w.-]{1,100}(?::\d{1,6})?)[\"'`]?\s*"
    rf"(?:\[CALL_ID\][\w-]*\s*)?(?:{SEPARATOR}\s*|[:(]\s*)?(?:```[\w+-]*\s*)?(?=[{{\"])",
    re.IGNORECASE,
)
_WITHOUT_BRACE = re.compile(r"""["']?(?:name|arguments|function|type|id)["']?\s*:""")
_NAME_ATTRIBUTE = re.compile(r"""\sname\s*=\s*["']?([\w.:-]{1,100})""")
_FENCE = re.compile(r"```[ \t]*[\w+-]*[ \t]*\r?\n?")
_PYTHON = re.compile(r"\[?\s*[A-Za-z_][\w.]*\s*\(")
_JUNK = " \t\r\n,;}])`"
_MAX_DEPTH = 3


class Piece(NamedTuple):
    """A part of a message: text, or calls."""

    text: str
    calls: Written


def read_tagged(text: str, tools: Tools) -> list[Piece]:
    """The parts of a text, in order. Text without tags of calls is one part."""
    if "<" not in text and "[TOOL_CALLS]" not in text and "call:" not in text:
        return [Piece(text, [])]
    begins = _BEGINS if "call:" in text else _BRACKETS
    pieces: list[Piece] = []
    count = position = at = 0
    while count <= MAX_CALLS and (event := _next_event(text, at, begins)) is not None:
        if is_quoted(text, event.start(), event.end()):
            at = event.end()
            continue
        pieces.append(Piece(text[position : event.start()], []))
        if event["function"]:
            calls, position = read_functions(text, event.start())
        else:
            calls, position = _read_block(text, event, tools, after_call=count > 0)
        at = position = max(position, event.end())
        count += len(calls)
        pieces.append(Piece("", calls))
    rest = text[position:]
    if (cut := CUT_FUNCTION.search(rest, max(0, len(rest) - 250))) is not None and not is_quoted(
        rest, cut.start(), 0
    ):
        pieces += (
            Piece(rest[: cut.start()], []),
            Piece("", [Problem("cut_off_call", "it ends in its name")]),
        )
    else:
        pieces.append(Piece(rest, []))
    return [each for piece in pieces for each in _pairs_in(piece, tools)]


def _next_event(text: str, start: int, begins: re.Pattern[str]) -> re.Match[str] | None:
    for begin in begins.finditer(text, start):
        if (event := _EVENT.match(text, begin.start())) is not None:
            return event
    return None


def _pairs_in(piece: Piece, tools: Tools) -> list[Piece]:
    """The parts of a text in which the tags around calls of the form ``NAME<arg_key>`` are missing."""
    text = piece.text
    if "arg_key>" not in text:
        return [piece]
    found = next((each for each in _PAIRS_LINE.finditer(text) if tool_name(each["named"]) in tools), None)
    if found is None:
        return [piece]
    calls, end = read_pairs(text, found.start())
    return [Piece(text[: found.start()], []), Piece("", calls), Piece(text[end:], [])]


def _read_block(text: str, opening: re.Match[str], tools: Tools, *, after_call: bool) -> tuple[Written, int]:
    """The calls of the block that begins with `opening`, and the position after the block."""
    start = opening.end()
    while start < len(text) and text[start].isspace():
        start += 1
    edge = search_edge(text, start)
    if edge is not None and edge.start() == start and not edge["close"]:
        return [], start  # one tag directly after another, as a section and the first call in it
    calls: Written = []
    if FUNCTION.match(text, start) is not None or LOOSE.match(text, start) is not None:
        calls, end = read_functions(text, start)
    elif PAIRS.match(text, start) is not None:
        calls, end = read_pairs(text, start)
    if calls:
        while end < len(text) and text[end].isspace():
            end += 1
        closing = CLOSE.match(text, end)
        return calls, closing.end() if closing is not None else end
    if edge is not None and (end := _end_of_value(text, start, edge.start())) > edge.start():
        edge = search_edge(text, end)  # the tag was inside a string
    stop = edge.start() if edge is not None else len(text)
    closed = edge is not None and bool(edge["close"])
    body = text[start:stop].strip()
    after = edge.end() if edge is not None and closed else stop
    if not body:
        if after_call and not closed:
            return [], after  # an opening tag that was written for a closing one
        return [Problem("empty_call")], after
    if (named := _NAME_ATTRIBUTE.search(opening[0])) is not None and "arguments" not in body:
        body = f"{named[1]}{body}" if body[0] == "{" else f"<invoke name={named[1]}>{body}"
    return read_body(body, tools, closed=closed), after


def _end_of_value(text: str, start: int, limit: int) -> int:
    """The end of the valid JSON that begins in ``text[start:limit]``."""
    at = start if text[start] == "[" else text.find("{", start, limit)
    return end_of_json(text, at) if at >= 0 else start


def read_body(body: str, tools: Tools, *, closed: bool, depth: int = 0) -> Written:
    """The calls in the text between two tags.

    Args:
        body: The text, not empty.
        tools: The tools of the episode.
        closed: Whether a closing tag follows. If not, an unreadable call may have been cut off.
        depth: How many elements are around the body.
    """
    if body.startswith("```"):
        body = _FENCE.sub("", body, count=1).removesuffix("```").strip()
        if not body:
            return [Problem("empty_call")]
    if "<escape>" in body or '<|"' in body:
        body = _GEMMA_TEXT.sub(lambda text: json.dumps(text[2]), body)
        if _GEMMA_QUOTE.search(body) is not None:
            return [Problem("bad_json" if closed else "cut_off_call", "it ends in the middle of a string")]
    if body[0] not in "{[":
        if (function := FUNCTION.search(body)) is not None:
            return read_functions(body, function.start())[0]
        if depth < _MAX_DEPTH and body[0] == "<" and (calls := _read_elements(body, tools, closed, depth)):
            return calls
        if "<parameter" in body and (name := tool_name(body.partition("<")[0])) in tools:
            return read_functions(f"<function={name}>{body.partition('<')[1]}{body.partition('<')[2]}", 0)[0]
        if _WITHOUT_BRACE.match(body) is not None:
            body = f"{{{body}"
    if _PYTHON.match(body) is not None and (python := read_pythonic(body)):
        return python
    if _NAMED.match(body) is not None:
        return _read_named(body, closed)
    if tool_name(body) in tools:
        return [make_call(body, {})]
    return _read_json(body, closed=closed)


def _read_elements(body: str, tools: Tools, closed: bool, depth: int) -> Written:
    """A call whose parts are elements: ``<name>…</name><arguments>{…}</arguments>``, or ``<search><query>…``."""
    given = read_children(body)
    if not given:
        return []
    name = next((given[key] for key in ("name", "tool_name") if isinstance(given.get(key), str)), "")
    if name:
        arguments = given.get("arguments", given.get("parameters", {}))
        inner = read_children(arguments) if isinstance(arguments, str) and "<" in arguments else None
        return [make_call(name, inner or arguments)]
    ((first, content), *_) = given.items()
    if tool_name(first) in tools and isinstance(content, str):
        if inner := read_children(content):
            return [make_call(first, inner)]
        return [make_call(first, content) if content.lstrip()[:1] == "{" else Problem("bad_arguments", first)]
    if isinstance(content, str) and content.strip() and len(given) == 1:
        return read_body(content.strip(), tools, closed=closed, depth=depth + 1)
    return []


def _read_named(body: str, closed: bool) -> Written:
    """Names, each with a JSON object of arguments, as DeepSeek, Kimi, Mistral and others write them."""
    calls: Written = []
    position = 0
    while len(calls) <= MAX_CALLS and (named := _NAMED.match(body, position)) is not None:
        value, position, error = load_value(body, named.end())
        if error:
            return [*calls, Problem("bad_json" if closed else "cut_off_call", clean_text(error))]
        calls.append(make_call(named["name"], value))
        while position < len(body) and body[position] in _JUNK:
            position += 1
    return calls


def _read_json(body: str, *, closed: bool) -> Written:
    """One object, several objects in a row, or lists of objects."""
    calls: Written = []
    position = 0
    while position < len(body) and len(calls) <= MAX_CALLS:
        if calls and "{" not in body[position:]:
            break  # other text after the calls
        value, position, error = load_value(body, position)
        if error and body.startswith("{{") and body.endswith("}}"):
            return _read_json(body[1:-1], closed=closed)
        if error:
            return [*calls, Problem("bad_json" if closed else "cut_off_call", clean_text(error))]
        calls += calls_of(value)
        while position < len(body) and body[position] in _JUNK:
            position += 1
    return calls or [Problem("empty_call")]
