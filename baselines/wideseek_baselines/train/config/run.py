"""What GRPO and PPO have in common in their configurations: the game, the engine, and the run."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Annotated, Any, Literal

from wideseek_baselines.engines.vllm_loading import VLLM_SETTINGS
from wideseek_baselines.tokens.template import History
from wideseek_baselines.train.config.loading import Count, NotNegative, Positive, Range, Share, Whole
from wideseek_baselines.train.config.options import (
    CheckpointOptions,
    ModelOptions,
    OptimOptions,
    PolicyLossOptions,
    SelectionOptions,
    TrackerName,
)
from wideseek_env.entry_points import ENTRY_POINTS
from wideseek_env.errors import ConfigError
from wideseek_env.game import GameConfig


@dataclass(frozen=True, slots=True)
class EngineOptions:
    """The engine that generates, and how it samples. It starts with the model's weights and gets new ones each step."""

    kind: Literal["vllm", "transformers"] = "vllm"
    """`vllm` for speed; `transformers` for tests and small models."""
    context: Count | None = None
    """Tokens of prompt and turn together; none is the model's own limit. TRL: `vllm_max_model_length`."""
    turn_tokens: Count = 1024
    """New tokens of one turn, at most. TRL: `max_completion_length` limits the whole completion."""
    episode_tokens: Count | None = None
    """Tokens that a team may generate in one episode; none is no limit."""
    temperature: Annotated[float, Range(0.01, 10)] = 1.0
    """Sampling temperature. The trainer computes log-probabilities at the same temperature."""
    thinking: bool | None = None
    """Passed to the chat template as `enable_thinking`; none leaves it to the template. Set it for models such as Qwen3
    that can think before they answer."""
    history: History = "template"
    """How earlier turns are shown: "template" as the chat template renders them, "keep" as they were written. Choose
    "keep" if the template removes text from earlier turns and agents need that text."""
    dtype: str | None = None
    """Type of weights and computation, such as "float32" or "bfloat16"; none leaves it to the engine."""
    max_requests: Count | None = None
    """Turns that the engine works on at the same time; none leaves it to the engine. With `kind=transformers`, 1 makes
    runs reproducible to the last bit. vLLM: `max_num_seqs`."""
    memory_share: Annotated[float, Range(0, 1, open_low=True)] | None = None
    """vLLM only: share of the GPU's memory that the engine uses. TRL: `vllm_gpu_memory_utilization`."""
    kv_bytes: Count | None = None
    """vLLM only: bytes of the key-value cache."""
    tensor_parallel: Count = 1
    """vLLM only: GPUs that share one engine. Raise it for models that do not fit on one GPU. TRL:
    `vllm_tensor_parallel_size`."""
    workers: Whole = 0
    """Processes of a Ray cluster, each with an engine; 0 uses an engine in the trainer's process."""
    worker_cpus: Positive = 1.0
    """With workers: CPUs that each worker reserves."""
    worker_gpus: NotNegative = 0.0
    """With workers: GPUs that each worker reserves."""
    concurrency: Count | None = None
    """Episodes in flight in each process; none is as many as fit into the engine's cache. Lower it if tools or judges
    cannot serve that many."""
    retries: Whole = 1
    """Retries of an episode whose engine or tools failed. Raise it for unreliable servers."""
    request_timeout: Positive = 1800.0
    """Seconds after which one generation counts as failed. Raise it for slow engines with long turns."""
    sleep: bool = False
    """The engine frees its GPU memory while a step is trained, for a GPU that trainer and engine share. vLLM drops its
    weights and cache, and loads the new weights when it wakes. On a CPU this has no effect. TRL:
    `vllm_enable_sleep_mode`. verl: `free_cache_engine`."""

    def __post_init__(self) -> None:
        if self.kind == "transformers":
            for name, unset in (("memory_share", None), ("kv_bytes", None), ("tensor_parallel", 1)):
                if getattr(self, name) != unset:
                    raise ConfigError(f"{name} is a setting of vLLM: leave it out, or set kind=vllm")
        if not self.workers and (self.worker_gpus, self.worker_cpus) != (0.0, 1.0):
            raise ConfigError("worker_cpus and worker_gpus are for Ray workers: set workers too")


@dataclass(frozen=True, slots=True)
class EvaluationOptions:
    """Held-out episodes: they are played on tasks that are never trained on."""

    every: Whole = 0
    """Steps between evaluations. One also runs before the first step and one after the last. 0 is off. TRL:
    `eval_steps`. verl: `test_freq`."""
    source: str | None = None
    """Source of the held-out tasks, as in `game.tasks`; none is `game.tasks` itself. Required if that is a file."""
    split: Literal["train", "validation", "test"] = "validation"
    """Part of a world's tasks."""
    where: tuple[str, ...] | None = None
    """Conditions that the tasks must meet, such as "rows>=10"; none uses those of `game.where`."""
    tasks: Count = 16
    """Number of tasks: the first ones of the split."""
    trials: Count = 1
    """Episodes of each task. Raise it to reduce the noise of sampling."""
    widths: tuple[int, ...] = ()
    """Widths at which every task is played; empty is the width of the game."""
    temperature: Annotated[float, Range(0, 10)] | None = None
    """Sampling temperature; 0 is greedy, none is that of training. It cannot be set with Ray workers."""

    def __post_init__(self) -> None:
        _check_widths("widths", self.widths)


@dataclass(frozen=True, slots=True)
class CollapseOptions:
    """When to warn that a run is collapsing. The compared values are means over `window` steps."""

    window: Count = 5
    """Number of steps of each mean. Raise it if rewards vary much from step to step."""
    entropy: Share = 0.1
    """Warn if the entropy falls below this share of its first mean; 0 is off."""
    length: Annotated[float, Range(1)] = 3.0
    """Warn if turns are this many times longer or shorter than in the first mean. Raise it if turns are meant to grow,
    for example with thinking."""
    reward: Share = 0.5
    """Warn if the reward falls below this share of its best mean; 0 is off."""


@dataclass(frozen=True, slots=True)
class RunConfig:
    """The settings of every run of reinforcement learning."""

    out: str
    """Folder of the run. It gets the checkpoints, the log, and the trained model in `model/`."""
    model: ModelOptions
    """The model that is trained. It plays all roles."""
    steps: Count = 100
    """Training steps of the whole run. A step is one batch of episodes. TRL: `max_steps`."""
    tasks: Count = 8
    """Tasks of a step. verl: `train_batch_size`."""
    group: Count = 8
    """Episodes of each task. TRL: `num_generations`. verl: `rollout.n`. prime-rl: `rollouts_per_example`."""
    mini_batch: Count | None = None
    """Tasks of one optimizer step; none is all tasks of the step. verl: `ppo_mini_batch_size`."""
    epochs: Count = 1
    """Times that each batch of episodes is trained on. TRL: `num_iterations`. verl: `ppo_epochs`."""
    max_off_policy_steps: Literal[0, 1] = 0
    """1 prefetches: the engine plays the next step's episodes while this step is trained. They are then one policy
    version old when they are used. 0 plays each step's episodes with the newest policy."""
    tokens_per_row: Count = 8192
    """Tokens that go through the model at the same time. It changes memory and speed, not the result. verl:
    `ppo_max_token_len_per_gpu`."""
    widths: tuple[int, ...] = ()
    """Widths that the tasks take in turn, such as [2, 4, 8], so that one policy learns to use all of them. Each group
    has one width. Empty is the width of the game."""
    game: GameConfig = field(default_factory=ENTRY_POINTS["wideseek train"].config)
    """What is played. The keys are those of every other command."""
    engine: EngineOptions = field(default_factory=EngineOptions)
    """The engine that generates."""
    optim: OptimOptions = field(default_factory=OptimOptions)
    """The optimizer. Schedules count optimizer steps and assume that every mini-batch is full."""
    selection: SelectionOptions = field(default_factory=SelectionOptions)
    """Which turns are trained."""
    loss: PolicyLossOptions = field(default_factory=PolicyLossOptions)
    """The clipped policy loss."""
    evaluation: EvaluationOptions = field(default_factory=EvaluationOptions)
    """Held-out episodes."""
    checkpoint: CheckpointOptions = field(default_factory=lambda: CheckpointOptions(every=10))
    """When checkpoints are written and the model is exported."""
    collapse: CollapseOptions = field(default_factory=CollapseOptions)
    """When to warn that a run is collapsing."""
    trackers: tuple[TrackerName, ...] = ()
    """Trackers that get the metrics: "tensorboard", "wandb", "trackio". TensorBoard's files are written whenever it is
    installed; naming it here makes it required. TRL: `report_to`. verl: `logger`."""
    project: str = "wideseek"
    """Name of the project in wandb and trackio. TRL: `project`. verl: `project_name`."""
    name: str | None = None
    """Name of the run in wandb and trackio; none is the name of the folder `out`. TRL: `run_name`. verl:
    `experiment_name`."""
    seed: Whole = 0
    """Seed of the order of tasks and of every episode."""
    resume: bool = True
    """Resume from the newest checkpoint in `out`. With false, a folder that has a run is refused. TRL:
    `resume_from_checkpoint`. verl: `resume_mode`."""

    def __post_init__(self) -> None:
        _check_widths("widths", self.widths)
        playing = {"lead", "subagent"} if self.game.team else {"single"}
        if not playing & set(self.selection.roles):
            raise ConfigError(
                f"selection.roles names {', '.join(self.selection.roles)}, but the game is played by "
                f"{' and '.join(sorted(playing))}: nothing would be trained"
            )
        if not self.game.team and (self.evaluation.widths or self.widths):
            raise ConfigError("widths and evaluation.widths are for teams: a single agent has no width")
        if self.max_off_policy_steps and self.engine.sleep:
            raise ConfigError(
                "with max_off_policy_steps=1 the engine works while a step is trained: leave out engine.sleep, and "
                "share the GPU with engine.memory_share or give the engine another GPU"
            )
        if self.max_off_policy_steps and self.loss.importance_sampling == "none":
            raise ConfigError(
                "with max_off_policy_steps=1 episodes are one policy version old, and loss.importance_sampling "
                "corrects for that: set it to truncate or mask"
            )
        if self.engine.workers and self.evaluation.temperature is not None:
            raise ConfigError(
                "with engine.workers evaluation samples as training does: leave out evaluation.temperature, and use "
                "'wideseek eval' on the exported model"
            )

    @property
    def updates(self) -> int:
        """Optimizer steps of a training step whose mini-batches are all full."""
        return self.epochs * -(-self.tasks // (self.mini_batch or self.tasks))


def policy_options(model: str, engine: EngineOptions) -> dict[str, Any]:
    """The options of the policy called `engine.kind`. Settings that are `None` are left out and keep their defaults."""
    named = {"gpu_memory_utilization": "memory_share"}
    options = {name: getattr(engine, named.get(name, name), None) for name in VLLM_SETTINGS}
    if engine.kind != "vllm":
        options["tensor_parallel"] = None
    options["model"] = model
    for name in ("turn_tokens", "episode_tokens", "temperature", "thinking", "history"):
        options[name] = getattr(engine, name)
    return {name: value for name, value in options.items() if value is not None}


def _check_widths(name: str, widths: tuple[int, ...]) -> None:
    if any(width < 1 for width in widths):
        raise ConfigError(f"{name} must be 1 or more, not {list(widths)}")
