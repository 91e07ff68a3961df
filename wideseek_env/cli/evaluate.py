"""`wideseek eval`: many tasks into a run folder that can be taken up again."""

from __future__ import annotations

from pathlib import Path

import click

from wideseek_env.cli import options


@click.command("eval")
@options.world_options
@options.policy_choice
@options.width_option
@options.single_option
@options.rule_options("default")
@options.game_options
@options.where_option
@options.limit_option
@options.seed_option
@options.trials_option
@options.judge_option
@options.by_option
@click.option(
    "--out", type=click.Path(file_okay=False, path_type=Path),
    help="Folder for run.json, trajectories.jsonl, figures.jsonl and summary.json; wideseek watch follows it.",
)  # fmt: skip
@options.fresh_option
@options.keep_going_option
def evaluate_command(
    tasks: str,
    corpus: str | None,
    split: str,
    policy: str,
    policy_args: tuple[tuple[str, str], ...],
    width: int | None,
    single: bool,
    rules: str,
    limits: tuple[tuple[str, int], ...],
    profile: str,
    reward: str,
    roster: str,
    where: tuple[str, ...],
    limit: int | None,
    seed: int,
    trials: int,
    judge: str | None,
    by: tuple[str, ...],
    out: Path | None,
    resume: bool,
    keep_going: bool,
) -> None:
    """Play tasks with a policy and summarise.

    With --out every episode is on disk as soon as it ends. Whatever stops the command, the same command again
    goes on from there; --limit and --trials may then be larger.

    \b
    Examples:
      wideseek eval --policy scripted --limit 50 --width 4
      wideseek eval --policy scripted --tasks hybridqa:data/hybridqa --rules width-benchmark --out runs/hybridqa
      wideseek eval --policy my_package:MyPolicy --policy-arg temperature=0.7 --trials 4 --out runs/mine
      wideseek eval --policy scripted --limit 50 --trials 4 --by difficulty --by size --out runs/a
      wideseek eval --single --rule single_turns=20 --limit 50
    """
    from contextlib import ExitStack

    from wideseek_env.cli.console import say
    from wideseek_env.cli.progress import RunView
    from wideseek_env.cli.reports import print_tally
    from wideseek_env.cli.sweep import command_line
    from wideseek_env.cli.world import make_judge, make_rules, make_setup
    from wideseek_env.evaluation.folder import RunFolder, run_settings
    from wideseek_env.evaluation.labels import DEFAULT_BY, check_keys, task_labels
    from wideseek_env.evaluation.record import EpisodeRecord
    from wideseek_env.evaluation.run import evaluate
    from wideseek_env.evaluation.summary import Tally
    from wideseek_env.evaluation.tracking import Tracker
    from wideseek_env.policy import opened_policy

    arguments = options.policy_options(policy_args)
    player = click.get_current_context().with_resource(opened_policy(policy, **arguments))
    setup = make_setup(
        tasks=tasks, corpus=corpus, split=split, where=where, rules=make_rules(rules, limits, width),
        profile=profile, reward=reward, roster=roster, team=not single, judge=make_judge(judge),
    )  # fmt: skip
    chosen = setup.tasks[:limit] if limit is not None else setup.tasks
    check_keys(by, map(task_labels, chosen))
    total = len(chosen) * trials
    tally, tracker = Tally(), Tracker(f"{policy} on {setup.tasks.name}", total, seed=seed)
    with ExitStack() as stack:
        folder = None
        if out is not None:
            settings = run_settings(
                setup, policy, policy_options=arguments, seed=seed, trials=trials, limit=limit
            )
            folder = stack.enter_context(
                RunFolder.open(out, settings, overwrite=not resume, command=command_line())
            )
        view = stack.enter_context(RunView(tracker))

        def show(record: EpisodeRecord | None = None) -> None:
            view.update()

        show()
        interrupted, finished = False, False
        try:
            evaluate(
                setup, player, chosen, seed=seed, trials=trials, folder=folder, tally=tally,
                keep_going=keep_going, by=by or DEFAULT_BY, on_episode=show, tracker=tracker,
            )  # fmt: skip
            finished = True
        except KeyboardInterrupt:
            interrupted = True
        finally:
            stack.close()
            if finished or len(tally):
                print_tally(tally, by, seed=seed)
            if folder is not None:
                say(f"Run folder: {out}")
    if interrupted:
        again = (
            "the same command goes on from there" if out is not None else "with --out a run can be resumed"
        )
        say(f"Interrupted after {len(tally)} of {total} episodes; {again}.")
        raise click.exceptions.Exit(130)
