"""`wideseek doctor`: what is installed, what works, and what to install for the rest."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from wideseek_env.cli.output import ResultCommand, result

if TYPE_CHECKING:
    from wideseek_env.diagnosis import Finding


@click.command(cls=ResultCommand, short_help="Say what is installed and what works.")
def doctor() -> None:
    """Say what is installed, what works, and what to install for the rest.

    The command looks at packages, policies and engines, shipped models, corpora, judges, viewers, devices and free
    space. It loads no model and sends nothing. It fails only if the base installation is broken.

    \b
    Examples:
      wideseek doctor
      wideseek doctor --json
    """
    from wideseek_env.diagnosis import diagnose, is_broken

    found = diagnose()
    broken = is_broken(found)
    result(lambda: {"broken": broken, "findings": found}, lambda: _print(found, broken))
    if broken:
        raise click.exceptions.Exit(1)


def _print(found: list[Finding], broken: bool) -> None:
    from rich.text import Text

    from wideseek_env.cli.console import console
    from wideseek_env.render.printable import one_line

    terminal = console()
    marks = {True: ("✓", "green"), False: ("–", "yellow"), None: (" ", "")}
    section = ""
    for each in found:
        if each.section != section:
            section = each.section
            terminal.print(Text(f"\n{section}" if each is not found[0] else section, style="bold"))
        mark, style = ("✗", "red") if each.essential and each.usable is False else marks[each.usable]
        line = Text("  ").append(f"{mark} ", style=style).append(f"{each.name:<26} ")
        terminal.print(line.append(one_line(each.detail, 200)), soft_wrap=True)
        if each.remedy:
            terminal.print(Text(f"      {each.remedy}", style="bright_black"), soft_wrap=True)
    missing = sum(each.usable is False for each in found)
    terminal.print()
    if broken:
        terminal.print(Text("The base installation is broken: see ✗.", style="red"))
    else:
        told = f" {missing} optional parts cannot be used (–)." if missing else ""
        terminal.print(Text(f"The base installation works.{told}"))
