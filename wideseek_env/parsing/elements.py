"""Reads calls that are written as elements: ``<function=NAME><parameter=NAME>VALUE</parameter></function>`` and kin.

The elements are read one after another, so that a tag inside a value does not end a call. The values are text. Whether
a text means a number or a list is decided where a tool reads its arguments (`wideseek_env.tools.spec`), because only
the tool knows.
"""

from __future__ import annotations

import re
from typing import Any

from wideseek_env.clean import clean_text
from wideseek_env.parsing.calls import MAX_CALLS, Problem, RawCall, Written, make_call
from wideseek_env.parsing.lenient_json import load_value
from wideseek_env.parsing.pythonic import end_of_brackets, read_pythonic
from wideseek_env.parsing.tags import DSML, SEPARATOR, search_edge

_SPACE = rf"(?:{DSML}|[a-z]{{1,12}}[:|])?"
_VALUE = r"(?:\s*=\s*|\s*name\s*=\s*)[\"']?(?P<{}>[^\"'<>=]{{1,100}}?)[\"']?(?:\s[^<>]{{0,100}})?"
FUNCTION = re.compile(rf"<{_SPACE}(?:function|invoke|tool){_VALUE.format('called')}\s*/?>", re.IGNORECASE)
"""The beginning of a function."""

LOOSE = re.compile(
    r"<function\s*[=/(]\s*[\"']?(?P<loose>[\w.-]{1,64})[\"']?[),\s=]*>?\s*(?=[\[{(])", re.IGNORECASE
)
"""The beginning of a function whose tag has lost its form: ``<function=search{"query": …}</function>``."""

CUT_FUNCTION = re.compile(
    rf"<{_SPACE}(?:function\s*=|(?:function|invoke)\s+name\b)[^<>]{{0,200}}\Z", re.IGNORECASE
)
_END = re.compile(rf"</{_SPACE}(?:function|invoke|tool)\s*>", re.IGNORECASE)
_PARAMETER = re.compile(
    rf"<{_SPACE}(?:parameter|param|arg|argument){_VALUE.format('parameter')}\s*>", re.IGNORECASE
)
_PARAMETER_END = re.compile(
    rf"</{_SPACE}(?:parameter|param|arg|argument)(?:\s*=[^<>]{{0,100}})?\s*>", re.IGNORECASE
)
_IS_JSON = re.compile(r"\sstring\s*=\s*[\"']?false", re.IGNORECASE)
_CHILD = re.compile(r"<(?P<child>[A-Za-z_][\w-]{0,60})>")
_CDATA = re.compile(r"\s*<!\[CDATA\[(.*)\]\]>\s*", re.DOTALL)
_KEY_TAG = r"<(?:[a-z]{1,12}\|)?arg_key(?::\w{1,40})?>"
_KEY = re.compile(_KEY_TAG)
_KEY_END = re.compile(r"</(?:[a-z]{1,12}\|)?arg_key(?::\w{1,40})?>")
_KEY_VALUE = re.compile(r"\s*(?:<(?:[a-z]{1,12}\|)?arg_value(?::\w{1,40})?>)?")
_KEY_VALUE_END = re.compile(r"</(?:[a-z]{1,12}\|)?arg_value(?::\w{1,40})?>")
PAIRS = re.compile(rf"\s*(?P<named>[\w.:-]{{1,100}})\s*{SEPARATOR}?\s*(?={_KEY_TAG})", re.IGNORECASE)
"""The name of a tool before its first ``<arg_key>``."""

CUT = "it ends in the middle of an argument"


def read_functions(text: str, start: int) -> tuple[Written, int]:
    """The functions from `start` on, with nothing but white space between them, and the position after the last."""
    calls: Written = []
    position = start
    while len(calls) <= MAX_CALLS:
        at = _after_space(text, position)
        if (begin := FUNCTION.match(text, at)) is not None:
            call, position = _read_function(text, begin)
        elif (begin := LOOSE.match(text, at)) is not None:
            call, position = _read_loose(text, begin)
        else:
            break
        calls.append(call)
    return calls, position


def read_pairs(text: str, start: int) -> tuple[Written, int]:
    """Calls of the form ``NAME<arg_key>NAME</arg_key><arg_value>VALUE</arg_value>`` (GLM) from `start` on."""
    calls: Written = []
    position = start
    while len(calls) <= MAX_CALLS and (name := PAIRS.match(text, position)) is not None:
        position = name.end()
        given: list[tuple[str, Any]] = []
        problem: Problem | None = None
        while problem is None and (key := _KEY.match(text, _after_space(text, position))) is not None:
            after = _KEY.search(text, key.end())
            limit = after.start() if after is not None else len(text)
            key_end = _KEY_END.search(text, key.end(), limit)
            if key_end is None:
                problem, position = Problem("cut_off_call", CUT), limit
                break
            opening = _KEY_VALUE.match(text, key_end.end(), limit)
            begins = opening.end() if opening is not None else key_end.end()
            end = _KEY_VALUE_END.search(text, begins, limit) or search_edge(text, begins, limit)
            if end is None and after is None:
                problem, position = Problem("cut_off_call", CUT), limit
                break
            given.append(
                (text[key.end() : key_end.start()].strip(), text[begins : end.start() if end else limit])
            )
            position = limit if end is None else end.start() if search_edge(end[0], 0) else end.end()
        calls.append(problem or make_call(name["named"], _collected(given)))
    return calls, position


def read_children(body: str) -> dict[str, Any] | None:
    """Elements that have the names of arguments: ``<query>VALUE</query>``. None if an element has no end."""
    given: list[tuple[str, Any]] = []
    position = 0
    while (child := _CHILD.search(body, position)) is not None:
        closing = f"</{child['child']}>"
        end = body.find(closing, child.end())
        if end < 0:
            return None
        given.append((child["child"], body[child.end() : end]))
        position = end + len(closing)
    return _collected(given)


def _read_function(text: str, begin: re.Match[str]) -> tuple[RawCall | Problem, int]:
    given: list[tuple[str, Any]] = []
    position = begin.end()
    if begin[0].endswith("/>"):
        return make_call(begin["called"], {}), position
    while True:
        at = _after_space(text, position)
        if (parameter := _PARAMETER.match(text, at)) is not None:
            value, position, whole = _value(text, parameter)
            if not whole:
                return Problem("cut_off_call", CUT), position
            given.append((parameter["parameter"].strip(), value))
            continue
        if (end := _END.match(text, at)) is not None:
            return make_call(begin["called"], _collected(given)), end.end()
        stop = _stop(text, position)
        rest, ended = text[position:stop], _END.match(text, stop)
        after = ended.end() if ended is not None else stop
        whole = stop < len(text)
        if given:
            found = _PARAMETER.search(text, position, stop)
            if found is None:
                return make_call(begin["called"], _collected(given)), after
            position = found.start()
        else:
            return _without_parameters(begin["called"], rest.strip(), whole), after


def _stop(text: str, position: int) -> int:
    """Where a function without an end ends at the latest: before the next function, or the next tag of a block."""
    found = (_END.search(text, position), FUNCTION.search(text, position), search_edge(text, position))
    return min((each.start() for each in found if each is not None), default=len(text))


def _value(text: str, parameter: re.Match[str]) -> tuple[Any, int, bool]:
    """A parameter's value, the position after it, and whether it is whole."""
    start = parameter.end()
    after = _PARAMETER.search(text, start)
    limit = after.start() if after is not None else len(text)
    end = _PARAMETER_END.search(text, start, limit)
    inner = _END.search(text, start, end.start() if end is not None else limit)
    if end is not None and (inner is None or FUNCTION.search(text, inner.end(), end.start()) is None):
        value, position = text[start : end.start()], end.end()
    else:  # the end of the parameter is missing
        edge = inner or search_edge(text, start, limit)
        if edge is None and after is None:
            return None, limit, False
        position = edge.start() if edge is not None else limit
        value = text[start:position]
    if _IS_JSON.search(parameter[0]) is not None:
        decoded, _, error = load_value(value.strip())
        return (value if error else decoded), position, True
    return value, position, True


def _read_loose(text: str, begin: re.Match[str]) -> tuple[RawCall | Problem, int]:
    """A function with a damaged tag: JSON or Python's brackets come after the name."""
    at = begin.end()
    if text[at] == "(":
        end = end_of_brackets(text, at)
        calls = read_pythonic(begin["loose"] + text[at:end]) if end > 0 else None
        call: RawCall | Problem = calls[0] if calls else Problem("bad_json", "it is no call")
        end = max(end, at + 1)
    else:
        value, end, error = load_value(text, at)
        call = Problem("bad_json", clean_text(error)) if error else make_call(begin["loose"], value)
        end = max(end, at + 1)
    while end < len(text) and (text[end].isspace() or text[end] in ">)"):
        end += 1
    closing = _END.match(text, end)
    return call, closing.end() if closing is not None else end


def _without_parameters(name: str, body: str, whole: bool) -> RawCall | Problem:
    if not body:
        return make_call(name, {}) if whole else Problem("cut_off_call", CUT)
    if body[0] in '{"`':
        value, _, error = load_value(body.strip("`").removeprefix("json").strip())
        if error:
            return Problem("bad_json" if whole else "cut_off_call", clean_text(error))
        return make_call(name, value)
    given = read_children(body)
    if given is None:
        return Problem("bad_json" if whole else "cut_off_call", CUT)
    if not given:
        return Problem("bad_arguments", clean_text(name)) if whole else Problem("cut_off_call", CUT)
    return make_call(name, given)


def _after_space(text: str, position: int) -> int:
    while position < len(text) and text[position].isspace():
        position += 1
    return position


def _collected(given: list[tuple[str, Any]]) -> dict[str, Any]:
    """The arguments by name, without the newlines around their values. A name that occurs again makes a list."""
    counts: dict[str, int] = {}
    arguments: dict[str, Any] = {}
    for name, value in given:
        if isinstance(value, str):
            cdata = _CDATA.fullmatch(value)
            value = cdata[1] if cdata is not None else value.strip("\r\n")
        counts[name] = counts.get(name, 0) + 1
        if counts[name] == 1:
            arguments[name] = value
        elif counts[name] == 2:
            arguments[name] = [arguments[name], value]
        else:
            arguments[name].append(value)
    return arguments
