"""First weights that can copy: an induction circuit, laid into the random weights of a nano model.

To write a name that it has read, a model attends to the place where the last tokens stood before, and writes what
followed them there (Olsson et al., "In-context Learning and Induction Heads", 2022). A model of a million weights
needs many millions of tokens to find that by itself. Here it is written down: in the first layer each head carries the
token so many places back to each place; in the second layer one head of each group compares them with what every
earlier place carries, the nearest counting most, and brings what stands there. So the longest match wins. Everything
else stays random, and all of it is trained on.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import sqrt

import numpy as np
from numpy.typing import NDArray

from wideseek_baselines.nano.model import ROPE_THETA, Size

Weights = dict[str, NDArray[np.float32]]

_CONSTANT = 0.06
"""What every embedding has in its first dimension, so that a head can ask for a place whatever the token is."""
_NEAR = (0.5, 0.3, 0.2)
"""Share of the three quickest rotations in a query for a place: enough to tell neighbours apart."""
_PLACE, _MATCH = 6.0, 2.0
"""Weights of the query and key norms: how sharply heads attend to a place, and to a match."""
_COPIED = 0.12
"""How much of a token that was found is written; six times what an embedding has."""
_FINAL = 5.0
"""Weight of the last norm: how sure of a copy the model is."""
_SHARES = (0.34, 0.26, 0.22, 0.18)
"""What the last token, the one before it and so on count in a comparison, as shares of the whole."""


def lay_copying(weights: Weights, size: Size, seed: int) -> None:
    """Write the circuit into the weights of `first_weights`, in place.

    The dimensions of the residual stream are divided: one constant, then the token itself, then those before it.
    """
    random = np.random.Generator(np.random.PCG64([seed, 1]))
    dims = min(size.head_dim, size.hidden // 4)  # of a token that one head carries
    token = np.arange(1, 1 + 2 * dims)
    left = np.arange(token[-1] + 1, size.hidden)
    before = [part[:dims] for part in np.array_split(left, len(_SHARES))]
    table = weights["model.embed_tokens.weight"]
    table[:, 0] = _CONSTANT
    table[:, left] = 0
    weights["model.norm.weight"][:] = _FINAL
    _carry(weights, size, token[:dims], before)
    _match(weights, size, token, before, random)


def _carry(
    weights: Weights, size: Size, token: NDArray[np.int64], before: Sequence[NDArray[np.int64]]
) -> None:
    """The first layer: heads attend one, two … places back and write the token there beside this one's."""
    part = "model.layers.0.self_attn"
    table = weights["model.embed_tokens.weight"]
    # What the norm divides an embedding by: a token that is carried becomes as large as the token itself.
    scale = sqrt(float((table**2).sum(1).mean()) / size.hidden)
    query, key = weights[f"{part}.q_proj.weight"], weights[f"{part}.k_proj.weight"]
    value, output = weights[f"{part}.v_proj.weight"], weights[f"{part}.o_proj.weight"]
    key[:], value[:] = 0, 0
    for group in range(size.kv_heads):
        rows = slice(group * size.head_dim, (group + 1) * size.head_dim)
        key[rows, 0] = _turned(size, 1)
        value[rows][: len(token), token] = np.eye(len(token), dtype=np.float32)
    for head, written in enumerate(before):
        rows = slice(head * size.head_dim, (head + 1) * size.head_dim)
        query[rows] = 0
        query[rows, 0] = _turned(size, -head)  # a key is turned by one place more: the token before
        output[:, rows] = 0
        output[written, head * size.head_dim + np.arange(len(written))] = scale
    weights[f"{part}.q_norm.weight"][:] = _PLACE
    weights[f"{part}.k_norm.weight"][:] = _PLACE


def _turned(size: Size, places: int) -> NDArray[np.float32]:
    """A vector of a head that is turned by the rotation of so many places."""
    half = size.head_dim // 2
    angles = places * ROPE_THETA ** (-np.arange(len(_NEAR)) / half)
    vector = np.zeros(size.head_dim, np.float32)
    vector[: len(_NEAR)] = np.sqrt(_NEAR) * np.cos(angles)
    vector[half : half + len(_NEAR)] = np.sqrt(_NEAR) * np.sin(angles)
    return vector


def _match(
    weights: Weights,
    size: Size,
    token: NDArray[np.int64],
    before: Sequence[NDArray[np.int64]],
    random: np.random.Generator,
) -> None:
    """The second layer: in each group, a head that finds where the last tokens stood in this order before."""
    part = "model.layers.1.self_attn"
    query, key = weights[f"{part}.q_proj.weight"], weights[f"{part}.k_proj.weight"]
    value, output = weights[f"{part}.v_proj.weight"], weights[f"{part}.o_proj.weight"]
    half = size.head_dim // 2
    slow = np.concatenate([np.arange(half // 2, half), half + np.arange(half // 2, half)])  # hardly turned
    carried = len(token) // 2
    for group in range(size.kv_heads):
        head = group * size.heads // size.kv_heads
        asked, held = head * size.head_dim, group * size.head_dim
        query[asked : asked + size.head_dim] = 0
        key[held : held + size.head_dim] = 0
        value[held : held + size.head_dim] = 0
        output[:, asked : asked + size.head_dim] = 0
        # What is here, one back, two back … is compared with what was one, two, three … before the place looked at.
        for share, here, there in zip(_SHARES, [token, *before[:-1]], before, strict=True):
            width = min(len(here), len(there))
            mixed = random.standard_normal((len(slow), width), np.float32) * sqrt(share / width)
            query[np.ix_(asked + slow, here[:width])] = mixed
            key[np.ix_(held + slow, there[:width])] = mixed
        mine = token[group * carried : (group + 1) * carried]
        value[held + np.arange(len(mine)), mine] = 1
        output[mine, asked + np.arange(len(mine))] = _COPIED
    weights[f"{part}.q_norm.weight"][:] = _MATCH
    weights[f"{part}.k_norm.weight"][:] = _MATCH
