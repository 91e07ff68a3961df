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
    """The largest number of episodes in flight. None: as many as fit into the engines' caches, or 64 if the sizes are
    unknown.
    """
    headroom: float = 0.9
    """Share of the engines' key-value caches that the conversations of all episodes in flight may use."""
    episode_tokens: int | None = None
    """First guess of an episode's tokens at its peak, used until episodes have ended. None: 4096 for a single agent or
    a lead, and 2048 for each subagent of a delegation.
    """
    retries: int = 0
    """How often a failed episode is run again from its beginning, with the same seed."""
    request_timeout: float | None = 1800.0
    """Timeout of a generation in seconds. After it the episode fails. None sets no timeout."""
    search_batch: int = 64
    """The largest number of searches in one call of the executor."""
    tool_workers: int | None = None
    """Number of threads for tools. None: 1 for a corpus that computes, 16 for a corpus that waits."""
    judge_workers: int = 4
    """Number of threads that score ended episodes."""
    backlog: int = 256
    """While this many ended episodes wait for the consumer, no other group starts."""

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
        """The expected tokens of an episode at its peak, before any episode has ended."""
        if self.episode_tokens is not None:
            return self.episode_tokens
        return 4096 + (2048 * game.rules.width if game.team else 0)
