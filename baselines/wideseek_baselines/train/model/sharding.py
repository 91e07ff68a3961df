"""Shards parameters over the processes that train together (FSDP2): each process has a part of every tensor.

FSDP gathers the tensors of a layer while the layer computes, and sums its gradients over the processes. With one
process, modules and tensors stay as they are.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Container, Iterable, Iterator, Mapping
from typing import Any, TypeVar, cast

import torch
from torch import Tensor, nn

from wideseek_baselines.train import distributed
from wideseek_env.errors import ConfigError

M = TypeVar("M", bound=nn.Module)


def sharded(module: M, layers: Iterable[nn.Module] = (), device: torch.device | None = None) -> M:
    """Shard a module over the processes. Each of its `layers` is one unit of sharding. The other parts together are one
    unit. Inside a unit, modules with another number type are units too, because FSDP joins the tensors of a unit.

    Use the module only by calling it. Its `forward` must return a tensor or a tuple of tensors.

    Args:
        module: The module, the same on every process. It may be on any device.
        layers: Parts that are computed one after the other.
        device: The device of the sharded parts. Default: the device of the module.

    Raises:
        ConfigError: The device is neither cpu nor cuda, the parameters of a layer have several number types, or torch
            does not sum the gradients.
    """
    if distributed.size() == 1:
        return module
    from torch.distributed.device_mesh import init_device_mesh
    from torch.distributed.fsdp import MixedPrecisionPolicy, fully_shard

    place = device or next(module.parameters()).device
    if place.type not in ("cpu", "cuda"):
        raise ConfigError(f"models cannot be sharded over processes on {place.type}: use cpu or cuda")
    mesh = init_device_mesh(place.type, (distributed.size(),))
    policy = MixedPrecisionPolicy(reduce_dtype=torch.float32)
    probe = nn.Linear(1, 1, bias=False)
    units: list[nn.Module] = [probe, *layers, module]
    done: set[nn.Parameter] = set()
    for unit in units:
        for part in [*_of_other_types(unit, done), unit]:
            # Also the outermost part is freed after each pass: a frozen model would keep its embeddings gathered.
            _add_up(fully_shard(part, mesh=mesh, mp_policy=policy, reshard_after_forward=True))
        done.update(unit.parameters())
    probe(torch.ones(1, 1, device=place)).sum().backward()
    if float(full(cast(Tensor, probe.weight.grad))) != distributed.size():
        raise ConfigError(
            f"torch {torch.__version__} does not sum the gradients of {distributed.size()} processes: "
            "use another version"
        )
    return module


def _of_other_types(unit: nn.Module, done: Container[nn.Parameter]) -> list[nn.Module]:
    """The modules inside a unit whose parameters have another number type than most of the unit's parameters.

    An example is the float32 value head of a bfloat16 critic. Parameters that are `done` belong to an earlier unit.
    """
    types: dict[nn.Module, torch.dtype] = {}
    sizes: Counter[torch.dtype] = Counter()
    for name, module in unit.named_modules():
        found = [parameter for parameter in module.parameters(recurse=False) if parameter not in done]
        kinds = {parameter.dtype for parameter in found}
        if len(kinds) > 1:
            raise ConfigError(
                f"the parameters of {name or 'a module'} ({type(module).__name__}) have the number types "
                f"{', '.join(sorted(map(str, kinds)))}: train this model in one process, or with another "
                "model.precision"
            )
        for parameter in found:
            sizes[parameter.dtype] += parameter.numel()
            types[module] = parameter.dtype
    usual = max(sizes, key=lambda kind: sizes[kind], default=None)
    return [module for module, kind in types.items() if kind != usual and module is not unit]


def _add_up(shard: Any) -> None:
    """Make FSDP sum gradients instead of averaging them. The tokens' weights of all processes together sum to 1."""
    shard.set_force_sum_reduction_for_comms(True)  # gloo supports only sums
    shard.set_gradient_divide_factor(1.0)


def full(tensor: Tensor) -> Tensor:
    """The whole tensor, gathered from all processes if it is sharded. All processes must call this function."""
    whole = getattr(tensor, "full_tensor", None)
    return tensor if whole is None else cast(Tensor, whole())


def gather(state: Any) -> Any:
    """A nested state with whole tensors in the main memory of the first process. Other processes get None for each
    tensor.

    Tensors are gathered one at a time. With one process, the state is returned as it is.
    """
    if distributed.size() == 1:
        return state
    if isinstance(state, Mapping):
        return {name: gather(value) for name, value in state.items()}
    if isinstance(state, (list, tuple)):
        return [gather(value) for value in state]
    if isinstance(state, Tensor):
        whole = full(state.detach())
        return whole.cpu() if distributed.is_main() else None
    return state


def part_like(tensor: Tensor, target: Tensor) -> Tensor:
    """Shard a whole tensor like `target`. If `target` is not sharded or has another shape, return the tensor itself."""
    mesh = getattr(target, "device_mesh", None)
    if mesh is None or tensor.shape != target.shape:
        return tensor
    from torch.distributed.tensor import distribute_tensor

    return distribute_tensor(tensor.to(mesh.device_type), mesh, cast(Any, target).placements)


def full_weights(module: nn.Module) -> Iterator[tuple[str, Tensor]]:
    """Names and whole tensors of a module's state, gathered one at a time. All processes must iterate over all."""
    for name, tensor in module.state_dict().items():
        yield name, full(tensor.detach())
