"""Packed rows give the loss and the gradients of one row at a time, computed the plain way in float32."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from torch.nn import functional
from training_parts import PAD, VOCAB, examples, tiny_causal

from wideseek_baselines.train.config.options import PolicyLossOptions
from wideseek_baselines.train.data.packing import Sample, first_fit_decreasing, pack, unpack
from wideseek_baselines.train.model.attention import use_attention
from wideseek_baselines.train.model.logprobs import token_logprobs
from wideseek_baselines.train.model.model import TokenModel
from wideseek_baselines.train.objective.losses import policy_loss
from wideseek_env.errors import ConfigError

LENGTHS = (23, 61, 5, 40, 2, 64, 17)
OPTIONS = PolicyLossOptions(kl=0.05, entropy=0.02, dual_clip=3.0)


def batch() -> list[Sample]:
    """Sequences with all columns of a policy update."""
    random = np.random.default_rng(7)
    made = []
    for example in examples(LENGTHS):
        count = len(example.places)
        old = random.normal(-4, 0.5, count)
        made.append(
            example.with_columns(
                old=old.astype(np.float32),
                engine=(old + random.normal(0, 0.3, count)).astype(np.float32),
                reference=random.normal(-4, 0.5, count).astype(np.float32),
                advantage=random.normal(0, 1, count).astype(np.float32),
                weight=np.full(count, 1 / (7 * count), np.float32),
                temperature=random.choice([0.7, 1.0, 1.3], count).astype(np.float32),
            )
        )
    return made


def loss_of(logprobs: Any, entropies: Any, columns: Any) -> Any:
    return policy_loss(
        logprobs,
        columns["old"],
        columns["advantage"],
        columns["weight"],
        OPTIONS,
        engine=columns["engine"],
        reference=columns["reference"],
        entropies=entropies,
    ).value


def plain(causal: Any, made: list[Sample]) -> tuple[float, list[torch.Tensor]]:
    """One sequence at a time, full logits, transformers' own attention, PyTorch's own softmax."""
    use_attention(causal, "sdpa")
    causal.zero_grad()
    total = 0.0
    for example in made:
        ids = torch.from_numpy(example.ids).unsqueeze(0)
        logits = causal(ids, use_cache=False).logits[0].float()
        columns = {name: torch.from_numpy(values) for name, values in example.columns.items()}
        scaled = logits[torch.from_numpy(example.places) - 1] / columns["temperature"].unsqueeze(1)
        every = functional.log_softmax(scaled, -1)
        chosen = every.gather(1, ids[0, torch.from_numpy(example.places)].unsqueeze(1)).squeeze(1)
        loss = loss_of(chosen, -(every.exp() * every).sum(-1), columns)
        loss.backward()
        total += loss.item()
    return total, [parameter.grad.clone() for parameter in causal.parameters()]


def padded(causal: Any, made: list[Sample]) -> tuple[float, list[torch.Tensor]]:
    """All sequences in one padded batch, padding on the right and masked."""
    use_attention(causal, "sdpa")
    causal.zero_grad()
    longest = max(map(len, made))
    ids = torch.full((len(made), longest), PAD)
    mask = torch.zeros_like(ids)
    for number, example in enumerate(made):
        ids[number, : len(example)] = torch.from_numpy(example.ids)
        mask[number, : len(example)] = 1
    logits = causal(ids, attention_mask=mask, use_cache=False).logits.float()
    loss = torch.zeros(())
    for number, example in enumerate(made):
        places = torch.from_numpy(example.places)
        columns = {name: torch.from_numpy(values) for name, values in example.columns.items()}
        every = functional.log_softmax(logits[number, places - 1] / columns["temperature"].unsqueeze(1), -1)
        chosen = every.gather(1, ids[number, places].unsqueeze(1)).squeeze(1)
        loss = loss + loss_of(chosen, -(every.exp() * every).sum(-1), columns)
    loss.backward()
    return loss.item(), [parameter.grad.clone() for parameter in causal.parameters()]


def packed(
    causal: Any, made: list[Sample], tokens_per_row: int, attention: Any = "packed", chunk: int = 16
) -> tuple[float, list[torch.Tensor]]:
    use_attention(causal, attention)
    causal.zero_grad()
    model = TokenModel(causal, chunk=chunk)
    total = 0.0
    for row in pack(made, tokens_per_row):
        scores = model(row, temperature=row.columns["temperature"], entropies=True)
        loss = loss_of(scores.logprobs, scores.entropies, row.columns)
        loss.backward()
        total += loss.item()
    return total, [parameter.grad.clone() for parameter in causal.parameters()]


def assert_same(found: tuple[float, list[torch.Tensor]], wanted: tuple[float, list[torch.Tensor]]) -> None:
    assert found[0] == pytest.approx(wanted[0], abs=1e-5)
    for mine, theirs in zip(found[1], wanted[1], strict=True):
        assert theirs.abs().max() > 1e-4, "a gradient of nothing compares nothing"
        torch.testing.assert_close(mine, theirs, atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("tied", [True, False])
@pytest.mark.parametrize("tokens_per_row", [1, 70, 1000])
def test_packing_does_not_change_loss_or_gradients(tokens_per_row: int, tied: bool) -> None:
    causal, made = tiny_causal(tied=tied), batch()
    assert_same(packed(causal, made, tokens_per_row), plain(causal, made))


def test_a_padded_batch_gives_the_same() -> None:
    causal, made = tiny_causal(), batch()
    assert_same(packed(causal, made, 1000), padded(causal, made))


def test_transformers_own_block_mask_gives_the_same() -> None:
    causal, made = tiny_causal(), batch()
    assert_same(packed(causal, made, 1000, "sdpa"), plain(causal, made))


def test_activation_checkpointing_gives_the_same() -> None:
    causal, made = tiny_causal(), batch()
    wanted = plain(causal, made)
    causal.gradient_checkpointing_enable({"use_reentrant": False})
    causal.train()
    assert_same(packed(causal, made, 100), wanted)


@pytest.mark.parametrize("chunk", [1, 7, 10_000])
def test_chunks_of_logits_do_not_change_anything(chunk: int) -> None:
    causal, made = tiny_causal(), batch()
    assert_same(packed(causal, made, 1000, chunk=chunk), packed(causal, made, 1000, chunk=64))


def test_the_fused_gradient_is_the_numerical_one() -> None:
    random = torch.Generator().manual_seed(0)
    hidden = torch.randn(5, 4, generator=random, dtype=torch.float64, requires_grad=True)
    weight = torch.randn(6, 4, generator=random, dtype=torch.float64, requires_grad=True)
    targets = torch.tensor([0, 5, 2, 2, 1])
    logprobs, entropies = token_logprobs(
        hidden, weight, targets, temperature=0.7, entropies=True, chunk=2, dtype=torch.float64
    )
    assert entropies is not None
    every = functional.log_softmax(hidden @ weight.T / 0.7, -1)
    torch.testing.assert_close(logprobs.double(), every[torch.arange(5), targets], atol=1e-6, rtol=1e-6)
    mix = torch.linspace(-1, 1, 5)
    found = torch.autograd.grad((mix * logprobs + mix.flip(0) * entropies).sum(), (hidden, weight))
    entropy = -(every.exp() * every).sum(-1)
    wanted = torch.autograd.grad(
        (mix * every[torch.arange(5), targets] + mix.flip(0) * entropy).sum(), (hidden, weight)
    )
    for mine, theirs in zip(found, wanted, strict=True):
        torch.testing.assert_close(mine, theirs, atol=1e-5, rtol=1e-5)


def test_no_tensor_of_row_times_vocabulary_is_ever_made() -> None:
    """All tensors that the scoring makes are watched, forwards and backwards."""
    from torch.utils._python_dispatch import TorchDispatchMode

    sizes: list[int] = []

    class Watch(TorchDispatchMode):
        def __torch_dispatch__(
            self, func: Callable[..., Any], types: Any, args: Any = (), kwargs: Any = None
        ) -> Any:
            made = func(*args, **(kwargs or {}))
            for tensor in made if isinstance(made, (tuple, list)) else (made,):
                if isinstance(tensor, torch.Tensor) and tensor.ndim == 2 and tensor.shape[1] == 5000:
                    sizes.append(tensor.shape[0])
            return made

    hidden = torch.randn(64, 8, requires_grad=True)
    weight = torch.randn(5000, 8, requires_grad=True)
    with Watch():
        logprobs, _ = token_logprobs(hidden, weight, torch.arange(64), chunk=16)
        logprobs.sum().backward()
    assert sizes, "the logits were never seen: the watch is blind"
    assert max(size for size in sizes if size != 8) == 16


def test_no_sequence_sees_another_and_pad_ids_are_ordinary() -> None:
    causal = tiny_causal()
    use_attention(causal, "packed")
    model = TokenModel(causal)
    one, two, three = examples((30, 20, 25))
    other = Sample((two.ids + 1) % VOCAB, two.places)

    def scores(middle: Sample) -> list[Any]:
        made = [one, middle, three]
        rows = pack(made, 1000)
        assert len(rows) == 1
        return unpack(rows, [model(rows[0]).logprobs], 3)

    before, after = scores(two), scores(other)
    np.testing.assert_array_equal(before[0], after[0])
    np.testing.assert_array_equal(before[2], after[2])
    assert not np.allclose(before[1], after[1])

    # an id that stands for padding elsewhere is read like any other: put one in where there was none
    at = next(int(place) - 1 for place in one.places if one.ids[int(place) - 1] != PAD)
    ids = one.ids.copy()
    ids[at] = PAD
    rows = pack([Sample(ids, one.places)], 1000)
    (changed,) = unpack(rows, [model(rows[0]).logprobs], 1)
    assert ((changed != before[0]) == (one.places > at)).all()


def test_rows_are_full_and_nothing_is_lost() -> None:
    made = examples([50, 50, 30, 30, 20, 20, 10, 120])
    rows = pack(made, 100)
    assert sorted(member for row in rows for member in row.members) == list(range(8))
    assert [len(row) for row in rows] == [120, 100, 100, 10], "the sequence above the limit has its own row"
    for row in rows:
        ids = np.concatenate([made[member].ids for member in row.members])
        np.testing.assert_array_equal(row.ids.numpy(), ids)
        starts = row.boundaries[:-1].tolist()
        assert (row.positions[starts] == 0).all()
        assert row.positions.max() + 1 == row.longest
        assert (row.ids[row.sources + 1] == row.targets).all()


@pytest.mark.parametrize("seed", range(5))
def test_first_fit_decreasing_is_what_a_plain_search_finds(seed: int) -> None:
    lengths = np.random.default_rng(seed).integers(1, 60, 80).tolist()
    room: list[int] = []
    bins: list[list[int]] = []
    for item in sorted(range(80), key=lambda at: -lengths[at]):
        fit = next((at for at, left in enumerate(room) if left >= lengths[item]), None)
        if fit is None:
            room.append(100)
            bins.append([])
            fit = len(bins) - 1
        room[fit] -= lengths[item]
        bins[fit].append(item)
    assert first_fit_decreasing(lengths, 100) == bins


def test_wrong_examples_are_refused() -> None:
    ids = np.arange(5)
    with pytest.raises(ConfigError, match="trained places"):
        Sample(ids, np.array([0, 2]))
    with pytest.raises(ConfigError, match="trained places"):
        Sample(ids, np.array([2, 5]))
    with pytest.raises(ConfigError, match="column 'weight' has 1"):
        Sample(ids, np.array([2, 3]), {"weight": np.ones(1, np.float32)})
    made = examples((5, 6))
    made[0] = made[0].with_columns(weight=np.ones(len(made[0].places), np.float32))
    with pytest.raises(ConfigError, match="different columns"):
        pack(made, 100)


def test_autocast_is_near_float32() -> None:
    causal = tiny_causal()
    use_attention(causal, "packed")
    (row,) = pack(examples(LENGTHS), 1000)
    exact = TokenModel(causal)(row).logprobs
    rough = TokenModel(causal, autocast=True)(row).logprobs
    assert rough.dtype == torch.float32
    assert 0 < (exact - rough).abs().mean() < 0.1
