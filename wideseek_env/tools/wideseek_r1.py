"""The published checkpoint's tools: `create_sub_agents`, `search` and `access`.

Names and forms of arguments are those of RLinf's `rlinf/agents/wideseek_r1`. A call of a subagent has a list of queries
or addresses. A call of the single agent has one query or address.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from wideseek_env.rules import Rules
from wideseek_env.task import Language
from wideseek_env.tools.default import read_search
from wideseek_env.tools.descriptions import described_tool
from wideseek_env.tools.lists import read_records
from wideseek_env.tools.spec import (
    Arguments,
    ToolInputError,
    function_schema,
    read_number,
    read_text,
)


def _read_create_sub_agents(arguments: Arguments, rules: Rules) -> list[Arguments]:
    return [
        {"subtask": read_text(item, "prompt")} for item in read_records(arguments, "sub_agents", "prompt")
    ]


def _text() -> dict[str, Any]:
    return {"type": "string", "description": ""}


def _list_form(name: str, listed: str, properties: dict[str, Any], required: list[str]) -> dict[str, Any]:
    item = {"type": "object", "properties": properties, "required": required}
    return function_schema(name, "", {listed: {"type": "array", "description": "", "items": item}}, [listed])


def _query_form(rules: Rules) -> dict[str, Any]:
    return {
        "query": _text(),
        "count": {"type": "integer", "description": "", "default": rules.results_per_query},
    }


def _create_sub_agents_form(rules: Rules) -> dict[str, Any]:
    return _list_form("create_sub_agents", "sub_agents", {"prompt": _text()}, ["prompt"])


def _search_many_form(rules: Rules) -> dict[str, Any]:
    return _list_form("search", "queries", _query_form(rules), ["query"])


def _search_one_form(rules: Rules) -> dict[str, Any]:
    return function_schema("search", "", _query_form(rules), ["query"])


def _access_form() -> dict[str, Any]:
    return {"url": _text(), "info_to_extract": _text()}


def _access_many_form(rules: Rules) -> dict[str, Any]:
    return _list_form("access", "urls", _access_form(), ["url", "info_to_extract"])


def _access_one_form(rules: Rules) -> dict[str, Any]:
    return function_schema("access", "", _access_form(), ["url", "info_to_extract"])


def _read_search_many(arguments: Arguments, rules: Rules) -> list[Arguments]:
    return [read_search(dict(q), rules)[0] for q in read_records(arguments, "queries", "query")]


def _read_access_one(arguments: Arguments, rules: Rules) -> list[Arguments]:
    focus = read_text(arguments, "info_to_extract", required=False)
    return [{"url": read_text(arguments, "url"), "chunk": 1, "focus": focus}]


def _read_access_many(arguments: Arguments, rules: Rules) -> list[Arguments]:
    return [_read_access_one(dict(u), rules)[0] for u in read_records(arguments, "urls", "url")]


@dataclass(frozen=True, slots=True)
class _Exactly:
    """A reader that repairs nothing, as the published system reads a call. It can be pickled.

    `name` is the argument with the list, or "" if the call is one request. An item is used if it is an object with a
    value under `key`.
    """

    name: str
    key: str
    made: Callable[[Arguments, Rules], Arguments]

    def __call__(self, arguments: Arguments, rules: Rules) -> list[Arguments | None]:
        items = arguments.get(self.name, []) if self.name else [arguments]
        if not isinstance(items, list):
            raise ToolInputError("wrong_type", f'"{self.name}" must be a list, not {type(items).__name__}')
        return [
            self.made(item, rules) if isinstance(item, dict) and item.get(self.key) else None
            for item in items
        ]


def _exact_search(item: Arguments, rules: Rules) -> Arguments:
    """One search. The published system passes any `count` on. Here it has the bounds of the rules."""
    try:
        count = read_number(item, "count", rules.results_per_query, rules.max_results_per_query)
    except ToolInputError:
        count = rules.results_per_query
    return {"query": str(item["query"]), "count": count if item.get("count") else rules.results_per_query}


def _exact_access(item: Arguments, rules: Rules) -> Arguments:
    """One page. Without a question, the published system asks its summariser about "None"."""
    return {"url": str(item["url"]), "chunk": 1, "focus": str(item.get("info_to_extract"))}


def _exact_subtask(item: Arguments, rules: Rules) -> Arguments:
    return {"subtask": str(item["prompt"])}


_CREATE_SUB_AGENTS_TEXTS: Mapping[Language, Mapping[str, str]] = {
    "en": {
        "": "Start up to {width} sub-agents that work in parallel, each on the task in its prompt.",
        "sub_agents": "The sub-agents to start; they are independent of one another.",
        "sub_agents.prompt": "All that this sub-agent needs to know about its task.",
    },
    "zh": {
        "": "启动最多 {width} 个并行工作的子代理，各自完成其 prompt 中的任务。",
        "sub_agents": "要启动的子代理，彼此独立。",
        "sub_agents.prompt": "该子代理完成任务所需的全部说明。",
    },
}
_SEARCH_MANY_TEXTS: Mapping[Language, Mapping[str, str]] = {
    "en": {
        "": "Search for up to {calls} queries at once; each returns pages with short summaries.",
        "queries": "The queries; they run at the same time.",
        "queries.query": "What to look for.",
        "queries.count": "How many results, at most {max_results}.",
    },
    "zh": {
        "": "一次最多搜索 {calls} 个查询，每个查询返回网页及其摘要。",
        "queries": "要搜索的查询，同时执行。",
        "queries.query": "要查找的内容。",
        "queries.count": "返回多少条结果，最多 {max_results} 条。",
    },
}
_ACCESS_MANY_TEXTS: Mapping[Language, Mapping[str, str]] = {
    "en": {
        "": "Open up to {calls} pages at once and read from each what you ask for.",
        "urls": "The pages; they are opened at the same time.",
        "urls.url": "A complete address that the search tool returned.",
        "urls.info_to_extract": "What you want to know from this page.",
    },
    "zh": {
        "": "一次最多打开 {calls} 个网页，并从中读取所需的信息。",
        "urls": "要打开的网页，同时打开。",
        "urls.url": "搜索工具返回的完整网址。",
        "urls.info_to_extract": "想从该网页得到的信息。",
    },
}
_SEARCH_ONE_TEXTS: Mapping[Language, Mapping[str, str]] = {
    "en": {
        "": "Search for pages; returns them with short summaries.",
        "query": "What to look for.",
        "count": "How many results, at most {max_results}.",
    },
    "zh": {
        "": "搜索网页，返回网页及其摘要。",
        "query": "要查找的内容。",
        "count": "返回多少条结果，最多 {max_results} 条。",
    },
}
_ACCESS_ONE_TEXTS: Mapping[Language, Mapping[str, str]] = {
    "en": {
        "": "Open a page and read from it what you ask for.",
        "url": "A complete address that the search tool returned.",
        "info_to_extract": "What you want to know from this page.",
    },
    "zh": {
        "": "打开网页并读取所需的信息。",
        "url": "搜索工具返回的完整网址。",
        "info_to_extract": "想从该网页得到的信息。",
    },
}

_ACCESS_EXAMPLE = {"url": "…", "info_to_extract": "…"}
CREATE_SUB_AGENTS = described_tool(
    "create_sub_agents",
    "delegate",
    _create_sub_agents_form,
    _read_create_sub_agents,
    {"sub_agents": [{"prompt": "…"}]},
    _CREATE_SUB_AGENTS_TEXTS,
    _Exactly("sub_agents", "prompt", _exact_subtask),
)
SEARCH_MANY = described_tool(
    "search",
    "search",
    _search_many_form,
    _read_search_many,
    {"queries": [{"query": "…"}]},
    _SEARCH_MANY_TEXTS,
    _Exactly("queries", "query", _exact_search),
)
ACCESS_MANY = described_tool(
    "access",
    "browse",
    _access_many_form,
    _read_access_many,
    {"urls": [_ACCESS_EXAMPLE]},
    _ACCESS_MANY_TEXTS,
    _Exactly("urls", "url", _exact_access),
)
SEARCH_ONE = described_tool(
    "search",
    "search",
    _search_one_form,
    read_search,
    {"query": "…"},
    _SEARCH_ONE_TEXTS,
    _Exactly("", "query", _exact_search),
)
ACCESS_ONE = described_tool(
    "access",
    "browse",
    _access_one_form,
    _read_access_one,
    _ACCESS_EXAMPLE,
    _ACCESS_ONE_TEXTS,
    _Exactly("", "url", _exact_access),
)
