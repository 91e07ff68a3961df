"""Policies, jobs and parts of a game that Ray's workers import in the tests of rollouts on several machines."""

from __future__ import annotations

import os
import pickle
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from wideseek_baselines.engines.base import EngineLostError
from wideseek_baselines.engines.simulated import LogNormal
from wideseek_baselines.rollout.jobs import RolloutJob
from wideseek_baselines.rollout.simulation import SimulatedTeam
from wideseek_baselines.scripted import ScriptedPolicy
from wideseek_env.game import Game
from wideseek_env.messages import Action, Message
from wideseek_env.policy import Turn
from wideseek_env.tools.custom import tool


class Team(SimulatedTeam):
    """The scripted team behind an engine whose turns take `seconds` on average; keeps a note of its updates.

    With `note` a file, the process ids of those that opened it are appended there, and `lose_once` makes the first of
    them lose its engine after a while.
    """

    def __init__(
        self, seconds: float = 0.01, takes: str = "messages", note: str = "", lose_once: bool = False
    ) -> None:
        super().__init__(ScriptedPolicy(), takes=takes, latency=LogNormal(seconds, 0.5), max_requests=16)
        first = False
        if note:
            first = not Path(note).exists()
            with open(note, "a") as file:
                file.write(f"{os.getpid()}\n")
        if lose_once and first:
            self._answers_left = 20
            usual = self.engine.generate

            async def generate(request: Any) -> Any:
                self._answers_left -= 1
                if self._answers_left < 0:
                    raise EngineLostError("the engine's process died")
                return await usual(request)

            self.engine.generate = generate  # type: ignore[method-assign]

    def reset(self, seed: int) -> None:
        """See `Policy`."""

    def act(self, turns: Sequence[Turn]) -> Sequence[Action]:
        """See `Policy`."""
        return self._policy.act(turns)


def broken() -> Team:
    """Dies whenever it is opened."""
    time.sleep(0.2)
    os._exit(3)


@dataclass(frozen=True, slots=True)
class NotingJob(RolloutJob):
    """Leaves itself and the worker's configuration of the game in the file `note`.

    It stands for a job with a field that is new.
    """

    note: str = ""

    def game_for(self, game: Game) -> Game:
        """See `RolloutJob`."""
        Path(self.note).write_bytes(pickle.dumps((self, game.config)))
        return RolloutJob.game_for(self, game)


class Lenient:
    """A judge that says yes."""

    name = "lenient"

    def judge(self, column: str, criterion: str, pairs: Sequence[tuple[str, str]]) -> list[bool]:
        """See `Judge`."""
        return [True for _ in pairs]


def count_words(message: Message) -> int:
    """A counter."""
    return len(str(message.get("content") or "").split())


@tool
def tide_table(harbour: str) -> str:
    """Give the tides of a harbour.

    Args:
        harbour: Its name.
    """
    return f"High water at {harbour}: noon."
