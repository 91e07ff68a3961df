"""Attention over packed rows. A token attends only to tokens of the same sequence.

The time grows with the square of the length of each sequence, not of the row. On CUDA in half precision, this uses
PyTorch's variable-length FlashAttention (`attention_kernel` has the exact rule). Otherwise it calls scaled-dot-product
attention once for each sequence. On a CPU these calls are several times faster than one call with a block mask over the
whole row. That one call would also compute the blocks that the mask removes.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from inspect import signature
from typing import TYPE_CHECKING, Any, cast

import torch
from torch import Tensor
from torch.nn import functional

from wideseek_baselines.train.config.options import Attention
from wideseek_baselines.train.data.packing import PackedSequence
from wideseek_baselines.train.model.attention_kernel import AttentionInputs, choose_kernel
from wideseek_env.errors import ConfigError

if TYPE_CHECKING:
    from transformers import PreTrainedModel

NAME = "wideseek_packed"


def use_attention(model: PreTrainedModel, attention: Attention, *, compiled: bool = False) -> None:
    """Make a transformers model use the chosen implementation of attention.

    If the layers are `compiled`, packed attention is not compiled with them. Otherwise torch would compile again for
    each new number of sequences and each new length.

    Raises:
        ConfigError: The model or the machine does not have this attention.
    """
    name: str = attention
    if attention == "packed":
        from transformers import AttentionInterface

        name = f"{NAME}_apart" if compiled else NAME
        AttentionInterface.register(
            name, torch.compiler.disable(packed_attention) if compiled else packed_attention
        )
    try:
        model.set_attn_implementation(name)
    except (ImportError, ValueError) as error:
        raise ConfigError(f"attention {attention!r} cannot be used here: {error}") from error


def attention_arguments(row: PackedSequence) -> dict[str, Any]:
    """The arguments that tell a model's `forward` where the sequences of a row begin and end."""
    return {
        "cu_seq_lens_q": row.boundaries,
        "cu_seq_lens_k": row.boundaries,
        "max_length_q": row.longest,
        "max_length_k": row.longest,
    }


def packed_attention(
    module: torch.nn.Module,
    query: Tensor,
    key: Tensor,
    value: Tensor,
    attention_mask: Tensor | None,
    *,
    dropout: float = 0.0,
    scaling: float | None = None,
    sliding_window: int | None = None,
    cu_seq_lens_q: Tensor | None = None,
    max_length_q: int | None = None,
    softcap: float | None = None,
    **_unused: Any,
) -> tuple[Tensor, None]:
    """Causal attention within the sequences of a row, in the form that transformers calls.

    Args:
        module: The attention layer.
        query: ``[1, heads, T, size]``.
        key: ``[1, key heads, T, size]``.
        value: The same shape as `key`.
        attention_mask: Must be None. The boundaries already separate the sequences.
        dropout: Dropout of attention weights.
        scaling: Factor of the scores. Default: ``size ** -0.5``.
        sliding_window: Must not be shorter than the longest sequence.
        cu_seq_lens_q: The boundaries of the row.
        max_length_q: The number of tokens of the longest sequence.
        softcap: Must be None.

    Returns:
        ``[1, T, heads, size]`` and None.

    Raises:
        ConfigError: The model needs something that packed attention does not support.
    """
    if cu_seq_lens_q is None or max_length_q is None or attention_mask is not None or len(query) != 1:
        raise ConfigError("packed attention needs one row with its boundaries and no attention mask")
    if softcap is not None or (sliding_window is not None and max_length_q > sliding_window):
        raise ConfigError(
            "packed attention has neither soft caps nor sliding windows: use attention='flash_attention_2'"
        )
    kernel = choose_kernel(attention_inputs(query, key, value, cu_seq_lens_q, dropout))
    query, key, value = (part.to(kernel.dtype) for part in (query, key, value))
    if kernel.repeats > 1:
        key, value = (part.repeat_interleave(kernel.repeats, 1) for part in (key, value))
    if kernel.name == "varlen":
        varlen = varlen_attention()
        assert varlen is not None
        output = varlen(
            query[0].transpose(0, 1).contiguous(),
            key[0].transpose(0, 1).contiguous(),
            value[0].transpose(0, 1).contiguous(),
            cu_seq_lens_q,
            cu_seq_lens_q,
            max_length_q,
            max_length_q,
            scale=scaling,
            **dict(kernel.options),
        )
        return cast(Tensor, output).unsqueeze(0), None
    lengths = sequence_lengths(cu_seq_lens_q) if kernel.split else [query.shape[2]]
    with torch.autocast(query.device.type, enabled=False):
        pieces = [
            functional.scaled_dot_product_attention(q, k, v, dropout_p=dropout, is_causal=True, scale=scaling)
            for q, k, v in zip(*(torch.split(part, lengths, 2) for part in (query, key, value)), strict=True)
        ]
    return torch.cat(pieces, 2).transpose(1, 2).to(kernel.output), None


def attention_inputs(
    query: Tensor, key: Tensor, value: Tensor, boundaries: Tensor, dropout: float = 0.0
) -> AttentionInputs:
    """What the choice of a kernel depends on, for the tensors of `packed_attention` and the boundaries of the row."""
    kind = query.device.type
    varlen = varlen_attention() if kind == "cuda" else None  # its import takes seconds
    return AttentionInputs(
        device=kind,
        capability=cuda_capability(query.device) if kind == "cuda" else None,
        query=query.dtype,
        value=value.dtype,
        autocast=torch.get_autocast_dtype(kind) if torch.is_autocast_enabled(kind) else None,
        heads=query.shape[1],
        key_heads=key.shape[1],
        head_size=query.shape[3],
        value_size=value.shape[3],
        packed=len(boundaries) > 2,
        dropout=dropout > 0,
        varlen=None if varlen is None else frozenset(signature(varlen).parameters),
    )


@cache
def varlen_attention() -> Callable[..., Any] | None:
    """PyTorch's variable-length FlashAttention. None if this torch does not have it."""
    try:
        from torch.nn.attention.varlen import varlen_attn
    except ImportError:
        return None
    return cast(Callable[..., Any], varlen_attn)


@cache
def cuda_capability(device: torch.device) -> tuple[int, int]:
    """The compute capability of a CUDA device, such as (9, 0)."""
    return cast(tuple[int, int], torch.cuda.get_device_capability(device))


def sequence_lengths(boundaries: Tensor) -> list[int]:
    """The number of tokens of each sequence of a row. On CUDA, this waits for the device."""
    return cast(list[int], boundaries.diff().tolist())
