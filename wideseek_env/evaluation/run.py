"""`evaluate_game`: run a policy on tasks, and record each episode when it ends."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Generator, Iterable, Sequence
from contextlib import ExitStack, closing
from dataclasses import replace

from wideseek_env.episode_run import EpisodeRun, run_episode
from wideseek_env.errors import BudgetError, ConfigError, WideSeekError
from wideseek_env.evaluation.checks import whole_number
from wideseek_env.evaluation.folder import RunFolder
from wideseek_env.evaluation.interrupts import uninterrupted
from wideseek_env.evaluation.labels import DEFAULT_BY
from wideseek_env.evaluation.record import EpisodeRecord
from wideseek_env.evaluation.run_status import RunStatus, announcing
from wideseek_env.evaluation.running_summary import Ended
from wideseek_env.evaluation.summary import Summary, SummaryAccumulator
from wideseek_env.evaluation.usage import counted, metered, spent
from wideseek_env.game import Game
from wideseek_env.llm.budget import TokenBudget, budget_of
from wideseek_env.policy import EpisodeRunner, Job, Policy
from wideseek_env.summaries.policy_engine import attached_engine
from wideseek_env.task import Task
from wideseek_env.trajectory import Trajectory


class EpisodeError(WideSeekError):
    """An exception stopped an episode. The message names the task. The exception is chained as the cause."""


def episode_seed(seed: int, task_id: str, trial: int) -> int:
    """The seed of one episode. It does not depend on the other tasks of the run or on their order."""
    digest = hashlib.sha256(f"{seed}/{trial}/{task_id}".encode("utf-8", "replace")).digest()
    return int.from_bytes(digest[:4], "big") >> 1


def evaluate_game(
    game: Game,
    policy: Policy,
    tasks: Sequence[Task] | None = None,
    *,
    seed: int = 0,
    trials: int = 1,
    folder: RunFolder | None = None,
    accumulator: SummaryAccumulator | None = None,
    keep_going: bool = False,
    by: Sequence[str] = DEFAULT_BY,
    on_episode: Callable[[EpisodeRecord], None] | None = None,
    status: RunStatus | None = None,
) -> Summary:
    """Run a policy on tasks and return the summary of the whole run.

    If `accumulator` is given, the records are added to it. They are then available even if the run is interrupted.

    Args:
        game: The opened game: tools, rules, profile and reward.
        policy: Decides the actions of all agents. An `EpisodeRunner` runs many episodes at once, which end in any
            order.
        tasks: The tasks to run, in this order.
        seed: Base seed. The seed of each episode is derived from it, the task's id and the trial.
        trials: Episodes per task.
        folder: Records the episodes. Episodes that are recorded in it already are counted and not run again, unless
            they failed.
        accumulator: Collects the metrics.
        keep_going: If an episode raises an exception, count it as failed, with score 0, and continue.
        by: Labels of tasks by which ``summary.json`` groups the metrics, such as "size"
            (`wideseek_env.evaluation.labels`).
        on_episode: Called after each episode that was run.
        status: Tracks the state of the run, for a live view. If `folder` is given, the status also writes
            ``progress.json`` in it.

    Raises:
        ConfigError: `seed` or `trials` is wrong.
        EpisodeError: An episode raised an exception, and `keep_going` is False.
        BudgetError: The token budget of the policy, the judge or the summariser is used up (`TokenBudget`). The
            finished episodes are recorded and summarised first.
        KeyboardInterrupt: Ctrl-C stopped the run. The finished episodes are recorded and summarised first.
    """
    seed, trials = whole_number("seed", seed, 0), whole_number("trials", trials, 1)
    accumulator = accumulator if accumulator is not None else SummaryAccumulator()
    todo = list(tasks if tasks is not None else game.tasks)
    if folder is not None:
        folder.load(accumulator)
    if status is None:
        status = RunStatus(f"{policy.name} on {game.tasks.name}", len(todo) * trials, seed=seed)
    for record in accumulator.records:
        status.add(Ended.of(record))
    finished = accumulator.finished()
    jobs = [
        Job(task, episode_seed(seed, task.id, trial), trial)
        for trial in range(trials)
        for task in todo
        if (task.id, trial) not in finished
    ]
    budget = budget_of(policy, game.judge, game.summariser) or TokenBudget()
    with announcing(status, folder.path if folder is not None else None):
        try:
            for wave in (
                budget.waves(jobs) if jobs else ()
            ):  # without jobs the policy is not called: no engine starts
                played = _within(budget, game, policy, status.jobs(wave), keep_going, status)
                with closing(played) as trajectories:
                    for trajectory in trajectories:
                        record = EpisodeRecord.of(trajectory)
                        with uninterrupted():
                            if folder is not None:
                                folder.write(trajectory, record)
                            accumulator.add(record)
                            budget.episode_ended()
                            status.end(Ended.of(record))
                        if on_episode is not None:
                            on_episode(record)
        finally:
            with uninterrupted():
                summary = accumulator.summary(seed=seed)
                if folder is not None:
                    folder.write_summary(summary, accumulator.by(by, seed=seed))
    return summary


def _within(
    budget: TokenBudget, game: Game, policy: Policy, jobs: Iterable[Job], keep_going: bool, status: RunStatus
) -> Generator[Trajectory, None, None]:
    """`_trajectories` until the budget is used up. Episodes that could not end for want of tokens are left out.

    Raises:
        BudgetError: A request was refused.
    """
    try:
        with closing(_trajectories(game, policy, jobs, keep_going, status, budget)) as trajectories:
            for trajectory in trajectories:
                # A refused summary does not stop an episode, but changes what its agents read.
                if not (budget.refused and budget_of(game.summariser)):
                    yield trajectory
    except WideSeekError as error:
        if not budget.refused:
            raise
        raise BudgetError(budget.told()) from error


def _trajectories(
    game: Game, policy: Policy, jobs: Iterable[Job], keep_going: bool, status: RunStatus, budget: TokenBudget
) -> Generator[Trajectory, None, None]:
    """Yield the trajectory of each job when its episode ends. Only an `EpisodeRunner` runs several episodes at once."""
    if not isinstance(policy, EpisodeRunner):
        with attached_engine(game.summariser, policy):
            for job in jobs:
                yield _trajectory_of(game, policy, job, keep_going, status, budget)
        return
    with ExitStack() as stack:
        stream = policy.run_jobs(game, jobs)
        if isinstance(stream, Generator):
            stack.callback(stream.close)
        for result in stream:
            trial, task = result.job.trial, result.job.task
            if result.error and budget.refused:
                continue  # it was in flight when the tokens were used up, and runs again with a larger budget
            if result.trajectory is None or (result.error and not keep_going):
                raise EpisodeError(_could_not(task, trial, policy, result.error or "no trajectory"))
            about = {"trial": trial, "policy": policy.name} | ({"failed": True} if result.error else {})
            yield replace(result.trajectory, meta=about | result.trajectory.meta)


def _could_not(task: Task, trial: int, policy: Policy, detail: str) -> str:
    return f"task {task.id} (trial {trial}) failed with the policy {policy.name}: {detail}"


def _trajectory_of(
    game: Game, policy: Policy, job: Job, keep_going: bool, status: RunStatus, budget: TokenBudget
) -> Trajectory:
    task, seed, trial = job.task, job.seed, job.trial
    under_way: list[EpisodeRun] = []
    before = metered(policy), metered(game.judge)

    def on_step(run: EpisodeRun) -> None:
        if not under_way:
            under_way.append(run)
        status.turns(job, sum(each.turns for each in run.episode.conversations))

    def trajectory(run: EpisodeRun, **about: object) -> Trajectory:
        usage = spent(before[0], metered(policy)) or counted(run.episode)
        judging = spent(before[1], metered(game.judge))
        about |= {"usage": usage} if usage is not None else {}
        about |= {"judge_usage": judging} if judging is not None else {}
        return run.trajectory(trial=trial, policy=policy.name, **about)

    try:
        return trajectory(run_episode(game, policy, task, seed=seed, on_step=on_step))
    except Exception as error:
        detail = f"{type(error).__name__}: {error}"
        if not keep_going and isinstance(
            error, ConfigError
        ):  # the message says what is wrong, and with which part
            raise EpisodeError(f"task {task.id} (trial {trial}) failed: {error}") from error
        if not keep_going or budget.refused:
            raise EpisodeError(_could_not(task, trial, policy, detail)) from error
        try:
            run = under_way[0] if under_way else EpisodeRun(game, task, seed)
            if run.done:  # the scoring or the reward raised the exception
                raise error
            run.abort(detail[:500])
            return trajectory(run, failed=True)
        except Exception as again:
            raise EpisodeError(f"task {task.id} (trial {trial}) could not be scored: {detail}") from again
