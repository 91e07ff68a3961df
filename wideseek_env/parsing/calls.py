"""A tool call as a model wrote it, a problem in its place, and the reading of both from decoded values."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from typing import Any, NamedTuple, TypeAlias

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

Tools: TypeAlias = Mapping[str, Collection[str]]
"""The names of the tools of an episode, each with the names of its arguments. No names: the arguments are not known."""

_NAMES = ("name", "tool_name", "function_name", "recipient_name", "tool", "function", "action")
_ARGUMENTS = ("arguments", "parameters", "args", "params", "input", "action_input", "tool_input", "kwargs")
_BESIDE = frozenset(("id", "type", "index", "tool_call_id", "call_id"))
_AROUND = ("tool_call", "function_call", "toolCall", "functionCall", "tool", "call", "function")
_LISTS = ("tool_calls", "calls", "function_calls", "tool_uses")
_PREFIX = re.compile(r"^(?:functions|tools|default_api)\.(?=[\w-])")
_SUFFIX = re.compile(r"(?::\d+|\.call|\(\))$")


def known_tools(tools: Collection[str] | Tools) -> Tools:
    """`tools` as names with the names of their arguments."""
    return tools if isinstance(tools, (dict, Mapping)) else dict.fromkeys(tools, ())


def tool_name(written: str) -> str:
    """The name of a tool without what families write around it: ``functions.search:0`` is ``search``."""
    name = written.partition("<|")[0].strip(" \t\r\n\"'`*")
    return _SUFFIX.sub("", _PREFIX.sub("", name)) or written


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
    if len(arguments) == 2 and arguments.get("name") == name:  # the whole call again
        inner = arguments.get("arguments", arguments.get("parameters"))
        arguments = inner if isinstance(inner, dict) else arguments
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
    if depth < 5:
        for key in _LISTS:
            if isinstance(value.get(key), list):
                return calls_of(value[key], depth + 1)
        if len(value) == 1:
            ((key, inner),) = value.items()
            if key in _AROUND and isinstance(inner, dict) and name_of(inner):
                return calls_of(inner, depth + 1)
    return _calls_of_object(value)


def name_of(item: dict[str, Any]) -> str:
    """The name in an object that describes a call, or ""."""
    if isinstance(item.get("function"), dict):
        item = item["function"]
    return next((item[key] for key in _NAMES if isinstance(item.get(key), str) and item[key].strip()), "")


def is_call(value: Any, tools: Tools) -> bool:
    """Whether a decoded value is evidently a call: it names a tool and has arguments of this tool.

    An object of ``name`` and ``arguments`` and nothing else is a call, too, if the arguments are an object. Only calls
    have this form, also those of tools that do not exist.
    """
    if not isinstance(value, dict):
        return False
    if isinstance(value.get("function"), dict) and set(value) <= {"function", *_BESIDE}:
        value = value["function"]
    name = tool_name(name_of(value))
    given = next((value[key] for key in _ARGUMENTS if key in value), None)
    if name not in tools:
        shape = set(value) - _BESIDE in ({"name", "arguments"}, {"name", "parameters"})
        return bool(name) and shape and (isinstance(given, dict) or _is_object_text(given))
    if given is not None:
        return isinstance(given, (dict, str)) or (isinstance(given, list) and len(given) == 1)
    keys = set(value) - _BESIDE - set(_NAMES)
    return fits(name, keys, tools) and bool(keys)


def fits(name: str, keys: Collection[str], tools: Tools) -> bool:
    """Whether all these are names of arguments of the tool. If its arguments are not known, all names fit."""
    return not tools[name] or all(key in tools[name] for key in keys)


def _is_object_text(value: Any) -> bool:
    return isinstance(value, str) and value.lstrip()[:1] == "{"


def _calls_of_object(item: dict[str, Any]) -> Written:
    if isinstance(item.get("function"), dict):
        item = item["function"]
    used = next((key for key in _NAMES if isinstance(item.get(key), str) and item[key].strip()), "")
    if not used:
        if item and all(isinstance(each, dict) for each in item.values()) and not set(item) & set(_ARGUMENTS):
            return [
                make_call(name, arguments) for name, arguments in item.items()
            ]  # {"search": {"query": …}}
        return [Problem("no_name")]
    given = next((key for key in _ARGUMENTS if key in item), "")
    arguments = (
        item[given] if given else {k: each for k, each in item.items() if k != used and k not in _BESIDE}
    )
    if (
        item[used].endswith("parallel")
        and isinstance(arguments, dict)
        and isinstance(arguments.get("tool_uses"), list)
    ):
        return calls_of(arguments["tool_uses"], 3)
    return [make_call(item[used], arguments)]
