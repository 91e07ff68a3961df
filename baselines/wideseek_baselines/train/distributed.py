"""The processes that torchrun starts to train one model together: their ranks, and how they exchange values.

Without torchrun there is one process. Then each function returns the value that it got.
"""

from __future__ import annotations

import os
import signal
import threading
import time
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
"""How long a process waits for other processes. The first process may need long to play the episodes of a step."""
PARENT_SECONDS = 0.5
"""How often a process looks whether torchrun still runs."""
LAUNCHED = ("RANK", "WORLD_SIZE", "LOCAL_RANK", "MASTER_ADDR", "MASTER_PORT")
"""Environment variables that torchrun sets for each process."""
_ALSO = ("LOCAL_WORLD_SIZE", "GROUP_RANK", "GROUP_WORLD_SIZE", "ROLE_RANK", "ROLE_NAME", "ROLE_WORLD_SIZE")


class ProcessError(WideSeekError):
    """Another process failed, so this process cannot continue. The output of the other process has the reason."""


@contextmanager
def processes(device: str) -> Iterator[None]:
    """Join the processes that torchrun started, inside a ``with`` block. Without torchrun nothing happens.

    On CUDA each process then sees only the device of its local rank (``CUDA_VISIBLE_DEVICES``). An engine that the
    process starts sees the same device. Inside the block, torchrun's environment variables are removed, because the
    processes of an engine would use them.

    Args:
        device: `ModelOptions.device`.

    Raises:
        ConfigError: Several processes cannot use the device.
    """
    if dist.is_initialized() or any(name not in os.environ for name in LAUNCHED):
        yield
        return
    if int(os.environ["WORLD_SIZE"]) == 1:
        yield
        return
    if "TORCHELASTIC_RUN_ID" in os.environ:
        end_with_parent()
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


def end_with_parent() -> None:
    """Kill this process when its parent ends. Otherwise training goes on without torchrun if torchrun is killed.

    The guards of its engines then end the engines' processes (`wideseek_baselines.engines.process_guard`).
    """
    parent = os.getppid()

    def watch() -> None:
        while os.getppid() == parent:
            time.sleep(PARENT_SECONDS)
        os.kill(os.getpid(), signal.SIGKILL)

    threading.Thread(target=watch, name="wideseek-parent", daemon=True).start()


def size() -> int:
    """The number of processes that train together."""
    return dist.get_world_size() if dist.is_available() and dist.is_initialized() else 1


def rank() -> int:
    """The number of this process, from 0."""
    return dist.get_rank() if size() > 1 else 0


def is_main() -> bool:
    """Whether this is the first process, which logs, prints and writes files."""
    return rank() == 0


def new_group() -> ProcessGroup | None:
    """A group of processes for messages from a thread other than the training thread. None if there is one process.

    All processes must create their groups in the same order.
    """
    if size() == 1:
        return None
    return cast("ProcessGroup", dist.new_group(backend="gloo", timeout=PATIENCE))


def gathered(value: T, group: ProcessGroup | None = None) -> list[T]:
    """The values of all processes, in the order of their ranks. All processes must call this function."""
    if size() == 1:
        return [value]
    found: list[Any] = [None] * size()
    dist.all_gather_object(found, value, group)
    return found


def everywhere(make: Callable[[], T], group: ProcessGroup | None = None) -> list[T]:
    """Call a function on every process. Every process gets the results of all processes.

    Raises:
        ProcessError: The function failed on another process. If it failed on this process, its own error is raised.
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
    """Call a function on the first process. Every process gets its result. Raises the same errors as `everywhere`."""
    return cast(T, everywhere(lambda: make() if is_main() else None, group)[0])


def summed(*values: float) -> list[float]:
    """The sums of each value over all processes."""
    if size() == 1:
        return list(values)
    return [sum(column) for column in zip(*gathered(values), strict=True)]


def _take_device(device: str, local: int) -> bool:
    """Make the CUDA device with number `local` the only one that this process sees. Returns whether CUDA is used."""
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
            f"process {local} of this machine has no CUDA device, because there are only {count}: set "
            f"--nproc-per-node to at most {count}"
        )
    if torch.cuda.is_initialized():
        raise ConfigError(
            "CUDA was used before the training started, so its devices cannot be changed: start the training first"
        )
    visible = os.environ.get("CUDA_VISIBLE_DEVICES")
    os.environ["CUDA_VISIBLE_DEVICES"] = visible.split(",")[local].strip() if visible else str(local)
    return True
