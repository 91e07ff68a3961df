"""`wideseek demo`: a scored episode and a width curve on the synthetic world, in under a minute."""

from __future__ import annotations

from pathlib import Path

import click

from wideseek_env.cli.output import ResultCommand, is_json, is_quiet

WIDTHS = (1, 2, 4, 8)


@click.command(cls=ResultCommand, short_help="Show a scored episode and a width curve, offline.")
@click.option(
    "--out", type=click.Path(file_okay=False, path_type=Path), default=Path("wideseek-demo"), show_default=True,
    help="Folder for the curve and the recorded episodes.",
)  # fmt: skip
@click.option(
    "--limit",
    type=click.IntRange(min=1),
    default=24,
    show_default=True,
    help="Number of tasks for the width curve.",
)
@click.option(
    "--tasks",
    default="synthetic",
    show_default=True,
    metavar="SPEC",
    help="The world: synthetic[:key=value,…] or hybridqa:FOLDER.",
)
@click.option(
    "--fps", type=click.FloatRange(min=0), default=2.0, show_default=True,
    help="Maximum steps per second of the live view. 0 does not wait.",
)  # fmt: skip
def demo(out: Path, limit: int, tasks: str, fps: float) -> None:
    """Show a scored episode and a width curve, offline, with a scripted policy.

    The first part runs one episode of a lead and its subagents, and compares its table with the gold table. The second
    part evaluates the same tasks at widths 1, 2, 4 and 8, and shows a table and a figure. In the second part, each
    agent has the same small budget at every width.

    \b
    Examples:
      wideseek demo
      wideseek demo --limit 50 --out my-demo
    """
    from rich.text import Text

    from wideseek_env.cli.bench_reports import show_sweep
    from wideseek_env.cli.console import console, say
    from wideseek_env.cli.rendering import watching
    from wideseek_env.cli.sweep import run_sweep
    from wideseek_env.cli.world import open_game
    from wideseek_env.entry_points import ENTRY_POINTS
    from wideseek_env.episode_run import run_episode
    from wideseek_env.evaluation.width import width_sweep
    from wideseek_env.policy import make_policy
    from wideseek_env.provenance.command import command_line

    terminal = console(quiet=is_quiet() or is_json())
    player = make_policy("scripted")
    say("Making the world …")
    config = ENTRY_POINTS["wideseek demo"].config(tasks=tasks, width=WIDTHS[-1])
    game = open_game(config)
    terminal.print(Text(f"1. One episode: a lead and up to {game.rules.width} subagents", style="bold"))
    with watching("human", terminal, fps) as watch:
        run_episode(game, player, game.tasks[0], on_step=watch)
    terminal.print()
    chosen = game.tasks[:limit]
    title = f"2. The width curve: {len(chosen)} tasks, rules width-benchmark"
    terminal.print(Text(title, style="bold"))
    sweep, stopped = run_sweep(
        lambda policy, played, **how: width_sweep(game, policy, WIDTHS, played, **how),
        "width", "scripted", {}, chosen, folder=out, overwrite=True, command=command_line(),
    )  # fmt: skip
    if sweep is not None:
        show_sweep(sweep, out)
    if stopped is not None:
        raise click.exceptions.Exit(130)
    say(
        f"Next: open {out / 'report.html'}, or see what every agent did: wideseek view {out / 'width-8'} --open"
    )
    say("Next: measure your own policy, starting from examples/plugins/my_policy.py: docs/write-a-policy.md")
