"""Jobs of several training processes: each runs its share on its engine, or the first runs all on Ray workers."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from wideseek_baselines.engines.base import Weights
from wideseek_baselines.rollout.jobs import Finished, group_of
from wideseek_baselines.train import distributed
from wideseek_env.policy import Job

if TYPE_CHECKING:
    from torch.distributed import ProcessGroup

J = TypeVar("J", bound=Job)


class RemoteRollouts:
    """The `Rollouts` of a process whose episodes are run by the first process. It runs none itself."""

    def run(self, jobs: Iterable[Job]) -> Generator[Finished, None, None]:
        """Run nothing."""
        yield from ()

    def update_weights(self, weights: Weights, version: int) -> None:
        """Iterate over the weights: gathering each tensor needs all processes."""
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
        jobs: The same on every process.
        run: Runs some jobs on this process.
        group: The processes; see `distributed.new_group`.
        spread: Every process runs a share, in whole groups. Otherwise the first process runs all jobs.

    Raises:
        ProcessError: Running failed on another process.
    """
    if distributed.size() == 1:
        return run(jobs)
    mine = own_share(jobs) if spread else (jobs if distributed.is_main() else [])
    parts = distributed.everywhere(lambda: list(run(mine)), group)
    return [finished for part in parts for finished in part]


def own_share(jobs: Sequence[J]) -> list[J]:
    """This process's jobs: every Nth group, kept whole so that a group's shared prompt is computed once."""
    groups = {name: number for number, name in enumerate(dict.fromkeys(map(group_of, jobs)))}
    return [job for job in jobs if groups[group_of(job)] % distributed.size() == distributed.rank()]
