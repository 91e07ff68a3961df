"""`DriverOptions`: the settings of a driver."""

from __future__ import annotations

from dataclasses import dataclass

from wideseek_env.errors import ConfigError
from wideseek_env.game import Game

UNLIMITED_KV_EPISODES = 64


@dataclass(frozen=True, slots=True)
class DriverOptions:
    """The settings of a `Driver`."""

    concurrency: int | None = None
    """Episodes in flight at most. None: as many as the engines' caches hold, 64 where they do not say."""
    headroom: float = 0.9
    """Share of the engines' key-value caches that the conversations of all episodes in flight may take."""
    episode_tokens: int | None = None
    """Tokens of an episode's live conversations at its peak, until the first episodes have shown it. None: 4096 for a
    single agent or a lead, and 2048 for each subagent a delegation may start."""
    retries: int = 0
    """How often an episode that failed is played again from its beginning, with the same seed."""
    request_timeout: float | None = 1800.0
    """Seconds after which a generation is given up and its episode fails. None: never."""
    search_batch: int = 64
    """Searches that go to the executor in one call at most."""
    tool_workers: int | None = None
    """Threads for tools. None: 1 for a corpus that computes, 16 for one that waits."""
    judge_workers: int = 4
    """Threads that score ended episodes."""
    backlog: int = 256
    """Ended episodes that may wait for the consumer; no other group starts while there are as many."""

    def __post_init__(self) -> None:
        for name in ("concurrency", "episode_tokens", "tool_workers"):
            value = getattr(self, name)
            if value is not None and value < 1:
                raise ConfigError(f"{name} must be at least 1 or None, not {value}")
        for name in ("search_batch", "judge_workers", "backlog"):
            if getattr(self, name) < 1:
                raise ConfigError(f"{name} must be at least 1, not {getattr(self, name)}")
        if not 0 < self.headroom <= 1:
            raise ConfigError(f"headroom must be above 0 and at most 1, not {self.headroom}")
        if self.retries < 0:
            raise ConfigError(f"retries must be 0 or more, not {self.retries}")
        if self.request_timeout is not None and self.request_timeout <= 0:
            raise ConfigError(f"request_timeout must be above 0 or None, not {self.request_timeout}")

    def first_guess(self, game: Game) -> int:
        """Tokens that an episode is expected to take before any has ended."""
        if self.episode_tokens is not None:
            return self.episode_tokens
        return 4096 + (2048 * game.rules.width if game.team else 0)
