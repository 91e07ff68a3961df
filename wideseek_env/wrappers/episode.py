"""`SymbolicEpisode`: one episode with finite action and observation spaces. Each step has two halves: before and after
the tool calls.

So many episodes can share one batch of tool calls.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from wideseek_env.episode_run import EpisodeRun
from wideseek_env.errors import ActionError, TaskError
from wideseek_env.game import Game
from wideseek_env.messages import ToolCall, ToolResult
from wideseek_env.scoring.cells import cells_match, key_of
from wideseek_env.task import Task
from wideseek_env.wrappers.agents import Mask, SymbolicAgent, SymbolicLead
from wideseek_env.wrappers.conversing import SymbolicConversation
from wideseek_env.wrappers.layout import Layout
from wideseek_env.wrappers.reading import Reader
from wideseek_env.wrappers.searching import subagent_for


class SymbolicEpisode:
    """An episode, its agents and their observations.

    Attributes:
        episode_run: The underlying episode. Its trajectory is recorded and replayed like any other.
        observations: float32 of shape (agents, features).
        masks: int8 of shape (agents, actions). For an agent that is not acting, only the action "idle" is possible.
        acting: bool of shape (agents,).
        new_right: The share of the gold table's cells that an agent noted correctly for the first time in the last
            step.
    """

    def __init__(self, game: Game, layout: Layout, reader: Reader, task: Task, seed: int | None) -> None:
        question = reader.question(task.question)
        if question is None or task.gold is None:
            raise TaskError(
                f"the task {task.id} does not fit the symbolic spaces: its question is not understood"
            )
        self.layout, self.reader = layout, reader
        self.episode_run = EpisodeRun(game, task, seed)
        self.agents = ["lead", *(f"subagent_{number}" for number in range(layout.width))]
        self.observations: NDArray[np.float32] = np.zeros((len(self.agents), layout.features), np.float32)
        self.masks: Mask = np.zeros((len(self.agents), layout.actions), np.int8)
        self.acting = np.zeros(len(self.agents), bool)
        self.steps = 0
        self.new_right = 0.0
        self._lead = SymbolicLead(layout, question)
        self._symbolic: list[SymbolicConversation | None] = [
            SymbolicConversation(layout, self._lead),
            *[None] * layout.width,
        ]
        self._conversations = [0, *[-1] * layout.width]
        gold, key = task.gold, question.key
        self._gold = {
            key_of(name, task.spec(key)): dict(zip(gold.header, row, strict=True))
            for name, row in zip(gold.column(key), gold.rows, strict=True)
        }
        self._right: set[tuple[str, str]] = set()
        self._pending: list[ToolCall] = []
        self._look()

    @property
    def done(self) -> bool:
        """Whether the episode has ended."""
        return self.episode_run.done

    @property
    def ending(self) -> tuple[bool, bool]:
        """Whether the episode has terminated (the lead answered), and whether it was truncated."""
        outcome = self.episode_run.episode.outcome
        return (False, False) if outcome is None else (outcome.answered, not outcome.answered)

    def reward(self, shaping: float, agent: str = "lead") -> float:
        """The reward of an agent for the last step: the shaping, and at the end also what the game's credit pays it."""
        return shaping * self.new_right + (self.episode_run.paid(agent) if self.done else 0.0)

    def arrays(self) -> dict[str, NDArray[Any]]:
        """A copy of the observations, the masks and `acting`, under the names that the vectors use."""
        return {
            "observation": self.observations.copy(),
            "action_mask": self.masks.copy(),
            "acting": self.acting.copy(),
        }

    def result(self) -> dict[str, Any]:
        """The team reward and the item-F1 of an episode that has ended."""
        assert self.episode_run.score is not None, "an ended episode has a score"
        return {"team_reward": self.episode_run.reward, "item_f1": self.episode_run.score.f1_by_item}

    def check(self, actions: Sequence[int] | NDArray[np.integer]) -> None:
        """Raises `ActionError` if an acting agent has a number that is not an action, or if the episode has ended."""
        if self.done:
            raise ActionError("the episode has ended: call reset() first")
        for seat in map(int, np.flatnonzero(self.acting)):
            if not 0 <= actions[seat] < self.layout.actions:
                raise ActionError(
                    f"{self.agents[seat]}: there is no action {actions[seat]}; there are {self.layout.actions}"
                )

    def begin(self, actions: Sequence[int] | NDArray[np.integer]) -> list[ToolCall]:
        """The first half of a step: apply one action per agent. Actions of agents that are not acting are ignored.

        Returns the tool calls whose results `finish` needs. `check` must have accepted the actions.
        """
        chosen = [(seat, int(actions[seat])) for seat in map(int, np.flatnonzero(self.acting))]
        self.steps += 1
        self.new_right = 0.0
        calls: list[ToolCall] = []
        for seat, action in chosen:
            symbolic = self._symbolic[seat]
            assert symbolic is not None, "an acting agent has a symbolic one"
            message = symbolic.message(action, self.masks[seat])
            if self.masks[seat, action] and self.layout.choice(action).verb == "take":
                self.new_right += self._newly_right(symbolic.agent)
            if message is not None:
                calls += self.episode_run.act(self.agents[seat], message)
        self._pending = [] if self.done else calls
        return self._pending

    def finish(self, results: Sequence[ToolResult]) -> None:
        """The second half of a step: distribute the results of the calls, in their order."""
        for call, result in zip(self._pending, results, strict=True):
            self.episode_run.deliver(call, result)
        self._pending = []
        if self.done:
            self.episode_run.finish()
        self._look()

    def _look(self) -> None:
        """Let every agent read its new messages, and write its observation and mask."""
        self.acting[:] = False
        self.masks[:] = 0
        # A subagent that has reported sees zeros. The lead keeps its observation while it waits.
        self.observations[1:] = 0
        self.observations[0, 2] = 0
        episode = self.episode_run.episode
        for name in episode.ready():
            seat = 0 if name == "lead" else int(name.removeprefix("subagent_")) + 1
            conversation = episode.conversation(name)
            if conversation.started != self._conversations[seat]:
                self._conversations[seat] = conversation.started
                agent = subagent_for(self.layout, self.reader, conversation.subtask)
                self._symbolic[seat] = SymbolicConversation(self.layout, agent)
            symbolic = self._symbolic[seat]
            assert symbolic is not None, "the lead has one from the start"
            self.acting[seat] = True
            symbolic.read(conversation.messages)
            left = conversation.limit - conversation.turns
            symbolic.look(self.observations[seat], self.masks[seat], left, conversation.limit)
        self.masks[~self.acting, 0] = 1

    def _newly_right(self, agent: SymbolicAgent) -> float:
        """The share of gold cells that `agent` has noted correctly and no agent had noted correctly before. Only the
        shaping reward uses this."""
        task = self.episode_run.task
        key, before = self._lead.question.key, len(self._right)
        for name, values in agent.notes.items():
            row = self._gold.get(key_of(name, task.spec(key)))
            if row is None:
                continue
            for label, cell in {key: name, **values}.items():
                if label in task.columns and cells_match(cell, row[label], task.spec(label)):
                    self._right.add((row[key], label))
        return (len(self._right) - before) / (len(self._gold) * len(task.columns))
