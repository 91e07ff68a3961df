"""Compares a GRPO training step here and in TRL, with the same weights, data, precision and optimizer.

    pip install -e . -e 'baselines[transformers]' 'trl>=1.16,<2'
    wideseek nano runs/nano --size base --context 8192
    python benchmarks/train_step_vs_trl.py --model runs/nano

The batch has real episodes (see `recorded_batch.py`): leads and subagents of a team, with conversations of different
lengths. Both sides get the same sequences, trained tokens and advantages. Here, `grpo.train_step` makes one optimizer
step, from rollouts to new weights. In TRL, the time is that of a step of `GRPOTrainer.train()`, minus the time in which
TRL generates, pads, decodes and scores (see `trl_trainer.py`).

In both libraries, the loss is an average over all trained tokens of the batch, without a KL term. TRL calls this loss
"dapo". Here it is `selection.loss_aggregation=token`. Both keep activations. So TRL's activation checkpointing, which
is on by default, is switched off.

First the program compares the gradients in float32, before clipping. It fails unless their cosine is above 0.999. Then
both sides run alternately, each in a separate process whose first step is not counted. The output has the median and
spread of the step times, the tokens without padding, and the peak memory of the process (or of the GPU).

TRL runs in two ways:

- "trl" pads as TRL does, to the longest prompt and the longest completion of the batch.
- "trl sorted" gets the sequences in order of length, a few at a time, so there is little padding. TRL itself cannot
  sort in this way, because the completions of a prompt must stay together.

`--trl-checkpointing` and `--trl-liger` also measure TRL with these options.
"""

from __future__ import annotations

import argparse
import json
import resource
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import torch
from recorded_batch import GAME, Batch, record_batch
from recorded_step import machine, train_here
from trl_trainer import TrlOptions, train_with_trl

from wideseek_env.errors import WideSeekError

LEAST_COSINE = 0.999


def alike(one: dict[str, torch.Tensor], other: dict[str, torch.Tensor]) -> dict[str, float]:
    """Compare two gradients: their cosine, the relative length of their difference, and the lowest cosine of a
    parameter.

    Raises:
        WideSeekError: The gradients have different parameters.
    """
    if one.keys() != other.keys():
        raise WideSeekError(f"gradients of different parameters: {sorted(one.keys() ^ other.keys())[:4]}")
    names = sorted(one)
    cosines = [
        float(
            torch.nn.functional.cosine_similarity(
                one[name].double().flatten(), other[name].double().flatten(), 0
            )
        )
        for name in names
    ]
    a, b = (torch.cat([each[name].double().flatten() for name in names]) for each in (one, other))
    return {
        "cosine": float(torch.nn.functional.cosine_similarity(a, b, 0)),
        "relative_difference": float((a - b).norm() / b.norm()),
        "lowest_cosine_of_a_parameter": min(cosines),
    }


def one_side(arguments: argparse.Namespace) -> dict[str, Any]:
    """Run the steps of one side, in a child process."""
    if arguments.threads:
        torch.set_num_threads(arguments.threads)
    batch = Batch.load(arguments.batch)
    keep = arguments.gradient is not None
    precision = "float32" if keep else arguments.precision
    count = 1 if keep else 1 + arguments.steps
    if arguments.side == "here":
        taken = train_here(
            arguments.model,
            batch,
            arguments.device,
            tokens_per_row=arguments.tokens_per_row,
            precision=precision,
            steps=count,
            keep_gradient=keep,
            settings=tuple(arguments.settings),
        )
    else:
        options = TrlOptions(
            arguments.trl_sequences,
            "sorted" if "sorted" in arguments.side else "batch",
            precision=precision,
            checkpointing="checkpointing" in arguments.side,
            liger="liger" in arguments.side,
            attention=arguments.trl_attention,
            steps=count,
            clip=not keep,
        )
        taken = train_with_trl(arguments.model, batch, arguments.device, options, keep_gradient=keep)
    if keep:
        torch.save(taken.gradient, arguments.gradient)
    cuda = arguments.device != "cpu"
    peak = (
        torch.cuda.max_memory_allocated()
        if cuda
        else resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    )
    return {
        "seconds": taken.seconds[1:],
        "processor_seconds": taken.processor[1:],
        "peak_bytes": peak,
        "tokens_through_the_model": taken.padded_tokens,
    }


def child(
    arguments: argparse.Namespace, side: str, batch: Path, gradient: Path | None = None
) -> dict[str, Any]:
    """Run one side in a separate process. The last line of its output is the result.

    Raises:
        WideSeekError: The process failed. The message contains the end of its output.
    """
    named = {
        name.replace("_", "-"): getattr(arguments, name)
        for name in ("model", "device", "precision", "steps", "threads", "tokens_per_row")
    } | {"trl-sequences": arguments.trl_sequences, "trl-attention": arguments.trl_attention}
    command = [sys.executable, __file__, "--side", side, "--batch", str(batch)]
    command += [part for name, value in named.items() for part in (f"--{name}", str(value))]
    command += [] if gradient is None else ["--gradient", str(gradient)]
    done = subprocess.run([*command, *arguments.settings], capture_output=True, text=True, check=False)
    if done.returncode:
        raise WideSeekError(f"{side} failed: {done.stderr.strip()[-1500:]}")
    result: dict[str, Any] = json.loads(done.stdout.strip().splitlines()[-1])
    return result


def compare(arguments: argparse.Namespace) -> dict[str, Any]:
    """Record the batch, check the gradients, and run both sides alternately. Returns all results."""
    sides = ["here", "trl"]
    sides += [] if arguments.no_sorted else ["trl sorted"]
    sides += ["trl checkpointing"] if arguments.trl_checkpointing else []
    sides += ["trl liger"] if arguments.trl_liger else []
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "batch.json"
        batch = record_batch(
            arguments.model,
            tasks=arguments.tasks,
            group=arguments.group,
            context=arguments.context,
            multiple=arguments.trl_sequences,
            tasks_of=arguments.game,
        )
        batch.save(path)
        tell(f"batch: {json.dumps(batch.describe())}")
        likeness = None if arguments.no_gradients else compare_gradients(arguments, path, Path(folder))
        runs: dict[str, list[dict[str, Any]]] = {side: [] for side in sides}
        for number in range(arguments.rounds):
            for side in sides if number % 2 == 0 else reversed(sides):
                runs[side].append(child(arguments, side, path))
                tell(f"round {number + 1}, {side}: {runs[side][-1]['seconds']}")
    return {"batch": batch.describe(), "gradients": likeness, **figures(runs, batch)}


def compare_gradients(arguments: argparse.Namespace, batch: Path, folder: Path) -> dict[str, float]:
    """Compare the gradients of both sides in float32.

    Raises:
        WideSeekError: They differ too much.
    """
    gradients = []
    for side in ("here", "trl"):
        kept = folder / f"{side}.pt"
        child(arguments, side, batch, kept)
        gradients.append(torch.load(kept, weights_only=True))
    likeness = alike(*gradients)
    tell(f"gradients: {json.dumps(likeness)}")
    if likeness["cosine"] <= LEAST_COSINE:
        raise WideSeekError(f"the gradients of the two sides differ too much: {likeness}")
    return likeness


def figures(runs: dict[str, list[dict[str, Any]]], batch: Batch) -> dict[str, Any]:
    """Medians, spreads and ratios of the measurements."""
    tokens = batch.describe()["tokens"]
    sides = {}
    for side, each in runs.items():
        seconds = [second for run in each for second in run["seconds"]]
        median = statistics.median(seconds)
        sides[side] = {
            "seconds": {
                "median": round(median, 3),
                "least": round(min(seconds), 3),
                "most": round(max(seconds), 3),
            },
            "processor_seconds": round(
                statistics.median(s for run in each for s in run["processor_seconds"]), 3
            ),
            "tokens_per_second": round(tokens / median, 1),
            "peak_gigabytes": round(max(run["peak_bytes"] for run in each) / 1e9, 3),
            "tokens_through_the_model": each[0]["tokens_through_the_model"],
            "steps": len(seconds),
        }
    here = sides["here"]
    return {
        "sides": sides,
        "ratio": {
            side: {
                "seconds": round(found["seconds"]["median"] / here["seconds"]["median"], 2),
                "processor_seconds": round(found["processor_seconds"] / here["processor_seconds"], 2),
            }
            for side, found in sides.items()
            if side != "here"
        },
    }


def tell(line: str) -> None:
    """Print progress to stderr."""
    print(line, file=sys.stderr, flush=True)


def parser() -> argparse.ArgumentParser:
    """The parser of the command line."""
    made = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    made.add_argument("--model", required=True, help="folder of a model with its tokenizer")
    made.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    made.add_argument("--precision", choices=("float32", "autocast", "bfloat16"), default="float32")
    made.add_argument("--game", default=GAME.tasks, help="source of the tasks")
    made.add_argument("--tasks", type=int, default=1, help="number of tasks")
    made.add_argument("--group", type=int, default=4, help="episodes per task")
    made.add_argument("--context", type=int, default=None, help="omit episodes with longer sequences")
    made.add_argument("--tokens-per-row", type=int, default=8192, help="tokens of a packed row, here")
    made.add_argument(
        "--trl-sequences", type=int, default=2, help="sequences per forward pass of TRL; an even number"
    )
    made.add_argument("--trl-attention", default="sdpa")
    made.add_argument(
        "--trl-checkpointing", action="store_true", help="also run TRL with checkpointing, its default"
    )
    made.add_argument("--trl-liger", action="store_true", help="also run TRL with Liger's kernels (GPU)")
    made.add_argument("--no-gradients", action="store_true", help="do not compare the gradients first")
    made.add_argument("--no-sorted", action="store_true", help="do not run TRL with sorted sequences")
    made.add_argument("--rounds", type=int, default=3, help="number of processes per side")
    made.add_argument("--steps", type=int, default=2, help="number of steps to time per process")
    made.add_argument(
        "--threads", type=int, default=0, help="number of torch's threads; 0 is torch's default"
    )
    made.add_argument("--out", type=Path, default=None, help="file to which the result is also written")
    made.add_argument(
        "settings", nargs="*", help="key=value settings of the configuration here, such as model.compile=true"
    )
    made.add_argument("--side", help=argparse.SUPPRESS)
    made.add_argument("--batch", type=Path, help=argparse.SUPPRESS)
    made.add_argument("--gradient", type=Path, default=None, help=argparse.SUPPRESS)
    return made


def main() -> None:
    """Print the result as JSON."""
    arguments = parser().parse_args()
    try:
        if arguments.side:
            print(json.dumps(one_side(arguments)))
            return
        if arguments.trl_sequences < 2 or arguments.trl_sequences % 2:
            raise WideSeekError(
                "--trl-sequences must be even: TRL compares at least two completions of a prompt"
            )
        found = compare(arguments)
    except WideSeekError as error:
        raise SystemExit(f"Error: {error}") from error
    command = ["python", "benchmarks/train_step_vs_trl.py", *sys.argv[1:]]
    result = {
        **machine(arguments.device),
        "threads": arguments.threads or torch.get_num_threads(),
        "precision": arguments.precision,
        **found,
        "command": " ".join(command),
    }
    if arguments.out is not None:
        arguments.out.write_text(json.dumps(result, indent=1) + "\n", "utf-8")
    print(json.dumps(result, indent=1))


if __name__ == "__main__":
    main()
