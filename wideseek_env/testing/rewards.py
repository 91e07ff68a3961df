"""`check_reward`: checks that a custom reward keeps the rules of `wideseek_env.rewards.Reward`."""

from __future__ import annotations

import copy
import dataclasses
import json
import math
import pickle
from typing import Any

from wideseek_env.episode_run import EpisodeRun
from wideseek_env.rewards import Parts, Reward, total
from wideseek_env.testing.conformance import Checker, global_chance
from wideseek_env.testing.episodes import ended_episodes


def check_reward(reward: Reward, *, low: float = 0.0, high: float = 1.0) -> None:
    """Check a reward on ended episodes of every kind: answered, half answered, malformed, aborted, out of turns.

    - The reward has a name, and returns its parts as finite numbers by name. Their sum is between `low` and `high`.
    - It depends only on the episode and its score. Earlier episodes, global random numbers and the order of stored
      counts have no effect.
    - It changes neither the episode nor the score, and it raises no exception.
    - The reward of a perfect answer is higher than that of no answer. Check a penalty together with the reward that it
      reduces, as a `Sum`.

    Args:
        reward: The reward.
        low: Smallest allowed sum of the parts.
        high: Largest allowed sum of the parts.

    Raises:
        ConformanceError: The reward breaks one of these rules. The message is about the first broken rule.
    """
    check = Checker("the reward")
    check.require(
        isinstance(reward, Reward) and callable(reward), "protocol", f"{type(reward).__name__} lacks name or __call__",
        "Add both, as in wideseek_env.rewards.Reward",
    )  # fmt: skip
    check.name(reward)
    episodes = ended_episodes()
    paid: dict[str, Parts] = {}
    for sort, run in episodes.items():
        with global_chance(1):
            paid[sort] = _pay(check, reward, sort, run)
        amount = total(paid[sort])
        check.require(
            low <= amount <= high, "range", f"an episode that is {sort!r} pays {amount:g}, not {low:g} to {high:g}",
            "Limit its parts, or pass the low and high that you intend",
        )  # fmt: skip
    for sort, run in reversed(episodes.items()):
        with global_chance(2):
            again = _pay(check, reward, sort, run)
        check.require(
            again == paid[sort], "determinism",
            f"an episode that is {sort!r} pays {paid[sort]} first, and {again} after others",
            "Keep no state between episodes, draw no random numbers and read no clock",
        )  # fmt: skip
    for sort, run in episodes.items():
        turned = _pay(check, reward, sort, _reordered(run))
        check.require(
            turned == paid[sort], "order",
            f"{sort!r} pays {turned} instead of {paid[sort]} when the counts are stored in another order",
            "Read counts by name, as in outcome.tool_calls.get('browse', 0), not by position",
        )  # fmt: skip
    most, none = total(paid["perfect"]), total(paid["none"])
    check.require(
        most > none, "purpose", f"a perfect answer pays {most:g}, and none pays {none:g}",
        "A policy trained with it learns not to answer: pay for the score too",
    )  # fmt: skip


def _pay(check: Checker, reward: Reward, sort: str, run: EpisodeRun) -> Parts:
    assert run.score is not None
    before = pickle.dumps(run.episode), json.dumps(run.score.to_dict())
    parts: Any = check.call(
        f"an episode that is {sort!r}",
        "The reward must work for every ended episode: outcome.answer may be None, and the score 0",
        lambda: reward(run.episode, run.score),  # type: ignore[arg-type]
    )
    todo = "Return a dict of numbers by name, such as {'item_f1': score.f1_by_item}"
    check.require(isinstance(parts, dict), "types", f"it gave {type(parts).__name__} {parts!r:.80}", todo)
    for name, value in parts.items():
        check.require(
            isinstance(name, str) and isinstance(value, int | float) and not isinstance(value, bool),
            "types", f"an episode that is {sort!r} has the part {name!r}: {value!r:.80}", todo,
        )  # fmt: skip
        check.require(
            math.isfinite(value), "range", f"the part {name} of an episode that is {sort!r} is {value}",
            "Avoid division by zero: an answer may have no rows, and an episode no turns",
        )  # fmt: skip
    after = pickle.dumps(run.episode), json.dumps(run.score.to_dict())
    check.require(
        before == after,
        "untouched",
        f"it changed an episode that is {sort!r}",
        "Only read the episode and the score; do not change them",
    )
    return dict(parts)


def _reordered(run: EpisodeRun) -> EpisodeRun:
    """The same ended episode with its counts stored in reverse order."""
    other = copy.copy(run)
    other.episode = episode = run.episode.copy()
    assert episode.outcome is not None
    calls = dict(reversed(list(episode.outcome.tool_calls.items())))
    episode.outcome = dataclasses.replace(episode.outcome, tool_calls=calls)
    for conversation in episode.conversations:
        conversation.calls = dict(reversed(conversation.calls.items()))
    return other
