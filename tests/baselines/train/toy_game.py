"""A game of one short turn that pays for the letters in it, and what is needed to train on it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from wideseek_baselines.train.config.loading import load_config
from wideseek_env.episode import Episode
from wideseek_env.messages import ToolCall, ToolResult
from wideseek_env.profiles import PROFILES
from wideseek_env.scoring import TableScore
from wideseek_env.task import Table, Task


def toy_tasks(count: int) -> list[Task]:
    """Tasks of a few words each."""
    return [
        Task(
            id=f"toy-{number}",
            question=f"Town {number}?",
            columns=("Town",),
            key_columns=("Town",),
            gold=Table(("Town",), ((f"Town {number}",),)),
            source="toy",
        )
        for number in range(count)
    ]


class NoTools:
    """Finds nothing."""

    def run(self, calls: Sequence[ToolCall]) -> list[ToolResult]:
        """One result a call."""
        return [ToolResult("Nothing.") for _ in calls]

    def close(self) -> None:
        """Nothing is open."""


@dataclass(frozen=True)
class Letters:
    """Pays the share of an episode's generated characters that are among `wanted`."""

    wanted: str = "eat"
    name: str = "letters"

    def __call__(self, episode: Episode, score: TableScore) -> dict[str, float]:
        """See `Reward`."""
        text = "".join(
            message["content"]
            for conversation in episode.conversations
            for message in conversation.messages
            if message["role"] == "assistant"
        )
        return {"letters": sum(letter in self.wanted for letter in text) / max(1, len(text))}


def toy_game(count: int = 4) -> dict[str, Any]:
    """Arguments of a game with these tasks and this reward."""
    return {
        "tasks": toy_tasks(count),
        "executor": NoTools(),
        "reward": Letters(),
        "profile": PROFILES["terse"],
    }


def toy_config(kind: Any, model: Path, out: Path, *overrides: str) -> Any:
    """A configuration of short episodes of a single agent, with an engine that repeats them to the last bit."""
    return load_config(
        kind,
        None,
        [
            f"model.path={model}",
            "model.device=cpu",
            "model.precision=float32",
            f"out={out}",
            "engine.kind=transformers",
            "engine.max_requests=1",
            "engine.turn_tokens=6",
            "game.team=false",
            "game.limits.single_turns=1",
            "selection.failures=all",
            "tasks=2",
            "group=4",
            "steps=3",
            "optim.lr=1e-2",
            *overrides,
        ],
    )
