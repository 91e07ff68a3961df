"""Jobs know how much of the training is done, and rewards of their episodes change with it."""

from __future__ import annotations

import pytest
from toy_game import NoTools, toy_tasks

from wideseek_baselines.rollout.jobs import RolloutJob
from wideseek_baselines.train.data.task_sampler import TaskSampler
from wideseek_env.game import GameConfig
from wideseek_env.rewards import Sum
from wideseek_env.shaping import Annealed, parl


def test_jobs_know_their_progress() -> None:
    sampler = TaskSampler(toy_tasks(3), 0, (), 8)
    assert [job.progress for job in sampler.jobs(2, 3, 2)] == [0.25, 0.25, 0.375, 0.375, 0.5, 0.5]
    assert [job.progress for job in sampler.jobs(8, 2, 1)] == [1, 1], "replacements for zero-variance groups"
    plain = TaskSampler(toy_tasks(3), 0).jobs(2, 3, 2)
    assert {job.progress for job in plain} == {None}
    assert [(job.task, job.seed, job.trial, job.group, job.size, job.width) for job in plain] == [
        (job.task, job.seed, job.trial, job.group, job.size, job.width) for job in sampler.jobs(2, 3, 2)
    ]


def test_the_reward_of_a_job_has_its_progress() -> None:
    game = GameConfig(tasks=toy_tasks(1), executor=NoTools(), reward=parl(0.4, 0.5)).open()
    weights = {}
    for progress in (None, 0.0, 0.25, 1.0):
        reward = RolloutJob(game.tasks[0], progress=progress, width=2).game_for(game).reward
        assert isinstance(reward, Sum)
        weights[progress] = [term.weight for _, term in reward.terms if isinstance(term, Annealed)]
    assert weights == {None: [0, 0], 0.0: [0.4, 0.4], 0.25: pytest.approx([0.2, 0.2]), 1.0: [0, 0]}
    plain = GameConfig(tasks=toy_tasks(1), executor=NoTools()).open()
    assert RolloutJob(plain.tasks[0], progress=0.5).game_for(plain) is plain
