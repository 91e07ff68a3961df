"""Multi-agent PPO: one actor for all roles, a critic that says before every turn what the team will be paid.

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
from wideseek_baselines.train.data.samples import Samples, by_agent, mini_batches, rollout_samples, spans
from wideseek_baselines.train.data.task_sampler import TaskSampler
from wideseek_baselines.train.loop import Report, Run, RunResult
from wideseek_baselines.train.model.critic import Critic, ValueHead, team_examples
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
from wideseek_baselines.train.rollouts.manager import RolloutManager, Watch
from wideseek_baselines.train.rollouts.metrics import rollout_metrics


@dataclass(frozen=True, slots=True)
class KlOptions:
    """A penalty in the reward of every token for moving away from the reference model."""

    coefficient: NotNegative = 0.001
    """Times the difference of log-probabilities (policy minus reference) is subtracted; 0 is off."""
    target: Positive | None = None
    """Divergence a token (k3 estimate, in nats) towards which the coefficient is adapted; none keeps it fixed."""
    gain: Positive = 0.1
    """With a target: the coefficient changes by at most this share a step."""


@dataclass(frozen=True, slots=True)
class PpoConfig(RunConfig):
    """Multi-agent PPO."""

    selection: SelectionOptions = field(
        default_factory=lambda: SelectionOptions(failures="all", loss_aggregation="token")
    )
    """Which turns are trained. Every token weighs the same: averaged by agent, what a lead does counts for less the
    more subagents it starts, so that where the critic expects too little, small teams would gain by it."""
    loss: PolicyLossOptions = field(default_factory=lambda: PolicyLossOptions(kl=0.0))
    """The clipped policy loss; its `kl` comes on top of the penalty in the reward."""
    value: ValueOptions = field(default_factory=ValueOptions)
    """The critic."""
    value_weight: Positive = 0.5
    """Weight of the value loss beside the policy loss; matters where a shared critic's gradient reaches the policy."""
    critic_optim: OptimOptions = field(default_factory=lambda: OptimOptions(lr=1e-4))
    """How the critic's own weights move: the head's, or those of the separate model."""
    kl: KlOptions = field(default_factory=KlOptions)
    """The penalty in the reward."""
    whiten: bool = True
    """Bring the advantages of a step's tokens to mean 0 and standard deviation 1, as the loss weights them."""


def run_ppo(
    config: PpoConfig,
    *,
    game: Mapping[str, Any] | None = None,
    report: Report | None = None,
    watch: Watch | None = None,
) -> RunResult:
    """Train as configured; continues a run that was broken off. Arguments and errors are those of `run_grpo`."""
    with RolloutManager(config, game, watch) as players:
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
        order = TaskSampler(players.tasks, config.seed, config.widths)
        state = {"kl": config.kl.coefficient}
        with (
            Run(config, players, model, trained, optimizers, report, state) as run,
            RolloutPrefetcher(
                lambda state: draw(players, order, state, config), players, config, run
            ) as feed,
        ):
            while run.step < config.steps:
                rollouts, errors = feed.take()
                began = time.perf_counter()
                batches = prepare(model, reference, critic, rollouts, config, run.state["kl"], run.step)
                figures = train_step(model, critic, optimizers, batches, config, run.step)
                done = time.perf_counter()
                feed.wait()
                figures["kl_coefficient"] = run.state["kl"]
                run.state["kl"] = adapted(run.state["kl"], figures.get("kl_penalty"), config.kl)
                run.finish(
                    {
                        **rollout_metrics(rollouts, run.step),
                        "failed_episodes": len(errors),
                        **figures,
                        **feed.figures(rollouts),
                        "train_seconds": done - began,
                    },
                    sum(len(example.places) for batch in batches for example in batch.examples),
                )
        return run.result


def draw(
    players: RolloutManager, order: TaskSampler, state: dict[str, Any], config: PpoConfig
) -> tuple[list[Rollout], list[str]]:
    """Play the episodes of a step; the errors of those that failed. Counts on ``state["drawn"]``."""
    jobs = order.jobs(state["drawn"], config.tasks, config.group)
    state["drawn"] += config.tasks
    return players.play(jobs)


def new_critic(config: PpoConfig, model: TokenModel) -> ValueHead | Critic:
    """A head on the policy, or a second model that begins with the policy's weights."""
    if config.value.critic == "shared":
        size = int(model.causal.config.get_text_config().hidden_size)
        return sharded(ValueHead(size, detach=config.value.detach).to(model.device))
    causal = load_causal(config.model)
    critic = Critic(causal, autocast=config.model.precision == "autocast")
    return sharded(critic, layers_of(causal), model.device)


@dataclass(frozen=True, slots=True)
class Prepared:
    """A mini-batch with all its columns: as the policy reads it, and as the critic does."""

    examples: list[Sample]
    seen: list[Sample]
    divergence: float
    """From the reference: the mean k3 estimate over its tokens; NaN without one."""


def prepare(
    model: TokenModel,
    reference: TokenModel | None,
    critic: ValueHead | Critic,
    rollouts: Sequence[Rollout],
    config: PpoConfig,
    kl: float,
    step: int,
) -> list[Prepared]:
    """What stays the same over all updates of a step: old log-probabilities and values, advantages, returns.

    Args:
        model: The policy as it played.
        reference: Where there is a penalty or a KL term.
        critic: As it is.
        rollouts: Of the step.
        config: Of the run.
        kl: The coefficient of the penalty.
        step: Its number, for the order of mini-batches.
    """
    usable = np.flatnonzero([rollout.trainable for rollout in rollouts])
    random = np.random.default_rng([config.seed, 4, step])
    size = config.tokens_per_row
    batches: list[Prepared] = []
    for chosen in mini_batches(
        [rollouts[number].group for number in usable], config.mini_batch or config.tasks, random
    ):
        members = [rollouts[number] for number in usable[chosen]]
        samples = rollout_samples(members, np.zeros(len(members)), config.selection)
        if not samples.examples:
            continue
        seen = team_examples(samples, members) if config.value.view == "team" else samples.examples
        examples, values = scored(model, critic, samples.examples, seen, size)
        gaps: list[Floats] = [np.zeros(len(example.places), np.float32) for example in examples]
        if reference is not None:
            examples = with_logprobs(examples, reference, "reference", size)
            gaps = [example.columns["old"] - example.columns["reference"] for example in examples]
        together = np.concatenate(gaps).astype(np.float64)
        divergence = float((np.exp(-together) - 1 + together).mean()) if reference is not None else np.nan
        advantages, returns = estimate(samples, members, values, [kl * gap for gap in gaps], config.value)
        columns = [
            {"value": value, "advantage": advantage, "return": back, "critic_weight": weight}
            for value, advantage, back, weight in zip(
                values, advantages, returns, critic_weights(samples, config.value), strict=True
            )
        ]
        batches.append(
            Prepared(
                [example.with_columns(**more) for example, more in zip(examples, columns, strict=True)],
                [example.with_columns(**more) for example, more in zip(seen, columns, strict=True)],
                divergence,
            )
        )
    return whitened(batches) if config.whiten else batches


def scored(
    model: TokenModel,
    critic: ValueHead | Critic,
    examples: Sequence[Sample],
    seen: Sequence[Sample],
    tokens_per_row: int,
) -> tuple[list[Sample], list[Floats]]:
    """The examples with their log-probabilities in the column "old", and the values before their trained tokens.

    Args:
        model: The policy.
        critic: A head on the policy, which scores in the same pass, or a model of its own.
        examples: As the policy reads them.
        seen: As a critic of its own reads them.
        tokens_per_row: See `pack`.
    """
    if isinstance(critic, Critic):
        return with_logprobs(examples, model, "old", tokens_per_row), values_of(critic, seen, tokens_per_row)
    logprobs, values = logprobs_and_values(model, critic, examples, tokens_per_row)
    return [example.with_columns(old=old) for example, old in zip(examples, logprobs, strict=True)], values


def critic_weights(samples: Samples, options: ValueOptions) -> list[Floats]:
    """How much every trained token counts in the value loss.

    As much as in the policy's, where steps are tokens. Where they are turns, the critic is asked at a turn's first
    token alone: that one has the weight of the whole turn, and the others 0.
    """
    weights = [example.columns["weight"] for example in samples.examples]
    if options.steps == "token":
        return weights
    firsts: list[Floats] = []
    for example, turns, each in zip(samples.examples, samples.turns, weights, strict=True):
        first = np.zeros_like(each)
        for start, stop in spans(example, turns).values():
            first[start] = each[start:stop].sum()
        firsts.append(first)
    return firsts


def estimate(
    samples: Samples,
    rollouts: Sequence[Rollout],
    values: Sequence[Floats],
    penalties: Sequence[Floats],
    options: ValueOptions,
) -> tuple[list[Floats], list[Floats]]:
    """Advantages and returns of every example's trained tokens, by GAE over each agent's trained turns."""
    advantages: list[Floats] = list(values)
    returns: list[Floats] = list(values)
    for owner, numbers in by_agent(samples).items():
        found = agent_gae(
            [turn.tokens for number in numbers for turn in samples.turns[number]],
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
    """The same with advantages of mean 0 and standard deviation 1 over the step's tokens, weighted as in the loss."""
    if not batches:
        return []
    examples = [example for batch in batches for example in batch.examples]
    every = np.concatenate([example.columns["advantage"] for example in examples]).astype(np.float64)
    weights = np.concatenate([example.columns["weight"] for example in examples])
    mean = np.average(every, weights=weights)
    spread = np.sqrt(np.average((every - mean) ** 2, weights=weights)) + 1e-8

    def scaled(example: Sample) -> Sample:
        advantage = (example.columns["advantage"] - mean) / spread
        return example.with_columns(advantage=advantage.astype(np.float32))

    return [replace(batch, examples=[scaled(example) for example in batch.examples]) for batch in batches]


def train_step(
    model: TokenModel,
    critic: ValueHead | Critic,
    optimizers: Mapping[str, Optimizer],
    batches: Sequence[Prepared],
    config: PpoConfig,
    step: int,
) -> dict[str, float]:
    """Update policy and critic on the mini-batches of a step; its figures."""
    tally, norms = MetricAccumulator(), []
    random = np.random.default_rng([config.seed, 5, step])
    for _ in range(config.epochs):
        for number in random.permutation(len(batches)):
            model.train()
            critic.train()
            for row in rows_of(batches[number].examples, config.tokens_per_row):
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
                tally.add(loss.tally)
                if isinstance(critic, ValueHead):
                    fit = value_loss(
                        critic(scores.hidden),
                        row.columns["value"],
                        row.columns["return"],
                        row.columns["critic_weight"],
                        clip=config.value.clip,
                    )
                    total = total + config.value_weight * fit.value
                    tally.add(fit.tally)
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
                    tally.add(fit.tally)
            done = optimizers["policy"].step()
            optimizers["critic"].step()
            norms.append(done.norm)
    figures = tally.result()
    figures["optimizer_steps"] = float(len(norms))
    if norms:
        spread = figures["return_square"] - figures.pop("return") ** 2
        figures["explained_variance"] = 1 - figures["value_error"] / spread if spread > 1e-12 else 0.0
        figures |= {"gradient_norm": float(np.mean(norms)), "lr": done.lr}
        divergences = [batch.divergence for batch in batches if np.isfinite(batch.divergence)]
        figures |= {"kl_penalty": float(np.mean(divergences))} if divergences else {}
        del figures["return_square"]
    return figures


def adapted(coefficient: float, divergence: float | None, options: KlOptions) -> float:
    """The penalty's coefficient for the next step: raised where the policy went further than the target."""
    if options.target is None or divergence is None:
        return coefficient
    error = min(1.0, max(-1.0, divergence / options.target - 1))
    return coefficient * (1 + options.gain * error)
