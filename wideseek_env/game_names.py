"""Checks of the names in a `GameConfig`, for settings that are read long before the game is opened."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from wideseek_env.catalog import check_tasks_name
from wideseek_env.credit import PRESETS as CREDITS
from wideseek_env.credit import credit_named
from wideseek_env.errors import ConfigError
from wideseek_env.game import GameConfig
from wideseek_env.llm.spec import model_at_url
from wideseek_env.messages import counter_named
from wideseek_env.plugins import Kind, is_part
from wideseek_env.profiles import PROFILES, profile_named
from wideseek_env.rewards import PRESETS as REWARDS
from wideseek_env.rewards import reward_named
from wideseek_env.scoring.judging.spec import judge_from_spec
from wideseek_env.summaries.spec import summariser_named
from wideseek_env.tools.custom import split_role, tool_named
from wideseek_env.tools.executor import executor_named


def check_names(game: GameConfig) -> None:
    """Check the names of all parts of a game.

    Nothing is imported, opened or sent. So names of files and custom parts (``module:name``) are not checked, and
    neither is the corpus, whose name may be any folder.

    Raises:
        ConfigError: A name does not exist. The message begins with the field.
    """
    for name, check in _CHECKS.items():
        value = getattr(game, name)
        for each in value if name == "tools" else [value]:
            if isinstance(each, str):
                _blamed(name, check, each)
    _blamed("limits", lambda _: game.open_rules(), "")


def _blamed(field: str, check: Callable[[str], object], name: str) -> None:
    try:
        check(name)
    except ConfigError as error:
        raise ConfigError(f"{field}: {error}") from error


def _part(
    kind: Kind, presets: Mapping[str, Any] | tuple[str, ...], named: Callable[[str], object]
) -> Callable[[str], None]:
    """A check of one name. `named` raises the error for an unknown name."""

    def check(name: str) -> None:
        if name not in presets and not is_part(kind, name):
            named(name)

    return check


def _judge(name: str) -> None:
    kind, _, rest = name.strip().partition(":")
    if kind == "openai":
        model_at_url(name)
    elif kind != "recorded" or not rest:
        _part("judge", ("offline",), judge_from_spec)(name.strip())


def _summariser(name: str) -> None:
    if name.strip().partition(":")[0] == "openai":
        model_at_url(name.strip())
    else:
        _part("summariser", ("engine",), summariser_named)(name.strip())


_CHECKS: Mapping[str, Callable[[str], object]] = {
    "tasks": check_tasks_name,
    "rules": lambda name: GameConfig(rules=name).open_rules(),
    "profile": _part("profile", PROFILES, profile_named),
    "reward": _part("reward", REWARDS, reward_named),
    "credit": _part("credit", CREDITS, credit_named),
    "judge": _judge,
    "counter": _part("counter", ("characters",), counter_named),
    "tools": lambda name: _part("tool", (), tool_named)(split_role(name)[1]),
    "executor": _part("executor", (), executor_named),
    "summariser": _summariser,
}
"""For each field with names of parts: a check of one name."""
