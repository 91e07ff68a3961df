"""What a tool is to a model: a name, a schema in OpenAI form, and how its arguments become requests.

A `ToolSpec` belongs to a profile (`wideseek_env.profiles`). Its `read` turns the arguments that a model wrote
into a list of checked arguments, one for each request that an executor runs, or raises `ToolInputError` with
a sentence for the model. Nothing here runs a tool.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias

from wideseek_env.rules import Rules
from wideseek_env.task import Language

Arguments: TypeAlias = dict[str, Any]


class ToolInputError(Exception):
    """The arguments of a call are not of the tool's form; `code` and `detail` as in `parsing.Problem`."""

    def __init__(self, code: str, detail: str) -> None:
        super().__init__(code, detail)
        self.code = code
        self.detail = detail


@dataclass(frozen=True, slots=True)
class ToolSpec:
    """One tool of a profile.

    `name` is what the model writes. `kind` is what the call means: "delegate", "search", "browse", or a
    custom tool's own name, which the executor must know. `schema` gives the OpenAI function schema in a
    language under given rules, `read` the checked arguments of each request, `example` arguments for prompts.
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
    """The text of an argument, trimmed; a number becomes text, "" stands for one that is optional and absent."""
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
    """A whole number between 1 and `most`; numbers beyond are moved to the nearer end."""
    value = arguments.get(name)
    if value is None:
        return default
    try:
        number = int(float(value))
    except (TypeError, ValueError, OverflowError):
        raise ToolInputError("wrong_type", f'"{name}" must be a whole number, not {value!r}'[:200]) from None
    return max(1, min(most, number))


def read_items(arguments: Mapping[str, Any], name: str) -> list[Any]:
    """The items of a list argument, at least one; a single string or object counts as a list of one."""
    value = arguments.get(name)
    if isinstance(value, (str, dict)):
        value = [value]
    if not value:
        raise ToolInputError("missing", f'"{name}"')
    if not isinstance(value, list):
        raise ToolInputError("wrong_type", f'"{name}" must be a list, not {type(value).__name__}')
    return value


def read_records(arguments: Mapping[str, Any], name: str, key: str) -> list[Mapping[str, Any]]:
    """Items of a list that are objects; a bare string stands for the object that has it as its `key`."""
    records: list[Mapping[str, Any]] = []
    for item in read_items(arguments, name):
        if isinstance(item, str):
            item = {key: item}
        if not isinstance(item, dict):
            raise ToolInputError("wrong_type", f'the items of "{name}" must be objects with "{key}"')
        records.append(item)
    return records
