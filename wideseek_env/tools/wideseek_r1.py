"""The published checkpoint's tools: `create_sub_agents`, `search` and `access`.

Names and forms of arguments are those of RLinf's `rlinf/agents/wideseek_r1`. A call of a subagent has a list of queries
or addresses. A call of the single agent has one query or address.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from wideseek_env.rules import Rules
from wideseek_env.task import Language
from wideseek_env.tools.default import read_search
from wideseek_env.tools.lists import read_records
from wideseek_env.tools.spec import (
    Arguments,
    ToolInputError,
    ToolSpec,
    function_schema,
    read_number,
    read_text,
)


def _read_create_sub_agents(arguments: Arguments, rules: Rules) -> list[Arguments]:
    return [
        {"subtask": read_text(item, "prompt")} for item in read_records(arguments, "sub_agents", "prompt")
    ]


def _create_sub_agents_schema(language: Language, rules: Rules) -> dict[str, Any]:
    en = language == "en"
    return function_schema(
        "create_sub_agents",
        f"Start up to {rules.width} sub-agents that work in parallel, each on the task in its prompt."
        if en
        else f"启动最多 {rules.width} 个并行工作的子代理，各自完成其 prompt 中的任务。",
        {
            "sub_agents": {
                "type": "array",
                "description": "The sub-agents to start; they are independent of one another."
                if en
                else "要启动的子代理，彼此独立。",
                "items": {
                    "type": "object",
                    "properties": {
                        "prompt": {
                            "type": "string",
                            "description": "All that this sub-agent needs to know about its task."
                            if en
                            else "该子代理完成任务所需的全部说明。",
                        }
                    },
                    "required": ["prompt"],
                },
            }
        },
        ["sub_agents"],
    )


def _query_properties(language: Language, rules: Rules) -> dict[str, Any]:
    en = language == "en"
    return {
        "query": {"type": "string", "description": "What to look for." if en else "要查找的内容。"},
        "count": {
            "type": "integer",
            "default": rules.results_per_query,
            "description": f"How many results, at most {rules.max_results_per_query}."
            if en
            else f"返回多少条结果，最多 {rules.max_results_per_query} 条。",
        },
    }


def _access_properties(language: Language) -> dict[str, Any]:
    en = language == "en"
    return {
        "url": {
            "type": "string",
            "description": "A complete address that the search tool returned."
            if en
            else "搜索工具返回的完整网址。",
        },
        "info_to_extract": {
            "type": "string",
            "description": "What you want to know from this page." if en else "想从该网页得到的信息。",
        },
    }


def _listed(
    name: str, items: str, properties: dict[str, Any], required: list[str], text: str
) -> dict[str, Any]:
    item = {"type": "object", "properties": properties, "required": required}
    return function_schema(name, text, {items: {"type": "array", "items": item}}, [items])


def _search_many_schema(language: Language, rules: Rules) -> dict[str, Any]:
    text = (
        f"Search for up to {rules.calls_per_turn} queries at once; each returns pages with short summaries."
        if language == "en"
        else f"一次最多搜索 {rules.calls_per_turn} 个查询，每个查询返回网页及其摘要。"
    )
    return _listed("search", "queries", _query_properties(language, rules), ["query"], text)


def _access_many_schema(language: Language, rules: Rules) -> dict[str, Any]:
    text = (
        f"Open up to {rules.calls_per_turn} pages at once and read from each what you ask for."
        if language == "en"
        else f"一次最多打开 {rules.calls_per_turn} 个网页，并从中读取所需的信息。"
    )
    required = ["url", "info_to_extract"]
    return _listed("access", "urls", _access_properties(language), required, text)


def _search_one_schema(language: Language, rules: Rules) -> dict[str, Any]:
    text = (
        "Search for pages; returns them with short summaries."
        if language == "en"
        else "搜索网页，返回网页及其摘要。"
    )
    return function_schema("search", text, _query_properties(language, rules), ["query"])


def _access_one_schema(language: Language, rules: Rules) -> dict[str, Any]:
    text = (
        "Open a page and read from it what you ask for." if language == "en" else "打开网页并读取所需的信息。"
    )
    return function_schema("access", text, _access_properties(language), ["url", "info_to_extract"])


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
    return {"url": str(item["url"]), "chunk": 1, "focus": str(item.get("info_to_extract") or "")}


def _exact_subtask(item: Arguments, rules: Rules) -> Arguments:
    return {"subtask": str(item["prompt"])}


_ACCESS_EXAMPLE = {"url": "…", "info_to_extract": "…"}
CREATE_SUB_AGENTS = ToolSpec(
    "create_sub_agents",
    "delegate",
    _create_sub_agents_schema,
    _read_create_sub_agents,
    {"sub_agents": [{"prompt": "…"}]},
    _Exactly("sub_agents", "prompt", _exact_subtask),
)
SEARCH_MANY = ToolSpec(
    "search",
    "search",
    _search_many_schema,
    _read_search_many,
    {"queries": [{"query": "…"}]},
    _Exactly("queries", "query", _exact_search),
)
ACCESS_MANY = ToolSpec(
    "access",
    "browse",
    _access_many_schema,
    _read_access_many,
    {"urls": [_ACCESS_EXAMPLE]},
    _Exactly("urls", "url", _exact_access),
)
SEARCH_ONE = ToolSpec(
    "search", "search", _search_one_schema, read_search, {"query": "…"}, _Exactly("", "query", _exact_search)
)
ACCESS_ONE = ToolSpec(
    "access",
    "browse",
    _access_one_schema,
    _read_access_one,
    _ACCESS_EXAMPLE,
    _Exactly("", "url", _exact_access),
)
