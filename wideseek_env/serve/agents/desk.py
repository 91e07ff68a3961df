"""`EpisodeDesk`: opens episodes for outside programs, keeps them by key, and records them when they end."""

from __future__ import annotations

import logging
import threading
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from wideseek_env.audience import option
from wideseek_env.errors import ConfigError, WideSeekError
from wideseek_env.game import Game
from wideseek_env.serve.agents.outside import SEATS, OutsideEpisode, Seat
from wideseek_env.task import Task
from wideseek_env.trajectory import TrajectoryWriter

if TYPE_CHECKING:
    from wideseek_env.serve.agents.policy_pool import PolicyPool


_log = logging.getLogger("wideseek.agents")


class DeskError(WideSeekError):
    """A request for an episode cannot be fulfilled. `status` is the HTTP status of the answer."""

    def __init__(self, message: str, status: int) -> None:
        super().__init__(message)
        self.status = status


@dataclass(frozen=True, slots=True)
class DeskSettings:
    """The settings of an `EpisodeDesk`.

    Attributes:
        seat: The agents for which the outside program acts, if a request does not name them.
        task_id: The id of the task, if a request does not name one. "" means the first task.
        subtask: For the seat "subagent": the first subtask that the lead delegates. "" lets the policy decide.
        seed: The seed for resetting policies.
        max_open: Maximum number of open episodes.
        max_kept: Number of ended episodes that are kept and can still be read.
        idle: Seconds without a request after which an episode is ended without an answer.
        idle_full: The same when `max_open` episodes are open and a client opens another one. The episode that has been
            idle for longest then makes room. An episode without any message makes room after a tenth of this time.
    """

    seat: Seat = "lead"
    task_id: str = ""
    subtask: str = ""
    seed: int = 0
    max_open: int = 64
    max_kept: int = 1_000
    idle: float = 1_800.0
    idle_full: float = 120.0

    def __post_init__(self) -> None:
        """Check the settings. Raises `ConfigError` if one is out of range."""
        if self.seat not in SEATS:
            raise ConfigError(f"no seat {self.seat!r}; there are: {', '.join(SEATS)}")
        if self.max_open < 1 or self.max_kept < 0 or self.idle <= 0 or self.idle_full <= 0:
            raise ConfigError(
                "max_open must be at least 1, max_kept at least 0, and idle and idle_full above 0"
            )


class EpisodeDesk:
    """Keeps episodes by key. Any thread may call any method.

    Args:
        game: Tasks, tools, rules, profile and reward.
        policies: The policies for the agents for which no outside program acts.
        settings: The seat, task and seed of episodes by default, and the limits. None means the defaults of
            `DeskSettings`.
        out: A JSONL file. The trajectory of every ended episode is appended to it.

    Raises:
        ConfigError: The seat needs a policy and `policies` is None, or the task does not exist.
    """

    def __init__(
        self,
        game: Game,
        *,
        policies: PolicyPool | None = None,
        settings: DeskSettings | None = None,
        out: Path | str | None = None,
    ) -> None:
        self.game = game
        self.policies = policies
        self.settings = settings or DeskSettings()
        if self.settings.seat in ("lead", "subagent") and policies is None:
            raise ConfigError(
                f"the seat {self.settings.seat} needs a policy for the other agents: name one with "
                + option("policies=", "--policy")
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
        """Begin an episode under `key`. The call returns when the outside program must act for the first time. Until
        then the policy acts.

        Args:
            key: The key of the new episode.
            task_id: The id of the task. "" means the task of the settings.
            seat: The agents for which the outside program acts. None means the seat of the settings.
            subtask: For the seat "subagent": the first subtask that the lead delegates.
            seed: The seed for resetting the policy. None means the seed of the settings.

        Raises:
            DeskError: The key is in use, or too many episodes are open.
            TaskError: There is no such task.
            ConfigError: The seat does not exist or needs a policy.
        """
        settings = self.settings
        seat = seat or settings.seat
        if seat not in SEATS:
            raise ConfigError(f"no seat {seat!r}; there are: {', '.join(SEATS)}")
        task = self.task(task_id)
        needs = seat in ("lead", "subagent")
        if needs and self.policies is None:
            raise ConfigError(f"the seat {seat!r} is not served here: no policy plays the others")
        self._make_room()
        with self._lock:
            if key in self._episodes:
                raise DeskError("there is an episode of this name already", 409)
            under_way = sum(episode is None or not episode.done for episode in self._episodes.values())
            if under_way >= settings.max_open:
                raise DeskError(
                    f"{under_way} episodes are under way, and no more are allowed; try later", 429
                )
            self._episodes[key] = None  # the key is in use while the episode opens
        try:
            episode = OutsideEpisode(
                self.game,
                task,
                seat=seat,
                policy=self.policies.one() if needs and self.policies is not None else None,
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
        """The task with this id. "" means the task of the settings.

        Raises:
            TaskError: There is no such task.
        """
        name = task_id or self.settings.task_id
        return self.game.tasks.get(name) if name else self.game.tasks[0]

    def holds(self, key: str) -> bool:
        """Whether there is an episode under `key`."""
        with self._lock:
            return key in self._episodes

    def get(self, key: str) -> OutsideEpisode:
        """The episode under `key`.

        Raises:
            DeskError: There is no such episode.
        """
        with self._lock:
            episode = self._episodes.get(key)
        if episode is None:
            raise DeskError("there is no such episode; it may have been given up after standing idle", 404)
        return episode

    def close(self, key: str, why: str = "the agent left") -> None:
        """Delete the episode under `key`. If it is still open, it is ended without an answer first."""
        with self._lock:
            episode = self._episodes.pop(key, None)
        if episode is not None:
            self._give_up(episode, why)

    def sweep(self) -> None:
        """End episodes that have been idle for too long, and delete the oldest ended episodes."""
        with self._lock:
            known = {key: episode for key, episode in self._episodes.items() if episode is not None}
        old = [key for key, e in known.items() if e.idle > self.settings.idle]
        for key in old:
            self.close(key, f"nobody moved for {self.settings.idle:g} seconds")
        ended = [key for key, episode in known.items() if episode.done and key not in old]
        with self._lock:
            for key in ended[: max(0, len(ended) - self.settings.max_kept)]:
                self._episodes.pop(key, None)

    def _make_room(self) -> None:
        """If no more episodes may be open, end the one whose client has been absent for longest."""
        with self._lock:
            under_way = {k: e for k, e in self._episodes.items() if e is None or not e.done}
        if len(under_way) < self.settings.max_open:
            return
        absent = {
            key: episode.idle * (1 if episode.moved else 10)
            for key, episode in under_way.items()
            if episode is not None
        }
        longest = max(absent, key=absent.__getitem__, default="")
        if longest and absent[longest] > self.settings.idle_full:
            self.close(longest, "the client was absent, and another one needed its place")

    def shut(self) -> None:
        """End all open episodes without an answer. After that, the file of trajectories is complete."""
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
        except Exception:  # it had ended and cannot be scored; the other episodes must still be ended
            _log.exception("task %s could not be scored and is not recorded", episode.task.id)

    def _ended(self, episode: OutsideEpisode) -> None:
        with self._writing:
            if self._writer is not None:
                self._writer.write(episode.record())
