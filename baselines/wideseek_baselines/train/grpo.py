"""Multi-agent GRPO: the advantage of an episode compares its reward with its group. All agents share that advantage.
If the game has another credit than "team", the advantage of an agent compares its credit with the agents of its role.

Read `run_grpo` and `train_step` from top to bottom: that is the whole algorithm (arXiv 2602.04634).
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar

import numpy as np
from torch import Tensor

from wideseek_baselines.tokens.record import Rollout
from wideseek_baselines.train import distributed
from wideseek_baselines.train.config.loading import Count
from wideseek_baselines.train.config.options import AdvantageOptions
from wideseek_baselines.train.config.run import RunConfig
from wideseek_baselines.train.data.packing import Sample
from wideseek_baselines.train.data.samples import mini_batches, rollout_samples
from wideseek_baselines.train.data.task_sampler import TaskSampler
from wideseek_baselines.train.loop import OnStep, ReinforcementRun, RunResult
from wideseek_baselines.train.model.forward import reference_model, with_logprobs
from wideseek_baselines.train.model.model import TokenModel
from wideseek_baselines.train.model.role_models import load_policy
from wideseek_baselines.train.objective.advantages import Advantages, Floats, agent_advantages
from wideseek_baselines.train.objective.losses import policy_loss
from wideseek_baselines.train.objective.metrics import MetricAccumulator
from wideseek_baselines.train.objective.role_metrics import role_metrics
from wideseek_baselines.train.optim.optimizer import PolicyOptimizer
from wideseek_baselines.train.optim.role_optimizers import policy_optimizer, step_metrics
from wideseek_baselines.train.prefetch import RolloutPrefetcher
from wideseek_baselines.train.reporting.throughput import throughput_metrics, work_metrics
from wideseek_baselines.train.reporting.untrained import untrained_groups
from wideseek_baselines.train.rollouts.manager import OnEpisode, RolloutManager
from wideseek_baselines.train.rollouts.metrics import rollout_metrics
from wideseek_env.errors import ConfigError
from wideseek_env.game import GameConfig


@dataclass(frozen=True, slots=True)
class GrpoConfig(RunConfig):
    """Multi-agent GRPO."""

    algorithm: ClassVar[str] = "grpo"

    advantage: AdvantageOptions = field(default_factory=AdvantageOptions)
    """How the rewards of a group become advantages."""
    max_draws: Count = 1
    """Dynamic sampling. If all rewards of a group are equal, the group is replaced by a group of another task. A step
    plays new groups until it has enough, but at most this number of times. With 1, no group is replaced. verl:
    `max_num_gen_batches`."""

    def __post_init__(self) -> None:
        RunConfig.__post_init__(self)
        if self.group < 2:
            raise ConfigError("group must be 2 or more: GRPO compares the episodes of a task")
        if self.max_draws > 1 and self.advantage.zero_variance_groups == "keep":
            raise ConfigError(
                "max_draws replaces groups that advantage.zero_variance_groups='keep' would keep: set one of the two"
            )


def run_grpo(
    config: GrpoConfig,
    *,
    game: GameConfig | Mapping[str, Any] | None = None,
    on_step: OnStep | None = None,
    on_episode: OnEpisode | None = None,
) -> RunResult:
    """Train with the given settings. A run that was interrupted resumes.

    Args:
        config: The settings.
        game: Fields of `GameConfig` that replace those in `config.game`, for custom tasks, tools or rewards. A
            `GameConfig` replaces the whole game.
        on_step: Called with the metrics of every step and every evaluation.
        on_episode: Called with a `Progress` for every episode that has ended.

    Raises:
        ConfigError: A setting is wrong, or `out` has a run with other tasks or settings.
        RolloutError: All episodes of a step failed because of the engine or the tools.
        DivergedError: Gradients were not finite several steps in a row.
    """
    with RolloutManager(config, game, on_episode) as manager:
        model = load_policy(config)
        reference = reference_model(config.model, model) if config.loss.kl > 0 else None
        optimizer = policy_optimizer(model, config.optim, config.steps * config.updates)
        sampler = TaskSampler(manager.tasks, config.seed, config.widths, config.steps * config.tasks)
        with (
            ReinforcementRun(config, manager, model, model, {"policy": optimizer}, on_step) as run,
            RolloutPrefetcher(
                lambda position: draw(manager, sampler, position, config), manager, config, run
            ) as prefetcher,
            run.stopping,
        ):
            while run.step < config.steps:
                batch = prefetcher.take()
                with run.stopping.held():
                    began = time.perf_counter()
                    metrics, tokens = train_step(
                        model,
                        reference,
                        optimizer,
                        batch.rollouts,
                        batch.advantages.values,
                        config,
                        run.step,
                        by_agent=batch.advantages.agents,
                    )
                    trained = time.perf_counter()
                    prefetcher.wait()
                    run.finish(
                        {
                            **rollout_metrics(batch.rollouts, run.step, config.moving_roles),
                            "groups": batch.advantages.groups,
                            "zero_variance_groups": batch.advantages.zero_variance,
                            "failed_episodes": len(batch.errors),
                            **throughput_metrics(metrics, trained - began, model.device),
                            **prefetcher.metrics(batch.rollouts),
                            "train_seconds": trained - began,
                        },
                        tokens,
                        untrained_groups(
                            batch.rollouts, batch.advantages, config.advantage, config.loss, metrics
                        ),
                    )
                run.after_step()
        return run.result


@dataclass(frozen=True, slots=True)
class Batch:
    """The episodes of a step with their advantages, and the errors of the episodes that failed."""

    rollouts: list[Rollout]
    advantages: Advantages
    errors: list[str]


def draw(
    manager: RolloutManager, sampler: TaskSampler, position: int, config: GrpoConfig
) -> tuple[Batch, int]:
    """Play the groups of a step. A group whose rewards are all equal may be replaced by a group of another task.

    Args:
        manager: Runs the episodes.
        sampler: The order of tasks.
        position: The position of the step's first task in that order.
        config: The settings.

    Returns:
        The batch, and the position after its last task.
    """
    rollouts: list[Rollout] = []
    errors: list[str] = []
    missing = config.tasks
    for _ in range(config.max_draws):
        more, failed = manager.run(sampler.jobs(position, missing, config.group))
        position += missing
        rollouts += more
        errors += failed
        advantages = agent_advantages(rollouts, config.advantage)
        missing = config.tasks - advantages.groups
        if missing <= 0:
            break
    return Batch(rollouts, advantages, errors), position


def train_step(
    model: TokenModel,
    reference: TokenModel | None,
    optimizer: PolicyOptimizer,
    rollouts: Sequence[Rollout],
    advantages: Sequence[float] | np.ndarray[Any, np.dtype[np.float64]],
    config: GrpoConfig,
    step: int,
    *,
    by_agent: Sequence[Floats] | None = None,
) -> tuple[dict[str, float], int]:
    """Train on the episodes of a step. Returns the metrics, and the number of generated tokens that were trained on.

    Args:
        model: The policy.
        reference: The reference model of the KL term. None if there is no KL term.
        optimizer: The optimizer of the policy.
        rollouts: The rollouts of the step.
        advantages: One advantage for each rollout. A rollout with NaN is left out.
        config: The settings.
        step: The number of the step. The order of mini-batches depends on it.
        by_agent: The advantages of the agents of each rollout, if the agents do not share that of the rollout.
    """
    values = np.asarray(advantages, np.float64)
    used = np.flatnonzero(~np.isnan(values))
    random = np.random.default_rng([config.seed, 4, step])
    batches: list[list[Sample]] = []
    dropped = 0
    for chosen in mini_batches(
        [rollouts[number].group for number in used.tolist()], config.mini_batch or config.tasks, random
    ):
        numbers = used[chosen]
        members = [rollouts[number] for number in numbers]
        each = [by_agent[number] for number in numbers] if by_agent is not None else None
        found = rollout_samples(members, values[numbers], config.selection, config.planned, each)
        dropped += found.dropped_turns
        if found.samples:
            batches.append(found.samples)
    # With one optimizer step the policy does not change before it: its own log-probabilities are the old ones.
    if config.loss.recompute_logprobs and len(batches) * config.epochs > 1:
        batches = [with_logprobs(samples, model, "old", config.tokens_per_row) for samples in batches]
    if reference is not None:
        batches = [
            with_logprobs(samples, reference, "reference", config.tokens_per_row) for samples in batches
        ]

    metrics, done = MetricAccumulator(), []
    losses: list[Tensor] = []
    for epoch in range(config.epochs):
        for number in random.permutation(len(batches)) if epoch else range(len(batches)):
            model.train()
            for row in model.rows(batches[number], config.tokens_per_row):
                row = row.to(model.device)
                scores = model(row, temperature=row.columns["temperature"], entropies=True)
                loss = policy_loss(
                    scores.logprobs,
                    row.columns.get("old", scores.logprobs.detach()),
                    row.columns["advantage"],
                    row.columns["weight"],
                    config.loss,
                    engine=row.columns["engine"],
                    reference=row.columns.get("reference"),
                    entropies=scores.entropies,
                    counts=row.counts,
                    kl_weights=row.columns.get("kl_weight"),
                )
                loss.value.backward()
                losses.append(loss.value.detach())
                metrics.add(loss.metrics)
                metrics.add(
                    role_metrics(
                        row.columns["role"], scores.logprobs, scores.entropies, row.columns.get("reference")
                    )
                )
            done.append(optimizer.step())
    result = {
        **metrics.result(),
        "dropped_turns": float(dropped),
        "optimizer_steps": float(len(done)),
    }
    if done:
        result |= {
            "loss": distributed.summed(float(sum(losses)))[0] / len(done),
            **step_metrics(done),
            **work_metrics(
                model,
                [sample for samples in batches for sample in samples],
                updates=config.epochs,
                forward=int("old" in batches[0][0].columns) + int(reference is not None),
            ),
        }
    return result, sum(len(sample.places) for samples in batches for sample in samples)
