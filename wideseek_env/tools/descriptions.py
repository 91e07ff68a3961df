"""The descriptions in the schema of a tool, by the path of the parameter.

The path "" is the tool. "queries.count" is the parameter `count` of each item of the list `queries`.
"""

from __future__ import annotations

import difflib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from wideseek_env.errors import ConfigError
from wideseek_env.messages import Role
from wideseek_env.prompts.loading import DESCRIPTION_FIELDS, LANGUAGES
from wideseek_env.reprs import short
from wideseek_env.rules import Rules
from wideseek_env.task import Language
from wideseek_env.tools.spec import Arguments, ToolSpec


@dataclass(frozen=True, slots=True)
class DescribedSchema:
    """The schema of a tool whose descriptions are templates. `form` returns a new schema with any descriptions."""

    form: Callable[[Rules], dict[str, Any]]
    descriptions: Mapping[Language, Mapping[str, str]]

    def __call__(self, language: Language, rules: Rules) -> dict[str, Any]:
        schema = self.form(rules)
        _describe(schema, filled(self.descriptions[language], rules))
        return schema


def described_tool(
    name: str,
    kind: str,
    form: Callable[[Rules], dict[str, Any]],
    read: Callable[[Arguments, Rules], list[Arguments]],
    example: Mapping[str, Any],
    descriptions: Mapping[Language, Mapping[str, str]],
    read_exactly: Callable[[Arguments, Rules], list[Arguments | None]] | None = None,
) -> ToolSpec:
    """A `ToolSpec` whose descriptions are templates, by language and path."""
    schema = DescribedSchema(form, descriptions)
    return ToolSpec(name, kind, schema, read, example, read_exactly, descriptions)


def filled(texts: Mapping[str, str], rules: Rules) -> dict[str, str]:
    """The descriptions with the limits of `rules` filled in."""
    counts = (rules.width, rules.calls_per_turn, rules.results_per_query, rules.max_results_per_query)
    values = dict(zip(DESCRIPTION_FIELDS, counts, strict=True))
    return {path: text.format(**values) for path, text in texts.items()}


def described(schema: Mapping[str, Any], texts: Mapping[str, str]) -> dict[str, Any]:
    """A copy of `schema` with these descriptions, by path. Raises `KeyError` if there is no such parameter."""
    changed: dict[str, Any] = _copied(schema)
    _describe(changed, texts)
    return changed


def _describe(schema: dict[str, Any], texts: Mapping[str, str]) -> None:
    """Write descriptions into a schema in which no two places are the same object."""
    places = _places(schema)
    for path, text in texts.items():
        place = places[path]
        if "description" in place:
            place["description"] = text
        else:  # models see the keys in this order
            items = list(place.items())
            place.clear()
            place.update([*items[:1], ("description", text), *items[1:]])


def descriptions_of(schema: Mapping[str, Any]) -> dict[str, str | None]:
    """The descriptions in a schema by path, in the order of the schema. None where there is none."""
    return {path: place.get("description") for path, place in _places(schema).items()}


def check_descriptions(
    profile: str, tools: Mapping[Role, Sequence[ToolSpec]], record: Mapping[str, Any]
) -> None:
    """Raises `ConfigError` if loaded texts describe a tool or a parameter that the profile does not have."""
    for language in LANGUAGES:
        for role, texts in record.get(language, {}).get("tools", {}).items():
            known = {tool.name: tool for tool in tools[role]}
            for name, text in texts.items():
                if name not in known:
                    raise ConfigError(
                        f"texts: {language}.tools.{role} describes {short(name)}, but the profile {profile} has no "
                        f"such tool for this role; {_hint(name, list(known))}"
                    )
                paths = [path for path in descriptions_of(known[name].schema(language, Rules())) if path]
                for path in text.get("parameters", {}):
                    if path not in paths:
                        raise ConfigError(
                            f"texts: {language}.tools.{role}.{name}.parameters has {short(path)}, but the tool has "
                            f"no such parameter; {_hint(path, paths)}"
                        )


def _hint(name: str, known: list[str]) -> str:
    near = difflib.get_close_matches(name, known, 1, 0.5)
    return f"did you mean {near[0]!r}?" if near else f"there are: {', '.join(known) or 'none'}"


def _copied(value: Any) -> Any:
    """A copy in which no two places are the same object. `copy.deepcopy` keeps such places together."""
    if isinstance(value, Mapping):
        return {key: _copied(each) for key, each in value.items()}
    return [_copied(each) for each in value] if isinstance(value, (list, tuple)) else value


def _places(schema: Mapping[str, Any]) -> dict[str, Any]:
    function = schema["function"]
    found = {"": function}

    def walk(parameters: Any, path: str) -> None:
        while isinstance(parameters.get("items"), dict):
            parameters = parameters["items"]
        for name, parameter in parameters.get("properties", {}).items():
            if isinstance(parameter, dict):
                found[f"{path}{name}"] = parameter
                walk(parameter, f"{path}{name}.")

    walk(function.get("parameters", {}), "")
    return found
