"""Supervised warm start: learn to write what the assistants of recorded episodes wrote.

Read `run_sft` from top to bottom: that is the whole algorithm.
"""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any, Literal

import torch

from wideseek_baselines.tokens.template import History
from wideseek_baselines.train import distributed
from wideseek_baselines.train.config.loading import Count, Range, Share, Whole, config_to_dict
from wideseek_baselines.train.config.options import CheckpointOptions, ModelOptions, OptimOptions, TrackerName
from wideseek_baselines.train.data.packing import Sample, rows_of
from wideseek_baselines.train.data.supervised import batches, held_out_split, read_lessons, thinned, whole
from wideseek_baselines.train.model import checkpoint
from wideseek_baselines.train.model.model import TokenModel, load_model
from wideseek_baselines.train.objective.losses import supervised_loss
from wideseek_baselines.train.optim.optimizer import Optimizer
from wideseek_baselines.train.reporting.log import RunLog
from wideseek_baselines.train.reporting.trackers import TrackerRun, Trackers
from wideseek_env.errors import ConfigError
from wideseek_env.evaluation.progress import announced_steps
from wideseek_env.messages import Role


@dataclass(frozen=True, slots=True)
class SftConfig:
    """A supervised warm start."""

    data: tuple[str, ...]
    """Files of recorded episodes: trajectories or rollouts."""
    out: str
    """Folder of the run: checkpoints, the log, and the trained model in `model/`."""
    model: ModelOptions
    """What is trained."""
    optim: OptimOptions = field(default_factory=lambda: OptimOptions(lr=1e-5, schedule="cosine", lr_end=0.1))
    """How the weights move."""
    checkpoint: CheckpointOptions = field(default_factory=CheckpointOptions)
    """When its state is kept."""
    roles: tuple[Role, ...] = ("lead", "subagent", "single")
    """Agents to learn from."""
    subagent_share: Annotated[float, Range(0, 1, open_low=True)] = 1.0
    """Share of the subagents' sequences that is used: a wide team has many of them, all alike, for each of its lead."""
    min_score: Share = 0.0
    """Episodes with a lower item-F1 are left out."""
    held_out: Share = 0.05
    """Share of the tasks that is only watched."""
    epochs: Count = 1
    """Times that every sequence is trained on."""
    max_steps: Count | None = None
    """Steps after which the run ends in any case; none is off."""
    batch_tokens: Count = 16384
    """Tokens of a step, prompts included."""
    tokens_per_row: Count = 4096
    """Tokens that go through the model at a time; sets the memory needed, not the result."""
    max_tokens: Count = 32768
    """Longer sequences are left out."""
    learn: Literal["turns", "everything"] = "turns"
    """`turns`: what the agents wrote. `everything`: all text, prompts and results too, for a model that knows nothing
    yet and has to learn to read first. The held-out loss is that of the turns either way."""
    evaluate_every: Whole = 50
    """Steps between looks at the held-out loss; 0 looks only at the beginning and the end."""
    patience: Whole = 3
    """Looks in a row without a better held-out loss after which the run ends; 0 is off."""
    thinking: bool | None = None
    """Passed to the chat template; none leaves it to the template."""
    history: History = "template"
    """Earlier turns as the template renders them, or "keep" as they were written."""
    trackers: tuple[TrackerName, ...] = ()
    """Where figures are shown: "tensorboard", "wandb", "trackio". TensorBoard's files are written wherever it is
    installed; naming it makes that a must."""
    project: str = "wideseek"
    """Of the run, for wandb and trackio."""
    name: str | None = None
    """Of the run, for wandb and trackio; none is the name of `out`."""
    seed: Whole = 0
    """Of the order of the data and the choice of held-out tasks."""
    resume: bool = True
    """Go on from the newest checkpoint in `out`; false refuses a folder that has one."""


@dataclass(frozen=True, slots=True)
class SftResult:
    """What came of a warm start. Losses are nats a token; None without held-out tasks."""

    model: Path
    steps: int
    first_loss: float | None
    best_loss: float | None
    stopped_early: bool
    tokens: int
    """Tokens that went through the model in training, prompts included, over all runs that were continued."""
    left_out: int
    """Sequences that were longer than `max_tokens`."""


def run_sft(config: SftConfig, report: Callable[[Mapping[str, Any]], None] | None = None) -> SftResult:
    """Train as configured; continues a run that was broken off, to the same result.

    Args:
        config: Everything.
        report: Told the numbers of every step and every look at the held-out loss.

    Raises:
        ConfigError: A setting does not fit, or `out` holds a run with other data or settings.
        DivergedError: Gradients were not finite several steps in a row.
    """
    from wideseek_baselines.tokens import ChatTemplate

    out = Path(config.out)
    template = ChatTemplate(config.model.path, thinking=config.thinking, history=config.history)
    lessons = read_lessons(config.data, template, roles=config.roles, min_score=config.min_score)
    lessons = thinned(lessons, config.subagent_share, config.seed)
    fitting = [lesson for lesson in lessons if len(lesson.example) <= config.max_tokens]
    if not fitting:
        raise ConfigError(f"every sequence is longer than max_tokens={config.max_tokens}")
    train, watched = held_out_split(fitting, config.held_out, config.seed)
    if config.learn == "everything":
        train = [whole(example) for example in train]
    plan = batches([len(example) for example in train], config.batch_tokens, config.epochs, config.seed)
    plan = plan[: config.max_steps]

    model = load_model(config.model)
    optimizer = Optimizer(model.named_parameters(), config.optim, len(plan))
    step, state = _resume(config, model, optimizer, _fingerprint(config, train))

    about = TrackerRun(out, step, config.project, config.name, config_to_dict(config))
    with ExitStack() as stack:
        if distributed.is_main():
            stack.enter_context(announced_steps(out, len(plan), lambda: step))
        log = stack.enter_context(RunLog(out / "metrics.jsonl", step or -1))
        trackers = stack.enter_context(Trackers(about, config.trackers)) if distributed.is_main() else None

        def tell(values: Mapping[str, Any]) -> None:
            log.write(step, values)
            if trackers is not None:
                trackers.write(step, values)
            if report is not None and distributed.is_main():
                report({"step": step, "steps": len(plan), **values})

        def look() -> None:
            """Look at the held-out loss, keep the model if it is the best so far."""
            if watched:
                loss = held_out_loss(model, watched, config.tokens_per_row)
                tell({"held_out_loss": loss})
                if state["first"] is None:
                    state["first"] = loss
                better = state["best"] is None or loss < state["best"]
                state["bad_looks"] = 0 if better else state["bad_looks"] + 1
                if not better:
                    return
                state["best"] = loss
            checkpoint.export(model.causal, config.model.path, out / "model")

        def keep() -> None:
            checkpoint.save(
                out / "checkpoints", step, model, optimizer.state_dict(), state, keep=config.checkpoint.keep
            )

        if step == 0:
            look()
        while step < len(plan) and not state["stopped"]:
            began = time.perf_counter()
            values = train_step(model, optimizer, [train[at] for at in plan[step]], config.tokens_per_row)
            step += 1
            state["tokens"] += values["tokens"]
            values["tokens_per_second"] = values["tokens"] / (time.perf_counter() - began)
            tell(values)
            last = step == len(plan)
            if last or (config.evaluate_every and step % config.evaluate_every == 0):
                look()
                state["stopped"] = bool(config.patience) and state["bad_looks"] >= config.patience
            if last or state["stopped"] or (config.checkpoint.every and step % config.checkpoint.every == 0):
                keep()

    return SftResult(
        out / "model",
        step,
        state["first"],
        state["best"],
        state["stopped"] and step < len(plan),
        state["tokens"],
        len(lessons) - len(fitting),
    )


def train_step(
    model: TokenModel, optimizer: Optimizer, examples: Sequence[Sample], tokens_per_row: int
) -> dict[str, Any]:
    """One step on a batch: the mean loss of its trained tokens, row by row."""
    trained = sum(len(example.places) for example in examples)
    total = 0.0
    model.train()
    for row in rows_of(examples, tokens_per_row):
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
        "tokens": sum(len(example) for example in examples),
    }


@torch.no_grad()
def held_out_loss(model: TokenModel, examples: Sequence[Sample], tokens_per_row: int) -> float:
    """The mean loss of all trained tokens of the examples, in nats."""
    model.eval()
    total, count = 0.0, 0
    for row in rows_of(examples, tokens_per_row):
        total -= float(model(row.to(model.device)).logprobs.double().sum())
        count += len(row.targets)
    total, trained = distributed.summed(total, count)
    return total / trained


def _fingerprint(config: SftConfig, train: Sequence[Sample]) -> str:
    """Of all that must be the same for a run to go on to the same result."""
    settings = config_to_dict(config)
    for name in ("out", "data", "resume", "checkpoint", "trackers", "project", "name"):
        del settings[name]
    mark = hashlib.sha256(json.dumps(settings, sort_keys=True).encode())
    for example in train:
        mark.update(example.ids.tobytes())
        mark.update(example.places.tobytes())
    return mark.hexdigest()


def _resume(
    config: SftConfig, model: TokenModel, optimizer: Optimizer, fingerprint: str
) -> tuple[int, dict[str, Any]]:
    """Load the newest checkpoint of the run, if there is one; returns steps done and the state of the run."""
    torch.manual_seed(config.seed)  # before the first step only: the checkpoint brings its own state
    found = checkpoint.load_latest(Path(config.out) / "checkpoints")
    if found is None:
        fresh = {"first": None, "best": None, "bad_looks": 0, "stopped": False, "tokens": 0}
        return 0, {**fresh, "fingerprint": fingerprint}
    if not config.resume:
        raise ConfigError(f"{config.out} has a run already: choose another out, or set resume=true")
    if found.position["fingerprint"] != fingerprint:
        raise ConfigError(f"{config.out} has a run with other data or settings: choose another out")
    found.restore(model)
    optimizer.load_state_dict(found.optimizer)
    return found.step, dict(found.position)
