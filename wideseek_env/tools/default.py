"""The project's tools: `delegate`, `search` and `browse`."""

from __future__ import annotations

from typing import Any

from wideseek_env.rules import Rules
from wideseek_env.task import Language
from wideseek_env.tools.lists import read_items
from wideseek_env.tools.spec import (
    Arguments,
    ToolInputError,
    ToolSpec,
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


def _delegate_schema(language: Language, rules: Rules) -> dict[str, Any]:
    en = language == "en"
    return function_schema(
        "delegate",
        f"Start subagents that work on subtasks in parallel, at most {rules.width} at once. You get all their "
        "reports when the last one is done."
        if en
        else f"启动子代理，让它们并行完成各自的子任务，一次最多 {rules.width} 个。全部完成之后，你会一起收到它们的报告。",
        {
            "subtasks": {
                "type": "array",
                "items": {"type": "string"},
                "minItems": 1,
                "maxItems": rules.width,
                "description": "One text for each subagent. A subagent sees nothing but its text, so say what is "
                "wanted, for which entities, which columns, and the page addresses already known."
                if en
                else "每个子代理一段文字。子代理只能看到这段文字，所以要写清楚查什么、查哪些实体、要哪些列，以及已知的网页地址。",
            }
        },
        ["subtasks"],
    )


def read_search(arguments: Arguments, rules: Rules) -> list[Arguments]:
    """The checked arguments of one search: ``query: str, count: int``."""
    count = read_number(arguments, "count", rules.results_per_query, rules.max_results_per_query)
    return [{"query": read_text(arguments, "query"), "count": count}]


def _search_schema(language: Language, rules: Rules) -> dict[str, Any]:
    en = language == "en"
    return function_schema(
        "search",
        "Search the corpus. Returns the titles, addresses and matching passages of the best pages."
        if en
        else "搜索语料库，返回最相关网页的标题、地址和匹配的段落。",
        {
            "query": {"type": "string", "description": "Words to look for." if en else "要查找的词语。"},
            "count": {
                "type": "integer",
                "minimum": 1,
                "maximum": rules.max_results_per_query,
                "default": rules.results_per_query,
                "description": "How many results." if en else "返回多少条结果。",
            },
        },
        ["query"],
    )


def _read_browse(arguments: Arguments, rules: Rules) -> list[Arguments]:
    return [
        {
            "url": read_text(arguments, "url"),
            "chunk": read_number(arguments, "chunk", 1, 1_000_000),
            "focus": read_text(arguments, "focus", required=False),
        }
    ]


def _browse_schema(language: Language, rules: Rules) -> dict[str, Any]:
    en = language == "en"
    return function_schema(
        "browse",
        "Open a page as Markdown with its links and tables. Long pages come in numbered chunks; with a focus you "
        "get only the parts of the page that answer it."
        if en
        else "以 Markdown 形式打开网页，保留链接和表格。长网页分成带编号的块；给出 focus 时只返回网页中与之相关的部分。",
        {
            "url": {
                "type": "string",
                "description": "Address from a search result, a page or your task."
                if en
                else "来自搜索结果、网页或任务的地址。",
            },
            "chunk": {
                "type": "integer",
                "minimum": 1,
                "default": 1,
                "description": "Which chunk of the page." if en else "网页的第几块。",
            },
            "focus": {
                "type": "string",
                "description": "A question that the page should answer (optional)."
                if en
                else "希望网页回答的问题（可选）。",
            },
        },
        ["url"],
    )


DELEGATE = ToolSpec("delegate", "delegate", _delegate_schema, _read_delegate, {"subtasks": ["…", "…"]})
SEARCH = ToolSpec("search", "search", _search_schema, read_search, {"query": "…"})
BROWSE = ToolSpec("browse", "browse", _browse_schema, _read_browse, {"url": "…"})
