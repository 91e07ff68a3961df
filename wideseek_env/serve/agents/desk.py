"""`EpisodeDesk`: opens episodes that are played from outside, keeps them apart, writes them down when they end."""

from __future__ import annotations

import logging
import threading
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from wideseek_env.errors import ConfigError, WideSeekError
from wideseek_env.game import Game
from wideseek_env.serve.agents.outside import SEATS, OutsideEpisode, Seat
from wideseek_env.task import Task
from wideseek_env.trajectory import TrajectoryWriter

if TYPE_CHECKING:
    from wideseek_env.serve.agents.policy_pool import PolicyPool


_log = logging.getLogger("wideseek.agents")


class DeskError(WideSeekError):
    """A request for an episode cannot be met; `status` is the HTTP status that says so."""

    def __init__(self, message: str, status: int) -> None:
        super().__init__(message)
        self.status = status


@dataclass(frozen=True, slots=True)
class DeskSettings:
    """What a desk opens and allows.

    Attributes:
        seat: Who is played from outside where a request does not say.
        task_id: The task that is played where a request does not say; "" is the first.
        subtask: What the lead delegates first, for the seat "subagent"; "" leaves it to the policy.
        seed: What policies are reset with.
        max_open: Episodes under way at the same time.
        max_kept: Ended episodes that can still be asked for.
        idle: Seconds after which an episode that nobody moves is given up.
    """

    seat: Seat = "lead"
    task_id: str = ""
    subtask: str = ""
    seed: int = 0
    max_open: int = 64
    max_kept: int = 1_000
    idle: float = 1_800.0

    def __post_init__(self) -> None:
        """Raises `ConfigError` for a setting that makes no sense."""
        if self.seat not in SEATS:
            raise ConfigError(f"no seat {self.seat!r}; there are: {', '.join(SEATS)}")
        if self.max_open < 1 or self.max_kept < 0 or self.idle <= 0:
            raise ConfigError("max_open must be at least 1, max_kept 0 or more, idle above 0")


class EpisodeDesk:
    """Episodes by key. Every method may be called from any thread.

    Args:
        game: Tasks, tools, rules, profile and reward.
        players: Plays the agents that are not played from outside.
        settings: See `DeskSettings`.
        out: A JSONL file that the trajectory of every ended episode is appended to.

    Raises:
        ConfigError: The seat needs a policy and there is none, or the task does not exist.
    """

    def __init__(
        self,
        game: Game,
        *,
        players: PolicyPool | None = None,
        settings: DeskSettings | None = None,
        out: Path | str | None = None,
    ) -> None:
        self.game = game
        self.players = players
        self.settings = settings or DeskSettings()
        if self.settings.seat in ("lead", "subagent") and players is None:
            raise ConfigError(
                f"with the {self.settings.seat} played from outside, name a policy for the others"
            )
        if self.settings.task_id:
            game.tasks.get(self.settings.task_id)
        self._writer = TrajectoryWriter(out) if out is not None else None
        self._episodes: dict[str, OutsideEpisode | None] = {}
        self._lock = threading.Lock()
        self._writing = threading.Lock()

    def open(
        self,
        key: str,
        *,
        task_id: str = "",
        seat: Seat | None = None,
        subtask: str = "",
        seed: int | None = None,
    ) -> OutsideEpisode:
        """Begin an episode under `key`. It takes as long as the policy needs to move before the first outside turn.

        Raises:
            DeskError: The key is taken, or too many episodes are under way.
            TaskError: There is no such task.
            ConfigError: The seat does not exist or needs a policy.
        """
        settings = self.settings
        seat = seat or settings.seat
        if seat not in SEATS:
            raise ConfigError(f"no seat {seat!r}; there are: {', '.join(SEATS)}")
        task = self.task(task_id)
        needs = seat in ("lead", "subagent")
        if needs and self.players is None:
            raise ConfigError(f"the seat {seat!r} is not served here: no policy plays the others")
        with self._lock:
            if key in self._episodes:
                raise DeskError("there is an episode of this name already", 409)
            under_way = sum(episode is None or not episode.done for episode in self._episodes.values())
            if under_way >= settings.max_open:
                raise DeskError(
                    f"{under_way} episodes are under way, and no more are allowed; try later", 429
                )
            self._episodes[key] = None  # taken
        try:
            episode = OutsideEpisode(
                self.game,
                task,
                seat=seat,
                policy=self.players.one() if needs and self.players is not None else None,
                seed=settings.seed if seed is None else seed,
                subtask=subtask or (settings.subtask if seat == "subagent" else ""),
                on_end=self._ended,
            )
        except BaseException:
            with self._lock:
                del self._episodes[key]
            raise
        with self._lock:
            if key in self._episodes:
                self._episodes[key] = episode
                return episode
        episode.abort("the service was stopped")
        return episode

    def task(self, task_id: str = "") -> Task:
        """The task that an episode would play; `TaskError` when there is none of this id."""
        name = task_id or self.settings.task_id
        return self.game.tasks.get(name) if name else self.game.tasks[0]

    def holds(self, key: str) -> bool:
        """Whether there is an episode under `key`."""
        with self._lock:
            return key in self._episodes

    def get(self, key: str) -> OutsideEpisode:
        """The episode under `key`; `DeskError` when there is none."""
        with self._lock:
            episode = self._episodes.get(key)
        if episode is None:
            raise DeskError("there is no such episode; it may have been given up after standing idle", 404)
        return episode

    def close(self, key: str, why: str = "the agent left") -> None:
        """Give up the episode under `key` if it is under way, and forget it."""
        with self._lock:
            episode = self._episodes.pop(key, None)
        if episode is not None:
            self._give_up(episode, why)

    def sweep(self) -> None:
        """Give up episodes that nobody has moved for too long, and forget the oldest of those that ended."""
        with self._lock:
            known = {key: episode for key, episode in self._episodes.items() if episode is not None}
        old = [key for key, e in known.items() if e.idle > self.settings.idle]
        for key in old:
            self.close(key, f"nobody moved for {self.settings.idle:g} seconds")
        ended = [key for key, episode in known.items() if episode.done and key not in old]
        with self._lock:
            for key in ended[: max(0, len(ended) - self.settings.max_kept)]:
                self._episodes.pop(key, None)

    def shut(self) -> None:
        """Give up everything that is under way; the file is complete then."""
        with self._lock:
            left: Mapping[str, OutsideEpisode | None] = self._episodes
            self._episodes = {}
        for episode in left.values():
            if episode is not None:
                self._give_up(episode, "the service was stopped")
        with self._writing:
            if self._writer is not None:
                self._writer.close()
                self._writer = None

    def _give_up(self, episode: OutsideEpisode, why: str) -> None:
        try:
            episode.abort(why)
        except Exception:  # it had ended, and cannot be scored; the others must still be given up
            _log.exception("task %s could not be scored and is not recorded", episode.task.id)

    def _ended(self, episode: OutsideEpisode) -> None:
        with self._writing:
            if self._writer is not None:
                self._writer.write(episode.record())
