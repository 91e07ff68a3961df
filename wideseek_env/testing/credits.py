"""`check_credit`: checks that a custom credit keeps the rules of `wideseek_env.credit.Credit`."""

from __future__ import annotations

import json
import pickle

from wideseek_env.credit import Credit, credits_of
from wideseek_env.episode_run import EpisodeRun
from wideseek_env.testing.conformance import Checker, global_chance
from wideseek_env.testing.episodes import ended_episodes


def check_credit(credit: Credit) -> None:
    """Check a credit on ended episodes of every kind: answered, half answered, malformed, aborted, out of turns.

    - The credit has a name, and returns one finite number for each conversation.
    - It depends only on the episode, its score and its reward. Earlier episodes and global random numbers have no
      effect.
    - It changes neither the episode nor the score, and it raises no exception.

    Raises:
        ConformanceError: The credit breaks one of these rules. The message is about the first broken rule.
    """
    check = Checker("the credit")
    check.require(
        isinstance(credit, Credit) and callable(credit), "protocol", f"{type(credit).__name__} lacks name or __call__",
        "Add both, as in wideseek_env.credit.Credit",
    )  # fmt: skip
    check.name(credit)
    episodes = ended_episodes()
    paid: dict[str, list[float]] = {}
    for sort, run in episodes.items():
        with global_chance(1):
            paid[sort] = _pay(check, credit, sort, run)
    for sort, run in reversed(episodes.items()):
        with global_chance(2):
            again = _pay(check, credit, sort, run)
        check.require(
            again == paid[sort], "determinism",
            f"an episode that is {sort!r} pays {paid[sort]} first, and {again} after others",
            "Keep no state between episodes, draw no random numbers and read no clock",
        )  # fmt: skip


def _pay(check: Checker, credit: Credit, sort: str, run: EpisodeRun) -> list[float]:
    assert run.score is not None
    score = run.score
    before = pickle.dumps(run.episode), json.dumps(score.to_dict())
    paid: list[float] = check.call(
        f"an episode that is {sort!r}",
        "Return one finite number for each of episode.conversations; outcome.answer may be None, and the score 0",
        lambda: credits_of(credit, run.episode, score, run.reward),
    )
    check.require(
        before == (pickle.dumps(run.episode), json.dumps(score.to_dict())),
        "untouched",
        f"it changed an episode that is {sort!r}",
        "Only read the episode and the score; do not change them",
    )
    return paid
