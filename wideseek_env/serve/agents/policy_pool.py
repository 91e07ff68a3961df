"""`PolicyPool`: a policy for many episodes at once."""

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
    """The policy called `name` (see `make_policy`), in as many copies as there are episodes under way.

    A policy keeps state for the one episode that it was last reset for. One that has nothing to close is made anew for
    every episode. One that has (its engines are processes, or hold a model) is opened once, at once; each episode
    gets a shallow copy of it, which is reset and shares the engines.

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
            self._first.act([])  # starts the engines: what is wrong with them is said now

    @property
    def name(self) -> str:
        """What the policy is called in records."""
        return self._first.name

    def one(self) -> Policy:
        """A policy for one episode."""
        if self._shared:
            return copy.copy(self._first)
        return make_policy(self._name, **self._options)

    def run(self, game: Game, job: Job) -> Trajectory:
        """Play a whole episode; tokens, where they are known, are in its `meta["usage"]`.

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
        """End the engines, if the policy has any."""
        close = getattr(self._first, "close", None)
        if callable(close):
            close()


@dataclass(frozen=True, slots=True)
class TokenUsage:
    """Tokens of a whole team."""

    prompt: int = 0
    completion: int = 0

    @classmethod
    def of(cls, trajectory: Trajectory) -> TokenUsage:
        """What a record says; zeros where nobody counted."""
        usage = trajectory.meta.get("usage") or {}
        return cls(int(usage.get("prompt_tokens", 0)), int(usage.get("completion_tokens", 0)))
