"""What GRPO and PPO have in common in their configurations: the game, the engine, and the run."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass, field
from typing import Annotated, Any, Literal

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
from wideseek_env.errors import ConfigError
from wideseek_env.rules import Rules


@dataclass(frozen=True, slots=True)
class LimitOptions:
    """Single limits of the rules; none leaves the preset's. See `wideseek_env.rules.Rules`."""

    width: Count | None = None
    """Subagents that one delegation may start."""
    lead_turns: Count | None = None
    """Turns of the lead, the answer included."""
    subagent_turns: Count | None = None
    """Turns of a subagent, its report included."""
    single_turns: Count | None = None
    """Turns of a single agent, the answer included."""
    calls_per_turn: Count | None = None
    """Tool calls that one message may hold."""
    results_per_query: Count | None = None
    """Search results where the agent does not ask for a number."""
    max_results_per_query: Count | None = None
    """Search results that an agent may ask for."""
    context: Count | None = None
    """Characters of one agent's whole conversation."""
    action_chars: Count | None = None
    """Characters of one message of an agent."""
    result_chars: Count | None = None
    """Characters of the result of one tool call or report."""


@dataclass(frozen=True, slots=True)
class GameOptions:
    """What is played."""

    tasks: str = "synthetic"
    """A world such as "synthetic:seed=1" or "hybridqa:FOLDER", or a file of tasks."""
    corpus: str | None = None
    """Where agents search; none is the world of the tasks."""
    split: Literal["train", "validation", "test"] = "train"
    """The part of a world's tasks to train on."""
    where: tuple[str, ...] = ()
    """Conditions that the tasks must meet, such as "rows>=10"."""
    limit: Count | None = None
    """Only so many tasks, the first; none is all."""
    team: bool = True
    """A lead with subagents, or a single agent."""
    roster: Literal["dynamic", "fixed"] = "dynamic"
    """Whether subagents are begun anew by each delegation."""
    rules: str = "default"
    """A preset of limits: "default" or "width-benchmark"."""
    limits: LimitOptions = field(default_factory=LimitOptions)
    """Single limits that differ from the preset."""
    widths: tuple[int, ...] = ()
    """Widths that the tasks of training take in turn, so that one policy learns to use all; none is the rules'."""
    profile: str = "default"
    """Prompts and tools: "default", "terse" or "wideseek-r1"."""
    reward: str = "item_f1"
    """What the team is paid: "item_f1" or "wideseek_r1"."""

    def __post_init__(self) -> None:
        _check_widths(self.widths)


def _check_widths(widths: tuple[int, ...]) -> None:
    if any(width < 1 for width in widths):
        raise ConfigError(f"widths must be 1 or more, not {list(widths)}")


@dataclass(frozen=True, slots=True)
class EngineOptions:
    """What generates, and how it samples. It starts with the model that is trained and gets its weights each step."""

    kind: Literal["vllm", "transformers"] = "vllm"
    """`vllm` for speed; `transformers` for tests and small models."""
    context: Count | None = None
    """Tokens of prompt and turn together; none is the model's own limit."""
    turn_tokens: Count = 1024
    """New tokens of one turn at most."""
    episode_tokens: Count | None = None
    """Tokens that a team may generate in one episode; none is no limit."""
    temperature: Annotated[float, Range(0.01, 10)] = 1.0
    """Of sampling; the trainer computes with the same."""
    thinking: bool | None = None
    """Passed to the chat template; none leaves it to the template."""
    history: History = "template"
    """Earlier turns as the template renders them, or "keep" as they were written."""
    dtype: str | None = None
    """Of weights and computation, such as "float32" or "bfloat16"; none is the engine's own choice."""
    max_requests: Count | None = None
    """Turns that are worked on at the same time; none is the engine's own choice. With `transformers`, 1 makes runs
    repeat to the last bit, whatever else the machine does."""
    memory_share: Annotated[float, Range(0, 1, open_low=True)] | None = None
    """vLLM only: share of the GPU's memory that the engine takes."""
    kv_bytes: Count | None = None
    """vLLM only: bytes of its key-value cache."""
    tensor_parallel: Count = 1
    """vLLM only: GPUs that share one engine."""
    workers: Whole = 0
    """Processes of a Ray cluster with an engine each; 0 plays in this process."""
    worker_cpus: Positive = 1.0
    """With workers: processors that each reserves."""
    worker_gpus: NotNegative = 0.0
    """With workers: GPUs that each reserves."""
    concurrency: Count | None = None
    """Episodes under way in each process; none is what the engine's cache holds."""
    retries: Whole = 1
    """How often an episode whose engine or tools failed is played again."""
    request_timeout: Positive = 1800.0
    """Seconds after which a generation is given up."""
    sleep: bool = False
    """Give the engine's GPU memory back while the step is trained, for a GPU that both share. vLLM drops its weights
    and cache, and gets the new weights when it wakes; on a processor, where vLLM cannot sleep, nothing changes."""

    def __post_init__(self) -> None:
        if self.kind == "transformers":
            for name, unset in (("memory_share", None), ("kv_bytes", None), ("tensor_parallel", 1)):
                if getattr(self, name) != unset:
                    raise ConfigError(f"{name} is a setting of vLLM: leave it out, or set kind=vllm")
        if not self.workers and (self.worker_gpus, self.worker_cpus) != (0.0, 1.0):
            raise ConfigError("worker_cpus and worker_gpus are of Ray's workers: set workers too")


@dataclass(frozen=True, slots=True)
class EvaluationOptions:
    """Episodes on tasks that are never trained on."""

    every: Whole = 0
    """Steps between evaluations, with one before the first step and one after the last; 0 is off."""
    source: str | None = None
    """Tasks other than those of `game.tasks`; needed where those are a file."""
    split: Literal["train", "validation", "test"] = "validation"
    """The part of a world's tasks."""
    where: tuple[str, ...] | None = None
    """Conditions that the tasks must meet; none is those of `game.where`."""
    tasks: Count = 16
    """How many, the first."""
    trials: Count = 1
    """Episodes of each task."""
    widths: tuple[int, ...] = ()
    """Widths to play at; none is the width of training."""
    temperature: Annotated[float, Range(0, 10)] | None = None
    """Of sampling; 0 is greedy, none is that of training. Not with Ray's workers."""

    def __post_init__(self) -> None:
        _check_widths(self.widths)


@dataclass(frozen=True, slots=True)
class CollapseOptions:
    """When to warn that a run is coming to nothing. Means are over the last `window` steps."""

    window: Count = 5
    """Steps."""
    entropy: Share = 0.1
    """Warn below this share of the first window's entropy; 0 is off."""
    length: Annotated[float, Range(1)] = 3.0
    """Warn where turns are this many times longer or shorter than in the first window."""
    reward: Share = 0.5
    """Warn below this share of the best window's reward; 0 is off."""


@dataclass(frozen=True, slots=True)
class RunConfig:
    """What every run of reinforcement learning is told."""

    out: str
    """Folder of the run: checkpoints, the log, and the trained model in `model/`."""
    model: ModelOptions
    """What is trained: it plays all roles."""
    steps: Count = 100
    """Train steps of the whole run; a step is one batch of episodes."""
    tasks: Count = 8
    """Tasks of a step."""
    group: Count = 8
    """Episodes of each task."""
    mini_batch: Count | None = None
    """Tasks of one optimiser step; none is all of the step's tasks."""
    epochs: Count = 1
    """Times that each batch of episodes is trained on."""
    async_steps: Literal[0, 1] = 0
    """1 plays the episodes of the next step while this one is trained, so they are one policy version old when it is
    their turn; 0 plays them afterwards, with the policy as it is then."""
    tokens_per_row: Count = 8192
    """Tokens that go through the model at a time; sets the memory needed, not the result."""
    game: GameOptions = field(default_factory=GameOptions)
    """What is played."""
    engine: EngineOptions = field(default_factory=EngineOptions)
    """What generates."""
    optim: OptimOptions = field(default_factory=OptimOptions)
    """How the weights move. Schedules count optimiser steps, and expect every mini-batch to be full."""
    selection: SelectionOptions = field(default_factory=SelectionOptions)
    """Which turns are trained."""
    loss: PolicyLossOptions = field(default_factory=PolicyLossOptions)
    """The clipped policy loss."""
    evaluation: EvaluationOptions = field(default_factory=EvaluationOptions)
    """Held-out episodes."""
    checkpoint: CheckpointOptions = field(default_factory=lambda: CheckpointOptions(every=10))
    """When its state is kept and the model exported."""
    collapse: CollapseOptions = field(default_factory=CollapseOptions)
    """When to warn."""
    trackers: tuple[TrackerName, ...] = ()
    """Where figures are shown: "tensorboard", "wandb", "trackio". TensorBoard's files are written wherever it is
    installed; naming it makes that a must."""
    project: str = "wideseek"
    """Of the run, for wandb and trackio."""
    name: str | None = None
    """Of the run, for wandb and trackio; none is the name of `out`."""
    seed: Whole = 0
    """Of the order of tasks and of every episode."""
    resume: bool = True
    """Go on from the newest checkpoint in `out`; false refuses a folder that has one."""

    def __post_init__(self) -> None:
        playing = {"lead", "subagent"} if self.game.team else {"single"}
        if not playing & set(self.selection.roles):
            raise ConfigError(
                f"selection.roles names {', '.join(self.selection.roles)}, but the game is played by "
                f"{' and '.join(sorted(playing))}: nothing would be trained"
            )
        if not self.game.team and (self.evaluation.widths or self.game.widths):
            raise ConfigError("evaluation.widths and game.widths are for teams: a single agent has no width")
        if self.async_steps and self.engine.sleep:
            raise ConfigError(
                "with async_steps the engine works while a step is trained: leave out engine.sleep, and divide the "
                "GPU with engine.memory_share or give the engine one of its own"
            )
        if self.async_steps and self.loss.mismatch == "off":
            raise ConfigError(
                "with async_steps episodes are one policy version old, and loss.mismatch makes up for that: set it to "
                "truncate or mask"
            )
        if self.engine.workers and self.evaluation.temperature is not None:
            raise ConfigError(
                "with engine.workers evaluation samples as training does: leave out evaluation.temperature, and use "
                "'wideseek eval' on the exported model"
            )

    @property
    def updates(self) -> int:
        """Optimiser steps of a train step whose mini-batches are all full."""
        return self.epochs * -(-self.tasks // (self.mini_batch or self.tasks))


def game_arguments(game: GameOptions) -> dict[str, Any]:
    """The arguments of `GameConfig` for these options."""
    limits = {name: value for name, value in dataclasses.asdict(game.limits).items() if value is not None}
    return {
        "tasks": game.tasks,
        "corpus": game.corpus,
        "split": game.split,
        "rules": Rules.preset(game.rules, **limits),
        "profile": game.profile,
        "reward": game.reward,
        "team": game.team,
        "roster": game.roster,
    }


def policy_options(model: str, engine: EngineOptions) -> dict[str, Any]:
    """The options of the policy called `engine.kind`; what is left at none keeps its default there."""
    options = {
        "model": model,
        "context": engine.context,
        "turn_tokens": engine.turn_tokens,
        "episode_tokens": engine.episode_tokens,
        "temperature": engine.temperature,
        "thinking": engine.thinking,
        "history": engine.history,
        "dtype": engine.dtype,
        "max_requests": engine.max_requests,
        "gpu_memory_utilization": engine.memory_share,
        "kv_bytes": engine.kv_bytes,
        "tensor_parallel": engine.tensor_parallel if engine.kind == "vllm" else None,
    }
    return {name: value for name, value in options.items() if value is not None}
