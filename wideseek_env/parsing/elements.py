"""Reads calls that are written as elements: ``<function=NAME><parameter=NAME>VALUE</parameter></function>`` and kin.

The values are text. Whether a text means a number or a list is decided where a tool reads its arguments
(`wideseek_env.tools.spec`), because only the tool knows.
"""

from __future__ import annotations

import re
from typing import Any

from wideseek_env.clean import clean_text
from wideseek_env.parsing.calls import MAX_CALLS, Problem, RawCall, Written, make_call
from wideseek_env.parsing.lenient_json import load_value

_SPACE = r"(?:[|｜]DSML[|｜]|[a-z]{1,12}[:|])?"
_VALUE = r"(?:\s*=\s*|\s+name\s*=\s*)[\"']?(?P<{}>[^\"'<>=]{{1,100}}?)[\"']?(?:\s[^<>]{{0,100}})?"
FUNCTION = re.compile(rf"<{_SPACE}(?:function|invoke){_VALUE.format('called')}\s*/?>", re.IGNORECASE)
CUT_FUNCTION = re.compile(
    rf"<{_SPACE}(?:function\s*=|(?:function|invoke)\s+name\b)[^<>]{{0,200}}\Z", re.IGNORECASE
)
_FUNCTION_END = re.compile(rf"</{_SPACE}(?:function|invoke)\s*>", re.IGNORECASE)
_PARAMETER = re.compile(
    rf"<{_SPACE}(?:parameter|param|arg|argument){_VALUE.format('parameter')}\s*>", re.IGNORECASE
)
_PARAMETER_END = re.compile(rf"</{_SPACE}(?:parameter|param|arg|argument)\s*>", re.IGNORECASE)
_IS_JSON = re.compile(r"\sstring\s*=\s*[\"']?false", re.IGNORECASE)
_CHILD = re.compile(r"<(?P<child>[A-Za-z_][\w-]{0,60})>")
KEY = re.compile(r"<(?:[a-z]{1,12}\|)?arg_key(?::\w{1,40})?>")
_KEY_END = re.compile(r"</(?:[a-z]{1,12}\|)?arg_key(?::\w{1,40})?>")
_KEY_VALUE = re.compile(r"\s*<(?:[a-z]{1,12}\|)?arg_value(?::\w{1,40})?>")
_KEY_VALUE_END = re.compile(r"</(?:[a-z]{1,12}\|)?arg_value(?::\w{1,40})?>")

CUT = "it ends in the middle of an argument"


def read_functions(text: str, start: int, stop: int, *, closed: bool = False) -> tuple[Written, int]:
    """The functions in ``text[start:stop]``, and the position after the last one.

    `closed` says that a closing tag follows at `stop`, so that the last value is whole even if its own end is missing.
    """
    calls: Written = []
    position = start
    while (begin := FUNCTION.search(text, position, stop)) is not None and len(calls) <= MAX_CALLS:
        after = FUNCTION.search(text, begin.end(), stop)
        limit = after.start() if after is not None else stop
        end = _FUNCTION_END.search(text, begin.end(), limit)
        body = text[begin.end() : end.start() if end is not None else limit]
        whole = end is not None or after is not None or closed
        calls.append(_function(begin["called"], body, whole))
        position = end.end() if end is not None else limit
    return calls, position


def read_pairs(body: str, *, closed: bool) -> RawCall | Problem:
    """A name, then ``<arg_key>NAME</arg_key><arg_value>VALUE</arg_value>`` for each argument (GLM)."""
    found = KEY.search(body)
    name = body[: found.start()] if found is not None else body
    given: list[tuple[str, Any]] = []
    while found is not None:
        key_end = _KEY_END.search(body, found.end())
        value = _KEY_VALUE.match(body, key_end.end()) if key_end is not None else None
        if key_end is None or value is None:
            return Problem("bad_json" if closed else "cut_off_call", CUT)
        key = body[found.end() : key_end.start()].strip()
        found = KEY.search(body, value.end())
        limit = found.start() if found is not None else len(body)
        end = _KEY_VALUE_END.search(body, value.end(), limit)
        if end is None and found is None and not closed:
            return Problem("cut_off_call", CUT)
        given.append((key, body[value.end() : end.start() if end is not None else limit]))
    return make_call(name, _collected(given))


def _function(name: str, body: str, whole: bool) -> RawCall | Problem:
    first = _PARAMETER.search(body)
    stripped = body.strip()
    if first is None:
        if not stripped:
            return make_call(name, {}) if whole else Problem("cut_off_call", CUT)
        if stripped[0] in '{"`':
            value, _, error = load_value(stripped.strip("`").removeprefix("json").strip())
            if error:
                return Problem("bad_json" if whole else "cut_off_call", clean_text(error))
            return make_call(name, value)
        return _children(name, stripped, whole)
    given: list[tuple[str, Any]] = []
    found: re.Match[str] | None = first
    while found is not None:
        after = _PARAMETER.search(body, found.end())
        limit = after.start() if after is not None else len(body)
        end = _PARAMETER_END.search(body, found.end(), limit)
        if end is None and after is None and not whole:
            return Problem("cut_off_call", CUT)
        value = body[found.end() : end.start() if end is not None else limit]
        if _IS_JSON.search(found[0]) is not None:
            decoded, _, error = load_value(value.strip())
            value = value if error else decoded
        given.append((found["parameter"].strip(), value))
        found = after
    return make_call(name, _collected(given))


def _children(name: str, body: str, whole: bool) -> RawCall | Problem:
    """Arguments as elements that have their names: ``<query>VALUE</query>``."""
    given: list[tuple[str, Any]] = []
    position = 0
    while (child := _CHILD.search(body, position)) is not None:
        closing = f"</{child['child']}>"
        end = body.find(closing, child.end())
        if end < 0:
            return Problem("bad_json" if whole else "cut_off_call", CUT)
        given.append((child["child"], body[child.end() : end]))
        position = end + len(closing)
    if not given:
        return Problem("bad_arguments", clean_text(name)) if whole else Problem("cut_off_call", CUT)
    return make_call(name, _collected(given))


def _collected(given: list[tuple[str, Any]]) -> dict[str, Any]:
    """The arguments by name, without the newlines around their values. A name that occurs again makes a list."""
    counts: dict[str, int] = {}
    arguments: dict[str, Any] = {}
    for name, value in given:
        value = value.strip("\r\n") if isinstance(value, str) else value
        counts[name] = counts.get(name, 0) + 1
        if counts[name] == 1:
            arguments[name] = value
        elif counts[name] == 2:
            arguments[name] = [arguments[name], value]
        else:
            arguments[name].append(value)
    return arguments
