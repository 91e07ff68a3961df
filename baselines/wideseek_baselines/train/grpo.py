"""Multi-agent GRPO: all agents of an episode share one advantage, the team's reward compared with its group's.

Read `run_grpo` and `train_step` from top to bottom: that is the whole algorithm (arXiv 2602.04634).
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from wideseek_baselines.tokens.record import Rollout
from wideseek_baselines.train.config.loading import Count
from wideseek_baselines.train.config.options import AdvantageOptions
from wideseek_baselines.train.config.run import RunConfig
from wideseek_baselines.train.data.packing import Sample, rows_of
from wideseek_baselines.train.data.samples import mini_batches, rollout_samples
from wideseek_baselines.train.data.task_sampler import TaskSampler
from wideseek_baselines.train.loop import Report, Run, RunResult
from wideseek_baselines.train.model.forward import reference_model, with_logprobs
from wideseek_baselines.train.model.model import TokenModel, load_model
from wideseek_baselines.train.objective.advantages import Advantages, group_advantages
from wideseek_baselines.train.objective.losses import policy_loss
from wideseek_baselines.train.objective.metrics import MetricAccumulator
from wideseek_baselines.train.optim.optimizer import Optimizer
from wideseek_baselines.train.prefetch import RolloutPrefetcher
from wideseek_baselines.train.rollouts.manager import RolloutManager, Watch
from wideseek_baselines.train.rollouts.metrics import rollout_metrics
from wideseek_env.errors import ConfigError


@dataclass(frozen=True, slots=True)
class GrpoConfig(RunConfig):
    """Multi-agent GRPO."""

    advantage: AdvantageOptions = field(default_factory=AdvantageOptions)
    """How rewards of a group become advantages."""
    max_draws: Count = 1
    """Dynamic sampling: while groups whose rewards are all equal leave a step with fewer than `tasks` groups, play as
    many other tasks, in at most so many draws; 1 is off."""

    def __post_init__(self) -> None:
        RunConfig.__post_init__(self)
        if self.group < 2:
            raise ConfigError("group must be 2 or more: GRPO compares the episodes of a task")
        if self.max_draws > 1 and self.advantage.zero_variance_groups == "keep":
            raise ConfigError(
                "max_draws replaces groups that advantage.zero_variance_groups='keep' would keep"
            )


def run_grpo(
    config: GrpoConfig,
    *,
    game: Mapping[str, Any] | None = None,
    report: Report | None = None,
    watch: Watch | None = None,
) -> RunResult:
    """Train as configured; continues a run that was broken off.

    Args:
        config: Everything.
        game: Arguments of `GameConfig` in place of the configuration's: tasks, tools or rewards of one's own.
        report: Told the numbers of every step and every evaluation.
        watch: Told of every episode that has ended.

    Raises:
        ConfigError: A setting does not fit, or `out` holds a run with other settings.
        RolloutError: No episode of a step could be played.
        DivergedError: Gradients were not finite several steps in a row.
    """
    with RolloutManager(config, game, watch) as players:
        model = load_model(config.model)
        reference = reference_model(config.model, model) if config.loss.kl > 0 else None
        optimizer = Optimizer(model.named_parameters(), config.optim, config.steps * config.updates)
        order = TaskSampler(players.tasks, config.seed, config.widths)
        with (
            Run(config, players, model, model, {"policy": optimizer}, report) as run,
            RolloutPrefetcher(
                lambda state: draw(players, order, state, config), players, config, run
            ) as feed,
        ):
            while run.step < config.steps:
                batch = feed.take()
                began = time.perf_counter()
                figures, tokens = train_step(
                    model, reference, optimizer, batch.rollouts, batch.advantages.values, config, run.step
                )
                trained = time.perf_counter()
                feed.wait()
                run.finish(
                    {
                        **rollout_metrics(batch.rollouts, run.step),
                        "groups": batch.advantages.groups,
                        "zero_variance_groups": batch.advantages.zero_variance,
                        "failed_episodes": len(batch.errors),
                        **figures,
                        **feed.figures(batch.rollouts),
                        "train_seconds": trained - began,
                    },
                    tokens,
                )
        return run.result


@dataclass(frozen=True, slots=True)
class Batch:
    """The episodes of a step with their advantages, and the errors of those that failed."""

    rollouts: list[Rollout]
    advantages: Advantages
    errors: list[str]


def draw(players: RolloutManager, order: TaskSampler, state: dict[str, Any], config: GrpoConfig) -> Batch:
    """Play the groups of a step, and others for those that teach nothing; counts on ``state["drawn"]``."""
    rollouts: list[Rollout] = []
    errors: list[str] = []
    missing = config.tasks
    for _ in range(config.max_draws):
        played, failed = players.play(order.jobs(state["drawn"], missing, config.group))
        state["drawn"] += missing
        rollouts += played
        errors += failed
        advantages = group_advantages(
            [rollout.reward for rollout in rollouts],
            [rollout.group for rollout in rollouts],
            [rollout.trainable for rollout in rollouts],
            config.advantage,
        )
        missing = config.tasks - advantages.groups
        if missing <= 0:
            break
    return Batch(rollouts, advantages, errors)


def train_step(
    model: TokenModel,
    reference: TokenModel | None,
    optimizer: Optimizer,
    rollouts: Sequence[Rollout],
    advantages: Sequence[float] | np.ndarray[Any, np.dtype[np.float64]],
    config: GrpoConfig,
    step: int,
) -> tuple[dict[str, float], int]:
    """Train on the episodes of a step; its figures, and how many tokens were trained on.

    Args:
        model: The policy.
        reference: What the KL term refers to, where there is one.
        optimizer: Of the policy.
        rollouts: Of the step.
        advantages: One for each rollout; NaN leaves it out.
        config: Of the run.
        step: Its number, for the order of mini-batches.
    """
    values = np.asarray(advantages, np.float64)
    used = np.flatnonzero(~np.isnan(values))
    random = np.random.default_rng([config.seed, 4, step])
    batches: list[list[Sample]] = []
    dropped = 0
    for chosen in mini_batches(
        [rollouts[number].group for number in used], config.mini_batch or config.tasks, random
    ):
        numbers = used[chosen]
        samples = rollout_samples([rollouts[number] for number in numbers], values[numbers], config.selection)
        dropped += samples.dropped_turns
        if samples.examples:
            batches.append(samples.examples)
    # With a single optimiser step the policy is still the one before it: its own log-probabilities are the old ones.
    if len(batches) * config.epochs > 1:
        batches = [with_logprobs(examples, model, "old", config.tokens_per_row) for examples in batches]
    if reference is not None:
        batches = [
            with_logprobs(examples, reference, "reference", config.tokens_per_row) for examples in batches
        ]

    tally, norms = MetricAccumulator(), []
    for epoch in range(config.epochs):
        for number in random.permutation(len(batches)) if epoch else range(len(batches)):
            model.train()
            for row in rows_of(batches[number], config.tokens_per_row):
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
                )
                loss.value.backward()
                tally.add(loss.tally)
            done = optimizer.step()
            norms.append(done.norm)
    figures = {
        **tally.result(),
        "dropped_turns": float(dropped),
        "optimizer_steps": float(len(norms)),
    }
    if norms:
        figures |= {"gradient_norm": float(np.mean(norms)), "lr": done.lr}
    return figures, sum(len(example.places) for examples in batches for example in examples)
