"""`wideseek completion`: the script that lets a shell complete commands and options."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from wideseek_env.cli.output import ResultCommand, result

if TYPE_CHECKING:
    from click.shell_completion import ShellComplete

SHELLS = ("bash", "zsh", "fish")
VARIABLE = "_WIDESEEK_COMPLETE"
"""The environment variable through which the script asks `wideseek` for completions."""


@click.command(cls=ResultCommand, short_help="Print the script that completes commands in a shell.")
@click.argument("shell", type=click.Choice(SHELLS))
@click.pass_context
def completion(context: click.Context, shell: str) -> None:
    """Print the script that lets SHELL complete commands, options and their values.

    Add the line for your shell to its start-up file. For bash and zsh, that is ~/.bashrc or ~/.zshrc. bash must have
    version 4.4 or newer.

    \b
    Examples:
      eval "$(wideseek completion bash)"
      eval "$(wideseek completion zsh)"
      wideseek completion fish > ~/.config/fish/completions/wideseek.fish
    """
    from click.shell_completion import get_completion_class

    kind: type[ShellComplete] | None = get_completion_class(shell)
    assert kind is not None
    root = context.find_root().command
    made = kind(root, {}, "wideseek", VARIABLE)
    script = made.source_template % made.source_vars()
    result(lambda: {"shell": shell, "script": script}, lambda: click.echo(script))
