"""Turns the prompts, notices and tool descriptions of a checkout of RLinf into a file of texts."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from wideseek_env.errors import ConfigError
from wideseek_env.messages import Role
from wideseek_env.profiles import PROFILES
from wideseek_env.prompts.loading import LANGUAGES, checked_texts
from wideseek_env.prompts.texts import escaped
from wideseek_env.rlinf.messages import Found, messages, one, tool_results
from wideseek_env.rlinf.source import MARK, Evaluation, Source, Unreadable, mark
from wideseek_env.rules import Rules
from wideseek_env.task import Language
from wideseek_env.tools.descriptions import descriptions_of

_PROMPTS: Mapping[Role, tuple[str, Mapping[str, str]]] = {
    "lead": ("get_prompt_planner", {"question": mark("question")}),
    "subagent": (
        "get_prompt_worker",
        {"origin_question": mark("question"), "subtask": mark("subtask")},
    ),
    "single": ("get_prompt_single_agent", {"question": mark("question")}),
}
"""The function that makes the first messages of each role, and its arguments."""

_TOOLS: Mapping[Role, Mapping[str, str]] = {
    "lead": {"create_sub_agents": "create_sub_agents"},
    "subagent": {"search": "search", "access": "access"},
    "single": {"search": "search_single_agent", "access": "access_single_agent"},
}
"""The tools of each role, with their keys in the dictionaries of descriptions."""


@dataclass
class Converted:
    """The texts of a checkout."""

    texts: dict[str, Any] = field(default_factory=dict)
    """The content of the file of texts."""
    missing: list[str] = field(default_factory=list)
    """The texts that were not found. The profile's texts are used instead."""
    differences: list[str] = field(default_factory=list)
    """How the schemas of the checkout differ from those of the profile `wideseek-r1`, apart from descriptions."""
    folder: Path = Path()
    """The folder that was read."""


def from_rlinf(checkout: Path | str) -> Converted:
    """The texts of a checkout of RLinf. Its files are parsed and never run.

    Raises:
        ConfigError: The folder has no WideSeek-R1, a file is not Python, or prompts or tool descriptions are missing.
    """
    source = Source(checkout)
    result = Converted(folder=source.folder)
    broken: list[str] = []
    found = messages(source)
    for language in LANGUAGES:
        told: dict[str, Any] = {}
        for role in _PROMPTS:
            try:
                _add_prompts(told, source, role, language)
            except Unreadable as error:
                broken.append(f"the prompts of {_PROMPTS[role][0]} ({language}): {error}")
        try:
            told["tools"] = _tool_texts(source, language, result.differences)
        except Unreadable as error:
            broken.append(f"tools_description_{language}: {error}")
        _add_messages(told, found, language, result.missing)
        result.texts[language] = told
    if broken:
        raise ConfigError(f"{source.folder} cannot be read as WideSeek-R1: {'; '.join(broken)}")
    results, unknown = tool_results(source)
    result.missing += unknown
    # The heading of a result has the address and the question already, and nothing else goes before the text.
    page = dict.fromkeys(
        ("page", "chunk", "last_chunk", "focus", "summary", "summary_of_beginning"), "{text}"
    )
    result.texts["results"] = {**results, **page}
    try:
        result.texts["summariser"] = _summariser(source)
    except Unreadable as error:
        result.missing.append(f"prompt of the summariser ({error})")
    result.texts = checked_texts(result.texts) or {}
    return result


def _add_prompts(told: dict[str, Any], source: Source, role: Role, language: Language) -> None:
    function, given = _PROMPTS[role]
    for short in (False, True):
        evaluation = Evaluation(source)
        arguments: dict[str, Any] = {**given, "language": language}
        if role != "subagent":
            arguments["is_markdown"] = not short
        made = evaluation.call(function, arguments)
        try:
            (system, first), roles = (each["content"] for each in made), [each["role"] for each in made]
        except (TypeError, ValueError, KeyError) as error:
            raise Unreadable("it does not return a system message and a user message") from error
        if roles != ["system", "user"] or not isinstance(system, str) or not isinstance(first, str):
            raise Unreadable("it does not return a system message and a user message")
        template = _as_template(system)
        key = "answer_short" if short else "answer_table"
        forms = set(evaluation.inserted)
        if "{answer}" in template and (len(forms) != 1 or told.get(key) not in (None, *map(escaped, forms))):
            raise Unreadable("it formats several texts into the system prompt")
        if "{answer}" in template:
            told[key] = escaped(forms.pop())
        first = _as_template(first)
        if "{answer}" in first:
            raise Unreadable("it formats a fixed text into the user message")
        if not short:
            told.setdefault("system", {})[role] = template
            told.setdefault("first", {})[role] = first
        else:
            if template != told["system"][role]:
                told.setdefault("system_short", {})[role] = template
            if first != told["first"][role]:
                raise Unreadable("the first user message depends on the form of the answer")


def _as_template(text: str) -> str:
    """A computed text with marks as a template with fields."""
    parts = text.split(MARK)
    return "".join(f"{{{part}}}" if number % 2 else escaped(part) for number, part in enumerate(parts))


def _add_messages(
    told: dict[str, Any], found: Mapping[tuple[str, str], list[Found]], language: str, missing: list[str]
) -> None:
    def text(kind: str, ending: str = "", beginning: str = "") -> str | None:
        try:
            template = one(found, kind, language)
            if not template.startswith(beginning):
                raise Unreadable("does not begin with an empty line")
            if not template.endswith(ending):
                raise Unreadable("does not end with the text of the result")
        except Unreadable as error:
            missing.append(f"{kind} ({language}): {error}")
            return None
        return template[len(beginning) : len(template) - len(ending)]

    hint = text("first-turn notice")
    if hint is not None:
        told["first"] = {role: first + hint for role, first in told.get("first", {}).items()}
    if (notice := text("turn notice", beginning="\n\n")) is not None:
        told |= {"turns_left": notice, "last_turn": notice}
    report = text("subtask heading", ending="\n{text}")
    if report is not None:
        told["report"] = report
    failed = text("failed-subtask message")
    if failed is not None and report is not None and failed.startswith(f"{report}\n"):
        told["no_report"] = dict.fromkeys(
            ("out_of_turns", "out_of_context", "failed"), failed.removeprefix(f"{report}\n")
        )
    elif failed is not None:
        missing.append(f"failed-subtask message ({language}): does not begin like a report")
    headings: dict[str, str] = {}
    if (search := text("search heading", ending="\n{text}")) is not None:
        headings["search"] = search
    if (plain := text("access heading", ending="\n{text}")) is not None:
        headings["browse"] = plain
    if (summary := text("access heading with a summary", ending="\n{text}")) is not None:
        # The published settings summarise each page, so a call with an empty question also has this heading.
        headings |= {"browse_focus": summary, "browse": summary.replace("{focus}", "")}
    if headings:
        told["result"] = headings


def _tool_texts(source: Source, language: Language, differences: list[str]) -> dict[str, Any]:
    known = source.constant(f"tools_description_{language}")
    profile = PROFILES["wideseek-r1"]
    found: dict[str, Any] = {}
    for role, tools in _TOOLS.items():
        for spec in profile.tools[role]:
            key = tools[spec.name]
            try:
                schema = known[key]
                described = descriptions_of(schema)
            except (KeyError, TypeError, AttributeError) as error:
                raise Unreadable(f"the schema of {key} is not there or has another form") from error
            if any(text is not None and not isinstance(text, str) for text in described.values()):
                raise Unreadable(f"the schema of {key} has a description that is no text")
            ours = spec.schema(language, Rules())
            if _structure(schema) != _structure(ours):
                differences.append(f"{role}.{spec.name} ({language})")
            texts = {path: escaped(text) for path, text in described.items() if text is not None}
            places = descriptions_of(ours)
            tool: dict[str, Any] = {"description": texts.pop("")} if "" in texts else {}
            tool["parameters"] = {path: text for path, text in texts.items() if path in places}
            found.setdefault(role, {})[spec.name] = tool
    return found


def _structure(schema: Any) -> Any:
    """A schema with the order of its keys, without the texts of descriptions and without limits of the rules."""
    if isinstance(schema, Mapping):
        return [
            (
                key,
                ""
                if key in ("description", "default") and not isinstance(value, Mapping)
                else _structure(value),
            )
            for key, value in schema.items()
        ]
    return [_structure(each) for each in schema] if isinstance(schema, list) else schema


def _summariser(source: Source) -> dict[str, str]:
    arguments = {"info_to_extract": mark("question"), "page_content": mark("page")}
    made = Evaluation(source).call("get_access_summary_messages", arguments)
    try:
        texts = {each["role"]: _as_template(each["content"]) for each in made}
    except (TypeError, KeyError, AttributeError) as error:
        raise Unreadable("it does not return messages") from error
    if list(texts) != ["system", "user"]:
        raise Unreadable("it does not return a system message and a user message")
    return texts
