"""The values that the fields of `GameConfig` may hold: how they are checked, named and written."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import fields
from typing import Any

from wideseek_env.corpus.base import Corpus
from wideseek_env.credit import PRESETS as CREDITS
from wideseek_env.errors import ConfigError, UnnamedPartError
from wideseek_env.messages import count_characters
from wideseek_env.plugins import Kind, part_digest, required_name
from wideseek_env.profiles import PROFILES, Profile
from wideseek_env.reprs import short
from wideseek_env.rewards import PRESETS as REWARDS
from wideseek_env.rules import BUDGETS, Rules
from wideseek_env.rules import PRESETS as RULES
from wideseek_env.scoring import Judge, OfflineJudge
from wideseek_env.suggestions import known_names
from wideseek_env.summaries.base import Summariser
from wideseek_env.tools.custom import Tool
from wideseek_env.tools.executor import Executor


def preset_of(rules: Rules) -> str | dict[str, int]:
    """The name of the preset that has these limits. Without such a preset, the limits that differ from the default."""
    for name, preset in RULES.items():
        if preset == rules:
            return name
    usual = RULES["default"].to_dict()
    return {name: value for name, value in rules.to_dict().items() if usual.get(name) != value}


def as_limits(name: str, limits: Any) -> dict[str, int]:
    check(
        isinstance(limits, Mapping),
        f"{name} must be a mapping of limits, such as {{'lead_turns': 5}}",
        limits,
    )
    kept = {key: value for key, value in limits.items() if value is not None or key not in BUDGETS}
    for key, value in kept.items():
        check(isinstance(key, str), f"the names in {name} must be text", key)
        whole = isinstance(value, int) and not isinstance(value, bool)
        check(whole, f"{name}.{key} must be a whole number of at least 1", value)
    return kept


def is_count(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= 1


def check(right: bool, wanted: str, value: object) -> None:
    if not right:
        advice = f"; make an object of it: {value.__name__}(…)" if isinstance(value, type) else ""
        raise ConfigError(f"{wanted}, not {short(value)}{advice}")


def known_keys(values: Mapping[str, Any], kind: type[Any]) -> dict[str, Any]:
    """The values, if each key is a field. Otherwise a `ConfigError` that suggests the field with the nearest name."""
    known = [each.name for each in fields(kind)]
    for name in values:
        if name not in known:
            raise ConfigError(f"unknown key {short(name)}; {known_names(name, known)}")
    return dict(values)


def same(value: Any, other: Any) -> bool:
    """Whether two fields are equal.

    Objects of different types are never equal here, because `__eq__` may raise an error.
    """
    return value is other or (type(value) is type(other) and value == other)


def as_tools(tools: Any) -> tuple[str | Tool, ...]:
    if isinstance(tools, (str, Tool)):
        return (tools,)
    if tools is None:
        return ()
    if isinstance(tools, Executor) or not isinstance(tools, Sequence):
        raise ConfigError(
            f"tools must be a list of custom tools, not {short(tools)}; give an object that runs tool calls as executor"
        )
    for each in tools:
        if isinstance(each, Executor):
            raise ConfigError(f"{short(each)} runs tool calls, so it is no tool: give it as executor")
        if not isinstance(each, (str, Tool)):
            raise ConfigError(
                f"a tool must be module:name or made by wideseek_env.tool(function), not {short(each)}"
            )
    return tuple(tools)


def has_name(part: Any) -> bool:
    return isinstance(getattr(part, "name", None), str)


LIVE: Mapping[str, tuple[Callable[[Any], bool], str]] = {
    "corpus": (
        lambda part: isinstance(part, Corpus) and has_name(part),
        "corpus must be a name, a folder or an object with name, search and fetch",
    ),
    "reward": (
        lambda part: callable(part) and has_name(part),
        "reward must be a name, or an object with name and __call__(episode, score)",
    ),
    "credit": (
        lambda part: callable(part) and has_name(part),
        "credit must be a name, or an object with name and __call__(episode, score, reward)",
    ),
    "profile": (lambda part: isinstance(part, Profile), "profile must be a name or a Profile"),
    "judge": (
        lambda part: isinstance(part, Judge) and has_name(part),
        "judge must be a name, or an object with name and judge(column, criterion, pairs)",
    ),
    "counter": (callable, "counter must be a name, or a function from a message to a number"),
    "executor": (
        lambda part: isinstance(part, Executor),
        "executor must be a name, or an object with run(calls) and close()",
    ),
    "summariser": (
        lambda part: isinstance(part, Summariser) and has_name(part),
        "summariser must be a name, or an object with name, summarise(requests) and close()",
    ),
}
"""For each field: a check of a live object, and the words with which an error describes a right object."""


def is_offline(judge: object) -> bool:
    return isinstance(judge, OfflineJudge) and judge.name == OfflineJudge().name


def known_name(name: str, value: object) -> str | None:
    """The short name of an object that is a preset."""
    if name == "counter" and value is count_characters:
        return "characters"
    if name == "judge" and is_offline(value):
        return "offline"
    known: Mapping[str, Mapping[str, object]] = {"reward": REWARDS, "credit": CREDITS, "profile": PROFILES}
    return next((each for each, preset in known.get(name, {}).items() if same(preset, value)), None)


def recorded_name(kind: Kind, part: Any) -> str:
    try:
        return required_name(kind, part)
    except UnnamedPartError:
        if isinstance(part, Tool):
            called = part.spec.name
        else:
            called = getattr(part, "name", None) or getattr(part, "__name__", None) or type(part).__name__
        return f"{called}@{part_digest(part)}"
