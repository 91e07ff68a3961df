"""Applies the settings that a policy's model carries, where the user sets nothing."""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from wideseek_env.game import GameConfig

_REPLACED_BY: Mapping[str, tuple[str, ...]] = {
    "corpus": ("corpus", "tasks"),
    "where": ("where", "tasks"),
    "limits": ("rules",),
    "texts": ("texts", "profile"),
    "language": ("language", "profile"),
}
"""The options that replace a setting of the model. A setting that is not listed is replaced by the option of its name.
A corpus and conditions make no sense for other tasks, nor do texts for another profile. Limits of the model are merged
with those of the user, unless the user chooses other rules."""


def with_model_settings(
    policy: str, options: Mapping[str, Any], game: GameConfig | None
) -> tuple[dict[str, Any], GameConfig | None]:
    """The options of a policy and the game of a command, with the settings of the policy's model.

    If any of them are used, a line on stderr says which.

    Args:
        policy: Name of the policy.
        options: The options of the policy that the user gave.
        game: The game of the current command, from its options. None if the command has a fixed game.
    """
    from wideseek_env.policy import settings_of_model

    found = settings_of_model(policy, **options) if options else None
    if found is None:
        return dict(options), game
    more = {name: value for name, value in found.options.items() if name not in options}
    changes = _changes(found.game, game) if game is not None else {}
    if words := _words(changes, more):
        click.echo(f"Settings of the model {found.name}: {words}. Your options replace them.", err=True)
    limits = {**changes.pop("limits", {}), **(game.limits if game is not None else {})}
    if game is not None:
        game = game.replace(**changes, limits=limits)
    return {**options, **more}, game


def _changes(settings: Mapping[str, Any], game: GameConfig) -> dict[str, Any]:
    """The settings that the command has and that no option of the user replaces."""
    context = click.get_current_context()
    known = {parameter.name for parameter in context.command.params}
    default = (click.core.ParameterSource.DEFAULT, click.core.ParameterSource.DEFAULT_MAP)
    given = {name for name in known if name and context.get_parameter_source(name) not in default}
    changes = {
        name: value
        for name, value in settings.items()
        if name in known and not given.intersection(_REPLACED_BY.get(name, (name,)))
    }
    if "limits" in changes:
        changes["limits"] = {
            name: value
            for name, value in changes["limits"].items()
            if name not in game.limits and not (name == "width" and "width" in given)
        }
    if "width" in game.limits:
        changes.pop("width", None)
    return changes


def _words(changes: Mapping[str, Any], options: Mapping[str, Any]) -> str:
    """The settings in the form of command-line options."""
    from wideseek_env.game_text import game_options

    plain = {name: "…" if name == "texts" else value for name, value in changes.items()}
    words = [word for option in game_options(plain) for word in option.split("=", 1)]
    words += [word for name, value in options.items() for word in ("--policy-arg", f"{name}={value}")]
    return shlex.join(words)
