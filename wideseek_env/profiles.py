"""Profiles: the tools of each role, their names in prompts, and the first messages of its conversation.

`default` has the project's tool names and full prompts. `terse` has the same names and short prompts for small models.
`wideseek-r1` has the tool schemas of the published checkpoint.
"""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from wideseek_env.errors import ConfigError
from wideseek_env.messages import ROLES, Message, Role
from wideseek_env.plugins import is_part, make_part
from wideseek_env.prompts import Style, texts_for
from wideseek_env.protocol import LENIENT, PUBLISHED, Protocol
from wideseek_env.rules import Rules
from wideseek_env.task import Language, Task
from wideseek_env.tools import default, wideseek_r1
from wideseek_env.tools.custom import BUILT_IN, Tool
from wideseek_env.tools.spec import ToolSpec


@dataclass(frozen=True, slots=True)
class Profile:
    """How the environment speaks with its agents. It is frozen. `with_tool` and `dataclasses.replace` make changed
    copies."""

    name: str
    tools: Mapping[Role, tuple[ToolSpec, ...]]
    style: Style = "full"
    embed_tools: bool = True
    """Whether the system prompt describes the tools and the format of calls.

    False if the chat template does this itself.
    """
    share_question: bool = True
    """Show subagents the whole question next to their subtask."""
    language: Language | None = None
    """The language of prompts and notices. None means the language of the task."""
    protocol: Protocol = LENIENT
    """How messages are read, and what happens to calls that break a limit."""

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
            parameters = tool.schema("en", rules)["function"].get("parameters", {})
            found[tool.name] = found.get(tool.name, frozenset()) | frozenset(parameters.get("properties", ()))
        return found

    def language_for(self, task: Task) -> Language:
        """The language of the prompts and notices for this task."""
        return self.language or task.language

    def schemas(self, role: Role, rules: Rules, language: Language) -> list[dict[str, Any]]:
        """The schemas of the role's tools, in OpenAI form."""
        return [tool.schema(language, rules) for tool in self.tools[role]]

    def system_prompt(self, role: Role, rules: Rules, task: Task) -> str:
        """The system prompt of an agent in `role`."""
        language = self.language_for(task)
        texts = texts_for(language)
        limits = {"width": rules.width, "turns": rules.turns(role), "calls": rules.calls_per_turn}
        if self.protocol.reading == "first_block":
            limits["calls"] = 1
        parts = [texts.system[role, self.style].format(**limits)]
        if role != "subagent":
            parts.append(texts.answer_table if task.gold is not None else texts.answer_short)
        if self.embed_tools:
            parts.append(texts.tools[self.style].format(tools=self._tool_lines(role, rules, language)))
        return "\n\n".join(parts)

    def _tool_lines(self, role: Role, rules: Rules, language: Language) -> str:
        if self.style == "full":
            return "\n".join(
                json.dumps(s["function"], ensure_ascii=False) for s in self.schemas(role, rules, language)
            )
        calls = ({"name": tool.name, "arguments": dict(tool.example)} for tool in self.tools[role])
        return "\n".join(f"<tool_call>{json.dumps(call, ensure_ascii=False)}</tool_call>" for call in calls)

    def first_message(self, role: Role, task: Task, subtask: str = "") -> Message:
        """The first user message of an agent: the question, or for a subagent its subtask."""
        if role != "subagent":
            return {"role": "user", "content": task.question}
        if not self.share_question:
            return {"role": "user", "content": subtask}
        template = texts_for(self.language_for(task)).subtask_with_question
        return {"role": "user", "content": template.format(question=task.question, subtask=subtask)}


_DEFAULT_TOOLS: Mapping[Role, tuple[ToolSpec, ...]] = {
    "lead": (default.DELEGATE,),
    "subagent": (default.SEARCH, default.BROWSE),
    "single": (default.SEARCH, default.BROWSE),
}

PROFILES: dict[str, Profile] = {
    "default": Profile("default", _DEFAULT_TOOLS),
    "terse": Profile("terse", _DEFAULT_TOOLS, style="terse", share_question=False),
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
            f"no profile {profile!r}; there are: {', '.join(PROFILES)}; for a custom one write module:name"
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
