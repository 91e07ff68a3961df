"""The kernel and number type of packed attention: every branch, with stand-ins for CUDA and for varlen_attn."""

from __future__ import annotations

import ast
import inspect
import itertools
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor
from torch.nn import functional

from wideseek_baselines.train.model import attention
from wideseek_baselines.train.model.attention import attention_inputs, packed_attention
from wideseek_baselines.train.model.attention_kernel import AttentionInputs, AttentionKernel, choose_kernel

SIZE = 8
LENGTHS = (5, 2, 4)
F32, F16, BF16 = torch.float32, torch.float16, torch.bfloat16


def varlen(
    query: Tensor, key: Tensor, value: Tensor, boundaries: Tensor, maxima: tuple[int, int], **given: Any
) -> Tensor:
    """What varlen_attn computes, with its checks."""
    assert query.dtype == key.dtype == value.dtype, "Expected query, key, and value to have the same dtype"
    assert query.dtype in (F16, BF16), "FlashAttention only supports fp16 and bf16"
    assert boundaries.dtype == torch.int32
    lengths = boundaries.diff().tolist()
    assert maxima == (max(lengths), max(lengths))
    assert all(part.is_contiguous() and part.dim() == 3 for part in (query, key, value))
    if query.shape[1] != key.shape[1]:
        assert given.get("enable_gqa"), "Expect query and key/value to have the same number of heads"
    assert given["window_size"] == (-1, 0), "it is not causal"
    groups = query.shape[1] // key.shape[1]
    parts = (query, key.repeat_interleave(groups, 1), value.repeat_interleave(groups, 1))
    pieces = [
        functional.scaled_dot_product_attention(
            *(piece.transpose(0, 1) for piece in pieces), is_causal=True, scale=given["scale"]
        ).transpose(0, 1)
        for pieces in zip(*(part.split(lengths) for part in parts), strict=True)
    ]
    return torch.cat(pieces)


def varlen_2_10(
    query: Tensor, key: Tensor, value: Tensor, cu_seq_q: Tensor, cu_seq_k: Tensor, max_q: int, max_k: int,
    is_causal: bool = False, return_aux: Any = None,
) -> Tensor:  # fmt: skip
    raise AssertionError("it has no scale")


def varlen_2_11(
    query: Tensor, key: Tensor, value: Tensor, cu_seq_q: Tensor, cu_seq_k: Tensor, max_q: int, max_k: int, *,
    return_aux: Any = None, scale: float | None = None, window_size: tuple[int, int] = (-1, -1),
) -> Tensor:  # fmt: skip
    assert cu_seq_q is cu_seq_k
    return varlen(query, key, value, cu_seq_q, (max_q, max_k), scale=scale, window_size=window_size)


def varlen_2_12(
    query: Tensor, key: Tensor, value: Tensor, cu_seq_q: Tensor, cu_seq_k: Tensor | None, max_q: int,
    max_k: int, *, return_aux: Any = None, scale: float | None = None,
    window_size: tuple[int, int] = (-1, -1), enable_gqa: bool = False, seqused_k: Tensor | None = None,
    block_table: Tensor | None = None, num_splits: int | None = None,
) -> Tensor:  # fmt: skip
    assert cu_seq_q is cu_seq_k
    return varlen(
        query, key, value, cu_seq_q, (max_q, max_k), scale=scale, window_size=window_size, enable_gqa=enable_gqa
    )  # fmt: skip


VARLEN: tuple[Callable[..., Tensor] | None, ...] = (None, varlen_2_10, varlen_2_11, varlen_2_12)
DEVICES = (("cpu", None), ("cuda", (7, 5)), ("cuda", (8, 0)), ("cuda", (9, 0)), ("cuda", (12, 0)))
HEADS = ((4, 4), (4, 2), (4, 1))


def tensors(
    query: torch.dtype, value: torch.dtype, heads: tuple[int, int], lengths: tuple[int, ...], size: int = SIZE
) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    made = torch.Generator().manual_seed(0)
    total = sum(lengths)
    q, k, v = (torch.randn(1, count, total, size, generator=made) for count in (heads[0], heads[1], heads[1]))
    boundaries = torch.tensor([0, *itertools.accumulate(lengths)], dtype=torch.int32)
    return q.to(query), k.to(query), v.to(value), boundaries


def arguments(flash: Callable[..., Tensor] | None) -> frozenset[str] | None:
    return None if flash is None else frozenset(inspect.signature(flash).parameters)


def pretend(
    monkeypatch: pytest.MonkeyPatch,
    device: tuple[str, tuple[int, int] | None],
    flash: Callable[..., Tensor] | None,
) -> list[AttentionKernel]:
    """Choose as on this device with this torch, and compute on the CPU. Returns the list of the choices."""
    chosen: list[AttentionKernel] = []

    def inputs(*given: Any) -> AttentionInputs:
        return replace(
            attention_inputs(*given), device=device[0], capability=device[1], varlen=arguments(flash)
        )

    def choose(given: AttentionInputs) -> AttentionKernel:
        chosen.append(choose_kernel(given))
        return chosen[-1]

    monkeypatch.setattr(attention, "varlen_attention", lambda: flash)
    monkeypatch.setattr(attention, "attention_inputs", inputs)
    monkeypatch.setattr(attention, "choose_kernel", choose)
    return chosen


def computed(
    q: Tensor, k: Tensor, v: Tensor, boundaries: Tensor, autocast: torch.dtype | None = None, **more: Any
) -> Tensor:
    with torch.autocast("cpu", autocast or BF16, enabled=autocast is not None):
        found, _ = packed_attention(
            torch.nn.Identity(), q, k, v, None, cu_seq_lens_q=boundaries,
            max_length_q=int(boundaries.diff().max()), **more,
        )  # fmt: skip
    return found


def test_the_choice_in_every_combination() -> None:
    seen: Counter[str] = Counter()
    for (device, capability), flash, query, value, autocast, (heads, key_heads), packed in itertools.product(
        DEVICES, VARLEN, (F32, F16, BF16), (F32, F16, BF16), (None, F16, BF16), HEADS, (False, True)
    ):
        given = AttentionInputs(
            device, capability, query, value, autocast, heads, key_heads, SIZE, SIZE, packed, False,
            arguments(flash),
        )  # fmt: skip
        kernel = choose_kernel(given)
        expected = autocast or value
        fast = capability in ((8, 0), (9, 0), (12, 0)) and expected != F32 and flash in VARLEN[2:]
        shared = fast and flash is varlen_2_12
        assert kernel.name == ("varlen" if fast else "sdpa"), given
        assert kernel.output == expected, given
        assert kernel.dtype == (F32 if device == "cpu" else expected), given
        assert kernel.repeats == (1 if shared else heads // key_heads), given
        assert kernel.split == (packed and not fast), given
        options = {"window_size": (-1, 0)} if fast else {}
        assert dict(kernel.options) == (options | ({"enable_gqa": heads != key_heads} if shared else {})), (
            given
        )
        seen[kernel.name] += 1
    assert min(seen["varlen"], seen["sdpa"]) > 500


@pytest.mark.parametrize("flash", VARLEN)
@pytest.mark.parametrize("device", [("cpu", None), ("cuda", (9, 0))])
def test_each_kernel_computes_attention_in_the_type_that_the_model_expects(
    device: tuple[str, tuple[int, int] | None],
    flash: Callable[..., Tensor] | None,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The stand-ins refuse what the real function refuses, and so does scaled-dot-product attention."""
    pretend(monkeypatch, device, flash)
    for (query, value, autocast), heads in itertools.product(
        ((F32, F32, None), (F32, BF16, BF16), (F32, BF16, None), (BF16, BF16, None), (BF16, F32, BF16)),
        HEADS[:2],
    ):
        q, k, v, boundaries = tensors(query, value, heads, LENGTHS)
        found = computed(q, k, v, boundaries, autocast)
        assert found.dtype == (autocast or value)
        exact = computed(q.double(), k.double(), v.double(), boundaries)
        assert found.shape == exact.shape == (1, sum(LENGTHS), heads[0], SIZE)
        tolerance = 1e-5 if {query, value} == {F32} and autocast is None else 0.03
        torch.testing.assert_close(found.double(), exact, atol=tolerance, rtol=0)


@pytest.mark.parametrize("flash", [varlen_2_11, varlen_2_12])
@pytest.mark.parametrize(
    ("sizes", "dropout", "name"),
    [
        ((64, 64), 0.0, "varlen"),
        ((256, 256), 0.0, "varlen"),
        ((264, 264), 0.0, "sdpa"),
        ((12, 12), 0.0, "sdpa"),
        ((64, 32), 0.0, "sdpa"),
        ((64, 64), 0.1, "sdpa"),
    ],
)
def test_what_flash_attention_cannot_compute_is_left_to_sdpa(
    flash: Callable[..., Tensor],
    sizes: tuple[int, int],
    dropout: float,
    name: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    chosen = pretend(monkeypatch, ("cuda", (9, 0)), flash)
    q, k, _, boundaries = tensors(BF16, BF16, (4, 2), LENGTHS, sizes[0])
    _, _, v, _ = tensors(BF16, BF16, (4, 2), LENGTHS, sizes[1])
    found = computed(q, k, v, boundaries, dropout=dropout)
    assert found.shape == (1, sum(LENGTHS), 4, sizes[1])
    assert chosen[0].name == name


@pytest.mark.parametrize("flash", [varlen_2_11, varlen_2_12])
def test_gradients_and_scale_pass_through_both_kernels(
    flash: Callable[..., Tensor], monkeypatch: pytest.MonkeyPatch
) -> None:
    """As under autocast: query and key are float32 after the rotary embedding, and the value is bfloat16."""
    gradients = []
    for device in (("cuda", (9, 0)), ("cpu", None)):
        pretend(monkeypatch, device, flash)
        q, k, v, boundaries = tensors(F32, BF16, (4, 2), LENGTHS)
        leaves = [part.requires_grad_() for part in (q, k, v)]
        computed(q, k, v, boundaries, BF16, scaling=0.7).square().sum().backward()
        assert [leaf.grad.dtype for leaf in leaves if leaf.grad is not None] == [F32, F32, BF16]
        gradients.append([leaf.grad for leaf in leaves])
    for one, other in zip(*gradients, strict=True):
        torch.testing.assert_close(one, other, atol=0.1, rtol=0.05)
    assert gradients[0][0].abs().max() > 0.2


def test_the_stand_ins_have_the_arguments_of_this_torch() -> None:
    """A new torch may rename them. Then `choose_kernel` must follow."""
    source = Path(torch.__file__).parent / "nn" / "attention" / "varlen.py"
    if not source.is_file():
        pytest.skip("this torch has no varlen_attn")
    (found,) = (  # read and not imported, because the import takes seconds
        node
        for node in ast.parse(source.read_text("utf-8")).body
        if isinstance(node, ast.FunctionDef) and node.name == "varlen_attn"
    )
    names = {argument.arg for argument in (*found.args.args, *found.args.kwonlyargs)}
    assert names >= {"scale", "window_size"} <= (arguments(varlen_2_11) or set())
    like = varlen_2_12 if "enable_gqa" in names else varlen_2_11
    assert names >= (arguments(like) or set())


def test_lengths_are_read_only_where_the_row_is_split(monkeypatch: pytest.MonkeyPatch) -> None:
    """Reading them waits for the device."""

    def read(boundaries: Tensor) -> list[int]:
        raise AssertionError("read")

    monkeypatch.setattr(attention, "sequence_lengths", read)
    pretend(monkeypatch, ("cuda", (9, 0)), varlen_2_11)
    computed(*tensors(BF16, BF16, (4, 2), LENGTHS))
    computed(*tensors(F32, F32, (4, 2), (11,)))
    with pytest.raises(AssertionError, match="read"):
        computed(*tensors(F32, F32, (4, 2), LENGTHS))
