"""The tables that several training configurations share. The string under each field is its help text."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Annotated, Literal, TypeAlias

from wideseek_baselines.train.config.loading import Count, NotNegative, Positive, Range, Share, Whole
from wideseek_env.errors import ConfigError
from wideseek_env.messages import Role

Attention: TypeAlias = Literal["packed", "sdpa", "flash_attention_2"]
"""How packed rows attend. `packed`: each sequence by itself (`wideseek_baselines.train.model.attention`).
`sdpa`: transformers' implementation with a block mask. `flash_attention_2`: the package flash-attn."""
TrackerName: TypeAlias = Literal["tensorboard", "wandb", "trackio"]
"""Programs that show the metrics of a run."""


@dataclass(frozen=True, slots=True)
class LoraOptions:
    """Low-rank adapters (LoRA). Only the adapters are trained; the model's own weights stay as they are."""

    rank: Whole = 0
    """Rank of the adapters. 0 trains all weights. TRL and peft: `r`."""
    alpha: Positive = 32.0
    """Scale of the adapters: their output is multiplied by `alpha / rank`. TRL and peft: `lora_alpha`."""
    targets: tuple[str, ...] = ("q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj")
    """Names of the linear layers that get an adapter. Change them for models whose layers have other names.
    TRL and peft: `target_modules`."""
    dropout: Annotated[float, Range(0, 0.99)] = 0.0
    """Share of an adapter's inputs that is dropped in training. TRL and peft: `lora_dropout`."""

    def __post_init__(self) -> None:
        if not self.targets:
            raise ConfigError("targets must name at least one linear layer")


@dataclass(frozen=True, slots=True)
class ModelOptions:
    """The model that is trained, and how it computes."""

    path: str
    """A Hugging Face folder (or hub name) with model and tokenizer."""
    device: str = "auto"
    """"auto", "cpu", "cuda" or "cuda:0"."""
    precision: Literal["float32", "autocast", "bfloat16"] = "autocast"
    """`float32`: weights and computation. `autocast`: float32 weights, bfloat16 matrix products. `bfloat16`: bfloat16
    weights; the optimizer keeps a float32 copy of them. verl: `model_dtype`."""
    attention: Attention = "packed"
    """How the tokens of a packed row attend: `packed` computes each sequence by itself. `sdpa` and
    `flash_attention_2` use transformers' implementations; choose them for models with sliding windows."""
    checkpoint_activations: bool = False
    """Keep only the input of each layer and recompute the rest in the backward pass. This needs less memory and about
    a third more time. TRL: `gradient_checkpointing`."""
    logits_chunk: Count = 2048
    """Tokens whose logits are in memory at the same time. Lower it if the logits of a large vocabulary do not fit."""
    compile: bool = False
    """Compile the layers with torch.compile. A CPU needs a C++ compiler for this."""
    lora: LoraOptions = field(default_factory=LoraOptions)
    """Train low-rank adapters only."""


@dataclass(frozen=True, slots=True)
class OptimOptions:
    """The optimizer, its learning-rate schedule, and its guards against bad gradients."""

    lr: Positive = 1e-6
    """Highest learning rate. TRL: `learning_rate`."""
    matrices: Literal["adamw", "muon"] = "adamw"
    """Optimizer of weight matrices other than embeddings. `muon` trains a model from scratch further in the same number
    of steps. Its update size matches AdamW's, so `lr` means the same. All other weights use AdamW."""
    schedule: Literal["constant", "linear", "cosine"] = "constant"
    """Learning rate after the warm-up. `linear` and `cosine` fall to `lr_end` × `lr` at the last step.
    TRL: `lr_scheduler_type`."""
    warmup: Whole = 0
    """Steps in which the learning rate rises from 0. TRL: `warmup_steps`. verl: `lr_warmup_steps`."""
    lr_end: Share = 0.0
    """Share of `lr` that is left at the last step. verl: `min_lr_ratio`."""
    betas: tuple[float, ...] = (0.9, 0.999)
    """AdamW's decay rates of the running means of gradients and of their squares. Lower the second, for example to
    0.95, if single batches with large gradients make training unstable. TRL: `adam_beta1`, `adam_beta2`."""
    eps: Positive = 1e-8
    """AdamW's epsilon, added to the denominator. Raise it to damp the first updates of weights with tiny gradients.
    TRL: `adam_epsilon`."""
    weight_decay: NotNegative = 0.0
    """AdamW's weight decay of matrices. Vectors (norms, biases) never decay. Raise it, for example to 0.01, for long
    runs on few data."""
    max_norm: NotNegative = 1.0
    """Gradients with a longer norm are scaled down to it; 0 is off. TRL: `max_grad_norm`. verl: `grad_clip`."""
    max_skipped: Count = 5
    """A step whose gradient is not finite is skipped. After this number of skipped steps in a row, training stops."""

    def __post_init__(self) -> None:
        if len(self.betas) != 2 or not all(0 <= beta < 1 for beta in self.betas):
            raise ConfigError(f"betas must be two numbers from 0 to below 1, not {list(self.betas)}")


@dataclass(frozen=True, slots=True)
class CheckpointOptions:
    """When checkpoints are written."""

    every: Whole = 100
    """Steps between checkpoints; 0 writes only the last one. TRL: `save_steps`. verl: `save_freq`."""
    keep: Count = 2
    """Number of checkpoints that are kept, the newest ones. Raise it to compare older models. TRL:
    `save_total_limit`."""


@dataclass(frozen=True, slots=True)
class AdvantageOptions:
    """How the rewards of a group become advantages. The defaults are the published ones."""

    scale: Literal["std", "none"] = "std"
    """`std` divides by the group's standard deviation. `none` does not, so tasks with close rewards count less
    (Dr. GRPO). TRL: `scale_rewards`. verl: `norm_adv_by_std_in_grpo`."""
    baseline: Literal["mean", "leave_one_out"] = "mean"
    """What is subtracted from a reward: the mean of the group, or the mean of the group's other rollouts (RLOO).
    Choose the latter for small groups."""
    zero_variance_groups: Literal["drop", "keep"] = "drop"
    """Groups whose rewards are all equal teach nothing. `drop` leaves them out. `keep` trains on them with advantages
    of 0, so they still have a KL term and a share in the averages. verl: `filter_groups`."""


@dataclass(frozen=True, slots=True)
class SelectionOptions:
    """Which turns are trained, and how much each token counts."""

    roles: tuple[Role, ...] = ("lead", "subagent", "single")
    """Agents that are trained. The others play, but their tokens are not in the loss."""
    failures: Literal["failed_turns", "all", "none"] = "failed_turns"
    """What is trained of a failed episode: only the turns that made it fail (as published), all turns, or nothing.
    TRL: `mask_truncated_completions` is similar to `none`."""
    loss_aggregation: Literal["agent", "rollout", "token"] = "agent"
    """Order of averages. `agent`: over an agent's tokens, then agents, then rollouts, then tasks (as published).
    `rollout`: over all tokens of a rollout, then rollouts, then tasks. `token`: over all tokens of the mini-batch.
    TRL: `loss_type`. verl: `loss_agg_mode`."""

    def __post_init__(self) -> None:
        if not self.roles:
            raise ConfigError("roles must name at least one of lead, subagent, single")


@dataclass(frozen=True, slots=True)
class PolicyLossOptions:
    """The clipped policy loss and its additional terms. The defaults are the published ones."""

    clip_low: Share = 0.2
    """The probability ratio is clipped to at least 1 minus this. TRL: `epsilon`. verl: `clip_ratio_low`."""
    clip_high: NotNegative = 0.2
    """The probability ratio is clipped to at most 1 plus this. TRL: `epsilon_high`. verl: `clip_ratio_high`."""
    dual_clip: Annotated[float, Range(1, open_low=True)] | None = None
    """Bounds the loss of a token with negative advantage at this many times the advantage; none is off. Set it, for
    sample to 3, if single tokens with a large ratio dominate the loss. TRL: `delta`. verl: `clip_ratio_c`."""
    kl: NotNegative = 0.001
    """Weight of the KL divergence to the reference model (k3 estimate). 0 needs no reference model. TRL: `beta`.
    verl: `kl_loss_coef`."""
    entropy: NotNegative = 0.0
    """Weight of the entropy bonus. Raise it if the entropy falls while the reward does not rise.
    TRL: `entropy_coef`.
    verl: `entropy_coeff`."""
    importance_sampling: Literal["truncate", "mask", "none"] = "truncate"
    """Correction for the difference between the engine's and the trainer's probabilities. `truncate` weighs a token by
    their ratio, at most `is_cap`. `mask` leaves out tokens whose ratio is outside 1/`is_cap` … `is_cap`. `none` does
    nothing. TRL: `vllm_importance_sampling_mode`. verl: `rollout_is`."""
    is_cap: Annotated[float, Range(1)] = 2.0
    """Largest ratio of the trainer's and the engine's probability in `importance_sampling`. TRL:
    `vllm_importance_sampling_clip_max`. verl: `rollout_is_threshold`."""


@dataclass(frozen=True, slots=True)
class ValueOptions:
    """The critic of PPO, and how its values become advantages."""

    critic: Literal["shared", "separate"] = "shared"
    """`shared`: a value head on the policy's hidden states. `separate`: a second model."""
    view: Literal["own", "team"] = "own"
    """What the critic reads for a subagent. `own`: the subagent's conversation. `team`: first the lead's conversation
    up to the first delegation, then the subagent's. `team` needs a separate critic."""
    detach: bool = True
    """Keep the gradient of a shared critic out of the policy's layers."""
    gamma: Share = 1.0
    """Discount from one step to the next. verl: `gamma`."""
    gae_lambda: Share = 0.95
    """Lambda of generalised advantage estimation: 0 trusts the critic, 1 the rewards. TRL and verl: `lam`."""
    steps: Literal["turn", "token"] = "turn"
    """The critic's steps. `turn`: one value for each turn, before its first token. `token`: one before every token."""
    clip: NotNegative = 0.2
    """The value loss has no gradient where a value is further than this from its old value; 0 is off. Raise it if the
    critic learns too slowly. TRL: `cliprange_value`."""

    def __post_init__(self) -> None:
        if self.view == "team" and self.critic == "shared":
            raise ConfigError(
                "a critic with view='team' reads what the policy must not see: set critic='separate'"
            )
