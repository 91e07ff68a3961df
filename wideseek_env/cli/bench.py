"""`wideseek bench`: evaluate the same tasks at several widths or depths, draw figures and write reports."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from wideseek_env.cli import options
from wideseek_env.cli.bench_reports import plot, report
from wideseek_env.cli.bench_tables import leaderboard, table
from wideseek_env.cli.suite import cards, suite

if TYPE_CHECKING:
    from wideseek_env.cli.sweep import RunSweep
    from wideseek_env.evaluation.sweep import Kind
    from wideseek_env.game import Game, GameConfig


@click.group(short_help="Evaluate a policy at several widths or depths.")
def bench() -> None:
    """Evaluate a policy at several widths or depths, and report the results.

    The width is the maximum number of subagents at the same time. The depth is the number of turns of a single agent.
    `suite` runs fixed tasks at fixed widths, so that models compare.
    """


for command in (suite, cards, plot, report, table, leaderboard):
    bench.add_command(command)

_sweep_options = options.stack(
    options.seed_option,
    options.trials_option,
    click.option(
        "--equal", type=click.Choice(("tokens", "calls", "critical-path")),
        help="Give every episode the same budget of this kind, at every width or depth.",
    ),
    click.option(
        "--amount", type=click.IntRange(min=1),
        help="The budget of --equal. Default: what an episode uses on average at the smallest width or depth, "
        "which runs first.",
    ),
    click.option(
        "--out", type=click.Path(file_okay=False, path_type=Path), required=True,
        help="Folder for the table (CSV, JSON), the figures (SVG, PNG, PDF), report.html and the folders of the runs.",
    ),
    options.fresh_option,
    options.keep_going_option,
)  # fmt: skip


@bench.command(short_help="Measure results at several numbers of subagents.")
@click.option(
    "--widths",
    type=options.Widths(),
    default="1,2,4,8",
    show_default=True,
    help="Numbers of subagents to evaluate.",
)
@options.game_options("wideseek bench width")
@options.policy_choice
@click.option("--single", is_flag=True, help="Also evaluate a single agent, for comparison.")
@_sweep_options
def width(widths: tuple[int, ...], single: bool, game: GameConfig, **given: Any) -> None:
    """Measure item-F1, time and tool calls at several numbers of subagents.

    Item-F1 scores the cells of the answer's table against the gold table.

    The default rules give each agent the same small budget at every width. With --equal, the whole team has the same
    budget at every width. Ctrl-C keeps the results of finished widths. The same command then resumes the run.

    \b
    Examples:
      wideseek bench width --widths 1,2,4,8 --limit 100 --out runs/width
      wideseek bench width --rules default --widths 1,2,4,8,16 --single --limit 40 --out runs/speed-up
      wideseek bench width --rules default --equal calls --limit 40 --out runs/equal-calls
      wideseek bench width --policy vllm --model MODEL --equal tokens --amount 20000 --out runs/equal-tokens
      wideseek bench width --tasks hybridqa:data/hybridqa --where mode=pages --single --out runs/hybridqa-width
    """
    from wideseek_env.evaluation.width import width_sweep

    def start(opened: Game) -> RunSweep:
        return lambda policy, tasks, **how: width_sweep(opened, policy, widths, tasks, single=single, **how)

    _sweep("width", start, len(widths) + single, game, **given)


@bench.command(short_help="Measure results at several numbers of turns.")
@click.option(
    "--turns", "depths", type=options.Widths(), default="4,8,16,32", show_default=True,
    help="Numbers of turns to evaluate. The turn with the answer is included.",
)  # fmt: skip
@options.game_options("wideseek bench depth")
@options.policy_choice
@_sweep_options
def depth(depths: tuple[int, ...], game: GameConfig, **given: Any) -> None:
    """Measure item-F1, time and tool calls of a single agent with several numbers of turns.

    Item-F1 scores the cells of the answer's table against the gold table. Only the number of turns changes. All other
    limits are those of the rules. Ctrl-C keeps the results of finished depths. The same command then resumes the run.

    \b
    Examples:
      wideseek bench depth --turns 4,8,16,32 --limit 100 --out runs/depth
      wideseek bench depth --policy my_package:MyPolicy --turns 10,25,50 --rules default --out runs/mine
      wideseek bench plot runs/width runs/depth --x critical-path --out width-and-depth.svg
    """
    from wideseek_env.evaluation.depth import depth_sweep

    def start(opened: Game) -> RunSweep:
        return lambda policy, tasks, **how: depth_sweep(opened, policy, depths, tasks, **how)

    _sweep("depth", start, len(depths), game, **given)


def _sweep(
    kind: Kind,
    start: Callable[[Game], RunSweep],
    count: int,
    game: GameConfig,
    *,
    policy: str,
    policy_args: tuple[tuple[str, str], ...],
    seed: int,
    trials: int,
    equal: str | None,
    amount: int | None,
    out: Path,
    resume: bool,
    keep_going: bool,
) -> None:
    """Run a sweep, print its results and write its files. `start` returns the function that runs the sweep."""
    from wideseek_env.cli.bench_reports import show_sweep
    from wideseek_env.cli.console import console, say
    from wideseek_env.cli.sweep import command_line, run_sweep
    from wideseek_env.cli.world import open_game
    from wideseek_env.errors import ConfigError

    if amount is not None and equal is None:
        raise ConfigError("--amount needs --equal, which says what the budget counts")
    varied = "width" if kind == "width" else "single_turns"
    if varied in game.limits:
        raise ConfigError(f"bench {kind} varies {varied} itself: leave out --rule {varied}=…")
    arguments = options.policy_options(policy_args)
    opened = open_game(game)
    sweep, interrupted = run_sweep(
        start(opened), kind, policy, arguments, opened.tasks, seed=seed, trials=trials, equal=equal, amount=amount,
        folder=out, overwrite=not resume, keep_going=keep_going, command=command_line(),
    )  # fmt: skip
    if sweep is not None:
        show_sweep(sweep, out, console())
    if interrupted:
        done = len(sweep.points) if sweep is not None else 0
        say(f"Interrupted with {done} of {count} points finished. The same command resumes the run.")
        raise click.exceptions.Exit(130)
