"""Profiles: the tools of each role, their names in prompts, and all texts that agents see.

`default` has the project's tool names and full prompts. `terse` has the same names and short prompts for small models.
`wideseek-r1` has the tool schemas of the published checkpoint. Its prompts are not part of this package.
"""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from wideseek_env.errors import ConfigError
from wideseek_env.messages import ROLES, Message, Role
from wideseek_env.plugins import is_part, make_part
from wideseek_env.prompts import FULL, RESULTS, TERSE, ResultTexts, Texts
from wideseek_env.prompts.loading import overlaid
from wideseek_env.prompts.texts import fields_of
from wideseek_env.protocol import LENIENT, PUBLISHED, Protocol
from wideseek_env.rules import Rules
from wideseek_env.suggestions import hint
from wideseek_env.task import Language, Task
from wideseek_env.tools import default, wideseek_r1
from wideseek_env.tools.custom import BUILT_IN, Tool
from wideseek_env.tools.descriptions import DescribedSchema, check_descriptions, described, filled
from wideseek_env.tools.spec import ToolSpec


@dataclass(frozen=True, slots=True)
class Profile:
    """How the environment speaks with its agents. It is frozen. `with_tool` and `dataclasses.replace` make changed
    copies."""

    name: str
    tools: Mapping[Role, tuple[ToolSpec, ...]]
    texts: Mapping[Language, Texts] = field(default_factory=lambda: FULL)
    """All texts of the conversations, by language."""
    results: ResultTexts = RESULTS
    """The texts of search results and pages."""
    embed_tools: bool = True
    """Whether the system prompt describes the tools and the format of calls.

    False if the chat template does this itself.
    """
    language: Language | None = None
    """The language of prompts and notices. None means the language of the task."""
    protocol: Protocol = LENIENT
    """How messages are read, and what happens to calls that break a limit."""
    loaded: Mapping[str, Any] | None = None
    """The texts that `with_texts` has replaced, as plain values."""

    def __reduce__(self) -> tuple[Any, ...]:
        if PROFILES.get(self.name) is self:  # every process has it already
            return profile_named, (self.name,)
        return Profile, tuple(getattr(self, each.name) for each in dataclasses.fields(self))

    def with_texts(self, record: Mapping[str, Any] | None) -> Profile:
        """The same profile with some texts replaced.

        `record` is the content of a file of texts, as `wideseek_env.prompts.loading.checked_texts` returns it.

        Raises:
            ConfigError: The profile has no tool or no parameter that the texts describe.
        """
        if not record:
            return self
        texts, results = overlaid(self.texts, self.results, record)
        check_descriptions(self.name, self.tools, record)
        return dataclasses.replace(self, texts=texts, results=results, loaded=record)

    def with_tool(self, role: Role, tool: ToolSpec) -> Profile:
        """The same profile with one more tool for `role`. The executor in use must know its `kind`."""
        if any(other.name == tool.name for other in self.tools[role]):
            raise ConfigError(f"profile {self.name} already gives the {role} a tool called {tool.name!r}")
        return dataclasses.replace(self, tools={**self.tools, role: (*self.tools[role], tool)})

    def tool_arguments(self, rules: Rules | None = None) -> dict[str, frozenset[str]]:
        """The names of the tools of all roles, each with the names of its arguments.

        They tell a call without tags from other text (`wideseek_env.parsing.parse_message`).
        """
        rules = rules if rules is not None else Rules()
        found: dict[str, frozenset[str]] = {}
        for tool in (tool for tools in self.tools.values() for tool in tools):
            # The names do not depend on the descriptions, and this is computed for each episode.
            form = tool.schema
            schema = form.form(rules) if isinstance(form, DescribedSchema) else form("en", rules)
            parameters = schema["function"].get("parameters", {})
            found[tool.name] = found.get(tool.name, frozenset()) | frozenset(parameters.get("properties", ()))
        return found

    def language_for(self, task: Task) -> Language:
        """The language of the prompts and notices for this task."""
        return self.language or task.language

    def schemas(self, role: Role, rules: Rules, language: Language) -> list[dict[str, Any]]:
        """The schemas of the role's tools, in OpenAI form."""
        texts = self.texts[language].tools.get(role, {})
        schemas = [tool.schema(language, rules) for tool in self.tools[role]]
        return [
            described(schema, filled(texts[tool.name], rules)) if tool.name in texts else schema
            for tool, schema in zip(self.tools[role], schemas, strict=True)
        ]

    def system_prompt(self, role: Role, rules: Rules, task: Task) -> str:
        """The system prompt of an agent in `role`."""
        language = self.language_for(task)
        texts = self.texts[language]
        template = texts.system[role]
        if task.gold is None:
            template = texts.system_short.get(role) or template
        answer = ""
        if role != "subagent":
            answer = (texts.answer_table if task.gold is not None else texts.answer_short).format()
        limits = {"width": rules.width, "turns": rules.turns(role), "calls": rules.calls_per_turn}
        if self.protocol.reading == "first_block":
            limits["calls"] = 1
        parts = [template.format(answer=answer, **limits)]
        if answer and "answer" not in fields_of(template):
            parts.append(answer)
        if self.embed_tools:
            fields = fields_of(texts.call_format)
            lines = {name: self._tool_lines(name, role, rules, language) for name in fields}
            parts.append(texts.call_format.format(**lines))
        return "\n\n".join(parts)

    def _tool_lines(self, field_name: str, role: Role, rules: Rules, language: Language) -> str:
        if field_name == "tools":
            schemas = (schema["function"] for schema in self.schemas(role, rules, language))
            return "\n".join(json.dumps(schema, ensure_ascii=False) for schema in schemas)
        calls = ({"name": tool.name, "arguments": dict(tool.example)} for tool in self.tools[role])
        return "\n".join(f"<tool_call>{json.dumps(call, ensure_ascii=False)}</tool_call>" for call in calls)

    def first_message(self, role: Role, task: Task, subtask: str = "", turns: int = 0) -> Message:
        """The first user message of an agent that has `turns` turns. It has the question, and for a subagent its
        subtask."""
        template = self.texts[self.language_for(task)].first[role]
        content = template.format(question=task.question, subtask=subtask, turns=turns)
        return {"role": "user", "content": content}


_DEFAULT_TOOLS: Mapping[Role, tuple[ToolSpec, ...]] = {
    "lead": (default.DELEGATE,),
    "subagent": (default.SEARCH, default.BROWSE),
    "single": (default.SEARCH, default.BROWSE),
}

PROFILES: dict[str, Profile] = {
    "default": Profile("default", _DEFAULT_TOOLS),
    "terse": Profile("terse", _DEFAULT_TOOLS, texts=TERSE),
    "wideseek-r1": Profile(
        "wideseek-r1",
        {
            "lead": (wideseek_r1.CREATE_SUB_AGENTS,),
            "subagent": (wideseek_r1.SEARCH_MANY, wideseek_r1.ACCESS_MANY),
            "single": (wideseek_r1.SEARCH_ONE, wideseek_r1.ACCESS_ONE),
        },
        embed_tools=False,
        language="en",
        protocol=PUBLISHED,
    ),
}
"""The profiles by name."""


def profile_named(profile: str | Profile) -> Profile:
    """The profile called `profile`. A `Profile` is returned as it is. Raises `ConfigError` for an unknown name."""
    if isinstance(profile, Profile):
        missing = [role for role in ROLES if role not in profile.tools]
        if missing:
            raise ConfigError(f"profile {profile.name} has no tools for: {', '.join(missing)}")
        return profile
    if isinstance(profile, str) and profile in PROFILES:
        return PROFILES[profile]
    if not isinstance(profile, str) or not is_part("profile", profile):
        raise ConfigError(
            f"no profile {profile!r}{hint(profile, PROFILES)}; there are: {', '.join(PROFILES)}; "
            "for a custom one write module:name"
        )
    made: Profile = make_part("profile", profile, _is_profile, "been made by wideseek_env.profiles.Profile")
    return profile_named(made)


def with_tools(profile: Profile, tools: Sequence[Tool]) -> Profile:
    """`profile` with these tools for their roles. The name of the profile also changes, because its tools differ."""
    for each in tools:
        if each.spec.name in BUILT_IN or each.spec.kind in BUILT_IN:
            raise ConfigError(
                f"a custom tool cannot be called {each.spec.name!r}: there is a tool with this name already"
            )
        for role in each.roles:
            profile = profile.with_tool(role, each.spec)
        profile = dataclasses.replace(profile, name=f"{profile.name}+{each.spec.name}")
    return profile


def _is_profile(part: object) -> bool:
    return isinstance(part, Profile)
