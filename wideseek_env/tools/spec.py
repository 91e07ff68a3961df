"""The form of a tool for a model: a name, an OpenAI schema, and how its arguments become requests.

A `ToolSpec` belongs to a profile (`wideseek_env.profiles`). Its `read` turns the arguments that a model wrote into a
list of checked arguments, one for each request that an executor runs. For wrong arguments it raises `ToolInputError`
with a sentence for the model. This module runs no tool.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias

from wideseek_env.rules import Rules
from wideseek_env.task import Language

Arguments: TypeAlias = dict[str, Any]


class ToolInputError(Exception):
    """The arguments of a call do not fit the tool. `code` selects the sentence for the model, and `detail` fills it
    in."""

    def __init__(self, code: str, detail: str) -> None:
        super().__init__(code, detail)
        self.code = code
        self.detail = detail


@dataclass(frozen=True, slots=True)
class ToolSpec:
    """One tool of a profile.

    `name` is what the model writes. `kind` is what the call means: "delegate", "search", "browse", or the name of a
    custom tool, which the executor must know. `schema` gives the OpenAI function schema in a language under given
    rules. `read` gives the checked arguments of each request. `example` has arguments for prompts.
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
    """The text of an argument, trimmed. A number becomes text. An optional argument that is absent gives ""."""
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
    if value is None:
        return default
    try:
        number = int(float(value))
    except (TypeError, ValueError, OverflowError):
        raise ToolInputError("wrong_type", f'"{name}" must be a whole number, not {value!r}'[:200]) from None
    return max(1, min(most, number))


def read_items(arguments: Mapping[str, Any], name: str) -> list[Any]:
    """The items of a list argument, at least one. A single string or object counts as a list of one."""
    value = arguments.get(name)
    if isinstance(value, (str, dict)):
        value = [value]
    if not value:
        raise ToolInputError("missing", f'"{name}"')
    if not isinstance(value, list):
        raise ToolInputError("wrong_type", f'"{name}" must be a list, not {type(value).__name__}')
    return value


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
