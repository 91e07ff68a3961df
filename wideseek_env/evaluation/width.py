"""`width_sweep`: evaluate a policy on the same tasks at several team widths (numbers of subagents).

Either the limits of each agent are the same at every width, or the budget of the whole team is.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from wideseek_env.evaluation.budget import Budget, BudgetKind, check_kind, limited_policy, spent_of
from wideseek_env.evaluation.folder import run_settings
from wideseek_env.evaluation.record import EpisodeRecord
from wideseek_env.evaluation.sweep import Kind, MakePolicy, Plan, Sweep, check_sizes
from wideseek_env.game import Game
from wideseek_env.provenance.comparing import one_warning
from wideseek_env.tasks.taskset import TaskSet

PILOT = "budget"
"""The folder of the run that measures the size of an equal budget."""


def width_sweep(
    game: Game,
    policy: MakePolicy,
    widths: Sequence[int],
    tasks: TaskSet | None = None,
    *,
    policy_name: str = "policy",
    policy_options: Mapping[str, Any] | None = None,
    single: bool = False,
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
    """Evaluate a policy at each width, on the same tasks with the same seeds.

    Args:
        game: The opened game. Its width is replaced by each of `widths`.
        policy: Makes a new policy for each width. With a token budget, it gets `episode_tokens` and `answer_tokens`.
        widths: Numbers of subagents that a delegation may start.
        tasks: The tasks to run. Default: all tasks of the game.
        policy_name: Name of the policy in the records.
        policy_options: Options of the policy, for the records.
        single: Also run a single agent, before the widths. Its point has no size.
        equal: Give every width the same budget per episode: a number of tokens, of tool calls, or of turns on the
            critical path.
        amount: The amount of that budget. Default: what an episode uses on average at the smallest width. To measure
            this, the smallest width is run once more without a budget, in the folder ``budget``.
        command: A command line that a reader can repeat, for the records.
        seed: Base seed. The seed of each episode is derived from it, the task's id and the trial. It is also the seed
            of the bootstrap.
        trials: Episodes per task at each width.
        folder: Folder for ``width.csv``, ``width.json`` and a run folder for each width (``width-4``).
        overwrite: Replace runs in the folder that have other settings.
        verify: Hash the files of models and corpora again, also if their size and time have not changed.
        keep_going: If an episode raises an exception, count it as failed, with score 0, and continue.
        on_size: Called before each width is run.
        on_episode: Called after each episode.
        on_point: Called after each width with the sweep so far.

    Raises:
        ConfigError: A token budget is given, but the policy has no token limit or does not report its tokens. Or
            `folder` has something else than such a sweep.
        ChangedRunError: `folder` has a run with other settings or inputs. Then nothing is written.
        EpisodeError: An episode raised an exception, and `keep_going` is False. Finished widths are written first.
        KeyboardInterrupt: Ctrl-C stopped the sweep. Finished widths are written first.
    """
    sizes = check_sizes(widths, "width")
    games: dict[int | None, Game] = {None: replace(game, team=False)} if single else {}
    games |= {size: replace(game, team=True, rules=game.rules.replace(width=size)) for size in sizes}
    plan = Plan(
        tasks if tasks is not None else game.tasks, seed, trials, folder, overwrite, keep_going, on_size,
        on_episode, on_point, command, verify,
    )  # fmt: skip
    return play_sweep(
        "width", plan, games, policy, game=game, policy_name=policy_name, policy_options=policy_options,
        equal=equal, amount=amount, command=command,
    )  # fmt: skip


def play_sweep(
    kind: Kind,
    plan: Plan,
    games: Mapping[int | None, Game],
    policy: MakePolicy,
    *,
    game: Game,
    policy_name: str,
    policy_options: Mapping[str, Any] | None,
    equal: BudgetKind | None,
    amount: int | None,
    command: str,
) -> Sweep:
    """Run the games of `games`, one for each size, with one budget for all if `equal` is given.

    The other arguments are those of `width_sweep`.
    """
    options = dict(policy_options or {})
    plan.check(kind)
    base = run_settings(
        game, policy_name, policy_options=options, seed=plan.seed, trials=plan.trials, limit=len(plan.tasks),
        made_by=policy, verify=plan.verify,
    )  # fmt: skip

    def about(**further: int) -> dict[str, Any]:
        return {**base, "policy_options": base["policy_options"] | further}

    with one_warning():
        budget, source = None, ""
        if equal is not None:
            check_kind(equal)
            plan = replace(plan, on_episode=_checked(equal, plan.on_episode))
            if amount is None:
                first = next(size for size in games if size is not None)
                pilot = games[first]
                rules = {"team": pilot.team, "rules": pilot.rules.to_dict()}
                point, _ = plan.run_point(pilot, policy(), PILOT, first, {**base, **rules})
                budget, source = Budget.mean_of(equal, point.records), f"the mean of {kind} {first}"
            else:
                budget, source = Budget(equal, amount), "given"
            games = {size: budget.game(each) for size, each in games.items()}
        sizes = [size for size in games if size is not None]
        told: dict[str, Any] = {**base, f"{kind}s": sizes, "single": None in games}
        if budget is not None:
            told["equal"] = {"kind": budget.kind, "amount": budget.amount, "from": source}
        settings = about(**(budget.policy_options() if budget is not None else {}))
        return plan.run_all(Sweep((), told, kind, command), games, limited_policy(policy, budget), settings)


def _checked(
    kind: BudgetKind, on_episode: Callable[[EpisodeRecord], None] | None
) -> Callable[[EpisodeRecord], None]:
    """`on_episode` with a check before the call. The episode must report the quantity that the budget counts."""

    def check(record: EpisodeRecord) -> None:
        spent_of(kind, record)
        if on_episode is not None:
            on_episode(record)

    return check
