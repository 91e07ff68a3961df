"""Refuses options that a command would ignore. So nobody reads a result as that of an option without effect."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click
from click.core import ParameterSource

from wideseek_env.errors import ConfigError

if TYPE_CHECKING:
    from wideseek_env.game import GameConfig


def given(name: str) -> bool:
    """Whether the user gave the parameter called `name` of the current command. False outside a command."""
    context = click.get_current_context(silent=True)
    return context is not None and context.get_parameter_source(name) is ParameterSource.COMMANDLINE


def refuse(why: str, *names: str) -> None:
    """Raise `ConfigError` if the user gave one of the parameters called `names`.

    Args:
        why: When the option has no effect, such as "with --single".
        names: Names of parameters of the current command.
    """
    context = click.get_current_context(silent=True)
    for name in names:
        if context is not None and given(name):
            flags = {each.name: each.opts[0] for each in context.command.params}
            raise ConfigError(f"{flags[name]} has no effect {why}: leave it out")


def check_game(config: GameConfig) -> None:
    """Check that all options of the game that the user gave have an effect in this game."""
    from wideseek_env.game import GameConfig

    if given("team") and not config.team:
        usual = GameConfig()
        for name in ("width", "roster", "credit"):
            if getattr(config, name) != getattr(usual, name):
                refuse("with --single, because a single agent has no subagents", name)
        _check_tools(config, ("lead", "subagent"), "with --single")
    elif config.team and _has_option("team"):
        _check_tools(config, ("single",), "without --single")
    if given("width") and "width" in config.limits:
        raise ConfigError(f"--width {config.width} and --rule width=… set the same limit: give one of them")
    if isinstance(config.tasks, str):
        check_split(config.tasks)


def check_split(tasks: str) -> None:
    """Refuse ``--split`` if the tasks with this name have no splits."""
    from wideseek_env.catalog import has_splits

    if not has_splits(tasks):
        refuse(f"on {tasks}, which has no splits", "split")


def _has_option(name: str) -> bool:
    context = click.get_current_context(silent=True)
    return context is not None and any(each.name == name for each in context.command.params)


def _check_tools(config: GameConfig, roles: tuple[str, ...], why: str) -> None:
    for tool in config.tools:
        role, equals, _ = tool.partition("=") if isinstance(tool, str) else ("", "", "")
        if equals and role in roles:
            raise ConfigError(f"--tool {tool} has no effect {why}: leave it out")
