"""The form of a tool for a model: a name, an OpenAI schema, and a function that turns the model's arguments into
requests.

A `ToolSpec` belongs to a profile (`wideseek_env.profiles`). Its `read` turns the arguments that a model wrote into a
list of checked arguments, one for each request that an executor runs. If the arguments are wrong, `read` raises
`ToolInputError`, from which the model gets a sentence. This module runs no tool.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias

from wideseek_env.parsing.lenient_json import load_object
from wideseek_env.rules import Rules
from wideseek_env.task import Language

Arguments: TypeAlias = dict[str, Any]


class ToolInputError(Exception):
    """The arguments of a call do not fit the tool. `code` selects the sentence for the model. `detail` is inserted into
    that sentence."""

    def __init__(self, code: str, detail: str) -> None:
        super().__init__(code, detail)
        self.code = code
        self.detail = detail


@dataclass(frozen=True, slots=True)
class ToolSpec:
    """One tool of a profile.

    `name` is the name that the model writes. `kind` is the meaning of a call: "delegate", "search", "browse", or the
    name of a custom tool, which the executor must know. `schema` returns the OpenAI function schema in a given language
    and for given rules. `read` returns the checked arguments of each request. `example` has the arguments of an example
    call, for prompts.
    """

    name: str
    kind: str
    schema: Callable[[Language, Rules], dict[str, Any]]
    read: Callable[[Arguments, Rules], list[Arguments]]
    example: Mapping[str, Any]


def function_schema(
    name: str, description: str, properties: Mapping[str, Any], required: list[str]
) -> dict[str, Any]:
    """An OpenAI function-tool schema."""
    return {
        "type": "function",
        "function": {
            "name": name,
            "description": description,
            "parameters": {"type": "object", "properties": dict(properties), "required": required},
        },
    }


def read_text(arguments: Mapping[str, Any], name: str, *, required: bool = True) -> str:
    """The text of an argument, trimmed. A number is converted to text. If an optional argument is absent, the result is
    ""."""
    value = arguments.get(name)
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        value = str(value)
    if value is None or (isinstance(value, str) and not value.strip()):
        if required:
            raise ToolInputError("missing", f'"{name}"')
        return ""
    if not isinstance(value, str):
        raise ToolInputError("wrong_type", f'"{name}" must be a string, not {type(value).__name__}')
    return value.strip()


def read_number(arguments: Mapping[str, Any], name: str, default: int, most: int) -> int:
    """A whole number between 1 and `most`. A number outside of this range becomes the nearest bound."""
    value = arguments.get(name)
    if isinstance(value, str) and value.strip().lower() in ("", "null", "none", "default"):
        value = None  # families that write arguments as elements have no other way to write null
    if value is None:
        return default
    try:
        number = int(float(value))
    except (TypeError, ValueError, OverflowError):
        raise ToolInputError("wrong_type", f'"{name}" must be a whole number, not {value!r}'[:200]) from None
    return max(1, min(most, number))


def read_flag(arguments: Mapping[str, Any], name: str) -> bool:
    """A truth value, also as the text "true" or "false"."""
    value = arguments.get(name)
    if value is None:
        raise ToolInputError("missing", f'"{name}"')
    if isinstance(value, str) and value.strip().lower() in ("true", "false"):
        value = value.strip().lower() == "true"
    if not isinstance(value, bool):
        raise ToolInputError("wrong_type", f'"{name}" must be true or false')
    return value


_ITEM = re.compile(r"<(item|li|element|value|entry)>(.*?)</\1>", re.DOTALL)
_LOOKS_LIKE_JSON = re.compile(
    r"\s*(?:```[a-z]*\s*)?(?:\[\s*(?:\\*[\"'{\[“]|\])|\{\s*[\"'“\w]|\"[\\\"\s]*[\[{]|\\+[\"n])"
)
_WRAPPERS = ("item", "items", "list", "array", "element", "elements", "value", "values", "entry")


def read_items(arguments: Mapping[str, Any], name: str) -> list[Any]:
    """The items of a list argument, at least one.

    Models also write the list as JSON text, as elements (``<item>…</item>``), as an object whose one member is the
    list, or as an object with numbers for names. Any other single string or object counts as a list of one.

    Raises:
        ToolInputError: There are no items, or the argument begins like a list but cannot be read.
    """
    items = _items(arguments.get(name), name)
    if not items:
        raise ToolInputError("missing", f'"{name}"')
    return items


def _items(value: Any, name: str, depth: int = 0) -> list[Any]:
    if value is None or depth > 4:
        return []
    if isinstance(value, str):
        decoded = _decoded(value, name)
        return [value] if decoded is value else _items(decoded, name, depth + 1)
    if isinstance(value, Mapping):
        keys = list(value)
        if (
            len(keys) == 1
            and (keys[0] == name or keys[0] in _WRAPPERS)
            and isinstance(value[keys[0]], (list, str))
        ):
            return _items(value[keys[0]], name, depth + 1)
        if keys and all(str(key).isdecimal() for key in keys):
            return [value[key] for key in sorted(keys, key=lambda key: int(str(key)[:9]))]
        return [value] if keys else []
    if not isinstance(value, (list, tuple)):
        raise ToolInputError("wrong_type", f'"{name}" must be a list, not {type(value).__name__}')
    items: list[Any] = []
    for item in value:
        decoded = _decoded(item, name) if isinstance(item, str) else item
        items += _items(decoded, name, depth + 1) if isinstance(decoded, (list, tuple)) else [decoded]
    return items


def _decoded(text: str, name: str) -> Any:
    """The list or object that `text` writes as JSON or as elements, or `text` itself.

    Raises:
        ToolInputError: The text begins like a JSON list, but cannot be read. It is not run as if it were one item.
    """
    elements = [found[2].strip() for found in _ITEM.finditer(text)]
    if elements and not _ITEM.sub("", text).strip(" \t\r\n,;"):
        return elements
    if _LOOKS_LIKE_JSON.match(text) is None:
        return text
    stripped = text.strip().removeprefix("```json").strip("`").strip()
    value, error = load_object(stripped)
    if isinstance(value, (list, dict)) and not error:
        return value
    if stripped.startswith("[") and re.match(r"\[\s*\\*[\"'{]", stripped) is not None:
        raise ToolInputError(
            "wrong_type", f'"{name}" must be a list; its text is no JSON list: {error}'[:300]
        )
    return text


def read_records(arguments: Mapping[str, Any], name: str, key: str) -> list[Mapping[str, Any]]:
    """The items of a list of objects. A plain string becomes an object with the string under `key`."""
    records: list[Mapping[str, Any]] = []
    for item in read_items(arguments, name):
        if isinstance(item, str):
            item = {key: item}
        if not isinstance(item, dict):
            raise ToolInputError("wrong_type", f'the items of "{name}" must be objects with "{key}"')
        records.append(item)
    return records
