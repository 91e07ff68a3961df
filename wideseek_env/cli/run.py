"""`wideseek run`: run one episode and show it live."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from wideseek_env.cli import effects, options
from wideseek_env.cli.output import ResultCommand, is_json, is_quiet, result

if TYPE_CHECKING:
    from wideseek_env.game import GameConfig


@click.command(cls=ResultCommand)
@options.game_options("wideseek run")
@options.policy_choice()
@click.option("--task-id", help="The task to run. Default: the seed chooses one.")
@options.seed_option
@click.option(
    "--render", type=click.Choice(("human", "ansi", "none")), default="human", show_default=True,
    help="human: a live view with one panel for each agent. ansi: a text after every step. none: only the score.",
)  # fmt: skip
@click.option(
    "--fps", type=click.FloatRange(min=0), default=4.0, show_default=True,
    help="Maximum steps per second of the live view. 0 does not wait.",
)  # fmt: skip
@click.option(
    "--out", type=click.Path(dir_okay=False, path_type=Path), help="Append the trajectory to this JSONL file."
)
def run(
    game: GameConfig,
    policy: str,
    policy_args: tuple[tuple[str, str], ...],
    task_id: str | None,
    seed: int,
    render: str,
    fps: float,
    out: Path | None,
) -> None:
    """Run one episode and watch it.

    \b
    Examples:
      wideseek run
      wideseek run --width 8 --rules width-benchmark --seed 3
      wideseek run --tasks hybridqa:data/hybridqa --render ansi
      wideseek run --tasks my-tasks.jsonl --corpus my-corpus --task-id museums-1 --out episode.jsonl
    """
    if render != "human":
        effects.refuse(f"with --render {render}", "fps")
    import numpy as np

    from wideseek_env.cli.console import console, say
    from wideseek_env.cli.rendering import watching
    from wideseek_env.cli.world import open_game
    from wideseek_env.episode_run import choose_task, run_episode
    from wideseek_env.evaluation.record import EpisodeRecord
    from wideseek_env.policy import opened_policy
    from wideseek_env.scoring.judged import quiet, warn_by_rules
    from wideseek_env.tasks.taskset import TaskSet
    from wideseek_env.trajectory import TrajectoryWriter

    player = click.get_current_context().with_resource(
        opened_policy(policy, **options.policy_options(policy_args))
    )
    with quiet():
        opened = open_game(game)
    task = choose_task(opened.tasks, np.random.default_rng(seed), {"task_id": task_id} if task_id else None)
    warn_by_rules(opened.replace(tasks=TaskSet([task])).judging())
    with watching("none" if is_quiet() else render, console(quiet=is_json()), fps) as watch:
        episode_run = run_episode(opened, player, task, seed=seed, on_step=watch)
    trajectory = episode_run.trajectory(policy=player.name)
    result(lambda: EpisodeRecord.of(trajectory).to_dict())
    if out is not None:
        with TrajectoryWriter(out) as writer:
            writer.write(trajectory)
        say(f"Trajectory appended to {out}")
