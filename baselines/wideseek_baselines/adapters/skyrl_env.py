"""The single agent as an environment of `skyrl-gym`, for SkyRL's trainer.

SkyRL's generator has one conversation per environment, so this adapter supports only the single agent. The generator
keeps the sampled ids and their masks. It also tokenizes the messages of this environment.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from functools import lru_cache
from typing import Any

from wideseek_baselines.adapters.common import missing, outcome_metrics
from wideseek_env.episode_run import EpisodeRun
from wideseek_env.errors import ActionError, ConfigError
from wideseek_env.game import Game, GameConfig
from wideseek_env.messages import Message

try:
    import skyrl_gym
    from skyrl_gym.envs.base_text_env import BaseTextEnv, BaseTextEnvStepOutput
    from skyrl_gym.envs.registration import registry
except ImportError as error:
    raise missing("skyrl", error) from error

ENV = "wideseek"
"""The default name of the environment in SkyRL, and the default `env_class` of its rows."""


@lru_cache(maxsize=4)
def _game(settings: str) -> Game:
    """The opened game. All environments of this process with the same settings share it."""
    return GameConfig.from_dict({**json.loads(settings), "team": False}).open()


def _named(settings: Mapping[str, Any]) -> str:
    if "team" in settings:
        raise ConfigError("SkyRL's environments have one conversation, so team cannot be set: leave it out")
    try:
        return json.dumps(settings, sort_keys=True)
    except TypeError as error:
        raise ConfigError(f"give SkyRL's game as plain values (numbers, texts, lists): {error}") from error


def register(name: str = ENV, **settings: Any) -> None:
    """Register the environment in this process. A second call does nothing.

    Args:
        name: Name of the environment in SkyRL.
        settings: Fields of `GameConfig`, as values that JSON can store. Name a judge, a reward or a tool as
            ``module:name``.

    Raises:
        ConfigError: The game cannot be opened, or another environment has this name.
    """
    kwargs = {"settings": _named(settings)}
    _game(kwargs["settings"])
    known = registry.get(name)
    if known is None:
        skyrl_gym.register(id=name, entry_point=f"{__name__}:WideSeekTextEnv", kwargs=kwargs)
    elif known.kwargs != kwargs:
        raise ConfigError(f"SkyRL already has another environment called {name!r}: use another name")


def rows(limit: int | None = None, name: str = ENV, **settings: Any) -> list[dict[str, Any]]:
    """The tasks of the game as rows of SkyRL's dataset."""
    return [
        {"env_class": name, "task_id": task.id, "prompt": [{"role": "user", "content": task.question}]}
        for task in _game(_named(settings)).tasks[:limit]
    ]


class WideSeekTextEnv(BaseTextEnv):
    """One episode of the single agent.

    Args:
        settings: The settings of the game as JSON text, from `register`.
        env_config: SkyRL's settings for the environment. They have no effect.
        extras: The row of the dataset with its `task_id`. SkyRL's `max_turns` must not be smaller than the number of
            turns in the rules.

    Raises:
        ConfigError: SkyRL would end the episode before its rules do.
        TaskError: There is no task with this id.
    """

    def __init__(
        self, settings: str, env_config: Any = None, extras: Mapping[str, Any] | None = None
    ) -> None:
        super().__init__()
        game = _game(settings)
        extras = extras or {}
        self.max_turns = game.rules.turns("single")
        if extras.get("max_turns", self.max_turns) < self.max_turns:
            raise ConfigError(
                f"generator.max_turns is {extras['max_turns']}, but the rules allow {self.max_turns} turns: "
                "raise it, or register with rules={'single_turns': …}"
            )
        self._run = EpisodeRun(game, game.tasks.get(str(extras.get("task_id", ""))))
        self._shown = 0

    def init(self, prompt: list[Message]) -> tuple[list[Message], dict[str, Any]]:
        """The system prompt and the question. The `prompt` in the dataset is not used. It is only for people who read
        the file.
        """
        return self._news(), {"task_id": self._run.task.id}

    def step(self, action: str) -> BaseTextEnvStepOutput:
        """Apply one message of the agent. The result of the last message has the reward."""
        if self._run.done:
            raise ActionError("the episode is over: make a new environment")
        self.turns += 1
        self._run.step({"agent": action})
        self._shown += 1  # the agent's message, which SkyRL has as ids
        return BaseTextEnvStepOutput(
            observations=[] if self._run.done else self._news(),
            reward=self._run.reward,
            done=self._run.done,
            metadata=dict(self._run.parts),
        )

    def get_metrics(self) -> dict[str, Any]:
        """The metrics of the ended episode."""
        return outcome_metrics(self._run)

    def _news(self) -> list[Message]:
        messages = self._run.episode.root.messages
        news, self._shown = messages[self._shown :], len(messages)
        # The model wrote its calls as text, so there are no native calls: results get the role "user".
        return [{"role": "user" if m["role"] == "tool" else m["role"], "content": m["content"]} for m in news]
