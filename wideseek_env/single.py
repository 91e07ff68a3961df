"""The Gymnasium environment with one agent: `gymnasium.make("wideseek_env:WideSeek-v0")`."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any

import gymnasium

from wideseek_env.copying import Independent, independent_copy, live_parts
from wideseek_env.corpus.base import Corpus
from wideseek_env.entry_points import ENTRY_POINTS
from wideseek_env.episode_run import EpisodeRun, choose_task
from wideseek_env.errors import ActionError
from wideseek_env.game import Tasks
from wideseek_env.messages import Action, Counter, visible_text
from wideseek_env.profiles import Profile
from wideseek_env.render import render, renderer_for
from wideseek_env.rewards import Reward
from wideseek_env.rules import Rules
from wideseek_env.scoring import Judge
from wideseek_env.spaces import ActionSpace, TextSpace
from wideseek_env.summaries.base import Summariser
from wideseek_env.tools.custom import Tool
from wideseek_env.tools.executor import Executor
from wideseek_env.trajectory import Trajectory

AGENT = "agent"


class WideSeekSingleEnv(Independent, gymnasium.Env[str, Any]):
    """One question and one agent, which searches and browses by itself. It is the baseline for a team.

    It accepts the arguments of `wideseek_env.parallel_env` that apply to one agent. The observation is the text that is
    new to the agent. The action is text or an assistant message. The last step returns the reward. ``info`` has the
    keys that `wideseek_env.parallel.WideSeekEnv` describes. The environment can be copied and pickled between any two
    steps (`wideseek_env.copying`).
    """

    metadata: dict[str, Any] = {"render_modes": ["human", "ansi"], "render_fps": 4}  # noqa: RUF012

    def __init__(
        self,
        *,
        tasks: Tasks = "synthetic",
        corpus: str | Corpus | None = None,
        split: str = "train",
        where: Sequence[str] = (),
        limit: int | None = None,
        rules: str | Rules | Mapping[str, int] = "default",
        limits: Mapping[str, int] | None = None,
        reward: str | Reward = "item_f1",
        profile: str | Profile = "default",
        texts: str | Mapping[str, Any] | None = None,
        judge: str | Judge | None = "offline",
        language: str | None = None,
        counter: str | Counter = "characters",
        tools: Sequence[str | Tool] = (),
        executor: str | Executor | None = None,
        summariser: str | Summariser | None = None,
        render_mode: str | None = None,
    ) -> None:
        self.game = (
            ENTRY_POINTS["WideSeek-v0"]
            .config(
                tasks=tasks,
                corpus=corpus,
                split=split,
                where=where,
                limit=limit,
                rules=rules,
                limits=limits,
                reward=reward,
                profile=profile,
                texts=texts,
                judge=judge,
                language=language,
                counter=counter,
                tools=tools,
                executor=executor,
                summariser=summariser,
            )
            .open()
        )
        self.render_mode = render_mode
        self._renderer = renderer_for(render_mode, self.metadata["render_modes"])
        self.observation_space = TextSpace(8 * max(self.game.rules.context, 131_072))
        self.action_space = ActionSpace(self.game.rules.action_chars)
        self._run: EpisodeRun | None = None
        self._seen = 0

    def __repr__(self) -> str:
        run = self._run
        state = (
            "before reset" if run is None else f"task {run.task.id!r}, {'ended' if run.done else 'acting'}"
        )
        return f"<WideSeekSingleEnv {self.game!r}: {state}>"

    def __deepcopy__(self, memo: dict[int, Any]) -> WideSeekSingleEnv:
        if self._run is not None:
            self._run.check_settled()
        return independent_copy(self, memo, self.spec)  # the arguments in `spec` may be live objects

    def __getstate__(self) -> dict[str, Any]:
        if self._run is not None:
            self._run.check_settled()
        state = vars(self).copy()
        if self.spec is not None:
            arguments = live_parts(self.spec.kwargs)
            state["spec"] = dataclasses.replace(self.spec, kwargs=arguments)
        return state

    @property
    def episode_run(self) -> EpisodeRun:
        """The current episode. It has a score after its end. `ActionError` before the first reset."""
        if self._run is None:
            raise ActionError("no episode yet: call reset() first")
        return self._run

    def reset(
        self, *, seed: int | None = None, options: Mapping[str, Any] | None = None
    ) -> tuple[str, dict[str, Any]]:
        """Begin an episode. ``options={"task_id": …}`` chooses the task."""
        super().reset(seed=seed)
        self._run = EpisodeRun(self.game, choose_task(self.game.tasks, self.np_random, options), seed)
        self._seen = 0
        if self._renderer is not None:
            self._renderer.begin(self._run)
        return self._observe(), self._info()

    def step(self, action: Action) -> tuple[str, float, bool, bool, dict[str, Any]]:
        """Take one turn: pass the agent's message, then run the tools that it calls. `ActionError` after the end."""
        run = self.episode_run
        if run.done:
            raise ActionError("the episode has ended: call reset() first")
        run.step({AGENT: action})
        outcome = run.episode.outcome
        if self._renderer is not None:
            self._renderer.update(run)
        terminated = outcome is not None and outcome.answered
        truncated = outcome is not None and not outcome.answered
        return self._observe(), run.reward, terminated, truncated, self._info()

    def trajectory(self, **about: Any) -> Trajectory:
        """The record of the ended episode. Keyword arguments are added to the `meta` of the record."""
        return self.episode_run.trajectory(**about)

    def render(self) -> Any:
        """The state of the episode as text for "ansi". None for "human", a live view. `ConfigError` without a mode."""
        return render(self._renderer)

    def close(self) -> None:
        """End the live view and drop cached pages. The corpus stays open."""
        if self._renderer is not None:
            self._renderer.close()
        self.game.executor.close()

    def _observe(self) -> str:
        messages = self.episode_run.episode.root.messages
        new, self._seen = messages[self._seen :], len(messages)
        return visible_text(new)

    def _info(self) -> dict[str, Any]:
        return self.episode_run.info(self.episode_run.episode.root.agent)
