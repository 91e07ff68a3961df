"""Reads calls that are written in Python's form: ``[search(query="x"), browse(url="y")]``."""

from __future__ import annotations

import ast
import re
from typing import Any

from wideseek_env.parsing.calls import Problem, RawCall, Written, make_call

MAX_CHARS = 65_536
"""The longest text that is read as Python, in characters."""

MAX_BITS = 4096
"""The longest whole number, in bits."""

_WORDS = {"true": True, "false": False, "null": None, "none": None}
_ODD_ESCAPE = re.compile(r"(?<!\\)\\([^\n\\'\"abfnrtvxuUN0-7])")
"""An escape that Python does not have. Python would print a warning about it."""

_BRACKET = re.compile(r"""[()\[\]{}]|"(?:[^"\\]|\\.)*+"|'(?:[^'\\]|\\.)*+'|["']""", re.DOTALL)
_PAIRS = {"(": ")", "[": "]", "{": "}"}


def read_pythonic(text: str) -> Written | None:
    """The calls in `text`: one call, several in a row, a list of calls or ``print(…)`` of a call. None: not such
    text."""
    if len(text) > MAX_CHARS:
        return None
    text = _ODD_ESCAPE.sub(r"\\\\\1", text.strip().strip(";").strip())
    try:
        body = ast.parse(text).body
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return None
    calls: Written = []
    for statement in body:
        if not isinstance(statement, (ast.Expr, ast.Assign)):
            return None
        for node in _nodes(statement.value):
            if (call := _call(node)) is not None:
                calls.append(call)
            elif not isinstance(node, (ast.Name, ast.Constant)) or not calls:
                return None
    return calls or None


def end_of_brackets(text: str, start: int) -> int:
    """The position after the bracket that closes the one at `start`, or -1. Brackets in strings do not count."""
    closers: list[str] = []
    for found in _BRACKET.finditer(text, start, start + MAX_CHARS):
        char = found[0]
        if char in _PAIRS:
            closers.append(_PAIRS[char])
        elif char in ")]}":
            if not closers or closers.pop() != char:
                return -1
            if not closers:
                return found.end()
        elif len(char) == 1:
            return -1  # a string without an end
    return -1


def _nodes(node: ast.expr) -> list[ast.expr]:
    if isinstance(node, (ast.List, ast.Tuple)):
        return [inner for item in node.elts for inner in _nodes(item)]
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "print":
        return [inner for item in node.args for inner in _nodes(item)]
    if isinstance(node, ast.Await):
        return _nodes(node.value)
    return [node]


def _call(node: ast.expr) -> RawCall | Problem | None:
    if not isinstance(node, ast.Call):
        return None
    name = _dotted(node.func)
    if not name:
        return None
    arguments: dict[str, Any] = {}
    try:
        for given in node.keywords:
            value = _value(given.value)
            arguments |= {given.arg: value} if given.arg is not None else dict(value)
        positional = [_value(given) for given in node.args]
    except (ValueError, TypeError, RecursionError):
        return Problem("bad_arguments", name)
    if positional:
        if len(positional) > 1 or arguments or not isinstance(positional[0], dict):
            return Problem("bad_arguments", name)
        arguments = positional[0]
    return make_call(name, arguments)


def _dotted(node: ast.expr) -> str:
    if isinstance(node, ast.Name):
        return node.id
    if isinstance(node, ast.Attribute):
        head = _dotted(node.value)
        return f"{head}.{node.attr}" if head else ""
    return ""


def _value(node: ast.expr) -> Any:
    """The literal that a node writes. JSON's ``true``, ``false`` and ``null`` count as literals."""
    if isinstance(node, ast.Name) and node.id in _WORDS:
        return _WORDS[node.id]
    if isinstance(node, (ast.List, ast.Tuple, ast.Set)):
        return [_value(item) for item in node.elts]
    if isinstance(node, ast.Dict):
        if any(key is None for key in node.keys):
            raise ValueError("a call has only literal arguments")
        return {
            str(_value(k)): _value(v) for k, v in zip(node.keys, node.values, strict=True) if k is not None
        }
    value = ast.literal_eval(node)
    if isinstance(value, int) and value.bit_length() > MAX_BITS:
        raise ValueError("the number is too long")  # Python refuses to write it as text
    if value is not None and not isinstance(value, (str, int, float)):
        raise ValueError("JSON has no such value")
    return value
