"""`RolloutConfig`: all that a process needs to play episodes, as plain values.

`wideseek_baselines.rollout.local.LocalRollouts` plays in this process, and
`wideseek_baselines.cluster.pool.RayRollouts` on many machines. Both take this configuration and are `Rollouts`.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol, cast

from wideseek_baselines.agents.base import TeamPolicy
from wideseek_baselines.engines.base import Weights
from wideseek_baselines.rollout.jobs import Finished
from wideseek_baselines.rollout.options import DriverOptions
from wideseek_env.errors import ConfigError
from wideseek_env.game import Game, GameConfig
from wideseek_env.policy import Job, make_policy


@dataclass(frozen=True)
class RolloutConfig:
    """A policy and a game, described so that they can be sent to another machine and opened there."""

    policy: str | Callable[[], TeamPolicy] = "vllm"
    """The name of a language-model policy (see `wideseek_env.make_policy`), or a function that makes one."""
    options: Mapping[str, Any] = field(default_factory=dict)
    """Options of the policy, by name."""
    game: GameConfig = field(default_factory=GameConfig)
    """What is played. Each process opens the names in it by itself; live objects in it must pickle."""
    driver: DriverOptions = field(default_factory=DriverOptions)

    def __post_init__(self) -> None:
        if not isinstance(self.game, GameConfig):
            raise ConfigError(f"game must be a GameConfig, not {self.game!r:.80}")

    def open(self) -> tuple[TeamPolicy, Game]:
        """Make the policy and the game; `ConfigError` says what is wrong with either."""
        game = self.game.open()
        policy = make_policy(self.policy, **self.options) if isinstance(self.policy, str) else self.policy()
        missing = [
            name for name in ("engines", "episode_policy", "records_tokens") if not hasattr(policy, name)
        ]
        if missing:
            raise ConfigError(
                f"the policy {policy.name} has no {', '.join(missing)}: it plays turns, but has no engine to be driven"
            )
        return cast(TeamPolicy, policy), game


class Rollouts(Protocol):
    """Somewhere to play episodes: this process, or many."""

    def run(self, jobs: Iterable[Job]) -> Generator[Finished, None, None]:
        """Play every job and give each back exactly once, when it has ended; leaving early ends the rest."""
        ...

    def update_weights(self, weights: Weights, version: int) -> None:
        """Give every engine new weights, between runs or during one."""
        ...

    def sleep(self) -> None:
        """Give accelerator memory back where engines can; no request may be in flight."""
        ...

    def wake(self) -> None:
        """Take the memory again."""
        ...

    def close(self) -> None:
        """End the engines; harmless when closed."""
        ...
