"""Samples for the supervised warm start: recorded episodes as token ids.

Trajectories have only text. Their messages are encoded with the chat template, in the same way as in a rollout. If the
template changes earlier turns, a conversation becomes several sequences. Recorded rollouts already have token ids.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from wideseek_baselines.tokens.record import Rollout, TurnRecord
from wideseek_baselines.tokens.record import Sequence as TokenSequence
from wideseek_baselines.train.data.packing import Sample
from wideseek_env.clean import clean_value
from wideseek_env.errors import ConfigError, TrajectoryError
from wideseek_env.messages import Message, Role
from wideseek_env.trajectory import Trajectory, iter_trajectories

if TYPE_CHECKING:
    from wideseek_baselines.tokens import ChatTemplate


@dataclass(frozen=True, slots=True)
class Lesson:
    """One sequence to learn, with its task and role."""

    task_id: str
    role: Role
    sample: Sample


def read_lessons(
    paths: Sequence[Path | str], template: ChatTemplate, *, roles: Collection[Role], min_score: float = 0.0
) -> list[Lesson]:
    """Read the sequences of all episodes whose item-F1 is at least `min_score`.

    Args:
        paths: JSONL files of trajectories, or files of rollouts (``.jsonl``, ``.jsonl.gz``, ``.parquet``).
        template: The chat template of the model that is trained. Rollouts must have been recorded with the same
            tokenizer.
        roles: Roles whose agents the model learns from.
        min_score: Episodes with a lower item-F1 are left out.

    Raises:
        ConfigError: No sequence is left.
        TrajectoryError: A file cannot be read.
    """
    lessons: list[Lesson] = []
    scores: list[float] = []
    for path in map(Path, paths):
        if _holds_rollouts(path):
            from wideseek_baselines.rollout.store import iter_rollouts

            vocabulary = len(template.tokenizer)
            for rollout in iter_rollouts(path):
                scores.append(rollout.score.get("item_f1", 0.0))
                if scores[-1] >= min_score:
                    lessons += rollout_lessons(rollout, roles, vocabulary)
        else:
            for trajectory in iter_trajectories(path):
                scores.append(trajectory.score.f1_by_item)
                if scores[-1] >= min_score:
                    lessons += trajectory_lessons(trajectory, template, roles)
    if not lessons:
        raise ConfigError(_why_empty(", ".join(map(str, paths)), scores, roles, min_score))
    return lessons


def _why_empty(files: str, scores: Sequence[float], roles: Collection[Role], min_score: float) -> str:
    """Why the episodes with these scores give no sequence to learn from."""
    if not scores:
        return f"nothing to train on: {files} has no episodes"
    good = sum(score >= min_score for score in scores)
    if not good:
        return (
            f"nothing to train on: none of the {len(scores)} episodes in {files} has an item-F1 of at least "
            f"min_score={min_score:g}. The best has {max(scores):.3f}. Lower min_score, or record better episodes"
        )
    return (
        f"nothing to train on: the {good} episodes in {files} with an item-F1 of at least min_score={min_score:g} have "
        f"no complete turn of the roles {', '.join(roles)}. Choose other roles"
    )


def trajectory_lessons(
    trajectory: Trajectory, template: ChatTemplate, roles: Collection[Role]
) -> Iterator[Lesson]:
    """The sequences of one recorded episode."""
    profile = trajectory.recorded_profile()
    for conversation in trajectory.conversations:
        role: Role = conversation["role"]
        if role not in roles:
            continue
        tools: Sequence[Mapping[str, Any]] = ()
        if not profile.embed_tools:
            tools = profile.schemas(role, trajectory.rules, profile.language_for(trajectory.task))
        for sequence in conversation_sequences(conversation["messages"], template, tools):
            if any(turn.trainable for turn in sequence.turns):
                yield Lesson(trajectory.task.id, role, _sample(sequence))


def conversation_sequences(
    messages: Sequence[Message], template: ChatTemplate, tools: Sequence[Mapping[str, Any]] = ()
) -> list[TokenSequence]:
    """A conversation as token ids.

    A turn is not trainable if it was cut off, or if its text contains a token that ends turns.
    """
    thread = template.thread(tools)
    turn = 0
    for number, message in enumerate(messages):
        if message["role"] != "assistant":
            continue
        thread.prompt(messages[:number])
        ids = template.encoder.encode(spoken(message).removeprefix(thread.opening))
        whole = message.get("finish_reason") not in ("length", "context") and ids
        usable = bool(whole) and not set(ids) & set(template.stop_ids)
        end = template.end_id if template.end_id is not None else template.stop_ids[0]
        record = TurnRecord(turn, 0, 0, [], (), "stop" if whole else "length", trainable=usable)
        thread.add([*ids, end] if whole else ids, record)
        turn += 1
    return thread.sequences


def spoken(message: Message) -> str:
    """The text that a model must write for this message. Tool calls in the field `tool_calls` become text."""
    parts = [message["content"]] if message["content"] else []
    for call in message.get("tool_calls", ()):
        function = call["function"]
        try:
            arguments = clean_value(json.loads(function["arguments"]))
        except (ValueError, RecursionError):
            arguments = function["arguments"]
        record = {"name": function["name"], "arguments": arguments}
        parts.append(f"<tool_call>\n{json.dumps(record, ensure_ascii=False)}\n</tool_call>")
    return "\n".join(parts)


def rollout_lessons(rollout: Rollout, roles: Collection[Role], vocabulary: int) -> Iterator[Lesson]:
    """The sequences of one recorded rollout, with the token ids that were sampled."""
    for agent in rollout.agents:
        if agent.role not in roles:
            continue
        for sequence in agent.sequences:
            if not any(turn.tokens for turn in sequence.turns):
                continue
            if max(sequence.ids) >= vocabulary:
                raise TrajectoryError(
                    f"a rollout of task {rollout.task_id} has the token {max(sequence.ids)}, but the tokenizer has "
                    f"{vocabulary}: it was recorded with another model"
                )
            yield Lesson(rollout.task_id, agent.role, _sample(sequence, everything=True))


def thinned(lessons: Sequence[Lesson], share: float, seed: int) -> list[Lesson]:
    """All lessons of other roles, and a random share of the lessons of subagents, in the same order."""
    subagents = [number for number, lesson in enumerate(lessons) if lesson.role == "subagent"]
    order = np.random.default_rng([seed, 3]).permutation(len(subagents))
    dropped = {subagents[at] for at in order[round(share * len(subagents)) :]}
    return [lesson for number, lesson in enumerate(lessons) if number not in dropped]


def held_out_split(lessons: Sequence[Lesson], share: float, seed: int) -> tuple[list[Sample], list[Sample]]:
    """Samples to train on, and samples of a held-out share of the tasks. No task is in both."""
    tasks = sorted({lesson.task_id for lesson in lessons})
    order = np.random.default_rng([seed, 1]).permutation(len(tasks))
    count = min(len(tasks) - 1, round(share * len(tasks)) or (1 if share else 0))
    held_out = {tasks[at] for at in order[:count]}
    return (
        [lesson.sample for lesson in lessons if lesson.task_id not in held_out],
        [lesson.sample for lesson in lessons if lesson.task_id in held_out],
    )


def batches(lengths: Sequence[int], tokens: int, epochs: int, seed: int) -> list[list[int]]:
    """The indices of the samples of each step of a run. Every epoch has each sample once, in a new order.

    The samples of a step have at most `tokens` tokens in total. A longer sample gets a step for itself. The result
    depends only on the arguments, so a run can resume at any step.

    Args:
        lengths: The number of tokens of each sample.
        tokens: Largest number of tokens of a step.
        epochs: Passes over the samples.
        seed: Seed of the orders.
    """
    plan: list[list[int]] = []
    for epoch in range(epochs):
        batch: list[int] = []
        held = 0
        for number in np.random.default_rng([seed, 2, epoch]).permutation(len(lengths)).tolist():
            if batch and held + lengths[number] > tokens:
                plan.append(batch)
                batch, held = [], 0
            batch.append(number)
            held += lengths[number]
        plan.append(batch)
    return plan


def whole(sample: Sample) -> Sample:
    """The same sequence with all tokens trained except the first, because no token comes before it to predict it."""
    return Sample(sample.ids, np.arange(1, len(sample.ids), dtype=np.int64))


def _sample(sequence: TokenSequence, *, everything: bool = False) -> Sample:
    spans: Iterable[TurnRecord] = (turn for turn in sequence.turns if everything or turn.trainable)
    places = np.concatenate([np.arange(turn.start, turn.stop) for turn in spans])
    return Sample(np.array(sequence.ids, np.int64), places.astype(np.int64))


def _holds_rollouts(path: Path) -> bool:
    """Whether a file has rollouts and not trajectories. In rollouts, the first record has agents and no
    conversations.
    """
    if path.suffix == ".parquet":
        return True
    import gzip

    try:
        with gzip.open(path, "rb") if path.suffix == ".gz" else open(path, "rb") as file:
            first = json.loads(file.readline())
    except (OSError, ValueError, EOFError, RecursionError) as error:
        raise TrajectoryError(f"{path} cannot be read: {error}") from error
    return isinstance(first, dict) and "agents" in first and "conversations" not in first
