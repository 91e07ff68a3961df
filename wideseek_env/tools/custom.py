"""`Tool` is a custom tool. `tool` makes a custom tool from a function with type hints and a docstring.

Models read the docstring. Its first paragraph must describe the tool. The lines under ``Args:`` must describe each
argument.
"""

from __future__ import annotations

import importlib
import inspect
import re
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, get_args, get_origin, get_type_hints

from wideseek_env.errors import ConfigError
from wideseek_env.messages import ROLES, Role
from wideseek_env.plugins import find_part, make_part
from wideseek_env.reprs import short
from wideseek_env.rules import Rules
from wideseek_env.suggestions import hint
from wideseek_env.task import Language
from wideseek_env.tools.executor import CustomTool
from wideseek_env.tools.lists import read_items
from wideseek_env.tools.spec import (
    Arguments,
    ToolInputError,
    ToolSpec,
    function_schema,
    read_flag,
    read_text,
)

BUILT_IN = ("delegate", "search", "browse", "create_sub_agents", "access")
"""Names that custom tools cannot have."""

_TYPES: Mapping[type, str] = {str: "string", int: "integer", float: "number", bool: "boolean"}
_NAME = re.compile(r"[\w-]{1,64}")
_ARGUMENT = re.compile(r"(\w+)(?:\s*\([^)]*\))?:\s*(.*)")


@dataclass(frozen=True, slots=True)
class Tool:
    """A custom tool: its form for models (`spec`), the function that runs it, and the roles that may call it.

    `run` takes the arguments that ``spec.read`` has checked and returns text. `run` is called on threads, from several
    episodes at the same time. If it raises an error, the agent gets an error message.
    """

    spec: ToolSpec
    run: CustomTool
    roles: tuple[Role, ...] = ("subagent", "single")

    def __post_init__(self) -> None:
        if not self.roles or any(role not in ROLES for role in self.roles):
            raise ConfigError(f"the roles of a tool must be among {', '.join(ROLES)}, not {self.roles!r}")


def tool(
    function: Callable[..., str],
    *,
    name: str | None = None,
    roles: Sequence[Role] = ("subagent", "single"),
    example: Mapping[str, Any] | None = None,
) -> Tool:
    """Make a `Tool` from a function.

    Args:
        function: Its arguments are text, numbers, truth values or lists of texts, with type hints. Arguments with a
            default are optional. Models read the function's docstring. The function must return text.
        name: The name that models call. By default the name of the function.
        roles: The roles that may call the tool: "lead", "subagent", "single".
        example: The arguments of an example call, for short prompts and for `check_tool`.

    Raises:
        ConfigError: The function has no docstring, a type hint or description of an argument is missing, or the type hints
            say that it returns something other than text.
    """
    if not inspect.isroutine(function):
        raise ConfigError(
            f"a tool is made of a function, not of {short(function)}: wrap it in a function with type hints"
        )
    called = name or function.__name__
    if not isinstance(called, str) or not _NAME.fullmatch(called):
        raise ConfigError(f"the name of a tool has letters, digits, '_' and '-' only, not {short(called)}")
    if isinstance(roles, str) or not isinstance(roles, Sequence):
        raise ConfigError(f"the roles of a tool are a list such as ['lead'], not {short(roles)}")
    if example is not None and not isinstance(example, Mapping):
        raise ConfigError(f"the example of a tool is a mapping of arguments, not {short(example)}")
    arguments = _arguments(function, called)
    _check_result(function, called)
    description, _ = _docstring(function, called)
    schema = function_schema(
        called,
        description,
        {each.name: each.schema() for each in arguments},
        [each.name for each in arguments if each.required],
    )

    form = _Form(tuple(arguments), schema)
    shown = (
        example if example is not None else {each.name: each.example for each in arguments if each.required}
    )
    return Tool(
        ToolSpec(called, called, form.schema_of, form.read, dict(shown)), _Runner(function), tuple(roles)
    )


@dataclass(frozen=True, slots=True)
class _Runner:
    """Calls the function of a tool. Unlike a closure, it can be pickled."""

    function: Callable[..., str]

    def __call__(self, given: Arguments) -> str:
        return self.function(**given)

    def __reduce__(self) -> tuple[Any, ...]:
        # If `tool` is the decorator of the function, the name of the function leads to the tool.
        module, name = str(self.function.__module__), self.function.__qualname__
        holder = sys.modules.get(module)
        if module != "__main__" and holder is not None and _run_of(holder, name) == self:
            return _imported_run, (module, name)
        return _Runner, (self.function,)


def _run_of(holder: Any, name: str) -> CustomTool | None:
    for part in name.split("."):
        holder = getattr(holder, part, None)
    return holder.run if isinstance(holder, Tool) else None


def _imported_run(module: str, name: str) -> CustomTool | None:
    return _run_of(importlib.import_module(module), name)


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class _Form:
    """The form in which models see a function."""

    arguments: tuple[_Argument, ...]
    schema: dict[str, Any]

    def read(self, given: Arguments, rules: Rules) -> list[Arguments]:
        """The checked arguments of the one request."""
        wanted = (each for each in self.arguments if each.required or each.name in given)
        return [{each.name: each.read(given) for each in wanted}]

    def schema_of(self, language: Language, rules: Rules) -> dict[str, Any]:
        """The schema of the tool in OpenAI form."""
        return self.schema


@dataclass(frozen=True, slots=True)
class _Argument:
    name: str
    kind: Any
    description: str
    required: bool
    default: Any

    def schema(self) -> dict[str, Any]:
        """The JSON schema of the argument."""
        about: dict[str, Any] = (
            {"type": "array", "items": {"type": "string"}}
            if self.kind is list
            else {"type": _TYPES[self.kind]}
        )
        about["description"] = self.description
        if not self.required and self.default is not None:
            about["default"] = self.default
        return about

    @property
    def example(self) -> Any:
        """An example value for prompts."""
        return ["…"] if self.kind is list else {str: "…", int: 1, float: 1.0, bool: True}[self.kind]

    def read(self, given: Mapping[str, Any]) -> Any:
        """The value that a model wrote. Raises `ToolInputError` when the value is missing or has another type."""
        if self.kind is str:
            return read_text(given, self.name, required=self.required)
        if self.kind is list:
            return [read_text({self.name: item}, self.name) for item in read_items(given, self.name)]
        value = given.get(self.name)
        if value is None:
            raise ToolInputError("missing", f'"{self.name}"')
        if self.kind is bool:
            return read_flag(given, self.name)
        try:
            return self.kind(float(value)) if not isinstance(value, bool) else _refuse()
        except (TypeError, ValueError, OverflowError):
            what = "a whole number" if self.kind is int else "a number"
            raise ToolInputError("wrong_type", f'"{self.name}" must be {what}, not {value!r}'[:200]) from None


def tool_named(given: str | Tool) -> Tool:
    """The tool called `given` (`wideseek_env.plugins`). If `given` is a `Tool`, it is returned unchanged.

    If the name leads to a function that returns text, `tool` makes a tool from it. ``role=`` before the name, as in
    ``lead=module:name``, gives the tool to that role instead of its default roles. Raises `ConfigError` when there is
    no such tool.
    """
    if isinstance(given, Tool):
        return given
    role, name = split_role(given)
    found, options = find_part("tool", name)
    if not inspect.isclass(found) and inspect.isroutine(found) and _returns_text(found):
        if options:
            raise ConfigError(f"the tool {name!r} is a function that models call: it takes no options here")
        made = tool(found)
    else:
        if inspect.isroutine(found) and _required(found):
            raise ConfigError(
                f"the tool {name!r} is a function that takes arguments but does not say that it returns text: "
                "let it return text, and write '-> str' after its arguments"
            )
        made = make_part(
            "tool",
            name,
            lambda part: isinstance(part, Tool),
            "the type that wideseek_env.tool(function) returns",
        )
    return replace(made, roles=(role,)) if role is not None else made


def split_role(given: str) -> tuple[Role | None, str]:
    """The role and the name in ``role=module:name``. The role is None if the text does not begin with a role.

    Raises:
        ConfigError: The text begins with another word and ``=``, which is no role.
    """
    head, equals, rest = given.partition("=")
    if equals and head in ROLES:
        return head, rest
    if equals and ":" not in head:
        raise ConfigError(
            f"the tool {given!r} is for no role {head!r}{hint(head, ROLES)}; there are: {', '.join(ROLES)}"
        )
    return None, given


def _required(function: Callable[..., Any]) -> bool:
    """Whether a function cannot be called without arguments."""
    try:
        parameters = inspect.signature(function).parameters.values()
    except (TypeError, ValueError):
        return False
    return any(
        each.default is each.empty and each.kind not in (each.VAR_POSITIONAL, each.VAR_KEYWORD)
        for each in parameters
    )


def _returns_text(function: Callable[..., Any]) -> bool:
    try:
        return get_type_hints(function).get("return") is str
    except (NameError, TypeError):
        return False


def _check_result(function: Callable[..., Any], called: str) -> None:
    """Raise `ConfigError` if the type hints say that a function returns something other than text."""
    hints = get_type_hints(function)  # `_arguments` has read them already
    given = hints.get("return", str)
    if given not in (str, Any):
        shown = getattr(given, "__name__", None) if inspect.isclass(given) else None
        raise ConfigError(
            f"the tool {called} returns {shown or given}, but agents read text: turn the result into text, and write "
            "'-> str' after the arguments"
        )


def _refuse() -> Any:
    raise TypeError


def _arguments(function: Callable[..., str], called: str) -> list[_Argument]:
    _, described = _docstring(function, called)
    try:
        hints = get_type_hints(function)
    except (NameError, TypeError) as error:
        raise ConfigError(f"the type hints of the tool {called} cannot be read: {error}") from error
    found = []
    for name, parameter in inspect.signature(function).parameters.items():
        if parameter.kind in (parameter.VAR_POSITIONAL, parameter.VAR_KEYWORD, parameter.POSITIONAL_ONLY):
            raise ConfigError(f"the tool {called} takes {parameter}; give every argument a separate name")
        kind = _kind(hints.get(name))
        if kind is None:
            raise ConfigError(
                f"the argument {name} of the tool {called} needs a type hint: str, int, float, bool or list[str]"
            )
        if name not in described:
            raise ConfigError(
                f"the docstring of the tool {called} does not say what {name} is: add a line '{name}: …' under 'Args:'"
            )
        required = parameter.default is parameter.empty
        found.append(
            _Argument(name, kind, described[name], required, None if required else parameter.default)
        )
    return found


def _kind(hint: Any) -> Any:
    if get_origin(hint) is list and get_args(hint) == (str,):
        return list
    options = [each for each in get_args(hint) if each is not type(None)]
    if len(options) == 1:  # X | None
        return _kind(options[0])
    return hint if hint in _TYPES else None


def _docstring(function: Callable[..., str], called: str) -> tuple[str, dict[str, str]]:
    """The description of the tool, and the description of each argument under ``Args:``."""
    text = inspect.getdoc(function) or ""
    if not text.strip():
        raise ConfigError(f"the tool {called} needs a docstring, because models read it")
    head, _, rest = text.partition("\nArgs:\n")
    described: dict[str, str] = {}
    latest = ""
    for line in rest.splitlines():
        if line and not line[0].isspace():
            break  # the next section
        if match := _ARGUMENT.match(line.strip()):
            latest = match[1]
            described[latest] = match[2]
        elif latest and line.strip():
            described[latest] += f" {line.strip()}"
    return " ".join(head.split("\n\n")[0].split()), described
