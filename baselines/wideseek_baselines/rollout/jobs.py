"""The input of a driver (`RolloutJob`), its output (`Finished`), and `Grouping`, which finds jobs that start
together."""

from __future__ import annotations

from dataclasses import dataclass, fields, replace

from wideseek_baselines.tokens.record import Rollout
from wideseek_env.game import Game
from wideseek_env.policy import Job
from wideseek_env.shaping import reward_at
from wideseek_env.trajectory import Trajectory


@dataclass(frozen=True, slots=True)
class RolloutJob(Job):
    """A job that belongs to a group. Jobs of one group that follow each other start together."""

    group: str = ""
    """Name of the group. With "", the job is alone in its group."""
    size: int = 0
    """The number of jobs in the group. 0 means that the number is unknown. Then the group starts when the driver reads
    the first job of another group, or when there are no more jobs.
    """
    width: int | None = None
    """The largest number of subagents of one delegation in this episode. None means the number in the rules."""
    progress: float | None = None
    """The share of the training that is done, from 0 to 1, for rewards that change during training
    (`wideseek_env.shaping`). None means the rewards as they are."""

    def game_for(self, game: Game) -> Game:
        """The game of this job: `game` with the job's width, and with the reward at the job's progress."""
        if self.width is not None:
            game = game.replace(rules=game.rules.replace(width=self.width))
        if self.progress is not None and (reward := reward_at(game.reward, self.progress)) is not game.reward:
            game = game.replace(reward=reward)
        return game


@dataclass(frozen=True, slots=True)
class Finished:
    """The result of a job. There is exactly one for each job.

    `error` is set if an engine, a judge or another part of the system failed, or if the job was cancelled. Then
    trajectory and rollout are those of the aborted episode. Both are None if the episode could not begin or could not
    be scored.
    """

    job: Job
    trajectory: Trajectory | None
    rollout: Rollout | None
    error: str = ""


class Grouping:
    """Collects jobs of one group that follow each other in one list. A job without a group gets a separate list.

    A group is complete when it has as many jobs as their `size` says, or when the first job of another group comes.
    """

    def __init__(self) -> None:
        self._group: list[Job] = []

    def add(self, job: Job) -> list[list[Job]]:
        """Add the next job. Returns the groups that this job made complete."""
        name, size = (job.group, job.size) if isinstance(job, RolloutJob) else ("", 1)
        complete = self.rest() if self._group and group_of(self._group[0]) != name else []
        self._group.append(job)
        return complete + self.rest() if not name or len(self._group) == size else complete

    def rest(self) -> list[list[Job]]:
        """Call this when there are no more jobs. Returns a list with the last group, or an empty list."""
        group, self._group = self._group, []
        return [group] if group else []


def sized(job: Job, size: int) -> RolloutJob:
    """The job as a `RolloutJob`, with `size` as the number of jobs in its group."""
    if isinstance(job, RolloutJob):
        return replace(job, size=size)
    return RolloutJob(**{each.name: getattr(job, each.name) for each in fields(job)}, size=size)


def group_of(job: Job) -> str:
    """The name of a job's group, or ""."""
    return job.group if isinstance(job, RolloutJob) else ""
