"""Reads a few key results from the logs of training runs and from the output of benchmarks."""

from __future__ import annotations

import json
import statistics
from collections.abc import Sequence
from pathlib import Path
from typing import Any

EDGE = 5
"""The number of steps at the beginning and at the end of a run that are averaged."""
FIGURES = ("reward", "item_f1", "subagents", "episode_tokens", "cut_share", "entropy", "mismatch")
PARTS = ("rollout_seconds", "train_seconds", "update_seconds")


def run_figures(folder: Path) -> dict[str, Any] | None:
    """Results of a GRPO or PPO run: held-out metrics by step, means of the first and last steps, and how long
    each part of a step took.
    """
    records = read(folder / "metrics.jsonl")
    steps = [record for record in records if "reward" in record]
    looks = [record for record in records if any(name.startswith("eval_") for name in record)]
    if not steps and not looks:
        return None
    times = {name: [step[name] for step in steps if name in step] for name in PARTS}
    seconds = sum(sum(each) for each in times.values())
    return {
        "steps": len(steps),
        "hours_of_steps": round(seconds / 3600, 4),
        "held_out": [
            {name: short(value) for name, value in look.items() if name == "step" or name.startswith("eval_")}
            for look in looks
        ],
        "first_steps": edge(steps[:EDGE]),
        "last_steps": edge(steps[-EDGE:]),
        "median_seconds": {name: short(statistics.median(each)) for name, each in times.items() if each},
        "generated_tokens_per_second": middle(steps, "generated_tokens_per_second"),
        "trained_tokens_per_second": short(
            sum(step["trained_tokens"] for step in steps) / max(1e-9, sum(times["train_seconds"]))
        ),
        "curve": [
            {name: short(step[name]) for name in ("step", "reward", "item_f1", "subagents") if name in step}
            for step in steps
        ],
    }


def warm_figures(folder: Path) -> dict[str, Any] | None:
    """Results of a supervised warm start: held-out loss by step, and tokens per second."""
    records = read(folder / "metrics.jsonl")
    if not records:
        return None
    return {
        "steps": max(record["step"] for record in records),
        "held_out_loss": [
            {"step": record["step"], "loss": short(record["held_out_loss"])}
            for record in records
            if "held_out_loss" in record
        ],
        "tokens_per_second": middle(records, "tokens_per_second"),
    }


def document(text: str) -> Any:
    """The JSON document at the end of a text, or None if there is none. Text before the document is ignored."""
    lines = text.splitlines()
    for number, line in enumerate(lines):
        if line[:1] in "{[" and line:
            try:
                return json.loads("\n".join(lines[number:]))
            except ValueError:
                continue
    return None


def read(path: Path) -> list[dict[str, Any]]:
    """The complete lines of a run's log. Empty if there is no log yet."""
    if not path.is_file():
        return []
    lines = path.read_text("utf-8").splitlines(keepends=True)
    return [json.loads(line) for line in lines if line.endswith("\n")]


def edge(steps: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """Means over some steps."""
    found = {name: [s[name] for s in steps if isinstance(s.get(name), int | float)] for name in FIGURES}
    return {name: short(statistics.fmean(values)) for name, values in found.items() if values}


def middle(records: Sequence[dict[str, Any]], name: str) -> Any:
    """The median of a metric, or None if no record has it."""
    values = [record[name] for record in records if isinstance(record.get(name), int | float)]
    return short(statistics.median(values)) if values else None


def short(value: Any) -> Any:
    """A number to five digits."""
    return float(f"{value:.5g}") if isinstance(value, float) else value
