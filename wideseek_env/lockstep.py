"""The lock-step driver: every acting agent takes one turn, then all their tools run together.

`Play` is one episode under this driver with its clock and its score. The PettingZoo and Gymnasium shells are
thin layers over it.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any

from wideseek_env.episode import Episode
from wideseek_env.errors import ActionError
from wideseek_env.messages import Action, Role, ToolCall, ToolResult, Transcript, visible_text
from wideseek_env.policy import Turn
from wideseek_env.rewards import Parts, total
from wideseek_env.scoring import TableScore, score_response
from wideseek_env.setup import Setup
from wideseek_env.tasks.task import Task
from wideseek_env.trajectory import Trajectory


class Play:
    """One episode under way. `times` has the seconds since its start for each of the episode's events."""

    def __init__(self, setup: Setup, task: Task, seed: int | None = None) -> None:
        self.setup = setup
        self.task = task
        self.seed = seed
        self.episode: Episode = setup.episode(task)
        self.times: list[float] = []
        self.score: TableScore | None = None
        self.parts: Parts = {}
        self._schemas: dict[Role, list[dict[str, Any]]] = {}
        self._began = time.perf_counter()
        self.started = time.time()
        if self.episode.done:  # the question alone is longer than the context budget
            self.finish()

    @property
    def done(self) -> bool:
        """Whether the episode has ended; then `score`, `parts` and `reward` are set."""
        return self.episode.done

    @property
    def reward(self) -> float:
        """The team's reward: 0 until the end."""
        return total(self.parts)

    def turn(self, agent: str) -> Turn:
        """What an acting agent can see, for a policy."""
        conversation = self.episode.conversation(agent)
        role, messages = conversation.role, conversation.messages
        schemas = self._schemas.get(role)
        if schemas is None:
            schemas = self._schemas[role] = self.episode.tools(role)
        last = next((i for i in range(len(messages) - 1, -1, -1) if messages[i]["role"] == "assistant"), -1)
        return Turn(
            agent=agent,
            role=role,
            observation=visible_text(messages[last + 1 :]),
            messages=Transcript(messages),
            tools=schemas,
            turns_left=conversation.limit - conversation.turns,
            conversation=conversation.started,
            tools_in_prompt=self.setup.profile.embed_tools,
        )

    def act(self, agent: str, action: Action) -> list[ToolCall]:
        """Play one agent's message and return the tool requests to run; see `Episode.act`.

        For drivers that move agents one by one: whoever calls this, and `deliver` for each result, calls `finish`
        when the episode is done.
        """
        calls = self.episode.act(agent, action)
        self.times.append(time.perf_counter() - self._began)
        return calls

    def deliver(self, call: ToolCall | str, result: ToolResult | str) -> None:
        """Hand back one result; see `Episode.deliver`."""
        self.episode.deliver(call, result)
        self.times.append(time.perf_counter() - self._began)

    def step(self, actions: Mapping[str, Action]) -> None:
        """One turn of every acting agent, then their tools. Actions of agents that are not acting are ignored.

        `ActionError` when an acting agent has no action, or one that is neither text nor a mapping; nothing
        has happened then.
        """
        episode = self.episode
        acting = episode.ready()
        for agent in acting:
            action = actions.get(agent)
            if not isinstance(action, (str, Mapping)):
                what = (
                    "has no action" if action is None else f"cannot do {type(action).__name__} {action!r:.80}"
                )
                raise ActionError(f"{agent} {what}; an action is text or a message, acting are {acting}")
        calls: list[ToolCall] = []
        now = time.perf_counter() - self._began
        for agent in acting:
            calls += episode.act(agent, actions[agent])
        self.times += [now] * len(acting)
        if calls and not episode.done:
            results = self.setup.executor.run(calls)
            now = time.perf_counter() - self._began
            for call, result in zip(calls, results, strict=True):
                if episode.done:
                    break
                episode.deliver(call, result)
                self.times.append(now)
        if episode.done:
            self.finish()

    def abort(self, detail: str) -> None:
        """End the episode without an answer."""
        if not self.episode.done:
            self.episode.abort(detail)
            self.times.append(time.perf_counter() - self._began)
            self.finish()

    def trajectory(self, **about: Any) -> Trajectory:
        """The record of the ended episode; `about` goes to its `meta`. `ActionError` while it is under way."""
        if self.score is None:
            raise ActionError("the episode is still under way; its trajectory is complete when it has ended")
        return Trajectory.of_episode(
            self.episode,
            score=self.score,
            parts=self.parts,
            reward_name=self.setup.reward.name,
            corpus=self.setup.corpus_name,
            seed=self.seed,
            times=self.times,
            started=self.started,
            meta=about,
        )

    def finish(self) -> None:
        """Score the ended episode. A judge may make this wait; nothing else is changed by it."""
        outcome = self.episode.outcome
        answer = outcome.answer if outcome is not None else None
        self.score = score_response(answer or "", self.task, self.setup.judge)
        self.parts = self.setup.reward(self.episode, self.score)
