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
    """The largest number of episodes in flight. With None, the sizes of the engines' caches set the limit. If these are
    unknown, the limit is 64.
    """
    headroom: float = 0.9
    """The share of the engines' key-value caches that the conversations of all episodes in flight may use."""
    episode_tokens: int | None = None
    """The first guess of the largest size of an episode in tokens. Later the driver uses the sizes of episodes that
    have ended. None guesses 4096 for a single agent or a lead, and 2048 more for each subagent of a delegation.
    """
    retries: int = 0
    """How often a failed episode is run again from its beginning, with the same seed."""
    request_timeout: float | None = 1800.0
    """Timeout of a generation in seconds. If a generation takes longer, its episode fails. None sets no timeout."""
    search_batch: int = 64
    """The largest number of searches that the driver sends to the executor in one call."""
    tool_workers: int | None = None
    """Number of threads for tools. None is 1 if the corpus computes in this process, and 16 if it waits for a
    server."""
    judge_workers: int = 4
    """Number of threads that score ended episodes."""
    backlog: int = 256
    """If this number of ended episodes has not been read by the caller, no other group starts."""

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
        """The expected largest size of an episode in tokens, before any episode has ended."""
        if self.episode_tokens is not None:
            return self.episode_tokens
        return 4096 + (2048 * game.rules.width if game.team else 0)
