"""`wideseek watch`: follow a run of another process."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import click

from wideseek_env.cli.effects import refuse
from wideseek_env.cli.output import ResultCommand, is_json, result

if TYPE_CHECKING:
    from wideseek_env.evaluation.following import Follower
    from wideseek_env.evaluation.snapshot import Snapshot

_PLAIN_INTERVAL = 30.0
"""Default number of seconds between lines in a pipe."""


@click.command(cls=ResultCommand)
@click.argument("run", type=click.Path(path_type=Path))
@click.option(
    "--interval", type=click.FloatRange(min=0.1), metavar="S",
    help="Seconds between updates. Default: 1 on a terminal, 30 in a pipe.",
)  # fmt: skip
@click.option("--once", is_flag=True, help="Show the current state and exit.")
def watch(run: Path, interval: float | None, once: bool) -> None:
    """Follow a run while another process writes it.

    RUN is a folder of `wideseek eval`, `wideseek bench` or `wideseek train`, or the file of `wideseek rollout`. The
    run may not exist yet, and it may be killed and resumed. The command does not change the run. The command ends when
    the run has finished. Ctrl-C also ends the command, with exit code 0. --json prints one line of JSON per update.

    \b
    Examples:
      wideseek watch runs/a
      wideseek watch runs/width
      wideseek watch runs/grpo --interval 10
      wideseek watch runs/a --once --json
    """
    if once:
        refuse("with --once", "interval")
    from wideseek_env.cli.console import console
    from wideseek_env.errors import ConfigError
    from wideseek_env.evaluation.following import Follower

    follower = Follower(run)
    terminal = console()
    live = terminal.is_terminal and not terminal.is_dumb_terminal and not is_json()
    try:
        if once:
            snapshot = _whole(follower)
            if snapshot.state == "waiting":
                raise ConfigError(
                    f"there is no run at {run} yet; leave out --once to wait for it" if not run.exists()
                    else f"{run} contains no run; leave out --once to wait for it"
                )  # fmt: skip
            _show(snapshot)
        elif live:
            _live(follower, interval or 1.0)
        else:
            _lines(follower, interval or _PLAIN_INTERVAL)
    except KeyboardInterrupt:
        click.echo(err=True)  # the usual way to stop watching


def _whole(follower: Follower) -> Snapshot:
    """The state of the run after all its records have been read."""
    while True:
        snapshot = follower.look()
        if not snapshot.unread:
            return snapshot


def _show(snapshot: Snapshot) -> None:
    from wideseek_env.cli.console import console
    from wideseek_env.cli.live import table_of

    result(lambda: snapshot, lambda: console().print(table_of(snapshot)), line=True)


def _lines(follower: Follower, interval: float) -> None:
    """Print a line when something has changed, at most once per `interval` seconds, and one at the end."""
    from wideseek_env.cli.live import changing_part, line_of

    shown: object = None
    while True:
        snapshot = _whole(follower)
        if (state := changing_part(snapshot)) != shown:
            _print_line(snapshot, line_of(snapshot))
            shown = state
        if snapshot.state == "finished":
            return
        _wait(interval, lambda: follower.look().state == "finished")


def _print_line(snapshot: Snapshot, text: str) -> None:
    result(lambda: snapshot, text, line=True)


def _wait(seconds: float, over: Callable[[], bool]) -> None:
    """Wait for `seconds`, or until `over()` is true. `over` is called at least once per second."""
    until = time.monotonic() + seconds
    while (left := until - time.monotonic()) > 0 and not over():
        time.sleep(min(left, 1.0))


def _live(follower: Follower, interval: float) -> None:
    from rich.live import Live

    from wideseek_env.cli.console import console
    from wideseek_env.cli.live import table_of

    snapshot = follower.look()
    with Live(table_of(snapshot), console=console(), auto_refresh=False) as view:
        while snapshot.state != "finished" or snapshot.unread:
            time.sleep(interval)
            snapshot = follower.look()
            view.update(table_of(snapshot), refresh=True)
