"""`Toolbox` finds out from tool schemas which tools an agent has, and writes calls of these tools.

It recognises tools by their arguments, not by their names. A tool that takes a query searches, a tool that takes a URL
browses, and a tool that takes texts delegates. It reads limits from the schemas and from the agent's prompt.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from wideseek_env.messages import Message
from wideseek_env.parsing import RawCall, parse_message

Kind = Literal["delegate", "search", "browse"]

_CALLS = (
    re.compile(r"(?:up to|at most) (\d+) calls"),
    re.compile(r"最多(?:可以有)? ?(\d+) ?个调用"),
    re.compile(r"up to (\d+) (?:queries|pages) at once"),
    re.compile(r"一次最多(?:搜索|打开) ?(\d+) ?个"),
)
_WIDTH = (
    re.compile(r"(?:up to|at most) (\d+) (?:sub-?agents|at once)"),
    re.compile(r"最多(?:可以)?(?:启动|把子任务分给)? ?(\d+) ?个"),
)
_RESULTS = (re.compile(r"at most (\d+)"), re.compile(r"最多 ?(\d+) ?条"))


@dataclass(frozen=True, slots=True)
class Request:
    """One request. `text` is a subtask, a query or a URL. `focus` tells browse what to look for on the page."""

    kind: Kind
    text: str
    count: int = 0
    chunk: int = 1
    focus: str = ""


@dataclass(frozen=True, slots=True)
class Tool:
    """A tool's name, kind and form.

    `items` is the name of the argument with the list of requests of a call, or "" if a call has only one request.
    `fields` are the arguments of one request. Without fields, each request is a plain string.
    """

    name: str
    kind: Kind
    items: str
    fields: Mapping[str, Mapping[str, Any]]
    most: int | None
    """The largest number of requests in one call, if the schema gives it."""
    description: str


@dataclass(frozen=True, slots=True)
class Toolbox:
    """An agent's tools and limits: `calls` per message, subagents per delegation (`width`), and `results` per query."""

    tools: Mapping[Kind, Tool]
    calls: int
    width: int
    results: int
    one_call: bool = False
    """Whether only the first call of a message counts."""

    @classmethod
    def of(cls, schemas: Sequence[Mapping[str, Any]], prompt: str, *, one_call: bool = False) -> Toolbox:
        """Read tool schemas in OpenAI's form and the system prompt. A limit that is in neither of them is 1."""
        tools: dict[Kind, Tool] = {}
        for schema in schemas:
            tool = _read_tool(schema)
            if tool is not None:
                tools.setdefault(tool.kind, tool)
        told = "\n".join([prompt, *(tool.description for tool in tools.values())])
        delegate, search = tools.get("delegate"), tools.get("search")
        width = delegate.most if delegate is not None else None
        if width is None:
            width = _number(_WIDTH, delegate.description if delegate else "") or _number(_WIDTH, prompt) or 1
        results = 1
        if search is not None and "count" in search.fields:
            count = search.fields["count"]
            results = int(count.get("maximum") or _number(_RESULTS, str(count.get("description", ""))) or 1)
        lists = "\n".join(tool.description for tool in tools.values() if tool.items)
        calls = (one_call and _number(_CALLS, lists)) or _number(_CALLS, told) or 1
        return cls(tools, calls, width, results, one_call)

    def write(self, requests: Sequence[Request], remark: str = "") -> str:
        """A message with `remark` and tool calls for `requests`, in order.

        If only one call of a message counts, the message has one: as many of the first requests as fit into it.
        """
        calls = []
        for kind in dict.fromkeys(request.kind for request in requests):
            tool = self.tools[kind]
            arguments = [_arguments(tool, request) for request in requests if request.kind == kind]
            if tool.items:
                calls.append({"name": tool.name, "arguments": {tool.items: arguments}})
            else:
                calls += [{"name": tool.name, "arguments": each} for each in arguments]
        calls = calls[:1] if self.one_call else calls
        blocks = [f"<tool_call>\n{json.dumps(call, ensure_ascii=False)}\n</tool_call>" for call in calls]
        return "\n".join(filter(None, [remark, *blocks]))

    def read(self, message: Message) -> list[Request]:
        """The requests in one of the agent's messages, in the order of their results."""
        requests: list[Request] = []
        for call in parse_message(message, [tool.name for tool in self.tools.values()]).calls:
            tool = next((t for t in self.tools.values() if t.name == getattr(call, "name", "")), None)
            if tool is None or not isinstance(call, RawCall):
                continue
            given = call.arguments.get(tool.items) if tool.items else [call.arguments]
            for item in given if isinstance(given, list) else [given]:
                requests.append(_request(tool, item))
        return requests


def _read_tool(schema: Mapping[str, Any]) -> Tool | None:
    function = schema.get("function", {})
    parameters = function.get("parameters", {}).get("properties", {})
    name, description = str(function.get("name", "")), str(function.get("description", ""))
    for kind, mark in (("search", "query"), ("browse", "url")):
        if mark in parameters:
            return Tool(name, kind, "", parameters, None, description)  # type: ignore[arg-type]
    for items, value in parameters.items():
        if value.get("type") != "array":
            continue
        inner = value.get("items", {})
        fields = inner.get("properties", {})
        most = value.get("maxItems")
        for kind, mark in (("search", "query"), ("browse", "url")):
            if mark in fields:
                return Tool(name, kind, items, fields, most, description)  # type: ignore[arg-type]
        if inner.get("type") == "string" or len(fields) == 1:
            return Tool(name, "delegate", items, fields, most, description)
    return None


def _arguments(tool: Tool, request: Request) -> Any:
    if tool.kind == "delegate":
        return {next(iter(tool.fields)): request.text} if tool.fields else request.text
    if tool.kind == "search":
        count = {"count": request.count} if request.count and "count" in tool.fields else {}
        return {"query": request.text, **count}
    arguments: dict[str, Any] = {"url": request.text}
    if "chunk" in tool.fields:
        if request.chunk > 1:
            arguments["chunk"] = request.chunk
    else:  # without chunks, only the focus gives access to the rest of a long page
        arguments.update({name: request.focus for name in tool.fields if name not in ("url", "count")})
    return arguments


def _request(tool: Tool, item: Any) -> Request:
    if tool.kind == "delegate":
        return Request(
            "delegate", str(next(iter(item.values()), "")) if isinstance(item, dict) else str(item)
        )
    if not isinstance(item, dict):
        return Request(tool.kind, str(item))
    text = str(item.get("query" if tool.kind == "search" else "url", ""))
    return Request(tool.kind, text, int(item.get("count") or 0), int(item.get("chunk") or 1))


def _number(patterns: Sequence[re.Pattern[str]], text: str) -> int | None:
    for pattern in patterns:
        if match := pattern.search(text):
            return int(match[1])
    return None
