"""Packing: token sequences joined into rows without padding.

A row is one flat run of tokens from several sequences. Positions begin anew with every sequence, and its boundaries
(`PackedSequence.boundaries`) go to the attention, so that no token sees another sequence. Which tokens are trained is a list of
places of its own: neither attention nor loss is inferred from any token's id.
"""

from __future__ import annotations

import heapq
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from wideseek_baselines.train import distributed
from wideseek_env.errors import ConfigError


@dataclass(frozen=True, slots=True)
class Sample:
    """One sequence of token ids and what is known about those of its tokens that are trained.

    Attributes:
        ids: ``[n]`` token ids.
        places: ``[k]`` indices into `ids` of the trained tokens, increasing; never 0, which nothing predicts.
        columns: Numbers for every trained token, ``[k]`` each, such as its weight or its advantage.
    """

    ids: NDArray[np.int64]
    places: NDArray[np.int64]
    columns: Mapping[str, NDArray[np.float32]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        places = self.places
        if len(places) and (places[0] < 1 or places[-1] >= len(self.ids) or (np.diff(places) < 1).any()):
            raise ConfigError(
                f"trained places must increase within 1..{len(self.ids) - 1}, not {places.tolist()[:8]}…"
            )
        for name, values in self.columns.items():
            if len(values) != len(places):
                raise ConfigError(
                    f"column {name!r} has {len(values)} values for {len(places)} trained tokens"
                )

    def __len__(self) -> int:
        return len(self.ids)

    def with_columns(self, **columns: NDArray[np.float32]) -> Sample:
        """The same example with more (or other) columns."""
        return replace(self, columns={**self.columns, **columns})


@dataclass(frozen=True, slots=True)
class PackedSequence:
    """Several sequences joined into one row of T tokens, K of which are trained.

    Attributes:
        ids: ``[T]`` token ids.
        positions: ``[T]``, from 0 in every sequence.
        boundaries: ``[S + 1]`` int32: sequence s is ``boundaries[s]:boundaries[s + 1]``.
        longest: Tokens of the longest sequence.
        sources: ``[K]`` places whose hidden state predicts the trained tokens, which are one further on.
        targets: ``[K]`` ids of the trained tokens.
        columns: What the examples' columns say, ``[K]`` each.
        members: Which examples the row is made of, in order.
        counts: Trained tokens of each member.
    """

    ids: Tensor
    positions: Tensor
    boundaries: Tensor
    longest: int
    sources: Tensor
    targets: Tensor
    columns: Mapping[str, Tensor]
    members: tuple[int, ...]
    counts: tuple[int, ...]

    def __len__(self) -> int:
        return len(self.ids)

    def to(self, device: torch.device | str) -> PackedSequence:
        """The same row on a device."""
        moved = {
            name: getattr(self, name).to(device, non_blocking=True)
            for name in ("ids", "positions", "boundaries", "sources", "targets")
        }
        columns = {name: values.to(device, non_blocking=True) for name, values in self.columns.items()}
        return replace(self, **moved, columns=columns)


def pack(examples: Sequence[Sample], tokens_per_row: int) -> list[PackedSequence]:
    """Join examples into rows of at most `tokens_per_row` tokens, first-fit decreasing.

    A sequence that is longer gets a row for itself: sequences are never cut. Examples without trained tokens are
    left out. Every example must have the same columns. The order depends on nothing but the lengths.
    """
    if tokens_per_row < 1:
        raise ConfigError(f"tokens_per_row must be at least 1, not {tokens_per_row}")
    useful = [number for number, example in enumerate(examples) if len(example.places)]
    groups = first_fit_decreasing([len(examples[number]) for number in useful], tokens_per_row)
    return [join([useful[at] for at in group], examples) for group in groups]


def join(members: Sequence[int], examples: Sequence[Sample]) -> PackedSequence:
    """One row of the `members` among the examples."""
    chosen = [examples[number] for number in members]
    names = sorted(chosen[0].columns)
    for example in chosen:
        if sorted(example.columns) != names:
            raise ConfigError(f"examples have different columns: {names} and {sorted(example.columns)}")
    lengths = np.array([len(example) for example in chosen])
    boundaries = np.concatenate([[0], np.cumsum(lengths)])
    starts = np.repeat(boundaries[:-1], [len(example.places) for example in chosen])
    places = np.concatenate([example.places for example in chosen]) + starts
    ids = np.concatenate([example.ids for example in chosen])
    return PackedSequence(
        ids=torch.from_numpy(ids),
        positions=torch.from_numpy(np.arange(len(ids)) - np.repeat(boundaries[:-1], lengths)),
        boundaries=torch.from_numpy(boundaries.astype(np.int32)),
        longest=int(lengths.max()),
        sources=torch.from_numpy(places - 1),
        targets=torch.from_numpy(ids[places]),
        columns={
            name: torch.from_numpy(np.concatenate([example.columns[name] for example in chosen]))
            for name in names
        },
        members=tuple(members),
        counts=tuple(len(example.places) for example in chosen),
    )


def unpack(rows: Sequence[PackedSequence], values: Sequence[Tensor], count: int) -> list[NDArray[np.float32]]:
    """Give what was computed for the trained tokens of rows back to the `count` examples that they were made of.

    Examples that were left out of the rows get an empty array.
    """
    result: list[NDArray[np.float32]] = [np.zeros(0, np.float32)] * count
    for row, computed in zip(rows, values, strict=True):
        parts = torch.split(computed.detach().float().cpu(), list(row.counts))
        for member, part in zip(row.members, parts, strict=True):
            result[member] = part.numpy().copy()
    return result


def first_fit_decreasing(lengths: Sequence[int], capacity: int) -> list[list[int]]:
    """Put items into as few bins as first-fit decreasing finds; an item above `capacity` has a bin of its own.

    Returns the items' indices by bin. Takes O(n log n): the room left is kept in a tree of maxima, in which the first
    bin with enough room is found from the root.
    """
    order = sorted(range(len(lengths)), key=lambda item: -lengths[item])
    leaves = 1
    while leaves < len(lengths):
        leaves *= 2
    room = [capacity] * (2 * leaves)
    bins: list[list[int]] = []
    for item in order:
        length = min(lengths[item], capacity)
        node = 1
        while node < leaves:
            node = 2 * node if room[2 * node] >= length else 2 * node + 1
        if node - leaves == len(bins):
            bins.append([])
        bins[node - leaves].append(item)
        room[node] -= length
        while node > 1:
            node //= 2
            room[node] = max(room[2 * node], room[2 * node + 1])
    return bins


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
