"""Names of policies, task sets and budgets in words, for titles and legends. They come from the settings of a run."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

from wideseek_env.render.printable import one_line

_WORLDS = {"synthetic": "the synthetic world", "hybridqa": "HybridQA", "qa": "the question answering sets"}
_BUDGETS = {
    "calls": "searches and pages",
    "critical-path": "turns on the critical path",
    "tokens": "generated tokens",
}
_TASKS = re.compile(
    r"(?P<world>[^:/\[]+)(?::[^\[]*?)?(?:/(?P<split>train|validation|test))?(?:\[(?P<where>.*)\])?"
)
_LONG = 60


def policy_name(settings: Mapping[str, Any]) -> str:
    """The policy in words: the last part of the model's name, or the name of the policy.

    For example "Qwen3-4B", "Scripted policy", or "MyPolicy" for the class ``package:MyPolicy``.
    """
    options = settings.get("policy_options")
    model = options.get("model") if isinstance(options, Mapping) else None
    if isinstance(model, str) and (last := _last(model)):
        return last
    if settings.get("kind") == "responses":
        return one_line(_last(str(settings.get("responses") or "")) or "Scored answers", _LONG)
    policy = str(settings.get("policy") or "policy")
    if policy == "policy":
        return "Policy"
    if ":" in policy or not policy.isidentifier() or not policy.islower():
        return one_line(policy.rpartition(":")[2] or policy, _LONG)
    return f"{policy[0].upper()}{policy[1:].replace('_', ' ')} policy"


def tasks_name(settings: Mapping[str, Any], count: int | None = None) -> str:
    """The tasks in words, such as "24 test tasks of the synthetic world". `count` is their number, if it is known."""
    name = str(settings.get("tasks") or "tasks")
    number = f"{count:,} " if count is not None else ""
    plural = "task" if count == 1 else "tasks"
    match = _TASKS.fullmatch(name)
    if match is None or match["world"] not in _WORLDS:
        called = one_line(name, _LONG)
        return f"{number}{plural}" if called == "tasks" else f"{number}{plural} of {called}"
    split = f"{match['split']} " if match["split"] else ""
    where = f" ({one_line(match['where'], _LONG)})" if match["where"] else ""
    return f"{number}{split}{plural} of {_WORLDS[match['world']]}{where}"


def budget_name(settings: Mapping[str, Any]) -> str:
    """The budget of an episode in words, such as "at most 16 searches and pages per episode". "" without a budget."""
    equal = settings.get("equal")
    if not isinstance(equal, Mapping):
        return ""
    kind = str(equal.get("kind"))
    return f"at most {equal.get('amount'):,} {_BUDGETS.get(kind, kind)} per episode"


def series_names(settings: Sequence[Mapping[str, Any]], called: Sequence[str]) -> list[str]:
    """A name for each curve of a figure.

    These are the policies in words if they all differ, also by team and single agent. Otherwise they are `called`, the
    names of the runs.
    """
    words = [policy_name(each) for each in settings]
    if len(set(words)) < len(words):
        words = [
            f"{word}, {'single agent' if each.get('team') is False else 'team'}"
            for word, each in zip(words, settings, strict=True)
        ]
    return words if len(set(words)) == len(words) else list(called)


def _last(name: str) -> str:
    """The last part of a path or of a model's name."""
    return one_line(re.split(r"[/\\]", name.rstrip("/\\"))[-1], _LONG)
