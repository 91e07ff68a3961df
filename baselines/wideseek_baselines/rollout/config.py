"""`RolloutConfig`: all that a process needs to play episodes, as plain values; and playing them in this one.

`LocalRollouts` and `wideseek_baselines.cluster.pool.RayRollouts` take the same configuration and keep the same
promises (`Rollouts`), so that one machine and many differ in one line.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterable, Mapping
from dataclasses import dataclass, field
from types import TracebackType
from typing import TYPE_CHECKING, Any, Protocol, Self, cast

from wideseek_baselines.agents.base import TeamPolicy
from wideseek_baselines.background import background
from wideseek_baselines.engines.base import Weights
from wideseek_baselines.rollout.options import DriverOptions, Finished
from wideseek_env.errors import ConfigError
from wideseek_env.game import Game, GameConfig
from wideseek_env.policy import Job, make_policy

if TYPE_CHECKING:
    from wideseek_baselines.rollout.driver import Driver


@dataclass(frozen=True)
class RolloutConfig:
    """A policy and a game, described so that they can be sent to another machine and opened there."""

    policy: str | Callable[[], TeamPolicy] = "vllm"
    """The name of a language-model policy (see `wideseek_env.make_policy`), or a function that makes one."""
    options: Mapping[str, Any] = field(default_factory=dict)
    """Options of the policy, by name."""
    game: Mapping[str, Any] = field(default_factory=dict)
    """Arguments of `GameConfig`. Names of worlds and corpora are opened by each process by itself."""
    driver: DriverOptions = field(default_factory=DriverOptions)

    def open(self) -> tuple[TeamPolicy, Game]:
        """Make the policy and the game; `ConfigError` says what is wrong with either."""
        try:
            game = GameConfig(**self.game).open()
        except TypeError as error:
            raise ConfigError(f"the game cannot be set up: {error}") from error
        policy = make_policy(self.policy, **self.options) if isinstance(self.policy, str) else self.policy()
        missing = [name for name in ("engines", "episode_policy", "records_tokens") if not hasattr(policy, name)]
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
        """Give every engine new weights, between runs or while one is under way."""
        ...

    def sleep(self) -> None:
        """Give accelerator memory back where engines can; nothing may be under way."""
        ...

    def wake(self) -> None:
        """Take the memory again."""
        ...

    def close(self) -> None:
        """End the engines; harmless when closed."""
        ...


class LocalRollouts:
    """Plays in this process, on its background loop."""

    def __init__(self, config: RolloutConfig) -> None:
        from wideseek_baselines.rollout.driver import Driver

        self.config = config
        self.policy, self.game = config.open()
        self.driver: Driver = Driver(self.policy, self.game, options=config.driver)

    def run(self, jobs: Iterable[Job]) -> Generator[Finished, None, None]:
        """See `Rollouts`."""
        yield from background().iterate(self.driver.run(jobs))

    def update_weights(self, weights: Weights, version: int) -> None:
        """See `Rollouts`."""
        background().run(self.driver.update_weights(weights, version))

    def sleep(self) -> None:
        """See `Rollouts`."""
        background().run(self._each("sleep"))

    def wake(self) -> None:
        """See `Rollouts`."""
        background().run(self._each("wake"))

    def close(self) -> None:
        """See `Rollouts`."""
        background().run(self._each("close"))

    async def _each(self, method: str) -> None:
        for engine in self.driver.engines:
            await getattr(engine, method)()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def open_rollouts_on(config: RolloutConfig, workers: int = 0, **ray_options: Any) -> Rollouts:
    """`LocalRollouts`, or with `workers` above 0 `RayRollouts` with `ray_options`."""
    if workers < 0:
        raise ConfigError(f"workers must be 0 (this process) or more, not {workers}")
    if not workers:
        return LocalRollouts(config)
    from wideseek_baselines.cluster.pool import RayRollouts

    return RayRollouts(config, workers, **ray_options)
