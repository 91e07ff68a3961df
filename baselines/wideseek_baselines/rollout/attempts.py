"""`Attempts` runs one job until it has a result, and retries the job if it failed."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Sequence
from concurrent.futures import Executor
from dataclasses import replace
from typing import Any

from wideseek_baselines.agents.base import TeamPolicy
from wideseek_baselines.rollout.episode_task import EpisodeTask, Services
from wideseek_baselines.rollout.jobs import Finished, RolloutJob
from wideseek_baselines.tokens.record import AgentRecord, Rollout
from wideseek_env.conversation import Conversation
from wideseek_env.episode_run import EpisodeRun
from wideseek_env.errors import WideSeekError
from wideseek_env.game import Game
from wideseek_env.policy import Job
from wideseek_env.trajectory import Trajectory

log = logging.getLogger(__name__)


class Attempts:
    """All attempts at one job. `number` is the job's number in the run. `stopped` tells why the job was cancelled, or
    is "".
    """

    def __init__(
        self, job: Job, number: int, policy: TeamPolicy, game: Game, retries: int, services: Services
    ) -> None:
        self.job = job
        self.number = number
        self.stopped = ""
        self._policy = policy
        self._game = game
        self._retries = retries
        self._services = services
        self._errors: list[str] = []
        self._playing: EpisodeTask | None = None
        self._began = 0.0

    async def run(self, scorers: Executor) -> Finished:
        """Run attempts until one succeeds, the job is cancelled, or no retries are left."""
        while True:
            error = await self._attempt(scorers)
            if not error or self.stopped or len(self._errors) >= self._retries:
                return self._finished(error)
            self._errors.append(error)

    async def _attempt(self, scorers: Executor) -> str:
        """Run one attempt. Returns why it failed, or "". If only the scoring of the last attempt failed, only score
        again.
        """
        loop = asyncio.get_running_loop()
        try:
            if self._playing is not None and self._playing.episode_run.done:
                await self._playing.score(scorers)
                return ""
            self._began = loop.time()
            self._playing = None
            game = self.job.game_for(self._game) if isinstance(self.job, RolloutJob) else self._game
            run = EpisodeRun(game, self.job.task, self.job.seed)
            episode_policy = self._policy.episode_policy(self.job.seed)
            self._playing = EpisodeTask(run, episode_policy, self._services, self.number, len(self._errors))
            await self._playing.run()
            await self._playing.score(scorers)
            return ""
        except asyncio.CancelledError:
            if not self.stopped:
                raise
            task = asyncio.current_task()
            if task is not None:
                task.uncancel()
            return self.stopped
        except Exception as error:
            if not isinstance(error, WideSeekError):
                log.warning("task %s failed in the driver", self.job.task.id, exc_info=error)
            return self.stopped or describe(error)

    def _finished(self, error: str) -> Finished:
        playing, self._playing = self._playing, None
        if playing is None or (
            error and playing.episode_run.done
        ):  # it could not begin, or could not be scored
            return Finished(self.job, None, None, error)
        if error:
            playing.abort(error)
        run = playing.episode_run
        group = self.job.group if isinstance(self.job, RolloutJob) else ""
        about: dict[str, Any] = {"trial": self.job.trial, "policy": self._policy.name}
        about["usage"] = playing.usage.to_dict()
        about |= {"group": group} if group else {}
        about |= {"failed": True} if error else {}
        about |= {"retries": list(self._errors)} if self._errors else {}
        trajectory = run.trajectory(**about)
        rollout = Rollout(
            task_id=self.job.task.id,
            group=group,
            trial=self.job.trial,
            seed=self.job.seed,
            agents=_completed(
                playing.episode_policy.records(
                    [(c.agent, c.role, c.ending) for c in run.episode.conversations]
                ),
                run.episode.conversations,
                trajectory,
            ),
            reward=trajectory.reward,
            parts=trajectory.parts,
            score={
                "item_f1": trajectory.score.f1_by_item,
                "item_precision": trajectory.score.precision_by_item,
                "item_recall": trajectory.score.recall_by_item,
                "row_f1": trajectory.score.f1_by_row,
                "success": trajectory.score.score,
                "well_formed": float(trajectory.score.well_formed and not trajectory.score.missing_columns),
            },
            ending=run.episode.root.ending,
            trainable=self._policy.records_tokens and not error,
            error=error,
            seconds=asyncio.get_running_loop().time() - self._began,
            meta={key: value for key, value in about.items() if key not in ("trial", "group")},
        )
        return Finished(self.job, trajectory, rollout, error)


def _completed(
    agents: list[AgentRecord], conversations: Sequence[Conversation], trajectory: Trajectory
) -> list[AgentRecord]:
    """The records with the clocks of their turns, and with their credits if these are not the team's reward."""
    clocked = [
        replace(agent, clocks=tuple(conversation.clocks))
        for agent, conversation in zip(agents, conversations, strict=True)
    ]
    if trajectory.credit_name == "team":
        return clocked
    return [replace(agent, credit=trajectory.credits[agent.conversation]) for agent in clocked]


def describe(error: BaseException) -> str:
    """The text of an error in one line, for records."""
    return f"{type(error).__name__}: {error}"[:500]
