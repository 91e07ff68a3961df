"""The settings that GRPO and PPO share: those of the game, of the engine, and of the run."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from importlib.util import find_spec
from typing import Annotated, Any, Literal

from wideseek_baselines.engines.vllm_arguments import OWN, check_own
from wideseek_baselines.engines.vllm_loading import VLLM_SETTINGS
from wideseek_baselines.tokens.template import History
from wideseek_baselines.train.config.loading import (
    VLLM_ONLY,
    Count,
    NotNegative,
    Positive,
    Range,
    Share,
    Whole,
)
from wideseek_baselines.train.config.options import (
    CheckpointOptions,
    ModelOptions,
    OptimOptions,
    PolicyLossOptions,
    SelectionOptions,
    TrackerName,
)
from wideseek_baselines.train.config.roles import RolesOptions, check_roles, weight_sets
from wideseek_env.entry_points import ENTRY_POINTS
from wideseek_env.errors import ConfigError
from wideseek_env.game import GameConfig
from wideseek_env.messages import ROLES, Role

_NAMED = {"gpu_memory_utilization": "memory_share", "sleep_level": "sleep"}
"""Settings of `VllmSettings` that have another name in `EngineOptions`."""
_FREE = ("seed", "enforce_eager")
"""Settings of `VllmSettings` that `EngineOptions` does not have. They are set in the table `vllm`."""
_VLLM_ONLY = ("gpu_memory_utilization", "kv_bytes", "tensor_parallel")
"""Settings of `VllmSettings` that the engine of transformers does not have."""
_OWN = {
    **{name: f"engine.{_NAMED.get(setting, setting)}" for name, setting in OWN.items() if name not in _FREE},
    "model": "model.path",
}
"""Arguments of vLLM that have a setting in the configuration, with its full name."""


@dataclass(frozen=True, slots=True)
class EngineOptions:
    """The engine that generates text. It starts with the model's weights and gets the new weights after each step."""

    kind: Literal["vllm", "transformers", "auto"] = "vllm"
    """The engine. `vllm` is fast. `transformers` is for tests and small models. `auto` is vLLM if it is installed, else
    transformers, which ignores the settings of vLLM."""
    context: Count | None = None
    """Largest number of tokens of a prompt and its turn together. With `none`, the model's own limit applies. TRL:
    `vllm_max_model_length`."""
    turn_tokens: Count = 1024
    """Largest number of tokens that the engine generates for one turn. TRL: `max_completion_length` limits the whole
    completion."""
    episode_tokens: Count | None = None
    """Largest number of tokens that a team may generate in one episode. With `none`, there is no limit."""
    temperature: Annotated[float, Range(0.01, 10)] = 1.0
    """Sampling temperature. The trainer computes log-probabilities at the same temperature."""
    thinking: bool | None = None
    """Whether the model thinks before it answers. The chat template gets this value as `enable_thinking`. With `none`,
    the template decides. Set it for models such as Qwen3 that can do both."""
    history: History = "template"
    """How a prompt shows an agent's earlier turns. "template" shows what the chat template makes of them. "keep" shows
    what the agent wrote. Choose "keep" if the template removes text that agents need."""
    dtype: Literal["auto", "float32", "bfloat16", "float16"] | None = None
    """Number type of the engine's weights and computation, such as "float32" or "bfloat16". With `none`, the engine
    decides."""
    max_requests: Count | None = None
    """Largest number of turns that the engine generates at the same time. With `none`, the engine decides. With
    `kind=transformers`, the value 1 makes runs reproducible to the last bit. vLLM: `max_num_seqs`."""
    memory_share: Annotated[float, Range(0, 1, open_low=True)] | None = None
    """For vLLM only: the share of the GPU's memory that the engine uses. With `none`, vLLM decides. TRL:
    `vllm_gpu_memory_utilization`."""
    kv_bytes: Count | None = None
    """For vLLM only: size of the key-value cache in bytes. With `none`, vLLM decides."""
    tensor_parallel: Count = 1
    """For vLLM only: number of GPUs that one engine uses. Raise it for models that do not fit on one GPU. TRL:
    `vllm_tensor_parallel_size`."""
    vllm: Mapping[str, Any] = field(default_factory=dict)
    """For vLLM only: more arguments of `vllm.AsyncEngineArgs`, by name, such as `engine.vllm.block_size=32`."""
    workers: Whole = 0
    """Number of processes on a Ray cluster. Each has its own engine. With 0, the engine runs in the trainer's
    process."""
    worker_cpus: Positive = 1.0
    """CPUs that each worker reserves, if `workers` is above 0."""
    worker_gpus: NotNegative = 0.0
    """GPUs that each worker reserves, if `workers` is above 0."""
    concurrency: Count | None = None
    """Largest number of episodes that each process runs at the same time. With `none`, only the size of the engine's
    cache limits it. Lower it if tools or judges are overloaded."""
    retries: Whole = 1
    """How often an episode is run again if its engine or tools failed. Raise it for unreliable servers."""
    request_timeout: Positive = 1800.0
    """If the engine takes more than this number of seconds for one turn, the turn fails. Raise it for slow engines with
    long turns."""
    sleep: bool = False
    """Whether the engine frees its GPU memory while the trainer works. Use it if trainer and engine share a GPU. vLLM
    drops its weights and cache, and gets the new weights when it wakes. On a CPU this has no effect. TRL:
    `vllm_enable_sleep_mode`. verl: `free_cache_engine`."""

    def __post_init__(self) -> None:
        if self.kind == "transformers":
            usual: tuple[Any, ...] = (None, None, 1, {})
            for name, unset in zip(VLLM_ONLY, usual, strict=True):
                if getattr(self, name) != unset:
                    raise ConfigError(f"{name} is a setting of vLLM: leave it out, or set kind=vllm")
        check_own(self.vllm, _OWN, "vllm")
        if not self.workers and (self.worker_gpus, self.worker_cpus) != (0.0, 1.0):
            raise ConfigError("worker_cpus and worker_gpus are for Ray workers: set workers too")

    @property
    def found(self) -> Literal["vllm", "transformers"]:
        """The engine that is used: `kind`, or what `auto` finds."""
        if self.kind == "auto":
            return "vllm" if find_spec("vllm") is not None else "transformers"
        return self.kind


@dataclass(frozen=True, slots=True)
class EvaluationOptions:
    """Evaluation during training: episodes of held-out tasks, which are never trained on."""

    every: Whole = 0
    """Number of steps between evaluations. There is also an evaluation before the first step and after the last one. 0
    switches evaluations off. TRL: `eval_steps`. verl: `test_freq`."""
    source: str | None = None
    """Source of the held-out tasks, in the form of `game.tasks`. With `none`, they come from `game.tasks`. Required if
    `game.tasks` is a file."""
    split: Literal["train", "validation", "test"] = "validation"
    """The part of the source's tasks from which the held-out tasks come."""
    where: tuple[str, ...] | None = None
    """Conditions that the held-out tasks must meet, such as "rows>=10". With `none`, the conditions in `game.where`
    apply."""
    tasks: Count = 16
    """Number of held-out tasks. They are the first tasks of the split."""
    trials: Count = 1
    """Episodes of each held-out task. Raise it to reduce the noise of sampling."""
    widths: tuple[int, ...] = ()
    """Every held-out task is played once at each of these widths. A width is the number of subagents that one
    delegation may start. An empty list means the width of the game."""
    temperature: Annotated[float, Range(0, 10)] | None = None
    """Sampling temperature of evaluations. 0 always takes the most probable token. With `none`, it is the temperature
    of training. It cannot be set with Ray workers."""

    def __post_init__(self) -> None:
        _check_widths("widths", self.widths)


@dataclass(frozen=True, slots=True)
class CollapseOptions:
    """When to warn that a run is collapsing. The monitor compares means over `window` steps."""

    window: Count = 5
    """Number of steps over which each mean is taken. Raise it if rewards vary much from step to step."""
    entropy: Share = 0.1
    """Warn if the mean entropy falls below this share of the first mean entropy. 0 switches the warning off."""
    length: Annotated[float, Range(1)] = 3.0
    """Warn if the mean length of turns is more than this factor above or below the first mean length. Raise it if turns
    are meant to grow, for example with thinking."""
    reward: Share = 0.5
    """Warn if the mean reward falls below this share of the best mean reward so far. 0 switches the warning off."""


@dataclass(frozen=True, slots=True)
class RunConfig:
    """The settings of every run of reinforcement learning."""

    out: str
    """Folder of the run. It gets the checkpoints, the log, and the trained model in `model/`."""
    model: ModelOptions
    """The model that is trained. It plays all roles, unless `roles.weights` says otherwise."""
    steps: Count = 100
    """Training steps of the whole run. A step is one batch of episodes. TRL: `max_steps`."""
    tasks: Count = 8
    """Number of tasks in each training step. verl: `train_batch_size`."""
    group: Count = 8
    """Episodes of each task in a step. They form a group. TRL: `num_generations`. verl: `rollout.n`. prime-rl:
    `rollouts_per_example`."""
    mini_batch: Count | None = None
    """Number of tasks whose episodes are used in one optimizer step. With `none`, one optimizer step uses all tasks of
    the training step. verl: `ppo_mini_batch_size`."""
    epochs: Count = 1
    """How often the trainer goes over the episodes of a step. TRL: `num_iterations`. verl: `ppo_epochs`."""
    max_off_policy_steps: Literal[0, 1] = 0
    """With 1, the engine prefetches: it plays the episodes of the next step while the trainer works on this step. The
    episodes of a step then come from a policy that is one version old. With 0, the newest policy plays them."""
    tokens_per_row: Count = 8192
    """Number of tokens that go through the model at the same time. It changes memory use and speed, not the result.
    verl: `ppo_max_token_len_per_gpu`."""
    prompt_tokens: Count | None = None
    """Leave out tasks whose question has more tokens than this. With `none`, all tasks are used. verl:
    `max_prompt_length` with `filter_overlong_prompts`."""
    widths: tuple[int, ...] = ()
    """The tasks use these widths one after the other, for example [2, 4, 8]. So one policy learns to work at all of
    them. All episodes of a task in a step have the same width. An empty list means the width of the game."""
    game: GameConfig = field(default_factory=ENTRY_POINTS["wideseek train"].config)
    """The game: tasks, corpus, rules, reward and more. Other commands have the same settings."""
    engine: EngineOptions = field(default_factory=EngineOptions)
    """The engine that generates text."""
    optim: OptimOptions = field(default_factory=OptimOptions)
    """The optimizer. Learning-rate schedules count optimizer steps. They assume that every mini-batch has `mini_batch`
    tasks."""
    selection: SelectionOptions = field(default_factory=SelectionOptions)
    """Which turns are trained."""
    roles: RolesOptions = field(default_factory=RolesOptions)
    """Which weights the roles of a team have, and who learns."""
    loss: PolicyLossOptions = field(default_factory=PolicyLossOptions)
    """The clipped policy loss."""
    evaluation: EvaluationOptions = field(default_factory=EvaluationOptions)
    """Evaluation on held-out tasks during training."""
    checkpoint: CheckpointOptions = field(default_factory=lambda: CheckpointOptions(every=10))
    """When the run writes checkpoints and exports the model."""
    collapse: CollapseOptions = field(default_factory=CollapseOptions)
    """When to warn that a run is collapsing."""
    trackers: tuple[TrackerName, ...] = ()
    """Trackers that show the metrics: "tensorboard", "wandb", "trackio". If TensorBoard is installed, its files are
    always written. If the list names a tracker that is not installed, the run does not start. TRL: `report_to`. verl:
    `logger`."""
    project: str = "wideseek"
    """Name of the project in wandb and trackio. TRL: `project`. verl: `project_name`."""
    name: str | None = None
    """Name of the run in wandb and trackio. With `none`, it is the name of the folder `out`. TRL: `run_name`. verl:
    `experiment_name`."""
    seed: Whole = 0
    """Seed of the run. The order of tasks and the seeds of all episodes depend on it."""
    resume: bool = True
    """Whether to resume from the newest checkpoint in `out`. With false, the run does not start if `out` has a
    checkpoint. TRL: `resume_from_checkpoint`. verl: `resume_mode`."""

    def __post_init__(self) -> None:
        _check_widths("widths", self.widths)
        playing = {"lead", "subagent"} if self.game.team else {"single"}
        if not playing & set(self.selection.roles):
            raise ConfigError(
                f"selection.roles names {', '.join(self.selection.roles)}, but the game is played by "
                f"{' and '.join(sorted(playing))}: nothing would be trained"
            )
        check_roles(self.roles, self.selection, self.model, self.engine.found, team=self.game.team)
        if not self.game.team and (self.evaluation.widths or self.widths):
            raise ConfigError("widths and evaluation.widths are for teams: a single agent has no width")
        if self.max_off_policy_steps and self.engine.sleep:
            raise ConfigError(
                "with max_off_policy_steps=1 the engine works while a step is trained: leave out engine.sleep, and "
                "share the GPU with engine.memory_share or give the engine another GPU"
            )
        corrected = self.loss.importance_sampling != "none" or not self.loss.recompute_logprobs
        if self.max_off_policy_steps and not corrected:
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
    def weight_sets(self) -> dict[str, tuple[Role, ...]]:
        """The roles that play with each set of trained weights. The name of the set is "" if there is only one."""
        return weight_sets(self.roles, self.selection, team=self.game.team)

    @property
    def moving_roles(self) -> frozenset[Role]:
        """The roles that play with weights that are trained. With shared weights, these are all roles."""
        if self.roles.weights == "shared":
            return frozenset(ROLES)
        return frozenset(role for roles in self.weight_sets.values() for role in roles)

    @property
    def planned(self) -> int:
        """The number of rollouts that a mini-batch should have."""
        return (self.mini_batch or self.tasks) * self.group

    @property
    def updates(self) -> int:
        """Optimizer steps of one training step, if every mini-batch has `mini_batch` tasks."""
        return self.epochs * -(-self.tasks // (self.mini_batch or self.tasks))


def policy_options(model: str, engine: EngineOptions) -> dict[str, Any]:
    """The options of the policy called `engine.found`. A setting that is `None` is left out, so the policy's default
    applies.
    """
    options = {
        name: getattr(engine, _NAMED.get(name, name), None) for name in VLLM_SETTINGS if name != "sleep_level"
    }
    more = dict(engine.vllm)
    if engine.found != "vllm":
        options |= dict.fromkeys(_VLLM_ONLY)
        more = {}
    options |= {name: more.pop(name) for name in _FREE if name in more}
    options["engine_options"] = more or None
    options["model"] = model
    for name in ("turn_tokens", "episode_tokens", "temperature", "thinking", "history"):
        options[name] = getattr(engine, name)
    return {name: value for name, value in options.items() if value is not None}


def _check_widths(name: str, widths: tuple[int, ...]) -> None:
    if any(width < 1 for width in widths):
        raise ConfigError(f"{name} must be 1 or more, not {list(widths)}")
