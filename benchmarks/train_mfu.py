"""Measures training tokens per second on real episodes, and the share of the device's peak that is used (MFU).

    python benchmarks/train_mfu.py --model MODEL_FOLDER [--precision autocast] [model.compile=true …]

A step is `grpo.train_step` on a batch of recorded episodes (see `recorded_batch.py`), from rollouts to new weights:
packing, forward, backward, clipping and AdamW. The operations of a step are counted from the model's dimensions. A
multiplication with addition counts as two operations. Forward and backward together count as three forward passes.
The benchmark counts:

- every token times every matrix of the layers;
- attention: token i of a sequence attends to i + 1 tokens of that sequence, not to other sequences of the row;
- the output layer, for the tokens that are trained.

Recomputed values, such as the logits in the backward pass, count once. `mfu_all_logits` counts an output layer for
every token, as most reports do. Here those logits are neither needed nor computed. The peaks are those of the vendor's
data sheets for dense bfloat16. `--peak` sets another peak in TFLOP/s.
"""

from __future__ import annotations

import argparse
import json
import re
import statistics
import sys
from collections.abc import Sequence
from typing import Any

import torch
from recorded_batch import GAME, record_batch
from recorded_step import machine, train_here

from wideseek_baselines.train.estimate import Shape, shape_of
from wideseek_env.errors import WideSeekError

PEAKS = (
    ("H200 NVL", 835e12),
    ("H200", 989e12),
    ("H100 PCIe", 756e12),
    ("H100 NVL", 835e12),
    ("H100", 989e12),
    ("A100", 312e12),
    ("L40S", 362e12),
    ("L4", 121e12),
    ("RTX 4090", 165.2e12),
)
"""Dense bfloat16 operations per second, by a part of the device's name. More specific names come first."""


def peak_of(device: str) -> float | None:
    """The peak of a device by its name, or None if it is not in the table."""
    return next((peak for name, peak in PEAKS if re.search(rf"\b{name}\b", device, re.IGNORECASE)), None)


def operations(shape: Shape, lengths: Sequence[int], trained: int) -> int:
    """Floating-point operations of forward and backward passes over sequences that attend only to themselves.

    Args:
        shape: Dimensions of the model.
        lengths: Tokens of each sequence.
        trained: Number of tokens for which the output layer is applied.
    """
    queries, keys = shape.heads * shape.head_dim, shape.kv_heads * shape.head_dim
    matrices = shape.hidden * (2 * queries + 2 * keys + 3 * shape.inner)
    pairs = sum(length * (length + 1) // 2 for length in lengths)
    layer = (
        2 * matrices * sum(lengths) + 4 * queries * pairs
    )  # attention scores, and their products with the values
    return 3 * (shape.layers * layer + 2 * shape.vocab * shape.hidden * trained)


def measure(arguments: argparse.Namespace) -> dict[str, Any]:
    """Time the steps and count the operations."""
    if arguments.threads:
        torch.set_num_threads(arguments.threads)
    batch = record_batch(
        arguments.model,
        tasks=arguments.tasks,
        group=arguments.group,
        context=arguments.context,
        tasks_of=arguments.game,
    )
    taken = train_here(
        arguments.model,
        batch,
        arguments.device,
        tokens_per_row=arguments.tokens_per_row,
        precision=arguments.precision,
        steps=1 + arguments.steps,
        settings=tuple(arguments.settings),
    )
    about = batch.describe()
    lengths = [len(sequence.ids) for _, sequence in batch.sequences]
    shape = shape_of(arguments.model)
    seconds = statistics.median(taken.seconds[1:])
    needed = operations(shape, lengths, about["trained_tokens"])
    every = operations(shape, lengths, about["tokens"])
    device = machine(arguments.device)
    peak = arguments.peak * 1e12 if arguments.peak else peak_of(device["device"])
    return {
        **device,
        "precision": arguments.precision,
        "settings": arguments.settings,
        "batch": about,
        "seconds": {
            "median": round(seconds, 4),
            "least": round(min(taken.seconds[1:]), 4),
            "most": round(max(taken.seconds[1:]), 4),
        },
        "tokens_per_second": round(about["tokens"] / seconds, 1),
        "trained_tokens_per_second": round(about["trained_tokens"] / seconds, 1),
        "operations_of_a_step": needed,
        "teraflops_per_second": round(needed / seconds / 1e12, 4),
        "peak_teraflops_per_second": peak and peak / 1e12,
        "mfu": peak and round(needed / seconds / peak, 4),
        "mfu_all_logits": peak and round(every / seconds / peak, 4),
        "peak_gigabytes": (
            round(torch.cuda.max_memory_allocated() / 1e9, 3) if arguments.device != "cpu" else None
        ),
        "command": " ".join(["python", "benchmarks/train_mfu.py", *sys.argv[1:]]),
    }


def main() -> None:
    """Print the results as JSON."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--model", required=True, help="folder of a Llama or Qwen model with its tokenizer")
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    parser.add_argument("--precision", choices=("float32", "autocast", "bfloat16"), default="autocast")
    parser.add_argument("--game", default=GAME.tasks, help="source of the tasks")
    parser.add_argument("--tasks", type=int, default=4, help="number of tasks")
    parser.add_argument("--group", type=int, default=4, help="episodes per task")
    parser.add_argument("--context", type=int, default=None, help="omit episodes with longer sequences")
    parser.add_argument("--tokens-per-row", type=int, default=16384)
    parser.add_argument(
        "--steps", type=int, default=5, help="number of steps to time; one more step before them is not timed"
    )
    parser.add_argument(
        "--threads", type=int, default=0, help="number of torch's threads; 0 is torch's default"
    )
    parser.add_argument("--peak", type=float, default=None, help="peak of the device in TFLOP/s")
    parser.add_argument(
        "settings", nargs="*", help="key=value settings of the configuration, such as model.compile=true"
    )
    try:
        print(json.dumps(measure(parser.parse_args()), indent=1))
    except WideSeekError as error:
        raise SystemExit(f"Error: {error}") from error


if __name__ == "__main__":
    main()
