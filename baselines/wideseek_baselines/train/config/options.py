"""The parts that configurations of training share, each field with its meaning."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Annotated, Literal, TypeAlias

from wideseek_baselines.train.config.loading import Count, NotNegative, Positive, Range, Share, Whole
from wideseek_env.errors import ConfigError
from wideseek_env.messages import Role

Attention: TypeAlias = Literal["packed", "sdpa", "flash_attention_2"]
"""How packed sequences attend. `packed`: each sequence by itself (`wideseek_baselines.train.model.attention`). `sdpa`:
transformers' implementation with a block mask. `flash_attention_2`: the package flash-attn."""
TrackerName: TypeAlias = Literal["tensorboard", "wandb", "trackio"]
"""Programs that show the metrics of a run."""


@dataclass(frozen=True, slots=True)
class LoraOptions:
    """Low-rank adapters beside linear layers: only they are trained, and the model itself stays as it is."""

    rank: Whole = 0
    """Of the adapters; 0 trains all weights."""
    alpha: Positive = 32.0
    """An adapter's product counts `alpha / rank` times."""
    targets: tuple[str, ...] = ("q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj")
    """Names of the linear layers that get one."""
    dropout: Annotated[float, Range(0, 0.99)] = 0.0
    """Share of an adapter's inputs that is left out in training."""

    def __post_init__(self) -> None:
        if not self.targets:
            raise ConfigError("targets must name at least one linear layer")


@dataclass(frozen=True, slots=True)
class ModelOptions:
    """Which model is trained, where and how exactly."""

    path: str
    """A Hugging Face folder (or hub name) with model and tokenizer."""
    device: str = "auto"
    """"auto", "cpu", "cuda" or "cuda:0"."""
    precision: Literal["float32", "autocast", "bfloat16"] = "autocast"
    """`float32`: everything. `autocast`: float32 weights, bfloat16 products. `bfloat16`: bfloat16 weights, of which
    the optimiser keeps float32 masters."""
    attention: Attention = "packed"
    """See `wideseek_baselines.train.model.attention`."""
    checkpoint_activations: bool = False
    """Keep only each layer's input and compute the rest again in the backward pass: less memory, a third more time."""
    logits_chunk: Count = 2048
    """Tokens whose logits are held at a time."""
    compile: bool = False
    """Compile the layers with torch.compile; needs a C++ compiler on a CPU."""
    lora: LoraOptions = field(default_factory=LoraOptions)
    """Train adapters only."""


@dataclass(frozen=True, slots=True)
class OptimOptions:
    """AdamW, its learning rate over the steps, and what guards it."""

    lr: Positive = 1e-6
    """Highest learning rate."""
    matrices: Literal["adamw", "muon"] = "adamw"
    """What moves the matrices, but for embeddings: `muon` gets a model that knows nothing further in the same number of
    steps; its steps are as large as AdamW's, so `lr` means the same. Everything else is moved by AdamW."""
    schedule: Literal["constant", "linear", "cosine"] = "constant"
    """What becomes of it after the warm-up; the latter two fall to `lr_end` times `lr` at the last step."""
    warmup: Whole = 0
    """Steps over which it rises from 0."""
    lr_end: Share = 0.0
    """Share of `lr` that is left at the last step."""
    betas: tuple[float, ...] = (0.9, 0.999)
    """Decay of the two running means."""
    eps: Positive = 1e-8
    """Added to the denominator."""
    weight_decay: NotNegative = 0.0
    """Of matrices; vectors (norms, biases) never decay."""
    max_norm: NotNegative = 1.0
    """Gradients with a longer norm are scaled down to it; 0 is off."""
    max_skipped: Count = 5
    """Steps in a row with a gradient that is not finite, after which training stops; single ones are skipped."""

    def __post_init__(self) -> None:
        if len(self.betas) != 2 or not all(0 <= beta < 1 for beta in self.betas):
            raise ConfigError(f"betas must be two numbers from 0 to below 1, not {list(self.betas)}")


@dataclass(frozen=True, slots=True)
class CheckpointOptions:
    """When the state of a run is kept."""

    every: Whole = 100
    """Steps between checkpoints; 0 keeps only the last state."""
    keep: Count = 2
    """Newest checkpoints that stay."""


@dataclass(frozen=True, slots=True)
class AdvantageOptions:
    """How rewards of a group become advantages; the defaults are the published ones."""

    scale: Literal["std", "none"] = "std"
    """Divide by the group's standard deviation or not."""
    baseline: Literal["mean", "leave_one_out"] = "mean"
    """What is subtracted: the group's mean reward, or for each rollout the mean of the others."""
    degenerate: Literal["drop", "keep"] = "drop"
    """Groups whose rewards are all equal teach nothing: leave them out, or keep them with advantages of 0 (their KL
    term and their share in the averages then stay)."""


@dataclass(frozen=True, slots=True)
class SelectionOptions:
    """Which turns are trained, and how much each token counts."""

    roles: tuple[Role, ...] = ("lead", "subagent", "single")
    """Agents that are trained."""
    failures: Literal["failed_turns", "all", "none"] = "failed_turns"
    """What of a failed episode is trained: the turns that made it fail, as published; all turns; nothing."""
    average: Literal["agent", "rollout", "token"] = "agent"
    """`agent`: over an agent's tokens, then agents, then rollouts, then tasks, as published. `rollout`: over all
    tokens of a rollout, then rollouts, then tasks. `token`: over all tokens of the mini-batch at once."""

    def __post_init__(self) -> None:
        if not self.roles:
            raise ConfigError("roles must name at least one of lead, subagent, single")


@dataclass(frozen=True, slots=True)
class PolicyLossOptions:
    """The clipped policy loss and what is added to it; the defaults are the published ones."""

    clip_low: Share = 0.2
    """The ratio counts down to 1 minus this."""
    clip_high: NotNegative = 0.2
    """The ratio counts up to 1 plus this."""
    dual_clip: Annotated[float, Range(1, open_low=True)] | None = None
    """Bounds the loss of a token with negative advantage at this many times its size; none is off."""
    kl: NotNegative = 0.001
    """Weight of the KL divergence to the reference model (k3 estimate); 0 needs no reference."""
    entropy: NotNegative = 0.0
    """Weight of the entropy bonus."""
    mismatch: Literal["truncate", "mask", "off"] = "truncate"
    """What is done about tokens that trainer and engine hold differently likely: weight by their ratio, at most
    `mismatch_cap`; leave out those whose ratio is outside 1/`mismatch_cap`…`mismatch_cap`; nothing."""
    mismatch_cap: Annotated[float, Range(1)] = 2.0
    """See `mismatch`."""


@dataclass(frozen=True, slots=True)
class ValueOptions:
    """The critic of PPO and what is made of its values."""

    critic: Literal["shared", "separate"] = "shared"
    """A head on the policy's own hidden states, or a model of its own."""
    view: Literal["own", "team"] = "own"
    """What the critic of a subagent reads: its own conversation, or before it the lead's up to the delegation."""
    detach: bool = True
    """Keep a shared critic's gradient out of the policy's layers."""
    gamma: Share = 1.0
    """Discount from one step to the next."""
    trace: Share = 0.95
    """GAE's lambda."""
    steps: Literal["turn", "token"] = "turn"
    """What a step is: a turn, whose value is that before its first token, or a token."""
    clip: NotNegative = 0.2
    """Values may move this far from those of the rollout before their loss stops pulling; 0 is off."""

    def __post_init__(self) -> None:
        if self.view == "team" and self.critic == "shared":
            raise ConfigError(
                "a critic with view='team' reads what the policy must not see: set critic='separate'"
            )
