"""`command_line`: the current command, as a record has it."""

from __future__ import annotations

import shlex
from typing import Any

from wideseek_env.provenance.secrets import hidden_option, hidden_text

_PRINTING = ("quiet", "as_json")
"""Options that change only what the command prints."""


def command_line() -> str:
    """The current `wideseek` command, with only the options that the user gave, and without keys.

    A reader of the record can run it again. "" outside a command, as in a Python program.
    """
    import click

    context = click.get_current_context(silent=True)
    if context is None:
        return ""
    words = ["wideseek", *context.command_path.split()[1:]]
    arguments: list[str] = []
    for parameter in context.command.params:
        name = parameter.name or ""
        source = context.get_parameter_source(name)
        if name in _PRINTING or source is not click.core.ParameterSource.COMMANDLINE:
            continue
        value = context.params[name] if name in context.params else context.meta[f"wideseek_env.{name}"]
        if isinstance(parameter, click.Argument):
            arguments += map(_shown, value if isinstance(value, tuple) else (value,))
        elif isinstance(parameter, click.Option) and parameter.is_flag:
            words.append((parameter.opts if value else parameter.secondary_opts)[0])
        elif parameter.multiple:
            for each in value:
                words += [parameter.opts[0], _shown(each)]
        else:
            text = ",".join(map(str, value)) if isinstance(value, tuple) else hidden_option(name, str(value))
            words += [parameter.opts[0], text]
    return shlex.join([*words, *arguments])


def _shown(value: Any) -> str:
    """One value of a repeatable option or one argument."""
    if isinstance(value, tuple):
        name, text = map(str, value)
        return f"{name}={hidden_option(name, text)}"
    name, equals, text = str(value).partition("=")
    return (
        f"{name}={hidden_option(name, text)}" if equals and name.isidentifier() else hidden_text(str(value))
    )
