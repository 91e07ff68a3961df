"""Loads the texts that agents see from a TOML file, and checks them.

A file has a table for each language, ``[en]`` and ``[zh]``, with the fields of `Texts`. The table ``[results]`` has the
fields of `ResultTexts`, and ``[summariser]`` the prompt of the summariser. A file may hold only some texts. The other
texts stay those of the profile.
"""

from __future__ import annotations

import dataclasses
import difflib
import hashlib
import json
import os
import string
import tomllib
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, TypeAlias, cast, get_args

from wideseek_env.errors import ConfigError
from wideseek_env.messages import ROLES
from wideseek_env.prompts.en import TEXTS as ENGLISH
from wideseek_env.prompts.texts import ResultTexts, Texts, fields_of
from wideseek_env.reprs import short
from wideseek_env.task import Language

Form: TypeAlias = Mapping[str, Any]
"""The keys of a table. A value is a table, or the names of the fields that a text may contain."""

DESCRIPTION_FIELDS = ("width", "calls", "results", "max_results")
"""The fields of a description: the width, the calls in one message, the results of a search, and the most results."""

_SYSTEM = dict.fromkeys(ROLES, ("answer", "width", "turns", "calls"))
_PAGE = ("title", "chunk", "chunks", "text")
_LANGUAGE: Form = {
    "system": _SYSTEM,
    "system_short": _SYSTEM,
    "first": {
        "lead": ("question", "turns"),
        "subagent": ("question", "subtask", "turns"),
        "single": ("question", "turns"),
    },
    "answer_table": (),
    "answer_short": (),
    "call_format": ("tools", "examples"),
    "report": ("number", "subtask"),
    "no_report": dict.fromkeys(ENGLISH.no_report, ()),
    "result": {
        "search": ("query", "count"),
        "browse": ("url", "chunk"),
        "browse_focus": ("url", "chunk", "focus"),
        "custom": ("name",),
    },
    "turns_left": ("turn", "turns"),
    "last_turn": ("turn", "turns"),
    "cut": ("limit",),
    "problems": dict.fromkeys(ENGLISH.problems, ("detail",)),
}
_RESULTS: Form = {
    "hit": ("number", "title", "url", "passage"),
    "hit_without_passage": ("number", "title", "url"),
    "between_hits": (),
    "no_hits": (),
    "page": ("title", "text"),
    "chunk": (*_PAGE, "next"),
    "last_chunk": _PAGE,
    "focus": ("title", "focus", "chunks", "text"),
    "summary": ("title", "focus", "text"),
    "summary_of_beginning": ("title", "focus", "chars", "text"),
    "summary_failed": ("text",),
    "empty_page": ("title",),
    "no_title": (),
    "no_chunk": ("chunks",),
    "no_second_chunk": (),
    "no_page": (),
    "page_gone": ("error",),
    "page_failed": ("status", "error"),
    "no_reason": (),
    "search_failed": ("error",),
    "no_tool": ("name",),
    "tool_failed": ("error",),
    "no_time": ("seconds",),
}
_SUMMARISER: Form = dict.fromkeys(("system", "user"), ("url", "title", "page", "question", "mark"))
_OTHER = {"results": _RESULTS, "summariser": _SUMMARISER}
_NEEDED = {
    "first.lead": "question",
    "first.single": "question",
    "first.subagent": "subtask",
    "summariser.user": "page",
    **dict.fromkeys(("results.page", "results.chunk", "results.last_chunk", "results.focus"), "text"),
    **dict.fromkeys(("results.summary", "results.summary_of_beginning", "results.summary_failed"), "text"),
}
"""The field without which a text would keep from agents what they need, by the end of its key."""

LANGUAGES: tuple[Language, ...] = get_args(Language)


def checked_texts(texts: object) -> dict[str, Any] | None:
    """The content of a file of texts, as plain values.

    Args:
        texts: The path of a TOML file, the content as a mapping, or the content as JSON text that begins with ``{``.
            None stays None.

    Raises:
        ConfigError: The file cannot be read, a key is unknown, or a text is wrong. The message names file and key.
    """
    if texts is None or isinstance(texts, Mapping):
        record, source = texts, "texts"
    elif isinstance(texts, str) and texts.lstrip().startswith("{"):
        record, source = _parsed("texts", texts, json.loads, "JSON"), "texts"
    elif isinstance(texts, (str, os.PathLike)):
        record, source = _read(os.fspath(texts))
    else:
        raise ConfigError(f"texts must be a TOML file or a mapping of texts, not {short(texts)}")
    if not record:
        return None
    return {
        key: _language(source, key, table) if key in LANGUAGES else _table(source, key, table, _OTHER[key])
        for key, table in _known(source, "", record, (*LANGUAGES, *_OTHER))
    }


def texts_digest(record: Mapping[str, Any]) -> str:
    """A short hash of loaded texts."""
    return hashlib.sha256(json.dumps(record, sort_keys=True).encode()).hexdigest()[:12]


def overlaid(
    texts: Mapping[Language, Texts], results: ResultTexts, record: Mapping[str, Any]
) -> tuple[dict[Language, Texts], ResultTexts]:
    """The texts with those of `record` instead of the given ones."""
    changed = dict(texts)
    for language in LANGUAGES:
        if language in record and language in texts:
            changed[language] = _laid_over(texts[language], record[language])
    return changed, dataclasses.replace(results, **record.get("results", {}))


def _laid_over(texts: Texts, record: Mapping[str, Any]) -> Texts:
    values: dict[str, Any] = {
        name: {**getattr(texts, name), **value} if isinstance(value, Mapping) else value
        for name, value in record.items()
        if name != "tools"
    }
    tools: dict[Any, Any] = dict(texts.tools)
    for role, each in record.get("tools", {}).items():
        tools[role] = {**tools.get(role, {})}
        for name, tool in each.items():
            told = dict(tool.get("parameters", {}))
            if "description" in tool:
                told[""] = tool["description"]
            tools[role][name] = {**tools[role].get(name, {}), **told}
    return dataclasses.replace(texts, **values, tools=tools)


def _read(name: str | bytes) -> tuple[Mapping[str, Any], str]:
    source = os.fsdecode(name)
    try:
        data = Path(source).expanduser().read_bytes()
    except (OSError, ValueError, RuntimeError) as error:
        reason = error.strerror if isinstance(error, OSError) else error
        raise ConfigError(f"texts: {short(source)} cannot be read: {reason}") from error
    told = f"texts in {source}"
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise ConfigError(
            f"{told}: this is not UTF-8 (byte {error.start}); save the file as UTF-8"
        ) from error
    return _parsed(told, text, tomllib.loads, "TOML"), told


def _parsed(source: str, text: str, loads: Any, form: str) -> Mapping[str, Any]:
    try:
        record = loads(text)
    except (ValueError, RecursionError) as error:
        raise ConfigError(f"{source}: this is no {form}: {error}") from error
    return cast("Mapping[str, Any]", record)


def _known(source: str, path: str, table: object, known: Iterable[str]) -> Iterable[tuple[str, Any]]:
    """The items of a table. Raises `ConfigError` at an unknown key, with the nearest known key."""
    where = f"{source}: {path}" if path else source
    if not isinstance(table, Mapping):
        raise ConfigError(f"{where} must be a table of texts, not {short(table)}")
    names = list(known)
    for key in table:
        if key not in names:
            near = difflib.get_close_matches(key, names, 1, 0.5) if isinstance(key, str) else ()
            hint = f"did you mean {near[0]!r}?" if near else f"there are: {', '.join(names)}"
            raise ConfigError(f"{where} has no text {short(key)}; {hint}")
    return table.items()


def _table(source: str, path: str, table: object, form: Form) -> dict[str, Any]:
    return {
        key: _table(source, f"{path}.{key}", value, form[key])
        if isinstance(form[key], Mapping)
        else _template(source, f"{path}.{key}", value, form[key])
        for key, value in _known(source, path, table, form)
    }


def _language(source: str, path: str, table: object) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for key, value in _known(source, path, table, (*_LANGUAGE, "tools")):
        if key == "tools":
            found[key] = {
                role: {
                    _text(source, f"{path}.tools.{role}", name): _tool(
                        source, f"{path}.tools.{role}.{name}", tool
                    )
                    for name, tool in _open(source, f"{path}.tools.{role}", tools)
                }
                for role, tools in _known(source, f"{path}.tools", value, ROLES)
            }
        else:
            found |= _table(source, path, {key: value}, _LANGUAGE)
    return found


def _tool(source: str, path: str, tool: object) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for key, value in _known(source, path, tool, ("description", "parameters")):
        if key == "description":
            found[key] = _template(source, f"{path}.{key}", value, DESCRIPTION_FIELDS)
        else:
            found[key] = {
                _text(source, f"{path}.{key}", name): _template(
                    source, f"{path}.{key}.{name}", each, DESCRIPTION_FIELDS
                )
                for name, each in _open(source, f"{path}.{key}", value)
            }
    return found


def _open(source: str, path: str, table: object) -> Iterable[tuple[Any, Any]]:
    return _known(source, path, table, table if isinstance(table, Mapping) else ())


def _text(source: str, path: str, value: object) -> str:
    if not isinstance(value, str):
        raise ConfigError(f"{source}: {path} must be a text, not {short(value)}")
    try:
        value.encode()
    except UnicodeEncodeError as error:
        raise ConfigError(f"{source}: {path} contains a lone surrogate at character {error.start}") from error
    return value


def _template(source: str, path: str, value: object, allowed: tuple[str, ...]) -> str:
    text = _text(source, path, value)
    told = ", ".join(f"{{{name}}}" for name in allowed) if allowed else "none"
    help_ = f"the fields of this text are: {told}. A brace in the text itself is written twice: {{{{ or }}}}"
    try:
        fields_of(text)
        parts = list(string.Formatter().parse(text))
    except ValueError as error:
        raise ConfigError(f"{source}: {path}: the braces do not match ({error}); {help_}") from error
    for _, name, spec, conversion in parts:
        if name is None:
            continue
        if name not in allowed:
            near = difflib.get_close_matches(name, allowed, 1, 0.6)
            hint = f"; did you mean {{{near[0]}}}?" if near else ""
            raise ConfigError(f"{source}: {path} has no field {{{plain_name(name)}}}{hint}; {help_}")
        if spec or conversion:
            raise ConfigError(f"{source}: {path}: write {{{name}}} without a format")
    needed = _NEEDED.get(path) or _NEEDED.get(path.partition(".")[2])
    if needed and needed not in fields_of(text):
        raise ConfigError(f"{source}: {path} must contain {{{needed}}}")
    return text


def plain_name(name: str) -> str:
    """A field name for an error message."""
    return name if name.isprintable() and len(name) <= 60 else short(name)
