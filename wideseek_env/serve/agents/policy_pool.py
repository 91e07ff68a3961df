"""`PolicyPool`: makes a separate copy of a policy for each of many open episodes."""

from __future__ import annotations

import copy
from collections.abc import Generator
from dataclasses import dataclass, replace
from typing import Any

from wideseek_env.episode_run import run_episode
from wideseek_env.errors import ServiceError
from wideseek_env.evaluation.usage import counted, metered, spent
from wideseek_env.game import Game
from wideseek_env.policy import EpisodeRunner, Job, Policy, make_policy
from wideseek_env.trajectory import Trajectory


class PolicyPool:
    """The policy called `name`, with one copy for each open episode.

    A policy keeps the state of one episode, so each episode needs a copy. A policy without a method `close` is made
    again for every episode. A policy with `close` has engines (connections or processes of models). Such a policy is
    opened only once, when the pool is made. Each episode then gets a shallow copy of this policy. The copy is reset and
    shares the engines.

    Raises:
        ConfigError: The name or an option is wrong.
        MissingDependencyError: The package that has the policy is not installed.
    """

    def __init__(self, name: str, **options: Any) -> None:
        self._name, self._options = name, options
        self._first = make_policy(name, **options)
        self._shared = callable(getattr(self._first, "close", None))
        if self._shared:
            self._first.reset(0)
            self._first.act([])  # starts the engines, so that their errors are reported now

    @property
    def name(self) -> str:
        """The name of the policy in records."""
        return self._first.name

    def one(self) -> Policy:
        """A policy for one episode."""
        if self._shared:
            return copy.copy(self._first)
        return make_policy(self._name, **self._options)

    def run(self, game: Game, job: Job) -> Trajectory:
        """Run a whole episode. If the number of used tokens is known, it is in `meta["usage"]` of the trajectory.

        Raises:
            ServiceError: The policy or a service failed.
        """
        if isinstance(self._first, EpisodeRunner):
            stream = self._first.run_jobs(game, [job])
            try:
                result = next(iter(stream))
            finally:
                if isinstance(stream, Generator):
                    stream.close()
            if result.trajectory is None or result.error:
                raise ServiceError(f"the team failed: {result.error or 'no trajectory'}")
            return replace(result.trajectory, meta={"policy": self.name} | result.trajectory.meta)
        policy = self.one()
        before = metered(policy)
        episode_run = run_episode(game, policy, job.task, seed=job.seed)
        usage = spent(before, metered(policy)) or counted(episode_run.episode)
        about = {"usage": usage} if usage is not None else {}
        return episode_run.trajectory(policy=policy.name, trial=job.trial, **about)

    def close(self) -> None:
        """Close the engines, if the policy has any."""
        close = getattr(self._first, "close", None)
        if callable(close):
            close()


@dataclass(frozen=True, slots=True)
class TokenUsage:
    """The tokens that a whole team used."""

    prompt: int = 0
    completion: int = 0

    @classmethod
    def of(cls, trajectory: Trajectory) -> TokenUsage:
        """The numbers of tokens in a record. They are 0 if tokens were not counted."""
        usage = trajectory.meta.get("usage") or {}
        return cls(int(usage.get("prompt_tokens", 0)), int(usage.get("completion_tokens", 0)))
