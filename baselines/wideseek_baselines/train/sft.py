"""Supervised warm start: learn to write what the assistants of recorded episodes wrote.

Read `run_sft` from top to bottom: that is the whole algorithm.
"""

from __future__ import annotations

import hashlib
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any, Literal

import torch

from wideseek_baselines.tokens.template import History
from wideseek_baselines.train import distributed
from wideseek_baselines.train.config.loading import Count, Range, Share, Whole
from wideseek_baselines.train.config.options import CheckpointOptions, ModelOptions, OptimOptions, TrackerName
from wideseek_baselines.train.data.packing import Sample, rows_of
from wideseek_baselines.train.data.supervised import batches, held_out_split, read_lessons, thinned, whole
from wideseek_baselines.train.loop import OnStep, Run
from wideseek_baselines.train.model.model import TokenModel, load_model
from wideseek_baselines.train.objective.losses import supervised_loss
from wideseek_baselines.train.optim.optimizer import Optimizer
from wideseek_baselines.train.reporting.throughput import throughput_metrics, work_metrics
from wideseek_env.errors import ConfigError
from wideseek_env.messages import Role


@dataclass(frozen=True, slots=True)
class SftConfig:
    """A supervised warm start."""

    data: tuple[str, ...]
    """Files of recorded episodes: trajectories or rollouts."""
    out: str
    """Folder of the run. It gets the checkpoints, the log, and the trained model in `model/`."""
    model: ModelOptions
    """The model that is trained."""
    optim: OptimOptions = field(default_factory=lambda: OptimOptions(lr=1e-5, schedule="cosine", lr_end=0.1))
    """The optimizer."""
    checkpoint: CheckpointOptions = field(default_factory=CheckpointOptions)
    """When checkpoints are written."""
    roles: tuple[Role, ...] = ("lead", "subagent", "single")
    """Roles whose agents the model learns from."""
    subagent_share: Annotated[float, Range(0, 1, open_low=True)] = 1.0
    """Share of the subagents' sequences that is used for training. Lower it for wide teams, which have many similar
    sequences of subagents for each sequence of a lead."""
    min_score: Share = 0.0
    """Episodes with a lower item-F1 are left out."""
    held_out: Share = 0.05
    """Share of the tasks that are not trained on. The held-out loss is measured on these tasks."""
    epochs: Count = 1
    """How often every sequence is trained on. TRL: `num_train_epochs`."""
    max_steps: Count | None = None
    """The run ends after this number of steps. With `none`, it ends after the last epoch."""
    batch_tokens: Count = 16384
    """Largest number of tokens in each step, prompts included. TRL counts sequences instead:
    `per_device_train_batch_size`."""
    tokens_per_row: Count = 4096
    """Number of tokens that go through the model at the same time. It changes memory use and speed, not the result."""
    max_tokens: Count = 32768
    """Sequences with more tokens are left out. Lower it if the longest sequences do not fit in memory. TRL truncates
    long sequences instead: `max_length`."""
    learn: Literal["turns", "everything"] = "turns"
    """Which tokens the model learns to write. `turns`: only those that the agents wrote. `everything`: also prompts and
    results of tools. Choose `everything` for a model without pretraining, which must first learn to read. The held-out
    loss is always measured on the agents' tokens only. TRL: `assistant_only_loss`."""
    evaluate_every: Whole = 50
    """Number of steps between measurements of the held-out loss. With 0, it is measured only at the beginning and at
    the end. TRL: `eval_steps`."""
    patience: Whole = 3
    """The run ends early after this number of measurements in a row without a better held-out loss. 0 switches this
    off. TRL: `early_stopping_patience`."""
    thinking: bool | None = None
    """Whether the model thinks before it answers. The chat template gets this value as `enable_thinking`. With `none`,
    the template decides. Use the same value as `engine.thinking` in later reinforcement learning."""
    history: History = "template"
    """How a prompt shows an agent's earlier turns. "template" shows what the chat template makes of them. "keep" shows
    what the agent wrote. Use the same value as `engine.history` in later reinforcement learning."""
    trackers: tuple[TrackerName, ...] = ()
    """Trackers that show the metrics: "tensorboard", "wandb", "trackio". If TensorBoard is installed, its files are
    always written. If the list names a tracker that is not installed, the run does not start. TRL: `report_to`."""
    project: str = "wideseek"
    """Name of the project in wandb and trackio. TRL: `project`."""
    name: str | None = None
    """Name of the run in wandb and trackio. With `none`, it is the name of the folder `out`. TRL: `run_name`."""
    seed: Whole = 0
    """Seed of the run. It decides the order of the data and which tasks are held out."""
    resume: bool = True
    """Whether to resume from the newest checkpoint in `out`. With false, the run does not start if `out` has a
    checkpoint. TRL: `resume_from_checkpoint`."""


@dataclass(frozen=True, slots=True)
class SftResult:
    """The result of a warm start. Losses are in nats per token. They are None if no tasks are held out."""

    model: Path
    steps: int
    first_loss: float | None
    best_loss: float | None
    stopped_early: bool
    tokens: int
    """Tokens that went through the model in training, prompts included. If the run was resumed, all its parts count."""
    left_out: int
    """Number of sequences that were left out because they were longer than `max_tokens`."""


@dataclass(frozen=True, slots=True)
class SftData:
    """The sequences of a warm start, and the plan of its steps."""

    train: list[Sample]
    held_out: list[Sample]
    plan: list[list[int]]
    """For each step the numbers of its sequences in `train`."""
    left_out: int
    """Number of sequences that are longer than `max_tokens`."""


def read_data(config: SftConfig) -> SftData:
    """Read and split the sequences of a warm start. No model is loaded, only its tokenizer.

    Raises:
        ConfigError: No sequence is left to train on. The message says why.
        TrajectoryError: A file cannot be read.
    """
    from wideseek_baselines.tokens import ChatTemplate

    template = ChatTemplate(config.model.path, thinking=config.thinking, history=config.history)
    lessons = read_lessons(config.data, template, roles=config.roles, min_score=config.min_score)
    kept = thinned(lessons, config.subagent_share, config.seed)
    if not kept:
        raise ConfigError(
            f"nothing to train on: subagent_share={config.subagent_share:g} leaves none of the {len(lessons)} "
            "sequences, which are all of subagents. Raise it"
        )
    fitting = [lesson for lesson in kept if len(lesson.sample) <= config.max_tokens]
    if not fitting:
        shortest = min(len(lesson.sample) for lesson in kept)
        raise ConfigError(
            f"nothing to train on: each of the {len(kept)} sequences is longer than max_tokens={config.max_tokens}, "
            f"and the shortest has {shortest:,} tokens. Raise max_tokens"
        )
    train, held_out = held_out_split(fitting, config.held_out, config.seed)
    if config.learn == "everything":
        train = [whole(sample) for sample in train]
    plan = batches([len(sample) for sample in train], config.batch_tokens, config.epochs, config.seed)
    return SftData(train, held_out, plan[: config.max_steps], len(kept) - len(fitting))


def run_sft(config: SftConfig, on_step: OnStep | None = None) -> SftResult:
    """Train with the given settings. A run that was interrupted resumes and gets the same result.

    Args:
        config: The settings.
        on_step: Called with the metrics of every step and every measurement of the held-out loss.

    Raises:
        ConfigError: A setting does not fit, or `out` has a run with other data or settings.
        DivergedError: Gradients were not finite several steps in a row.
    """
    data = read_data(config)
    train, held_out, plan = data.train, data.held_out, data.plan
    model = load_model(config.model)
    optimizer = Optimizer(model.named_parameters(), config.optim, len(plan))
    torch.manual_seed(config.seed)  # before the first step only: a checkpoint restores the generators
    start = {"first": None, "best": None, "bad_looks": 0, "stopped": False}
    optimizers = {"policy": optimizer}
    with (
        Run(config, len(plan), model, model, optimizers, digest(train), on_step, start) as run,
        run.stopping,
    ):
        state = run.state

        def evaluate() -> None:
            """Measure the held-out loss, and export the model if it is the best so far."""
            if held_out:
                loss = held_out_loss(model, held_out, config.tokens_per_row)
                run.tell({"held_out_loss": loss})
                if state["first"] is None:
                    state["first"] = loss
                better = state["best"] is None or loss < state["best"]
                state["bad_looks"] = 0 if better else state["bad_looks"] + 1
                if not better:
                    return
                state["best"] = loss
            run.export()

        if run.step == 0:
            evaluate()
        while run.step < len(plan) and not state["stopped"]:
            with run.stopping.held():
                began = time.perf_counter()
                batch = [train[at] for at in plan[run.step]]
                metrics = train_step(model, optimizer, batch, config.tokens_per_row)
                run.step += 1
                state["tokens"] += metrics["tokens"]
                seconds = time.perf_counter() - began
                work = work_metrics(model, batch, updates=1)
                speed = throughput_metrics(work, seconds, model.device)
                speed["tokens_per_second"] = speed.pop("train_tokens_per_second")
                run.tell({**metrics, **speed})
                last = run.step == len(plan)
                if last or run.is_due(config.evaluate_every):
                    evaluate()
                    state["stopped"] = bool(config.patience) and state["bad_looks"] >= config.patience
                if last or state["stopped"] or run.is_due(config.checkpoint.every):
                    run.save()
                run.keep_state()
            run.stopping.check()

    return SftResult(
        run.out / "model",
        run.step,
        state["first"],
        state["best"],
        state["stopped"] and run.step < len(plan),
        state["tokens"],
        data.left_out,
    )


def digest(samples: Sequence[Sample]) -> str:
    """A hash of the samples that are trained."""
    found = hashlib.sha256()
    for sample in samples:
        found.update(sample.ids.tobytes())
        found.update(sample.places.tobytes())
    return found.hexdigest()


def train_step(
    model: TokenModel, optimizer: Optimizer, samples: Sequence[Sample], tokens_per_row: int
) -> dict[str, Any]:
    """Train one step on a batch, row by row. The loss is the mean over the trained tokens of the batch."""
    trained = sum(len(sample.places) for sample in samples)
    total = 0.0
    model.train()
    for row in rows_of(samples, tokens_per_row):
        row = row.to(model.device)
        logprobs = model(row).logprobs
        loss = supervised_loss(logprobs, torch.full_like(logprobs, 1 / trained))
        loss.value.backward()
        total += float(loss.value.detach())
    done = optimizer.step()
    (total,) = distributed.summed(total)
    return {
        "loss": total,
        "lr": done.lr,
        "gradient_norm": done.norm,
        "skipped": optimizer.skipped,
        "trained_tokens": trained,
        "tokens": sum(len(sample) for sample in samples),
    }


@torch.no_grad()
def held_out_loss(model: TokenModel, samples: Sequence[Sample], tokens_per_row: int) -> float:
    """The mean loss of all trained tokens of the samples, in nats."""
    model.eval()
    total, count = 0.0, 0
    for row in rows_of(samples, tokens_per_row):
        total -= float(model(row.to(model.device)).logprobs.double().sum())
        count += len(row.targets)
    total, trained = distributed.summed(total, count)
    return total / trained
