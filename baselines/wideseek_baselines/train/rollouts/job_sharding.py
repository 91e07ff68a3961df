"""Episodes for several training processes: each plays a share on its own engine, or the first has them all played."""

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
    """The `Rollouts` of a process that leaves playing to the first: nothing is played here."""

    def run(self, jobs: Iterable[Job]) -> Generator[Finished, None, None]:
        """See `Rollouts`."""
        yield from ()

    def update_weights(self, weights: Weights, version: int) -> None:
        """Go through the weights: putting each of them together takes all processes."""
        if not isinstance(weights, Path):
            for _ in weights:
                pass

    def sleep(self) -> None:
        """See `Rollouts`."""

    def wake(self) -> None:
        """See `Rollouts`."""

    def close(self) -> None:
        """See `Rollouts`."""


def together(
    jobs: Sequence[J],
    episode_run: Callable[[Sequence[J]], Iterable[Finished]],
    group: ProcessGroup | None,
    *,
    spread: bool,
) -> Iterable[Finished]:
    """Have all jobs played; what came of each of them, on every process.

    Args:
        jobs: The same on every process.
        play: Plays some of them here.
        group: The processes, as players talk; see `distributed.new_group`.
        spread: Every process plays whole groups of jobs; else the first plays all.

    Raises:
        ProcessError: Playing failed on another process.
    """
    if distributed.size() == 1:
        return episode_run(jobs)
    mine = own_share(jobs) if spread else (jobs if distributed.is_main() else [])
    parts = distributed.everywhere(lambda: list(episode_run(mine)), group)
    return [finished for part in parts for finished in part]


def own_share(jobs: Sequence[J]) -> list[J]:
    """The jobs that this process plays: every so many groups, whole, so that prompts of a group are read once."""
    groups = {name: number for number, name in enumerate(dict.fromkeys(map(group_of, jobs)))}
    return [job for job in jobs if groups[group_of(job)] % distributed.size() == distributed.rank()]
