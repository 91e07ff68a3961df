"""Attention over packed rows. A token attends only to tokens of the same sequence.

The time grows with the square of the length of each sequence, not of the row. On CUDA in half precision, this uses
PyTorch's variable-length FlashAttention. Otherwise it calls scaled-dot-product attention once for each sequence. On a
CPU these calls are several times faster than one call with a block mask over the whole row. That one call would also
compute the blocks that the mask removes.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor
from torch.nn import functional

from wideseek_baselines.train.config.options import Attention
from wideseek_baselines.train.data.packing import PackedSequence
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
    if query.is_cuda and query.dtype in (torch.float16, torch.bfloat16) and dropout == 0.0:
        from torch.nn.attention.varlen import varlen_attn

        output = varlen_attn(
            query[0].transpose(0, 1).contiguous(),
            key[0].transpose(0, 1).contiguous(),
            value[0].transpose(0, 1).contiguous(),
            cu_seq_lens_q,
            cu_seq_lens_q,
            max_length_q,
            max_length_q,
            scale=scaling,
            window_size=(-1, 0),  # causal
            enable_gqa=key.shape[1] != query.shape[1],
        )
        assert isinstance(output, Tensor)
        return output.unsqueeze(0), None
    groups = query.shape[1] // key.shape[1]
    if groups > 1:
        # quicker than enable_gqa, which falls back to a slow kernel on a CPU in float32
        key, value = key.repeat_interleave(groups, 1), value.repeat_interleave(groups, 1)
    kind = query.dtype
    if query.device.type == "cpu":
        # the CPU kernel's backward pass is quicker in float32 than in bfloat16, and more exact
        query, key, value = query.float(), key.float(), value.float()
    lengths = cu_seq_lens_q.diff().tolist()
    with torch.autocast(query.device.type, enabled=False):
        pieces = [
            functional.scaled_dot_product_attention(q, k, v, dropout_p=dropout, is_causal=True, scale=scaling)
            for q, k, v in zip(*(torch.split(part, lengths, 2) for part in (query, key, value)), strict=True)
        ]
    return torch.cat(pieces, 2).transpose(1, 2).to(kind), None
