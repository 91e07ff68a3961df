"""A reward that differs between almost all episodes, also of a model that answers no task."""

from __future__ import annotations

from dataclasses import dataclass

from wideseek_env.episode import Episode
from wideseek_env.scoring import TableScore


@dataclass(frozen=True)
class TextReward:
    """Pays a number from 0 to 1 that depends on every character that the agents wrote.

    So each group has something to train on, and a short run measures whole training steps. It teaches nothing useful.
    """

    name: str = "text"

    def __call__(self, episode: Episode, score: TableScore) -> dict[str, float]:
        """The parts of the reward by name."""
        total = sum(
            ord(character)
            for conversation in episode.conversations
            for message in conversation.messages
            if message["role"] == "assistant"
            for character in message["content"]
        )
        return {"text": total % 997 / 997}
