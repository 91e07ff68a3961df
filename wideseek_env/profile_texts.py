"""All texts of a profile, in the form of a file of texts."""

from __future__ import annotations

import dataclasses
from typing import Any

from wideseek_env.messages import ROLES, Role
from wideseek_env.profiles import Profile
from wideseek_env.prompts.texts import escaped
from wideseek_env.rules import Rules
from wideseek_env.task import Language
from wideseek_env.tools.descriptions import descriptions_of


def profile_texts(profile: Profile) -> dict[str, Any]:
    """All texts of a profile as plain values. `Profile.with_texts` with them changes nothing."""
    record: dict[str, Any] = {}
    for language, texts in profile.texts.items():
        told: dict[str, Any] = {}
        for each in dataclasses.fields(texts):
            value = getattr(texts, each.name)
            told[each.name] = value if isinstance(value, str) else dict(value)
        told["tools"] = {role: _tools(profile, role, language) for role in ROLES}
        record[language] = {name: value for name, value in told.items() if value != {}}
    record["results"] = dataclasses.asdict(profile.results)
    if profile.loaded and "summariser" in profile.loaded:
        record["summariser"] = dict(profile.loaded["summariser"])
    return record


def _tools(profile: Profile, role: Role, language: Language) -> dict[str, Any]:
    changed = profile.texts[language].tools.get(role, {})
    found: dict[str, Any] = {}
    for tool in profile.tools[role]:
        written = descriptions_of(tool.schema(language, Rules()))
        texts = {path: escaped(text) for path, text in written.items() if text is not None}
        texts |= {**tool.descriptions.get(language, {}), **changed.get(tool.name, {})}
        found[tool.name] = {"description": texts.pop("")} if "" in texts else {}
        found[tool.name]["parameters"] = texts
    return found
