"""The Gymnasium environment: one agent that searches and browses by itself (`gymnasium.make("WideSeek-v0")`)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import gymnasium

from wideseek_env.corpus.base import Corpus
from wideseek_env.errors import ActionError
from wideseek_env.lockstep import Play
from wideseek_env.messages import Action, Counter, Transcript, count_characters, visible_text
from wideseek_env.parallel import choose_task
from wideseek_env.profiles import Profile
from wideseek_env.render import renderer_for
from wideseek_env.rewards import Reward
from wideseek_env.rules import Rules
from wideseek_env.scoring import Judge
from wideseek_env.setup import Setup
from wideseek_env.spaces import ActionSpace, TextSpace
from wideseek_env.tasks.task import Task
from wideseek_env.tasks.taskset import TaskSet
from wideseek_env.tools.executor import Executor
from wideseek_env.trajectory import Trajectory

AGENT = "agent"


class WideSeekSingleEnv(gymnasium.Env[str, Any]):
    """One question, one agent with search and browse: the baseline that a team is compared with.

    Takes the arguments of `wideseek_env.parallel_env` that concern one agent. The observation is the text that
    is new, the action text or an assistant message; the reward comes with the last step. ``info`` has the keys
    of `wideseek_env.parallel.WideSeekEnv`.
    """

    metadata: dict[str, Any] = {"render_modes": ["human", "ansi"], "render_fps": 4}  # noqa: RUF012

    def __init__(
        self,
        *,
        tasks: str | TaskSet | Sequence[Task] | None = None,
        corpus: str | Corpus | None = None,
        split: str = "train",
        rules: str | Rules | Mapping[str, int] | None = None,
        reward: str | Reward = "item_f1",
        profile: str | Profile = "default",
        judge: Judge | None = None,
        counter: Counter = count_characters,
        tools: Executor | None = None,
        render_mode: str | None = None,
    ) -> None:
        self.setup = Setup.resolve(
            tasks=tasks,
            corpus=corpus,
            split=split,
            rules=rules,
            reward=reward,
            profile=profile,
            judge=judge,
            counter=counter,
            tools=tools,
            team=False,
        )
        self.render_mode = render_mode
        self._renderer = renderer_for(render_mode, self.metadata["render_modes"])
        self.observation_space = TextSpace(8 * max(self.setup.rules.context, 131_072))
        self.action_space = ActionSpace(self.setup.rules.action_chars)
        self._play: Play | None = None
        self._seen = 0

    @property
    def play(self) -> Play:
        """The episode under way, with its score once it has ended; `ActionError` before the first reset."""
        if self._play is None:
            raise ActionError("no episode yet: call reset() first")
        return self._play

    def reset(
        self, *, seed: int | None = None, options: Mapping[str, Any] | None = None
    ) -> tuple[str, dict[str, Any]]:
        """Begin an episode; ``options={"task_id": …}`` chooses the task."""
        super().reset(seed=seed)
        self._play = Play(self.setup, choose_task(self.setup.tasks, self.np_random, options), seed)
        self._seen = 0
        if self._renderer is not None:
            self._renderer.begin(self._play)
        return self._observe(), self._info()

    def step(self, action: Action) -> tuple[str, float, bool, bool, dict[str, Any]]:
        """One turn: the agent's message, and the tools that it calls."""
        play = self.play
        if play.done:
            raise ActionError("the episode has ended: call reset() first")
        play.step({AGENT: action})
        outcome = play.episode.outcome
        if self._renderer is not None:
            self._renderer.update(play)
        terminated = outcome is not None and outcome.answered
        truncated = outcome is not None and not outcome.answered
        return self._observe(), play.reward, terminated, truncated, self._info()

    def trajectory(self, **about: Any) -> Trajectory:
        """The record of the ended episode; keyword arguments go to its `meta`."""
        return self.play.trajectory(**about)

    def render(self) -> Any:
        """ "ansi": the state of the episode as text. "human": nothing, the view is live."""
        return self._renderer.render() if self._renderer is not None else None

    def close(self) -> None:
        """End the view and drop cached pages; the corpus stays open."""
        if self._renderer is not None:
            self._renderer.close()
        self.setup.executor.close()

    def _observe(self) -> str:
        messages = self.play.episode.root.messages
        new, self._seen = messages[self._seen :], len(messages)
        return visible_text(new)

    def _info(self) -> dict[str, Any]:
        play = self.play
        root = play.episode.root
        info: dict[str, Any] = {
            "acting": root.status == "acting",
            "role": root.role,
            "status": root.status,
            "turn": root.turns,
            "turns_left": root.limit - root.turns,
            "messages": Transcript(root.messages),
            "tools": play.episode.tools(root.role),
            "task_id": play.task.id,
        }
        if play.done:
            outcome = play.episode.outcome
            info["score"] = play.score
            info["reward_parts"] = dict(play.parts)
            info["answer"] = outcome.answer if outcome is not None else None
            info["outcome"] = outcome
        return info
