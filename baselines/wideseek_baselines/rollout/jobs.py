"""What a driver is given and gives back: `RolloutJob` and `Finished`; and which jobs start together: `Grouping`."""

from __future__ import annotations

from dataclasses import dataclass, fields, replace

from wideseek_baselines.tokens.record import Rollout
from wideseek_env.game import Game
from wideseek_env.policy import Job
from wideseek_env.trajectory import Trajectory


@dataclass(frozen=True, slots=True)
class RolloutJob(Job):
    """A job that belongs to a group: jobs of one group that follow each other start together."""

    group: str = ""
    """Name of the group; "" is a group of one job."""
    size: int = 0
    """Jobs in the group. With 0 (unknown) the group ends with the first job of another or the end of all jobs, which
    has to come before it starts."""
    width: int | None = None
    """Subagents that one delegation may start in this episode; None is what the rules say."""

    def game_for(self, game: Game) -> Game:
        """The game of this episode: `game` with the width of this job."""
        if self.width is None:
            return game
        return game.replace(rules=game.rules.replace(width=self.width))


@dataclass(frozen=True, slots=True)
class Finished:
    """A job that has ended, exactly once for each.

    With an `error`, something other than the model failed (an engine, a judge), or the job was cancelled. Trajectory
    and rollout are then those of the aborted episode. They are None if the episode could not begin or be scored.
    """

    job: Job
    trajectory: Trajectory | None
    rollout: Rollout | None
    error: str = ""


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


def sized(job: Job, size: int) -> RolloutJob:
    """The whole job, with `size` as the number of jobs in its group."""
    if isinstance(job, RolloutJob):
        return replace(job, size=size)
    return RolloutJob(**{each.name: getattr(job, each.name) for each in fields(job)}, size=size)


def group_of(job: Job) -> str:
    """The name of a job's group; "" where it has none."""
    return job.group if isinstance(job, RolloutJob) else ""
