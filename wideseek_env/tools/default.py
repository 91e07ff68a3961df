"""The project's tools: `delegate`, `search` and `browse`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from wideseek_env.rules import Rules
from wideseek_env.task import Language
from wideseek_env.tools.descriptions import described_tool
from wideseek_env.tools.lists import read_items
from wideseek_env.tools.spec import (
    Arguments,
    ToolInputError,
    function_schema,
    read_number,
    read_text,
)


def _read_delegate(arguments: Arguments, rules: Rules) -> list[Arguments]:
    subtasks = []
    for item in read_items(arguments, "subtasks"):
        if isinstance(item, dict) and len(item) == 1:  # {"task": "…"}: models often wrap a string
            item = next(iter(item.values()))
        if not isinstance(item, str):
            raise ToolInputError("wrong_type", f'"subtasks" must hold strings, not {type(item).__name__}')
        if not item.strip():
            raise ToolInputError("missing", 'text in every item of "subtasks"')
        subtasks.append({"subtask": item.strip()})
    return subtasks


def _delegate_form(rules: Rules) -> dict[str, Any]:
    subtasks = {"type": "array", "items": {"type": "string"}, "minItems": 1, "maxItems": rules.width}
    return function_schema("delegate", "", {"subtasks": subtasks | {"description": ""}}, ["subtasks"])


def read_search(arguments: Arguments, rules: Rules) -> list[Arguments]:
    """The checked arguments of one search: ``query: str, count: int``."""
    count = read_number(arguments, "count", rules.results_per_query, rules.max_results_per_query)
    return [{"query": read_text(arguments, "query"), "count": count}]


def _search_form(rules: Rules) -> dict[str, Any]:
    most, usual = rules.max_results_per_query, rules.results_per_query
    count = {"type": "integer", "minimum": 1, "maximum": most, "default": usual, "description": ""}
    return function_schema(
        "search", "", {"query": {"type": "string", "description": ""}, "count": count}, ["query"]
    )


def _read_browse(arguments: Arguments, rules: Rules) -> list[Arguments]:
    return [
        {
            "url": read_text(arguments, "url"),
            "chunk": read_number(arguments, "chunk", 1, 1_000_000),
            "focus": read_text(arguments, "focus", required=False),
        }
    ]


def _browse_form(rules: Rules) -> dict[str, Any]:
    return function_schema(
        "browse",
        "",
        {
            "url": {"type": "string", "description": ""},
            "chunk": {"type": "integer", "minimum": 1, "default": 1, "description": ""},
            "focus": {"type": "string", "description": ""},
        },
        ["url"],
    )


_DELEGATE: Mapping[Language, Mapping[str, str]] = {
    "en": {
        "": "Start subagents that work on subtasks in parallel, at most {width} at once. You get all their reports "
        "when the last one is done.",
        "subtasks": "One text for each subagent. A subagent sees nothing but its text, so say what is wanted, for "
        "which entities, which columns, and the page addresses already known.",
    },
    "zh": {
        "": "启动子代理，让它们并行完成各自的子任务，一次最多 {width} 个。全部完成之后，你会一起收到它们的报告。",
        "subtasks": "每个子代理一段文字。子代理只能看到这段文字，所以要写清楚查什么、查哪些实体、要哪些列，以及已知的网页地址。",
    },
}
_SEARCH: Mapping[Language, Mapping[str, str]] = {
    "en": {
        "": "Search the corpus. Returns the titles, addresses and matching passages of the best pages.",
        "query": "Words to look for.",
        "count": "How many results.",
    },
    "zh": {
        "": "搜索语料库，返回最相关网页的标题、地址和匹配的段落。",
        "query": "要查找的词语。",
        "count": "返回多少条结果。",
    },
}
_BROWSE: Mapping[Language, Mapping[str, str]] = {
    "en": {
        "": "Open a page as Markdown with its links and tables. Long pages come in numbered chunks; with a focus you "
        "get only the parts of the page that answer it.",
        "url": "Address from a search result, a page or your task.",
        "chunk": "Which chunk of the page.",
        "focus": "A question that the page should answer (optional).",
    },
    "zh": {
        "": "以 Markdown 形式打开网页，保留链接和表格。长网页分成带编号的块；给出 focus 时只返回网页中与之相关的部分。",
        "url": "来自搜索结果、网页或任务的地址。",
        "chunk": "网页的第几块。",
        "focus": "希望网页回答的问题（可选）。",
    },
}

DELEGATE = described_tool(
    "delegate", "delegate", _delegate_form, _read_delegate, {"subtasks": ["…", "…"]}, _DELEGATE
)
SEARCH = described_tool("search", "search", _search_form, read_search, {"query": "…"}, _SEARCH)
BROWSE = described_tool("browse", "browse", _browse_form, _read_browse, {"url": "…"}, _BROWSE)
