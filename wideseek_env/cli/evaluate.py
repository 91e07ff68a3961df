"""`wideseek eval`: evaluate a policy on many tasks, in a run folder that can be resumed."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from wideseek_env.cli import effects, options
from wideseek_env.cli.output import ResultCommand

if TYPE_CHECKING:
    from wideseek_env.game import GameConfig


@click.command("eval", cls=ResultCommand)
@options.game_options("wideseek eval")
@options.policy_choice()
@options.seed_option
@options.trials_option
@options.by_option
@click.option(
    "--out", type=click.Path(file_okay=False, path_type=Path),
    help="Folder for run.json, trajectories.jsonl, episodes.jsonl and summary.json. wideseek watch can show the run "
    "while it is running.",
)  # fmt: skip
@options.max_tokens_option
@options.fresh_option
@options.verify_option
@options.keep_going_option
def evaluate_command(
    game: GameConfig,
    policy: str,
    policy_args: tuple[tuple[str, str], ...],
    seed: int,
    trials: int,
    by: tuple[str, ...],
    out: Path | None,
    max_tokens: int | None,
    resume: bool,
    verify: bool,
    keep_going: bool,
) -> None:
    """Evaluate a policy on tasks and print a summary.

    With --out, each episode is written to disk when it ends. If the command is stopped, the same command resumes the
    run. You may then use a larger --limit or --trials. If another setting, the code of a custom part, the weights or
    the prompts have changed, the command names what differs and stops.

    \b
    Examples:
      wideseek eval --policy scripted --limit 50 --width 4
      wideseek eval --policy scripted --tasks hybridqa:data/hybridqa --rules width-benchmark --out runs/hybridqa
      wideseek eval --policy my_package:MyPolicy --policy-arg temperature=0.7 --trials 4 --out runs/mine
      wideseek eval --policy scripted --limit 50 --trials 4 --by difficulty --by size --out runs/a
      wideseek eval --single --rule single_turns=20 --limit 50
    """
    if out is None:
        effects.refuse("without --out", "resume")
    from contextlib import ExitStack

    from wideseek_env.cli.console import say
    from wideseek_env.cli.progress import working
    from wideseek_env.cli.reports import print_metrics
    from wideseek_env.cli.run_view import RunView
    from wideseek_env.cli.spending import Part, Spending, recorded_tokens, stop
    from wideseek_env.cli.world import open_game
    from wideseek_env.errors import BudgetError
    from wideseek_env.evaluation.folder import RunFolder, run_settings
    from wideseek_env.evaluation.labels import DEFAULT_BY, check_keys, task_labels
    from wideseek_env.evaluation.record import EpisodeRecord
    from wideseek_env.evaluation.run import evaluate_game
    from wideseek_env.evaluation.run_status import RunStatus
    from wideseek_env.evaluation.summary import SummaryAccumulator
    from wideseek_env.llm.budget import TOKENS
    from wideseek_env.policy import opened_policy
    from wideseek_env.provenance.command import command_line

    arguments = options.policy_options(policy_args)
    player = click.get_current_context().with_resource(opened_policy(policy, **arguments))
    opened = open_game(game)
    check_keys(by, map(task_labels, opened.tasks))
    total = len(opened.tasks) * trials
    accumulator, status = (
        SummaryAccumulator(),
        RunStatus(f"{policy} on {opened.tasks.name}", total, seed=seed),
    )
    spending = Spending(max_tokens, out / TOKENS if out is not None else None, fresh=not resume)
    spending.watch("policy", player)
    spending.watch_game(opened)
    spending.check()
    with spending, ExitStack() as stack:
        folder = None
        if out is not None:
            with working("Checking the inputs"):
                settings = run_settings(
                    opened, policy, policy_options=arguments, seed=seed, trials=trials, verify=verify
                )
            folder = stack.enter_context(
                RunFolder.open(out, settings, overwrite=not resume, command=command_line())
            )
        done, tokens = recorded_tokens(out) if spending.used and out is not None else (0, 0.0)
        spending.announce(
            [Part(opened, opened.tasks, max(0, total - done))],
            recorded=(done, tokens),
            options=arguments,
        )
        view = stack.enter_context(RunView(status))

        def show(record: EpisodeRecord | None = None) -> None:
            view.update()
            spending.save()

        show()
        interrupted, finished, spent = False, False, None
        try:
            evaluate_game(
                opened, player, seed=seed, trials=trials, folder=folder, accumulator=accumulator,
                keep_going=keep_going, by=by or DEFAULT_BY, on_episode=show, status=status,
            )  # fmt: skip
            finished = True
        except KeyboardInterrupt:
            interrupted = True
        except BudgetError as error:
            spent = error
        finally:
            stack.close()
            if finished or spent or len(accumulator):
                print_metrics(accumulator, by, seed=seed, further=spending.to_dict())
            if folder is not None:
                if finished and not folder.played:
                    say("Complete, nothing played: the folder has all episodes already.")
                say(f"Run folder: {out}")
    if spent is not None:
        stop(spent, f"{len(accumulator)} of {total} episodes are done.", resumes=out is not None)
    if interrupted:
        again = "the same command resumes the run" if out is not None else "a run with --out can be resumed"
        say(f"Interrupted after {len(accumulator)} of {total} episodes: {again}.")
        raise click.exceptions.Exit(130)
