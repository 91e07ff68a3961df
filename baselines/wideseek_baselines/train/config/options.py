"""The tables of settings that several training configurations share. The string under each field is its help text."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Annotated, Literal, TypeAlias

from wideseek_baselines.train.config.loading import Count, NotNegative, Positive, Range, Share, Whole
from wideseek_baselines.train.config.named_losses import LossName
from wideseek_env.errors import ConfigError
from wideseek_env.messages import Role

Attention: TypeAlias = Literal["packed", "sdpa", "flash_attention_2"]
"""How attention is computed for packed rows. `packed` computes each sequence separately, with the code in
`wideseek_baselines.train.model.attention`. `sdpa` is transformers' implementation with a block mask.
`flash_attention_2` uses the package flash-attn."""
TrackerName: TypeAlias = Literal["tensorboard", "wandb", "trackio"]
"""Programs that show the metrics of a run."""


@dataclass(frozen=True, slots=True)
class LoraOptions:
    """Low-rank adapters (LoRA). Only the adapters are trained. The model's own weights do not change."""

    rank: Whole = 0
    """Rank of the adapters. With 0, there are no adapters and all weights are trained. TRL and peft: `r`."""
    alpha: Positive = 32.0
    """Scale of the adapters. The output of each adapter is multiplied by `alpha / rank`. TRL and peft: `lora_alpha`."""
    targets: tuple[str, ...] = ("q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj")
    """Names of the linear layers that get an adapter. Change the names if the model calls its layers differently. TRL
    and peft: `target_modules`."""
    dropout: Annotated[float, Range(0, 0.99)] = 0.0
    """Dropout of adapters: the share of an adapter's inputs that is set to 0 in training. TRL and peft:
    `lora_dropout`."""

    def __post_init__(self) -> None:
        if not self.targets:
            raise ConfigError("targets must name at least one linear layer")


@dataclass(frozen=True, slots=True)
class ModelOptions:
    """The model that is trained, and how it computes."""

    path: str
    """A Hugging Face folder with model and tokenizer, the model's name on the Hugging Face hub, or the name of a model
    that ships with the baselines."""
    device: str = "auto"
    """The device: "auto", "cpu", "cuda" or "cuda:0". "auto" is the first CUDA device, or the CPU if there is none."""
    precision: Literal["float32", "autocast", "bfloat16"] = "autocast"
    """Number types. `float32` uses float32 for weights and computation. `autocast` has float32 weights and computes
    matrix products in bfloat16. `bfloat16` has bfloat16 weights, and the optimizer keeps a float32 copy of the weights.
    verl: `model_dtype`."""
    attention: Attention = "packed"
    """How attention is computed where several sequences are packed into one row. `packed` computes each sequence
    separately. `sdpa` and `flash_attention_2` are the implementations of transformers. Choose one of these two for
    models with sliding windows."""
    checkpoint_activations: bool = False
    """Keep only the input of each layer in memory, and recompute everything else in the backward pass. A step then
    needs less memory and about a third more time. TRL: `gradient_checkpointing`."""
    logits_chunk: Count = 2048
    """Number of tokens whose logits are in memory at the same time. Lower it if the vocabulary is large and memory is
    short."""
    compile: bool = False
    """Whether to compile the layers with torch.compile. On a CPU, this needs a C++ compiler."""
    lora: LoraOptions = field(default_factory=LoraOptions)
    """Low-rank adapters, which can be trained instead of all weights."""


@dataclass(frozen=True, slots=True)
class OptimOptions:
    """The optimizer, its learning-rate schedule, and its guards against bad gradients."""

    lr: Positive = 1e-6
    """Highest learning rate. TRL: `learning_rate`."""
    matrices: Literal["adamw", "muon"] = "adamw"
    """Optimizer of all weight matrices except the embeddings. Other weights always use AdamW. When a model is trained
    from scratch, `muon` reaches a lower loss in the same number of steps. Its updates have the size of AdamW's, so `lr`
    keeps its meaning."""
    schedule: Literal["constant", "linear", "cosine"] = "constant"
    """How the learning rate changes after the warm-up. With `linear` and `cosine` it falls to `lr_end` × `lr` at the
    last step.
    TRL: `lr_scheduler_type`."""
    warmup: Whole = 0
    """Number of optimizer steps at the beginning in which the learning rate rises from 0 to `lr`. TRL: `warmup_steps`.
    verl: `lr_warmup_steps`."""
    lr_end: Share = 0.0
    """The learning rate of the last step, as a share of `lr`. verl: `min_lr_ratio`."""
    betas: tuple[float, ...] = (0.9, 0.999)
    """AdamW's two decay rates. The first belongs to the running mean of gradients, the second to the running mean of
    squared gradients. Lower the second rate, for example to 0.95, if single batches with large gradients make training
    unstable. TRL: `adam_beta1`, `adam_beta2`."""
    eps: Positive = 1e-8
    """AdamW's epsilon, which is added to the denominator. Raise it to make the first updates of weights with tiny
    gradients smaller.
    TRL: `adam_epsilon`."""
    weight_decay: NotNegative = 0.0
    """Weight decay of matrices. Vectors, such as norms and biases, never decay. Raise it, for example to 0.01, for long
    runs on few data."""
    max_norm: NotNegative = 1.0
    """Largest norm of the gradient. A gradient with a larger norm is scaled down to this norm. 0 switches this off.
    TRL: `max_grad_norm`. verl: `grad_clip`."""
    max_skipped: Count = 5
    """A step whose gradient is not finite is skipped. After this number of skipped steps in a row, training stops."""

    def __post_init__(self) -> None:
        if len(self.betas) != 2 or not all(0 <= beta < 1 for beta in self.betas):
            raise ConfigError(f"betas must be two numbers from 0 to below 1, not {list(self.betas)}")


@dataclass(frozen=True, slots=True)
class CheckpointOptions:
    """When checkpoints are written."""

    every: Whole = 100
    """Number of steps between checkpoints. With 0, the run writes only the last checkpoint. TRL: `save_steps`. verl:
    `save_freq`."""
    keep: Count = 2
    """How many of the newest checkpoints are kept. Raise it to compare older models. TRL: `save_total_limit`."""


@dataclass(frozen=True, slots=True)
class AdvantageOptions:
    """How the rewards of a group become advantages."""

    scale: Literal["std", "none"] = "std"
    """`std` divides advantages by the standard deviation of the group's rewards. `none` does not divide. Then tasks
    whose rewards differ little count less (Dr. GRPO). TRL: `scale_rewards`. verl: `norm_adv_by_std_in_grpo`."""
    std: Literal["population", "sample"] = "population"
    """The standard deviation of R rewards. `population` divides the squared deviations by R. `sample` divides them by
    R - 1, as WideSeek-R1, TRL and verl do. Then advantages are smaller: by 6 % with 8 rollouts."""
    baseline: Literal["mean", "leave_one_out"] = "mean"
    """What is subtracted from a reward. `mean` subtracts the mean reward of the group. `leave_one_out` subtracts the
    mean reward of the other rollouts of the group (RLOO). Choose `leave_one_out` for small groups."""
    zero_variance_groups: Literal["drop", "keep"] = "drop"
    """What to do with groups whose rewards are all equal, because they teach nothing. `drop` leaves them out. `keep`
    trains on them with advantages of 0. Then they still add to the KL term and count in the averages of the loss. verl:
    `filter_groups`."""


@dataclass(frozen=True, slots=True)
class SelectionOptions:
    """Which turns are trained, and how much each token counts."""

    roles: tuple[Role, ...] = ("lead", "subagent", "single")
    """Roles whose agents are trained. Agents in other roles play too, but their tokens are not in the loss."""
    failures: Literal["failed_turns", "wideseek_r1", "all", "none"] = "failed_turns"
    """Which turns of a failed episode are trained. `failed_turns`: only the turns that made it fail, chosen for each
    agent. `wideseek_r1`: the same, but one turn that filled an agent's context with 8,000 tokens or more excludes the
    other cut-off turns of the episode. `all`: all turns. `none`: no turns.
    TRL: `mask_truncated_completions` is similar to `none`."""
    loss_aggregation: Literal["agent", "rollout", "token", "constant"] = "agent"
    """How the losses of tokens are averaged. `agent` takes the mean over the tokens of each agent, then over agents,
    then over rollouts, then over tasks, as in WideSeek-R1. `rollout` takes the mean over all tokens of each rollout,
    then over rollouts, then over tasks. `token` takes one mean over all tokens of the mini-batch. `constant` takes the
    sum over all tokens of each rollout divided by `loss_tokens`, then the mean over rollouts, then over tasks.
    TRL: `loss_type`. verl: `loss_agg_mode`."""
    loss_tokens: Count = 1024
    """The divisor of `loss_aggregation=constant`: a number of tokens that does not depend on the rollouts."""
    loss_denominator: Literal["constant", "trained"] = "constant"
    """The number of rollouts by which the loss is divided. `constant`: the rollouts that a mini-batch should have
    (`mini_batch` × `group`), as in WideSeek-R1. Then rollouts that are left out do not change the weight of the others.
    `trained`: the rollouts that have trained tokens. Then the others get more weight."""
    kl_denominator: Literal["rollouts", "turns"] = "rollouts"
    """By what the KL term is divided. `rollouts`: by the same number as the rest of the loss. `turns`: by the number of
    trained turns of the mini-batch, as in WideSeek-R1's code. Then the KL term is weaker by the mean number of turns of
    a rollout."""

    def __post_init__(self) -> None:
        if not self.roles:
            raise ConfigError("roles must name at least one of lead, subagent, single")


@dataclass(frozen=True, slots=True)
class PolicyLossOptions:
    """The clipped policy loss and its additional terms."""

    name: LossName | None = None
    """A published loss, for GRPO: "dr_grpo", "dapo", "gspo" or "cispo". Its settings replace those of a preset. Other
    settings in a file or on the command line replace those of the loss. TRL: `loss_type`."""
    objective: Literal["clip", "cispo"] = "clip"
    """What is maximised for each token. `clip`: the smaller of ratio times advantage and clipped ratio times advantage
    (PPO). Tokens whose ratio was clipped have no gradient. `cispo`: the log-probability times the advantage times the
    clipped ratio, where the ratio has no gradient. Then every token has a gradient."""
    ratio: Literal["token", "sequence"] = "token"
    """The ratio of new to old probability. `token`: that of the token. `sequence`: for all trained tokens of a sequence
    the geometric mean of their ratios (GSPO). A sequence is a conversation of an agent, or a part of it if the chat
    template changes earlier turns. TRL: `importance_sampling_level`."""
    clip_low: Share = 0.2
    """The lower clipping bound of the ratio of new to old probability is 1 minus this value. TRL: `epsilon`. verl:
    `clip_ratio_low`."""
    clip_high: NotNegative = 0.2
    """The upper clipping bound of the ratio of new to old probability is 1 plus this value. TRL: `epsilon_high`. verl:
    `clip_ratio_high`."""
    dual_clip: Annotated[float, Range(1, open_low=True)] | None = None
    """Upper bound of the loss of a token with negative advantage: this value times the size of the advantage. With
    `none`, there is no bound. Set it, for example to 3, if single tokens with a large ratio dominate the loss. TRL:
    `delta`. verl: `clip_ratio_c`."""
    kl: NotNegative = 0.001
    """Weight of the KL divergence from the reference model in the loss. The divergence is computed with the k3
    estimate. With 0, no reference model is loaded. TRL: `beta`.
    verl: `kl_loss_coef`."""
    kl_clip: Positive | None = 10.0
    """Largest k3 estimate of one token. A token with a larger estimate has no gradient from the KL term. The estimate
    grows exponentially, so without a limit (`none`) a single token can have almost the whole gradient of a step.
    WideSeek-R1, verl (`low_var_kl`) and NeMo RL (`kl_output_clamp_value`) use 10."""
    entropy: NotNegative = 0.0
    """Weight of the entropy bonus. Raise it if the entropy falls while the reward does not rise. TRL: `entropy_coef`.
    verl: `entropy_coeff`."""
    importance_sampling: Literal["truncate", "mask", "none"] = "truncate"
    """Correction for the difference between the engine's and the trainer's probabilities of a token. `truncate` weighs
    each token by the ratio of trainer to engine, cut off at `is_cap`. `mask` leaves out tokens whose ratio is below
    1/`is_cap` or above `is_cap`. `none` does nothing. TRL: `vllm_importance_sampling_mode`. verl: `rollout_is`."""
    is_cap: Annotated[float, Range(1)] = 2.0
    """Cap of the ratio in `importance_sampling`. TRL: `vllm_importance_sampling_clip_max`. verl:
    `rollout_is_threshold`."""
    recompute_logprobs: bool = True
    """Whose probabilities are the old ones in the clipped ratio. With true, the trainer computes them again. With
    false, they are those that the engine recorded, as in WideSeek-R1. The ratio then also contains the difference
    between engine and trainer, so set `importance_sampling=none`. verl: `rollout_correction.bypass_mode`, inverted."""
    early_stop_imp_ratio: Positive | None = None
    """Leave out a sequence of tokens if the mean ratio of its trained tokens is above this number. With `none`, no
    sequence is left out. WideSeek-R1 uses 5 for each micro-batch."""

    def __post_init__(self) -> None:
        if self.objective == "cispo" and self.dual_clip is not None:
            raise ConfigError(
                "dual_clip bounds the loss of objective='clip': leave it out with objective='cispo'"
            )
        if not self.recompute_logprobs and self.importance_sampling != "none":
            raise ConfigError(
                "with recompute_logprobs=false the clipped ratio already compares trainer and engine: set "
                "importance_sampling to none"
            )


@dataclass(frozen=True, slots=True)
class ValueOptions:
    """The critic of PPO, and how its values become advantages."""

    critic: Literal["shared", "separate"] = "shared"
    """`shared` is a value head on the policy's hidden states. `separate` is a second model."""
    view: Literal["own", "team"] = "own"
    """What the critic reads before a turn. `own`: the conversation of the agent, as in IPPO. `team`: the joint state,
    as in MAPPO. This is the agent's conversation and all messages of the other agents with an earlier clock. `team`
    needs a separate critic. MAPPO: `use_centralized_V`."""
    context: Count | None = None
    """Largest number of tokens that a critic with `view=team` reads before a turn. If the joint state is longer, the
    critic reads the agent's conversation, the newest reports and then the newest other messages. With `none`, it is
    `engine.context`, or the model's limit."""
    epochs: Count = 8
    """How often the critic is trained on the episodes of a step, apart from the policy. A value head is trained on
    stored hidden states, so more epochs take almost no time. Lower it for a separate critic, which needs a pass over
    all tokens in every epoch. A value head with `detach=false` is trained together with the policy, `RunConfig.epochs`
    times. MAPPO: `ppo_epoch`."""
    warmup_steps: Whole = 0
    """Number of training steps at the beginning in which only the critic is trained. Raise it if a first bad critic
    harms the policy. verl: `critic_warmup`."""
    normalize: bool = True
    """Whether the critic predicts normalised returns. The running mean and standard deviation of the returns turn its
    outputs into values. MAPPO: `use_valuenorm`."""
    detach: bool = True
    """Whether to stop the gradient of a shared critic before the policy's layers. Then the value loss trains only the
    value head."""
    gamma: Share = 1.0
    """Discount from one step to the next. verl: `gamma`."""
    gae_lambda: Share = 0.95
    """Lambda of generalised advantage estimation. 0 relies on the critic only, 1 relies on the rewards only. TRL and
    verl: `lam`."""
    steps: Literal["turn", "token"] = "turn"
    """Where the critic estimates the reward. `turn`: once before the first token of each turn. `token`: before every
    token."""
    clip: NotNegative = 0.2
    """Clipping of the value loss. Once a value has moved towards its target by more than this in a step, its loss has
    no gradient. With `normalize`, the unit is the standard deviation of the returns. 0 switches clipping off. Raise it
    if the critic learns too slowly. TRL: `cliprange_value`."""

    def __post_init__(self) -> None:
        if self.view == "team" and self.critic == "shared":
            raise ConfigError(
                "a critic with view='team' reads what the policy must not see: set critic='separate'"
            )
        if self.context is not None and self.view != "team":
            raise ConfigError(
                "context limits the joint state of view='team': leave it out, or set view='team'"
            )
