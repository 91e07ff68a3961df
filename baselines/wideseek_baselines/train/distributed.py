"""The processes that train one model together (``torchrun``): who they are, and what they tell each other.

Without torchrun there is one process, the first, and everything here gives back what it was given.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import TYPE_CHECKING, Any, TypeVar, cast

import torch
import torch.distributed as dist

from wideseek_env.errors import ConfigError, WideSeekError

if TYPE_CHECKING:
    from torch.distributed import ProcessGroup

T = TypeVar("T")

PATIENCE = timedelta(hours=24)
"""How long a process waits for the others: the first may be playing a whole step's episodes meanwhile."""
LAUNCHED = ("RANK", "WORLD_SIZE", "LOCAL_RANK", "MASTER_ADDR", "MASTER_PORT")
"""What torchrun tells each process through its environment."""
_ALSO = ("LOCAL_WORLD_SIZE", "GROUP_RANK", "GROUP_WORLD_SIZE", "ROLE_RANK", "ROLE_NAME", "ROLE_WORLD_SIZE")


class ProcessError(WideSeekError):
    """Another of the processes failed, so that this one cannot go on either; that one says more."""


@contextmanager
def processes(device: str) -> Iterator[None]:
    """Join the processes that torchrun started, for the time of a ``with`` block; nothing happens without torchrun.

    On CUDA each process sees only the device of its number on the machine from here on (``CUDA_VISIBLE_DEVICES``), and
    so does an engine that it starts. torchrun's variables are hidden meanwhile: an engine's own processes would take
    them for theirs.

    Args:
        device: `ModelOptions.device`.

    Raises:
        ConfigError: The device cannot be used by several processes.
    """
    if dist.is_initialized() or any(name not in os.environ for name in LAUNCHED):
        yield
        return
    if int(os.environ["WORLD_SIZE"]) == 1:
        yield
        return
    cuda = _take_device(device, int(os.environ["LOCAL_RANK"]))
    dist.init_process_group("cpu:gloo,cuda:nccl" if cuda else "gloo", timeout=PATIENCE)
    hidden = {
        name: os.environ.pop(name)
        for name in list(os.environ)
        if name in LAUNCHED or name in _ALSO or name.startswith("TORCHELASTIC_")
    }
    try:
        yield
    finally:
        os.environ.update(hidden)
    # After an error the others may be waiting for this process: ending it lets torchrun end them too.
    dist.destroy_process_group()


def size() -> int:
    """How many processes train together."""
    return dist.get_world_size() if dist.is_available() and dist.is_initialized() else 1


def rank() -> int:
    """Which of them this is, from 0."""
    return dist.get_rank() if size() > 1 else 0


def is_main() -> bool:
    """Whether this process logs, prints and writes: the first."""
    return rank() == 0


def new_group() -> ProcessGroup | None:
    """A way for the processes to talk beside the training, from another thread; None where there is one process.

    All processes must ask for their groups in the same order.
    """
    if size() == 1:
        return None
    return cast("ProcessGroup", dist.new_group(backend="gloo", timeout=PATIENCE))


def gathered(value: T, group: ProcessGroup | None = None) -> list[T]:
    """What each process has, in the order of their numbers. All of them must call it."""
    if size() == 1:
        return [value]
    found: list[Any] = [None] * size()
    dist.all_gather_object(found, value, group)
    return found


def everywhere(make: Callable[[], T], group: ProcessGroup | None = None) -> list[T]:
    """Let every process make something, and give all of it to all.

    Raises:
        ProcessError: It failed on another process. On those where it failed the error itself is raised.
    """
    if size() == 1:
        return [make()]
    mine: Exception | None = None
    made: T | None = None
    try:
        made = make()
    except Exception as error:
        mine = error
    outcomes = gathered((made, "" if mine is None else f"{type(mine).__name__}: {mine}"), group)
    if mine is not None:
        raise mine
    for number, (_, problem) in enumerate(outcomes):
        if problem:
            raise ProcessError(f"process {number} failed: {problem}")
    return [cast(T, value) for value, _ in outcomes]


def from_main(make: Callable[[], T], group: ProcessGroup | None = None) -> T:
    """What the first process makes, for all; errors as `everywhere`."""
    return cast(T, everywhere(lambda: make() if is_main() else None, group)[0])


def summed(*values: float) -> list[float]:
    """Each value added up over the processes."""
    if size() == 1:
        return list(values)
    return [sum(column) for column in zip(*gathered(values), strict=True)]


def _take_device(device: str, local: int) -> bool:
    """Make CUDA's device of this number the only one of this process; whether CUDA is used at all."""
    kind, _, number = device.partition(":")
    # `torch.cuda.is_available()` would already settle which devices this process sees.
    count = 0 if kind == "cpu" else torch.cuda.device_count()
    if kind == "cpu" or (kind == "auto" and not count):
        return False
    if number:
        raise ConfigError(
            f"torchrun gives each process its own device: set model.device=cuda, not {device!r}"
        )
    if local >= count:
        raise ConfigError(
            f"process {local} of this machine has no CUDA device of its own: there are {count}; start as many "
            "processes with --nproc-per-node"
        )
    if torch.cuda.is_initialized():
        raise ConfigError(
            "CUDA was used before the training began, so that this process has chosen its devices: start training first"
        )
    visible = os.environ.get("CUDA_VISIBLE_DEVICES")
    os.environ["CUDA_VISIBLE_DEVICES"] = visible.split(",")[local].strip() if visible else str(local)
    return True
