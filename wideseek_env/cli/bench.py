"""`wideseek bench`: evaluate the same tasks at several widths or depths, draw figures and write reports."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from wideseek_env.cli import options
from wideseek_env.cli.bench_reports import plot, report
from wideseek_env.cli.bench_tables import leaderboard, table
from wideseek_env.cli.output import ResultGroup, result
from wideseek_env.cli.suite import cards, suite
from wideseek_env.errors import ConfigError

if TYPE_CHECKING:
    from wideseek_env.cli.sweep import RunSweep
    from wideseek_env.evaluation.sweep import Kind
    from wideseek_env.game import Game, GameConfig


@click.group(cls=ResultGroup, short_help="Evaluate a policy at several widths or depths.")
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
    options.max_tokens_option,
    options.fresh_option,
    options.verify_option,
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
@options.policy_choice()
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

    def games(opened: Game) -> list[Game]:
        teams = [
            opened.replace(team=True, rules=opened.rules.replace(width=width)) for width in sorted(widths)
        ]
        return [opened.replace(team=False), *teams] if single else teams

    _sweep("width", start, games, game, **given)


@bench.command(short_help="Measure results at several numbers of turns.")
@click.option(
    "--turns", "depths", type=options.Widths(), default="4,8,16,32", show_default=True,
    help="Numbers of turns to evaluate. The turn with the answer is included.",
)  # fmt: skip
@options.game_options("wideseek bench depth")
@options.policy_choice()
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

    def games(opened: Game) -> list[Game]:
        return [
            opened.replace(team=False, rules=opened.rules.replace(single_turns=turns))
            for turns in sorted(depths)
        ]

    _sweep("depth", start, games, game, **given)


def _sweep(
    kind: Kind,
    start: Callable[[Game], RunSweep],
    games: Callable[[Game], list[Game]],
    game: GameConfig,
    *,
    policy: str,
    policy_args: tuple[tuple[str, str], ...],
    seed: int,
    trials: int,
    equal: str | None,
    amount: int | None,
    out: Path,
    max_tokens: int | None,
    resume: bool,
    verify: bool,
    keep_going: bool,
) -> None:
    """Run a sweep, print its results and write its files.

    `start` returns the function that runs the sweep. `games` returns the game of every point.
    """
    from wideseek_env.cli.bench_reports import show_sweep
    from wideseek_env.cli.console import say
    from wideseek_env.cli.spending import Part, Spending, recorded_tokens, stop
    from wideseek_env.cli.sweep import run_sweep
    from wideseek_env.cli.world import open_game
    from wideseek_env.errors import BudgetError
    from wideseek_env.llm.budget import TOKENS
    from wideseek_env.provenance.command import command_line
    from wideseek_env.provenance.kinds import check_kind

    check_kind(out, kind)
    if amount is not None and equal is None:
        raise ConfigError("--amount needs --equal, which says what the budget counts")
    varied = "width" if kind == "width" else "single_turns"
    if varied in dict(click.get_current_context().params["limits"]):
        raise ConfigError(f"bench {kind} varies {varied} itself: leave out --rule {varied}=…")
    arguments = options.policy_options(policy_args)
    opened = open_game(game)
    points = games(opened)
    spending = Spending(max_tokens, out / TOKENS, fresh=not resume)
    spending.watch_game(opened)

    def announce() -> None:
        done, tokens = recorded_tokens(out) if resume and spending.used else (0, 0.0)
        wanted = len(opened.tasks) * trials
        left = max(0, wanted * len(points) - done)  # the last points are still to be run
        parts = []
        for point in reversed(points):
            parts.append(Part(point, opened.tasks, min(left, wanted)))
            left -= parts[-1].episodes
        spending.announce(parts, recorded=(done, tokens), options=arguments)

    with spending:
        sweep, stopped = run_sweep(
            start(opened), kind, policy, arguments, opened.tasks, seed=seed, trials=trials, equal=equal,
            amount=amount, folder=out, overwrite=not resume, verify=verify, keep_going=keep_going,
            command=command_line(), spending=spending, begin=announce,
        )  # fmt: skip
        if sweep is not None and stopped is None and not sweep.played:
            say("Complete, nothing played: the folder has all episodes already.")
        if sweep is not None:
            show_sweep(sweep, out, further=spending.to_dict())
        elif stopped is not None:
            result(lambda: {"kind": kind, "points": [], **spending.to_dict()})
    done = len(sweep.points) if sweep is not None else 0
    if isinstance(stopped, BudgetError):
        stop(stopped, f"{done} of {len(points)} points are finished.")
    if stopped is not None:
        say(f"Interrupted with {done} of {len(points)} points finished. The same command resumes the run.")
        raise click.exceptions.Exit(130)
