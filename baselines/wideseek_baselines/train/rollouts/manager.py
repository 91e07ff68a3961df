"""`RolloutManager` runs the episodes of training and evaluation, and sends new weights to the engines."""

from __future__ import annotations

import dataclasses
import platform
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from math import fsum
from types import TracebackType
from typing import Any, Self, cast

import torch

from wideseek_baselines.background import background
from wideseek_baselines.cluster.rollouts import open_rollouts_on
from wideseek_baselines.engines.shared_memory import MARGIN, free_bytes, usable, warn_of_shortage
from wideseek_baselines.engines.vllm_loading import check_installed
from wideseek_baselines.policies.llm import LLMPolicy
from wideseek_baselines.rollout.config import RolloutConfig, Rollouts
from wideseek_baselines.rollout.jobs import Finished, RolloutJob
from wideseek_baselines.rollout.local import LocalRollouts
from wideseek_baselines.rollout.options import DriverOptions
from wideseek_baselines.tokens.loading import load_tokenizer
from wideseek_baselines.tokens.record import Rollout
from wideseek_baselines.train import distributed
from wideseek_baselines.train.config.game_in_use import game_in_use, recorded_game
from wideseek_baselines.train.config.run import EvaluationOptions, RunConfig
from wideseek_baselines.train.model.export import adapters_for_engine, state_dict_for_engine
from wideseek_baselines.train.model.model import TokenModel
from wideseek_baselines.train.rollouts.job_sharding import RemoteRollouts, run_sharded
from wideseek_baselines.train.rollouts.metrics import subagents
from wideseek_baselines.train.rollouts.role_engines import role_engines
from wideseek_env import catalog
from wideseek_env.errors import ConfigError, WideSeekError
from wideseek_env.evaluation.run import episode_seed
from wideseek_env.game import GameConfig
from wideseek_env.policy import Job
from wideseek_env.rewards import reward_named
from wideseek_env.shaping import is_annealed
from wideseek_env.summaries.policy_engine import PolicyEngine
from wideseek_env.task import Task
from wideseek_env.tasks import conditions
from wideseek_env.tasks.taskset import TaskSet


class RolloutError(WideSeekError):
    """All episodes of a step failed, because the engine or the tools do not work."""


@dataclasses.dataclass(frozen=True, slots=True)
class Progress:
    """How many episodes of a step or of an evaluation have ended."""

    held_out: bool
    """Whether the episodes belong to an evaluation."""
    done: int
    total: int
    reward: float
    """Mean reward of the episodes that have ended without an error."""


OnEpisode = Callable[[Progress], None]
"""A function that is called for every episode that has ended. For prefetched episodes, another thread calls it."""


class RolloutManager:
    """Opens the engines and runs episodes on them.

    Args:
        config: The settings.
        game: Fields of `GameConfig` that replace those in `config.game`, for custom tasks, tools or rewards. A
            `GameConfig` replaces the whole game.
        on_episode: Called for every episode that has ended.

    Raises:
        ConfigError: `game` is wrong, or a setting does not fit the game.
    """

    def __init__(
        self,
        config: RunConfig,
        game: GameConfig | Mapping[str, Any] | None = None,
        on_episode: OnEpisode | None = None,
    ) -> None:
        chosen = game_in_use(config.game, game)
        self._config = config = dataclasses.replace(config, game=chosen)  # its checks, for this game
        self._on_episode = on_episode
        self.game = chosen
        """The game that is really played."""
        self.game_record = recorded_game(chosen)
        """The game as JSON values, which checkpoints hold (`recorded_game`)."""
        self.annealed = is_annealed(reward_named(chosen.reward))
        """Whether the reward changes with the share of the run that is done."""
        self.tasks, self.held_out = _tasks(chosen, config.evaluation)
        if config.prompt_tokens is not None:
            self.tasks = short_enough(self.tasks, config.model.path, config.prompt_tokens)
        engine = config.engine
        check_installed(engine.vllm, "engine.vllm")
        ray = {"cpus": engine.worker_cpus, "gpus": engine.worker_gpus} if engine.workers else {}
        self._driver = DriverOptions(
            concurrency=engine.concurrency, retries=engine.retries, request_timeout=engine.request_timeout
        )
        self._engines = engines = role_engines(config)
        self._group = distributed.new_group()
        self._updated = False
        if engine.workers and not distributed.is_main():
            self._rollouts: Rollouts = RemoteRollouts()
            return
        self._rollouts = open_rollouts_on(
            RolloutConfig(engines.policy, engines.options, chosen, self._driver),
            engine.workers,
            **ray,
        )

    def run(self, jobs: Sequence[RolloutJob]) -> tuple[list[Rollout], list[str]]:
        """Run all jobs. Returns the rollouts in the order of the jobs, and the errors of the jobs that failed.

        Raises:
            RolloutError: All jobs failed.
        """
        return _in_order(jobs, self._finished(jobs, self._rollouts.run, held_out=False))

    def start(self) -> None:
        """Start the engines, which load the model. They must have done so before they get new weights."""
        for _ in self._rollouts.run(()):
            pass

    def sleep(self) -> None:
        """Let the engines free their accelerator memory until `update`."""
        self._rollouts.sleep()

    def update(self, model: TokenModel, version: int) -> None:
        """Send the trained weights to the engines that play with them. Sleeping engines wake up."""
        engines = self._engines
        if self._config.engine.sleep and model.device.type == "cuda":
            torch.cuda.empty_cache()  # memory that training no longer needs, for the engine on the same GPU
        local = self._config.engine.found == "vllm" and not self._config.engine.workers
        if local and not self._updated and not engines.serves_adapters:
            check_shared_memory(model)
        self._updated = True
        parts = model.parts
        if engines.serves_adapters:
            self._rollouts.update_weights(adapters_for_engine(parts, engines.adapters), version)
        else:
            for name, roles in self._config.weight_sets.items():
                weights = state_dict_for_engine(parts[name].causal, parts[name].adapter)
                self._rollouts.update_weights(weights, version, roles)
        if engines.wakes and self._config.engine.sleep:
            self._rollouts.wake()

    def evaluate(self) -> dict[str, float]:
        """Play the held-out tasks with the same seeds each time.

        Returns the metrics by name. If there are several widths, ``@width`` is appended to the names.
        """
        options = self._config.evaluation
        jobs = held_out_jobs(self.held_out, options, self._config.seed)
        rollouts: dict[int | None, list[Rollout]] = {}
        errors: dict[int | None, list[str]] = {}
        for finished in self._finished(jobs, self._run_held_out, held_out=True):
            width = cast(RolloutJob, finished.job).width
            if finished.error or finished.rollout is None:
                errors.setdefault(width, []).append(finished.error)
            else:
                rollouts.setdefault(width, []).append(finished.rollout)
        metrics: dict[str, float] = {}
        for width in options.widths or (None,):
            mark = "" if width is None else f"@{width}"
            if width not in rollouts:
                raise RolloutError(
                    f"none of the held-out episodes{mark} could be played; the first failed with: {errors[width][0]}"
                )
            metrics |= {
                f"eval_{name}{mark}": fsum(map(metric, rollouts[width])) / len(rollouts[width])
                for name, metric in _EVALUATED.items()
            }
            metrics[f"eval_failed{mark}"] = float(len(errors.get(width, ())))
        return metrics

    def _finished(
        self,
        jobs: Sequence[RolloutJob],
        run: Callable[[Sequence[RolloutJob]], Iterable[Finished]],
        *,
        held_out: bool,
    ) -> Iterable[Finished]:
        """The results of all jobs. Each process runs its share of them and calls `on_episode` for each."""
        return run_sharded(
            jobs,
            lambda mine: self._with_progress(run(mine), len(mine), held_out=held_out),
            self._group,
            spread=not self._config.engine.workers,
        )

    def _with_progress(
        self, results: Iterable[Finished], total: int, *, held_out: bool
    ) -> Iterator[Finished]:
        """The same results. For each of them, `on_episode` is called."""
        rewards: list[float] = []
        for done, finished in enumerate(results, 1):
            if finished.rollout is not None and not finished.error:
                rewards.append(finished.rollout.reward)
            if self._on_episode is not None:
                self._on_episode(Progress(held_out, done, total, sum(rewards) / max(1, len(rewards))))
            yield finished

    def _run_held_out(self, jobs: Sequence[Job]) -> Iterator[Finished]:
        """Run jobs with the sampling temperature of evaluations."""
        rollouts = self._rollouts
        temperature = self._config.evaluation.temperature
        if temperature is None or not isinstance(rollouts, LocalRollouts):
            return rollouts.run(jobs)
        from wideseek_baselines.rollout.driver import Driver

        usual = cast(LLMPolicy, rollouts.policy)
        policy = usual.at(temperature)
        if isinstance(rollouts.game.summariser, PolicyEngine):
            policy.summariser = usual.summariser
        return background().iterate(Driver(policy, rollouts.game, options=self._driver).run(jobs))

    def close(self) -> None:
        """End the engines."""
        self._rollouts.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def check_shared_memory(model: TokenModel) -> None:
    """Warn on each machine if shared memory has too little room for the weights that all its processes send at once.

    All processes must call this function.
    """
    size = int(MARGIN * 4 * sum(parameter.numel() for parameter in model.causal.parameters()))
    machine = platform.node()
    machines, sizes = zip(*distributed.gathered((machine, size)), strict=True)
    here = [size for size, name in zip(sizes, machines, strict=True) if name == machine]
    if usable() and sum(here) > (free := free_bytes()):
        first = machines.index(machine) == distributed.rank()
        warn_of_shortage(sum(here), len(here), free, silent=not first)


def held_out_jobs(tasks: Sequence[Task], options: EvaluationOptions, seed: int) -> list[RolloutJob]:
    """The jobs of an evaluation, for all its widths. Their seeds are the same for all widths and steps."""
    return [
        RolloutJob(
            task,
            episode_seed(seed + 1, task.id, trial),
            trial,
            group=f"{task.id}:{trial}:{width}",
            size=1,
            width=width,
        )
        for width in options.widths or (None,)
        for task in tasks
        for trial in range(options.trials)
    ]


_EVALUATED: Mapping[str, Callable[[Rollout], float]] = {
    "item_f1": lambda rollout: rollout.score["item_f1"],
    "reward": lambda rollout: rollout.reward,
    "answered": lambda rollout: rollout.ending == "answered",
    "subagents": subagents,
}
"""The metrics of an evaluation. Each is a mean over its episodes."""


def _tasks(game: GameConfig, options: EvaluationOptions) -> tuple[TaskSet, TaskSet]:
    """The tasks to train on, and the held-out tasks. Raises `ConfigError` if a task is in both."""
    tasks = game.open_tasks()
    if not options.every:
        return tasks, TaskSet([])
    source = options.source or game.tasks
    if not isinstance(source, str):
        raise ConfigError("custom tasks have no held-out part: name one with evaluation.source")
    held_out = catalog.named_tasks(source, options.split)[0]
    where = options.where if options.where is not None else game.where
    held_out = (conditions.where(held_out, where) if where else held_out)[: options.tasks]
    if not len(held_out):
        raise ConfigError(f"{source} has no {options.split} tasks to evaluate on")
    trained = {task.id for task in tasks}
    if any(task.id in trained for task in held_out):
        raise ConfigError(
            "held-out tasks are among those that are trained on: name others with evaluation.source or "
            "evaluation.split"
        )
    return tasks, held_out


def short_enough(tasks: TaskSet, model: str, limit: int) -> TaskSet:
    """The tasks whose question has at most `limit` tokens of the model's tokenizer.

    Raises:
        ConfigError: No task is short enough, or there is no such tokenizer.
    """
    tokenizer = load_tokenizer(model)
    kept = [task for task in tasks if len(tokenizer.encode(task.question, add_special_tokens=False)) <= limit]
    if not kept:
        raise ConfigError(f"all questions of {tasks.name} have more than {limit} tokens: raise prompt_tokens")
    return TaskSet(kept, tasks.name)


def _in_order(jobs: Sequence[RolloutJob], results: Iterable[Finished]) -> tuple[list[Rollout], list[str]]:
    """The rollouts in the order of their jobs, so that the result does not depend on which episode ended first."""
    places = {(job.group, job.trial): number for number, job in enumerate(jobs)}
    found: dict[int, Rollout] = {}
    errors: list[str] = []
    for finished in results:
        if finished.error or finished.rollout is None:
            errors.append(finished.error)
            continue
        job = finished.job
        assert isinstance(job, RolloutJob)
        found[places[job.group, job.trial]] = finished.rollout
    if not found:
        raise RolloutError(
            f"none of {len(jobs)} episodes could be played; the first failed with: {errors[0]}"
        )
    return [found[number] for number in sorted(found)], errors
