"""The rows of a mini-batch that this process computes: all of them, or its share where several train together."""

from __future__ import annotations

import heapq
from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from wideseek_baselines.train import distributed
from wideseek_baselines.train.data.packing import PackedSequence, Sample, join, pack


def rows_of(examples: Sequence[Sample], tokens_per_row: int) -> list[PackedSequence]:
    """The rows that this process computes. Every process gets as many, so that all take part in every pass.

    Where there are too few examples for a row each, a process gets one without trained tokens, which adds nothing.

    Args:
        examples: Of the whole mini-batch, the same on every process.
        tokens_per_row: See `pack`.
    """
    if distributed.size() == 1:
        return pack(examples, tokens_per_row)
    useful = [number for number, example in enumerate(examples) if len(example.places)]
    share = shares([len(examples[number]) for number in useful], tokens_per_row, distributed.size())
    return [
        join([useful[at] for at in members], examples) if members else empty_row(examples[useful[0]])
        for members in share[distributed.rank()]
    ]


def shares(lengths: Sequence[int], tokens_per_row: int, processes: int) -> list[list[list[int]]]:
    """Sequences spread over rows, and rows over processes: as few passes as it takes, each about equally long.

    The processes wait for each other in every layer, so what counts is the longest row of each pass: all rows get about
    the same number of tokens, and rows of the same pass are neighbours in length.

    Args:
        lengths: Tokens of each sequence.
        tokens_per_row: No row has more, except for a sequence that is longer.
        processes: How many.

    Returns:
        For each process its rows, equally many for each; of each row the indices of its sequences. Rows may be empty.
    """
    if not lengths:
        return [[] for _ in range(processes)]
    tokens = sum(min(length, tokens_per_row) for length in lengths)
    passes = -(-tokens // (tokens_per_row * processes))
    while True:
        rows = _spread(lengths, passes * processes)
        if all(len(row) < 2 or sum(lengths[at] for at in row) <= tokens_per_row for row in rows):
            break
        passes += 1
    rows.sort(key=lambda row: -sum(lengths[at] for at in row))
    # Each pass the other way round, so that no process always has the longest.
    return [
        [
            rows[number * processes + (own if number % 2 == 0 else processes - 1 - own)]
            for number in range(passes)
        ]
        for own in range(processes)
    ]


def _spread(lengths: Sequence[int], count: int) -> list[list[int]]:
    """Items over bins: the longest first, each into the emptiest."""
    rows: list[list[int]] = [[] for _ in range(count)]
    loads = [(0, number) for number in range(count)]
    for item in sorted(range(len(lengths)), key=lambda item: -lengths[item]):
        load, number = heapq.heappop(loads)
        rows[number].append(item)
        heapq.heappush(loads, (load + lengths[item], number))
    return rows


def empty_row(like: Sample) -> PackedSequence:
    """A row without trained tokens: what it computes has no part in any loss, mean or gradient."""
    columns: Mapping[str, NDArray[np.float32]] = {name: values[:0] for name, values in like.columns.items()}
    row = join([0], [Sample(like.ids[:2], like.places[:0], columns)])
    return replace(row, members=(), counts=())


def combined(values: Sequence[NDArray[np.float32]]) -> list[NDArray[np.float32]]:
    """What the processes computed for the examples of their rows, put together; each example is of one of them."""
    if distributed.size() == 1:
        return list(values)
    together = list(values)
    for part in distributed.gathered({at: found for at, found in enumerate(values) if len(found)}):
        for at, found in part.items():
            together[at] = found
    return together
