"""`depth_sweep`: evaluate a policy as a single agent with several numbers of turns, on the same tasks."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from wideseek_env.evaluation.budget import BudgetKind
from wideseek_env.evaluation.record import EpisodeRecord
from wideseek_env.evaluation.sweep import MakePolicy, Plan, Sweep, check_sizes
from wideseek_env.evaluation.width import play_sweep
from wideseek_env.game import Game
from wideseek_env.tasks.taskset import TaskSet


def depth_sweep(
    game: Game,
    policy: MakePolicy,
    depths: Sequence[int],
    tasks: TaskSet | None = None,
    *,
    policy_name: str = "policy",
    policy_options: Mapping[str, Any] | None = None,
    equal: BudgetKind | None = None,
    amount: int | None = None,
    command: str = "",
    seed: int = 0,
    trials: int = 1,
    folder: Path | None = None,
    overwrite: bool = False,
    verify: bool = False,
    keep_going: bool = False,
    on_size: Callable[[int | None], None] | None = None,
    on_episode: Callable[[EpisodeRecord], None] | None = None,
    on_point: Callable[[Sweep], None] | None = None,
) -> Sweep:
    """Evaluate a policy as a single agent with each number of turns, on the same tasks with the same seeds.

    `depths` are numbers of turns (`Rules.single_turns`). The turn with the answer is included. The other arguments are
    those of `width_sweep`. The files in `folder` are ``depth.csv``, ``depth.json`` and a run folder per depth
    (``depth-16``).
    """
    games: dict[int | None, Game] = {
        size: replace(game, team=False, rules=game.rules.replace(single_turns=size))
        for size in check_sizes(depths, "depth")
    }
    plan = Plan(
        tasks if tasks is not None else game.tasks, seed, trials, folder, overwrite, keep_going, on_size,
        on_episode, on_point, command, verify,
    )  # fmt: skip
    return play_sweep(
        "depth", plan, games, policy, game=replace(game, team=False), policy_name=policy_name,
        policy_options=policy_options, equal=equal, amount=amount, command=command,
    )  # fmt: skip
