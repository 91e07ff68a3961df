"""WideSeek as an environment of Prime Intellect's `verifiers` (its v1 interface): taskset, harness and environment.

One episode is one whole team. The environment has two seats, `lead` and `subagent`. A seat is a role for which
verifiers has a model and its settings. Every agent's conversation is a separate rollout in one of the seats, and
verifiers records its trace. A trace has the messages. With a training client it also has the token ids, the mask of
sampled tokens and their log-probabilities. Every trace gets the team's reward.

The commands and trainers of verifiers find the environment through the plugin `wideseek_verifiers`.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import fields
from functools import cached_property
from typing import Any

from wideseek_baselines.adapters.common import missing
from wideseek_baselines.rollout.tools import ToolPool
from wideseek_env.episode_run import EpisodeRun
from wideseek_env.errors import ConfigError
from wideseek_env.game import Game, GameConfig

try:
    import verifiers.v1 as vf
    from pydantic import Field, ValidationError
except ImportError as error:
    raise missing("verifiers", error) from error

from wideseek_baselines.adapters.verifiers_team import Team

PLUGIN = "wideseek-verifiers"
"""The id under which verifiers finds taskset, harness and environment."""


class WideSeekTasksetConfig(vf.TasksetConfig):
    """The game: all fields of `wideseek_env.GameConfig`, as plain values that can be sent to other processes."""

    id: str = PLUGIN
    tasks: str = "synthetic"
    """A world such as ``synthetic:rows=6`` or ``hybridqa:FOLDER``, or a file of tasks."""
    corpus: str | None = None
    """The corpus to search. None means the corpus of the world in `tasks`."""
    split: str = "train"
    where: list[str] = []  # noqa: RUF012 (pydantic copies it)
    """Conditions that tasks must meet, such as ``rows>=10``."""
    limit: int | None = None
    """Use only this number of tasks from the beginning. None uses all tasks."""
    width: int | None = None
    """The largest number of subagents of one delegation. None means the number in the rules."""
    rules: str | dict[str, int] | None = None
    """Name of a preset, or limits to change."""
    limits: dict[str, int] = {}  # noqa: RUF012 (pydantic copies it)
    """Single limits that override the preset."""
    profile: str = "default"
    """The name of the prompts and tool schemas. With ``wideseek-r1``, the model's chat template shows the tools."""
    texts: str | dict[str, Any] | None = None
    """Texts that agents see instead of those of the profile: a TOML file or its content."""
    reward: str = "item_f1"
    credit: str = "team"
    """How the agents of an episode are paid. Traces have the team's reward, so only ``team`` is useful here."""
    judge: str | None = "offline"
    """The judge that compares cells in columns with the metric "llm_judge"."""
    team: bool = True
    """True for a team. False for a single agent, in the seat `lead`."""
    roster: str = "dynamic"
    language: str | None = None
    """The language of prompts: en, zh, or task for that of each task. None means that of the profile."""
    counter: str = "characters"
    """The unit of the context limit."""
    tools: list[str] = []  # noqa: RUF012 (pydantic copies it)
    """Custom tools, each as ``module:name``."""
    summariser: str | None = None
    """The model that summarises opened pages: ``openai:MODEL@URL`` or ``module:name``. None means no summaries."""
    executor: str | None = None
    """The executor of tool calls, as ``module:name``. None means the default executor, which searches and browses the
    corpus and runs the custom tools.
    """


class WideSeekData(vf.TaskData):
    """A question in the form that verifiers sends, without its gold table. `id` is the id of the task.

    In a trace, it also has the agent and the number of the conversation that the trace records.
    """

    agent: str = ""
    conversation: int = 0
    """The number of the conversation in the episode."""
    tools: list[dict[str, Any]] = Field(default_factory=list)
    """Schemas for the model's chat template. Empty if the system prompt describes the tools."""


class WideSeekTask(vf.Task[WideSeekData, vf.State, vf.TaskConfig]):
    """A question. The environment scores the answer, once for the whole team."""

    @property
    def key(self) -> str:
        """The id of the task. It does not depend on the order of tasks."""
        return str(self.data.id or self.hash)


class WideSeekTaskset(vf.Taskset[WideSeekTask, WideSeekTasksetConfig]):
    """The questions of a game."""

    @cached_property
    def game(self) -> Game:
        """The game, opened on first use. Raises `ConfigError` for a wrong name."""
        config = self.config
        return GameConfig.from_dict(
            {each.name: getattr(config, each.name) for each in fields(GameConfig)}
        ).open()

    def load(self) -> Iterable[WideSeekTask]:
        """One task for each question, in order."""
        for task in self.game.tasks:
            yield WideSeekTask(WideSeekData(id=task.id, prompt=task.question), self.config.task)


class WideSeekEnvConfig(vf.EnvConfig):
    """The taskset and the agents of the seats. If a seat has no model, client or sampling, those of the run are
    used.
    """

    taskset: WideSeekTasksetConfig = WideSeekTasksetConfig()
    lead: vf.AgentConfig = vf.AgentConfig(runtime=vf.SubprocessConfig())
    """The seat of the lead, or of the single agent."""
    subagent: vf.AgentConfig = vf.AgentConfig(runtime=vf.SubprocessConfig())
    max_concurrent_agents: int | None = Field(None, ge=1)
    """The largest number of agents of one episode that generate at the same time. None sets no limit."""
    train_subagents: bool = True
    """Whether the traces of subagents are marked as trainable, like those of the lead."""


class WideSeekEnv(vf.Env[WideSeekEnvConfig]):
    """Runs whole teams. Every agent's conversation is a separate rollout with the team's reward."""

    taskset: WideSeekTaskset

    def __init__(self, config: WideSeekEnvConfig) -> None:
        super().__init__(config)
        self._tools: ToolPool | None = None

    async def setup(self, agents: vf.Agents) -> None:
        """Mark which agents' tokens are training data."""
        agents.subagent.trainable = self.config.train_subagents

    async def run(self, task: vf.Task, agents: vf.Agents) -> None:
        """Run one episode to its end, and give every agent of the team its reward."""
        game = self.taskset.game
        if self._tools is None:
            self._tools = ToolPool(game.executor)
        team = Team(EpisodeRun(game, game.tasks.get(task.data.id or "")), task, agents, self._tools)
        await team.play_on()
        team.pay()

    async def stop(self) -> None:
        """End the threads that run the tools."""
        tools, self._tools = self._tools, None
        if tools is not None:
            await tools.close()


def load_environment(
    *,
    lead: dict[str, Any] | None = None,
    subagent: dict[str, Any] | None = None,
    train_subagents: bool = True,
    max_concurrent_agents: int | None = None,
    **settings: Any,
) -> WideSeekEnv:
    """Create the environment from plain values.

    Args:
        lead: Fields of verifiers' `AgentConfig` that differ in the lead's seat, such as ``{"model": …}``.
        subagent: Fields of `AgentConfig` that differ in the subagents' seat.
        train_subagents: Whether the traces of subagents are marked as trainable, like those of the lead.
        max_concurrent_agents: The largest number of agents of one episode that generate at the same time. None sets no
            limit.
        settings: Fields of `WideSeekTasksetConfig`: `tasks`, `split`, `width`, `rules`, `profile`, `reward`, `team`, …

    Raises:
        ConfigError: An argument is unknown or wrong.
    """
    seats = {name: seat for name, seat in (("lead", lead), ("subagent", subagent)) if seat is not None}
    try:
        config = WideSeekEnvConfig.model_validate(
            {
                "taskset": {"id": PLUGIN, **settings},
                "train_subagents": train_subagents,
                "max_concurrent_agents": max_concurrent_agents,
                **seats,
            }
        )
    except ValidationError as error:
        raise ConfigError(f"wrong arguments of the environment: {error}") from error
    env = WideSeekEnv(config)
    env.taskset.game  # noqa: B018  (a wrong name is said now, and not in the first episode)
    return env
