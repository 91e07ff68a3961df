"""Chooses the kernel and the number type of packed attention. `choose_kernel` is a pure function and needs no device.

There are two kernels. ``varlen`` is PyTorch's variable-length FlashAttention: one call computes all sequences of a row.
``sdpa`` is scaled-dot-product attention: one call for each sequence.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

import torch

HALF = (torch.float16, torch.bfloat16)
FLASH_CAPABILITY = (8, 0)
"""The lowest compute capability of a CUDA device with FlashAttention (A100)."""
FLASH_HEAD_SIZE = 256
"""The largest size of a head in FlashAttention. The size must also be a multiple of 8."""


@dataclass(frozen=True, slots=True)
class AttentionInputs:
    """What the choice depends on."""

    device: str
    """Type of the device, such as "cpu" or "cuda"."""
    capability: tuple[int, int] | None
    """Compute capability of a CUDA device. None for other devices."""
    query: torch.dtype
    """Type of the query and, after the rotary embedding, of the key."""
    value: torch.dtype
    autocast: torch.dtype | None
    """The type of autocast on this device. None if autocast is off."""
    heads: int
    key_heads: int
    """Number of heads of key and value."""
    head_size: int
    value_size: int
    """Size of a head of the value."""
    packed: bool
    """Whether the row has more than one sequence."""
    dropout: bool
    varlen: frozenset[str] | None
    """The names of the arguments of `torch.nn.attention.varlen.varlen_attn`. None if torch does not have it."""


@dataclass(frozen=True, slots=True)
class AttentionKernel:
    """How to compute attention."""

    name: Literal["varlen", "sdpa"]
    dtype: torch.dtype
    """The type to which query, key and value are converted."""
    output: torch.dtype
    """The type of the result. The model's output projection expects it."""
    repeats: int
    """How often each head of key and value is repeated before the call."""
    split: bool
    """Whether the row is split into its sequences before the call."""
    options: tuple[tuple[str, Any], ...] = ()
    """Further arguments of ``varlen_attn``."""


def choose_kernel(given: AttentionInputs) -> AttentionKernel:
    """The kernel for these inputs.

    Under autocast, the rotary embedding makes query and key float32, while the value has autocast's type. All three are
    then computed in autocast's type. Without autocast, the value's type decides, because the output projection has the
    type of the projection that made the value.

    ``varlen_attn`` computes in half precision only. Before torch 2.11 it has no `scale` and no `window_size`, and
    before 2.12 no `enable_gqa`. Without the first two, ``sdpa`` is used. Without the third, heads are repeated.
    """
    output = given.autocast or given.value
    groups = given.heads // given.key_heads
    flash = (
        given.device == "cuda"
        and given.capability is not None
        and given.capability >= FLASH_CAPABILITY
        and output in HALF
        and given.head_size == given.value_size <= FLASH_HEAD_SIZE
        and given.head_size % 8 == 0
        and not given.dropout
    )
    if flash and given.varlen is not None and {"scale", "window_size"} <= given.varlen:
        shared = "enable_gqa" in given.varlen
        return AttentionKernel(
            "varlen",
            dtype=output,
            output=output,
            repeats=1 if shared else groups,
            split=False,
            options=(("window_size", (-1, 0)), *((("enable_gqa", groups > 1),) if shared else ())),
        )
    # The CPU kernel's backward pass is faster in float32 than in half precision, and more exact. Repeated heads are
    # faster than `enable_gqa`, which uses a slow kernel on a CPU in float32.
    dtype = torch.float32 if given.device == "cpu" and output in HALF else output
    return AttentionKernel("sdpa", dtype=dtype, output=output, repeats=groups, split=given.packed)
