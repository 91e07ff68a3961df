"""The random policy: deterministic in its seed, and able to reach every part of the game."""

from __future__ import annotations

from functools import cache

import pytest

from wideseek_baselines.policies.random import RandomPolicy
from wideseek_env.corpus.stored import MemoryCorpus
from wideseek_env.corpus.synthetic import SyntheticWorld
from wideseek_env.episode_run import run_episode
from wideseek_env.game import Game, GameConfig
from wideseek_env.policy import make_policy
from wideseek_env.tasks.synthetic import synthetic_tasks
from wideseek_env.testing import check_policy

WORLD = SyntheticWorld.from_spec("synthetic:seed=7,pages=400,rows=10-12")


@cache
def corpus() -> MemoryCorpus:
    return WORLD.corpus()


def setup(profile: str = "default", team: bool = True) -> Game:
    tasks = synthetic_tasks(WORLD, "train", 4)
    return GameConfig(tasks=tasks, corpus=corpus(), profile=profile, team=team, width=3).open()


@pytest.mark.parametrize("profile", ["default", "terse", "wideseek-r1"])
@pytest.mark.parametrize("team", [True, False])
def test_it_plays_every_profile_and_repeats_itself(profile: str, team: bool) -> None:
    check_policy(RandomPolicy, setup(profile, team), episodes=4)


def test_seeds_differ() -> None:
    game = setup()
    first, second = (
        run_episode(game, RandomPolicy(), game.tasks[0], seed=seed).episode.events for seed in (1, 2)
    )
    assert first != second


def test_it_reaches_every_part_of_the_game() -> None:
    game = setup()
    endings: set[str] = set()
    kinds: set[str] = set()
    errors = opened = 0
    for seed in range(30):
        episode = run_episode(game, RandomPolicy(), game.tasks[seed % 4], seed=seed).episode
        for conversation in episode.conversations:
            endings.add(conversation.ending)
            kinds.update(conversation.calls)
            errors += conversation.errors
            opened += sum(
                "Title: " in str(m["content"]) for m in conversation.messages if m["role"] == "tool"
            )
    assert {"answered", "reported"} <= endings
    assert kinds == {"delegate", "search", "browse"}
    assert errors > 0
    assert opened > 0


def test_it_is_found_by_name() -> None:
    policy = make_policy("random", malformed=0.0)
    assert isinstance(policy, RandomPolicy)
    assert policy.malformed == 0.0
