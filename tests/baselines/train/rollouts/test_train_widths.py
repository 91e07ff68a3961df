"""Training and evaluation at several widths: which episode is played at which."""

from __future__ import annotations

import numpy as np
import pytest

from wideseek_baselines.rollout.jobs import RolloutJob
from wideseek_baselines.train.config.loading import load_config
from wideseek_baselines.train.config.run import EvaluationOptions
from wideseek_baselines.train.data.packing import Sample
from wideseek_baselines.train.data.supervised import whole
from wideseek_baselines.train.data.task_sampler import TaskSampler
from wideseek_baselines.train.grpo import GrpoConfig
from wideseek_baselines.train.rollouts.manager import held_out_jobs
from wideseek_env.errors import ConfigError
from wideseek_env.game import GameConfig

SETUP = GameConfig(tasks="synthetic:pages=700,rows=5-9", split="train", rules="width-benchmark").open()


def test_tasks_take_the_widths_in_turn_and_a_group_has_one() -> None:
    order = TaskSampler(SETUP.tasks, 0, (2, 4, 8))
    jobs = order.jobs(5, 4, 2)
    assert [job.width for job in jobs] == [8, 8, 2, 2, 4, 4, 8, 8]
    assert order.jobs(7, 1, 2) == jobs[4:6], "the width follows from the position, as the task does"
    assert {job.width for job in TaskSampler(SETUP.tasks, 0).jobs(0, 3, 2)} == {None}


def test_a_job_is_played_at_its_width() -> None:
    task = SETUP.tasks[0]
    assert RolloutJob(task, 0, 0, width=3).game_for(SETUP).rules.width == 3
    assert RolloutJob(task, 0, 0).game_for(SETUP) is SETUP


def test_held_out_episodes_have_the_same_seeds_at_every_width() -> None:
    jobs = held_out_jobs(SETUP.tasks[:3], EvaluationOptions(every=1, trials=2, widths=(1, 8)), 0)
    assert len({(job.group, job.trial) for job in jobs}) == 12
    narrow, wide = ([job for job in jobs if job.width == width] for width in (1, 8))
    assert [job.seed for job in narrow] == [job.seed for job in wide]


def test_widths_are_for_teams_and_positive() -> None:
    needed = ["model.path=m", "out=o"]
    with pytest.raises(ConfigError, match="a single agent has no width"):
        load_config(
            GrpoConfig, None, [*needed, "game.team=false", "widths=[2]", 'selection.roles=["single"]']
        )
    with pytest.raises(ConfigError, match=r"widths must be 1 or more, not \[0\]"):
        load_config(GrpoConfig, None, [*needed, "widths=[0]"])


def test_everything_but_the_first_token_can_be_learnt() -> None:
    example = Sample(np.arange(5), np.array([3, 4]))
    assert whole(example).places.tolist() == [1, 2, 3, 4]
    assert whole(example).ids.tolist() == example.ids.tolist()
