"""Multi-agent PPO: one policy for all roles, and a critic that predicts the team's reward before every turn.

Read `run_ppo`, `prepare` and `train_step` from top to bottom: that is the whole algorithm.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from torch import nn

from wideseek_baselines.tokens.record import Rollout
from wideseek_baselines.train.config.loading import NotNegative, Positive
from wideseek_baselines.train.config.options import (
    OptimOptions,
    PolicyLossOptions,
    SelectionOptions,
    ValueOptions,
)
from wideseek_baselines.train.config.run import RunConfig
from wideseek_baselines.train.data.packing import Sample, rows_of
from wideseek_baselines.train.data.samples import SampleBatch, by_agent, mini_batches, rollout_samples, spans
from wideseek_baselines.train.data.task_sampler import TaskSampler
from wideseek_baselines.train.loop import OnStep, ReinforcementRun, RunResult
from wideseek_baselines.train.model.critic import Critic, ValueHead, team_samples
from wideseek_baselines.train.model.forward import (
    Floats,
    logprobs_and_values,
    reference_model,
    values_of,
    with_logprobs,
)
from wideseek_baselines.train.model.model import TokenModel, layers_of, load_causal, load_model
from wideseek_baselines.train.model.sharding import sharded
from wideseek_baselines.train.objective.advantages import agent_gae
from wideseek_baselines.train.objective.losses import policy_loss, value_loss
from wideseek_baselines.train.objective.metrics import MetricAccumulator
from wideseek_baselines.train.optim.optimizer import Optimizer
from wideseek_baselines.train.prefetch import RolloutPrefetcher
from wideseek_baselines.train.rollouts.manager import OnEpisode, RolloutManager
from wideseek_baselines.train.rollouts.metrics import rollout_metrics


@dataclass(frozen=True, slots=True)
class KlOptions:
    """A penalty in the reward of every token for moving away from the reference model."""

    coefficient: NotNegative = 0.001
    """Weight of the penalty. The penalty of a token is the difference of its log-probabilities (policy minus
    reference). 0 is off. TRL: `kl_coef`. verl: `kl_ctrl.kl_coef`."""
    target: Positive | None = None
    """Divergence per token (k3 estimate, in nats) towards which the coefficient is adapted; none keeps it fixed.
    verl: `kl_ctrl.target_kl`."""
    gain: Positive = 0.1
    """With a target: largest relative change of the coefficient in one step. Lower it if the coefficient oscillates."""


@dataclass(frozen=True, slots=True)
class PpoConfig(RunConfig):
    """Multi-agent PPO."""

    selection: SelectionOptions = field(
        default_factory=lambda: SelectionOptions(failures="all", loss_aggregation="token")
    )
    """Which turns are trained. Every token weighs the same. With per-agent averaging, a lead's tokens weigh less the
    more subagents it starts. When the critic underestimates returns, this favours small teams."""
    loss: PolicyLossOptions = field(default_factory=lambda: PolicyLossOptions(kl=0.0))
    """The clipped policy loss. Its `kl` is added to the penalty in the reward."""
    value: ValueOptions = field(default_factory=ValueOptions)
    """The critic."""
    value_weight: Positive = 0.5
    """Weight of the value loss relative to the policy loss. It matters if a shared critic's gradient reaches the policy
    (`value.detach=false`). TRL: `vf_coef`."""
    critic_optim: OptimOptions = field(default_factory=lambda: OptimOptions(lr=1e-4))
    """The optimizer of the critic's weights: those of the value head, or of the separate model."""
    kl: KlOptions = field(default_factory=KlOptions)
    """The penalty in the reward."""
    whiten: bool = True
    """Scale the advantages of a step's tokens to mean 0 and standard deviation 1, weighted as in the loss."""


def run_ppo(
    config: PpoConfig,
    *,
    game: Mapping[str, Any] | None = None,
    on_step: OnStep | None = None,
    on_episode: OnEpisode | None = None,
) -> RunResult:
    """Train as configured. An interrupted run resumes. Arguments and errors are those of `run_grpo`."""
    with RolloutManager(config, game, on_episode) as manager:
        model = load_model(config.model)
        reference = (
            reference_model(config.model, model) if config.kl.coefficient > 0 or config.loss.kl > 0 else None
        )
        critic = new_critic(config, model)
        steps = config.steps * config.updates
        optimizers = {
            "policy": Optimizer(model.named_parameters(), config.optim, steps),
            "critic": Optimizer(critic.named_parameters(), config.critic_optim, steps),
        }
        trained = nn.ModuleDict({"policy": model, "critic": critic})
        sampler = TaskSampler(manager.tasks, config.seed, config.widths)
        state = {"kl": config.kl.coefficient}
        with (
            ReinforcementRun(config, manager, model, trained, optimizers, on_step, state) as run,
            RolloutPrefetcher(
                lambda position: draw(manager, sampler, position, config), manager, config, run
            ) as prefetcher,
        ):
            while run.step < config.steps:
                rollouts, errors = prefetcher.take()
                began = time.perf_counter()
                batches = prepare(model, reference, critic, rollouts, config, run.state["kl"], run.step)
                metrics = train_step(model, critic, optimizers, batches, config, run.step)
                done = time.perf_counter()
                prefetcher.wait()
                metrics["kl_coefficient"] = run.state["kl"]
                run.state["kl"] = adapted(run.state["kl"], metrics.get("kl_penalty"), config.kl)
                run.finish(
                    {
                        **rollout_metrics(rollouts, run.step),
                        "failed_episodes": len(errors),
                        **metrics,
                        **prefetcher.metrics(rollouts),
                        "train_seconds": done - began,
                    },
                    sum(len(sample.places) for batch in batches for sample in batch.samples),
                )
        return run.result


def draw(
    manager: RolloutManager, sampler: TaskSampler, position: int, config: PpoConfig
) -> tuple[tuple[list[Rollout], list[str]], int]:
    """Play the episodes of a step.

    Args:
        manager: Runs the episodes.
        sampler: The order of tasks.
        position: Of the step's first task in that order.
        config: The settings.

    Returns:
        The rollouts with the errors of the episodes that failed, and the position after the step's last task.
    """
    return manager.run(sampler.jobs(position, config.tasks, config.group)), position + config.tasks


def new_critic(config: PpoConfig, model: TokenModel) -> ValueHead | Critic:
    """A head on the policy, or a second model that starts with the policy's weights."""
    if config.value.critic == "shared":
        size = int(model.causal.config.get_text_config().hidden_size)
        head: ValueHead = sharded(ValueHead(size, detach=config.value.detach).to(model.device))
        return head
    causal = load_causal(config.model)
    critic: Critic = sharded(
        Critic(causal, autocast=config.model.precision == "autocast"), layers_of(causal), model.device
    )
    return critic


@dataclass(frozen=True, slots=True)
class Prepared:
    """A mini-batch with all its columns, as the policy reads it and as the critic reads it."""

    samples: list[Sample]
    seen: list[Sample]
    """The samples as the critic reads them."""
    divergence: float
    """Divergence from the reference model: the mean k3 estimate over the tokens. NaN without a reference model."""


def prepare(
    model: TokenModel,
    reference: TokenModel | None,
    critic: ValueHead | Critic,
    rollouts: Sequence[Rollout],
    config: PpoConfig,
    kl: float,
    step: int,
) -> list[Prepared]:
    """Compute what stays the same in all updates of a step: old log-probabilities and values, advantages, returns.

    Args:
        model: The policy that played the episodes.
        reference: The model in the penalty and the KL term, if there is one.
        critic: The critic before the step.
        rollouts: Of the step.
        config: The settings.
        kl: The coefficient of the penalty.
        step: The number of the step, for the order of mini-batches.
    """
    usable = np.flatnonzero([rollout.trainable for rollout in rollouts])
    random = np.random.default_rng([config.seed, 4, step])
    size = config.tokens_per_row
    batches: list[Prepared] = []
    for chosen in mini_batches(
        [rollouts[number].group for number in usable.tolist()], config.mini_batch or config.tasks, random
    ):
        members = [rollouts[number] for number in usable[chosen].tolist()]
        batch = rollout_samples(members, np.zeros(len(members)), config.selection)
        if not batch.samples:
            continue
        seen = team_samples(batch, members) if config.value.view == "team" else batch.samples
        samples, values = scored(model, critic, batch.samples, seen, size)
        gaps: list[Floats] = [np.zeros(len(sample.places), np.float32) for sample in samples]
        if reference is not None:
            samples = with_logprobs(samples, reference, "reference", size)
            gaps = [sample.columns["old"] - sample.columns["reference"] for sample in samples]
        together = np.concatenate(gaps).astype(np.float64)
        divergence = float((np.exp(-together) - 1 + together).mean()) if reference is not None else np.nan
        advantages, returns = estimate(batch, members, values, [kl * gap for gap in gaps], config.value)
        columns = [
            {"value": value, "advantage": advantage, "return": back, "critic_weight": weight}
            for value, advantage, back, weight in zip(
                values, advantages, returns, critic_weights(batch, config.value), strict=True
            )
        ]
        batches.append(
            Prepared(
                [sample.with_columns(**more) for sample, more in zip(samples, columns, strict=True)],
                [sample.with_columns(**more) for sample, more in zip(seen, columns, strict=True)],
                divergence,
            )
        )
    return whitened(batches) if config.whiten else batches


def scored(
    model: TokenModel,
    critic: ValueHead | Critic,
    samples: Sequence[Sample],
    seen: Sequence[Sample],
    tokens_per_row: int,
) -> tuple[list[Sample], list[Floats]]:
    """The samples with their log-probabilities in the column "old", and the values before their trained tokens.

    Args:
        model: The policy.
        critic: A head on the policy, which computes values in the same pass, or a separate model.
        samples: As the policy reads them.
        seen: As a separate critic reads them.
        tokens_per_row: Tokens that go through a model at the same time.
    """
    if isinstance(critic, Critic):
        return with_logprobs(samples, model, "old", tokens_per_row), values_of(critic, seen, tokens_per_row)
    logprobs, values = logprobs_and_values(model, critic, samples, tokens_per_row)
    return [sample.with_columns(old=old) for sample, old in zip(samples, logprobs, strict=True)], values


def critic_weights(batch: SampleBatch, options: ValueOptions) -> list[Floats]:
    """The weight of every trained token in the value loss.

    If steps are tokens, it is the weight in the policy loss. If steps are turns, the critic is queried only at a turn's
    first token. That token has the weight of the whole turn, and the other tokens have 0.
    """
    weights = [sample.columns["weight"] for sample in batch.samples]
    if options.steps == "token":
        return weights
    firsts: list[Floats] = []
    for sample, turns, each in zip(batch.samples, batch.turns, weights, strict=True):
        first = np.zeros_like(each)
        for start, stop in spans(sample, turns).values():
            first[start] = each[start:stop].sum()
        firsts.append(first)
    return firsts


def estimate(
    batch: SampleBatch,
    rollouts: Sequence[Rollout],
    values: Sequence[Floats],
    penalties: Sequence[Floats],
    options: ValueOptions,
) -> tuple[list[Floats], list[Floats]]:
    """Advantages and returns of every sample's trained tokens, by GAE over each agent's trained turns."""
    advantages: list[Floats] = list(values)
    returns: list[Floats] = list(values)
    for owner, numbers in by_agent(batch).items():
        found = agent_gae(
            [turn.tokens for number in numbers for turn in batch.turns[number]],
            np.concatenate([values[number] for number in numbers]),
            rollouts[owner.rollout].reward,
            gamma=options.gamma,
            gae_lambda=options.gae_lambda,
            per_turn=options.steps == "turn",
            penalties=np.concatenate([penalties[number] for number in numbers]),
        )
        ends = np.cumsum([len(values[number]) for number in numbers])[:-1]
        for result, whole in zip((advantages, returns), found, strict=True):
            for number, part in zip(numbers, np.split(whole.astype(np.float32), ends), strict=True):
                result[number] = part
    return advantages, returns


def whitened(batches: Sequence[Prepared]) -> list[Prepared]:
    """The mini-batches with advantages scaled to mean 0 and standard deviation 1 over the step's tokens.

    Mean and standard deviation are weighted as in the loss.
    """
    if not batches:
        return []
    samples = [sample for batch in batches for sample in batch.samples]
    every = np.concatenate([sample.columns["advantage"] for sample in samples]).astype(np.float64)
    weights = np.concatenate([sample.columns["weight"] for sample in samples])
    mean = np.average(every, weights=weights)
    spread = np.sqrt(np.average((every - mean) ** 2, weights=weights)) + 1e-8

    def scaled(sample: Sample) -> Sample:
        advantage = (sample.columns["advantage"] - mean) / spread
        return sample.with_columns(advantage=advantage.astype(np.float32))

    return [replace(batch, samples=[scaled(sample) for sample in batch.samples]) for batch in batches]


def train_step(
    model: TokenModel,
    critic: ValueHead | Critic,
    optimizers: Mapping[str, Optimizer],
    batches: Sequence[Prepared],
    config: PpoConfig,
    step: int,
) -> dict[str, float]:
    """Update policy and critic on the mini-batches of a step. Returns the metrics of the step."""
    metrics, norms = MetricAccumulator(), []
    random = np.random.default_rng([config.seed, 5, step])
    for _ in range(config.epochs):
        for number in random.permutation(len(batches)):
            model.train()
            critic.train()
            for row in rows_of(batches[number].samples, config.tokens_per_row):
                row = row.to(model.device)
                scores = model(row, temperature=row.columns["temperature"], entropies=True)
                loss = policy_loss(
                    scores.logprobs,
                    row.columns["old"],
                    row.columns["advantage"],
                    row.columns["weight"],
                    config.loss,
                    engine=row.columns["engine"],
                    reference=row.columns.get("reference"),
                    entropies=scores.entropies,
                )
                total = loss.value
                metrics.add(loss.metrics)
                if isinstance(critic, ValueHead):
                    fit = value_loss(
                        critic(scores.hidden),
                        row.columns["value"],
                        row.columns["return"],
                        row.columns["critic_weight"],
                        clip=config.value.clip,
                    )
                    total = total + config.value_weight * fit.value
                    metrics.add(fit.metrics)
                total.backward()
            if isinstance(critic, Critic):
                for row in rows_of(batches[number].seen, config.tokens_per_row):
                    row = row.to(model.device)
                    fit = value_loss(
                        critic(row),
                        row.columns["value"],
                        row.columns["return"],
                        row.columns["critic_weight"],
                        clip=config.value.clip,
                    )
                    fit.value.backward()
                    metrics.add(fit.metrics)
            done = optimizers["policy"].step()
            optimizers["critic"].step()
            norms.append(done.norm)
    result = metrics.result()
    result["optimizer_steps"] = float(len(norms))
    if norms:
        spread = result["return_square"] - result.pop("return") ** 2
        result["explained_variance"] = 1 - result["value_error"] / spread if spread > 1e-12 else 0.0
        result |= {"gradient_norm": float(np.mean(norms)), "lr": done.lr}
        divergences = [batch.divergence for batch in batches if np.isfinite(batch.divergence)]
        result |= {"kl_penalty": float(np.mean(divergences))} if divergences else {}
        del result["return_square"]
    return result


def adapted(coefficient: float, divergence: float | None, options: KlOptions) -> float:
    """The penalty's coefficient for the next step. It rises if the divergence is above the target, else it falls."""
    if options.target is None or divergence is None:
        return coefficient
    error = min(1.0, max(-1.0, divergence / options.target - 1))
    return coefficient * (1 + options.gain * error)
