"""Configuration and initial weights of a nano model: the Qwen3 architecture, small enough to train on two CPU cores.

NumPy draws the weights, so they are the same on every machine.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from math import sqrt
from typing import Any

import numpy as np
from numpy.typing import NDArray

ROPE_THETA = 1e6  # as in Qwen3
SPREAD = 0.02  # standard deviation of the initial weights, as in Qwen and GPT-2


@dataclass(frozen=True, slots=True)
class Size:
    """The dimensions of a model. A head has 64 dimensions, which all attention kernels of vLLM support."""

    hidden: int
    layers: int
    heads: int
    kv_heads: int
    head_dim: int
    inner: int
    """Width of the feed-forward layers."""

    def weights(self, vocab: int) -> int:
        """The number of weights of a model with `vocab` tokens. The output layer shares the weights of the
        embeddings.
        """
        return sum(int(np.prod(shape)) for _, shape, _ in _shapes(self, vocab))


SIZES = {
    "tiny": Size(hidden=128, layers=5, heads=4, kv_heads=2, head_dim=64, inner=384),
    "small": Size(hidden=192, layers=6, heads=4, kv_heads=2, head_dim=64, inner=512),
    "base": Size(hidden=256, layers=6, heads=4, kv_heads=2, head_dim=64, inner=640),
}
"""Sizes with 1.6, 3.2 and 4.9 million weights for 3,072 tokens."""


def model_config(size: Size, vocab: int, context: int, *, end: int, pad: int) -> dict[str, Any]:
    """The content of `config.json`. `end` is the token that ends a turn, `context` the longest sequence in tokens."""
    return {
        "architectures": ["Qwen3ForCausalLM"],
        "model_type": "qwen3",
        "vocab_size": vocab,
        "hidden_size": size.hidden,
        "intermediate_size": size.inner,
        "num_hidden_layers": size.layers,
        "num_attention_heads": size.heads,
        "num_key_value_heads": size.kv_heads,
        "head_dim": size.head_dim,
        "hidden_act": "silu",
        "attention_bias": False,
        "attention_dropout": 0.0,
        "rms_norm_eps": 1e-6,
        "rope_theta": ROPE_THETA,
        "rope_scaling": None,
        "max_position_embeddings": context,
        "use_sliding_window": False,
        "tie_word_embeddings": True,
        "initializer_range": SPREAD,
        "use_cache": True,
        "bos_token_id": None,
        "eos_token_id": end,
        "pad_token_id": pad,
        "dtype": "float32",
    }


def first_weights(size: Size, vocab: int, seed: int) -> dict[str, NDArray[np.float32]]:
    """Random weights by name, from normal distributions. Tensors that write into the residual stream have a smaller
    deviation. Norms are 1.
    """
    random = np.random.Generator(np.random.PCG64(seed))
    return {
        name: np.ones(shape, np.float32)
        if spread is None
        else random.standard_normal(shape, np.float32) * np.float32(spread)
        for name, shape, spread in _shapes(size, vocab)
    }


def _shapes(size: Size, vocab: int) -> Iterator[tuple[str, tuple[int, ...], float | None]]:
    """Name, shape and standard deviation of every tensor. The deviation of a norm is None."""
    queries, keys = size.heads * size.head_dim, size.kv_heads * size.head_dim
    residual = SPREAD / sqrt(
        2 * size.layers
    )  # so that the sum of all layers' outputs has the deviation of one layer's (as in GPT-2)
    yield "model.embed_tokens.weight", (vocab, size.hidden), SPREAD
    for layer in range(size.layers):
        prefix = f"model.layers.{layer}"
        yield f"{prefix}.input_layernorm.weight", (size.hidden,), None
        yield f"{prefix}.self_attn.q_proj.weight", (queries, size.hidden), SPREAD
        yield f"{prefix}.self_attn.k_proj.weight", (keys, size.hidden), SPREAD
        yield f"{prefix}.self_attn.v_proj.weight", (keys, size.hidden), SPREAD
        yield f"{prefix}.self_attn.o_proj.weight", (size.hidden, queries), residual
        yield f"{prefix}.self_attn.q_norm.weight", (size.head_dim,), None
        yield f"{prefix}.self_attn.k_norm.weight", (size.head_dim,), None
        yield f"{prefix}.post_attention_layernorm.weight", (size.hidden,), None
        yield f"{prefix}.mlp.gate_proj.weight", (size.inner, size.hidden), SPREAD
        yield f"{prefix}.mlp.up_proj.weight", (size.inner, size.hidden), SPREAD
        yield f"{prefix}.mlp.down_proj.weight", (size.hidden, size.inner), residual
    yield "model.norm.weight", (size.hidden,), None
