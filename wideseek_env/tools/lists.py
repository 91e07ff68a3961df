"""Reads the list arguments of tools. Models write a list in many ways that are not a JSON list.

A list that arrives as text must not become one item, because a team would then have one subagent, and nobody would
notice. Text is a list only if all of it is one: ``["Abbey Road"]: find the year`` is a single text.
"""

from __future__ import annotations

import html
import re
from collections.abc import Mapping
from typing import Any

from wideseek_env.parsing.lenient_json import load_object, load_value
from wideseek_env.tools.spec import ToolInputError

_MAX_DEPTH = 5
_WRAPPERS = ("item", "items", "list", "array", "element", "elements", "value", "values", "entry")
_ITEM_TAGS = frozenset(
    ("item", "li", "element", "value", "entry", "string", "subtask", "task", "prompt", "query", "url")
)
_TAG = re.compile(r"\s*<([A-Za-z_][\w-]{0,40})>")
_AROUND = re.compile(
    r"\s*(?:<!\[CDATA\[(?P<cdata>.*)\]\]>|`{1,3}(?:json|python)?(?P<fence>[^`].*?)`{1,3}|list\((?P<call>.*)\))\s*",
    re.DOTALL,
)
_PREFIX = re.compile(r"\s*\w{1,40}\s*(?:=|:)\s*(?=[\[(])")
_NUMBERED = re.compile(r"(?P<stem>\D{0,40}?)[ _-]?\d{1,6}")
_LINE = re.compile(r"\s*(?:(?P<number>\d{1,3})[.)、]|[-*•])\s+(?P<text>\S.*)")
_URLS = re.compile(r"(?:\s*+(?:[-*•]\s++)?https?://[^\s,;]++[\s,;]*+){1,500}+")
_URL_START = re.compile(r"https?://[^\s,;]")
_URL = re.compile(r"https?://[^\s,;]+")
_BEGINS_LIST = re.compile(r"\[\s*(?:\\+n\s*)*\\*[\"'{\[“]")


def read_items(arguments: Mapping[str, Any], name: str) -> list[Any]:
    """The items of a list argument, at least one.

    The list may also be JSON text, elements, numbered lines, or an object around the list. Any other single text or
    object counts as a list of one.

    Raises:
        ToolInputError: There are no items, or the argument begins like a JSON list but cannot be read.
    """
    items = _items(arguments.get(name), name, 0)
    if not items:
        raise ToolInputError("missing", f'"{name}"')
    return items


def read_records(arguments: Mapping[str, Any], name: str, key: str) -> list[Mapping[str, Any]]:
    """The items of a list of objects. A plain string becomes an object with the string under `key`.

    An object whose `key` holds several texts becomes one object for each text.
    """
    records: list[Mapping[str, Any]] = []
    for item in read_items(arguments, name):
        if isinstance(item, (str, int, float)) and not isinstance(item, bool):
            item = {key: str(item)}
        if not isinstance(item, dict):
            raise ToolInputError("wrong_type", f'the items of "{name}" must be objects with "{key}"')
        given = item.get(key)
        texts = _items(given, key, 0) if isinstance(given, (list, str)) else [given]
        several = len(texts) > 1 and all(isinstance(text, str) for text in texts)
        records += [{**item, key: text} for text in texts] if several else [item]
    return records


def _items(value: Any, name: str, depth: int) -> list[Any]:
    if value is None or depth > _MAX_DEPTH:
        return []
    if isinstance(value, str):
        decoded = _decoded(value, name, depth)
        return [value] if decoded is None else _items(decoded, name, depth + 1)
    if isinstance(value, Mapping):
        return _items_of_object(value, name, depth)
    if not isinstance(value, (list, tuple)):
        raise ToolInputError("wrong_type", f'"{name}" must be a list, not {type(value).__name__}')
    items: list[Any] = []
    for item in value:
        decoded = _json(item, name, strict=False) if isinstance(item, str) else item
        if isinstance(decoded, (list, tuple)):
            items += _items(decoded, name, depth + 1)
        else:
            items.append(item if decoded is None else decoded)
    return items


def _items_of_object(value: Mapping[str, Any], name: str, depth: int) -> list[Any]:
    keys = [str(key) for key in value]
    if len(keys) == 1 and (keys[0] == name or keys[0] in _WRAPPERS):
        (inner,) = value.values()
        if isinstance(inner, (list, str)):
            return _items(inner, name, depth + 1)
    stems = {found["stem"] if (found := _NUMBERED.fullmatch(key)) is not None else None for key in keys}
    if keys and len(stems) == 1 and None not in stems:  # {"0": …, "1": …} or {"subtask_1": …}
        return list(value.values())
    return [value] if keys else []


def _decoded(text: str, name: str, depth: int) -> Any:
    """The list or object that all of `text` is. None: it is a text.

    Raises:
        ToolInputError: The text begins like a JSON list, but cannot be read.
    """
    if (around := _AROUND.fullmatch(text)) is not None:
        inner = around["cdata"] or around["fence"] or around["call"] or ""
        if inner.lstrip()[:1] in ("[", "{", '"', "'", "<"):
            text = inner
    if (prefix := _PREFIX.match(text)) is not None:
        text = text[prefix.end() :]
    if text.lstrip()[1:].lstrip().startswith("&quot;"):
        text = html.unescape(text)
    if text.lstrip()[:1] == "<":
        return _elements(text, depth)
    if (found := _json(text, name, strict=True)) is not None:
        return found
    several = _URLS.fullmatch(text) is not None and len(_URL_START.findall(text)) > 1
    return _lines(text) or (_URL.findall(text) if several else None)


def _json(text: str, name: str, *, strict: bool) -> Any:
    """The list or object that all of `text` is as JSON. None: it is a text.

    With `strict`, text that begins like a list but cannot be read is an error.
    """
    text = text.strip()
    if text[:1] == "(" and text[-1:] == ")":
        text = f"[{text[1:-1]}]" if text[1:].lstrip()[:1] in ('"', "'") else text
    if text[:1] not in ("[", "{", '"', "'", "“", "\\"):
        return None
    value, end, error = load_value(text)
    rest = text[end:].strip(" \t\r\n,;]})")
    if error:
        if strict and _BEGINS_LIST.match(text) is not None:
            raise ToolInputError(
                "wrong_type", f'"{name}" must be a list; its text is no JSON list: {error}'[:300]
            )
        return None
    if rest:
        if rest[0] not in "[{\"'“":
            return None
        value, end, error = load_value(f"[{text}]")  # several values in a row
        if error or end < len(text) + 2 or not isinstance(value, list):
            return None
        return [item for each in value for item in (each if isinstance(each, list) else [each])]
    if isinstance(value, str):  # encoded again
        inner, error = load_object(value) if value.lstrip()[:1] in ("[", "{", '"') else (None, "")
        return inner if isinstance(inner, (list, dict)) else None
    return value if isinstance(value, (list, dict)) else None


def _elements(text: str, depth: int) -> list[Any] | None:
    """The contents of elements of one name, if `text` consists of them."""
    contents: list[Any] = []
    names: set[str] = set()
    position = 0
    while (opening := _TAG.match(text, position)) is not None and len(contents) < 1000:
        end = text.find(f"</{opening[1]}>", opening.end())
        if end < 0:
            return None
        names.add(opening[1])
        contents.append(text[opening.end() : end].strip())
        position = end + len(opening[1]) + 3
    if len(names) != 1 or text[position:].strip(" \t\r\n,;"):
        return None
    (name,) = names
    if len(contents) == 1 and name not in _ITEM_TAGS:
        inner = contents[0]
        return [inner] if inner[:1] in ("[", "<") and depth < _MAX_DEPTH else None
    return contents


def _lines(text: str) -> list[str] | None:
    """The texts of numbered lines or bullets, if `text` consists of at least two of them."""
    lines = [line for line in text.splitlines() if line.strip()]
    if not 2 <= len(lines) <= 1000:
        return None
    found = [_LINE.fullmatch(line) for line in lines]
    numbers = [each["number"] if each is not None else "" for each in found]
    if any(each is None for each in found):
        return None
    if any(numbers) and numbers != [str(number) for number in range(1, len(lines) + 1)]:
        return None
    return [each["text"].strip() for each in found if each is not None]
