"""The optimizer Muon: it makes the momentum of each matrix nearly orthogonal, and updates the weights with the result.

The update is the one by Jordan et al. (https://kellerjordan.github.io/posts/muon/). As in Liu et al. (arXiv
2502.16982), it is scaled to the size of AdamW's updates. PyTorch's Muon computes in bfloat16, which is slow on many
CPUs. This implementation computes in float32 on a CPU. It computes matrices of the same shape together.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from math import sqrt
from typing import Any

import torch
from torch import Tensor, nn

_A, _B, _C = 3.4445, -4.7750, 2.0315
_ROUNDS = 5


class Muon(torch.optim.Optimizer):
    """Muon for matrices.

    Args:
        params: Matrices.
        lr: Learning rate. The root mean square of an update is about a fifth of the learning rate, as with AdamW.
        momentum: Decay of the running mean of gradients (Nesterov).
        weight_decay: Each step reduces the weights by this share times `lr`.
    """

    def __init__(
        self, params: Iterable[nn.Parameter], lr: float, *, momentum: float = 0.95, weight_decay: float = 0.0
    ) -> None:
        super().__init__(params, {"lr": lr, "momentum": momentum, "weight_decay": weight_decay})

    @torch.no_grad()
    def step(self, closure: Any = None) -> None:
        """Update the weights from their gradients."""
        for group in self.param_groups:
            shapes: dict[torch.Size, list[tuple[nn.Parameter, Tensor]]] = defaultdict(list)
            for parameter in group["params"]:
                if parameter.grad is None:
                    continue
                mean = self.state[parameter].setdefault("momentum_buffer", torch.zeros_like(parameter.grad))
                mean.lerp_(parameter.grad, 1 - group["momentum"])
                shapes[parameter.shape].append((parameter, parameter.grad.lerp(mean, group["momentum"])))
            for shape, found in shapes.items():
                size = 0.2 * sqrt(max(shape)) * group["lr"]
                moves = orthogonal(torch.stack([move for _, move in found]))
                for (parameter, _), move in zip(found, moves, strict=True):
                    parameter.mul_(1 - group["lr"] * group["weight_decay"])
                    parameter.add_(move.to(parameter.dtype), alpha=-size)


def orthogonal(matrices: Tensor) -> Tensor:
    """``[N, R, C]`` matrices with the same singular vectors as the given ones. Singular values are about 0.7 to 1.2."""
    kind = torch.bfloat16 if matrices.is_cuda else torch.float32
    tall = matrices.shape[1] > matrices.shape[2]
    now = (matrices.mT if tall else matrices).to(kind)
    now = now / now.norm(dim=(1, 2), keepdim=True).clamp(min=1e-7)
    for _ in range(_ROUNDS):
        gram = now @ now.mT
        now = torch.baddbmm(now, torch.baddbmm(gram, gram, gram, beta=_B, alpha=_C), now, beta=_A)
    return now.mT if tall else now
