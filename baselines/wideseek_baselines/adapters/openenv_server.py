"""WideSeek as an OpenEnv environment: a server for HTTP and WebSocket with one session for each client.

`python -m wideseek_baselines.adapters.openenv_server` starts the server. `create_app` returns the ASGI application.
"""

from __future__ import annotations

import threading
from collections.abc import Sequence
from typing import Any

import click
import numpy as np

from wideseek_baselines.adapters.common import missing, outcome_metrics
from wideseek_env.cli import options
from wideseek_env.cli.app import Failure, WrongSetting
from wideseek_env.episode_run import EpisodeRun, choose_task
from wideseek_env.errors import ActionError, ConfigError, WideSeekError
from wideseek_env.game import Game, GameConfig
from wideseek_env.messages import ToolCall, ToolResult
from wideseek_env.task import Task
from wideseek_env.tools.executor import run_calls

try:
    from fastapi import FastAPI
    from openenv.core.env_server import create_fastapi_app
    from openenv.core.env_server.interfaces import Environment
    from openenv.core.env_server.types import EnvironmentMetadata
except ImportError as error:
    raise missing("openenv", error) from error

from wideseek_baselines.adapters.openenv_models import (
    AgentView,
    WideSeekAction,
    WideSeekObservation,
    WideSeekState,
)


class ServedGame:
    """A `Game` that all sessions share. If its tools compute, one batch runs at a time. If they wait, batches run in
    parallel.
    """

    def __init__(self, game: Game) -> None:
        self.game = game
        self.split = game.config.split
        corpus = getattr(game.executor, "corpus", game.executor)
        self._turns = None if getattr(corpus, "blocking", False) else threading.Lock()

    def run(self, calls: Sequence[ToolCall]) -> list[ToolResult]:
        """Run the tool calls of one step."""
        if not calls:
            return []
        if self._turns is None:
            return run_calls(self.game.executor, calls)
        with self._turns:
            return run_calls(self.game.executor, calls)


class WideSeekEnvironment(Environment[WideSeekAction, WideSeekObservation, WideSeekState]):
    """One session. It runs one episode at a time.

    Args:
        served: The game, which all sessions share.
    """

    SUPPORTS_CONCURRENT_SESSIONS = True

    def __init__(self, served: ServedGame) -> None:
        super().__init__()
        self._served = served
        self._random = np.random.default_rng()
        self._run: EpisodeRun | None = None
        self._shown: dict[int, int] = {}
        self._episode_id: str | None = None
        self._steps = 0

    def reset(  # the server passes what the signature names
        self,
        seed: int | None = None,
        episode_id: str | None = None,
        task_id: str | None = None,
        index: int | None = None,
        split: str | None = None,
    ) -> WideSeekObservation:
        """Begin an episode.

        Args:
            seed: Seed for the choice of the task. Later calls of `reset` without a seed continue the same random
                numbers.
            episode_id: Any id. `state` returns it.
            task_id: Id of the task.
            index: Index of the task among the server's tasks. Give this or `task_id`, not both.
            split: Must be the split that the server serves. Clients of OpenEnv's task routes send it together with
                `index`.

        Raises:
            ConfigError: There is no such index or split, or both `task_id` and `index` are given.
            TaskError: There is no task with that id.
        """
        tasks = self._served.game.tasks
        if split is not None and split != self._served.split:
            raise ConfigError(f"this server serves the split {self._served.split!r}, not {split!r}")
        if task_id is not None and index is not None:
            raise ConfigError("reset takes a task_id or an index, not both")
        if seed is not None:
            self._random = np.random.default_rng(seed)
        if index is not None:
            task = tasks[self._index(index)]
        else:
            task = choose_task(tasks, self._random, {} if task_id is None else {"task_id": task_id})
        self._run = EpisodeRun(self._served.game, task, seed)
        self._shown = {}
        self._episode_id = episode_id
        self._steps = 0
        return self._observe()

    def step(self, action: WideSeekAction, timeout_s: float | None = None) -> WideSeekObservation:
        """Apply the messages of `action` and run their tools.

        If one message is not allowed, no message is applied. The content of a message never raises an error. An agent
        reads about errors in its calls in the results.

        Args:
            action: Messages of one or more acting agents.
            timeout_s: Part of OpenEnv's interface. It has no effect, because `CorpusTools` has a timeout for each tool
                call.

        Raises:
            ActionError: No episode is running, or it is not the turn of an agent in `action`.
        """
        episode_run = self._current()
        episode = episode_run.episode
        if episode_run.done:
            raise ActionError("the episode is over: call reset")
        ready, names = episode.ready(), [turn.agent for turn in action.turns]
        for name in names:
            if name not in ready:
                raise ActionError(f"it is not the turn of {name!r}; acting agents: {', '.join(ready)}")
        if len(set(names)) < len(names):
            raise ActionError(f"send one message for each agent, not several: {', '.join(sorted(names))}")
        calls: list[ToolCall] = []
        for turn in action.turns:
            calls += episode_run.act(turn.agent, turn.message())
            if episode_run.done:  # the lead has ended, so no agent waits for results
                break
        if not episode_run.done:
            for call, result in zip(calls, self._served.run(calls), strict=True):
                if episode_run.done:
                    break
                episode_run.deliver(call, result)
        if episode_run.done:
            episode_run.finish()
        self._steps += 1
        return self._observe()

    @property
    def state(self) -> WideSeekState:
        """The state of the episode. Empty before the first reset."""
        if self._run is None:
            return WideSeekState()
        episode = self._run.episode
        return WideSeekState(
            episode_id=self._episode_id,
            step_count=self._steps,
            task_id=episode.task.id,
            question=episode.task.question,
            agents={agent: episode.conversation(agent).status for agent in episode.agents},
            acting=episode.ready(),
            done=self._run.done,
        )

    def get_metadata(self) -> EnvironmentMetadata:
        """The metadata for OpenEnv's ``/metadata`` route."""
        game = self._served.game
        return EnvironmentMetadata(
            name="wideseek",
            description=f"Broad information seeking by a lead and up to {game.rules.width} subagents"
            if game.team
            else "Broad information seeking by one agent",
        )

    # --- OpenEnv's task routes --------------------------------------------------------------------------------------

    def list_splits(self) -> list[str]:
        """The only split that this server serves."""
        return [self._served.split]

    def num_tasks(self, split: str) -> int:
        """The number of tasks."""
        self._check_split(split)
        return len(self._served.game.tasks)

    def get_task(self, split: str, index: int) -> dict[str, Any]:
        """The question and columns of one task, without its gold table."""
        self._check_split(split)
        return _shown(self._served.game.tasks[self._index(index, IndexError)], index)

    def list_tasks(self, split: str) -> list[dict[str, Any]]:
        """The first 100 tasks, as OpenEnv requires for large splits. `num_tasks` returns the number of all tasks."""
        return self.get_task_range(split, 0, 100)

    def get_task_range(
        self, split: str, start: int | None = None, stop: int | None = None
    ) -> list[dict[str, Any]]:
        """The questions and columns of several tasks, without gold tables."""
        self._check_split(split)
        places = range(len(self._served.game.tasks))[start:stop]
        return [_shown(self._served.game.tasks[place], place) for place in places]

    # --- inside -----------------------------------------------------------------------------------------------------

    def _current(self) -> EpisodeRun:
        if self._run is None:
            raise ActionError(
                "no episode yet: call reset first, in the same session (plain HTTP requests have none, a WebSocket has)"
            )
        return self._run

    def _check_split(self, split: str) -> None:
        if split != self._served.split:
            raise ValueError(f"unknown split {split!r}: use {self._served.split}")

    def _index(self, index: int, error: type[Exception] = ConfigError) -> int:
        count = len(self._served.game.tasks)
        if not 0 <= index < count:
            raise error(f"index must be from 0 to {count - 1}, not {index}")
        return index

    def _observe(self) -> WideSeekObservation:
        episode_run = self._current()
        outcome = episode_run.episode.outcome
        if outcome is None or not episode_run.done:
            return WideSeekObservation(
                task_id=episode_run.task.id,
                acting=[self._view(episode_run, agent) for agent in episode_run.episode.ready()],
            )
        return WideSeekObservation(
            task_id=episode_run.task.id,
            done=True,
            reward=episode_run.reward,
            answer=outcome.answer,
            ending=outcome.ending,
            metrics=outcome_metrics(episode_run),
            reward_parts=dict(episode_run.parts),
        )

    def _view(self, episode_run: EpisodeRun, agent: str) -> AgentView:
        turn = episode_run.turn(agent)
        shown = self._shown.get(turn.conversation, 0)
        self._shown[turn.conversation] = len(turn.messages)
        return AgentView(
            agent=agent,
            role=turn.role,
            conversation=turn.conversation,
            messages=[dict(message) for message in turn.messages[shown:]],
            tools=[] if shown else [dict(tool) for tool in turn.tools],
            tools_in_prompt=turn.tools_in_prompt,
            turns_left=turn.turns_left,
        )


def _shown(task: Task, index: int) -> dict[str, Any]:
    return {
        "id": task.id,
        "index": index,
        "question": task.question,
        "columns": list(task.columns),
        "language": task.language,
    }


def create_app(game: Game | GameConfig | None = None, *, sessions: int = 64) -> FastAPI:
    """The server as an ASGI application.

    Args:
        game: The game. None means the default `GameConfig()`, which works offline. Its `split` is the only split of the
            server.
        sessions: The largest number of sessions at the same time.
    """
    if sessions < 1:
        raise ConfigError(f"sessions must be at least 1, not {sessions}")
    if not isinstance(game, Game):
        game = (game or GameConfig()).open()
    served = ServedGame(game)
    app: FastAPI = create_fastapi_app(
        lambda: WideSeekEnvironment(served),
        WideSeekAction,
        WideSeekObservation,
        max_concurrent_envs=sessions,
        env_name="wideseek",
        state_cls=WideSeekState,
    )
    return app


class _Command(click.Command):
    """Reports errors of this package in one line, as the ``wideseek`` command does."""

    def invoke(self, ctx: click.Context) -> Any:
        try:
            return super().invoke(ctx)
        except WideSeekError as error:
            raise (WrongSetting if isinstance(error, ConfigError) else Failure)(error) from error


@click.command(cls=_Command)
@options.game_options("wideseek-openenv")
@click.option(
    "--sessions",
    type=click.IntRange(1),
    default=64,
    show_default=True,
    help="The largest number of sessions at the same time.",
)
@click.option("--host", default="127.0.0.1", show_default=True)
@click.option("--port", type=click.IntRange(0, 65_535), default=8000, show_default=True)
def main(game: GameConfig, sessions: int, host: str, port: int) -> None:
    """Serve WideSeek as an OpenEnv environment until Ctrl-C."""
    import uvicorn

    uvicorn.run(create_app(game, sessions=sessions), host=host, port=port, ws_max_size=64 << 20)


if __name__ == "__main__":
    main()
