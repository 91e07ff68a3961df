"""The texts with which an episode answers tool calls: headings, reports of subagents, errors, and the mark at a cut.

All of them are templates of the profile (`wideseek_env.prompts.texts.Texts`). `whole` says that a heading repeats a
query, an address or a subtask without a change. Otherwise the heading shows at most 300 characters of it on one line.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from wideseek_env.clean import clean_text
from wideseek_env.conversation import Conversation
from wideseek_env.messages import ToolCall
from wideseek_env.pages.neutral import neutralise
from wideseek_env.prompts import Texts


def heading(texts: Texts, call: ToolCall, name: str, whole: bool) -> str:
    """The heading of a result. `name` is the name of the tool that the agent sees."""
    kind = "browse_focus" if call.name == "browse" and call.arguments.get("focus") else call.name
    template = texts.result.get(kind) or texts.result.get(call.name, texts.result["custom"])
    return _filled(template, {**call.arguments, "name": name}, whole)


def report(texts: Texts, child: Conversation, number: int, whole: bool, limit: int) -> str:
    """The report of a subagent under its heading, or the sentence that says why there is none.

    `number` counts the subagents of a call from 0. The report has at most `limit` characters.
    """
    head = _filled(texts.report, {"number": number + 1, "subtask": child.subtask}, whole)
    body = child.final if child.ending == "reported" else texts.no_report[child.ending].format()
    return f"{head}\n{cut(texts, neutralise(body), limit)}"


def problem(texts: Texts, code: str, detail: object, tools: Sequence[str]) -> str:
    """The error of a call that cannot be run. If the agent does not have the tool, the text names its `tools`."""
    told = clean_text(texts.problems[code].format(detail=detail), 1000)
    if code in ("unknown_tool", "forbidden_tool"):
        told += " " + texts.problems["your_tools"].format(detail=", ".join(tools))
    return told


def cut(texts: Texts, text: str, limit: int) -> str:
    """The text with at most `limit` characters, cleaned. A longer text ends with a mark."""
    if len(text) <= limit:
        return clean_text(text, limit)
    mark = texts.cut.format(limit=limit)
    keep = limit - len(mark) - 1
    return f"{clean_text(text, keep)}\n{mark}" if keep > 0 else clean_text(text, limit)


def _filled(template: str, values: Mapping[str, object], whole: bool) -> str:
    def shown(value: object) -> str:
        return neutralise(str(value) if whole else " ".join(str(value).split())[:300])

    return template.format_map({key: shown(value) for key, value in values.items()})
