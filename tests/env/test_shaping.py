"""The terms of PARL, and how their weight changes during training."""

from __future__ import annotations

import dataclasses

import pytest
from credit_episodes import GOLD, TASK, Sub, play, table

from wideseek_env import GameConfig
from wideseek_env.episode import Episode
from wideseek_env.errors import ConfigError
from wideseek_env.rewards import ItemF1, Reward, Sum, WideSeekR1, reward_named, total
from wideseek_env.scoring import score_response
from wideseek_env.shaping import Annealed, Finished, Parallel, parl, reward_at

ANSWER = table(GOLD[0])
SCORE = score_response(ANSWER, TASK)


def paid(reward: Reward, *delegated: int, lost: int = 0) -> float:
    """What an episode earns whose delegations have this number of subagents, of which the first ones fail."""
    numbers = iter(range(sum(delegated)))
    teams = [[Sub(None if next(numbers) < lost else "done") for _ in range(size)] for size in delegated]
    return total(reward(play(ANSWER, *teams), SCORE))


@pytest.mark.parametrize(
    ("delegated", "expected"),
    [((), 0), ((1,), 0), ((1, 1, 1), 0), ((2,), 1 / 7), ((8,), 1), ((1, 3, 2), 2 / 7), ((4, 4), 3 / 7)],
)
def test_the_largest_delegation_counts(delegated: tuple[int, ...], expected: float) -> None:
    assert paid(Parallel(), *delegated) == pytest.approx(expected)


def test_a_width_of_one_has_nothing_in_parallel() -> None:
    episode = play(ANSWER, [Sub("done")])
    episode.rules = dataclasses.replace(episode.rules, width=1)
    assert Parallel()(episode, SCORE) == {"parallel": 0}


@pytest.mark.parametrize(
    ("delegated", "lost", "expected"),
    [((), 0, 0), ((2,), 0, 1), ((4,), 1, 0.75), ((1, 3), 4, 0), ((2, 2), 3, 0.25)],
)
def test_the_share_of_subagents_that_finished(delegated: tuple[int, ...], lost: int, expected: float) -> None:
    assert paid(Finished(), *delegated, lost=lost) == expected


def test_a_blank_report_is_not_finished() -> None:
    assert Finished()(play(ANSWER, [Sub(" \n"), Sub("done")]), SCORE) == {"finished": 0.5}


def test_delegations_are_numbered() -> None:
    def numbers(episode: Episode) -> list[int]:
        return [each.delegation for each in episode.conversations]

    assert numbers(play(ANSWER, [Sub("a")], [Sub(None), Sub("c")])) == [0, 1, 2, 2]
    assert numbers(play(ANSWER, [Sub("a")] * 2, [Sub("b")], roster="fixed")) == [0, 1, 1, 2]
    assert numbers(play(ANSWER)) == numbers(Episode(TASK, team=False)) == [0]


def test_the_weight_falls_and_stays() -> None:
    term = Annealed(Finished(), start=0.4, end=0.1, until=0.5)
    weights = {
        progress: dataclasses.replace(term, progress=progress).weight
        for progress in (-1, 0, 0.25, 0.5, 0.7, 1, 2)
    }
    assert weights == pytest.approx({-1: 0.4, 0: 0.4, 0.25: 0.25, 0.5: 0.1, 0.7: 0.1, 1: 0.1, 2: 0.1})
    assert paid(reward_at(term, 0.25), 2) == pytest.approx(0.25)
    assert paid(term, 2) == pytest.approx(0.1), "without a trainer, the training has ended"
    for wrong in (0, -1.0, float("nan")):
        with pytest.raises(ConfigError, match="until must be above 0"):
            Annealed(Finished(), until=wrong)


def test_parl_is_the_reward_of_the_answer_with_two_terms_that_fade() -> None:
    f1 = SCORE.f1_by_item
    at = {
        progress: paid(reward_at(parl(0.2, 0.5), progress), 8, lost=4) for progress in (0.0, 0.25, 0.5, 1.0)
    }
    assert at == pytest.approx({0: f1 + 0.2 + 0.1, 0.25: f1 + 0.1 + 0.05, 0.5: f1, 1: f1})
    assert paid(parl(), 8) == f1
    named = reward_named("wideseek_env.shaping:parl,weight=0.3,base=wideseek_r1")
    assert named == parl(0.3, base=WideSeekR1())
    assert set(named(play(ANSWER, [Sub("a")]), SCORE)) >= {"annealed.parallel", "annealed.finished"}


def test_other_rewards_do_not_change() -> None:
    for reward in (ItemF1(), WideSeekR1(), Sum(((1.0, ItemF1()), (2.0, WideSeekR1())))):
        assert reward_at(reward, 0.3) is reward
    nested = Sum(((1.0, ItemF1()), (0.5, parl())))
    assert paid(reward_at(nested, 0.0), 8) == pytest.approx(SCORE.f1_by_item * 1.5 + 0.5 * 0.2)
    assert GameConfig(reward="wideseek_env.shaping:parl").to_dict()["reward"] == "wideseek_env.shaping:parl"
