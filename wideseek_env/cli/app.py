"""The `wideseek` command and its subcommands.

The command reports an error or Ctrl-C in one line and with an exit code.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.metadata import EntryPoint, entry_points
from typing import IO, Any

import click

from wideseek_env.audience import command_line
from wideseek_env.cli.bench import bench
from wideseek_env.cli.compare import compare
from wideseek_env.cli.completion import completion
from wideseek_env.cli.corpus import corpus
from wideseek_env.cli.demo import demo
from wideseek_env.cli.doctor import doctor
from wideseek_env.cli.evaluate import evaluate_command
from wideseek_env.cli.output import ResultGroup
from wideseek_env.cli.run import run
from wideseek_env.cli.score import score
from wideseek_env.cli.serve import serve
from wideseek_env.cli.summary import summary
from wideseek_env.cli.tasks import tasks
from wideseek_env.cli.texts import texts
from wideseek_env.cli.view import view
from wideseek_env.cli.watch import watch
from wideseek_env.errors import (
    ConfigError,
    MissingDependencyError,
    WideSeekError,
    WideSeekWarning,
    baselines_hint,
)
from wideseek_env.render.printable import printable
from wideseek_env.suggestions import nearest
from wideseek_env.version import __version__

INTERRUPTED = 130


class Failure(click.ClickException):
    """An error that is explained to the user in one line."""

    exit_code = 1

    def __init__(self, error: Exception | str) -> None:
        super().__init__(printable(str(error)))

    def show(self, file: IO[Any] | None = None) -> None:
        """Print the line on stderr."""
        click.echo(f"Error: {self.format_message()}", file=file, err=file is None)


class WrongSetting(Failure):
    """An option has an unknown value or conflicts with another option."""

    exit_code = 2


BASELINES = ("nano", "rollout", "train")
"""Subcommands of the baselines. A user may call them before installing the baselines."""
COMMANDS = "wideseek_env.commands"
"""The entry-point group in which other packages register subcommands. Each entry is a name and a click command."""


class App(ResultGroup):
    """The group of all subcommands.

    It reports this package's errors in one line on stderr, and ends with exit code 130 after Ctrl-C. It also offers
    the subcommands that installed packages register. A registered subcommand is imported only when the user calls it
    or lists the subcommands.
    """

    def list_commands(self, ctx: click.Context) -> list[str]:
        """The names of all subcommands."""
        return [*super().list_commands(ctx), *sorted(_plugins().keys() - self.commands.keys())]

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """The subcommand called `cmd_name`.

        If the subcommand cannot be loaded, the returned command reports the reason.
        """
        command = super().get_command(ctx, cmd_name)
        point = _plugins().get(cmd_name) if command is None else None
        if point is None:
            if command is None and cmd_name in BASELINES:
                return _broken(
                    cmd_name, MissingDependencyError(f"{cmd_name!r} is in the baselines; {baselines_hint()}")
                )
            return command
        try:
            loaded = point.load()
        except Exception as error:
            why = f"the command {cmd_name!r} ({point.value}) cannot be loaded: {error}"
            return _broken(cmd_name, ConfigError(why))
        if not isinstance(loaded, click.Command):
            why = f"the command {cmd_name!r} ({point.value}) is not a click command"
            return _broken(cmd_name, ConfigError(why))
        return loaded

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Find the subcommand. For an unknown name, the error suggests a similar one."""
        if self.get_command(ctx, args[0]) is None:
            near = nearest(args[0], self.list_commands(ctx))
            if near is not None:
                ctx.fail(f"No such command {args[0]!r}; did you mean {near!r}?")
        return super().resolve_command(ctx, args)

    def invoke(self, ctx: click.Context) -> Any:
        """Run the command."""
        try:
            with _own_warnings(), command_line():
                return super().invoke(ctx)
        except KeyboardInterrupt:
            click.echo("Interrupted.", err=True)
            raise click.exceptions.Exit(INTERRUPTED) from None
        except WideSeekError as error:
            if ctx.params.get("traceback"):
                raise
            raise (WrongSetting if isinstance(error, ConfigError) else Failure)(error) from error
        except BrokenPipeError:
            raise  # click handles this: the program that read our output has ended
        except OSError as error:
            if ctx.params.get("traceback"):
                raise
            where = f"{error.filename}: " if error.filename else ""
            raise Failure(f"{where}{error.strerror or error}") from error


@contextmanager
def _own_warnings() -> Iterator[None]:
    """Print each `WideSeekWarning` as one line on stderr, once per command. Other warnings are shown as before."""
    told: set[str] = set()
    with warnings.catch_warnings():
        show = warnings.showwarning

        def print_once(message: Warning | str, category: type[Warning], *where: Any, **more: Any) -> None:
            if not issubclass(category, WideSeekWarning):
                show(message, category, *where, **more)
            elif str(message) not in told:
                told.add(str(message))
                click.echo(f"Warning: {printable(str(message))}", err=True)

        warnings.simplefilter("always", WideSeekWarning)
        warnings.showwarning = print_once
        yield


def _plugins() -> dict[str, EntryPoint]:
    return {point.name: point for point in entry_points(group=COMMANDS)}


def _broken(name: str, error: WideSeekError) -> click.Command:
    @click.command(name, short_help="(cannot be loaded)", context_settings={"ignore_unknown_options": True})
    @click.argument("arguments", nargs=-1, type=click.UNPROCESSED)
    def command(arguments: tuple[str, ...]) -> None:
        raise error

    return command


def _version(context: click.Context, option: click.Parameter, chosen: bool) -> None:
    if not chosen or context.resilient_parsing:
        return
    from wideseek_env.installed import version_lines

    click.echo("\n".join([f"wideseek, version {__version__}", *version_lines()]))
    context.exit()


@click.group(cls=App, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.option(
    "--version",
    is_flag=True,
    expose_value=False,
    is_eager=True,
    callback=_version,
    help="Show the versions of what matters, and exit.",
)
@click.option("--traceback", is_flag=True, help="Show the full traceback of an error instead of one line.")
def app(traceback: bool) -> None:
    """Run, measure and build broad information seeking by a lead agent with parallel subagents.

    \b
    Examples:
      wideseek demo                                     a scored episode and a width curve, offline
      wideseek run --policy scripted --width 4          watch one episode
      wideseek eval --policy scripted --limit 50 --out runs/a
      wideseek watch runs/a                             follow a run of another process
      wideseek view runs/a --open                       look at what every agent did, in the browser
      wideseek compare runs/a runs/b
      wideseek bench width --widths 1,2,4,8 --out runs/width
      wideseek doctor                                   what is installed and what works

    Worlds (--tasks, --corpus): synthetic[:key=value,…], hybridqa:FOLDER, or your own files.

    Every command has --json (the result as JSON) and --quiet. To complete commands in a shell: wideseek completion.

    Exit codes: 0 done, 1 failed, 2 wrong usage or setting, 3 stopped by --max-tokens, 130 stopped by Ctrl-C, 143
    stopped by SIGTERM.
    """


for command in (
    demo, run, evaluate_command, score, summary, compare, bench, corpus, tasks, texts, serve, view, watch, doctor,
    completion,
):  # fmt: skip
    app.add_command(command)
