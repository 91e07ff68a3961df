"""Multi-agent PPO: one policy for all roles, and a critic that predicts the team's reward before every turn.

Read `run_ppo`, `prepare` and `train_step` from top to bottom: that is the whole algorithm.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, ClassVar

import numpy as np
import torch
from torch import Tensor, nn

from wideseek_baselines.tokens.loading import load_tokenizer
from wideseek_baselines.tokens.record import Rollout
from wideseek_baselines.train import distributed
from wideseek_baselines.train.config.loading import NotNegative, Positive
from wideseek_baselines.train.config.options import (
    OptimOptions,
    PolicyLossOptions,
    SelectionOptions,
    ValueOptions,
)
from wideseek_baselines.train.config.run import RunConfig
from wideseek_baselines.train.critic_steps import (
    COLUMNS,
    CriticBatch,
    CriticFit,
    critic_loss,
    critic_metrics,
    fit_critic,
)
from wideseek_baselines.train.data.joint_state import CriticInputs, joint_inputs, own_inputs
from wideseek_baselines.train.data.packing import Sample
from wideseek_baselines.train.data.samples import SampleBatch, by_agent, mini_batches, rollout_samples, spans
from wideseek_baselines.train.data.task_sampler import TaskSampler
from wideseek_baselines.train.loop import OnStep, ReinforcementRun, RunResult
from wideseek_baselines.train.model.critic import Critic, ValueHead
from wideseek_baselines.train.model.forward import (
    Floats,
    StateRow,
    logprobs_and_values,
    reference_model,
    values_of,
    with_logprobs,
)
from wideseek_baselines.train.model.model import TokenModel, layers_of, load_causal
from wideseek_baselines.train.model.role_models import load_policy
from wideseek_baselines.train.model.sharding import sharded
from wideseek_baselines.train.objective.advantages import agent_gae
from wideseek_baselines.train.objective.losses import k3, policy_loss
from wideseek_baselines.train.objective.metrics import MetricAccumulator
from wideseek_baselines.train.objective.role_metrics import role_metrics
from wideseek_baselines.train.optim.optimizer import Optimizer, PolicyOptimizer
from wideseek_baselines.train.optim.role_optimizers import policy_optimizer, step_metrics
from wideseek_baselines.train.prefetch import RolloutPrefetcher
from wideseek_baselines.train.reporting.throughput import critic_work, throughput_metrics, work_metrics
from wideseek_baselines.train.reporting.untrained import untrained_turns
from wideseek_baselines.train.rollouts.manager import OnEpisode, RolloutManager
from wideseek_baselines.train.rollouts.metrics import rollout_metrics
from wideseek_env.errors import ConfigError
from wideseek_env.game import GameConfig


@dataclass(frozen=True, slots=True)
class KlOptions:
    """A penalty in the reward of every token. It keeps the policy close to the reference model."""

    coefficient: NotNegative = 0.001
    """Weight of the penalty. The penalty of a token is its log-probability under the policy minus its log-probability
    under the reference model. 0 switches the penalty off. TRL: `kl_coef`. verl: `kl_ctrl.kl_coef`."""
    target: Positive | None = None
    """Target for the divergence per token, in nats (k3 estimate). After each step, the coefficient is changed to bring
    the divergence closer to the target. With `none`, the coefficient is fixed. verl: `kl_ctrl.target_kl`."""
    gain: Positive = 0.1
    """Largest relative change of the coefficient in one step, if there is a target. Lower it if the coefficient
    oscillates."""


@dataclass(frozen=True, slots=True)
class PpoConfig(RunConfig):
    """Multi-agent PPO."""

    algorithm: ClassVar[str] = "ppo"

    selection: SelectionOptions = field(
        default_factory=lambda: SelectionOptions(
            failures="all", loss_aggregation="token", loss_denominator="trained"
        )
    )
    """Which turns are trained. By default, every token has the same weight in the loss, and the weights sum to 1. With
    `loss_aggregation=agent`, each token of a lead has less weight if the lead starts more subagents. Such weights
    favour small teams when the critic underestimates returns."""
    loss: PolicyLossOptions = field(default_factory=lambda: PolicyLossOptions(kl=0.0))
    """The clipped policy loss. `loss.kl` is a separate KL term in the loss. It does not replace the penalty in the
    reward."""
    value: ValueOptions = field(default_factory=ValueOptions)
    """The critic."""
    value_weight: Positive = 0.5
    """Weight of a shared critic's value loss relative to the policy loss, if the gradient of the value loss reaches the
    policy (`value.detach=false`). TRL: `vf_coef`."""
    critic_optim: OptimOptions = field(default_factory=lambda: OptimOptions(lr=5e-4))
    """The optimizer of the critic. It updates the weights of the value head or of the separate model. Lower its `lr`
    for a large separate model, for example to 1e-5. MAPPO: `critic_lr`."""
    kl: KlOptions = field(default_factory=KlOptions)
    """The KL penalty in the reward."""
    whiten: bool = True
    """Whether to scale advantages so that, over all tokens of a step, their mean is 0 and their standard deviation is
    1. Both use the tokens' weights in the loss."""

    def __post_init__(self) -> None:
        RunConfig.__post_init__(self)
        if self.value.warmup_steps >= self.steps:
            raise ConfigError(
                f"value.warmup_steps={self.value.warmup_steps} leaves none of the {self.steps} steps to train the "
                "policy: lower it, or raise steps"
            )

    @property
    def joint_updates(self) -> bool:
        """Whether the policy's optimizer steps train the critic too: the gradient of the value loss reaches the
        policy.
        """
        return self.value.critic == "shared" and not self.value.detach

    @property
    def critic_steps(self) -> int:
        """Optimizer steps of the critic in the whole run, if every mini-batch has `mini_batch` tasks."""
        apart = self.value.warmup_steps if self.joint_updates else self.steps
        return (apart * self.value.epochs * self.updates) // self.epochs + (self.steps - apart) * self.updates


def run_ppo(
    config: PpoConfig,
    *,
    game: GameConfig | Mapping[str, Any] | None = None,
    on_step: OnStep | None = None,
    on_episode: OnEpisode | None = None,
) -> RunResult:
    """Train with the given settings. A run that was interrupted resumes. Arguments and errors are those of
    `run_grpo`.
    """
    check_tokens(config)
    with RolloutManager(config, game, on_episode) as manager:
        model = load_policy(config)
        reference = (
            reference_model(config.model, model) if config.kl.coefficient > 0 or config.loss.kl > 0 else None
        )
        critic = new_critic(config, model)
        steps = (config.steps - config.value.warmup_steps) * config.updates
        optimizers: dict[str, PolicyOptimizer] = {
            "policy": policy_optimizer(model, config.optim, steps),
            "critic": Optimizer(critic.named_parameters(), config.critic_optim, config.critic_steps),
        }
        trained = nn.ModuleDict({"policy": model, "critic": critic})
        sampler = TaskSampler(manager.tasks, config.seed, config.widths, config.steps * config.tasks)
        state = {"kl": config.kl.coefficient}
        with (
            ReinforcementRun(config, manager, model, trained, optimizers, on_step, state) as run,
            RolloutPrefetcher(
                lambda position: draw(manager, sampler, position, config), manager, config, run
            ) as prefetcher,
            run.stopping,
        ):
            while run.step < config.steps:
                rollouts, errors = prefetcher.take()
                with run.stopping.held():
                    began = time.perf_counter()
                    batches = prepare(model, reference, critic, rollouts, config, run.state["kl"], run.step)
                    metrics = train_step(model, critic, optimizers, batches, config, run.step)
                    done = time.perf_counter()
                    prefetcher.wait()
                    metrics["kl_coefficient"] = run.state["kl"]
                    run.state["kl"] = adapted(run.state["kl"], metrics.get("kl_penalty"), config.kl)
                    warm = run.step >= config.value.warmup_steps
                    run.finish(
                        {
                            **rollout_metrics(rollouts, run.step, config.moving_roles),
                            "failed_episodes": len(errors),
                            **throughput_metrics(metrics, done - began, model.device),
                            **prefetcher.metrics(rollouts),
                            "train_seconds": done - began,
                        },
                        sum(len(sample.places) for batch in batches for sample in batch.samples)
                        if warm
                        else 0,
                        untrained_turns(rollouts, metrics) if warm else [],
                    )
                run.after_step()
        return run.result


def check_tokens(config: PpoConfig) -> None:
    """Check that a critic of the joint state can read the tokens of all agents.

    Raises:
        ConfigError: The model of the frozen roles has another tokenizer than the policy.
    """
    frozen = config.roles.frozen
    if config.value.view != "team" or frozen is None:
        return
    if load_tokenizer(config.model.path).get_vocab() != load_tokenizer(frozen).get_vocab():
        raise ConfigError(
            f"a critic with value.view=team reads the tokens of all agents, but {frozen} has another tokenizer than "
            f"{config.model.path}: set value.view=own, or roles.frozen to a model with the same tokenizer"
        )


def draw(
    manager: RolloutManager, sampler: TaskSampler, position: int, config: PpoConfig
) -> tuple[tuple[list[Rollout], list[str]], int]:
    """Play the episodes of a step.

    Args:
        manager: Runs the episodes.
        sampler: The order of tasks.
        position: The position of the step's first task in that order.
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
    """A mini-batch of samples with all their columns. The policy and the critic may read different tokens."""

    samples: list[Sample]
    critic: CriticBatch
    """The same trained tokens, with what the critic reads."""
    divergence: float
    """Divergence of the policy from the reference model: the mean k3 estimate over tokens. NaN without a reference
    model."""


def prepare(
    model: TokenModel,
    reference: TokenModel | None,
    critic: ValueHead | Critic,
    rollouts: Sequence[Rollout],
    config: PpoConfig,
    kl: float,
    step: int,
) -> list[Prepared]:
    """Compute what all updates of a step share: old log-probabilities, old values, advantages and returns.

    With `value.normalize`, the statistics of the critic get the returns of the step first. These are the rewards that
    were really paid, so they do not depend on values.

    Args:
        model: The policy that played the episodes.
        reference: The reference model of the penalty and of the KL term. None if there is neither.
        critic: The critic before the step.
        rollouts: The rollouts of the step.
        config: The settings.
        kl: The coefficient of the penalty.
        step: The number of the step. The order of mini-batches depends on it.
    """
    usable = np.flatnonzero([rollout.trainable for rollout in rollouts])
    random = np.random.default_rng([config.seed, 4, step])
    drafts: list[Draft] = []
    for chosen in mini_batches(
        [rollouts[number].group for number in usable.tolist()], config.mini_batch or config.tasks, random
    ):
        members = [rollouts[number] for number in usable[chosen].tolist()]
        batch = rollout_samples(members, np.zeros(len(members)), config.selection, config.planned)
        if batch.samples:
            drafts.append(scored(model, reference, critic, batch, members, config, kl))
    if not drafts:
        return []
    outputs = [[critic.norm.outputs(values) for values in draft.values] for draft in drafts]
    if config.value.normalize:
        found, weights = zip(*(paid_returns(draft, config.value) for draft in drafts), strict=True)
        critic.norm.update(np.concatenate(found), np.concatenate(weights))
    batches: list[Prepared] = []
    for draft, each in zip(drafts, outputs, strict=True):
        values = [critic.norm.values(output).astype(np.float32) for output in each]
        advantages, returns = estimate(draft.batch, draft.rollouts, values, draft.penalties, config.value)
        samples = [
            sample.with_columns(**{"value": value, "advantage": advantage, "return": back})
            for sample, value, advantage, back in zip(draft.samples, values, advantages, returns, strict=True)
        ]
        needed = [{name: sample.columns[name] for name in COLUMNS} for sample in samples]
        seen = CriticBatch(draft.inputs.with_columns(needed), draft.states)
        batches.append(Prepared(samples, seen, draft.divergence))
    return whitened(batches) if config.whiten else batches


@dataclass(frozen=True, slots=True)
class Draft:
    """A mini-batch before its advantages are computed.

    Attributes:
        batch: The samples with their owners and turns.
        rollouts: The rollouts of the mini-batch.
        samples: The samples with the columns "old", "critic_weight" and perhaps "reference".
        inputs: What the critic reads.
        values: The critic's values before the trained tokens.
        states: The hidden states for the epochs of a value head.
        penalties: The KL penalty of each trained token.
        divergence: See `Prepared`.
    """

    batch: SampleBatch
    rollouts: list[Rollout]
    samples: list[Sample]
    inputs: CriticInputs
    values: list[Floats]
    states: list[StateRow] | None
    penalties: list[Floats]
    divergence: float


def scored(
    model: TokenModel,
    reference: TokenModel | None,
    critic: ValueHead | Critic,
    batch: SampleBatch,
    rollouts: list[Rollout],
    config: PpoConfig,
    kl: float,
) -> Draft:
    """Compute log-probabilities, values and penalties of a mini-batch. Arguments: see `prepare`.

    A value head needs no separate pass. A separate critic reads the samples of `Draft.inputs`.
    """
    size = config.tokens_per_row
    inputs = own_inputs(batch)
    if config.value.view == "team":
        inputs = joint_inputs(batch, rollouts, critic_context(config, model))
    samples = [
        sample.with_columns(critic_weight=weight)
        for sample, weight in zip(batch.samples, critic_weights(batch, config.value), strict=True)
    ]
    states: list[StateRow] | None = None
    if isinstance(critic, Critic):
        samples = with_logprobs(samples, model, "old", size)
        values = inputs.collected(values_of(critic, inputs.samples, size), len(samples))
    else:
        states = []
        logprobs, values = logprobs_and_values(model, critic, samples, size, states)
        samples = [sample.with_columns(old=old) for sample, old in zip(samples, logprobs, strict=True)]
    gaps: list[Floats] = [np.zeros(len(sample.places), np.float32) for sample in samples]
    divergence = np.nan
    if reference is not None:
        samples = with_logprobs(samples, reference, "reference", size)
        gaps = [sample.columns["old"] - sample.columns["reference"] for sample in samples]
        # Bounded as in the loss: one token could otherwise decide how the coefficient adapts.
        gap = torch.from_numpy(np.concatenate(gaps).astype(np.float64))
        divergence = float(k3(gap, torch.zeros_like(gap), limit=config.loss.kl_clip).mean())
    penalties = [kl * gap for gap in gaps]
    return Draft(batch, rollouts, samples, inputs, values, states, penalties, divergence)


def critic_context(config: PpoConfig, model: TokenModel) -> int:
    """The largest number of tokens that a critic of the joint state reads before a turn."""
    limit = getattr(model.causal.config.get_text_config(), "max_position_embeddings", None)
    return config.value.context or config.engine.context or int(limit or config.tokens_per_row)


def paid_returns(draft: Draft, options: ValueOptions) -> tuple[Floats, Floats]:
    """The discounted rewards that were really paid after each trained token, and the weights of the tokens in the value
    loss.
    """
    nothing: list[Floats] = [np.zeros_like(values) for values in draft.values]
    paid = replace(options, gae_lambda=1.0)
    _, returns = estimate(draft.batch, draft.rollouts, nothing, draft.penalties, paid)
    return np.concatenate(returns), np.concatenate([each.columns["critic_weight"] for each in draft.samples])


def critic_weights(batch: SampleBatch, options: ValueOptions) -> list[Floats]:
    """The weight of every trained token in the value loss.

    If `steps` is "token", a token has the same weight as in the policy loss. If `steps` is "turn", only the first token
    of each turn counts. Its weight is the sum of the weights of the turn's tokens. The other tokens have weight 0.
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
    """Advantages and returns of all trained tokens, by generalised advantage estimation over each agent's trained
    turns.
    """
    advantages: list[Floats] = list(values)
    returns: list[Floats] = list(values)
    for owner, numbers in by_agent(batch).items():
        found = agent_gae(
            [turn.tokens for number in numbers for turn in batch.turns[number]],
            np.concatenate([values[number] for number in numbers]),
            rollouts[owner.rollout].credit(rollouts[owner.rollout].agents[owner.agent]),
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
    """Scale the advantages of a step so that their mean is 0 and their standard deviation is 1.

    Both are over all tokens of the mini-batches, with the tokens' weights in the loss.
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
    optimizers: Mapping[str, PolicyOptimizer],
    batches: Sequence[Prepared],
    config: PpoConfig,
    step: int,
) -> dict[str, float]:
    """Update policy and critic on the mini-batches of a step. Returns the metrics of the step."""
    metrics, done = MetricAccumulator(), []
    losses: list[Tensor] = []
    critic_fit = CriticFit()
    random = np.random.default_rng([config.seed, 5, step])
    std = critic.norm.std
    warm = step >= config.value.warmup_steps
    for _ in range(config.epochs if warm else 0):
        for number in random.permutation(len(batches)):
            model.train()
            critic.train()
            for row in model.rows(batches[number].samples, config.tokens_per_row):
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
                    counts=row.counts,
                    kl_weights=row.columns.get("kl_weight"),
                )
                total = loss.value
                losses.append(loss.value.detach())
                metrics.add(loss.metrics)
                metrics.add(
                    role_metrics(
                        row.columns["role"], scores.logprobs, scores.entropies, row.columns.get("reference")
                    )
                )
                if config.joint_updates and isinstance(critic, ValueHead):
                    fit = critic_loss(critic(scores.hidden), row.columns, config.value.clip, std)
                    total = total + config.value_weight * fit.value
                    critic_fit.add(fit)
                total.backward()
            done.append(optimizers["policy"].step())
            if config.joint_updates:
                critic_fit.stepped(optimizers["critic"].step())
    if not (warm and config.joint_updates):
        apart = np.random.default_rng([config.seed, 6, step])
        seen = [batch.critic for batch in batches]
        critic_fit = fit_critic(
            critic, optimizers["critic"], seen, config.value, config.tokens_per_row, apart
        )
    result = metrics.result() | critic_fit.result()
    result["optimizer_steps"] = float(len(done))
    (loss_sum,) = distributed.summed(float(sum(losses)))
    samples = [sample for batch in batches for sample in batch.samples]
    if done:
        result |= {"loss": loss_sum / len(done), **step_metrics(done)}
    if batches:
        result |= work_of_step(model, critic, batches, config, warm=warm)
        result |= critic_metrics(samples)
        divergences = [batch.divergence for batch in batches if np.isfinite(batch.divergence)]
        result |= {"kl_penalty": float(np.mean(divergences))} if divergences else {}
    return result


def work_of_step(
    model: TokenModel,
    critic: ValueHead | Critic,
    batches: Sequence[Prepared],
    config: PpoConfig,
    *,
    warm: bool,
) -> dict[str, float]:
    """How much `prepare` and `train_step` computed (`work_metrics`): by the policy, the reference model and a separate
    critic. A value head is too small to count.

    Args:
        model: The policy.
        critic: The critic.
        batches: The mini-batches of the step.
        config: The settings.
        warm: Whether the policy was trained too.
    """
    samples = [sample for batch in batches for sample in batch.samples]
    forward = 1 + int("reference" in samples[0].columns)
    found = work_metrics(model, samples, updates=config.epochs if warm else 0, forward=forward)
    if isinstance(critic, Critic):
        read = [sample for batch in batches for sample in batch.critic.samples]
        work = critic_work(critic, read, updates=config.value.epochs, forward=1)
        found = {name: value + work[name] for name, value in found.items()}
    return found


def adapted(coefficient: float, divergence: float | None, options: KlOptions) -> float:
    """The coefficient of the penalty in the next step. It rises if the divergence is above the target, and falls
    otherwise.
    """
    if options.target is None or divergence is None:
        return coefficient
    error = min(1.0, max(-1.0, divergence / options.target - 1))
    return coefficient * (1 + options.gain * error)
