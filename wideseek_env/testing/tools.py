"""`check_tool`: checks that a custom tool keeps the rules of `wideseek_env.tools.custom.Tool`."""

from __future__ import annotations

import copy
import json
import re
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, get_args

from wideseek_env.episode import Episode
from wideseek_env.messages import ROLES
from wideseek_env.profiles import PROFILES, with_tools
from wideseek_env.rules import Rules
from wideseek_env.task import Language
from wideseek_env.testing.conformance import Checker, global_chance
from wideseek_env.testing.doubles import example_task
from wideseek_env.tools.custom import BUILT_IN, Tool
from wideseek_env.tools.spec import Arguments, ToolInputError

_NAME = re.compile(r"[A-Za-z0-9_-]{1,64}")
_TYPES = ("string", "integer", "number", "boolean", "array", "object")
_WRONG: tuple[Any, ...] = (None, "", "text", -1, 1e30, True, [], ["a", 3], {"a": {}}, "\x00\u202e" * 100)
_DESCRIPTION = 10


def check_tool(tool: Tool, examples: Sequence[Mapping[str, Any]], *, deterministic: bool = True) -> None:
    """Check a tool with `examples`: the arguments of at least two different calls that work.

    - Model APIs accept the tool's name, and no built-in tool has that name. All its roles exist.
    - Its schema is valid JSON in every language. It describes the tool and every argument, gives each argument a type,
      and requires only arguments that exist.
    - `read` accepts the examples and does not change them. For arguments that are missing, unknown or of a wrong type,
      it raises only `ToolInputError` with a sentence for the model.
    - `run` returns text that is not too long for a result, also on several threads at the same time. The same arguments
      give the same text, unless `deterministic` is False.
    - An agent of each role of the tool can call it and reads the result. This works with calls in text and with native
      tool calls.

    Args:
        tool: The tool.
        examples: The arguments of at least two different calls that work.
        deterministic: Whether the same arguments must give the same text.

    Raises:
        ConformanceError: The tool breaks one of these rules. The message is about the first broken rule.
    """
    check = Checker(f"the tool {getattr(getattr(tool, 'spec', None), 'name', '?')!r:.40}")
    check.require(
        isinstance(tool, Tool), "protocol", f"it is {type(tool).__name__} {tool!r:.80}",
        "Make it with wideseek_env.tools.custom.tool, or as a Tool with a spec and run",
    )  # fmt: skip
    name = tool.spec.name
    check.require(
        isinstance(name, str) and _NAME.fullmatch(name), "name", f"its name is {name!r:.80}",
        "Use at most 64 letters, digits, _ and -, because model APIs accept no other names",
    )  # fmt: skip
    check.require(
        name not in BUILT_IN and tool.spec.kind not in BUILT_IN, "name", f"{name!r} is the name of a built-in tool",
        "Choose another name",
    )  # fmt: skip
    check.require(
        len({json.dumps(dict(each), sort_keys=True, default=repr) for each in examples}) > 1, "examples",
        f"{len(examples)} examples were given", "Give the arguments of at least two different calls that work",
    )  # fmt: skip
    properties, required = _check_schemas(check, tool)
    for example in (tool.spec.example, *examples):
        unknown = [key for key in example if key not in properties]
        lacking = [key for key in required if key not in example]
        check.require(
            not unknown and not lacking, "examples", f"{dict(example)!r:.120} does not fit its schema",
            "Give examples with all required arguments and no unknown ones",
        )  # fmt: skip
    requests = [request for example in examples for request in _read(check, tool, example)]
    _check_wrong_arguments(check, tool, examples[0], properties)
    _check_running(check, tool, requests, deterministic)
    for role in tool.roles:
        for native in (False, True):
            _check_in_episode(check, tool, examples[0], role, native)


def _check_schemas(check: Checker, tool: Tool) -> tuple[Mapping[str, Any], Sequence[str]]:
    todo = "Write it as wideseek_env.tools.spec.function_schema does"
    properties: Mapping[str, Any] = {}
    required: Sequence[str] = ()
    for language in get_args(Language):
        schema: Any = check.call(
            f"its schema in {language}", "schema(language, rules) must work for every language",
            lambda spoken=language: tool.spec.schema(spoken, Rules()),  # type: ignore[misc]
        )  # fmt: skip
        try:
            same = json.loads(json.dumps(schema)) == schema
        except (TypeError, ValueError):
            same = False
        check.require(
            same, "schema", f"it is not JSON: {schema!r:.120}", "Use text, numbers, lists and dicts"
        )
        check.require(
            tool.spec.schema(language, Rules()) == schema, "schema", "it is different each time",
            "Make it depend only on language and rules, because models get it once",
        )  # fmt: skip
        function = schema.get("function") if isinstance(schema, dict) else None
        parameters = function.get("parameters") if isinstance(function, dict) else None
        check.require(
            isinstance(function, dict) and isinstance(parameters, dict)
            and isinstance(parameters.get("properties"), dict) and parameters.get("type") == "object",
            "schema", f"it is not of OpenAI's form: {schema!r:.120}", todo,
        )  # fmt: skip
        assert isinstance(function, dict)
        assert isinstance(parameters, dict)
        check.require(
            function.get("name") == tool.spec.name,
            "schema",
            f"it names {function.get('name')!r}, not the tool",
            todo,
        )
        properties, required = parameters["properties"], parameters.get("required", [])
        described = {"the tool": function, **properties}
        for what, about in described.items():
            text = about.get("description") if isinstance(about, dict) else None
            check.require(
                isinstance(text, str) and len(text.strip()) >= _DESCRIPTION, "schema",
                f"the description of {what} is {text!r}", "Describe it in a sentence: a model knows nothing else",
            )  # fmt: skip
            check.require(
                about is function or about.get("type") in _TYPES, "schema",
                f"the type of {what} is {about.get('type')!r}", f"Use one of {', '.join(_TYPES)}",
            )  # fmt: skip
        check.require(
            isinstance(required, list) and all(each in properties for each in required), "schema",
            f"the required arguments {required!r} are not all described", "Describe each under properties",
        )  # fmt: skip
    return properties, required


def _read(check: Checker, tool: Tool, arguments: Mapping[str, Any]) -> list[Arguments]:
    given = copy.deepcopy(dict(arguments))
    found: Any = check.call(
        f"reading {given!r:.80}",
        "read must accept what the schema allows",
        lambda: tool.spec.read(given, Rules()),
    )
    check.require(
        given == arguments,
        "untouched",
        "read changed the arguments",
        "They belong to the message: copy them before you change them",
    )
    check.require(
        isinstance(found, list) and found and all(isinstance(each, dict) for each in found), "read",
        f"read gave {found!r:.80}", "Return a list with a dict of checked arguments for each request to run",
    )  # fmt: skip
    return list(found)


def _check_wrong_arguments(
    check: Checker, tool: Tool, right: Mapping[str, Any], properties: Mapping[str, Any]
) -> None:
    wrong: list[dict[str, Any]] = [{}, {"unknown": 1}, {**right, "unknown": {"a": [1]}}]
    wrong += [{**right, name: value} for name in properties for value in _WRONG]
    for given in wrong:
        try:
            check.call(
                f"reading {given!r:.120}",
                "For wrong arguments, raise a ToolInputError(code, detail), which the model reads",
                lambda arguments=given: tool.spec.read(arguments, Rules()),  # type: ignore[misc]
                ToolInputError,
            )  # fmt: skip
        except ToolInputError as error:
            check.require(
                error.code in ("missing", "wrong_type", "bad_arguments") and isinstance(error.detail, str), "read",
                f"reading {given!r:.80} raised ToolInputError({error.code!r}, {error.detail!r:.40})",
                "Set its code to 'missing' or 'wrong_type', and its detail to the name of the argument",
            )  # fmt: skip


def _check_running(check: Checker, tool: Tool, requests: Sequence[Arguments], deterministic: bool) -> None:
    def run(request: Arguments) -> str:
        given = copy.deepcopy(request)
        text: Any = check.call(
            f"running {request!r:.80}", "The examples must be calls that work", lambda: tool.run(given)
        )
        check.require(
            isinstance(text, str) and text.strip(), "result", f"running {request!r:.80} gave {text!r:.80}",
            "Return text for the agent to read, even if nothing was found",
        )  # fmt: skip
        check.require(
            len(text) <= Rules().result_chars, "result", f"running {request!r:.80} gave {len(text):,} characters",
            f"Text after {Rules().result_chars:,} characters is cut off: return less, and say how to get the rest",
        )  # fmt: skip
        check.require(
            given == request, "untouched", "run changed its arguments", "Copy them before you change them"
        )
        return str(text)

    with global_chance(1):
        first = [run(request) for request in requests]
    with global_chance(2):
        again = [run(request) for request in reversed(requests)][::-1]
    why = "Keep no state between calls and draw no random numbers; if results must differ, pass deterministic=False"
    if deterministic:
        check.require(
            first == again, "determinism", f"{requests!r:.80} gave {first!r:.80}, then {again!r:.80}", why
        )
    with ThreadPoolExecutor(8) as threads:
        together = list(threads.map(run, [request for _ in range(8) for request in requests]))
    if deterministic:
        check.require(
            together == first * 8, "threads", "calls at the same time disturb each other",
            "Agents of many episodes call it at the same time: keep the state of a call in local variables",
        )  # fmt: skip


def _check_in_episode(
    check: Checker, tool: Tool, example: Mapping[str, Any], role: str, native: bool
) -> None:
    check.require(role in ROLES, "roles", f"{role!r} is not a role", f"Roles are {', '.join(ROLES)}")
    profile = with_tools(PROFILES["default"], [tool])
    episode = Episode(example_task(), profile=profile, team=role != "single")
    agent = episode.ready()[0]
    if role == "subagent":
        episode.act(
            agent, '<tool_call>{"name": "delegate", "arguments": {"subtasks": ["all of it"]}}</tool_call>'
        )
        agent = episode.ready()[0]
    call = {"name": tool.spec.name, "arguments": dict(example)}
    text = json.dumps(call["arguments"])
    message: Any = f"<tool_call>{json.dumps(call)}</tool_call>"
    if native:
        function = {"name": tool.spec.name, "arguments": text}
        message = {"role": "assistant", "content": "", "tool_calls": [{"id": "c", "function": function}]}
    calls = episode.act(agent, message)
    said = str(episode.messages(agent)[-1]["content"])
    check.require(
        calls and all(each.name == tool.spec.kind for each in calls), "episode",
        f"a {role} that calls it with {text:.80} is told: {said:.200}", "read must accept what the schema allows",
    )  # fmt: skip
    for each in calls:
        episode.deliver(each, tool.run(each.arguments))
    check.require(
        "error" not in episode.messages(agent)[-1] and episode.conversation(agent).errors == 0, "episode",
        f"a {role} that calls it makes an error", "read must accept every argument that the schema allows",
    )  # fmt: skip
