"""`check_tool`: whether a tool of one's own keeps the promises of `wideseek_env.tools.custom.Tool`."""

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
    """Check a tool with the arguments of calls that work, at least two different ones.

    - its name is one that model APIs take and not that of a built-in tool; its roles exist;
    - its schema, in every language, is JSON that a model can read: a description of the tool and of every argument, a
      type for each, required arguments that exist;
    - `read` takes the examples; for arguments that are missing, of other types or unknown it raises `ToolInputError` (a
      sentence for the model) and nothing else; it changes nothing;
    - `run` gives text that fits into a result, on several threads at once too, and the same for the same arguments
      unless `deterministic` is False;
    - an agent of each of its roles can call it, in text and natively, and reads the result.

    Raises `ConformanceError` for the first promise that is broken.
    """
    check = Checker(f"the tool {getattr(getattr(tool, 'spec', None), 'name', '?')!r:.40}")
    check.require(
        isinstance(tool, Tool), "protocol", f"it is {type(tool).__name__} {tool!r:.80}",
        "Make it with wideseek_env.tools.custom.tool, or as a Tool with a spec and run",
    )  # fmt: skip
    name = tool.spec.name
    check.require(
        isinstance(name, str) and _NAME.fullmatch(name), "name", f"its name is {name!r:.80}",
        "Model APIs take up to 64 letters, digits, _ and -",
    )  # fmt: skip
    check.require(
        name not in BUILT_IN and tool.spec.kind not in BUILT_IN, "name", f"{name!r} is the name of a built-in tool",
        "Call it something else",
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
            "Examples have the required arguments and no unknown ones",
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
            f"its schema in {language}", "schema(language, rules) works for every language",
            lambda spoken=language: tool.spec.schema(spoken, Rules()),  # type: ignore[misc]
        )  # fmt: skip
        try:
            same = json.loads(json.dumps(schema)) == schema
        except (TypeError, ValueError):
            same = False
        check.require(same, "schema", f"it is no JSON: {schema!r:.120}", "Use text, numbers, lists and dicts")
        check.require(
            tool.spec.schema(language, Rules()) == schema, "schema", "it is another one each time",
            "Models are told once: make it of language and rules alone",
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
                f"the description of {what} is {text!r}", "Say in a sentence what it is: it is all that a model knows",
            )  # fmt: skip
            check.require(
                about is function or about.get("type") in _TYPES, "schema",
                f"the type of {what} is {about.get('type')!r}", f"It is one of {', '.join(_TYPES)}",
            )  # fmt: skip
        check.require(
            isinstance(required, list) and all(each in properties for each in required), "schema",
            f"the required arguments {required!r} are not all described", "Describe each under properties",
        )  # fmt: skip
    return properties, required


def _read(check: Checker, tool: Tool, arguments: Mapping[str, Any]) -> list[Arguments]:
    given = copy.deepcopy(dict(arguments))
    found: Any = check.call(
        f"reading {given!r:.80}", "read takes what the schema allows", lambda: tool.spec.read(given, Rules())
    )
    check.require(
        given == arguments, "untouched", "read changed the arguments", "They are the message's own: copy"
    )
    check.require(
        isinstance(found, list) and found and all(isinstance(each, dict) for each in found), "read",
        f"read gave {found!r:.80}", "It gives a list of checked arguments, a dict for each request to be run",
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
                "What a model writes wrongly is a ToolInputError(code, detail) for it to read",
                lambda arguments=given: tool.spec.read(arguments, Rules()),  # type: ignore[misc]
                ToolInputError,
            )  # fmt: skip
        except ToolInputError as error:
            check.require(
                error.code in ("missing", "wrong_type", "bad_arguments") and isinstance(error.detail, str), "read",
                f"reading {given!r:.80} raised ToolInputError({error.code!r}, {error.detail!r:.40})",
                "Its code is 'missing' or 'wrong_type', its detail names the argument",
            )  # fmt: skip


def _check_running(check: Checker, tool: Tool, requests: Sequence[Arguments], deterministic: bool) -> None:
    def run(request: Arguments) -> str:
        given = copy.deepcopy(request)
        text: Any = check.call(
            f"running {request!r:.80}", "The examples are of calls that work", lambda: tool.run(given)
        )
        check.require(
            isinstance(text, str) and text.strip(), "result", f"running {request!r:.80} gave {text!r:.80}",
            "Return text for the agent to read, also where nothing was found",
        )  # fmt: skip
        check.require(
            len(text) <= Rules().result_chars, "result", f"running {request!r:.80} gave {len(text):,} characters",
            f"What is beyond {Rules().result_chars:,} is cut off: give less, and say how to get the rest",
        )  # fmt: skip
        check.require(
            given == request, "untouched", "run changed its arguments", "Copy what is to be changed"
        )
        return str(text)

    with global_chance(1):
        first = [run(request) for request in requests]
    with global_chance(2):
        again = [run(request) for request in reversed(requests)][::-1]
    why = "Keep nothing between calls, draw no random numbers; pass deterministic=False for a tool that must differ"
    if deterministic:
        check.require(
            first == again, "determinism", f"{requests!r:.80} gave {first!r:.80}, then {again!r:.80}", why
        )
    with ThreadPoolExecutor(8) as threads:
        together = list(threads.map(run, [request for _ in range(8) for request in requests]))
    if deterministic:
        check.require(
            together == first * 8, "threads", "calls at the same time disturb each other",
            "Agents of many episodes call it at once: keep what a call needs in local variables",
        )  # fmt: skip


def _check_in_episode(
    check: Checker, tool: Tool, example: Mapping[str, Any], role: str, native: bool
) -> None:
    check.require(role in ROLES, "roles", f"{role!r} is no role", f"Roles are {', '.join(ROLES)}")
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
        f"a {role} that calls it with {text:.80} is told: {said:.200}", "Let read take what the schema allows",
    )  # fmt: skip
    for each in calls:
        episode.deliver(each, tool.run(each.arguments))
    check.require(
        "error" not in episode.messages(agent)[-1] and episode.conversation(agent).errors == 0, "episode",
        f"a {role} that calls it makes an error", "Let read take what the schema allows",
    )  # fmt: skip
