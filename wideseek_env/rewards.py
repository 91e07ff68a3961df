"""Rewards: small objects that turn a scored episode into one number for the whole team.

A reward is called with the ended episode and the score of its answer. It returns the parts of the reward by name. The
reward of the team is the sum of the parts. `Sum` adds several rewards. `reward_named` finds a reward by its name.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Protocol, TypeAlias, runtime_checkable

from wideseek_env.episode import Episode
from wideseek_env.errors import ConfigError
from wideseek_env.messages import Counter, Message, count_characters
from wideseek_env.plugins import is_part, make_part
from wideseek_env.reprs import short
from wideseek_env.scoring import Judge, TableScore
from wideseek_env.scoring.tables import strip_thinking
from wideseek_env.scoring.wideseek_r1 import boxed_answer, score_wideseek_r1
from wideseek_env.suggestions import hint
from wideseek_env.task import Task

Parts: TypeAlias = dict[str, float]


@runtime_checkable
class Reward(Protocol):
    """Computes the reward of the team at the end of an episode."""

    @property
    def name(self) -> str:
        """The name of the reward in records."""
        ...

    def __call__(self, episode: Episode, score: TableScore) -> Parts:
        """The parts of the reward by name. The reward of the team is their sum. `episode.outcome` is set."""
        ...


def total(parts: Mapping[str, float]) -> float:
    """The sum of the parts. It does not depend on their order."""
    return math.fsum(parts.values())


def reward_parts(reward: Reward, episode: Episode, score: TableScore) -> Parts:
    """The parts that `reward` returns for an ended episode, checked.

    Raises:
        ConfigError: The reward returned something other than numbers by name. The message says what and how to mend it.
    """
    parts: object = reward(episode, score)
    about = f"the reward {reward.name!r} returned {short(parts)}"
    wanted = f"return the parts of the reward by name, such as {{{reward.name!r}: 0.5}}"
    if not isinstance(parts, Mapping):
        raise ConfigError(f"{about}: {wanted}")
    for name, value in parts.items():
        number = not isinstance(value, str) and hasattr(value, "__float__")
        if not isinstance(name, str) or not number or not math.isfinite(value):
            raise ConfigError(f"{about}: {name!r} must be a finite number, so {wanted}")
    return {name: float(value) for name, value in parts.items()}


@dataclass(frozen=True, slots=True)
class ItemF1:
    """The item-F1 of the answer's table, between 0 and 1. It is 0 without an answer."""

    name: str = "item_f1"

    def __call__(self, episode: Episode, score: TableScore) -> Parts:
        """The parts of the reward by name."""
        return {"item_f1": score.f1_by_item}


def approximate_tokens(message: Message) -> int:
    """The approximate number of tokens in a message, for use without a tokenizer.

    It counts one token per four characters. A CJK character counts as one token.
    """
    content = message["content"]
    wide = 0 if content.isascii() else sum("\u2e80" <= c <= "\uffef" for c in content)
    return (count_characters(message) - wide) // 4 + wide


def generated_tokens(message: Message) -> int:
    """The number of tokens that a model generated for a message, its thoughts and end token included.

    Policies of language models record this number in the message. Without it, the result is `approximate_tokens`.
    """
    tokens: int | None = message.get("completion_tokens")
    return approximate_tokens(message) if tokens is None else tokens


@dataclass(frozen=True, slots=True)
class WideSeekR1:
    """The training reward of WideSeek-R1 (arXiv 2602.04634, section on the reward).

    It is the sum of item-F1, `format_bonus` for a well-formed answer and `browse_bonus` if any agent tried to open a
    page. A penalty for long turns is subtracted. The penalty is 0 if the longest turn of any agent has at most
    `free_tokens` tokens, and grows linearly to `length_penalty` at `limit_tokens`. The whole reward is 0 if the answer
    is malformed or the lead ran out of turns or context.

    A table is well-formed if it has every required column and at least one row. A short answer is well-formed if it is
    in a complete ``\\boxed{…}`` that is not blank.
    """

    format_bonus: float = 0.1
    browse_bonus: float = 0.05
    length_penalty: float = 0.1
    free_tokens: int = 3000
    limit_tokens: int = 5000
    counter: Counter = field(default=generated_tokens, compare=False)
    """Measures a turn in tokens. The default uses the number of tokens that the model generated, where the policy
    recorded it, and an approximation where it did not."""
    published_scoring: bool = False
    """Score the answer again in the published way (`score_wideseek_r1`) instead of using the score of the episode."""
    judge: Judge | None = field(default=None, compare=False)
    """Decides whether cells are right if `published_scoring` is set.

    None means the judge of the game (`with_judge`). The published system uses a model.
    """
    name: str = "wideseek_r1"

    def __call__(self, episode: Episode, score: TableScore) -> Parts:
        """The parts of the reward by name."""
        outcome = episode.outcome
        if outcome is None or not outcome.answered:
            return {"item_f1": 0.0}
        answer = outcome.answer or ""
        if self.published_scoring:
            score = score_wideseek_r1(answer, episode.task, self.judge)
            well_formed = score.well_formed
        else:
            well_formed = _is_well_formed(answer, episode.task, score)
        if not well_formed:
            return {"item_f1": 0.0}
        longest = max(
            (self.counter(m) for c in episode.conversations for m in c.messages if m["role"] == "assistant"),
            default=0,
        )
        excess = (longest - self.free_tokens) / (self.limit_tokens - self.free_tokens)
        return {
            "item_f1": score.f1_by_item,
            "format": self.format_bonus,
            "browse": self.browse_bonus if outcome.tool_calls.get("browse") else 0.0,
            "length": -self.length_penalty * min(1.0, max(0.0, excess)),
        }


def _is_well_formed(answer: str, task: Task, score: TableScore) -> bool:
    """Whether the format of an answer is right, where `score` is its lenient score."""
    if task.gold is None:
        return bool((boxed_answer(strip_thinking(answer)) or "").strip())
    has_rows = bool(score.extra_rows) or any(row.predicted_row is not None for row in score.cells)
    return score.well_formed and not score.missing_columns and (has_rows or not score.cells)


@dataclass(frozen=True, slots=True)
class Sum:
    """The weighted sum of several rewards. Its parts are named ``reward.part``."""

    terms: tuple[tuple[float, Reward], ...]
    name: str = "sum"

    def __call__(self, episode: Episode, score: TableScore) -> Parts:
        """The parts of the reward by name."""
        return {
            f"{reward.name}.{part}": weight * value
            for weight, reward in self.terms
            for part, value in reward_parts(reward, episode, score).items()
        }


PRESETS: dict[str, Reward] = {"item_f1": ItemF1(), "wideseek_r1": WideSeekR1()}
"""The rewards by name."""


def with_judge(reward: Reward, judge: Judge | None) -> Reward:
    """`reward`, where each published scoring without a judge gets `judge`. So one judge decides score and reward."""
    if isinstance(reward, Sum):
        return replace(
            reward, terms=tuple((weight, with_judge(each, judge)) for weight, each in reward.terms)
        )
    if judge is not None and published_judges(reward) == (None,):
        assert isinstance(reward, WideSeekR1)
        return replace(reward, judge=judge)
    return reward


def published_judges(reward: Reward) -> tuple[Judge | None, ...]:
    """The judges of the published scorings (`score_wideseek_r1`) in `reward`."""
    if isinstance(reward, Sum):
        return tuple(judge for _, each in reward.terms for judge in published_judges(each))
    return (reward.judge,) if isinstance(reward, WideSeekR1) and reward.published_scoring else ()


def reward_named(reward: str | Reward) -> Reward:
    """The reward called `reward`: a preset or a custom one (`wideseek_env.plugins`). A `Reward` is returned as it is.

    Raises:
        ConfigError: The name is unknown, or the object is not a reward.
    """
    if not isinstance(reward, str):
        if not isinstance(reward, Reward):
            raise ConfigError(f"a reward must be a name or a callable with a name, not {reward!r}")
        return reward
    if reward in PRESETS:
        return PRESETS[reward]
    if not is_part("reward", reward):
        raise ConfigError(
            f"no reward {reward!r}{hint(reward, PRESETS)}; there are: {', '.join(PRESETS)}; "
            "for a custom one write module:Class"
        )
    made: Reward = make_part("reward", reward, _is_reward, "a name and __call__(episode, score)")
    return made


def _is_reward(part: object) -> bool:
    return isinstance(part, Reward)
