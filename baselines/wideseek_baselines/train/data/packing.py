"""Packing: joins token sequences into rows without padding, and spreads the rows over processes.

A row has the tokens of several sequences one after the other. Positions start at 0 in every sequence. The attention
code gets `PackedSequence.boundaries`, so a token attends only to tokens of the same sequence. A list of indices says
which tokens are trained. No token id has a special meaning, such as padding.
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
    """One sequence of token ids, with numbers such as weights for each of its trained tokens.

    Attributes:
        ids: ``[n]`` token ids.
        places: ``[k]`` increasing indices of the trained tokens in `ids`. 0 is not allowed, because no token comes
            before it to predict it.
        columns: Arrays by name, such as "weight" or "advantage". Each has ``[k]`` numbers, one for each trained token.
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
        """A copy of the sample with columns added or replaced."""
        return replace(self, columns={**self.columns, **columns})


@dataclass(frozen=True, slots=True)
class PackedSequence:
    """Several sequences joined into one row of T tokens, K of which are trained.

    Attributes:
        ids: ``[T]`` token ids.
        positions: ``[T]`` positions, which start at 0 in every sequence.
        boundaries: ``[S + 1]`` int32 indices. Sequence s has the tokens ``boundaries[s]:boundaries[s + 1]``.
        longest: Number of tokens of the longest sequence.
        sources: ``[K]`` indices of the tokens whose hidden states predict the trained tokens. Each is one less than the
            index of the trained token.
        targets: ``[K]`` ids of the trained tokens.
        columns: The columns of the samples by name, each with ``[K]`` numbers.
        members: The indices of the samples in the row, in order.
        counts: The number of trained tokens of each of these samples.
        part: The name of the model's weights that compute the row (`ModelPart`), if the model has several.
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
    part: str = ""

    def __len__(self) -> int:
        return len(self.ids)

    def to(self, device: torch.device | str) -> PackedSequence:
        """A copy of the row whose tensors are on the device."""
        moved = {
            name: getattr(self, name).to(device, non_blocking=True)
            for name in ("ids", "positions", "boundaries", "sources", "targets")
        }
        columns = {name: values.to(device, non_blocking=True) for name, values in self.columns.items()}
        return replace(self, **moved, columns=columns)


def pack(samples: Sequence[Sample], tokens_per_row: int) -> list[PackedSequence]:
    """Join samples into rows of at most `tokens_per_row` tokens, by first-fit decreasing bin packing.

    A sequence with more tokens gets a row for itself. Sequences are never cut. Samples without trained tokens are left
    out. Which samples share a row depends only on the lengths.

    Raises:
        ConfigError: `tokens_per_row` is below 1, or the samples have different columns.
    """
    if tokens_per_row < 1:
        raise ConfigError(f"tokens_per_row must be at least 1, not {tokens_per_row}")
    useful = [number for number, sample in enumerate(samples) if len(sample.places)]
    groups = first_fit_decreasing([len(samples[number]) for number in useful], tokens_per_row)
    return [join([useful[at] for at in group], samples) for group in groups]


def join(members: Sequence[int], samples: Sequence[Sample]) -> PackedSequence:
    """Make one row from the samples with the indices `members`."""
    chosen = [samples[number] for number in members]
    names = sorted(chosen[0].columns)
    for sample in chosen:
        if sorted(sample.columns) != names:
            raise ConfigError(f"samples have different columns: {names} and {sorted(sample.columns)}")
    lengths = np.array([len(sample) for sample in chosen])
    boundaries = np.concatenate([[0], np.cumsum(lengths)])
    starts = np.repeat(boundaries[:-1], [len(sample.places) for sample in chosen])
    places = np.concatenate([sample.places for sample in chosen]) + starts
    ids = np.concatenate([sample.ids for sample in chosen])
    return PackedSequence(
        ids=torch.from_numpy(ids),
        positions=torch.from_numpy(np.arange(len(ids)) - np.repeat(boundaries[:-1], lengths)),
        boundaries=torch.from_numpy(boundaries.astype(np.int32)),
        longest=int(lengths.max()),
        sources=torch.from_numpy(places - 1),
        targets=torch.from_numpy(ids[places]),
        columns={
            name: torch.from_numpy(np.concatenate([sample.columns[name] for sample in chosen]))
            for name in names
        },
        members=tuple(members),
        counts=tuple(len(sample.places) for sample in chosen),
    )


def unpack(rows: Sequence[PackedSequence], values: Sequence[Tensor], count: int) -> list[NDArray[np.float32]]:
    """Split numbers that were computed for the trained tokens of rows into one array for each sample.

    Args:
        rows: The rows.
        values: For each row, ``[K]`` numbers.
        count: Number of samples from which the rows were made.

    Returns:
        For each sample, ``[k]`` numbers. The array is empty if the sample is in no row.
    """
    result: list[NDArray[np.float32]] = [np.zeros(0, np.float32)] * count
    for row, computed in zip(rows, values, strict=True):
        parts = torch.split(computed.detach().float().cpu(), list(row.counts))
        for member, part in zip(row.members, parts, strict=True):
            result[member] = part.numpy().copy()
    return result


def first_fit_decreasing(lengths: Sequence[int], capacity: int) -> list[list[int]]:
    """Put items into few bins by first-fit decreasing. An item longer than `capacity` gets a bin for itself.

    Returns the indices of the items in each bin. The time is O(n log n), because a tree of maxima stores how much room
    the bins have left. The search for the first bin with enough room starts at the root of the tree.
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


def rows_of(samples: Sequence[Sample], tokens_per_row: int) -> list[PackedSequence]:
    """The rows that this process computes. All processes get the same number of rows, because all must run every pass.

    If there is no sample for a row, the row gets two tokens that are not trained. Such a row does not change the
    result.

    Args:
        samples: The samples of the whole mini-batch, the same on every process.
        tokens_per_row: Largest number of tokens of a row. A longer sequence gets a row for itself.
    """
    if distributed.size() == 1:
        return pack(samples, tokens_per_row)
    useful = [number for number, sample in enumerate(samples) if len(sample.places)]
    share = shares([len(samples[number]) for number in useful], tokens_per_row, distributed.size())
    return [
        join([useful[at] for at in members], samples) if members else empty_row(samples[useful[0]])
        for members in share[distributed.rank()]
    ]


def shares(lengths: Sequence[int], tokens_per_row: int, processes: int) -> list[list[list[int]]]:
    """Spread sequences over rows, and rows over processes. In each pass, every process computes one row.

    Processes wait for each other in every layer, so a pass takes as long as its longest row. Therefore all rows get
    about the same number of tokens, and rows of similar length are in the same pass.

    Args:
        lengths: The number of tokens of each sequence.
        tokens_per_row: Largest number of tokens of a row. A longer sequence gets a row for itself.
        processes: Number of processes.

    Returns:
        The rows of each process. All processes have the same number of rows. A row is a list of indices of sequences,
        and may be empty.
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
    # Every second pass is reversed, so that no process always has the longest row.
    return [
        [
            rows[number * processes + (own if number % 2 == 0 else processes - 1 - own)]
            for number in range(passes)
        ]
        for own in range(processes)
    ]


def _spread(lengths: Sequence[int], count: int) -> list[list[int]]:
    """Spread items over bins. The longest item comes first. Each item goes into the bin with the fewest tokens."""
    rows: list[list[int]] = [[] for _ in range(count)]
    loads = [(0, number) for number in range(count)]
    for item in sorted(range(len(lengths)), key=lambda item: -lengths[item]):
        load, number = heapq.heappop(loads)
        rows[number].append(item)
        heapq.heappush(loads, (load + lengths[item], number))
    return rows


def empty_row(like: Sample) -> PackedSequence:
    """A row without trained tokens. It adds nothing to any loss, mean or gradient."""
    columns: Mapping[str, NDArray[np.float32]] = {name: values[:0] for name, values in like.columns.items()}
    row = join([0], [Sample(like.ids[:2], like.places[:0], columns)])
    return replace(row, members=(), counts=())


def combined(values: Sequence[NDArray[np.float32]]) -> list[NDArray[np.float32]]:
    """Collect the numbers that all processes computed for their samples. Each sample is on one process."""
    if distributed.size() == 1:
        return list(values)
    all_values = list(values)
    for part in distributed.gathered({at: found for at, found in enumerate(values) if len(found)}):
        for at, found in part.items():
            all_values[at] = found
    return all_values
