"""A batch of real episodes for timing training steps, without a model that generates them.

The scripted team answers training tasks of the synthetic world. It runs each task several times, each time with another
limit on the number of subagents at the same time. The reward is item-F1 minus 0.01 per subagent. So rewards differ
within a group (the episodes of the same task), as they do for a policy that samples. They differ even if every team
fills the whole table.

The messages go through the model's chat template turn by turn, as in a rollout. So the ids, the trained tokens and the
lengths are those of real conversations. There is no engine that could report log-probabilities. The log-probabilities
are recorded as 0, so switch importance sampling off when you train on such a batch.
"""

from __future__ import annotations

import dataclasses
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from wideseek_baselines.scripted import ScriptedPolicy
from wideseek_baselines.tokens import ChatTemplate
from wideseek_baselines.tokens.record import AgentRecord, Rollout, TurnRecord
from wideseek_baselines.tokens.record import Sequence as TokenSequence
from wideseek_baselines.train.config.options import AdvantageOptions
from wideseek_baselines.train.data.supervised import conversation_sequences
from wideseek_baselines.train.objective.advantages import group_advantages
from wideseek_env.episode_run import run_episode
from wideseek_env.errors import ConfigError
from wideseek_env.game import GameConfig
from wideseek_env.trajectory import Trajectory

COST = 0.01
"""The price of a subagent in the reward."""
AT_ONCE = (1, 2, 4, 8)
"""The limits on subagents started at once, for the episodes of a group in turn."""

GAME = GameConfig(
    tasks="synthetic:rows=10-16,columns=2,hops=1",
    profile="terse",
    rules="width-benchmark",
    width=8,
)
"""The game. Its tables have slightly more rows than a team with one subagent at a time can fill."""


@dataclass(frozen=True, slots=True)
class Batch:
    """Episodes with their advantages. Only groups with different rewards are included."""

    rollouts: list[Rollout]
    advantages: list[float]

    @property
    def sequences(self) -> list[tuple[float, TokenSequence]]:
        """All sequences with a trained token, in order. Each sequence has the advantage of its rollout."""
        return [
            (advantage, sequence)
            for rollout, advantage in zip(self.rollouts, self.advantages, strict=True)
            for agent in rollout.agents
            for sequence in agent.sequences
            if any(sequence.mask)
        ]

    def describe(self) -> dict[str, Any]:
        """The number of sequences and their lengths in tokens, by role."""
        lengths: dict[str, list[int]] = {}
        for rollout in self.rollouts:
            for agent in rollout.agents:
                lengths.setdefault(agent.role, []).extend(len(s.ids) for s in agent.sequences if any(s.mask))
        found = [sequence for _, sequence in self.sequences]
        return {
            "episodes": len(self.rollouts),
            "sequences": len(found),
            "tokens": sum(len(sequence.ids) for sequence in found),
            "trained_tokens": sum(sum(sequence.mask) for sequence in found),
            "lengths": {
                role: {
                    "count": len(each),
                    "least": min(each),
                    "mean": sum(each) // len(each),
                    "most": max(each),
                }
                for role, each in lengths.items()
            },
        }

    def save(self, path: Path) -> None:
        """Write the batch as JSON."""
        record = {"rollouts": [r.to_dict() for r in self.rollouts], "advantages": self.advantages}
        path.write_text(json.dumps(record), "utf-8")

    @classmethod
    def load(cls, path: Path) -> Batch:
        """Read a batch that `save` wrote."""
        record = json.loads(path.read_text("utf-8"))
        return cls([Rollout.from_dict(each) for each in record["rollouts"]], record["advantages"])


def record_batch(
    model: str,
    *,
    tasks: int,
    group: int,
    tasks_of: str = GAME.tasks,
    context: int | None = None,
    multiple: int = 1,
) -> Batch:
    """Run the scripted team and tokenize its episodes.

    Args:
        model: Model folder with the tokenizer and chat template.
        tasks: Number of training tasks.
        group: Episodes per task.
        tasks_of: The source of the tasks, such as "synthetic:rows=4".
        context: Episodes with a longer sequence are omitted. None sets no limit.
        multiple: Episodes are omitted until the number of sequences is a multiple of this.

    Raises:
        ConfigError: Too few episodes are left for a batch.
    """
    game = GAME.replace(tasks=tasks_of).open()
    template = ChatTemplate(model)
    rollouts = []
    for number, task in enumerate(game.tasks[:tasks]):
        for trial in range(group):
            policy = ScriptedPolicy(delegate_limit=AT_ONCE[trial % len(AT_ONCE)])
            trajectory = run_episode(game, policy, task, seed=number).trajectory()
            rollouts.append(tokenized(trajectory, template, trial))
    compared = group_advantages(
        [rollout.reward for rollout in rollouts],
        [rollout.group for rollout in rollouts],
        [True] * len(rollouts),
        AdvantageOptions(),
    )
    fits = [
        context is None
        or all(len(sequence.ids) <= context for a in rollout.agents for sequence in a.sequences)
        for rollout in rollouts
    ]
    chosen = np.flatnonzero(compared.used & fits)
    batch = Batch([rollouts[at] for at in chosen], compared.values[chosen].tolist())
    batch = divisible(batch, multiple)
    if not batch.rollouts:
        raise ConfigError(
            f"{tasks} tasks with {group} episodes each give no batch whose number of sequences is a multiple of "
            f"{multiple}: give more tasks, episodes or context"
        )
    return batch


def divisible(batch: Batch, multiple: int) -> Batch:
    """The largest part of the batch whose number of sequences is a multiple of `multiple`. It may be empty."""
    counts = [
        len(Batch([rollout], [advantage]).sequences)
        for rollout, advantage in zip(batch.rollouts, batch.advantages, strict=True)
    ]
    best: dict[int, tuple[int, tuple[int, ...]]] = {
        0: (0, ())
    }  # by remainder: the largest number of sequences, and their episodes
    for number, count in enumerate(counts):
        for held, chosen in list(best.values()):
            longer = held + count
            if longer > best.get(longer % multiple, (0, ()))[0]:
                best[longer % multiple] = longer, (*chosen, number)
    chosen = best[0][1]
    return Batch([batch.rollouts[at] for at in chosen], [batch.advantages[at] for at in chosen])


def tokenized(trajectory: Trajectory, template: ChatTemplate, trial: int) -> Rollout:
    """The episode as a rollout of policy version 0, with 0 for all log-probabilities."""
    agents = []
    profile = trajectory.recorded_profile()
    language = profile.language_for(trajectory.task)
    for number, conversation in enumerate(trajectory.conversations):
        role = conversation["role"]
        tools = () if profile.embed_tools else profile.schemas(role, trajectory.rules, language)
        found = conversation_sequences(conversation["messages"], template, tools)
        agents.append(
            AgentRecord(
                conversation["agent"],
                role,
                number,
                conversation["ending"],
                [TokenSequence(sequence.ids, _versioned(sequence)) for sequence in found],
            )
        )
    return Rollout(
        task_id=trajectory.task.id,
        group=trajectory.task.id,
        trial=trial,
        seed=trajectory.seed or 0,
        agents=agents,
        reward=trajectory.score.f1_by_item - COST * trajectory.outcome["subagents"],
        parts={},
        score={"item_f1": trajectory.score.f1_by_item},
        ending=trajectory.conversations[0]["ending"],
    )


def _versioned(sequence: TokenSequence) -> list[TurnRecord]:
    return [
        dataclasses.replace(turn, logprobs=[0.0] * turn.tokens, versions=((0, turn.tokens),))
        for turn in sequence.turns
    ]
