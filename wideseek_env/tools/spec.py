"""The form of a tool for a model: a name, an OpenAI schema, and a function that turns the model's arguments into
requests.

A `ToolSpec` belongs to a profile (`wideseek_env.profiles`). Its `read` turns the arguments that a model wrote into a
list of checked arguments, one for each request that an executor runs. If the arguments are wrong, `read` raises
`ToolInputError`, from which the model gets a sentence. This module runs no tool.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, TypeAlias

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
    call, for prompts. `descriptions` has the templates from which `schema` makes its descriptions, by language and path
    (`wideseek_env.tools.descriptions`), if there are any.
    """

    name: str
    kind: str
    schema: Callable[[Language, Rules], dict[str, Any]]
    read: Callable[[Arguments, Rules], list[Arguments]]
    example: Mapping[str, Any]
    read_exactly: Callable[[Arguments, Rules], list[Arguments | None]] | None = None
    """Reads arguments without any repair, for the protocol of a published checkpoint: one entry for each item of the
    call's list, and None for an item that cannot be used. None: the tool is always read with `read`."""
    descriptions: Mapping[Language, Mapping[str, str]] = field(default_factory=dict)


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
