"""The optimiser: float32 masters, skipped steps, schedules."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import nn

from wideseek_baselines.train.config.options import OptimOptions
from wideseek_baselines.train.model.critic import ValueHead
from wideseek_baselines.train.optim.muon import Muon, orthogonal
from wideseek_baselines.train.optim.optimizer import DivergedError, Optimizer, clip_gradients, lr_factor


def model(dtype: torch.dtype = torch.float32) -> Any:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return nn.Sequential(nn.Linear(4, 8), nn.Tanh(), nn.Linear(8, 1)).to(dtype)


def descend(net: Any, optimizer: Optimizer, steps: int, parts: int = 1) -> None:
    inputs = torch.linspace(-1, 1, 32, dtype=next(net.parameters()).dtype).view(8, 4)
    for _ in range(steps):
        for part in inputs.chunk(parts):
            (net(part) - 1).square().sum().backward()
        optimizer.step()


def test_float32_weights_take_the_steps_of_plain_adamw() -> None:
    mine, theirs = model(), model()
    optimizer = Optimizer(mine.named_parameters(), OptimOptions(lr=0.01, weight_decay=0.1, max_norm=0.5))
    descend(mine, optimizer, 5)
    matrices = [p for p in theirs.parameters() if p.ndim > 1]
    vectors = [p for p in theirs.parameters() if p.ndim == 1]
    plain = torch.optim.AdamW(
        [{"params": matrices, "weight_decay": 0.1}, {"params": vectors, "weight_decay": 0.0}], lr=0.01
    )
    inputs = torch.linspace(-1, 1, 32).view(8, 4)
    for _ in range(5):
        plain.zero_grad()
        (theirs(inputs) - 1).square().sum().backward()
        torch.nn.utils.clip_grad_norm_(theirs.parameters(), 0.5)
        plain.step()
    for one, other in zip(mine.parameters(), theirs.parameters(), strict=True):
        torch.testing.assert_close(one, other, atol=1e-5, rtol=1e-5)


def test_bfloat16_weights_learn_from_steps_too_small_for_bfloat16() -> None:
    net = model(torch.bfloat16)
    before = [parameter.detach().clone() for parameter in net.parameters()]
    optimizer = Optimizer(net.named_parameters(), OptimOptions(lr=1e-5))
    descend(net, optimizer, 1)
    moved = optimizer.state_dict()["masters"]
    unrounded = [
        (moved[name] - old.float()).abs().max()
        for (name, _), old in zip(net.named_parameters(), before, strict=True)
    ]
    assert all(0 < step < 1.1e-5 for step in unrounded), "the masters moved by what bfloat16 cannot hold"
    descend(net, optimizer, 400)
    assert any((new != old).any() for new, old in zip(net.parameters(), before, strict=True))
    for name, parameter in net.named_parameters():
        assert torch.equal(parameter, optimizer.state_dict()["masters"][name].bfloat16())


def test_gradients_of_many_rows_are_added_up_in_float32() -> None:
    parameter = nn.Parameter(torch.zeros(1, dtype=torch.bfloat16))
    optimizer = Optimizer([("one", parameter)], OptimOptions(max_norm=0))
    (parameter * 256).sum().backward()
    for _ in range(64):  # 256 + 1 is 256 in bfloat16: added there, these would be lost
        parameter.sum().backward()
    assert optimizer.step().norm == 320


def test_steps_with_broken_gradients_are_skipped_and_counted() -> None:
    net = model()
    optimizer = Optimizer(net.named_parameters(), OptimOptions(lr=0.01, max_skipped=3))
    descend(net, optimizer, 1)
    before = [parameter.detach().clone() for parameter in net.parameters()]
    for broken in (float("nan"), float("inf")):
        (net(torch.ones(1, 4)) * broken).sum().backward()
        step = optimizer.step()
        assert not step.done
    assert optimizer.skipped == 2
    assert all(torch.equal(new, old) for new, old in zip(net.parameters(), before, strict=True))
    descend(net, optimizer, 1)  # a good one in between begins the count anew
    assert not all(torch.equal(new, old) for new, old in zip(net.parameters(), before, strict=True))

    def break_three() -> None:
        for _ in range(3):
            (net(torch.ones(1, 4)) * float("nan")).sum().backward()
            optimizer.step()

    with pytest.raises(DivergedError, match="3 steps in a row"):
        break_three()
    assert all(torch.isfinite(parameter).all() for parameter in net.parameters())


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_a_saved_state_goes_on_to_the_same_weights(dtype: torch.dtype) -> None:
    options = OptimOptions(lr=0.01, schedule="cosine", warmup=2)
    whole = model(dtype)
    descend(whole, Optimizer(whole.named_parameters(), options, 10), 8, parts=2)
    first = model(dtype)
    optimizer = Optimizer(first.named_parameters(), options, 10)
    descend(first, optimizer, 5, parts=2)
    second = model(dtype)
    again = Optimizer(second.named_parameters(), options, 10)
    second.load_state_dict(first.state_dict())
    again.load_state_dict(optimizer.state_dict())
    descend(second, again, 3, parts=2)
    assert all(
        torch.equal(one, other) for one, other in zip(whole.parameters(), second.parameters(), strict=True)
    )


def test_clipping_keeps_the_direction() -> None:
    parameter = nn.Parameter(torch.zeros(2))
    parameter.grad = torch.tensor([3.0, 4.0])
    assert clip_gradients([parameter], 1.0) == pytest.approx(5)
    torch.testing.assert_close(parameter.grad, torch.tensor([0.6, 0.8]))
    assert clip_gradients([parameter], 2.0) == pytest.approx(1)
    torch.testing.assert_close(parameter.grad, torch.tensor([0.6, 0.8]))


def test_schedules() -> None:
    linear = OptimOptions(schedule="linear", warmup=3, lr_end=0.1)
    factors = [lr_factor(step, 11, linear) for step in range(12)]
    assert factors[:3] == pytest.approx([0.25, 0.5, 0.75])
    assert factors[3] == pytest.approx(1)
    assert factors[10] == factors[11] == pytest.approx(0.1)
    assert factors[3:11] == sorted(factors[3:11], reverse=True)
    cosine = OptimOptions(schedule="cosine")
    assert [lr_factor(step, 3, cosine) for step in range(3)] == pytest.approx([1, 0.5, 0])
    assert lr_factor(10**6, None, OptimOptions()) == 1


def test_a_value_head_begins_at_zero_and_keeps_its_gradient_to_itself_if_told() -> None:
    for detach in (True, False):
        head = ValueHead(4, detach=detach)
        hidden = torch.randn(3, 4, requires_grad=True)
        assert head(hidden).tolist() == [0, 0, 0]
        nn.init.ones_(head.linear.weight)
        head(hidden).sum().backward()
        assert (hidden.grad is None) == detach
        assert head.linear.weight.grad is not None


def test_muon_moves_the_matrices_and_adamw_the_rest() -> None:
    class Named(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.embed = nn.Embedding(6, 4)
            self.layers = model()

        def forward(self, inputs: torch.Tensor) -> Any:
            return self.layers(inputs + self.embed.weight.mean(0))

    mine, theirs = Named(), Named()
    theirs.load_state_dict(mine.state_dict())
    descend(mine, Optimizer(mine.named_parameters(), OptimOptions(lr=0.01, matrices="muon", max_norm=0)), 3)
    matrices = [p for p in theirs.layers.parameters() if p.ndim == 2]
    rest = [p for p in theirs.parameters() if not any(p is matrix for matrix in matrices)]
    methods = [Muon(matrices, 0.01), torch.optim.AdamW(rest, lr=0.01, weight_decay=0)]
    inputs = torch.linspace(-1, 1, 32).view(8, 4)
    for _ in range(3):
        (theirs(inputs) - 1).square().sum().backward()
        for method in methods:
            method.step()
            method.zero_grad()
    for (name, one), other in zip(mine.named_parameters(), theirs.parameters(), strict=True):
        torch.testing.assert_close(one, other, atol=1e-6, rtol=1e-5, msg=name)


@pytest.mark.skipif(not hasattr(torch.optim, "Muon"), reason="torch has Muon from 2.9 on")
def test_muon_moves_as_pytorchs_does() -> None:
    torch.manual_seed(0)
    first = [torch.randn(12, 5), torch.randn(5, 12), torch.randn(12, 5)]
    mine = [nn.Parameter(matrix.clone()) for matrix in first]
    theirs = [nn.Parameter(matrix.clone()) for matrix in first]
    own = Muon(mine, 0.1, weight_decay=0.2)
    reference = torch.optim.Muon(theirs, lr=0.1, weight_decay=0.2, adjust_lr_fn="match_rms_adamw")
    for _ in range(4):
        for one, other in zip(mine, theirs, strict=True):
            one.grad = torch.randn_like(one)
            other.grad = one.grad.clone()
        own.step()
        reference.step()
    moved = torch.cat([(one - start).flatten() for one, start in zip(mine, first, strict=True)])
    beside = torch.cat([(one - start).flatten() for one, start in zip(theirs, first, strict=True)])
    assert moved.norm() > 1
    assert (moved - beside).norm() < 0.02 * moved.norm()  # PyTorch's computes in bfloat16


def test_an_orthogonal_matrix_has_the_singular_vectors_of_the_first() -> None:
    torch.manual_seed(0)
    matrices = torch.randn(3, 6, 4)
    left, _, right = torch.linalg.svd(matrices, full_matrices=False)
    values = left.mT @ orthogonal(matrices) @ right.mT
    torch.testing.assert_close(values, torch.diag_embed(values.diagonal(dim1=1, dim2=2)), atol=1e-3, rtol=0)
    assert ((values.diagonal(dim1=1, dim2=2) > 0.6) & (values.diagonal(dim1=1, dim2=2) < 1.3)).all()


def test_muon_goes_on_from_a_saved_state() -> None:
    options = OptimOptions(lr=0.01, matrices="muon")
    whole, first, second = model(), model(), model()
    descend(whole, Optimizer(whole.named_parameters(), options), 4)
    optimizer = Optimizer(first.named_parameters(), options)
    descend(first, optimizer, 2)
    second.load_state_dict(first.state_dict())
    continued = Optimizer(second.named_parameters(), options)
    continued.load_state_dict(optimizer.state_dict())
    descend(second, continued, 2)
    for one, other in zip(whole.parameters(), second.parameters(), strict=True):
        assert torch.equal(one, other)
