"""`RolloutConfig`: everything that a process needs to run episodes, in a form that can be sent to another process.

There are two implementations of `Rollouts`. `wideseek_baselines.rollout.local.LocalRollouts` runs episodes in this
process, and `wideseek_baselines.cluster.pool.RayRollouts` runs them on many machines.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Generator, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol, cast

from wideseek_baselines.agents.base import TeamPolicy
from wideseek_baselines.engines.base import Weights
from wideseek_baselines.rollout.jobs import Finished
from wideseek_baselines.rollout.options import DriverOptions
from wideseek_env.errors import ConfigError
from wideseek_env.game import Game, GameConfig
from wideseek_env.messages import Role
from wideseek_env.policy import Job, make_policy
from wideseek_env.reprs import short


@dataclass(frozen=True)
class RolloutConfig:
    """A policy and a game in a form that can be sent to another machine and opened there."""

    policy: str | Callable[[], TeamPolicy] = "vllm"
    """The name of a language-model policy, as for `wideseek_env.make_policy`, or a function that makes one."""
    options: Mapping[str, Any] = field(default_factory=dict)
    """Options of the policy, by name."""
    game: GameConfig = field(default_factory=GameConfig)
    """The game. Each process opens the names in it. Live objects in it must be picklable."""
    driver: DriverOptions = field(default_factory=DriverOptions)

    def __post_init__(self) -> None:
        if not isinstance(self.game, GameConfig):
            raise ConfigError(f"game must be a GameConfig, not {short(self.game)}")
        if not isinstance(self.policy, str) and not callable(self.policy):
            raise ConfigError(
                f"policy must be the name of a policy or a function that makes one, not {short(self.policy)}"
            )
        if not isinstance(self.options, Mapping) or not all(isinstance(name, str) for name in self.options):
            raise ConfigError(f"options must be a mapping of options by name, not {short(self.options)}")
        if not isinstance(self.driver, DriverOptions):
            raise ConfigError(f"driver must be DriverOptions, not {short(self.driver)}")

    def open(self) -> tuple[TeamPolicy, Game]:
        """Open the policy and the game. Raises `ConfigError` if one of them is wrong."""
        game = self.game.open()
        policy = make_policy(self.policy, **self.options) if isinstance(self.policy, str) else self.policy()
        missing = [
            name for name in ("engines", "episode_policy", "records_tokens") if not hasattr(policy, name)
        ]
        if missing:
            called = f"the policy {getattr(policy, 'name', None) or short(policy)}"
            if not isinstance(self.policy, str):
                called += f", which {getattr(self.policy, '__name__', short(self.policy))}() returned,"
            raise ConfigError(
                f"{called} is no language-model policy, whose tokens can be recorded: it has no {', '.join(missing)}. "
                "Use the policy vllm, transformers or openai"
            )
        return cast(TeamPolicy, policy), game


class Rollouts(Protocol):
    """Runs episodes, in this process or in many."""

    def run(self, jobs: Iterable[Job]) -> Generator[Finished, None, None]:
        """Run every job. Yields each result exactly once, when its episode has ended. Leaving the loop early cancels
        the rest.
        """
        ...

    def update_weights(self, weights: Weights, version: int, roles: Collection[Role] = ()) -> None:
        """Replace the weights of the engines of `roles`, between runs or during a run. By default this affects all
        engines.
        """
        ...

    def sleep(self) -> None:
        """Let the engines release their accelerator memory, if they can. No request may be in flight."""
        ...

    def wake(self) -> None:
        """Let the engines take their memory again after `sleep`."""
        ...

    def close(self) -> None:
        """End the engines. A second call does nothing."""
        ...
