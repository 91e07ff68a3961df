"""The asynchronous driver records the credits that the lock-step driver pays."""

from __future__ import annotations

import pytest
from rollout_games import game, play_all, team

from wideseek_baselines.scripted import ScriptedPolicy
from wideseek_env.episode_run import run_episode


@pytest.mark.parametrize("roster", ["dynamic", "fixed"])
def test_credits_are_those_of_lock_step(roster: str) -> None:
    setup = game(2, credit="cells", roster=roster)
    for finished in play_all(team(seed=3), setup):
        assert finished.trajectory is not None
        assert finished.rollout is not None
        run = run_episode(setup, ScriptedPolicy(), finished.job.task, seed=finished.job.seed)
        assert finished.trajectory.credits == run.credits
        assert [agent.credit for agent in finished.rollout.agents] == run.credits
        assert run.credits[0] == run.reward
        assert 0.3 < sum(run.credits[1:]) <= 1
        assert len(set(run.credits)) > 2


def test_without_credits_agents_have_none() -> None:
    (finished,) = play_all(team(), game(1))
    assert finished.rollout is not None
    assert {agent.credit for agent in finished.rollout.agents} == {None}
