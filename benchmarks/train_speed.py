"""Measures how fast a model trains on this machine: ``python benchmarks/train_speed.py MODEL``.

It times whole optimiser steps (forward, backward, AdamW) on random sequences. It times each of these ways of batching:
packed rows, rows with transformers' block mask, one sequence at a time, and batches padded to their longest sequence.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, cast

import click
import numpy as np
import torch

from wideseek_baselines.train.config.options import ModelOptions, OptimOptions
from wideseek_baselines.train.data.packing import Sample, pack
from wideseek_baselines.train.model.attention import Attention
from wideseek_baselines.train.model.model import TokenModel, load_model
from wideseek_baselines.train.objective.losses import supervised_loss
from wideseek_baselines.train.optim.optimizer import Optimizer


@dataclass(frozen=True, slots=True)
class Speed:
    """Tokens per second, by the wall clock and by CPU time. Tokens of prompts count. Padding does not count."""

    wall: float
    processor: float


def make_examples(count: int, shortest: int, longest: int, share: float, vocabulary: int) -> list[Sample]:
    """Random sequences with lengths drawn uniformly between the bounds. `share` of their tokens are trained."""
    random = np.random.default_rng(0)
    made = []
    for length in random.integers(shortest, longest + 1, count).tolist():
        places = 1 + np.sort(random.choice(length - 1, max(1, int(share * length)), replace=False))
        made.append(Sample(random.integers(0, vocabulary, length), places))
    return made


def measure(step: Callable[[], None], tokens: int, repeats: int, device: torch.device) -> Speed:
    """The median speed over `repeats` steps. One step before them is not counted."""
    walls, processors = [], []
    for number in range(repeats + 1):
        wall, processor = time.perf_counter(), time.process_time()
        step()
        if device.type == "cuda":
            torch.cuda.synchronize(device)
        if number:
            walls.append(tokens / (time.perf_counter() - wall))
            processors.append(tokens / (time.process_time() - processor))
    return Speed(statistics.median(walls), statistics.median(processors))


def row_step(
    model: TokenModel, optimizer: Optimizer, examples: Sequence[Sample], tokens_per_row: int
) -> None:
    """One step on packed rows. With `tokens_per_row` 1, each row has one sequence."""
    trained = sum(len(example.places) for example in examples)
    for row in pack(examples, tokens_per_row):
        logprobs = model(row.to(model.device)).logprobs
        supervised_loss(logprobs, torch.full_like(logprobs, 1 / trained)).value.backward()
    optimizer.step()


def padded_step(
    model: TokenModel, optimizer: Optimizer, examples: Sequence[Sample], tokens_per_row: int
) -> None:
    """One step in the usual way: padded batches in the given order, and logits for every token."""
    trained = sum(len(example.places) for example in examples)
    batch: list[Sample] = []
    for number, example in enumerate(examples):
        batch.append(example)
        longest = max(map(len, batch))
        following = len(examples[number + 1]) if number + 1 < len(examples) else tokens_per_row
        if (len(batch) + 1) * max(longest, following) <= tokens_per_row and number + 1 < len(examples):
            continue
        ids = torch.zeros(len(batch), longest, dtype=torch.int64)
        mask = torch.zeros_like(ids)
        labels = torch.full_like(ids, -100)
        for at, one in enumerate(batch):
            ids[at, : len(one)] = torch.from_numpy(one.ids)
            mask[at, : len(one)] = 1
            labels[at, one.places] = ids[at, one.places]
        ids, mask, labels = (part.to(model.device) for part in (ids, mask, labels))
        with torch.autocast(model.device.type, torch.bfloat16, enabled=model.autocast):
            logits = cast(Any, model.causal)(input_ids=ids, attention_mask=mask, use_cache=False).logits
        loss = torch.nn.functional.cross_entropy(
            logits[:, :-1].flatten(0, 1).float(), labels[:, 1:].flatten(), reduction="sum"
        )
        (loss / trained).backward()
        batch = []
    optimizer.step()


WAYS: tuple[tuple[str, Attention, Callable[..., None], bool], ...] = (
    ("packed", "packed", row_step, False),
    ("block mask", "sdpa", row_step, False),
    ("one at a time", "packed", row_step, True),
    ("padded", "sdpa", padded_step, False),
)
COMPILED: tuple[tuple[str, Attention, Callable[..., None], bool], ...] = (
    ("compiled", "packed", row_step, False),
)


@click.command()
@click.argument("model")
@click.option("--sequences", default=32, show_default=True, help="Number of sequences per step.")
@click.option("--shortest", default=150, show_default=True, help="Tokens of the shortest sequence.")
@click.option("--longest", default=700, show_default=True, help="Tokens of the longest sequence.")
@click.option("--trained", default=0.35, show_default=True, help="Share of the tokens that are trained.")
@click.option("--tokens-per-row", default=2048, show_default=True, help="Tokens per row or padded batch.")
@click.option("--device", default="auto", show_default=True)
@click.option("--precision", "precisions", multiple=True, default=("float32", "autocast"), show_default=True)
@click.option("--repeats", default=5, show_default=True)
@click.option("--compile", "compiled", is_flag=True, help="Also time packed rows with compiled layers.")
def main(
    model: str,
    sequences: int,
    shortest: int,
    longest: int,
    trained: float,
    tokens_per_row: int,
    device: str,
    precisions: tuple[str, ...],
    repeats: int,
    compiled: bool,
) -> None:
    """Time optimiser steps of the model in folder MODEL."""
    click.echo(f"{'':10}{'':16}{'tokens/s':>10}{'per CPU second':>16}")
    for precision in precisions:
        for name, attention, step, single in (*WAYS, *(COMPILED if compiled else ())):
            options = ModelOptions(
                model,
                device=device,
                precision=cast(Any, precision),
                attention=attention,
                compile=name == "compiled",
            )
            loaded = load_model(options)
            optimizer = Optimizer(loaded.named_parameters(), OptimOptions(lr=1e-4))
            vocabulary = loaded.causal.config.get_text_config().vocab_size
            examples = make_examples(sequences, shortest, longest, trained, vocabulary)
            size = 1 if single else tokens_per_row
            speed = measure(
                lambda step=step, loaded=loaded, optimizer=optimizer, examples=examples, size=size: step(  # type: ignore[misc]
                    loaded, optimizer, examples, size
                ),
                sum(map(len, examples)),
                repeats,
                loaded.device,
            )
            click.echo(f"{precision:10}{name:16}{speed.wall:10,.0f}{speed.processor:16,.0f}")


if __name__ == "__main__":
    main()
