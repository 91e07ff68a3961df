"""`Grouping`: which jobs start together, told from the order in which they come."""

from __future__ import annotations

from wideseek_baselines.rollout.options import RolloutJob
from wideseek_env.policy import Job


class Grouping:
    """Jobs of one group that follow each other are one list; a job without a group is one alone.

    A group is complete when it has the size its jobs say, or with the first job of another.
    """

    def __init__(self) -> None:
        self._group: list[Job] = []

    def add(self, job: Job) -> list[list[Job]]:
        """Take the next job; the groups that are complete now."""
        name, size = (job.group, job.size) if isinstance(job, RolloutJob) else ("", 1)
        complete = self.rest() if self._group and group_of(self._group[0]) != name else []
        self._group.append(job)
        return complete + self.rest() if not name or len(self._group) == size else complete

    def rest(self) -> list[list[Job]]:
        """No more come: the last group, if there is one."""
        group, self._group = self._group, []
        return [group] if group else []


def group_of(job: Job) -> str:
    """The name of a job's group; "" where it has none."""
    return job.group if isinstance(job, RolloutJob) else ""
