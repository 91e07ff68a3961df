"""Divides jobs between training processes.

Each process runs a share of the jobs on its own engine. With Ray workers, the first process runs all jobs.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Generator, Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from wideseek_baselines.engines.base import Weights
from wideseek_baselines.rollout.jobs import Finished, group_of
from wideseek_baselines.train import distributed
from wideseek_env.messages import Role
from wideseek_env.policy import Job

if TYPE_CHECKING:
    from torch.distributed import ProcessGroup

J = TypeVar("J", bound=Job)


class RemoteRollouts:
    """The `Rollouts` of a process that runs no episodes, because the first process runs them on Ray workers."""

    def run(self, jobs: Iterable[Job]) -> Generator[Finished, None, None]:
        """Run nothing."""
        yield from ()

    def update_weights(self, weights: Weights, version: int, roles: Collection[Role] = ()) -> None:
        """Iterate over the weights and do nothing with them. All processes must take part in gathering each tensor."""
        if not isinstance(weights, Path):
            for _ in weights:
                pass

    def sleep(self) -> None:
        """Do nothing: there is no engine here."""

    def wake(self) -> None:
        """Do nothing: there is no engine here."""

    def close(self) -> None:
        """Do nothing: there is no engine here."""


def run_sharded(
    jobs: Sequence[J],
    run: Callable[[Sequence[J]], Iterable[Finished]],
    group: ProcessGroup | None,
    *,
    spread: bool,
) -> Iterable[Finished]:
    """Run all jobs. Every process gets the results of all of them.

    Args:
        jobs: The jobs, the same on every process.
        run: Runs some jobs on this process.
        group: The group of processes from `distributed.new_group`.
        spread: If true, every process runs a share of the groups. If false, the first process runs all jobs.

    Raises:
        ProcessError: `run` failed on another process.
    """
    if distributed.size() == 1:
        return run(jobs)
    mine = own_share(jobs) if spread else (jobs if distributed.is_main() else [])
    parts = distributed.everywhere(lambda: list(run(mine)), group)
    return [finished for part in parts for finished in part]


def own_share(jobs: Sequence[J]) -> list[J]:
    """The jobs of this process. Groups are not divided, so the prompt that a group's episodes share is computed
    once.
    """
    groups = {name: number for number, name in enumerate(dict.fromkeys(map(group_of, jobs)))}
    return [job for job in jobs if groups[group_of(job)] % distributed.size() == distributed.rank()]
