"""A tool call as a model wrote it, a problem in its place, and the reading of both from decoded values."""

from __future__ import annotations

import re
from typing import Any, NamedTuple

from wideseek_env.clean import clean_text, clean_value
from wideseek_env.parsing.lenient_json import load_object

MAX_CALLS = 32
"""The most tool calls read from the text of one message. Further calls are only reported."""


class RawCall(NamedTuple):
    """A tool call as the model wrote it: name, arguments and the id of a native call ("" in text form).

    All text in it can be encoded: lone surrogates are replaced.
    """

    name: str
    arguments: dict[str, Any]
    native_id: str = ""


class Problem(NamedTuple):
    """Text that looks like a tool call but is not one: what is wrong, and the id of the native call if there is one.

    `code` selects the sentence that the model is told (`wideseek_env.prompts`). `detail` fills that sentence in.
    """

    code: str
    detail: str = ""
    native_id: str = ""


Written = list[RawCall | Problem]

_NAMES = ("name", "tool_name", "function_name", "recipient_name", "tool", "function", "action")
_ARGUMENTS = ("arguments", "parameters", "args", "params", "input", "action_input", "tool_input", "kwargs")
_BESIDE = frozenset(("id", "type", "index", "tool_call_id", "call_id"))
_PREFIX = re.compile(r"^(?:functions|tools|default_api)\.(?=[\w-])")
_SUFFIX = re.compile(r"(?::\d+|\.call|\(\))$")


def tool_name(written: str) -> str:
    """The name of a tool without what families write around it: ``functions.search:0`` is ``search``."""
    return _SUFFIX.sub("", _PREFIX.sub("", written.strip(" \t\r\n\"'`"))) or written


def make_call(name: str, arguments: Any, native_id: str = "") -> RawCall | Problem:
    """A call with these arguments: a mapping, or its JSON text, encoded once or more."""
    name = clean_text(tool_name(name))
    if isinstance(arguments, str):
        arguments, error = load_object(arguments.strip() or "{}")
        if error:
            return Problem("bad_json", clean_text(error), native_id)
    if arguments is None:
        arguments = {}
    if isinstance(arguments, list) and len(arguments) == 1 and isinstance(arguments[0], dict):
        arguments = arguments[0]
    if not isinstance(arguments, dict):
        return Problem("bad_arguments", name, native_id)
    try:
        return RawCall(name, clean_value(arguments), native_id)
    except RecursionError:
        return Problem("bad_json", "it is nested too deeply", native_id)


def calls_of(value: Any, depth: int = 0) -> Written:
    """The calls that a decoded JSON value describes: an object, a list of objects, or JSON text of these."""
    if isinstance(value, str) and value.lstrip()[:1] in ("{", "[") and depth < 4:
        inner, error = load_object(value)
        return [Problem("bad_json", clean_text(error))] if error else calls_of(inner, depth + 1)
    if isinstance(value, list):
        if depth > 4:
            return [Problem("not_an_object", "list")]
        return [call for item in value for call in calls_of(item, depth + 1)]
    if not isinstance(value, dict):
        return [Problem("not_an_object", type(value).__name__)]
    if isinstance(value.get("tool_calls"), list) and depth < 4:
        return calls_of(value["tool_calls"], depth + 1)
    return [_call_of(value)]


def name_of(item: dict[str, Any]) -> str:
    """The name in an object that describes a call, or ""."""
    if isinstance(item.get("function"), dict):
        item = item["function"]
    return next((item[key] for key in _NAMES if isinstance(item.get(key), str) and item[key].strip()), "")


def has_call_shape(value: Any) -> bool:
    """Whether a value is an object of a name and arguments and nothing else, as only calls are."""
    if not isinstance(value, dict):
        return False
    if isinstance(value.get("function"), dict) and set(value) <= {"function", *_BESIDE}:
        value = value["function"]
    keys = set(value) - _BESIDE
    if len(keys) != 2 or not name_of(value):
        return False
    (given,) = [key for key in keys if key in _ARGUMENTS] or [""]
    return isinstance(value.get(given), (dict, str)) and keys - {given} <= set(_NAMES)


def _call_of(item: dict[str, Any]) -> RawCall | Problem:
    if isinstance(item.get("function"), dict):
        item = item["function"]
    used = next((key for key in _NAMES if isinstance(item.get(key), str) and item[key].strip()), "")
    if not used:
        if len(item) == 1:  # {"search": {"query": …}}
            ((name, arguments),) = item.items()
            if isinstance(arguments, dict) and name not in _ARGUMENTS:
                return make_call(name, arguments)
        return Problem("no_name")
    for key in _ARGUMENTS:
        if key in item:
            return make_call(item[used], item[key])
    return make_call(
        item[used], {key: each for key, each in item.items() if key != used and key not in _BESIDE}
    )
