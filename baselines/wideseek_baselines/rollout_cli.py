"""The command `wideseek rollout`: runs groups of episodes, in this process or on many machines, and records their
tokens."""

from __future__ import annotations

import time
from collections.abc import Generator, Iterator, Mapping
from contextlib import ExitStack, closing
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from wideseek_env.cli import effects, options
from wideseek_env.cli.output import ResultCommand, result
from wideseek_env.errors import ConfigError

if TYPE_CHECKING:
    from wideseek_baselines.rollout.config import Rollouts
    from wideseek_baselines.rollout.jobs import Finished, RolloutJob
    from wideseek_baselines.tokens.record import Rollout
    from wideseek_env.evaluation.run_status import RunStatus
    from wideseek_env.evaluation.running_summary import Ended
    from wideseek_env.game import GameConfig
    from wideseek_env.llm.budget import TokenBudget
    from wideseek_env.tasks.taskset import TaskSet


@click.command(cls=ResultCommand, short_help="Record episodes of a language model for training.")
@options.game_options("wideseek rollout")
@options.policy_choice("vllm")
@options.seed_option
@click.option(
    "--group", "size", type=click.IntRange(min=1), default=8, show_default=True,
    help="Episodes per task. They start together, and training compares their rewards.",
)  # fmt: skip
@click.option(
    "--workers", type=click.IntRange(min=0), default=0, show_default=True,
    help="Worker processes on a Ray cluster. The cluster is the one at RAY_ADDRESS, or a new one on this machine. "
    "0 runs everything in this process.",
)  # fmt: skip
@click.option("--gpus", type=click.FloatRange(min=0), default=0.0, show_default=True, help="GPUs per worker.")
@click.option(
    "--concurrency", type=click.IntRange(min=1),
    help="Largest number of episodes that run at the same time in each process. Default: as many as fit into the "
    "engine's cache.",
)  # fmt: skip
@click.option(
    "--retries", type=click.IntRange(min=0), default=1, show_default=True,
    help="How often an episode is run again if its engine or tools failed.",
)  # fmt: skip
@click.option(
    "--out", type=click.Path(dir_okay=False, path_type=Path), required=True,
    help="File for the rollouts: .jsonl, .jsonl.gz or .parquet. If a run is interrupted, give the same command again "
    "to resume it. A .parquet file cannot be resumed.",
)  # fmt: skip
@click.option(
    "--overwrite", is_flag=True, help="Start over, and replace the file of rollouts and its record."
)
@options.verify_option
@click.option(
    "--trajectories", type=click.Path(dir_okay=False, path_type=Path),
    help="JSONL file for the messages of every episode. Messages are appended to an existing file.",
)  # fmt: skip
@options.max_tokens_option
def rollout(
    game: GameConfig,
    policy: str,
    policy_args: tuple[tuple[str, str], ...],
    seed: int,
    size: int,
    workers: int,
    gpus: float,
    concurrency: int | None,
    retries: int,
    out: Path,
    overwrite: bool,
    verify: bool,
    trajectories: Path | None,
    max_tokens: int | None,
) -> None:
    """Run several episodes of every task with a language model, and record the episodes for training.

    A record has the token ids, which of the tokens the model generated, the log-probabilities of those, and the reward.
    The file FILE.run.json next to it has the settings, the digests of all inputs, the versions and the command. If a
    setting, the code of a custom part, the weights or the prompts have changed, the command names what differs and
    stops.

    \b
    Examples:
      wideseek rollout --policy vllm --model models/nano --split train --limit 64 --out rollouts.jsonl.gz
      wideseek rollout --policy vllm --model models/qwen3-4b --workers 8 --gpus 1 --out rollouts.jsonl.gz
      wideseek rollout --policy transformers --model models/nano --profile terse --limit 2 --out a.parquet
    """
    from wideseek_baselines.cluster.rollouts import open_rollouts_on
    from wideseek_baselines.rollout.config import RolloutConfig
    from wideseek_baselines.rollout.local import LocalRollouts
    from wideseek_baselines.rollout.options import DriverOptions
    from wideseek_baselines.rollout.recorded import open_record, rollout_settings
    from wideseek_baselines.rollout.store import open_rollouts
    from wideseek_env.cli.console import say
    from wideseek_env.cli.run_view import RunView
    from wideseek_env.cli.spending import Part, Spending, stop
    from wideseek_env.cli.world import open_tasks
    from wideseek_env.errors import BudgetError, ConfigError
    from wideseek_env.evaluation.run_status import RunStatus, announcing
    from wideseek_env.llm.budget import TOKENS
    from wideseek_env.provenance.command import command_line
    from wideseek_env.scoring.judged import quiet
    from wideseek_env.trajectory import TrajectoryWriter

    if not workers:
        effects.refuse("without --workers", "gpus")
    effects.check_game(game)
    arguments = options.policy_options(policy_args)
    _check_policy(policy, arguments)
    config = RolloutConfig(
        policy,
        arguments,
        game,
        DriverOptions(concurrency=concurrency, retries=retries),
    )
    chosen = game.open_tasks(read_tasks=open_tasks)
    status = RunStatus(f"{policy} on {chosen.name}", len(chosen) * size, kind="rollout", seed=seed)
    with quiet():  # the line above has warned
        pool = game.replace(limit=None).open_tasks(read_tasks=open_tasks)
    settings = rollout_settings(config, pool, seed=seed, group=size, verify=verify)
    record = open_record(out, settings, command_line(), overwrite=overwrite)
    done, tokens = (set(), 0.0) if overwrite else _done(out, status)
    counts = _Counts()
    if done >= {(task.id, trial) for task in chosen for trial in range(size)}:
        say(f"Complete, nothing played: 0 episodes are left, and {out} has all of them.")
        return
    interrupted, spent = False, None
    ledger = out.with_name(f"{out.name}.{TOKENS}") if out.suffix != ".parquet" else None
    spending = Spending(max_tokens, ledger, fresh=overwrite)
    with spending, ExitStack() as stack:
        played = stack.enter_context(
            closing(open_rollouts_on(config, workers, **({"gpus": gpus} if workers else {})))
        )
        if isinstance(played, LocalRollouts):
            spending.watch("policy", played.policy)
            spending.watch_game(played.game)
            spending.check()
            left = Part(played.game, chosen, max(0, status.total - len(done)))
            spending.announce([left], recorded=(len(done), tokens), options=config.options)
        elif max_tokens is not None:
            raise ConfigError("--max-tokens works in one process: leave out --workers")
        budget = spending.budget
        if overwrite:
            for old in (out, record.path):
                old.unlink(missing_ok=True)
        kept = stack.enter_context(open_rollouts(out))
        messages = stack.enter_context(TrajectoryWriter(trajectories)) if trajectories is not None else None
        view = stack.enter_context(RunView(status))
        view.update()
        try:
            with (
                announcing(status, out),
                closing(_within(budget, played, _jobs(chosen, size, seed, done), status)) as run,
            ):
                for finished in run:
                    record.write()
                    if finished.rollout is not None:
                        kept.write(finished.rollout)
                    if messages is not None and finished.trajectory is not None:
                        messages.write(finished.trajectory)
                    counts.add(finished)
                    budget.episode_ended()
                    status.end(_ended(finished))
                    spending.save()
                    view.update()
        except KeyboardInterrupt:
            interrupted = True
        except BudgetError as error:
            spent = error
    say(counts.line())
    say(f"Rollouts: {out}")
    result(lambda: {"file": out, **counts.to_dict(), "interrupted": interrupted, **spending.to_dict()})
    if spent is not None:
        done_now = f"{status.done} of {status.total} episodes are done."
        stop(spent, done_now, resumes=ledger is not None)
    if interrupted:
        say("Interrupted; the same command resumes." if ledger is not None else "Interrupted.")
        raise click.exceptions.Exit(130)


def _check_policy(policy: str, arguments: Mapping[str, Any]) -> None:
    """Refuse a policy without tokens, and say at once if the rollouts will not be trainable."""
    if policy in options.WITHOUT_MODEL:
        raise ConfigError(
            f"the policy {policy} has no language model, so its episodes have no tokens to record: use --policy vllm, "
            "transformers or openai with --model, or record the messages of its episodes with wideseek eval --out"
        )
    if policy == "openai" and not arguments.get("tokenizer"):
        click.echo(
            "Warning: these rollouts will not be trainable, because the server returns no token ids. For training, "
            "use a vLLM server and give the tokenizer of its model: --policy-arg tokenizer=FOLDER",
            err=True,
        )


def _within(
    budget: TokenBudget, played: Rollouts, jobs: Iterator[RolloutJob], status: RunStatus
) -> Generator[Finished, None, None]:
    """The results of the jobs until the budget is used up. Episodes that could not end for want of tokens are left
    out.

    Raises:
        BudgetError: The budget is used up.
    """
    from wideseek_env.errors import BudgetError, WideSeekError

    try:
        for wave in budget.waves(jobs):
            with closing(played.run(status.jobs(wave))) as run:
                for finished in run:
                    if not (finished.error and budget.refused):
                        yield finished
    except WideSeekError as error:
        if not budget.refused:
            raise
        raise BudgetError(budget.told()) from error


def _done(out: Path, status: RunStatus) -> tuple[set[tuple[str, int]], float]:
    """The episodes that the file already has, as (task id, trial), and the tokens that they generated. Failed episodes
    are not in the set and are run again.

    All episodes of the file, failed ones too, are added to the status.
    """
    from wideseek_baselines.rollout.store import iter_rollouts

    if out.suffix == ".parquet" or not out.exists():
        return set(), 0.0
    done, tokens = set(), 0.0
    for each in iter_rollouts(out):
        status.add(_metrics(each))
        tokens += each.tokens
        if not each.error:
            done.add((each.task_id, each.trial))
    return done, tokens


def _ended(finished: Finished) -> Ended:
    """What the view shows of an ended episode. An episode without a rollout counts as failed."""
    from wideseek_env.evaluation.running_summary import Ended

    if finished.rollout is not None:
        return _metrics(finished.rollout)
    return Ended(finished.job.task.id, finished.job.trial, 0.0, 0.0, True, None, None)


def _metrics(rollout: Rollout) -> Ended:
    from wideseek_env.evaluation.running_summary import Ended

    f1, failed = rollout.score["item_f1"], bool(rollout.error)
    return Ended(rollout.task_id, rollout.trial, f1, rollout.reward, failed, rollout.tokens, None)


def _jobs(tasks: TaskSet, size: int, seed: int, done: set[tuple[str, int]]) -> Iterator[RolloutJob]:
    from wideseek_baselines.rollout.jobs import RolloutJob
    from wideseek_env.evaluation.run import episode_seed

    for task in tasks:
        missing = [trial for trial in range(size) if (task.id, trial) not in done]
        for trial in missing:
            yield RolloutJob(
                task, episode_seed(seed, task.id, trial), trial, group=task.id, size=len(missing)
            )


class _Counts:
    """The counts of a run so far."""

    def __init__(self) -> None:
        self.began = time.perf_counter()
        self.episodes = 0
        self.failed = 0
        self.tokens = 0
        self.reward = 0.0

    def add(self, finished: Finished) -> None:
        """Count one episode."""
        self.episodes += 1
        self.failed += bool(finished.error)
        if finished.rollout is not None:
            self.reward += finished.rollout.reward
            self.tokens += finished.rollout.tokens

    @property
    def mean_reward(self) -> float:
        """The mean reward of all episodes. The reward of an episode without a rollout counts as 0."""
        return self.reward / max(1, self.episodes)

    def to_dict(self) -> dict[str, float]:
        """The counts by name."""
        return {
            "episodes": self.episodes,
            "failed": self.failed,
            "mean_reward": self.mean_reward,
            "tokens": self.tokens,
            "seconds": time.perf_counter() - self.began,
        }

    def line(self) -> str:
        """The counts in one line."""
        seconds = time.perf_counter() - self.began
        return (
            f"{self.episodes} episodes ({self.failed} failed), mean reward {self.mean_reward:.3f}, "
            f"{self.tokens:,} generated tokens in {seconds:.1f} s ({self.tokens / seconds:,.0f}/s)"
        )
