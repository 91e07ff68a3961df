"""Initial weights with which a nano model can copy text that it has read.

To copy a name, a model looks for an earlier place with the same last tokens, and writes the token that followed them
there. The part of a model that does this is an induction head (Olsson et al., "In-context Learning and Induction
Heads", 2022). A model with a million weights needs many millions of tokens to learn an induction head. This module
writes one into the initial weights.

In the first layer, head *h* copies to each place the token that is *h* + 1 places before it. In the second layer, one
head per group compares the last tokens with the tokens before every earlier place. The nearest tokens count most, so
the longest match wins. The head then copies the token at the place of that match. All other weights stay random.
Training changes all weights.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import sqrt

import numpy as np
from numpy.typing import NDArray

from wideseek_baselines.nano.model import ROPE_THETA, Size

Weights = dict[str, NDArray[np.float32]]

_CONSTANT = 0.06
"""The value of the first dimension of every embedding. With it, a head can attend to a place with any token."""
_NEAR = (0.5, 0.3, 0.2)
"""Shares of the three fastest rotations in a query for a place. They are enough to tell neighbouring places apart."""
_PLACE, _MATCH = 6.0, 2.0
"""Weights of the query and key norms. Larger weights make heads attend more sharply to a place and to a match."""
_COPIED = 0.12
"""The factor with which a found token is written: six times the standard deviation of an embedding."""
_FINAL = 5.0
"""Weight of the last norm. It sets how confident the model is in a copy."""
_SHARES = (0.34, 0.26, 0.22, 0.18)
"""How much each of the last tokens counts in a comparison. The first share is that of the last token."""


def lay_copying(weights: Weights, size: Size, seed: int) -> None:
    """Write the circuit in place into weights from `first_weights`.

    The circuit divides the dimensions of the residual stream. The first is a constant. The token itself follows, and
    then the tokens before it.
    """
    random = np.random.Generator(np.random.PCG64([seed, 1]))
    dims = min(size.head_dim, size.hidden // 4)  # dimensions of a token that one head copies
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
    """Write the first layer: head *h* copies the token *h* + 1 places back into the dimensions `before[h]`."""
    part = "model.layers.0.self_attn"
    table = weights["model.embed_tokens.weight"]
    # The norm divides an embedding by this, so a copied token becomes as large as the token itself.
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
        query[rows, 0] = _turned(
            size, -head
        )  # a key is rotated by one place more, so head 0 finds the token before
        output[:, rows] = 0
        output[written, head * size.head_dim + np.arange(len(written))] = scale
    weights[f"{part}.q_norm.weight"][:] = _PLACE
    weights[f"{part}.k_norm.weight"][:] = _PLACE


def _turned(size: Size, places: int) -> NDArray[np.float32]:
    """A vector of a head, rotated as far as `places` places rotate it."""
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
    """Write the second layer: one head per group finds the place where the last tokens occurred before."""
    part = "model.layers.1.self_attn"
    query, key = weights[f"{part}.q_proj.weight"], weights[f"{part}.k_proj.weight"]
    value, output = weights[f"{part}.v_proj.weight"], weights[f"{part}.o_proj.weight"]
    half = size.head_dim // 2
    slow = np.concatenate(
        [np.arange(half // 2, half), half + np.arange(half // 2, half)]
    )  # dimensions that hardly rotate
    carried = len(token) // 2
    for group in range(size.kv_heads):
        head = group * size.heads // size.kv_heads
        asked, held = head * size.head_dim, group * size.head_dim
        query[asked : asked + size.head_dim] = 0
        key[held : held + size.head_dim] = 0
        value[held : held + size.head_dim] = 0
        output[:, asked : asked + size.head_dim] = 0
        # Compares the tokens 0, 1, 2 … places back with the tokens 1, 2, 3 … before the place that it attends to.
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
