"""Finds the messages that RLinf's agent loop builds: headings of results and notices, written as f-strings.

A message is recognised by the variables in it and by the language of the branch that it is in. It may be in the agent
loop itself or in a function.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from wideseek_env.prompts.texts import escaped
from wideseek_env.rlinf.source import Source, Unreadable

_FIELDS = {
    "max_turns": "turns",
    "turn_idx + 2": "turn",
    "next_turn_idx": "turn",
    "idx + 1": "number",
    "subtask_idx": "number",
    "subtask_text": "subtask",
    "worker_summary": "text",
    "query": "query",
    "tool_response.text": "text",
    "search_result": "text",
    "url": "url",
    "page_content": "text",
    "info_to_extract": "focus",
    "summary": "text",
}
"""The variables and expressions of the agent loop, with the names of our fields."""

KINDS: Mapping[frozenset[str], str] = {
    frozenset({"turns"}): "first-turn notice",
    frozenset({"turn", "turns"}): "turn notice",
    frozenset({"number", "subtask", "text"}): "subtask heading",
    frozenset({"number", "subtask"}): "failed-subtask message",
    frozenset({"query", "text"}): "search heading",
    frozenset({"url", "text"}): "access heading",
    frozenset({"url", "focus", "text"}): "access heading with a summary",
}
"""The fields of each kind of message."""


@dataclass(frozen=True, slots=True)
class Found:
    """One message: its template with our fields, and where it is."""

    template: str
    line: int


def messages(source: Source) -> dict[tuple[str, str], list[Found]]:
    """All messages by kind and language, without repetitions."""
    found: dict[tuple[str, str], list[Found]] = {}
    for module in source.modules.values():
        for language, node in _texts(module, ""):
            fields, template = _template(node)
            kind = KINDS.get(frozenset(fields))
            if kind is None or not language:
                continue
            same = found.setdefault((kind, language), [])
            if template not in [each.template for each in same]:
                same.append(Found(template, node.lineno))
    return found


def _template(node: ast.JoinedStr) -> tuple[list[str], str]:
    """The fields of an f-string, and its template. A field that we do not know is its code after "="."""
    fields, text = [], ""
    for part in node.values:
        if isinstance(part, ast.Constant):
            text += escaped(str(part.value))
        elif isinstance(part, ast.FormattedValue):
            code = ast.unparse(part.value)
            plain = part.conversion == -1 and part.format_spec is None
            name = _FIELDS.get(code, f"={code}") if plain else f"={code}!"
            fields.append(name)
            text += f"{{{name}}}"
    return fields, text


def _texts(node: ast.AST, language: str) -> Iterator[tuple[str, ast.JoinedStr]]:
    """All f-strings with the language of their branch, "" outside of such a branch."""
    if isinstance(node, ast.JoinedStr):
        yield language, node
        return
    if isinstance(node, ast.IfExp):
        yes, no = _branches(node.test, language)
        yield from _texts(node.body, yes)
        yield from _texts(node.orelse, no)
        return
    for name, value in ast.iter_fields(node):
        if isinstance(node, ast.If) and name in ("body", "orelse"):
            inner = _branches(node.test, language)[name == "orelse"]
            yield from _block(value, inner)
        elif isinstance(value, list):
            yield from _block(value, language)
        elif isinstance(value, ast.AST):
            yield from _texts(value, language)


def _block(items: list[Any], language: str) -> Iterator[tuple[str, ast.JoinedStr]]:
    for item in items:
        if not isinstance(item, ast.AST):
            continue
        yield from _texts(item, language)
        # After `if language == "en": return …`, the rest of the block is for the other language.
        if isinstance(item, ast.If) and item.body and isinstance(item.body[-1], (ast.Return, ast.Raise)):
            language = _branches(item.test, language)[1]


def _branches(test: ast.expr, language: str) -> tuple[str, str]:
    """The languages of the two branches of a condition."""
    match test:
        case ast.Compare(
            left=ast.Name(id="language"), ops=[op], comparators=[ast.Constant(value="en" | "zh" as named)]
        ):
            other = "zh" if named == "en" else "en"
            if isinstance(op, ast.Eq):
                return named, other
            if isinstance(op, ast.NotEq):
                return other, named
    return language, language


# --- what tools return -----------------------------------------------------------------------------------------------


def tool_results(source: Source) -> tuple[dict[str, str], list[str]]:
    """The texts of search results and pages, under the keys of `ResultTexts`, and the names of those not found."""
    found: dict[str, str] = {}
    for module in source.modules.values():
        for node in ast.walk(module):
            match node:
                case ast.Constant(value=str(text)) if "{doc_id}" in text and "{url}" in text:
                    head = text.replace("{doc_id}", "{number}")
                    found |= {"hit": head + "{passage}", "hit_without_passage": head}
                case ast.Call(func=ast.Attribute(value=ast.Constant(value=str(text)), attr="join")) if any(
                    isinstance(each, ast.keyword) and each.arg == "doc_id" for each in ast.walk(node)
                ):
                    found["between_hits"] = escaped(text)
                case ast.If(test=test, orelse=[ast.Assign(value=ast.Constant(value=str(text)))]) if (
                    "len(documents)" in ast.unparse(test)
                ):
                    found["no_hits"] = escaped(text)
                case ast.keyword(arg="result", value=ast.JoinedStr() as value):
                    fields, text = _template(value)
                    if fields == ["=str(e)"]:
                        found["tool_failed"] = text.replace("{=str(e)}", "{error}")
    empty = _empty_page(source)
    if empty is not None:
        found |= dict.fromkeys(("empty_page", "no_page", "page_gone", "page_failed"), empty)
    if "tool_failed" in found:
        found["search_failed"] = found["tool_failed"]
    named = {
        "hit": "template of a search result",
        "between_hits": "text between search results",
        "no_hits": "sentence for a search without results",
        "tool_failed": "sentence for a tool that failed",
        "empty_page": "sentence for a page without text",
    }
    return found, [name for key, name in named.items() if key not in found]


def _empty_page(source: Source) -> str | None:
    """The text of an empty page. The agent loop replaces that of the tool worker by another one, if it summarises."""
    returned: str | None = None
    replaced: dict[str, str] = {}
    for module in source.modules.values():
        for node in ast.walk(module):
            match node:
                case ast.If(test=test, orelse=[ast.Return(value=ast.Constant(value=str(text)))]) if (
                    "page.strip()" in ast.unparse(test)
                ):
                    returned = text
                case ast.If(
                    test=ast.Compare(
                        left=ast.Name(), ops=[ast.Eq()], comparators=[ast.Constant(value=str(text))]
                    ),
                    body=[ast.Return(value=ast.Constant(value=str(other)))],
                ):
                    replaced[text] = other
    return None if returned is None else escaped(replaced.get(returned, returned))


def one(found: Mapping[tuple[str, str], list[Found]], kind: str, language: str) -> str:
    """The template of a kind of message. Raises `Unreadable` if there is none, or if there are different ones."""
    texts = found.get((kind, language), [])
    if len(texts) != 1:
        lines = ", ".join(str(each.line) for each in texts)
        raise Unreadable("is not there" if not texts else f"is there with different texts (lines {lines})")
    return texts[0].template
